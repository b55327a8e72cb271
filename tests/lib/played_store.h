/*
 * played_store.h - a store that the test plays: what is submitted waits until the test
 * says what becomes of it.  Stands in the place of the broker's own at link time;
 * included once.
 *
 *     store_run();                     all is stored and answered, until nothing waits
 *     store.full = true;               the map takes no entry more that wants room
 *     store.refuses = ERR_STORE_FULL;  from now on changes are refused with that …
 *     store.blind = ERR_STORE_FAILED;  … and reads of the map
 *     store_answer();                  the oldest request alone
 *     store_published();               "topic=payload topic=payload"
 *     store_has(SPACE_HEAD, "c", "H")  a row of the map
 *
 * The map and the log are as store.h says.  A request that a gateway's link has made
 * before (link, link_seq) is known again.  What is published through store_publish is in
 * the log and at the follower at once, like another client's event.
 */
#ifndef TESTS_PLAYED_STORE_H
#define TESTS_PLAYED_STORE_H

#include <check.h>
#include <stdlib.h>
#include <utlist.h>

#include "clock.h"
#include "mem.h"
#include "store.h"

#define PLAYED_TOPICS 16

struct played_row {
    uint8_t space;
    struct buf owner, key, value;
    struct played_row *next, *prev; /* in order */
};
struct played_event {
    uint64_t id;
    uint32_t topic;
    struct buf record;
    struct played_event *next, *prev;
};
/* One that a link has published. */
struct played_mark {
    struct wire_uuid link;
    uint64_t seq, id;
    struct played_mark *next;
};

static struct store {
    struct store_request *queue;
    struct played_row *rows;
    struct played_row *place; /* where a row was looked for last; NULL: nowhere */
    struct played_event *log;
    struct played_mark *marks;
    struct buf topics[PLAYED_TOPICS]; /* by number */
    uint32_t topic_count;
    uint64_t head;
    uint64_t oldest; /* `store_knows` nothing below */
    enum sluice_error refuses, blind;
    bool full;        /* of the map: what wants room is refused */
    unsigned commits; /* that had changes or events, and were made */
    void (*follow)(const struct store_batch *b);
    struct buf text; /* store_published */
} store;

/* --- what sessions, groups and peers call ------------------------------------------- */

void store_submit(struct store *s, struct store_request *r)
{
    r->result = (struct store_result){.error = ERR_NONE};
    LL_APPEND(s->queue, r);
}

uint64_t store_head(const struct store *s)
{
    return s->head;
}

struct wire_uuid store_identity(const struct store *s)
{
    (void)s;
    return (struct wire_uuid){{0x10, 0x9}};
}

bool store_knows(const struct store *s, uint64_t seen)
{
    return seen >= s->oldest && seen <= s->head;
}

void store_status(struct store *s, struct store_status *out)
{
    struct played_event *e;

    *out = (struct store_status){.head = s->head};
    DL_FOREACH (s->log, e) {
        out->events++;
        out->bytes += e->record.len;
    }
}

struct slice store_topic_name(const struct store *s, uint32_t topic)
{
    return buf_slice(&s->topics[topic]);
}

static inline struct slice played_text_get(struct reader *r)
{
    return reader_bytes(r, reader_u32(r));
}

bool store_entry_get(struct reader *r, struct store_entry *out)
{
    if (r->left == 0)
        return false;
    out->owner = played_text_get(r);
    out->key = played_text_get(r);
    out->value = played_text_get(r);
    return !r->bad;
}

/* --- the map ------------------------------------------------------------------------- */

static inline int played_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.p, b.p, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static inline int played_row_compare(const struct played_row *row, uint8_t space,
                                     struct slice owner, struct slice key)
{
    int order = row->space - space;

    if (order == 0)
        order = played_compare(buf_slice(&row->owner), owner);
    return order != 0 ? order : played_compare(buf_slice(&row->key), key);
}

static inline void played_row_free(struct played_row *row)
{
    store.place = NULL;
    DL_DELETE(store.rows, row);
    buf_free(&row->owner);
    buf_free(&row->key);
    buf_free(&row->value);
    free(row);
}

