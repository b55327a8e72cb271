/*
 * session_attach.c - ATTACH: a client has connected.
 *
 *   attach_begin ─▶ somebody holds it? FENCE, and wait for its DETACH ─┐
 *        │◀────────────────────────────────────────────────────────────┘
 *        └▶ op_scan ─▶ attach_scanned ─▶ attach_commit ─▶ attach_finish: the answer
 *
 * Whoever held the session has FENCE_MS to let go of it, none if its gateway is
 * away; then its connection counts as closed (session_lose), with all that follows
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

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "publish_check.h"
#include "session_impl.h"

/* --- the answer -------------------------------------------------------------------- */

static void answer_send(struct op *op)
{
    const struct session *s = op->session;
    struct wire_attached m = {
        .epoch = s->head.epoch,
        .head = store_head(s->all->store),
        .present = s->head.present,
    };
    struct buf answer = {0};

    if (m.present)
        m.items = (struct slice){(const char *)op->items.p, op->items.len};
    wire_attached_put(&answer, &m);
    unit_answer(&op->unit, (struct slice){(const char *)answer.p, answer.len});
    buf_free(&answer);
    op_end(op);
}

static void refuse(struct op *op, enum sluice_error error, const char *text)
{
    unit_refuse(&op->unit, error, text != NULL ? text : error_text(error));
    op_end(op);
}

/* The items as stored; the progress with what it inherits. */
static void items_collect(struct op *op, struct commit *c)
{
    struct reader r = reader_of(op->rows.found.p, op->rows.found.len);
    struct slice client = session_client(op->session);
    struct store_entry e;

    while (store_entry_get(&r, &e)) {
        struct wire_item item = {.key = e.key, .value = e.value};
        struct buf progress = {0};

        if (e.key.p[0] == WIRE_ITEM_PROGRESS &&
            progress_inherit(e.value, op->found.inherit, &progress)) {
            item.value = commit_copy(c, progress.p, progress.len);
            commit_put(c, SPACE_ITEM, client, item.key, item.value);
            buf_free(&progress);
        }
        op->filters += e.key.p[0] == WIRE_ITEM_FILTER;
        wire_item_put(&op->items, &item);
    }
}

/* --- the commit ---------------------------------------------------------------------- */

static void attach_finish(struct op *op, bool stored)
{
    struct sessions *all = op->session->all;

    all->attaches++;
    metric_add(M_TAKEOVERS, op->fenced);
    all->stored += stored;
    all->stored -= op->found.version != 0;
    if (!op->made.present)
        groups_ended(all->groups, session_client(op->session));
    session_hold(op->session, op->unit.by, &op->made, stored);
    op->session->filters = op->filters;
    answer_send(op);
}

static void attach_commit(struct op *op);

static void on_committed(struct commit *c)
{
    struct op *op = c->data;

    FAILPOINT(broker_attached);
    will_count(c);
    if (c->error == ERR_NONE)
        attach_finish(op, true);
    else if (op_drops_will(op, c))
        attach_commit(op);
    else
        refuse(op, c->error, c->text);
}

/* What was there before: continued, or ended. */
static void settle_found(struct commit *c, struct op *op)
{
    struct slice client = session_client(op->session);
    const struct session_head *found = &op->found;

    if (op->damaged)
        commit_end(c, op->session);
    if (found->version == 0)
        return;
    if (found->ends_at != 0)
        due_drop(c, found->ends_at, client, DUE_END);
    if (found->will_at != 0)
        due_drop(c, found->will_at, client, DUE_WILL);
    if (op->made.present) {
        commit_drop(c, SPACE_HEAD, client, KEY_WILL);
        return;
    }
    if (found->will_at != 0)
        (void)commit_will(c, op);
    commit_end(c, op->session);
}

static void attach_commit(struct op *op)
{
    struct slice client = session_client(op->session);
    struct commit *c = commit_new(op);
    bool stored = op->made.expiry != 0 || op->made.has_will || op->made.present;

    buf_clear(&op->items);
    op->filters = 0;
    settle_found(c, op);
    if (stored)
        commit_head(c, client, &op->made);
    if (op->made.has_will)
        commit_put(c, SPACE_HEAD, client, KEY_WILL, op->attach.will);
    if (op->made.present)
        items_collect(op, c);
    if (commit_is_empty(c)) {
        commit_free(c);
        attach_finish(op, false);
        return;
    }
    FAILPOINT(broker_attach);
    commit_submit(c, op->session->all->store, on_committed);
}

