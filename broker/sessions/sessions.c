/*
 * sessions.c - see sessions.h: holders and their sessions; who is there, who is gone.
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
 * was killed has forgotten it, unless this gateway was given up by this broker.
 */
#include "sessions.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "session_impl.h"

/* --- holders ------------------------------------------------------------------- */

bool holder_is_nobody(const struct wire_uuid *instance)
{
    static const struct wire_uuid none;

    return memcmp(instance, &none, sizeof none) == 0;
}

struct holder *holder_of(struct sessions *all, const struct wire_uuid *instance)
{
    struct holder *h;

    HASH_FIND(hh, all->holders, instance, sizeof *instance, h);
    if (h != NULL)
        return h;
    h = mem_zalloc(sizeof *h);
    h->all = all;
    h->instance = *instance;
    HASH_ADD(hh, all->holders, instance, sizeof h->instance, h);
    return h;
}

static bool holder_is_idle(const struct holder *h)
{
    return h->peer == NULL && h->sessions == NULL && h->units == 0 && h->given_up == 0;
}

static void holder_free(struct holder *h)
{
    if (h->position != 0 && !h->all->stopping)
        position_forget(h->all, (struct slice){(const char *)h->instance.b, sizeof h->instance.b});
    sys_holder_gone(h->all, &h->report);
    HASH_DEL(h->all->holders, h);
    free(h);
}

struct holder *sessions_join(struct sessions *all, const struct wire_uuid *instance,
                             const char *name, void *peer)
{
    struct holder *h = holder_of(all, instance);
    uint64_t grace = clock_mono_ms() + GRACE_LINK_MS;

    h->peer = peer;
    h->wants_sys = strcmp(name, "mqtt") == 0;
    if (h->deadline != 0 && h->deadline < grace)
        h->deadline = grace;
    return h;
}

/* Those who wait for it to let go need not wait any more. */
static void holder_wakes(struct holder *h)
{
    struct session *s, *next;

    DL_FOREACH_SAFE (h->sessions, s, next) {
        session_wake(s);
    }
}

void sessions_leave(struct holder *h, const void *peer)
{
    if (h->peer != peer)
        return;
    h->peer = NULL;
    h->generation++;
    h->deadline = clock_mono_ms() + GRACE_LINK_MS;
    holder_wakes(h);
}

/* What is still in doubt has ended. */
static void holder_give_up(struct holder *h, uint64_t now)
{
    struct session *s, *next;
    uint64_t lost = 0;

    h->deadline = 0;
    DL_FOREACH_SAFE (h->sessions, s, next) {
        if (s->generation == h->generation)
            continue;
        lost++;
        session_lose(s);
        session_wake(s);
    }
    if (h->peer == NULL)
        h->given_up = now;
    if (lost > 0)
        log_info("sessions ended for a gateway that has gone", LOG_U("sessions", lost));
}

static void holder_second(struct holder *h, uint64_t now)
{
    if (h->deadline != 0 && now >= h->deadline)
        holder_give_up(h, now);
    if (h->given_up != 0 && h->peer == NULL && now - h->given_up > GIVEN_UP_MS)
        h->given_up = 0;
}

/* --- sessions --------------------------------------------------------------------- */

struct slice session_client(const struct session *s)
{
    return (struct slice){s->client, s->client_len};
}

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
    s->client_len = client.len;
    memcpy(s->client, client.p, client.len);
    HASH_ADD(hh, all->sessions, client, s->client_len, s);
    return s;
}

static void session_free(struct session *s)
{
    HASH_DEL(s->all->sessions, s);
    free(s);
}

void session_maybe_free(struct session *s)
{
    if (s->holder == NULL && s->running == NULL && s->waiting == NULL)
        session_free(s);
}

void session_hold(struct session *s, struct holder *h, const struct session_head *head, bool stored)
{
    assert(s->holder == NULL);
    s->holder = h;
    s->head = *head;
    s->head.principal.p = mem_strndup(head->principal.p, head->principal.len);
    s->stored = stored;
    s->closing = s->principal_unknown = false;
    s->filters = 0;
    s->generation = h->generation;
    if (h->peer == NULL) { /* it has gone meanwhile, or has not come yet */
        s->generation--;
        if (h->deadline == 0)
            h->deadline = clock_mono_ms() + GRACE_LINK_MS;
    }
    DL_APPEND(h->sessions, s);
    s->all->held++;
    s->all->held_stored += stored;
    groups_attached(s->all->groups, s);
}

