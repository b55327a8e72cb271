/*
 * session_withdraw.c - WITHDRAW: a will that is not to be sent any more.
 *
 * From the unit on it is not, whatever ends the connection, even when the store does not
 * take the change (the gateway is told): then a broker that starts again finds it as it was.
 */
#include <stdlib.h>

#include "mem.h"
#include "session_impl.h"

static void withdraw_on_done(struct commit *c)
{
    struct session_unit *u = c->data;

    if (c->error == ERR_NONE)
        session_unit_answer(u, SLICE(""));
    else
        session_unit_refuse(u, c->error, c->text);
    free(u);
}

static void withdraw_commit(struct session *s, const struct session_unit *u)
{
    struct session_unit *kept = mem_alloc(sizeof *kept);
    struct commit *c = commit_new(kept);

    *kept = *u;
    session_commit_head(c, s->shared.client, &s->head);
    commit_drop(c, SPACE_HEAD, s->shared.client, KEY_WILL);
    commit_submit(c, s->all->store, withdraw_on_done);
}

void session_withdraw_take(struct session_unit *u, struct slice body)
{
    struct slice client;
    struct session *s;
    uint64_t epoch;

    if (!wire_withdraw_get(body, &client, &epoch)) {
        session_unit_refuse(u, ERR_BAD_REQUEST, "The unit is malformed");
        return;
    }
    s = session_find(u->by->all, client);
    if (!session_is_held_by(s, u->by, epoch) || s->shared.closing) {
        session_unit_refuse(u, ERR_FENCED, "Another connection holds the session");
    } else if (!s->head.has_will) {
        session_unit_answer(u, SLICE(""));
    } else {
        s->head.has_will = false;
        withdraw_commit(s, u);
    }
}