/* The row, or NULL; *after: the last one before its place. */
static inline struct played_row *played_row_find(uint8_t space, struct slice owner,
                                                 struct slice key, struct played_row **after)
{
    struct played_row *row;

    *after = NULL;
    row = store.place; /* most come in order */
    if (row == NULL || played_row_compare(row, space, owner, key) > 0)
        row = store.rows;
    for (; row != NULL; row = row->next) {
        int order = played_row_compare(row, space, owner, key);

        if (order >= 0)
            return order == 0 ? row : NULL;
        *after = store.place = row;
    }
    return NULL;
}

static inline void store_put(uint8_t space, struct slice owner, struct slice key,
                             struct slice value)
{
    struct played_row *after, *row = played_row_find(space, owner, key, &after);

    if (row == NULL) {
        row = mem_zalloc(sizeof *row);
        row->space = space;
        buf_put_slice(&row->owner, owner);
        buf_put_slice(&row->key, key);
        if (after != NULL)
            DL_APPEND_ELEM(store.rows, after, row);
        else
            DL_PREPEND(store.rows, row);
    }
    buf_clear(&row->value);
    buf_put_slice(&row->value, value);
}

static inline void played_drop(const struct store_change *c)
{
    struct played_row *row, *next;

    DL_FOREACH_SAFE (store.rows, row, next) {
        if (row->space == c->space && slice_eq(buf_slice(&row->owner), c->owner) &&
            (c->act == STORE_DROP_OWNER || slice_eq(buf_slice(&row->key), c->key)))
            played_row_free(row);
    }
}

static inline void played_scan(struct store_request *r)
{
    struct played_row *row;
    uint32_t count = 0;

    DL_FOREACH (store.rows, row) {
        struct slice owner = buf_slice(&row->owner);
        struct slice run[3] = {owner, buf_slice(&row->key), buf_slice(&row->value)};

        if (row->space != r->space || (r->by_owner && !slice_eq(owner, r->owner)) ||
            (!r->by_owner && played_row_compare(row, r->space, r->owner, r->key) <= 0))
            continue;
        r->more = r->limit != 0 && count == r->limit;
        if (r->more)
            return;
        count++;
        for (size_t i = 0; i < ARRAY_LEN(run); i++) {
            buf_u32(&r->found, (uint32_t)run[i].len);
            buf_put_slice(&r->found, run[i]);
        }
    }
}

/* p NULL: there is none. */
static inline struct slice store_value(uint8_t space, struct slice owner, struct slice key)
{
    struct played_row *after, *row = played_row_find(space, owner, key, &after);

    if (row == NULL)
        return (struct slice){NULL, 0};
    return row->value.len > 0 ? buf_slice(&row->value) : SLICE("");
}

static inline bool store_has(uint8_t space, const char *owner, const char *key)
{
    struct played_row *after;

    return played_row_find(space, slice_of(owner), slice_of(key), &after) != NULL;
}

static inline unsigned store_rows(uint8_t space)
{
    struct played_row *row;
    unsigned count = 0;

    DL_FOREACH (store.rows, row) {
        count += row->space == space;
    }
    return count;
}

/* --- the log ------------------------------------------------------------------------- */

static inline uint32_t played_topic(struct slice name)
{
    uint32_t n = 0;

    while (n < store.topic_count && !slice_eq(buf_slice(&store.topics[n]), name))
        n++;
    if (n == store.topic_count) {
        ck_assert_uint_lt(n, PLAYED_TOPICS);
        buf_put_slice(&store.topics[n], name);
        store.topic_count++;
    }
    return n;
}

/* Behind the head, for the next batch to show: the record with its place in the log. */
static inline uint64_t played_log(uint8_t *record, const struct event *e, uint64_t id)
{
    struct played_event *ev = mem_zalloc(sizeof *ev);

    ev->id = id;
    ev->topic = played_topic(e->topic);
    event_record_patch(record, id, clock_ms(), e->flags);
    buf_put(&ev->record, record, event_record_size(e));
    DL_APPEND(store.log, ev);
    return id;
}

