/*
 * session_op.c - one thing after the other for each client.
 *
 *   session_op_queue ─▶ session_op_go ─▶ the kind's begin ─▶ session_op_start
 *                            ▲    ─▶ session_op_scan ─▶ … commit … ─▶ session_op_end ─┐
 *                            └──────────────────────────────────────────────────────┘
 *
 * An op that has begun is `running` until session_op_end.  One that cannot begin yet
 * sleeps at the head of the queue, until its time is over or session_op_wake.
 * After sessions_stop nothing begins and nothing goes on; what waits is freed.
 */
#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "mem.h"
#include "session_impl.h"

struct session_op *session_op_new(const struct session_op_kind *kind, struct session *s)
{
    struct session_op *op = mem_zalloc(sizeof *op);

    op->kind = kind;
    op->session = s;
    return op;
}

void session_op_queue(struct session_op *op)
{
    LL_APPEND(op->session->waiting, op);
    op->session->waiting_count++;
}

void session_op_queue_first(struct session_op *op)
{
    LL_PREPEND(op->session->waiting, op);
    op->session->waiting_count++;
}

void session_op_start(struct session_op *op)
{
    struct session *s = op->session;

    assert(s->running == NULL && s->waiting == op);
    LL_DELETE(s->waiting, op);
    s->waiting_count--;
    s->running = op;
}

void session_op_go(struct session *s)
{
    enum session_step step = STEP_AGAIN;

    while (step == STEP_AGAIN && !s->all->stopping && s->running == NULL && s->waiting != NULL &&
           s->wake_at == 0)
        step = s->waiting->kind->begin(s->waiting);
    if (step != STEP_STARTED)
        session_maybe_free(s);
}

/* --- sleeping ------------------------------------------------------------------- */

void session_op_sleep(struct session *s, uint64_t ms)
{
    if (s->wake_at == 0)
        DL_APPEND2(s->all->asleep, s, sleep_prev, sleep_next);
    s->wake_at = clock_mono_ms() + ms;
}

void session_op_wake(struct session *s)
{
    if (s->wake_at != 0)
        DL_DELETE2(s->all->asleep, s, sleep_prev, sleep_next);
    s->wake_at = 0;
    session_op_go(s);
}

void session_op_wake_due(struct sessions *all, uint64_t now)
{
    struct session *s, *next;

    DL_FOREACH_SAFE2 (all->asleep, s, next, sleep_next) {
        if (s->wake_at <= now)
            session_op_wake(s);
    }
}

/* --- looking into the store ---------------------------------------------------------- */

static void head_read(struct session_op *op)
{
    struct reader r = reader_of(op->heads.found.p, op->heads.found.len);
    struct store_entry e;

    op->found = (struct session_head){0};
    op->will = (struct slice){NULL, 0};
    op->damaged = false;
    while (store_entry_get(&r, &e)) {
        if (slice_eq(e.key, KEY_WILL))
            op->will = e.value;
        else if (!session_head_get(e.value, &op->found))
            op->damaged = true;
    }
    if (op->damaged)
        op->found = (struct session_head){0};
}

static void op_on_scan(struct store_request *r)
{
    struct session_op *op = r->data;

    if (r->result.error != ERR_NONE)
        op->scan_error = r->result.error;
    if (--op->scans > 0)
        return;
    if (op->session->all->stopping) {
        session_op_end(op);
        return;
    }
    head_read(op);
    op->scanned(op);
}

static void scan_submit(struct session_op *op, struct store_request *r, uint8_t space)
{
    buf_free(&r->found);
    *r = (struct store_request){
        .kind = STORE_SCAN,
        .space = space,
        .by_owner = true,
        .owner = op->session->shared.client,
        .cb = op_on_scan,
        .data = op,
    };
    op->scans++;
    store_submit(op->session->all->store, r);
}

void session_op_scan(struct session_op *op, bool rows, void (*scanned)(struct session_op *op))
{
    op->scanned = scanned;
    op->scan_error = ERR_NONE;
    scan_submit(op, &op->heads, SPACE_HEAD);
    if (rows)
        scan_submit(op, &op->rows, SPACE_ITEM);
}

/* --- the end of one -------------------------------------------------------------------- */

void session_op_again(struct session_op *op)
{
    struct session *s = op->session;

    assert(s->running == op);
    s->running = NULL;
    session_op_queue_first(op);
    session_op_sleep(s, RETRY_MS);
}

static void op_free(struct session_op *op)
{
    if (op->kind->over != NULL)
        op->kind->over(op);
    if (op->unit.by != NULL)
        session_unit_refuse(&op->unit, ERR_UNAVAILABLE, "The broker ends");
    buf_free(&op->heads.found);
    buf_free(&op->rows.found);
    buf_free(&op->items);
    free(op);
}

void session_op_end(struct session_op *op)
{
    struct session *s = op->session;

    assert(s->running == op);
    s->running = NULL;
    op_free(op);
    session_op_go(s);
}

void session_op_drop_all(struct session *s)
{
    struct session_op *op, *next;

    LL_FOREACH_SAFE (s->waiting, op, next)
        op_free(op);
    s->waiting = NULL;
    if (s->wake_at != 0)
        DL_DELETE2(s->all->asleep, s, sleep_prev, sleep_next);
    s->wake_at = 0;
}