/* --- the look into the store ------------------------------------------------------------ */

static bool has_ended(const struct op *op)
{
    uint64_t ends_at = op->found.ends_at;

    return op->attach.clean || (ends_at != 0 && ends_at <= clock_ms());
}

static uint64_t next_epoch(struct op *op)
{
    struct sessions *all = op->session->all;

    if (op->found.epoch > all->epoch)
        all->epoch = op->found.epoch;
    return ++all->epoch;
}

static void attach_make(struct op *op)
{
    const struct wire_attach *m = &op->attach;

    op->made = (struct session_head){
        .version = m->version,
        .holder = op->unit.by->instance,
        .epoch = next_epoch(op),
        .seq = op->unit.seq,
        .present = op->found.version != 0 && !has_ended(op),
        .expiry = m->expiry,
        .has_will = m->has_will,
        .will_delay = m->will_delay,
        .principal = m->principal,
    };
}

static void attach_scanned(struct op *op)
{
    if (op->scan_error != ERR_NONE) {
        refuse(op, op->scan_error, NULL);
        return;
    }
    if (op->found.version != 0 && !slice_eq(op->found.principal, op->attach.principal)) {
        refuse(op, ERR_FORBIDDEN, "The session is another principal's");
        return;
    }
    attach_make(op);
    attach_commit(op);
}

/* --- the session's present holder ----------------------------------------------------------- */

static void repeat_scanned(struct op *op)
{
    struct commit *unused;

    if (op->scan_error != ERR_NONE) {
        refuse(op, op->scan_error, NULL);
        return;
    }
    unused = commit_new(op);
    items_collect(op, unused);
    answer_send(op);
    commit_free(unused);
}

static enum op_step attach_repeat(struct op *op)
{
    op_start(op);
    op->session->generation = op->unit.by->generation;
    if (op->session->stored)
        op_scan(op, true, repeat_scanned);
    else
        answer_send(op);
    return OP_STARTED;
}

/* True: it need not be waited for. */
static bool holder_is_over(struct op *op)
{
    struct session *s = op->session;

    bool told = op->fenced;

    op->fenced = true;
    if (s->holder->peer == NULL || told)
        return true;
    session_fence(s);
    session_sleep(s, FENCE_MS);
    return false;
}

static bool is_repeat(const struct op *op)
{
    const struct session *s = op->session;

    return s->holder == op->unit.by && s->head.seq == op->unit.seq && !s->closing;
}

enum op_step attach_begin(struct op *op)
{
    struct session *s = op->session;

    if (s->holder == NULL) {
        op_start(op);
        op_scan(op, true, attach_scanned);
        return OP_STARTED;
    }
    if (is_repeat(op))
        return attach_repeat(op);
    if (!s->principal_unknown && !slice_eq(s->head.principal, op->attach.principal)) {
        op_start(op);
        refuse(op, ERR_FORBIDDEN, "The session is another principal's");
        return OP_STARTED;
    }
    if (!holder_is_over(op))
        return OP_WAITS;
    session_lose(s);
    return OP_AGAIN;
}

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

static enum sluice_error attach_queue(struct unit *u, struct sessions *all,
                                      const struct wire_attach *m)
{
    struct session *s = session_of(all, m->client);
    struct op *op;

    if (s == NULL)
        return ERR_TOO_MANY;
    if (s->waiting_count >= SESSION_OPS_MAX)
        return ERR_BUSY;
    op = op_new(OP_ATTACH, s);
    op->unit = *u;
    op->attach = *m;
    op_queue(op);
    session_go(s);
    return ERR_NONE;
}

void attach_take(struct unit *u, struct sessions *all, struct slice body)
{
    const char *text = "The unit is malformed";
    enum sluice_error error = ERR_BAD_REQUEST;
    struct wire_attach m;

    if (wire_attach_get(body, &m)) {
        error = attach_check(&m, all, &text);
        if (error == ERR_NONE) {
            error = attach_queue(u, all, &m);
            text = error_text(error);
        }
    }
    if (error != ERR_NONE)
        unit_refuse(u, error, text);
}
