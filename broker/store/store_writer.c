/*
 * store_writer.c - the writer thread.
 *
 *   queue ─▶ pending ─▶ txn_run ─▶ outcomes
 *                    └▶ deletes
 *
 * The thread takes all that is queued, commits as much as one transaction may hold, hands
 * the outcome to the loop and begins again; what arrived meanwhile is the next batch, so
 * commits group themselves without a timer.  Between two batches it does one small step of
 * each chore: deletes, retention, counts, checkpoint.  With nothing to do it sleeps, and
 * wakes now and then for the limits that pass with time.
 */
#include <assert.h>

#include <utlist.h>

#include "clock.h"
#include "log.h"
#include "store_impl.h"
#include "wall.h"

#define TICK_NS (RETRY_MS * UINT64_C(1000000))

/* --- chores -------------------------------------------------------------------- */

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
static bool writer_chores(struct store *s, uint32_t added)
{
    uint32_t rows = added * 2 > SLICE_ROWS ? added * 2 : SLICE_ROWS;
    bool more = false;

    write_retry(s);
    more = delete_step(s);
    if (s->failing == NULL) {
        more = expire_step(s, rows) || more;
        stats_step(s, false);
    }
    forget_release(s);
    checkpoint_step(s);
    outcome_deliver(s);
    return more || s->pending != NULL;
}

/* --- the thread ------------------------------------------------------------------ */

/* Waits for something to do unless `busy`.  False: closed, and nothing is left. */
static bool writer_take(struct store *s, bool busy)
{
    struct retention *r;
    bool go;

    uv_mutex_lock(&s->lock);
    if (!busy && s->queue == NULL && s->new_retention == NULL && !s->closing)
        (void)uv_cond_timedwait(&s->wake, &s->lock, TICK_NS);
    DL_CONCAT(s->pending, s->queue);
    s->queue = NULL;
    r = s->new_retention;
    s->new_retention = NULL;
    go = !s->closing || s->pending != NULL || s->deletes != NULL;
    uv_mutex_unlock(&s->lock);
    if (r != NULL)
        retention_apply(s, r);
    return go;
}

/* Returns how many events that made. */
static uint32_t run_pending(struct store *s)
{
    struct store_request *r = s->pending;
    uint32_t added;

    if (r == NULL)
        return 0;
    if (r->kind == STORE_DELETE) {
        DL_DELETE(s->pending, r);
        delete_begin(s, r);
        return 0;
    }
    added = txn_run(s);
    outcome_deliver(s);
    return added;
}

/* The last words: everything counted, the exact last ID, an empty write-ahead log. */
static void writer_finish(struct store *s)
{
    stats_step(s, true);
    write_begin(s);
    meta_set(s, META_LAST, s->last);
    meta_set(s, META_ID_LIMIT, 0);
    meta_set(s, META_SEEN, wall_ms());
    if (write_commit(s))
        checkpoint(s);
    outcome_open(s)->last = true;
    outcome_deliver(s);
}

static void writer_main(void *arg)
{
    struct store *s = arg;
    bool busy = false;

    while (writer_take(s, busy))
        busy = writer_chores(s, run_pending(s));
    writer_finish(s);
}

void writer_start(struct store *s)
{
    int rc = uv_thread_create(&s->thread, writer_main, s);

    assert(rc == 0);
    (void)rc;
}
