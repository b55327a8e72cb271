/*
 * store_writer.c - the writer thread, and the way back to the loop.
 *
 *   store_submit ─▶ submitted ─▶ queue ─▶ pending ─▶ txn_run ─▶ outcomes ─▶ on_async
 *   (loop)          (its turn)                    └▶ deletes                  (loop)
 *
 * What one turn of the loop submits is queued together, at its end: a writer
 * woken by the first publish of many would commit that one alone.  The thread takes all that is
 * queued, commits as much as one transaction may hold, hands the outcome to the loop and begins
 * again; what arrived meanwhile is the next batch, so commits group themselves without a timer.
 * Between two batches it does one small step of each chore: deletes, retention, counts, checkpoint.
 * With nothing to do it sleeps, and wakes now and then for the limits that pass with time.
 *
 * When a transaction fails, its requests are refused, the follower hears
 * `failing`, and a tiny write is tried every RETRY_MS; the first write that
 * succeeds, this one or a batch, ends the failure.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "store_impl.h"

#define TICK_NS (RETRY_MS * UINT64_C(1000000))
/* What queued_bytes counts beside the bytes of a change, and for a scan. */
#define CHANGE_BYTES 32u
#define SCAN_BYTES 128u
#define SPARE_BYTES (8u << 20) /* buffers above this are not kept */

/* --- queues ------------------------------------------------------------------ */

void queue_init(struct request_queue *q)
{
    q->head = NULL;
    q->end = &q->head;
}

void queue_add(struct request_queue *q, struct store_request *r)
{
    r->next = NULL;
    *q->end = r;
    q->end = &r->next;
}

void queue_move(struct request_queue *to, struct request_queue *from)
{
    if (from->head == NULL)
        return;
    *to->end = from->head;
    to->end = from->end;
    queue_init(from);
}

struct store_request *queue_pop(struct request_queue *q)
{
    struct store_request *r = q->head;

    q->head = r->next;
    if (q->head == NULL)
        q->end = &q->head;
    return r;
}

/* --- outcomes ---------------------------------------------------------------- */

struct outcome *writer_outcome(struct store *s)
{
    struct outcome *o = s->current;

    if (o != NULL)
        return o;
    uv_mutex_lock(&s->lock);
    o = s->spare;
    s->spare = NULL;
    uv_mutex_unlock(&s->lock);
    if (o == NULL)
        o = mem_zalloc(sizeof *o);
    queue_init(&o->requests);
    s->current = o;
    return o;
}

static void outcome_free(struct outcome *o)
{
    if (o == NULL)
        return;
    buf_free(&o->records);
    free(o->items);
    free(o);
}

/* Loop thread: keeps one for the writer to use again. */
static void outcome_recycle(struct store *s, struct outcome *o)
{
    struct buf records = o->records;
    struct store_item *items = o->items;
    size_t room = o->item_room;

    if (records.cap > SPARE_BYTES) {
        outcome_free(o);
        return;
    }
    buf_clear(&records);
    *o = (struct outcome){.records = records, .items = items, .item_room = room};
    uv_mutex_lock(&s->lock);
    if (s->spare == NULL) {
        s->spare = o;
        o = NULL;
    }
    uv_mutex_unlock(&s->lock);
    outcome_free(o);
}

void writer_deliver(struct store *s)
{
    struct outcome *o = s->current;

    if (o == NULL)
        return;
    s->current = NULL;
    uv_mutex_lock(&s->lock);
    *s->outcomes_end = o;
    s->outcomes_end = &o->next;
    uv_mutex_unlock(&s->lock);
    uv_async_send(&s->async);
}

/* --- failing, and not -------------------------------------------------------- */

static void report(struct store *s, const char *failing)
{
    struct outcome *o = writer_outcome(s);

    s->failing = failing;
    o->failing_changed = true;
    o->failing = failing;
}

void writer_failed(struct store *s)
{
    const char *reason = store_error_reason(db_error(s->db));

    assert(reason != NULL);
    db_rollback(s->db);
    if (s->failing != reason) {
        log_error("the store refuses publishes", LOG_S("reason", reason),
                  LOG_S("sqlite", db_error_text(s->db)));
        report(s, reason);
    }
    db_clear(s->db);
    s->retry_at = clock_mono_ms() + RETRY_MS;
}