void session_unhold(struct session *s)
{
    struct holder *h = s->holder;

    groups_detached(s->all->groups, s);
    free((void *)(uintptr_t)s->head.principal.p);
    s->head = (struct session_head){0};
    s->holder = NULL;
    s->all->held--;
    s->all->held_stored -= s->stored;
    s->stored = s->closing = false;
    DL_DELETE(h->sessions, s);
}

void session_call(const struct session *s, struct buf *frame)
{
    const struct holder *h = s->holder;

    if (h->peer != NULL)
        h->all->ops->call(h->peer, frame);
    buf_free(frame);
}

static void fence(const struct holder *h, struct slice client, uint64_t epoch)
{
    struct buf frame = {0};

    if (h->peer == NULL)
        return;
    wire_call_begin(&frame, WIRE_CALL_FENCE);
    wire_fence_put(&frame, client, epoch);
    h->all->ops->call(h->peer, &frame);
}

void session_fence(const struct session *s)
{
    fence(s->holder, session_client(s), s->head.epoch);
}

/* --- HOLD -------------------------------------------------------------------------- */

/* A session that lived in a killed broker's memory alone. */
static bool hold_anew(struct holder *h, struct session *s, const struct wire_hold *m)
{
    const struct session_head head = {
        .version = 5,
        .holder = h->instance,
        .epoch = m->epoch,
        .expiry = 0,
    };

    if (m->expiry != 0 || h->given_up != 0)
        return false;
    if (s == NULL)
        s = session_of(h->all, m->client);
    if (s == NULL)
        return false;
    if (s->holder != NULL) {
        if (s->stored || s->head.epoch > m->epoch || s->running != NULL)
            return false;
        session_fence(s);
        session_unhold(s);
    } else if (s->running != NULL || s->waiting != NULL) {
        return false;
    }
    session_hold(s, h, &head, false);
    s->principal_unknown = true;
    return true;
}

/* What was assigned to it may have been lost with the link: it is assigned again. */
static void session_held_still(struct session *s)
{
    if (s->generation == s->holder->generation)
        return;
    s->generation = s->holder->generation;
    groups_detached(s->all->groups, s);
    groups_attached(s->all->groups, s);
}

static void hold_one(struct holder *h, const struct wire_hold *m)
{
    struct session *s = session_find(h->all, m->client);

    if (s != NULL && s->holder == h && s->head.epoch == m->epoch)
        session_held_still(s);
    else if (!hold_anew(h, s, m))
        fence(h, m->client, m->epoch);
}

static bool hold_take(struct holder *h, struct reader body)
{
    struct reader r = body;
    struct wire_hold m;

    while (wire_hold_get(&r, &m))
        continue;
    if (r.bad)
        return false;
    r = body;
    while (wire_hold_get(&r, &m))
        hold_one(h, &m);
    h->deadline = clock_mono_ms() + GRACE_HOLD_MS;
    h->given_up = 0;
    return true;
}

/* The session that a gateway speaks of; NULL: it is not, or no longer, its own. */
static struct session *session_told(const struct holder *h, struct slice client, uint64_t epoch)
{
    struct session *s = session_find(h->all, client);

    return s != NULL && s->holder == h && s->head.epoch == epoch ? s : NULL;
}

static bool credit_take(struct holder *h, struct reader body)
{
    struct reader r = body;
    struct wire_credit m;

    while (wire_credit_get(&r, &m))
        continue;
    while (!r.bad && wire_credit_get(&body, &m)) {
        struct session *s = session_told(h, m.client, m.epoch);

        if (s != NULL)
            groups_credit(h->all->groups, s, m.credit);
    }
    return !r.bad;
}