/* Makes all up to `upto` visible. */
static inline void played_show(uint64_t upto)
{
    struct store_batch b = {.after = store.head, .upto = upto};
    struct store_item items[64];
    struct played_event *ev;

    DL_FOREACH (store.log, ev) {
        if (ev->id <= b.after || ev->id > upto)
            continue;
        ck_assert_uint_lt(b.count, ARRAY_LEN(items));
        items[b.count++] = (struct store_item){
            .record = ev->record.p,
            .size = (uint32_t)ev->record.len,
            .topic = ev->topic,
        };
    }
    b.items = items;
    store.head = upto;
    if (store.follow != NULL && b.count > 0)
        store.follow(&b);
}

/* `count` events in one batch; the ID of the last. */
static inline uint64_t store_publish_many(const struct event *e, unsigned count)
{
    uint64_t id = store.head;
    struct buf record = {0};

    event_record_put(&record, e);
    for (unsigned i = 0; i < count; i++)
        id = played_log(record.p, e, id + 1);
    buf_free(&record);
    played_show(id);
    return id;
}

static inline uint64_t store_publish(const char *topic, const char *payload, unsigned qos)
{
    const struct event e = {
        .topic = slice_of(topic),
        .payload = slice_of(payload),
        .flags = (uint16_t)(qos << EVENT_QOS_SHIFT),
    };

    return store_publish_many(&e, 1);
}

static inline void played_event_free(struct played_event *ev)
{
    DL_DELETE(store.log, ev);
    buf_free(&ev->record);
    free(ev);
}

static inline void store_remove(uint64_t id)
{
    struct played_event *ev, *next;

    DL_FOREACH_SAFE (store.log, ev, next) {
        if (ev->id == id)
            played_event_free(ev);
    }
}

static inline const char *store_published(void)
{
    struct played_event *ev;
    struct event e;

    buf_clear(&store.text);
    DL_FOREACH (store.log, ev) {
        struct reader r = reader_of(ev->record.p, ev->record.len);

        ck_assert(event_record_get(&r, &e));
        buf_printf(&store.text, "%s%.*s=%.*s", store.text.len > 0 ? " " : "", (int)e.topic.len,
                   e.topic.p, (int)e.payload.len, e.payload.p);
    }
    buf_u8(&store.text, 0);
    return (const char *)store.text.p;
}

/* --- answering ----------------------------------------------------------------------- */

static inline struct played_mark *played_mark_find(const struct store_request *r)
{
    struct played_mark *m;

    LL_FOREACH (store.marks, m) {
        if (r->link != NULL && m->seq == r->link_seq &&
            memcmp(&m->link, r->link, sizeof m->link) == 0)
            return m;
    }
    return NULL;
}

static inline void played_mark_add(const struct store_request *r, uint64_t id)
{
    struct played_mark *m = mem_zalloc(sizeof *m);

    m->link = *r->link;
    m->seq = r->link_seq;
    m->id = id;
    LL_PREPEND(store.marks, m);
}

static inline void played_append(struct store_request *r)
{
    struct played_mark *known = played_mark_find(r);
    uint64_t first = known != NULL ? known->id : store.head + 1;

    for (uint32_t i = 0; i < r->count; i++) {
        r->events[i].repeat = known != NULL;
        r->events[i].id = first + i;
        if (known == NULL)
            (void)played_log(r->events[i].record, &r->events[i].e, first + i);
    }
    for (uint32_t i = 0; i < r->change_count; i++) {
        const struct store_change *c = &r->changes[i];

        if (c->act == STORE_PUT)
            store_put(c->space, c->owner, c->key, c->value);
        else
            played_drop(c);
    }
    if (known == NULL && r->link != NULL)
        played_mark_add(r, first);
    if (known == NULL && r->count > 0)
        played_show(first + r->count - 1);
    store.commits++;
}

