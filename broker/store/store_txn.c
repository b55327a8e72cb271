/*
 * store_txn.c - one transaction: units in, IDs and records out.
 *
 *   txn_run: take units ─▶ each: repeat? check, insert, change ─▶ commit ─▶ outcome
 *
 * The transaction begins with the first row that has to be written: a batch of
 * volatile events alone, or of scans, needs none.  A unit is refused by itself (a producer's
 * gap) and leaves no trace; if the database fails, every unit of the batch is
 * refused, and what memory already knew of it (topics, marks of links) is
 * taken back.
 *
 * What must be true for readers, in this order: the topic is in the table, a
 * volatile ID counts as removed, the rows are committed, `given` rises.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "mem.h"
#include "metrics.h"
#include "store_impl.h"
#include "wall.h"

struct txn {
    struct store *s;
    struct outcome *out;
    uint64_t now;
    uint64_t next; /* the next ID to give out */
    bool begun;
    bool has_volatile;
    bool may_forget; /* some topics are empty */
    uint32_t rows;   /* of the map, written or read */
    size_t bytes;    /* of records, and of these rows */
    uint64_t stored, repeats;
    int64_t retained; /* more than before */
    int64_t retained_bytes;
    int64_t state_bytes;
    struct producer_growth produced;
    struct topic **new_topics; /* rows inserted in this transaction */
    size_t new_count, new_room;
};

/* What a unit may have to take back. */
struct point {
    uint64_t next, stored, repeats;
    int64_t retained, retained_bytes;
    uint32_t count;
    size_t new_count;
    struct producer_growth produced;
};

static void txn_begin(struct txn *t)
{
    if (t->begun)
        return;
    write_begin(t->s);
    t->begun = true;
}

/* --- topics ------------------------------------------------------------------ */

static void insert_topic(struct txn *t, struct topic *topic)
{
    struct db_stmt *st = t->s->st.insert_topic;

    txn_begin(t);
    db_bind(st, 1, topic->number);
    db_bind_text(st, 2, topic->name);
    db_bind(st, 3, topic->limits.volatile_);
    db_bind(st, 4, t->now);
    db_bind(st, 5, t->next);
    db_run(st);
    topic->has_row = true;
    uv_rwlock_wrlock(&t->s->topics.lock); /* readers look at it */
    topic->born = t->next;
    uv_rwlock_wrunlock(&t->s->topics.lock);
    topic->was_volatile = topic->limits.volatile_;
    if (t->new_count == t->new_room) {
        t->new_room = t->new_room == 0 ? 64 : t->new_room * 2;
        t->new_topics = mem_resize(t->new_topics, t->new_room, sizeof *t->new_topics);
    }
    t->new_topics[t->new_count++] = topic;
}

/* A row says that its topic is volatile before the first such event goes out:
 * the next start must know that something of it is missing.  Memory says so
 * once it is committed (stats_count). */
static void flag_volatile(struct txn *t, const struct topic *topic)
{
    txn_begin(t);
    stats_write_row(t->s, topic, &topic->stats);
}

static bool topics_have_room(const struct store *s, struct slice name)
{
    uint32_t max = s->retention->max_topics;

    return max == 0 || s->topics.weight + topics_weight(name) <= max;
}

/* Makes the topic exist; `topic` is what the table has.  NULL: the table is full. */
static struct topic *topic_for(struct txn *t, struct topic *topic, struct slice name)
{
    struct store *s = t->s;

    if (topic == NULL) {
        topic = topics_have_room(s, name) ? topics_add(&s->topics, name, 0) : NULL;
        if (topic == NULL)
            return NULL;
        topic->limits = retention_limits(s->retention, topic->name);
        insert_topic(t, topic);
    } else if (topic->limits.volatile_ && !topic->was_volatile)
        flag_volatile(t, topic);
    return topic;
}

static void drop_new_topics(struct txn *t, size_t from)
{
    if (from == t->new_count)
        return;
    uv_rwlock_wrlock(&t->s->topics.lock);
    for (size_t i = from; i < t->new_count; i++)
        outcome_forget(t->s, t->new_topics[i]);
    uv_rwlock_wrunlock(&t->s->topics.lock);
    t->new_count = from;
}

/* --- one event --------------------------------------------------------------- */

