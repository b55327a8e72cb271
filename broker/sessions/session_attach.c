/*
 * session_attach.c - ATTACH: a client has connected.
 *
 *   attach_begin ─▶ somebody holds it? FENCE, and wait for its DETACH ─┐
 *        │◀────────────────────────────────────────────────────────────┘
 *        └▶ session_op_scan ─▶ attach_scanned ─▶ attach_commit ─▶ attach_finish: the answer
 *
 * Whoever held the session has FENCE_MS to let go of it, none if its gateway is
 * away; then its connection counts as closed (session_detach_lost), with all that follows
 * from that, its will among it.  So by the time that the scan begins the session is
 * nobody's, and what is left to settle is in its head:
 *   - it has ended, or is ended by `clean`: all rows go, a will still waiting for
 *     its delay is sent;
 *   - it is resumed: such a will is not sent;
 *   - it is another principal's: refused;
 *   - it cannot be read: all rows go, as if it had ended.
 * A session without rows that needs none is attached without a write.
 *
 * The same unit again (the broker was killed, or the link, before the answer got
 * through) is known by its seq and answered as it was the first time.
 */
#include <stdlib.h>

#include "failpoint.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "publish_check.h"
#include "session_impl.h"
#include "wall.h"

/* --- the answer -------------------------------------------------------------------- */

static void answer_send(struct session_op *op)
{
    const struct session *s = op->session;
    struct wire_attached m = {
        .epoch = s->head.epoch,
        .head = store_head(s->all->store),
        .present = s->head.present,
    };
    struct buf answer = {0};

    if (m.present)
        m.items = buf_slice(&op->items);
    wire_attached_put(&answer, &m);
    session_unit_answer(&op->unit, buf_slice(&answer));
    buf_free(&answer);
    session_op_end(op);
}

static void attach_refuse(struct session_op *op, enum sluice_error error, const char *text)
{
    session_unit_refuse(&op->unit, error, text != NULL ? text : error_text(error));
    session_op_end(op);
}

/* The items as stored; the progress with what it inherits. */
static void items_collect(struct session_op *op, struct commit *c)
{
    struct reader r = reader_of(op->rows.found.p, op->rows.found.len);
    struct slice client = op->session->shared.client;
    struct store_entry e;

    while (store_entry_get(&r, &e)) {
        struct wire_item item = {.key = e.key, .value = e.value};
        struct buf progress = {0};

        if (e.key.p[0] == WIRE_ITEM_PROGRESS &&
            session_progress_inherit(e.value, op->found.inherit, &progress)) {
            item.value = commit_copy(c, progress.p, progress.len);
            commit_put(c, SPACE_ITEM, client, item.key, item.value);
            buf_free(&progress);
        }
        wire_item_put(&op->items, &item);
    }
}

/* --- the commit ---------------------------------------------------------------------- */

static void attach_finish(struct session_op *op, bool stored)
{
    struct sessions *all = op->session->all;

    all->attaches++;
    metric_add(M_TAKEOVERS, op->fenced);
    all->stored += stored;
    all->stored -= op->found.version != 0;
    if (!op->made.present)
        groups_ended(all->groups, op->session->shared.client);
    session_hold(op->session, op->unit.by, &op->made, stored);
    answer_send(op);
}

static void attach_commit(struct session_op *op);

static void attach_on_committed(struct commit *c)
{
    struct session_op *op = c->data;

    FAILPOINT(broker_attached);
    session_commit_will_done(c);
    if (c->error == ERR_NONE)
        attach_finish(op, true);
    else if (session_commit_will_failed(c, op))
        attach_commit(op);
    else
        attach_refuse(op, c->error, c->text);
}

/* What was there before: continued, or ended. */
static void settle_found(struct commit *c, struct session_op *op)
{
    struct slice client = op->session->shared.client;
    const struct session_head *found = &op->found;

    if (op->damaged)
        session_commit_end(c, op->session);
    if (found->version == 0)
        return;
    if (found->ends_at != 0)
        session_commit_not_due(c, found->ends_at, client, DUE_END);
    if (found->will_at != 0)
        session_commit_not_due(c, found->will_at, client, DUE_WILL);
    if (op->made.present) {
        commit_drop(c, SPACE_HEAD, client, KEY_WILL);
        return;
    }
    if (found->will_at != 0)
        session_commit_will(c, op);
    session_commit_end(c, op->session);
}

static void attach_commit(struct session_op *op)
{
    struct slice client = op->session->shared.client;
    struct commit *c = commit_new(op);
    bool stored = op->made.expiry != 0 || op->made.has_will || op->made.present;

    buf_clear(&op->items);
    settle_found(c, op);
    if (stored)
        session_commit_attach(c, client, &op->made, op->attach.will);
    if (op->made.present)
        items_collect(op, c);
    if (commit_is_empty(c)) {
        commit_free(c);
        attach_finish(op, false);
        return;
    }
    FAILPOINT(broker_attach);
    commit_submit(c, op->session->all->store, attach_on_committed);
}

