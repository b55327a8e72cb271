/*
 * session_ops.c - one thing after the other for each client.
 *
 *   op_queue ─▶ session_go ─▶ attach_begin, detach_begin or due_begin
 *                   ▲             ─▶ op_scan ─▶ … commit … ─▶ op_end ─┐
 *                   └───────────────────────────────────────────────┘
 *
 * An op that has begun is `running` until op_end.  One that cannot begin yet
 * sleeps at the head of the queue, until its time is over or session_wake.
 * After sessions_stop nothing begins and nothing goes on; what waits is freed.
 */
#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "mem.h"
#include "session_impl.h"

struct op *op_new(enum op_kind kind, struct session *s)
{
    struct op *op = mem_zalloc(sizeof *op);

    op->kind = kind;
    op->session = s;
    return op;
}

void op_queue(struct op *op)
{
    LL_APPEND(op->session->waiting, op);
    op->session->waiting_count++;
}

void op_queue_first(struct op *op)
{
    LL_PREPEND(op->session->waiting, op);
    op->session->waiting_count++;
}

void op_start(struct op *op)
{
    struct session *s = op->session;

    assert(s->running == NULL && s->waiting == op);
    LL_DELETE(s->waiting, op);
    s->waiting_count--;
    s->running = op;
}

static enum op_step op_begin(struct op *op)
{
    switch (op->kind) {
    case OP_ATTACH:
        return attach_begin(op);
    case OP_DETACH:
        return detach_begin(op);
    case OP_DUE:
        return due_begin(op);
    }
    return OP_WAITS;
}

void session_go(struct session *s)
{
    enum op_step step = OP_AGAIN;

    while (step == OP_AGAIN && !s->all->stopping && s->running == NULL && s->waiting != NULL &&
           s->wake_at == 0)
        step = op_begin(s->waiting);
    if (step != OP_STARTED)
        session_maybe_free(s);
}

/* --- sleeping ------------------------------------------------------------------- */

void session_sleep(struct session *s, uint64_t ms)
{
    if (s->wake_at == 0)
        DL_APPEND2(s->all->asleep, s, sleep_prev, sleep_next);
    s->wake_at = clock_mono_ms() + ms;
}

void session_wake(struct session *s)
{
    if (s->wake_at != 0)
        DL_DELETE2(s->all->asleep, s, sleep_prev, sleep_next);
    s->wake_at = 0;
    session_go(s);
}

void sessions_wake_due(struct sessions *all, uint64_t now)
{
    struct session *s, *next;

    DL_FOREACH_SAFE2 (all->asleep, s, next, sleep_next) {
        if (s->wake_at <= now)
            session_wake(s);
    }
}

/* --- looking into the store ---------------------------------------------------------- */

static void head_read(struct op *op)
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

static void on_scan(struct store_request *r)
{
    struct op *op = r->data;

    if (r->result.error != ERR_NONE)
        op->scan_error = r->result.error;
    if (--op->scans > 0)
        return;
    if (op->session->all->stopping) {
        op_end(op);
        return;
    }
    head_read(op);
    op->scanned(op);
}

static void scan(struct op *op, struct store_request *r, uint8_t space)
{
    buf_free(&r->found);
    *r = (struct store_request){
        .kind = STORE_SCAN,
        .space = space,
        .by_owner = true,
        .owner = session_client(op->session),
        .cb = on_scan,
        .data = op,
    };
    op->scans++;
    store_submit(op->session->all->store, r);
}

void op_scan(struct op *op, bool rows, void (*scanned)(struct op *op))
{
    op->scanned = scanned;
    op->scan_error = ERR_NONE;
    scan(op, &op->heads, SPACE_HEAD);
    if (rows)
        scan(op, &op->rows, SPACE_ITEM);
}

/* --- the end of one -------------------------------------------------------------------- */

void op_again(struct op *op)
{
    struct session *s = op->session;

    assert(s->running == op);
    s->running = NULL;
    op_queue_first(op);
    session_sleep(s, RETRY_MS);
}

static void op_free(struct op *op)
{
    if (op->kind == OP_DUE)
        op->session->all->due_ops--;
    if (op->unit.by != NULL)
        unit_refuse(&op->unit, ERR_UNAVAILABLE, "The broker ends");
    buf_free(&op->heads.found);
    buf_free(&op->rows.found);
    buf_free(&op->items);
    free(op);
}

void op_end(struct op *op)
{
    struct session *s = op->session;

    assert(s->running == op);
    s->running = NULL;
    op_free(op);
    session_go(s);
}

void ops_drop(struct session *s)
{
    struct op *op, *next;

    LL_FOREACH_SAFE(s->waiting, op, next)
    op_free(op);
    s->waiting = NULL;
    if (s->wake_at != 0)
        DL_DELETE2(s->all->asleep, s, sleep_prev, sleep_next);
    s->wake_at = 0;
}