static void insert_event(struct txn *t, const struct topic *topic, const struct event *e)
{
    struct db_stmt *st = t->s->st.insert_event;

    txn_begin(t);
    db_bind(st, 1, e->id);
    db_bind(st, 2, topic->number);
    row_bind(st, e);
    db_run(st);
}

static void add_item(struct txn *t, const struct topic *topic, const struct store_event *ev)
{
    struct outcome *o = t->out;
    size_t size = event_record_size(&ev->e);

    if (o->batch.count == o->item_room) {
        o->item_room = o->item_room == 0 ? BATCH_EVENTS : o->item_room * 2;
        o->items = mem_resize(o->items, o->item_room, sizeof *o->items);
    }
    o->items[o->batch.count++] = (struct store_item){ev->record, (uint32_t)size, topic->number};
    t->bytes += size;
}

/* The event's place, in its view and in its record. */
static void place_event(struct txn *t, const struct topic *topic, struct store_event *ev)
{
    struct event *e = &ev->e;

    e->id = ev->id = t->next++;
    e->time = t->now;
    e->flags &= (uint16_t)~EVENT_VOLATILE;
    if (topic->limits.volatile_)
        e->flags |= EVENT_VOLATILE;
    event_record_patch(ev->record, e->id, e->time, e->flags);
}

static void append_event(struct txn *t, struct topic *topic, struct store_event *ev)
{
    place_event(t, topic, ev);
    if (topic->limits.volatile_) {
        t->has_volatile = true;
    } else {
        insert_event(t, topic, &ev->e);
        t->stored++;
    }
    if ((ev->e.flags & EVENT_RETAIN) != 0) {
        txn_begin(t);
        t->retained_bytes += retained_growth(t->s, &ev->e);
        t->retained += retained_set(t->s, &ev->e);
    }
    add_item(t, topic, ev);
    topic->used = t->now;
}

/* --- one unit ------------------------------------------------------------------ */

static bool refuse_unit(struct store_result *result, enum sluice_error error, const char *text)
{
    result->error = error;
    result->text = text;
    return false;
}

static bool retained_has_room(struct txn *t, const struct event *e)
{
    uint64_t max = t->s->retention->max_retained_bytes;
    int64_t bytes = (int64_t)atomic_load(&t->s->retained_bytes) + t->retained_bytes;

    if (max == 0 || (e->flags & EVENT_RETAIN) == 0 || e->payload.len == 0 ||
        (uint64_t)bytes + e->topic.len + e->props.len + e->payload.len <= max)
        return true;
    return retained_growth(t->s, e) <= 0;
}

/* False: refused, and result says why. */
static bool unit_event(struct txn *t, struct store_event *ev, struct store_result *result)
{
    struct producer_state state;
    struct topic *topic = topics_find(&t->s->topics, ev->e.topic);
    bool produced = ev->producer.id.len > 0;

    ev->repeat = false;
    if (produced) {
        enum producer_verdict v = producer_check(t->s, topic, ev, &state, result);

        t->repeats += v == PRODUCER_REPEAT;
        if (v != PRODUCER_NEXT)
            return v == PRODUCER_REPEAT;
    }
    if (produced && !state.known && !producers_have_room(t->s, &t->produced)) {
        metric_add(M_PRODUCERS_REFUSED, 1);
        return refuse_unit(result, ERR_TOO_MANY, "The log remembers as many producers as it may");
    }
    if (!retained_has_room(t, &ev->e))
        return refuse_unit(result, ERR_TOO_MANY, "Retained messages take as much as they may");
    topic = topic_for(t, topic, ev->e.topic);
    if (topic == NULL) {
        metric_add(M_TOPICS_REFUSED, 1);
        return refuse_unit(result, ERR_TOO_MANY, "The log holds as many topics as it may");
    }
    append_event(t, topic, ev);
    if (produced) {
        txn_begin(t);
        producer_advance(t->s, topic, ev, &state, t->now, &t->produced);
    }
    return true;
}

static struct point point_of(const struct txn *t)
{
    return (struct point){t->next,           t->stored,           t->repeats,   t->retained,
                          t->retained_bytes, t->out->batch.count, t->new_count, t->produced};
}

static void return_to(struct txn *t, const struct point *p)
{
    t->next = p->next;
    t->stored = p->stored;
    t->repeats = p->repeats;
    t->retained = p->retained;
    t->retained_bytes = p->retained_bytes;
    t->out->batch.count = p->count;
    t->produced = p->produced;
    drop_new_topics(t, p->new_count);
}

