/*
 * store_lookup.c - where to start, one event, the list of topics.
 *
 * last=N walks down from the head, filter by filter, in steps of bounded work
 * with a snapshot each: what is added meanwhile lies above, so the answer is
 * that of the head at which the walk began.
 */
#include <string.h>

#include "clock.h"
#include "store_reader.h"
#include "topic.h"

#define TOPICS_PAGE 1000u

/* --- where to start -------------------------------------------------------------------- */

/* A cursor below everything of that time; never inside a hole, for a start by
 * time asks for nothing that the hole swallowed. */
static uint64_t cursor_of_time(const struct store *s, uint64_t ms, uint64_t head)
{
    uint64_t id = id_of_ms(ms);
    uint64_t cursor = id == 0 ? 0 : id - 1;
    const struct hole *hole;

    if (cursor > head)
        cursor = head;
    hole = holes_find(&s->holes, cursor);
    return hole != NULL ? hole->low : cursor;
}

struct newest {
    uint64_t wanted, found;
    uint64_t below; /* the walk stands here */
    uint64_t from;  /* out: the cursor below the last one found */
    bool done;
};

static void walk_down(struct store_reader *r, struct newest *n, uint64_t now)
{
    struct rows *rows = &r->rows;
    struct event e;

    rows_open(r, 0, n->below, true);
    do {
        n->done = !rows_next(rows);
        if (n->done)
            break;
        n->below = rows->at->id;
        if (rows->scan && !matcher_test(&r->matcher, rows_topic(rows), n->below))
            continue;
        if (rows_event(r->s, rows->at->st, &e) && !event_expired(&e, now)) {
            n->found++;
            n->from = n->below - 1;
        }
    } while (n->found < n->wanted && rows->scanned < WIRE_PAGE_SCAN);
    n->done = n->done || n->found == n->wanted;
    rows_close(rows);
}

/* False: the reply is an error. */
static bool find_newest(struct store_reader *r, const struct wire_start_req *q, size_t at,
                        uint64_t head, uint64_t *from, struct buf *reply, size_t start)
{
    struct newest n = {.wanted = q->arg, .below = head + 1, .from = head, .done = q->arg == 0};
    uint64_t now = clock_ms();

    while (!n.done) {
        (void)snapshot_begin(r);
        matcher_set(r, &(struct wire_filter){0, q->filters[at].filter}, 1);
        walk_down(r, &n, now);
        if (!snapshot_end(r, WIRE_START, q->ref, reply, start))
            return false;
    }
    *from = n.found < n.wanted ? 0 : n.from;
    return true;
}

void store_read_start(struct store_reader *r, const struct wire_start_req *q, struct buf *reply)
{
    uint64_t froms[WIRE_FILTERS_MAX], head = snapshot_begin(r);
    size_t start = reply->len;

    if (!snapshot_end(r, WIRE_START, q->ref, reply, start))
        return;
    for (size_t i = 0; i < q->filter_count; i++) {
        if (q->mode == WIRE_SINCE)
            froms[i] = cursor_of_time(r->s, q->arg, head);
        else if (!find_newest(r, q, i, head, &froms[i], reply, start))
            return;
    }
    wire_start_put(reply, q->ref, head, froms, q->filter_count);
}

/* --- one event ---------------------------------------------------------------------------- */

void store_read_event(struct store_reader *r, uint64_t ref, uint64_t id, struct buf *reply)
{
    struct wire_page m = {.request = WIRE_EVENT, .ref = ref};
    size_t start = reply->len;
    struct event e;
    bool found = false;

    m.head = snapshot_begin(r);
    db_bind(r->one, 1, id);
    if (db_step(r->one) && rows_event(r->s, r->one, &e) && !event_expired(&e, clock_ms())) {
        found = true;
        wire_page_begin(reply, &m);
        event_record_put(reply, &e);
    }
    db_reset(r->one);
    if (!snapshot_end(r, WIRE_EVENT, ref, reply, start))
        return;
    if (found)
        wire_page_finish(reply, start, id, 1);
    else
        wire_read_error_put(reply, WIRE_EVENT, ref, ERR_NOT_FOUND, SLICE("There is no such event"));
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

struct list {
    const struct wire_topics_req *q;
    struct slice prefix;
    struct buf after, last; /* names: go on above this one; the last one looked at */
    uint32_t limit, count;
    bool more, done;
};

/* False: the list ends before this name. */
static bool list_name(struct store_reader *r, struct list *l, struct slice name, struct buf *reply)
{
    l->done = !slice_starts(name, l->prefix); /* past all that can match */
    if (l->done)
        return false;
    if (l->q->filter.len > 0 && !filter_match(l->q->filter, name))
        return true;
    l->more = l->done = l->count == l->limit;
    if (l->done)
        return false;
    put_topic(r, name, reply);
    l->count++;
    return true;
}

/* One snapshot's worth of names. */
static void list_on(struct store_reader *r, struct list *l, struct buf *reply)
{
    struct slice after = buf_slice(&l->after);
    struct buf last;

    db_bind_text(r->topics, 1, name_above(after, l->prefix) ? after : l->prefix);
    for (uint32_t looked = 0; looked < WIRE_PAGE_SCAN; looked++) {
        struct slice name;

        l->done = !db_step(r->topics);
        if (l->done)
            break;
        name = db_slice(r->topics, 1);
        if (slice_eq(name, after))
            continue;
        if (!list_name(r, l, name, reply))
            break;
        buf_clear(&l->last);
        buf_put_slice(&l->last, name);
    }
    db_reset(r->topics);
    last = l->last;
    l->last = l->after;
    l->after = last;
}

void store_read_topics(struct store_reader *r, const struct wire_topics_req *q, struct buf *reply)
{
    struct list l = {.q = q, .prefix = literal_part(q->filter)};
    size_t start = reply->len;
    bool fine = true;

    l.limit = q->limit == 0 || q->limit > TOPICS_PAGE ? TOPICS_PAGE : q->limit;
    buf_put_slice(&l.after, q->after);
    wire_topics_begin(reply, q->ref);
    while (fine && !l.done) {
        (void)snapshot_begin(r);
        list_on(r, &l, reply);
        fine = snapshot_end(r, WIRE_TOPICS, q->ref, reply, start);
    }
    if (fine)
        wire_topics_finish(reply, start, l.more, l.count);
    buf_free(&l.after);
    buf_free(&l.last);
}
