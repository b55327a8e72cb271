/*
 * session_commit.c - what becomes of a session, as changes of a commit.
 */
#include "failpoint.h"
#include "log.h"
#include "metrics.h"
#include "publish_check.h"
#include "session_impl.h"

/* In an orderly end nothing is refused. */
void session_commit_items(struct commit *c, struct slice client, struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;

    while (wire_item_get(&r, &item)) {
        if (item.drop)
            commit_drop(c, SPACE_ITEM, client, item.key);
        else
            commit_put(c, SPACE_ITEM, client, item.key, item.value);
    }
}

void session_commit_changes(struct commit *c, struct slice client, struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;

    while (wire_item_get(&r, &item)) {
        if (item.drop)
            commit_drop(c, SPACE_ITEM, client, item.key);
        else if (item.key.p[0] == WIRE_ITEM_FILTER)
            commit_put_if_room(c, SPACE_ITEM, client, item.key, item.value);
        else
            commit_put(c, SPACE_ITEM, client, item.key, item.value);
    }
}

static struct slice head_bytes(struct commit *c, const struct session_head *head)
{
    struct buf b = {0};
    struct slice bytes;

    session_head_put(&b, head);
    bytes = commit_copy(c, b.p, b.len);
    buf_free(&b);
    return bytes;
}

void session_commit_head(struct commit *c, struct slice client, const struct session_head *head)
{
    commit_put(c, SPACE_HEAD, client, KEY_HEAD, head_bytes(c, head));
}

void session_commit_attach(struct commit *c, struct slice client, const struct session_head *head,
                           struct slice will)
{
    commit_put_if_room(c, SPACE_HEAD, client, KEY_HEAD, head_bytes(c, head));
    if (head->has_will)
        commit_put_if_room(c, SPACE_HEAD, client, KEY_WILL, will);
}

void session_commit_end(struct commit *c, const struct session *s)
{
    commit_drop_owner(c, SPACE_HEAD, s->shared.client);
    commit_drop_owner(c, SPACE_ITEM, s->shared.client);
    groups_end(s->all->groups, c, s->shared.client);
}

/* --- deadlines ---------------------------------------------------------------------- */

static struct slice due_owner(struct commit *c, uint64_t at, struct slice client)
{
    struct buf b = {0};
    struct slice owner;

    session_due_owner_put(&b, at, client);
    owner = commit_copy(c, b.p, b.len);
    buf_free(&b);
    return owner;
}

static struct slice due_key(char what)
{
    return what == DUE_END ? SLICE("E") : SLICE("W");
}

void session_commit_due(struct commit *c, struct sessions *all, uint64_t at, struct slice client,
                        char what)
{
    commit_put(c, SPACE_DUE, due_owner(c, at, client), due_key(what), SLICE(""));
    if (at < all->due_at)
        all->due_at = at;
}

void session_commit_not_due(struct commit *c, uint64_t at, struct slice client, char what)
{
    commit_drop(c, SPACE_DUE, due_owner(c, at, client), due_key(what));
}

/* --- wills -------------------------------------------------------------------------- */

void session_commit_will(struct commit *c, const struct session_op *op)
{
    struct store_event will = {.record = NULL};
    const char *text;
    struct reader r;

    if (op->will_refused)
        return;
    will.record = commit_bytes(c, op->will.p, op->will.len); /* what is stored stays as it is */
    r = reader_of(will.record, op->will.len);
    if (event_record_get(&r, &will.e) && publish_check(&will, UINT64_MAX, &text) == ERR_NONE)
        commit_event(c, &will);
}

void session_commit_will_done(const struct commit *c)
{
    metric_add(M_WILLS, c->id != 0);
}

bool session_commit_will_failed(const struct commit *c, struct session_op *op)
{
    if (c->request.count == 0 || commit_may_retry(c->error) || op->session->all->stopping)
        return false;
    log_warn("a will is not taken", LOG_SLICE("client", op->session->shared.client),
             LOG_S("why", c->text));
    op->will_refused = true;
    return true;
}
