/*
 * session_sys.c - what MQTT gateways report, summed, and told to all of them.
 *
 * A gateway reports its counters since its own start, so the sum needs no more than
 * each one's last report, and what those that have gone had reported last.
 * Told every `sys_interval`, and to a gateway behind its hello-ok.
 */
#include <malloc.h>

#include "clock.h"
#include "session_impl.h"

static void report_add(struct wire_report *sum, const struct wire_report *r)
{
#define X(name) sum->name += r->name;
    WIRE_REPORT(X)
#undef X
}

/* Of what is connected or subscribed there, nothing is left. */
void session_sys_gone(struct sessions *all, const struct wire_report *last)
{
    struct wire_report r = *last;

    r.clients_connected = r.subscriptions = 0;
    report_add(&all->reports_gone, &r);
}

static struct sys_now now_of(const struct sessions *all)
{
    struct store_status status;
    struct sys_now now = {
        .ms = clock_mono_ms(),
        .connected = all->held,
        .disconnected = all->stored - all->held_stored,
        .expired = all->expired,
        .attaches = all->attaches,
        .shared = groups_members(all->groups),
        .heap = mallinfo2().uordblks,
        .gateways = all->reports_gone,
    };

    store_status(all->store, &status);
    now.retained = status.retained;
    now.events = status.events;
    now.bytes = status.bytes;
    for (const struct session_peer *p = all->peers; p != NULL; p = p->hh.next)
        report_add(&now.gateways, &p->report);
    return now;
}

static void sys_refresh(struct sessions *all)
{
    struct sys_now now = now_of(all);

    sys_update(all->sys, &now);
}

static void sys_tell(struct session_peer *p)
{
    struct buf frame = {0};

    if (p->shared.link == NULL || !p->wants_sys)
        return;
    sys_frame(p->all->sys, &frame);
    p->all->ops->call(p->shared.link, &frame);
}

void session_sys_tick(struct sessions *all, uint64_t now)
{
    struct session_peer *p, *next;

    if (all->options.sys_interval == 0 || now < all->sys_at)
        return;
    all->sys_at = now + all->options.sys_interval;
    sys_refresh(all);
    HASH_ITER (hh, all->peers, p, next)
        sys_tell(p);
}

void sessions_greet(struct session_peer *p)
{
    if (p->all->options.sys_interval == 0)
        return;
    sys_refresh(p->all);
    sys_tell(p);
}