static bool done_take(struct holder *h, struct reader body)
{
    struct reader r = body;
    struct wire_done m;

    while (wire_done_get(&r, &m))
        continue;
    while (!r.bad && wire_done_get(&body, &m)) {
        struct session *s = session_told(h, m.client, m.epoch);

        if (s != NULL)
            groups_done(h->all->groups, s, &m);
    }
    return !r.bad;
}

static bool report_take(struct holder *h, struct reader body)
{
    struct wire_report m;

    if (!wire_report_get(&body, &m))
        return false;
    h->report = m;
    return true;
}

bool sessions_tell(struct holder *h, struct zmsg *m)
{
    struct reader body;

    switch (wire_tell_get(zmsg_data(m), zmsg_size(m), &body)) {
    case WIRE_TELL_HOLD:
        return hold_take(h, body);
    case WIRE_TELL_CREDIT:
        return credit_take(h, body);
    case WIRE_TELL_DONE:
        return done_take(h, body);
    case WIRE_TELL_REPORT:
        return report_take(h, body);
    default:
        return false;
    }
}

void sessions_batch(struct sessions *all, const struct store_batch *b)
{
    groups_batch(all->groups, b);
}

bool sessions_held(const struct sessions *all)
{
    return all->held > 0;
}

/* --- time ---------------------------------------------------------------------------- */

static void sessions_second(struct sessions *all, uint64_t now)
{
    struct holder *h, *next;

    HASH_ITER (hh, all->holders, h, next)
        holder_second(h, now);
    HASH_ITER (hh, all->holders, h, next) {
        if (holder_is_idle(h))
            holder_free(h);
    }
    metric_set(M_SESSIONS_ATTACHED, all->held);
    metric_set(M_SESSIONS_STORED, all->stored);
    due_look(all);
    groups_second(all->groups);
}

static void on_tick(uv_timer_t *timer)
{
    struct sessions *all = timer->data;
    uint64_t now = clock_mono_ms();

    sessions_wake_due(all, now);
    sys_tick(all, now);
    if (now < all->second_at)
        return;
    all->second_at = now + 1000;
    sessions_second(all, now);
}

void sessions_start_clock(struct sessions *all)
{
    (void)uv_timer_start(&all->tick, on_tick, SESSION_TICK_MS, SESSION_TICK_MS);
}

/* --- begin and end --------------------------------------------------------------------- */

struct sessions *sessions_new(uv_loop_t *loop, struct store *store,
                              const struct sessions_options *o)
{
    struct sessions *all = mem_zalloc(sizeof *all);

    all->loop = loop;
    all->store = store;
    all->options = *o;
    all->groups = groups_new(store, &o->reads);
    all->sys = sys_new(clock_mono_ms());
    (void)uv_timer_init(loop, &all->tick);
    all->tick.data = all;
    return all;
}

void sessions_serve(struct sessions *all, const struct sessions_ops *ops)
{
    all->ops = ops;
}

void sessions_stop(struct sessions *all)
{
    struct session *s, *next;

    all->stopping = true;
    groups_stop(all->groups);
    (void)uv_timer_stop(&all->tick);
    HASH_ITER (hh, all->sessions, s, next) {
        ops_drop(s);
        session_maybe_free(s);
    }
}

static void on_closed(uv_handle_t *h)
{
    struct sessions *all = h->data;

    all->closed(all->closed_arg);
}

void sessions_close(struct sessions *all, void (*closed)(void *arg), void *arg)
{
    if (all == NULL)
        return;
    all->closed = closed;
    all->closed_arg = arg;
    uv_close((uv_handle_t *)&all->tick, on_closed);
}

void sessions_free(struct sessions *all)
{
    struct session *s, *next_session;
    struct holder *h, *next_holder;

    if (all == NULL)
        return;
    HASH_ITER (hh, all->sessions, s, next_session) {
        assert(s->running == NULL && s->waiting == NULL);
        if (s->holder != NULL)
            session_unhold(s);
        session_free(s);
    }
    HASH_ITER (hh, all->holders, h, next_holder)
        holder_free(h);
    groups_free(all->groups);
    sys_free(all->sys);
    buf_free(&all->load.found);
    buf_free(&all->load_page);
    buf_free(&all->due_scan.found);
    free(all);
}