static void unit_all(struct txn *t, struct store_request *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (!unit_event(t, &r->events[i], &r->result)) {
            assert(r->result.error != ERR_NONE);
            r->result.index = i;
            return;
        }
        if (db_error(t->s->db) != DB_FINE)
            return;
    }
}

/* False: refused.  What can refuse a later event of a unit is asked here for all
 * of them, producers apart. */
static bool has_room(struct txn *t, struct store_request *r)
{
    if (t->next + r->count - 1 > EVENT_ID_MAX) /* 2089, or a clock that is wrong */
        return refuse_unit(&r->result, ERR_STORE_FAILED, "The event IDs are used up");
    return true;
}

/* An event of it may be refused because of what it retains. */
static bool may_retain_too_much(const struct store *s, const struct store_request *r)
{
    uint64_t max = s->retention->max_retained_bytes, bytes = atomic_load(&s->retained_bytes);

    for (uint32_t i = 0; i < r->count && max != 0; i++)
        if ((r->events[i].e.flags & EVENT_RETAIN) != 0)
            bytes +=
                r->events[i].e.topic.len + r->events[i].e.props.len + r->events[i].e.payload.len;
    return max != 0 && bytes > max;
}

static bool may_crowd(const struct store *s, const struct store_request *r)
{
    uint64_t max = s->retention->max_topics, weight = s->topics.weight;

    for (uint32_t i = 0; i < r->count && max != 0; i++)
        weight += topics_weight(r->events[i].e.topic);
    return max != 0 && weight > max;
}

/* Only a refusal after the first event, for a producer or for a topic too many, leaves
 * something to take back; a savepoint doubles the cost of a unit. */
static void unit_append(struct txn *t, struct store_request *r)
{
    bool guarded =
        r->guarded || (r->count > 1 && (may_crowd(t->s, r) || may_retain_too_much(t->s, r)));
    struct store *s = t->s;
    struct point before;

    if (!has_room(t, r))
        return;
    if (guarded) {
        txn_begin(t);
        db_run(s->st.savepoint);
        before = point_of(t);
    }
    unit_all(t, r);
    if (guarded && r->result.error != ERR_NONE) {
        db_run(s->st.undo);
        return_to(t, &before);
    }
    if (guarded)
        db_run(s->st.release);
    if (r->link != NULL && r->result.error == ERR_NONE)
        link_mark(s, r);
}

/* After the events, so that a refusal has no change to take back. */
static void unit_change(struct txn *t, const struct store_request *r)
{
    if (r->change_count > 0)
        txn_begin(t);
    for (uint32_t i = 0; i < r->change_count; i++) {
        const struct store_change *c = &r->changes[i];

        t->rows += state_change(t->s, c, &t->state_bytes);
        t->bytes += c->owner.len + c->key.len + c->value.len;
    }
}

static bool unit_has_room(struct txn *t, struct store_request *r)
{
    uint64_t bytes = atomic_load(&t->s->state_bytes) + (uint64_t)t->state_bytes;

    if (state_has_room(t->s, r, bytes))
        return true;
    metric_add(M_SESSIONS_REFUSED, 1);
    return refuse_unit(&r->result, ERR_TOO_MANY, "Sessions take as much as they may");
}

static void unit_run(struct txn *t, struct store_request *r)
{
    if (r->link != NULL && link_repeat(t->s, r))
        t->repeats += r->count;
    else if (unit_has_room(t, r))
        unit_append(t, r);
    if (r->result.error == ERR_NONE)
        unit_change(t, r);
}

/* --- the whole ------------------------------------------------------------------ */

/* Before anyone can have seen them. */
static void raise_volatile(struct txn *t)
{
    struct topics *topics = &t->s->topics;
    const struct store_batch *b = &t->out->batch;
    uint64_t id = t->next - b->count;

    if (!t->has_volatile)
        return;
    uv_rwlock_wrlock(&topics->lock);
    for (uint32_t i = 0; i < b->count; i++, id++) {
        struct topic *topic = topics_at(topics, t->out->items[i].topic);

        if (topic->limits.volatile_)
            topics_raise_volatile(topics, topic, id);
    }
    uv_rwlock_wrunlock(&topics->lock);
}

