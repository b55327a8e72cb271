/*
 * session.c - sessions by client, gateways by instance, and who holds what.
 *
 * A session is here while a gateway holds it or an op of it waits or runs.
 */
#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "mem.h"
#include "session_impl.h"

/* --- gateways --------------------------------------------------------------------- */

struct session_peer *session_peer_of(struct sessions *all, const struct wire_uuid *instance)
{
    struct session_peer *p;

    HASH_FIND(hh, all->peers, instance, sizeof *instance, p);
    if (p != NULL)
        return p;
    p = mem_zalloc(sizeof *p);
    p->all = all;
    p->shared.instance = *instance;
    HASH_ADD(hh, all->peers, shared.instance, sizeof p->shared.instance, p);
    return p;
}

/* --- sessions --------------------------------------------------------------------- */

struct session *session_find(const struct sessions *all, struct slice client)
{
    struct session *s;

    HASH_FIND(hh, all->sessions, client.p, client.len, s);
    return s;
}

struct session *session_of(struct sessions *all, struct slice client)
{
    struct session *s = session_find(all, client);

    if (s != NULL)
        return s;
    if (HASH_COUNT(all->sessions) >= SESSIONS_MAX)
        return NULL;
    s = mem_zalloc(sizeof *s + client.len);
    s->all = all;
    memcpy(s->client, client.p, client.len);
    s->shared.client = (struct slice){s->client, client.len};
    HASH_ADD(hh, all->sessions, client, client.len, s);
    return s;
}

void session_free(struct session *s)
{
    HASH_DEL(s->all->sessions, s);
    free(s);
}

void session_maybe_free(struct session *s)
{
    if (s->peer == NULL && s->running == NULL && s->waiting == NULL)
        session_free(s);
}

/* --- who holds it ----------------------------------------------------------------- */

void session_hold(struct session *s, struct session_peer *p, const struct session_head *head,
                  bool stored)
{
    assert(s->peer == NULL);
    s->peer = p;
    s->head = *head;
    s->head.principal.p = mem_strndup(head->principal.p, head->principal.len);
    s->stored = stored;
    s->generation = p->generation;
    if (p->shared.link == NULL) { /* it has gone meanwhile, or has not come yet */
        s->generation--;
        if (p->deadline == 0)
            p->deadline = clock_mono_ms() + GRACE_LINK_MS;
    }
    DL_APPEND(p->sessions, s);
    s->all->held++;
    s->all->held_stored += stored;
    s->shared.epoch = head->epoch;
    s->shared.stored = head->expiry != 0;
    s->shared.closing = false;
    s->shared.peer = &p->shared;
    groups_attached(s->all->groups, &s->shared);
}

void session_unhold(struct session *s)
{
    groups_detached(s->all->groups, &s->shared);
    s->shared.peer = NULL;
    s->shared.closing = false;
    free((void *)(uintptr_t)s->head.principal.p);
    s->head = (struct session_head){0};
    s->all->held--;
    s->all->held_stored -= s->stored;
    s->stored = false;
    DL_DELETE(s->peer->sessions, s);
    s->peer = NULL;
}

bool session_is_held_by(const struct session *s, const struct session_peer *p, uint64_t epoch)
{
    return s != NULL && s->peer == p && s->head.epoch == epoch;
}

void session_fence_peer(const struct session_peer *p, struct slice client, uint64_t epoch)
{
    struct buf frame = {0};

    if (p->shared.link == NULL)
        return;
    wire_call_begin(&frame, WIRE_CALL_FENCE);
    wire_fence_put(&frame, client, epoch);
    p->all->ops->call(p->shared.link, &frame);
}

void session_fence(const struct session *s)
{
    session_fence_peer(s->peer, s->shared.client, s->head.epoch);
}
