/*
 * session_end.c - the end of a connection: said by its gateway (DETACH), or found
 * out (session_lose: the gateway has gone, or has lost the session to another).
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

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "metrics.h"
#include "publish_check.h"
#include "session_impl.h"

#define MS UINT64_C(1000)

/* --- pieces of commits, for all ops ------------------------------------------------ */

void commit_head(struct commit *c, struct slice client, const struct session_head *head)
{
    struct buf b = {0};

    session_head_put(&b, head);
    commit_put(c, SPACE_HEAD, client, KEY_HEAD, commit_copy(c, b.p, b.len));
    buf_free(&b);
}

void commit_end(struct commit *c, const struct session *s)
{
    commit_drop_owner(c, SPACE_HEAD, session_client(s));
    commit_drop_owner(c, SPACE_ITEM, session_client(s));
    groups_end(s->all->groups, c, session_client(s));
}

bool commit_will(struct commit *c, struct op *op)
{
    struct reader r = reader_of(op->will.p, op->will.len);
    struct store_event will = {.id = 0};
    const char *text;

    if (op->will_refused || !event_record_get(&r, &will.e) ||
        publish_check(&will, UINT64_MAX, &text) != ERR_NONE)
        return false;
    commit_event(c, &will);
    return true;
}

void will_count(const struct commit *c)
{
    metric_add(M_WILLS, c->id != 0);
}

bool op_drops_will(struct op *op, const struct commit *c)
{
    if (c->request.count == 0 || commit_may_retry(c->error) || op->session->all->stopping)
        return false;
    log_warn("a will is not taken", LOG_SLICE("client", session_client(op->session)),
             LOG_S("why", c->text));
    op->will_refused = true;
    return true;
}

/* --- the end of a connection ---------------------------------------------------------- */

static uint32_t expiry_now(const struct op *op)
{
    return op->session->head.expiry == 0 ? 0 : op->detach.expiry;
}

/* It is sent in the same transaction. */
static bool will_is_due(const struct op *op)
{
    const struct session_head *head = &op->session->head;

    return op->detach.will && head->has_will && (head->will_delay == 0 || expiry_now(op) == 0);
}

static void detach_finish(struct op *op)
{
    struct session *s = op->session;
    bool ended = expiry_now(op) == 0;

    if (s->stored && ended)
        s->all->stored--;
    session_unhold(s);
    if (ended)
        groups_ended(s->all->groups, session_client(s));
    if (op->unit.by != NULL)
        unit_answer(&op->unit, (struct slice){NULL, 0});
    op_end(op);
}

static void detach_fail(struct op *op, const struct commit *c)
{
    if (op->unit.by == NULL) {
        op_again(op);
        return;
    }
    op->session->closing = false;
    unit_refuse(&op->unit, c->error, c->text);
    op_end(op);
}

static void detach_commit(struct op *op);

static void on_committed(struct commit *c)
{
    struct op *op = c->data;

    FAILPOINT(broker_detached);
    will_count(c);
    if (c->error == ERR_NONE)
        detach_finish(op);
    else if (op_drops_will(op, c))
        detach_commit(op);
    else
        detach_fail(op, c);
}

static void will_keep(struct op *op, struct commit *c, uint64_t now)
{
    struct session_head *made = &op->made;
    uint32_t delay = made->will_delay;

    if (!made->has_will)
        return;
    if (will_is_due(op) || !op->detach.will) {
        made->has_will = false;
        commit_drop(c, SPACE_HEAD, session_client(op->session), KEY_WILL);
        return;
    }
    if (made->expiry < delay)
        delay = made->expiry;
    made->will_at = now + delay * MS;
    due_put(op->session->all, c, made->will_at, session_client(op->session), DUE_WILL);
}

static void session_keep(struct op *op, struct commit *c)
{
    struct session *s = op->session;
    uint64_t now = clock_ms();

    op->made = s->head;
    op->made.holder = (struct wire_uuid){{0}};
    op->made.expiry = expiry_now(op);
    op->made.inherit = s->holder->position;
    commit_items(c, session_client(s), op->detach.items);
    will_keep(op, c, now);
    if (op->made.expiry != UINT32_MAX) {
        op->made.ends_at = now + op->made.expiry * MS;
        due_put(s->all, c, op->made.ends_at, session_client(s), DUE_END);
    }
    commit_head(c, session_client(s), &op->made);
}

static void detach_commit(struct op *op)
{
    struct session *s = op->session;
    struct commit *c = commit_new(op);

    if (will_is_due(op))
        (void)commit_will(c, op);
    if (expiry_now(op) == 0)
        commit_end(c, s);
    else
        session_keep(op, c);
    FAILPOINT(broker_detach);
    commit_submit(c, s->all->store, on_committed);
}

static void detach_scanned(struct op *op)
{
    if (op->scan_error == ERR_NONE)
        detach_commit(op);
    else
        detach_fail(op,
                    &(struct commit){.error = op->scan_error, .text = error_text(op->scan_error)});
}

enum op_step detach_begin(struct op *op)
{
    struct session *s = op->session;

    assert(s->holder != NULL && s->closing);
    op_start(op);
    if (!s->stored)
        detach_finish(op);
    else if (will_is_due(op))
        op_scan(op, false, detach_scanned);
    else
        detach_commit(op);
    return OP_STARTED;
}

/* --- how it begins ------------------------------------------------------------------------ */

void session_lose(struct session *s)
{
    struct op *op;

    if (s->closing)
        return;
    s->closing = true;
    op = op_new(OP_DETACH, s);
    op->detach = (struct wire_detach){.will = true, .expiry = s->head.expiry};
    op_queue_first(op);
}

static bool items_well_formed(struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;
    bool ok = true;

    while (ok && wire_item_get(&r, &item))
        ok = item_is_well_formed(&item);
    return ok;
}

void detach_take(struct unit *u, struct sessions *all, struct slice body)
{
    struct wire_detach m;
    struct session *s;
    struct op *op;

    if (!wire_detach_get(body, &m) || !items_well_formed(m.items)) {
        unit_refuse(u, ERR_BAD_REQUEST, "The unit is malformed");
        return;
    }
    s = session_find(all, m.client);
    if (s == NULL || s->holder != u->by || s->head.epoch != m.epoch || s->closing) {
        unit_refuse(u, ERR_FENCED, "Another connection holds the session");
        return;
    }
    s->closing = true;
    op = op_new(OP_DETACH, s);
    op->unit = *u;
    op->detach = m;
    op_queue_first(op);
    session_wake(s);
}
