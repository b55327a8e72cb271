/*
 * session_peer.c - gateways that come and go, and which sessions stay theirs.
 *
 *   hello ──▶ sessions_join ──▶ HOLD: what it holds is its own, as before
 *   link lost ──▶ sessions_leave ──▶ grace ──▶ what it has not claimed ends
 *
 * A gateway's sessions are in doubt from the moment that its link ends (generation),
 * and after a start of the broker.  HOLD takes the doubt away from those that it
 * names; the rest end when the grace is over, as if their connections had closed.
 * So a restart of the broker under live clients costs no session and sends no will,
 * and a gateway that was killed loses its sessions within the grace.
 *
 * What a gateway claims and another holds by now, or nobody: FENCE comes back.  Only
 * a session that never had rows is taken back without a question, for a broker that
 * was killed has forgotten it, unless this gateway was given up by this broker.  Had
 * another principal come for its name meanwhile, with no rows either, that one goes.
 */
#include <stdlib.h>

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "mem.h"
#include "session_impl.h"

/* --- POSITION ----------------------------------------------------------------------- */

static struct slice peer_owner(const struct session_peer *p)
{
    return (struct slice){(const char *)p->shared.instance.b, sizeof p->shared.instance.b};
}

static void position_on_done(struct commit *c)
{
    struct session_unit *u = c->data;

    FAILPOINT(broker_positioned);
    if (c->error == ERR_NONE)
        session_unit_answer(u, SLICE(""));
    else
        session_unit_refuse(u, c->error, c->text);
    free(u);
}

void session_peer_position(struct session_unit *u, struct slice body)
{
    struct session_peer *p = u->by;
    struct session_unit *kept;
    struct commit *c;
    uint8_t value[8];
    uint64_t position;

    if (!wire_position_get(body, &position)) {
        session_unit_refuse(u, ERR_BAD_REQUEST, "The unit is malformed");
        return;
    }
    if (position > p->position)
        p->position = position;
    kept = mem_alloc(sizeof *kept);
    *kept = *u;
    c = commit_new(kept);
    le64_put(value, p->position);
    commit_put(c, SPACE_GATEWAY, peer_owner(p), KEY_POSITION, commit_copy(c, value, sizeof value));
    FAILPOINT(broker_position);
    commit_submit(c, p->all->store, position_on_done);
}

static void position_on_forgotten(struct commit *c)
{
    (void)c;
}

void session_peer_forget_position(struct sessions *all, struct slice instance)
{
    struct commit *c = commit_new(NULL);

    commit_drop_owner(c, SPACE_GATEWAY, commit_copy(c, instance.p, instance.len));
    commit_submit(c, all->store, position_on_forgotten);
}

/* --- coming and going ------------------------------------------------------------------ */

struct session_peer *sessions_join(struct sessions *all, const struct wire_uuid *instance,
                                   const char *name, void *link)
{
    struct session_peer *p = session_peer_of(all, instance);
    uint64_t grace = clock_mono_ms() + GRACE_LINK_MS;

    p->shared.link = link;
    p->shared.said = 0;
    p->wants_sys = strcmp(name, "mqtt") == 0;
    if (p->deadline != 0 && p->deadline < grace)
        p->deadline = grace;
    return p;
}

void sessions_leave(struct session_peer *p, const void *link)
{
    struct session *s, *next;

    if (p->shared.link != link)
        return;
    p->shared.link = NULL;
    p->generation++;
    p->deadline = clock_mono_ms() + GRACE_LINK_MS;
    DL_FOREACH_SAFE (p->sessions, s, next) {
        session_op_wake(s); /* who waits for it to let go need not wait any more */
    }
}

static bool peer_is_idle(const struct session_peer *p)
{
    return p->shared.link == NULL && p->sessions == NULL && p->units == 0 && p->given_up == 0;
}

void session_peer_free(struct session_peer *p)
{
    if (p->position != 0 && !p->all->stopping)
        session_peer_forget_position(p->all, peer_owner(p));
    session_sys_gone(p->all, &p->report);
    HASH_DEL(p->all->peers, p);
    free(p);
}

/* What is still in doubt has ended. */
static void peer_give_up(struct session_peer *p, uint64_t now)
{
    struct session *s, *next;
    uint64_t lost = 0;

    p->deadline = 0;
    DL_FOREACH_SAFE (p->sessions, s, next) {
        if (s->generation == p->generation)
            continue;
        lost++;
        session_detach_lost(s);
        session_op_wake(s);
    }
    if (p->shared.link == NULL)
        p->given_up = now;
    if (lost > 0)
        log_info("sessions ended for a gateway that has gone", LOG_U("sessions", lost));
}

static void peer_second(struct session_peer *p, uint64_t now)
{
    if (p->deadline != 0 && now >= p->deadline)
        peer_give_up(p, now);
    if (p->given_up != 0 && p->shared.link == NULL && now - p->given_up > GIVEN_UP_MS)
        p->given_up = 0;
}

void session_peer_second(struct sessions *all, uint64_t now)
{
    struct session_peer *p, *next;

    HASH_ITER (hh, all->peers, p, next)
        peer_second(p, now);
    HASH_ITER (hh, all->peers, p, next) {
        if (peer_is_idle(p))
            session_peer_free(p);
    }
}

/* --- HOLD -------------------------------------------------------------------------- */

/* Of one principal the later connection counts; of two, the one that was there before this
 * broker was, which could not have let the other in had it known. */
static bool hold_goes_before(const struct session *s, const struct wire_hold *m)
{
    uint64_t started = s->all->started;

    if (s->head.epoch <= m->epoch)
        return true;
    return !slice_eq(s->head.principal, m->principal) && m->epoch <= started &&
           s->head.epoch > started;
}

/* A session that lived in a killed broker's memory alone. */
static bool hold_anew(struct session_peer *p, struct session *s, const struct wire_hold *m)
{
    const struct session_head head = {
        .version = 5,
        .held_by = p->shared.instance,
        .epoch = m->epoch,
        .expiry = 0,
        .principal = m->principal,
    };

    if (m->expiry != 0 || p->given_up != 0)
        return false;
    if (s == NULL)
        s = session_of(p->all, m->client);
    if (s == NULL)
        return false;
    if (s->peer != NULL) {
        if (s->stored || s->running != NULL || !hold_goes_before(s, m))
            return false;
        session_fence(s);
        session_unhold(s);
    } else if (s->running != NULL || s->waiting != NULL) {
        return false;
    }
    session_hold(s, p, &head, false);
    return true;
}

/* What was assigned to it may have been lost with the link: it is assigned again. */
static void hold_still(struct session *s)
{
    if (s->generation == s->peer->generation)
        return;
    s->generation = s->peer->generation;
    groups_detached(s->all->groups, &s->shared);
    groups_attached(s->all->groups, &s->shared);
}

static void hold_one(struct session_peer *p, const struct wire_hold *m)
{
    struct session *s = session_find(p->all, m->client);

    if (session_is_held_by(s, p, m->epoch) && !s->shared.closing)
        hold_still(s);
    else if (!hold_anew(p, s, m))
        session_fence_peer(p, m->client, m->epoch);
}

bool session_peer_hold(struct session_peer *p, struct reader body)
{
    struct reader r = body;
    struct wire_hold m;

    while (wire_hold_get(&r, &m))
        continue;
    if (r.bad)
        return false;
    r = body;
    while (wire_hold_get(&r, &m))
        hold_one(p, &m);
    p->deadline = clock_mono_ms() + GRACE_HOLD_MS;
    p->given_up = 0;
    return true;
}
