/*
 * session_due.c - what a session's head has set a time for: its end, and its will's
 * delay.
 *
 * Each is a row in the map, in the order of their times.  The earliest is known
 * (due_at), so the map is read only when something is due, a page at a time; each
 * row found becomes an op of its client.  The op reads the head anew: a row that
 * the head does not confirm is stale and goes without effect.
 */
#include "failpoint.h"
#include "session_impl.h"
#include "wall.h"

#define DUE_PAGE 256u

/* --- one that is due --------------------------------------------------------------- */

/* The head confirms it: nobody holds the session, and that is its time. */
static bool due_is(const struct session_op *op, char what)
{
    uint64_t at = what == DUE_END ? op->found.ends_at : op->found.will_at;

    return op->due == what && op->session->peer == NULL && op->found.version != 0 &&
           at == op->due_at;
}

static void due_finish(struct session_op *op)
{
    struct session *s = op->session;

    if (due_is(op, DUE_END)) {
        s->all->stored--;
        s->all->expired++;
        groups_ended(s->all->groups, s->shared.client);
    }
    session_op_end(op);
}

static void due_commit(struct session_op *op);

static void due_on_committed(struct commit *c)
{
    struct session_op *op = c->data;

    FAILPOINT(broker_due_done);
    session_commit_will_done(c);
    if (c->error == ERR_NONE)
        due_finish(op);
    else if (session_commit_will_failed(c, op))
        due_commit(op);
    else
        session_op_again(op);
}

static void end_session(struct session_op *op, struct commit *c)
{
    struct slice client = op->session->shared.client;

    if (op->found.will_at != 0) {
        session_commit_will(c, op);
        session_commit_not_due(c, op->found.will_at, client, DUE_WILL);
    }
    session_commit_end(c, op->session);
}

static void send_will(struct session_op *op, struct commit *c)
{
    struct slice client = op->session->shared.client;

    session_commit_will(c, op);
    op->made = op->found;
    op->made.has_will = false;
    op->made.will_at = 0;
    commit_drop(c, SPACE_HEAD, client, KEY_WILL);
    session_commit_head(c, client, &op->made);
}

static void due_commit(struct session_op *op)
{
    struct session *s = op->session;
    struct commit *c = commit_new(op);

    if (due_is(op, DUE_END))
        end_session(op, c);
    if (due_is(op, DUE_WILL))
        send_will(op, c);
    session_commit_not_due(c, op->due_at, s->shared.client, op->due);
    FAILPOINT(broker_due);
    commit_submit(c, s->all->store, due_on_committed);
}

static void due_scanned(struct session_op *op)
{
    if (op->scan_error == ERR_NONE)
        due_commit(op);
    else
        session_op_again(op);
}

static enum session_step due_begin(struct session_op *op)
{
    session_op_start(op);
    session_op_scan(op, false, due_scanned);
    return STEP_STARTED;
}

static void due_over(struct session_op *op)
{
    op->session->all->due_ops--;
}

static const struct session_op_kind due_kind = {due_begin, due_over};

/* --- the look ------------------------------------------------------------------------- */

static bool due_add(struct sessions *all, const struct session_due *d)
{
    struct session *s = session_of(all, d->client);
    struct session_op *op;

    if (s == NULL)
        return false;
    op = session_op_new(&due_kind, s);
    op->due_at = d->at;
    op->due = d->what;
    all->due_ops++;
    session_op_queue(op);
    session_op_go(s);
    return true;
}

/* Returns when to look again: at the first that is not due yet. */
static uint64_t due_take(struct sessions *all, const struct store_request *r, uint64_t now)
{
    struct reader rest = reader_of(r->found.p, r->found.len);
    struct store_entry e;
    struct session_due d;

    while (store_entry_get(&rest, &e)) {
        if (!session_due_get(e.owner, e.key, &d))
            continue;
        if (d.at > now)
            return d.at;
        if (!due_add(all, &d))
            return now + RETRY_MS;
    }
    return r->more ? now : UINT64_MAX;
}

static void due_on_scan(struct store_request *r)
{
    struct sessions *all = r->data;
    uint64_t next;

    all->due_scanning = false;
    if (all->stopping)
        return;
    next = r->result.error == ERR_NONE ? due_take(all, r, wall_ms()) : wall_ms() + RETRY_MS;
    buf_free(&r->found);
    if (next < all->due_at)
        all->due_at = next;
}

void session_due_look(struct sessions *all)
{
    if (all->due_scanning || all->due_ops > 0 || all->due_at > wall_ms())
        return;
    all->due_scanning = true;
    all->due_at = UINT64_MAX; /* until then: what is put meanwhile lowers it */
    all->due_scan = (struct store_request){
        .kind = STORE_SCAN,
        .space = SPACE_DUE,
        .limit = DUE_PAGE,
        .cb = due_on_scan,
        .data = all,
    };
    store_submit(all->store, &all->due_scan);
}
