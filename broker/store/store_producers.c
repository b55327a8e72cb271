/*
 * store_producers.c - publishing that may be repeated (DESIGN 2.4.5).
 *
 * A producer's state is one row per topic: its epoch, and its last seq with the
 * ID that seq got.  An Idempotency-Key never gets further than that row.  A
 * producer that goes on moves the seq before into producer_seqs, where the last
 * PRODUCER_SEQS - 1 wait for a repeat.  All of it is read and written inside
 * the transaction of the events, so it commits or vanishes with them, and what
 * a batch wrote earlier is seen by what comes later in it.
 *
 * There may be `max_producers` rows, and so many times SEQS_EACH of earlier seqs.  A row
 * too many is refused; a seq too many is not remembered: a repeat of it is known, its ID
 * is not.  Before it comes to that, whoever published once and no more (that is what a
 * key is) is forgotten early: in each walk over the table after half the time, though
 * not within a minute.  Producers that go on keep their whole time.
 *
 * A producer is its publisher's: another's numbers say nothing of it, and do not fence it.
 *
 * Rows name a topic by the ID at which it was made, not by its number: a number
 * may pass to another topic, after a restart.
 */
#include "store_impl.h"

#define ROOM_SHARE 8u /* of the table: when so little of it is free, it is crowded */
#define PRESS_MAX 24u /* halvings of the time that is kept */

/* The publisher, NUL, the identifier: neither text holds one. */
static struct slice key_of(const struct store_event *ev, struct buf *text)
{
    if (ev->publisher.len == 0)
        return ev->producer.id;
    buf_put_slice(text, ev->publisher);
    buf_u8(text, '\0');
    buf_put_slice(text, ev->producer.id);
    return buf_slice(text);
}

static struct producer_state state_of(struct store *s, uint64_t topic, const struct store_event *ev)
{
    struct db_stmt *st = s->st.get_producer;
    struct producer_state state = {0};
    struct buf key = {0};

    db_bind_blob(st, 1, key_of(ev, &key));
    db_bind(st, 2, topic);
    if (db_step(st)) {
        state.known = true;
        state.epoch = db_u64(st, 0);
        state.last_seq = db_u64(st, 1);
        state.last_id = db_u64(st, 2);
        state.seqs = db_u64(st, 3);
    }
    db_reset(st);
    buf_free(&key);
    return state;
}

/* The ID of an earlier seq, 0 when it is forgotten. */
static uint64_t earlier_id(struct store *s, const struct producer_state *state, uint64_t seq)
{
    struct db_stmt *st = s->st.get_seq;
    uint64_t id = 0;

    if (seq == state->last_seq)
        return state->last_id;
    if (state->seqs == 0)
        return 0;
    db_bind(st, 1, state->seqs);
    db_bind(st, 2, seq);
    if (db_step(st))
        id = db_u64(st, 0);
    db_reset(st);
    return id;
}

static enum producer_verdict producer_gap(uint64_t expected, uint64_t received,
                                          struct store_result *result)
{
    result->error = ERR_PRODUCER_GAP;
    result->expected_seq = expected;
    result->received_seq = received;
    result->text = "The producer's sequence has a gap";
    return PRODUCER_GAP;
}

enum producer_verdict producer_check(struct store *s, const struct topic *topic,
                                     struct store_event *ev, struct producer_state *state,
                                     struct store_result *result)
{
    const struct producer *p = &ev->producer;

    *state = (struct producer_state){0};
    if (topic != NULL && topic->has_row)
        *state = state_of(s, topic->born, ev);
    if (state->known && p->epoch < state->epoch) {
        result->error = ERR_FENCED;
        result->epoch = state->epoch;
        result->text = "The producer has a newer epoch";
        return PRODUCER_FENCED;
    }
    if (!state->known || p->epoch > state->epoch)
        return p->seq == 0 ? PRODUCER_NEXT : producer_gap(0, p->seq, result);
    if (p->seq > state->last_seq)
        return p->seq == state->last_seq + 1 ? PRODUCER_NEXT
                                             : producer_gap(state->last_seq + 1, p->seq, result);
    ev->repeat = true;
    ev->id = earlier_id(s, state, p->seq);
    return PRODUCER_REPEAT;
}

bool producers_have_room(const struct store *s, const struct producer_growth *g)
{
    uint64_t max = s->retention->max_producers;

    return max == 0 || atomic_load(&s->producers) + (uint64_t)g->producers < max;
}

static bool seqs_have_room(const struct store *s, const struct producer_growth *g)
{
    uint64_t max = s->retention->max_producers;

    return max == 0 || (s->seqs + (uint64_t)g->seqs) / SEQS_EACH < max;
}

static void keep_seq(struct store *s, const struct producer_state *state, struct producer_growth *g)
{
    struct db_stmt *put = s->st.put_seq, *drop = s->st.drop_seq;

    if (seqs_have_room(s, g)) {
        db_bind(put, 1, state->seqs);
        db_bind(put, 2, state->last_seq);
        db_bind(put, 3, state->last_id);
        db_run(put);
        g->seqs++;
    }
    if (state->last_seq + 1 < PRODUCER_SEQS)
        return;
    db_bind(drop, 1, state->seqs);
    db_bind(drop, 2, state->last_seq + 1 - PRODUCER_SEQS);
    db_run(drop);
    g->seqs -= db_changes(s->db);
}

