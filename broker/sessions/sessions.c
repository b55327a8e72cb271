/*
 * sessions.c - see sessions.h: what gateways send is taken apart, the tick, begin and end.
 *
 * A frame that cannot be taken apart is refused whole, before any of it is taken.
 * Each unit of a SESSION frame stands for itself: a malformed body, or one unit more
 * than a gateway may have under way, is an answer with an error.
 *
 *   ATTACH, DETACH   become ops of their session (session_attach.c, session_detach.c)
 *   WRITE            is submitted at once: changes, and at most one event
 *   POSITION         likewise: how far all that follow have got
 *   WITHDRAW         likewise: a will that is not to be sent
 */
#include "sessions.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "mem.h"
#include "metrics.h"
#include "session_impl.h"

/* --- SESSION ------------------------------------------------------------------------ */

static bool frame_is_whole(const struct zmsg *m)
{
    struct reader r = wire_session_reader(zmsg_data(m), zmsg_size(m));
    struct wire_session_unit w;

    while (wire_session_unit_get(&r, &w))
        continue;
    return !r.bad;
}

/* A single unit larger than the window may pass when it is alone. */
static bool window_has_room(const struct session_peer *p, size_t bytes)
{
    return p->units == 0 ||
           (p->units < PEER_UNITS_MAX && p->bytes + bytes <= p->all->options.window);
}

static void unit_take(struct session_peer *p, struct session_frame *f,
                      const struct wire_session_unit *w)
{
    bool room = window_has_room(p, w->body.len);
    struct session_unit u = session_unit_new(p, f, w);

    if (!room)
        session_unit_refuse(&u, ERR_BUSY, "Too much of this gateway is under way");
    else if (w->op == WIRE_ATTACH)
        session_attach_take(&u, w->body);
    else if (w->op == WIRE_WRITE)
        session_write_take(&u, w->body);
    else if (w->op == WIRE_DETACH)
        session_detach_take(&u, w->body);
    else if (w->op == WIRE_WITHDRAW)
        session_withdraw_take(&u, w->body);
    else
        session_peer_position(&u, w->body);
}

bool sessions_units(struct session_peer *p, struct zmsg *m)
{
    struct wire_session_unit w;
    struct session_frame *f;
    struct reader r;

    if (!frame_is_whole(m))
        return false;
    f = session_frame_new(m);
    r = wire_session_reader(zmsg_data(&f->m), zmsg_size(&f->m));
    while (wire_session_unit_get(&r, &w))
        unit_take(p, f, &w);
    session_frame_release(f);
    return true;
}

/* --- TELL --------------------------------------------------------------------------- */

static bool credit_take(struct session_peer *p, struct reader body)
{
    struct reader r = body;
    struct wire_credit m;

    while (wire_credit_get(&r, &m))
        continue;
    while (!r.bad && wire_credit_get(&body, &m)) {
        struct session *s = session_find(p->all, m.client);

        if (session_is_held_by(s, p, m.epoch))
            groups_credit(p->all->groups, &s->shared, m.credit);
    }
    return !r.bad;
}

static bool done_take(struct session_peer *p, struct reader body)
{
    struct reader r = body;
    struct wire_done m;

    while (wire_done_get(&r, &m))
        continue;
    while (!r.bad && wire_done_get(&body, &m)) {
        struct session *s = session_find(p->all, m.client);

        if (session_is_held_by(s, p, m.epoch))
            groups_done(p->all->groups, &s->shared, &m);
    }
    return !r.bad;
}

static bool report_take(struct session_peer *p, struct reader body)
{
    struct wire_report m;

    if (!wire_report_get(&body, &m))
        return false;
    p->report = m;
    return true;
}

bool sessions_tell(struct session_peer *p, struct zmsg *m)
{
    struct reader body;

    switch (wire_tell_get(zmsg_data(m), zmsg_size(m), &body)) {
    case WIRE_TELL_HOLD:
        return session_peer_hold(p, body);
    case WIRE_TELL_CREDIT:
        return credit_take(p, body);
    case WIRE_TELL_DONE:
        return done_take(p, body);
    case WIRE_TELL_REPORT:
        return report_take(p, body);
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
    session_peer_second(all, now);
    metric_set(M_SESSIONS_ATTACHED, all->held);
    metric_set(M_SESSIONS_STORED, all->stored);
    session_due_look(all);
    groups_second(all->groups);
}

static void sessions_on_tick(uv_timer_t *timer)
{
    struct sessions *all = timer->data;
    uint64_t now = clock_mono_ms();

    session_op_wake_due(all, now);
    session_sys_tick(all, now);
    if (now < all->second_at)
        return;
    all->second_at = now + 1000;
    sessions_second(all, now);
}

void sessions_start_clock(struct sessions *all)
{
    (void)uv_timer_start(&all->tick, sessions_on_tick, SESSION_TICK_MS, SESSION_TICK_MS);
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

void sessions_reload(struct sessions *all, const struct session_owners *owners)
{
    all->options.owners = *owners;
}

void sessions_serve(struct sessions *all, const struct sessions_ops *ops)
{
    all->ops = ops;
    groups_serve(all->groups, ops->call);
}

void sessions_stop(struct sessions *all)
{
    struct session *s, *next;

    all->stopping = true;
    groups_stop(all->groups);
    (void)uv_timer_stop(&all->tick);
    HASH_ITER (hh, all->sessions, s, next) {
        session_op_drop_all(s);
        session_maybe_free(s);
    }
}

static void sessions_on_closed(uv_handle_t *h)
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
    uv_close((uv_handle_t *)&all->tick, sessions_on_closed);
}

void sessions_free(struct sessions *all)
{
    struct session *s, *next_session;
    struct session_peer *p, *next_peer;

    if (all == NULL)
        return;
    HASH_ITER (hh, all->sessions, s, next_session) {
        assert(s->running == NULL && s->waiting == NULL);
        if (s->peer != NULL)
            session_unhold(s);
        session_free(s);
    }
    HASH_ITER (hh, all->peers, p, next_peer)
        session_peer_free(p);
    groups_free(all->groups);
    sys_free(all->sys);
    buf_free(&all->load.found);
    buf_free(&all->load_page);
    buf_free(&all->due_scan.found);
    free(all);
}