static inline void played_delete(struct store_request *r)
{
    struct played_event *ev, *next;

    DL_FOREACH_SAFE (store.log, ev, next) {
        if (!slice_eq(buf_slice(&store.topics[ev->topic]), r->topic))
            continue;
        r->removed_to = ev->id;
        played_event_free(ev);
    }
}

static inline bool played_has_room(const struct store_request *r)
{
    for (uint32_t i = 0; i < r->change_count; i++) {
        const struct store_change *c = &r->changes[i];
        struct played_row *after;

        if (store.full && c->wants_room &&
            played_row_find(c->space, c->owner, c->key, &after) == NULL)
            return false;
    }
    return true;
}

/* False: none waits. */
static inline bool store_answer(void)
{
    struct store_request *r = store.queue;

    if (r == NULL)
        return false;
    LL_DELETE(store.queue, r);
    r->result.error = r->kind == STORE_SCAN ? store.blind : store.refuses;
    if (r->result.error == ERR_NONE && !played_has_room(r))
        r->result.error = ERR_TOO_MANY;
    if (r->result.error == ERR_NONE && r->kind == STORE_SCAN)
        played_scan(r);
    else if (r->result.error == ERR_NONE && r->kind == STORE_APPEND)
        played_append(r);
    else if (r->result.error == ERR_NONE)
        played_delete(r);
    r->cb(r);
    return true;
}

static inline void store_run(void)
{
    while (store_answer())
        continue;
}

/* --- reading --------------------------------------------------------------------------- */

static inline void played_read_event(const void *request, size_t len, struct buf *reply)
{
    struct wire_page page = {.request = WIRE_EVENT, .head = store.head};
    struct played_event *ev;
    size_t start = reply->len;
    uint64_t id;

    ck_assert(wire_event_req_get(request, len, &page.ref, &id));
    DL_FOREACH (store.log, ev) {
        if (ev->id != id)
            continue;
        wire_page_begin(reply, &page);
        buf_put_slice(reply, buf_slice(&ev->record));
        wire_page_finish(reply, start, id, 1);
        return;
    }
    wire_read_error_put(reply, WIRE_EVENT, page.ref, ERR_NOT_FOUND, SLICE("gone"));
}

/* All that is in the log counts as matching: filters are the real store's. */
static inline void played_read_page(const void *request, size_t len, struct buf *reply)
{
    struct wire_filter filters[4];
    struct wire_page_req q;
    struct wire_page page = {.request = WIRE_PAGE, .head = store.head};
    struct played_event *ev;
    size_t start = reply->len;
    uint64_t upto = store.head;
    uint32_t count = 0;

    ck_assert(wire_page_req_get(request, len, &q, filters, ARRAY_LEN(filters)));
    page.ref = q.ref;
    wire_page_begin(reply, &page);
    DL_FOREACH (store.log, ev) {
        if (ev->id <= q.after)
            continue;
        if (count == q.limit) {
            break;
        }
        buf_put_slice(reply, buf_slice(&ev->record));
        upto = ev->id;
        count++;
    }
    wire_page_finish(reply, start, ev != NULL ? upto : store.head, count);
}

/* Answers a request of proto/wire.h. */
static inline void store_read(const void *request, size_t len, struct buf *reply)
{
    if (wire_kind(request, len) == WIRE_EVENT)
        played_read_event(request, len, reply);
    else
        played_read_page(request, len, reply);
}

/* --- begin and end ----------------------------------------------------------------------- */

static inline void store_begin(void)
{
    store = (struct store){.head = 100};
}

static inline void store_end(void)
{
    struct played_row *row, *next_row;
    struct played_event *ev, *next_ev;
    struct played_mark *m, *next_mark;

    ck_assert_ptr_null(store.queue);
    DL_FOREACH_SAFE (store.rows, row, next_row) {
        played_row_free(row);
    }
    DL_FOREACH_SAFE (store.log, ev, next_ev) {
        played_event_free(ev);
    }
    LL_FOREACH_SAFE (store.marks, m, next_mark) {
        free(m);
    }
    for (uint32_t i = 0; i < store.topic_count; i++)
        buf_free(&store.topics[i]);
    buf_free(&store.text);
}

#endif