static void drop_seqs(struct store *s, uint64_t seqs, struct producer_growth *g)
{
    if (seqs == 0)
        return;
    db_bind(s->st.drop_seqs, 1, seqs);
    db_run(s->st.drop_seqs);
    g->seqs -= db_changes(s->db);
}

static void producer_put(struct store *s, const struct topic *topic, const struct store_event *ev,
                         uint64_t seqs, uint64_t now)
{
    struct db_stmt *st = s->st.put_producer;
    struct buf key = {0};

    db_bind_blob(st, 1, key_of(ev, &key));
    db_bind(st, 2, topic->born);
    db_bind(st, 3, ev->producer.epoch);
    db_bind(st, 4, ev->producer.seq);
    db_bind(st, 5, ev->id);
    db_bind(st, 6, seqs);
    db_bind(st, 7, now);
    db_run(st);
    buf_free(&key);
}

void producer_advance(struct store *s, const struct topic *topic, const struct store_event *ev,
                      const struct producer_state *state, uint64_t now, struct producer_growth *g)
{
    struct producer_state before = *state;

    if (before.known && ev->producer.epoch == before.epoch) {
        if (before.seqs == 0)
            before.seqs = before.last_id; /* no other producer has that ID */
        keep_seq(s, &before, g);
    } else {
        drop_seqs(s, before.seqs, g);
        before.seqs = 0;
    }
    producer_put(s, topic, ev, before.seqs, now);
    g->producers += !before.known;
}

void producers_count(struct store *s, const struct producer_growth *g)
{
    atomic_fetch_add(&s->producers, (uint64_t)g->producers);
    s->seqs += (uint64_t)g->seqs;
}

void producers_load(struct store *s)
{
    atomic_store(&s->producers, db_number(s->db, "SELECT count(*) FROM producers"));
    s->seqs = db_number(s->db, "SELECT count(*) FROM producer_seqs");
}

/* --- forgetting idle ones ----------------------------------------------------- */

struct idle_walk {
    uint64_t before;      /* what was last used then is dropped … */
    uint64_t before_once; /* … and what was used but once */
    struct buf keys;      /* of the rows to drop: topic, seqs, length, key */
    uint32_t seen;
};

static void idle_note(struct idle_walk *w, struct db_stmt *st, struct slice key)
{
    buf_u64(&w->keys, db_u64(st, 1));
    buf_u64(&w->keys, db_u64(st, 2));
    buf_u32(&w->keys, (uint32_t)key.len);
    buf_put_slice(&w->keys, key);
}

/* Reads a slice of rows after the place where the last one ended. */
static void idle_walk_on(struct store *s, struct idle_walk *w)
{
    struct db_stmt *st = s->st.walk_producers;
    struct buf key = {0};
    uint64_t topic = s->producer_topic;

    db_bind_blob(st, 1, buf_slice(&s->producer_key));
    db_bind(st, 2, topic);
    db_bind(st, 3, SLICE_ROWS);
    for (; db_step(st); w->seen++) {
        struct slice k = db_slice(st, 0);
        bool once = db_u64(st, 2) == 0;

        buf_clear(&key);
        buf_put_slice(&key, k);
        topic = db_u64(st, 1);
        if (db_u64(st, 3) < (once ? w->before_once : w->before))
            idle_note(w, st, k);
    }
    db_reset(st);
    buf_free(&s->producer_key);
    s->producer_key = key;
    s->producer_topic = topic;
}

static void idle_drop(struct store *s, struct idle_walk *w, struct producer_growth *g)
{
    struct reader r = reader_of(w->keys.p, w->keys.len);

    while (r.left > 0) {
        uint64_t topic = reader_u64(&r);

        drop_seqs(s, reader_u64(&r), g);
        db_bind_blob(s->st.drop_producer, 1, reader_bytes(&r, reader_u32(&r)));
        db_bind(s->st.drop_producer, 2, topic);
        db_run(s->st.drop_producer);
        g->producers -= db_changes(s->db);
    }
}

bool producers_are_pressed(const struct store *s)
{
    uint64_t max = s->retention->max_producers;

    return max != 0 && atomic_load(&s->producers) > max - max / ROOM_SHARE;
}

static uint64_t time_before(uint64_t now, uint64_t ms)
{
    return now > ms ? now - ms : 0;
}

static uint64_t once_ms(const struct store *s, uint64_t idle_ms)
{
    uint64_t ms = idle_ms >> s->producer_press;

    if (ms < PRODUCER_MIN_MS)
        ms = PRODUCER_MIN_MS;
    return ms < idle_ms ? ms : idle_ms;
}

/* The walk is over: the next one begins anew. */
static void idle_walk_end(struct store *s)
{
    buf_clear(&s->producer_key);
    s->producer_topic = 0;
    if (!producers_are_pressed(s))
        s->producer_press = 0;
    else if (s->producer_press < PRESS_MAX)
        s->producer_press++;
}

bool producers_expire(struct store *s, uint64_t now, uint64_t idle_ms)
{
    struct idle_walk w = {.before = time_before(now, idle_ms),
                          .before_once = time_before(now, once_ms(s, idle_ms))};
    struct producer_growth g = {0, 0};

    write_begin(s);
    idle_walk_on(s, &w);
    idle_drop(s, &w, &g);
    buf_free(&w.keys);
    if (!write_commit(s)) {
        idle_walk_end(s);
        return false;
    }
    producers_count(s, &g);
    if (w.seen == SLICE_ROWS)
        return true;
    idle_walk_end(s);
    return false;
}
