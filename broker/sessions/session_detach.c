/*
 * session_detach.c - the end of a connection: said by its gateway (DETACH), or found
 * out (session_detach_lost: the gateway has gone, or has lost the session to another).
 *
 * In one transaction: the last items, and then
 *   expiry 0   every row goes; the will, if it is wanted, is sent;
 *   else       the head says that nobody holds the session, until when it lives and
 *              what a progress that follows inherits; the will, if it is wanted, is
 *              sent at once when it has no delay, else when that is over, or the
 *              session if that is sooner.
 *
 * While the store refuses, a gateway's DETACH is refused with the store's error and
 * may be said again; what the broker does by itself is tried again.  A will that the
 * store does not take (not because it fails, but because of what the will is) is
 * given up, with a line in the log.
 */
#include <assert.h>

#include "failpoint.h"
#include "session_impl.h"
#include "wall.h"

#define MS UINT64_C(1000)

/* --- the end of a connection ---------------------------------------------------------- */

static uint32_t expiry_now(const struct session_op *op)
{
    return op->session->head.expiry == 0 ? 0 : op->detach.expiry;
}

/* It is sent in the same transaction. */
static bool will_is_due(const struct session_op *op)
{
    const struct session_head *head = &op->session->head;

    return op->detach.will && head->has_will && (head->will_delay == 0 || expiry_now(op) == 0);
}

static void detach_finish(struct session_op *op)
{
    struct session *s = op->session;
    bool ended = expiry_now(op) == 0;

    if (s->stored && ended)
        s->all->stored--;
    session_unhold(s);
    if (ended)
        groups_ended(s->all->groups, s->shared.client);
    if (op->unit.by != NULL)
        session_unit_answer(&op->unit, (struct slice){NULL, 0});
    session_op_end(op);
}

static void detach_fail(struct session_op *op, const struct commit *c)
{
    if (op->unit.by == NULL) {
        session_op_again(op);
        return;
    }
    op->session->shared.closing = false;
    session_unit_refuse(&op->unit, c->error, c->text);
    session_op_end(op);
}

static void detach_commit(struct session_op *op);

static void detach_on_committed(struct commit *c)
{
    struct session_op *op = c->data;

    FAILPOINT(broker_detached);
    session_commit_will_done(c);
    if (c->error == ERR_NONE)
        detach_finish(op);
    else if (session_commit_will_failed(c, op))
        detach_commit(op);
    else
        detach_fail(op, c);
}

static void will_keep(struct session_op *op, struct commit *c, uint64_t now)
{
    struct session_head *made = &op->made;
    uint32_t delay = made->will_delay;

    if (!made->has_will)
        return;
    if (will_is_due(op) || !op->detach.will) {
        made->has_will = false;
        commit_drop(c, SPACE_HEAD, op->session->shared.client, KEY_WILL);
        return;
    }
    if (made->expiry < delay)
        delay = made->expiry;
    made->will_at = now + delay * MS;
    session_commit_due(c, op->session->all, made->will_at, op->session->shared.client, DUE_WILL);
}

static void session_keep(struct session_op *op, struct commit *c)
{
    struct session *s = op->session;
    uint64_t now = wall_ms();

    op->made = s->head;
    op->made.held_by = (struct wire_uuid){{0}};
    op->made.expiry = expiry_now(op);
    op->made.inherit = s->peer->position;
    session_commit_items(c, s->shared.client, op->detach.items);
    will_keep(op, c, now);
    if (op->made.expiry != UINT32_MAX) {
        op->made.ends_at = now + op->made.expiry * MS;
        session_commit_due(c, s->all, op->made.ends_at, s->shared.client, DUE_END);
    }
    session_commit_head(c, s->shared.client, &op->made);
}

static void detach_commit(struct session_op *op)
{
    struct session *s = op->session;
    struct commit *c = commit_new(op);

    if (will_is_due(op))
        session_commit_will(c, op);
    if (expiry_now(op) == 0)
        session_commit_end(c, s);
    else
        session_keep(op, c);
    FAILPOINT(broker_detach);
    commit_submit(c, s->all->store, detach_on_committed);
}

static void detach_scanned(struct session_op *op)
{
    if (op->scan_error == ERR_NONE)
        detach_commit(op);
    else
        detach_fail(op,
                    &(struct commit){.error = op->scan_error, .text = error_text(op->scan_error)});
}

static enum session_step detach_begin(struct session_op *op)
{
    struct session *s = op->session;

    assert(s->peer != NULL && s->shared.closing);
    session_op_start(op);
    if (!s->stored)
        detach_finish(op);
    else if (will_is_due(op))
        session_op_scan(op, false, detach_scanned);
    else
        detach_commit(op);
    return STEP_STARTED;
}

static const struct session_op_kind detach_kind = {detach_begin, NULL};

/* --- how it begins ------------------------------------------------------------------------ */

void session_detach_lost(struct session *s)
{
    struct session_op *op;

    if (s->shared.closing)
        return;
    s->shared.closing = true;
    op = session_op_new(&detach_kind, s);
    op->detach = (struct wire_detach){.will = true, .expiry = s->head.expiry};
    session_op_queue_first(op);
}

static bool items_well_formed(struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;
    bool ok = true;

    while (ok && wire_item_get(&r, &item))
        ok = session_item_ok(&item);
    return ok;
}

void session_detach_take(struct session_unit *u, struct slice body)
{
    struct wire_detach m;
    struct session *s;
    struct session_op *op;

    if (!wire_detach_get(body, &m) || !items_well_formed(m.items)) {
        session_unit_refuse(u, ERR_BAD_REQUEST, "The unit is malformed");
        return;
    }
    s = session_find(u->by->all, m.client);
    if (!session_is_held_by(s, u->by, m.epoch) || s->shared.closing) {
        session_unit_refuse(u, ERR_FENCED, "Another connection holds the session");
        return;
    }
    s->shared.closing = true;
    op = session_op_new(&detach_kind, s);
    op->unit = *u;
    op->detach = m;
    session_op_queue_first(op);
    session_op_wake(s);
}
