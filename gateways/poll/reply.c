/*
 * reply.c - making answers, and keeping them for a while.
 *
 * The cache is a table with one place a hash: a newer answer takes the place of
 * an older one, and when the answers are too large together all of them go.
 * Nothing depends on what is in it; whoever is still being sent a body holds it.
 */
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>

#include "event_json.h"
#include "mem.h"
#include "page_json.h"

enum reply_kind { KIND_JSON, KIND_RAW };

#define EVENT_FORM 0 /* an event's JSON form, kept with the event */

struct etag reply_etag(uint64_t next)
{
    struct etag t;

    t.len = (size_t)snprintf(t.text, sizeof t.text, "\"%llu\"", (unsigned long long)next);
    return t;
}

/* --- the cache -------------------------------------------------------------------- */

static void reply_free(struct reply *r)
{
    if (r == NULL)
        return;
    shared_unref(r->body);
    raw_fields_free(&r->raw);
    free(r->key);
    free(r);
}

static void forget_all(struct reply_cache *c)
{
    for (size_t i = 0; i < REPLY_SLOTS; i++) {
        reply_free(c->slots[i]);
        c->slots[i] = NULL;
    }
    c->bytes = 0;
}

void reply_cache_close(struct reply_cache *c)
{
    forget_all(c);
    buf_free(&c->key);
}

/* c->key: kind, next, the gap, and the events. */
static void make_key(struct reply_cache *c, enum reply_kind kind, struct entry *const *entries,
                     size_t count, uint64_t next, const struct gap *gap)
{
    const uint64_t head[] = {kind,       next, gap->requested, gap->resumed_from, gap->removed_to,
                             gap->reason};

    buf_clear(&c->key);
    buf_put(&c->key, head, sizeof head);
    for (size_t i = 0; i < count; i++)
        buf_put(&c->key, &entries[i]->e.id, sizeof(uint64_t));
}

static size_t slot_of(const struct buf *key)
{
    uint64_t h = 0, word;

    for (size_t i = 0; i < key->len; i += sizeof word) {
        memcpy(&word, key->p + i, sizeof word);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return h % REPLY_SLOTS;
}

static bool has_key(const struct reply *r, const struct buf *key)
{
    return r != NULL && r->key_len * sizeof *r->key == key->len &&
           memcmp(r->key, key->p, key->len) == 0;
}

/* Its body and fields are made. */
static struct reply *keep(struct reply_cache *c, struct reply *r)
{
    struct reply **slot = &c->slots[slot_of(&c->key)];

    r->key_len = c->key.len / sizeof *r->key;
    r->key = mem_alloc(c->key.len);
    memcpy(r->key, c->key.p, c->key.len);
    r->size = sizeof *r + c->key.len + r->raw.text.cap + (r->body != NULL ? r->body->bytes.cap : 0);
    if (*slot != NULL)
        c->bytes -= (*slot)->size;
    reply_free(*slot);
    *slot = NULL;
    if (c->bytes + r->size > REPLY_BYTES)
        forget_all(c);
    c->bytes += r->size;
    *slot = r;
    return r;
}

/* --- JSON -------------------------------------------------------------------------- */

static struct reply *make_json(struct entry *const *entries, size_t count, uint64_t next,
                               const struct gap *gap)
{
    struct reply *r = mem_zalloc(sizeof *r);
    struct buf body = {0};

    page_json_begin(&body);
    for (size_t i = 0; i < count; i++) {
        page_json_comma(&body, i);
        buf_put_slice(&body, block_encoded(entries[i], EVENT_FORM, event_json_put));
    }
    page_json_end(&body, true, next, gap);
    r->content_type = "application/json";
    r->body = shared_of(&body);
    r->next = reply_etag(next);
    return r;
}

const struct reply *reply_json(struct reply_cache *c, struct entry *const *entries, size_t count,
                               uint64_t next, const struct gap *gap)
{
    struct reply *r;

    make_key(c, KIND_JSON, entries, count, next, gap);
    r = c->slots[slot_of(&c->key)];
    return has_key(r, &c->key) ? r : keep(c, make_json(entries, count, next, gap));
}

/* --- raw --------------------------------------------------------------------------- */

/* What SSE says with `event: sluice.json`. */
static void as_json(struct reply *r, const struct event *e, struct buf *body)
{
    r->content_type = "application/json";
    r->raw.list[r->raw.count++] = (struct answer_field){"Sluice-Format", SLICE("json")};
    event_json_put(body, e);
    buf_u8(body, '\n');
}

static struct reply *make_raw(const struct event *e)
{
    struct reply *r = mem_zalloc(sizeof *r);
    struct buf body = {0};

    if (raw_fields_make(&r->raw, e)) {
        r->content_type = r->raw.content_type;
        buf_put_slice(&body, e->payload);
    } else {
        as_json(r, e, &body);
    }
    r->body = body.len > 0 ? shared_of(&body) : NULL;
    r->next = reply_etag(e->id);
    return r;
}

const struct reply *reply_raw(struct reply_cache *c, struct entry *entry)
{
    static const struct gap none = {.reason = GAP_NONE};
    struct reply *r;

    make_key(c, KIND_RAW, &entry, 1, entry->e.id, &none);
    r = c->slots[slot_of(&c->key)];
    return has_key(r, &c->key) ? r : keep(c, make_raw(&entry->e));
}