void writer_fine(struct store *s)
{
    atomic_store_explicit(&s->wal_frames, db_wal_frames(s->db), memory_order_relaxed);
    if (s->failing == NULL)
        return;
    log_info("the store takes publishes again");
    report(s, NULL);
}

void writer_begin(struct store *s)
{
    db_run(s->st.begin);
}

bool writer_commit(struct store *s)
{
    db_run(s->st.commit);
    if (db_error(s->db) != DB_FINE) {
        writer_failed(s);
        return false;
    }
    writer_fine(s);
    return true;
}

/* --- chores -------------------------------------------------------------------- */

static void retry_step(struct store *s)
{
    if (s->failing == NULL || clock_mono_ms() < s->retry_at)
        return;
    writer_begin(s);
    meta_set(s, META_LAST, s->last);
    (void)writer_commit(s);
}

/* A checkpoint that fails (the disk is full, a tool has the file open) is no
 * reason to refuse: the log still takes what fits, and fails by itself when
 * nothing fits any more.  It is tried again, not with every batch. */
static void checkpoint(struct store *s)
{
    bool done;

    gate_close(&s->gate);
    done = db_checkpoint(s->db);
    gate_open(&s->gate);
    if (!done) {
        log_warn("the write-ahead log cannot be emptied", LOG_U("frames", db_wal_frames(s->db)),
                 LOG_S("sqlite", db_error_text(s->db)));
        db_clear(s->db);
        s->checkpoint_at = clock_mono_ms() + CHECKPOINT_RETRY_MS;
    }
    atomic_store_explicit(&s->wal_frames, db_wal_frames(s->db), memory_order_relaxed);
}

static void checkpoint_step(struct store *s)
{
    if (db_wal_frames(s->db) >= CHECKPOINT_FRAMES && clock_mono_ms() >= s->checkpoint_at)
        checkpoint(s);
}

/* Removing keeps pace with adding: twice the rows of the batch before. */
static bool chores(struct store *s, uint32_t added)
{
    uint32_t rows = added * 2 > SLICE_ROWS ? added * 2 : SLICE_ROWS;
    bool more = false;

    retry_step(s);
    more = delete_step(s);
    if (s->failing == NULL) {
        more = retention_step(s, rows) || more;
        stats_step(s, false);
    }
    checkpoint_step(s);
    writer_deliver(s);
    return more || s->pending.head != NULL;
}

/* --- the thread ------------------------------------------------------------------ */

/* Waits for something to do unless `busy`.  False: closed, and nothing is left. */
static bool take(struct store *s, bool busy)
{
    struct retention *r;
    bool go;

    uv_mutex_lock(&s->lock);
    if (!busy && s->queue.head == NULL && s->new_retention == NULL && !s->closing)
        (void)uv_cond_timedwait(&s->wake, &s->lock, TICK_NS);
    queue_move(&s->pending, &s->queue);
    r = s->new_retention;
    s->new_retention = NULL;
    go = !s->closing || s->pending.head != NULL || s->deletes.head != NULL;
    uv_mutex_unlock(&s->lock);
    if (r != NULL)
        retention_apply(s, r);
    return go;
}

/* Returns how many events that made. */
static uint32_t run_pending(struct store *s)
{
    struct store_request *r = s->pending.head;
    uint32_t added;

    if (r == NULL)
        return 0;
    if (r->kind == STORE_DELETE) {
        delete_begin(s, queue_pop(&s->pending));
        return 0;
    }
    added = txn_run(s);
    writer_deliver(s);
    return added;
}

/* The last words: everything counted, the exact last ID, an empty write-ahead log. */
static void finish(struct store *s)
{
    stats_step(s, true);
    writer_begin(s);
    meta_set(s, META_LAST, s->last);
    meta_set(s, META_ID_LIMIT, 0);
    if (writer_commit(s))
        checkpoint(s);
    writer_deliver(s);
    uv_mutex_lock(&s->lock);
    s->stopped = true;
    uv_mutex_unlock(&s->lock);
    uv_async_send(&s->async);
}

