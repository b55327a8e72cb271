/*
 * reaper.c - a list, emptied by a coarse timer that runs only while it holds
 * something.
 */
#include "reaper.h"

#include <stdlib.h>

#include <utlist.h>

#include "mem.h"

static void reaper_free_all(struct reaper *r)
{
    struct reaped *m, *next;

    LL_FOREACH_SAFE (r->first, m, next)
        free(m);
    r->first = NULL;
}

static void reaper_on_timer(struct wheel_timer *t)
{
    reaper_free_all(CONTAINER_OF(t, struct reaper, timer));
}

void reaper_init(struct reaper *r, struct wheel *wheel)
{
    *r = (struct reaper){.wheel = wheel};
}

void reaper_take(struct reaper *r, struct reaped *m)
{
    if (r->first == NULL)
        wheel_start(r->wheel, &r->timer, WHEEL_TICK_MS, reaper_on_timer);
    LL_PREPEND(r->first, m);
}

void reaper_close(struct reaper *r)
{
    wheel_stop(&r->timer);
    reaper_free_all(r);
}
