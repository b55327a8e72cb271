/*
 * wheel.h - many coarse timeouts for the price of one timer.
 *
 * A hashed wheel: starting and stopping cost a few instructions, a tick costs
 * what is due in it.  A timeout fires up to one tick (WHEEL_TICK_MS) late, never
 * early.  For connections and waiting clients, which are many and patient.
 */
#ifndef NET_WHEEL_H
#define NET_WHEEL_H

#include <uv.h>

#include "bytes.h"

#define WHEEL_TICK_MS 100
#define WHEEL_SLOTS 1024 /* longer timeouts go round more than once */

/* Embedded by its owner; zero-initialised is stopped. */
struct wheel_timer {
    struct wheel_timer *prev, *next;     /* NULL: stopped */
    uint64_t due;                        /* tick */
    void (*fire)(struct wheel_timer *t); /* stopped by then; may start it again */
};

struct wheel {
    uv_timer_t timer;
    uint64_t tick;   /* now, as of the last wheel_refresh */
    uint64_t looked; /* the loop's time then */
    uint64_t served; /* slots up to this one */
    uint64_t armed;  /* the timer is, for this one */
    bool turning;
    struct wheel_timer slots[WHEEL_SLOTS]; /* heads of circular lists */
    void (*closed)(void *arg);
    void *closed_arg;
};

void wheel_init(struct wheel *w, uv_loop_t *loop);
void wheel_close(struct wheel *w, void (*closed)(void *arg), void *arg);
/* Stops it first if it runs. */
void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t ms,
                 void (*fire)(struct wheel_timer *t));
void wheel_stop(struct wheel_timer *t); /* idempotent */
/* Brings `tick` up to date; next to nothing when this turn of the loop has done so. */
void wheel_refresh(struct wheel *w);
/* Fires what is due; the wheel's own timer calls it, and tests. */
void wheel_turn(struct wheel *w);

#endif
