/*
 * reaper.c - a list, emptied by a coarse timer that runs only while it holds
 * something.
 */
#include "reaper.h"

#include <stdlib.h>

#include "mem.h"

static void free_all(struct reaper *r)
{
    struct reaped *m;

    while ((m = r->first) != NULL) {
        r->first = m->next;
        free(m);
    }
}

static void on_timer(struct wheel_timer *t)
{
    free_all(CONTAINER_OF(t, struct reaper, timer));
}

void reaper_init(struct reaper *r, struct wheel *wheel)
{
    *r = (struct reaper){.wheel = wheel};
}

void reaper_take(struct reaper *r, struct reaped *m)
{
    if (r->first == NULL)
        wheel_start(r->wheel, &r->timer, WHEEL_TICK_MS, on_timer);
    m->next = r->first;
    r->first = m;
}

void reaper_close(struct reaper *r)
{
    wheel_stop(&r->timer);
    free_all(r);
}