/* IDs that no stored row remembers stay below a stored limit. */
static void raise_id_limit(struct txn *t)
{
    struct store *s = t->s;
    uint64_t limit = id_of_ms(t->now + ID_LIMIT_MS);

    if (t->begun || t->out->batch.count == 0 || t->next <= s->id_limit)
        return;
    if (limit < t->next)
        limit = t->next + (ID_LIMIT_MS << 12);
    txn_begin(t);
    meta_set(s, META_ID_LIMIT, limit);
    s->id_limit = limit;
}

static bool txn_commit(struct txn *t)
{
    struct store *s = t->s;
    uint64_t started = uv_hrtime();

    raise_volatile(t);
    raise_id_limit(t);
    if (t->begun) {
        links_write(s, t->now);
        if (t->out->batch.count > 0)
            meta_set(s, META_LAST, t->next - 1);
        db_run(s->st.commit);
    }
    if (db_error(s->db) != DB_FINE)
        return false;
    if (t->begun) {
        atomic_fetch_add(&s->topics.rows, t->new_count);
        atomic_fetch_add(&s->retained, (uint64_t)t->retained);
        atomic_fetch_add(&s->retained_bytes, (uint64_t)t->retained_bytes);
        atomic_fetch_add(&s->state_bytes, (uint64_t)t->state_bytes);
        producers_count(s, &t->produced);
        metric_add(M_COMMITS, 1);
        metric_observe_us(M_COMMIT_US, (uv_hrtime() - started) / 1000);
        write_fine(s);
    }
    return true;
}

static void txn_publish(struct txn *t)
{
    struct store *s = t->s;
    struct store_batch *b = &t->out->batch;

    links_settle(s, t->now, true);
    metric_add(M_REPEATED, t->repeats);
    if (b->count == 0)
        return;
    b->after = s->last;
    b->upto = t->next - 1;
    b->items = t->out->items;
    s->last = b->upto;
    atomic_store_explicit(&s->given, s->last, memory_order_release);
    stats_count(s, b);
    metric_add(M_PUBLISHED, t->stored);
    metric_add(M_VOLATILE, b->count - t->stored);
}

static void txn_refuse(struct txn *t)
{
    struct store *s = t->s;
    struct store_request *r;

    write_failed(s);
    links_settle(s, t->now, false);
    drop_new_topics(t, 0);
    s->id_limit = 0; /* so the next volatile batch stores one */
    t->out->batch.count = 0;
    DL_FOREACH (t->out->requests, r) {
        r->result = write_refusal(s);
        if (r->kind == STORE_SCAN)
            buf_free(&r->found);
    }
}

static void scan_run(struct txn *t, struct store_request *r)
{
    t->rows += state_scan(t->s, r);
    t->bytes += r->found.len;
}

static bool takes_more(const struct txn *t)
{
    return t->out->batch.count < BATCH_EVENTS && t->rows < BATCH_CHANGES &&
           t->bytes < BATCH_BYTES && db_error(t->s->db) == DB_FINE;
}

/* A topic too many while empty ones are left to forget, which comes between two
 * transactions. */
static bool must_make_room(const struct txn *t, const struct store_request *r)
{
    if (!t->may_forget || t->out->requests == NULL || r->kind != STORE_APPEND ||
        !may_crowd(t->s, r))
        return false;
    for (uint32_t i = 0; i < r->count; i++)
        if (topics_find(&t->s->topics, r->events[i].e.topic) == NULL)
            return true;
    return false;
}

/* The batch's units and scans, in order, while they fit. */
static void run_units(struct txn *t)
{
    struct store_request **pending = &t->s->pending, *r;

    while ((r = *pending) != NULL && r->kind != STORE_DELETE && takes_more(t) &&
           !must_make_room(t, r)) {
        DL_DELETE(*pending, r);
        outcome_answer(t->s, r);
        if (r->kind == STORE_SCAN)
            scan_run(t, r);
        else
            unit_run(t, r);
    }
}

uint32_t txn_run(struct store *s)
{
    uint64_t now = wall_ms(), id = id_of_ms(now);
    struct txn t = {
        .s = s,
        .out = outcome_open(s),
        .now = now,
        .next = id > s->last ? id : s->last + 1,
        .may_forget = s->topics.idle != NULL,
    };

    run_units(&t);
    if (txn_commit(&t))
        txn_publish(&t);
    else
        txn_refuse(&t);
    free(t.new_topics);
    return t.out->batch.count;
}
