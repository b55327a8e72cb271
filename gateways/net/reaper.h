/*
 * reaper.h - memory that somebody up the stack may still look at, freed soon.
 *
 * A subscription may be closed inside its own callback, and its memory must
 * then stay until that has returned (hub.h); so its owner is not freed but
 * handed in here.  Loop thread.
 */
#ifndef NET_REAPER_H
#define NET_REAPER_H

#include "wheel.h"

struct reaped { /* the first member of what is to be freed */
    struct reaped *next;
};

struct reaper {
    struct wheel *wheel;
    struct wheel_timer timer;
    struct reaped *first;
};

void reaper_init(struct reaper *r, struct wheel *wheel);
void reaper_take(struct reaper *r, struct reaped *m);
void reaper_close(struct reaper *r); /* frees all, now */

#endif