/* --- the look into the store ------------------------------------------------------------ */

static bool has_ended(const struct session_op *op)
{
    uint64_t ends_at = op->found.ends_at;

    return op->attach.clean || (ends_at != 0 && ends_at <= wall_ms());
}

static uint64_t next_epoch(struct session_op *op)
{
    struct sessions *all = op->session->all;

    if (op->found.epoch > all->epoch)
        all->epoch = op->found.epoch;
    return ++all->epoch;
}

static void attach_make(struct session_op *op)
{
    const struct wire_attach *m = &op->attach;

    op->made = (struct session_head){
        .version = m->version,
        .held_by = op->unit.by->shared.instance,
        .epoch = next_epoch(op),
        .seq = op->unit.seq,
        .present = op->found.version != 0 && !has_ended(op),
        .expiry = m->expiry,
        .has_will = m->has_will,
        .will_delay = m->will_delay,
        .principal = m->principal,
    };
}

static bool attach_may(const struct session_op *op, const struct session_head *head)
{
    return session_owner_admits(&op->session->all->options.owners, head, op->attach.principal);
}

static void attach_scanned(struct session_op *op)
{
    if (op->scan_error != ERR_NONE) {
        attach_refuse(op, op->scan_error, NULL);
        return;
    }
    if (op->found.version != 0 && !attach_may(op, &op->found)) {
        attach_refuse(op, ERR_FORBIDDEN, "The session is another principal's");
        return;
    }
    attach_make(op);
    attach_commit(op);
}

/* --- who holds it now ----------------------------------------------------------- */

static void repeat_scanned(struct session_op *op)
{
    struct commit *unused;

    if (op->scan_error != ERR_NONE) {
        attach_refuse(op, op->scan_error, NULL);
        return;
    }
    unused = commit_new(op);
    items_collect(op, unused);
    answer_send(op);
    commit_free(unused);
}

static enum session_step attach_repeat(struct session_op *op)
{
    session_op_start(op);
    op->session->generation = op->unit.by->generation;
    if (op->session->stored)
        session_op_scan(op, true, repeat_scanned);
    else
        answer_send(op);
    return STEP_STARTED;
}

/* True: it need not be waited for. */
static bool peer_lets_go(struct session_op *op)
{
    struct session *s = op->session;
    bool told = op->fenced;

    op->fenced = true;
    if (s->peer->shared.link == NULL || told)
        return true;
    session_fence(s);
    session_op_sleep(s, FENCE_MS);
    return false;
}

static bool is_repeat(const struct session_op *op)
{
    const struct session *s = op->session;

    return s->peer == op->unit.by && s->head.seq == op->unit.seq && !s->shared.closing;
}

static enum session_step attach_begin(struct session_op *op)
{
    struct session *s = op->session;

    if (s->peer == NULL) {
        session_op_start(op);
        session_op_scan(op, true, attach_scanned);
        return STEP_STARTED;
    }
    if (is_repeat(op))
        return attach_repeat(op);
    if (!attach_may(op, &s->head)) {
        session_op_start(op);
        attach_refuse(op, ERR_FORBIDDEN, "The session is another principal's");
        return STEP_STARTED;
    }
    if (!peer_lets_go(op))
        return STEP_WAITS;
    session_detach_lost(s);
    return STEP_AGAIN;
}

static const struct session_op_kind attach_kind = {attach_begin, NULL};

/* --- the unit --------------------------------------------------------------------- */

static enum sluice_error attach_check(const struct wire_attach *m, const struct sessions *all,
                                      const char **text)
{
    struct reader r = reader_of(m->will.p, m->will.len);
    struct store_event will;

    if (!m->has_will)
        return ERR_NONE;
    *text = "The will is malformed";
    if (!event_record_get(&r, &will.e))
        return ERR_BAD_EVENT;
    return publish_check(&will, all->options.max_payload, text);
}

static enum sluice_error attach_queue(struct session_unit *u, const struct wire_attach *m)
{
    struct session *s = session_of(u->by->all, m->client);
    struct session_op *op;

    if (s == NULL)
        return ERR_TOO_MANY;
    if (s->waiting_count >= SESSION_OPS_MAX)
        return ERR_BUSY;
    op = session_op_new(&attach_kind, s);
    op->unit = *u;
    op->attach = *m;
    session_op_queue(op);
    session_op_go(s);
    return ERR_NONE;
}

void session_attach_take(struct session_unit *u, struct slice body)
{
    const char *text = "The unit is malformed";
    enum sluice_error error = ERR_BAD_REQUEST;
    struct wire_attach m;

    if (wire_attach_get(body, &m)) {
        error = attach_check(&m, u->by->all, &text);
        if (error == ERR_NONE) {
            error = attach_queue(u, &m);
            text = error_text(error);
        }
    }
    if (error != ERR_NONE)
        session_unit_refuse(u, error, text);
}