static void writer_main(void *arg)
{
    struct store *s = arg;
    bool busy = false;

    while (take(s, busy))
        busy = chores(s, run_pending(s));
    finish(s);
}

/* --- the loop's side -------------------------------------------------------------- */

static uint64_t request_bytes(const struct store_request *r)
{
    uint64_t n = 0;

    if (r->kind == STORE_DELETE)
        return r->topic.len;
    if (r->kind == STORE_SCAN)
        return SCAN_BYTES;
    for (uint32_t i = 0; i < r->count; i++)
        n += event_record_size(&r->events[i].e);
    for (uint32_t i = 0; i < r->change_count; i++) {
        const struct store_change *c = &r->changes[i];

        n += CHANGE_BYTES + c->owner.len + c->key.len + c->value.len;
    }
    return n;
}

static void call_back(struct store *s, struct store_request *r)
{
    while (r != NULL) {
        struct store_request *next = r->next; /* cb may free r */

        s->queued_bytes -= request_bytes(r);
        r->cb(r);
        r = next;
    }
}

static void announce(struct store *s, struct outcome *o)
{
    const struct store_follower *f = &s->follower;

    if (o->failing_changed) {
        s->failing_seen = o->failing;
        f->failing(f->arg, o->failing);
    }
    if (o->batch.count > 0) {
        s->head = o->batch.upto;
        f->batch(f->arg, &o->batch);
    }
    if (o->removed != NULL)
        f->removed(f->arg, o->removed->name, o->removed_to);
    call_back(s, o->requests.head);
    outcome_recycle(s, o);
}

static void maybe_finish_close(uv_handle_t *handle)
{
    struct store *s = handle->data;
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;

    if (--s->handles > 0)
        return;
    outcome_free(s->spare);
    retention_free(s->new_retention);
    store_release(s);
    closed(arg);
}

static void on_async(uv_async_t *async)
{
    struct store *s = async->data;
    struct outcome *o, *next;
    bool stopped;

    uv_mutex_lock(&s->lock);
    o = s->outcomes;
    s->outcomes = NULL;
    s->outcomes_end = &s->outcomes;
    stopped = s->stopped;
    uv_mutex_unlock(&s->lock);
    for (; o != NULL; o = next) {
        next = o->next;
        announce(s, o);
    }
    if (stopped) {
        uv_thread_join(&s->thread);
        uv_close((uv_handle_t *)&s->async, maybe_finish_close);
        uv_close((uv_handle_t *)&s->turn, maybe_finish_close);
    }
}

/* Hands over what was submitted since the last turn began.  An idle handle, for
 * the loop does not sleep while one is active, wherever it was started. */
static void submit_all(struct store *s)
{
    uv_idle_stop(&s->turn);
    uv_mutex_lock(&s->lock);
    queue_move(&s->queue, &s->submitted);
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
}

static void on_turn(uv_idle_t *turn)
{
    submit_all(turn->data);
}

void writer_start(struct store *s)
{
    int rc = uv_async_init(s->loop, &s->async, on_async);

    assert(rc == 0);
    rc = uv_idle_init(s->loop, &s->turn);
    assert(rc == 0);
    s->async.data = s->turn.data = s;
    s->handles = 2;
    rc = uv_thread_create(&s->thread, writer_main, s);
    assert(rc == 0);
    (void)rc;
}

void store_submit(struct store *s, struct store_request *r)
{
    assert(s->closed == NULL);
    r->result = (struct store_result){.error = ERR_NONE};
    s->queued_bytes += request_bytes(r);
    if (s->submitted.head == NULL)
        uv_idle_start(&s->turn, on_turn);
    queue_add(&s->submitted, r);
}

void store_set_retention(struct store *s, const struct store_options *o)
{
    struct retention *r = retention_new(o), *old;

    uv_mutex_lock(&s->lock);
    old = s->new_retention;
    s->new_retention = r;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
    retention_free(old);
}

void store_close(struct store *s, void (*closed)(void *arg), void *arg)
{
    assert(s->closed == NULL && closed != NULL);
    s->closed = closed;
    s->closed_arg = arg;
    submit_all(s);
    uv_mutex_lock(&s->lock);
    s->closing = true;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
}
