/*
 * session_due.c - what a session's head has set a time for: its end, and its will's
 * delay.
 *
 * Each is a row in the map, in the order of their times.  The earliest is known
 * (due_at), so the map is read only when something is due, a page at a time; each
 * row found becomes an op of its client.  The op reads the head anew: a row that
 * the head does not confirm is stale and goes without effect.
 */
#include "clock.h"
#include "failpoint.h"
#include "session_impl.h"

#define DUE_PAGE 256u

/* --- rows ------------------------------------------------------------------------ */

static struct slice due_owner(struct commit *c, uint64_t at, struct slice client)
{
    struct buf b = {0};
    struct slice owner;

    due_owner_put(&b, at, client);
    owner = commit_copy(c, b.p, b.len);
    buf_free(&b);
    return owner;
}

static struct slice due_key(char what)
{
    return what == DUE_END ? SLICE("E") : SLICE("W");
}

void due_put(struct sessions *all, struct commit *c, uint64_t at, struct slice client, char what)
{
    commit_put(c, SPACE_DUE, due_owner(c, at, client), due_key(what), (struct slice){"", 0});
    if (at < all->due_at)
        all->due_at = at;
}

void due_drop(struct commit *c, uint64_t at, struct slice client, char what)
{
    commit_drop(c, SPACE_DUE, due_owner(c, at, client), due_key(what));
}

/* --- one that is due --------------------------------------------------------------- */

static void due_commit(struct op *op);

static void on_committed(struct commit *c)
{
    struct op *op = c->data;
    bool ended = op->due == DUE_END && op->found.version != 0 && op->found.ends_at == op->due_at;

    FAILPOINT(broker_due_done);
    will_count(c);
    if (c->error == ERR_NONE) {
        if (ended) {
            op->session->all->stored--;
            op->session->all->expired++;
            groups_ended(op->session->all->groups, session_client(op->session));
        }
        op_end(op);
    } else if (op_drops_will(op, c)) {
        due_commit(op);
    } else {
        op_again(op);
    }
}

static void end_session(struct op *op, struct commit *c)
{
    struct slice client = session_client(op->session);

    if (op->found.will_at != 0) {
        (void)commit_will(c, op);
        due_drop(c, op->found.will_at, client, DUE_WILL);
    }
    commit_end(c, op->session);
}

static void send_will(struct op *op, struct commit *c)
{
    struct slice client = session_client(op->session);

    (void)commit_will(c, op);
    op->made = op->found;
    op->made.has_will = false;
    op->made.will_at = 0;
    commit_drop(c, SPACE_HEAD, client, KEY_WILL);
    commit_head(c, client, &op->made);
}

static void due_commit(struct op *op)
{
    struct session *s = op->session;
    struct commit *c = commit_new(op);
    bool there = s->holder == NULL && op->found.version != 0;

    if (there && op->due == DUE_END && op->found.ends_at == op->due_at)
        end_session(op, c);
    if (there && op->due == DUE_WILL && op->found.will_at == op->due_at)
        send_will(op, c);
    due_drop(c, op->due_at, session_client(s), op->due);
    FAILPOINT(broker_due);
    commit_submit(c, s->all->store, on_committed);
}

static void due_scanned(struct op *op)
{
    if (op->scan_error == ERR_NONE)
        due_commit(op);
    else
        op_again(op);
}

enum op_step due_begin(struct op *op)
{
    op_start(op);
    op_scan(op, false, due_scanned);
    return OP_STARTED;
}

/* --- the look ------------------------------------------------------------------------- */

static bool due_add(struct sessions *all, const struct due *d)
{
    struct session *s = session_of(all, d->client);
    struct op *op;

    if (s == NULL)
        return false;
    op = op_new(OP_DUE, s);
    op->due_at = d->at;
    op->due = d->what;
    all->due_ops++;
    op_queue(op);
    session_go(s);
    return true;
}

/* Returns when to look again: at the first that is not due yet. */
static uint64_t due_take(struct sessions *all, const struct store_request *r, uint64_t now)
{
    struct reader rest = reader_of(r->found.p, r->found.len);
    struct store_entry e;
    struct due d;

    while (store_entry_get(&rest, &e)) {
        if (!due_get(e.owner, e.key, &d))
            continue;
        if (d.at > now)
            return d.at;
        if (!due_add(all, &d))
            return now + RETRY_MS;
    }
    return r->more ? now : UINT64_MAX;
}

static void on_due(struct store_request *r)
{
    struct sessions *all = r->data;
    uint64_t next;

    all->due_scanning = false;
    if (all->stopping)
        return;
    next = r->result.error == ERR_NONE ? due_take(all, r, clock_ms()) : clock_ms() + RETRY_MS;
    buf_free(&r->found);
    if (next < all->due_at)
        all->due_at = next;
}

void due_look(struct sessions *all)
{
    if (all->due_scanning || all->due_ops > 0 || all->due_at > clock_ms())
        return;
    all->due_scanning = true;
    all->due_at = UINT64_MAX; /* until then: what is put meanwhile lowers it */
    all->due_scan = (struct store_request){
        .kind = STORE_SCAN,
        .space = SPACE_DUE,
        .limit = DUE_PAGE,
        .cb = on_due,
        .data = all,
    };
    store_submit(all->store, &all->due_scan);
}
