/*
 * store_lookup.c - one event; the list of topics.
 *
 * The list of topics walks names in their index from what the filter begins with, a
 * step at a time, until it has as many as it may hold.
 */
#include <string.h>

#include "store_reader.h"
#include "topic.h"

#define TOPICS_PAGE 1000u

/* --- one event: past its expiry, too, which is whoever asks for it to judge --------------- */

bool lookup_event(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    struct wire_page m = {.request = WIRE_EVENT, .ref = w->ref};
    struct event e;
    bool found = false;

    m.head = snapshot_begin(r);
    db_bind(r->one, 1, w->id);
    if (db_step(r->one) && rows_event(r->s, r->one, &e)) {
        found = true;
        wire_page_begin(reply, &m);
        event_record_put(reply, &e);
    }
    db_reset(r->one);
    if (!snapshot_end(r, WIRE_EVENT, w->ref, reply))
        return true;
    if (found)
        wire_page_finish(reply, 0, w->id, 1);
    else
        wire_read_error_put(reply, WIRE_EVENT, w->ref, ERR_NOT_FOUND,
                            SLICE("There is no such event"));
    return true;
}

/* --- topics --------------------------------------------------------------------------------- */

/* What every name that the filter matches begins with.  "a/#" matches "a" too. */
static struct slice literal_part(struct slice filter)
{
    size_t n = 0;

    while (n < filter.len && filter.p[n] != '+' && filter.p[n] != '#')
        n++;
    if (n > 0 && n < filter.len && filter.p[n] == '#' && filter.p[n - 1] == '/')
        n--;
    return (struct slice){filter.p, n};
}

static void put_topic(struct store_reader *r, struct slice name, struct buf *reply)
{
    struct topics *topics = &r->s->topics;
    struct wire_topic out = {.topic = name};
    const struct topic *t;

    uv_rwlock_rdlock(&topics->lock);
    t = topics_find(topics, name);
    if (t != NULL) {
        out.head = t->stats.head;
        out.oldest = t->stats.oldest;
        out.events = t->stats.events;
        out.bytes = t->stats.bytes;
    }
    uv_rwlock_rdunlock(&topics->lock);
    wire_topic_put(reply, &out);
}

/* False: the list ends before this name. */
static bool list_name(struct store_read *w, struct store_reader *r, struct slice prefix,
                      struct slice name, struct buf *reply)
{
    w->done = !slice_starts(name, prefix); /* past all that can match */
    if (w->done)
        return false;
    if (w->filter.len > 0 && !filter_match(w->filter, name))
        return true;
    w->more = w->done = w->count == w->limit;
    if (w->done)
        return false;
    put_topic(r, name, reply);
    w->count++;
    return true;
}

/* A step's worth of names. */
static void list_on(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    struct slice after = buf_slice(&w->name), prefix = literal_part(w->filter);
    bool over = false;
    struct buf last;

    db_bind_text(r->topics, 1, name_above(after, prefix) ? after : prefix);
    while (!over) {
        struct slice name;

        w->done = !db_step(r->topics);
        if (w->done)
            break;
        name = db_slice(r->topics, 0);
        over = snapshot_is_over(r);
        if (slice_eq(name, after))
            continue;
        if (!list_name(w, r, prefix, name, reply))
            break;
        buf_clear(&w->last);
        buf_put_slice(&w->last, name);
    }
    db_reset(r->topics);
    if (w->last.len == 0)
        return;
    last = w->last;
    w->last = w->name;
    w->name = last;
    buf_clear(&w->last);
}

bool lookup_topics(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    if (!w->begun) {
        w->begun = true;
        wire_topics_begin(reply, w->ref);
        if (w->limit == 0 || w->limit > TOPICS_PAGE)
            w->limit = TOPICS_PAGE;
    }
    (void)snapshot_begin(r);
    list_on(w, r, reply);
    if (!snapshot_end(r, WIRE_TOPICS, w->ref, reply))
        return true;
    if (w->done)
        wire_topics_finish(reply, 0, w->more, w->count);
    return w->done;
}
