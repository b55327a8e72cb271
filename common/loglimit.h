/*
 * loglimit.h - a complaint that a peer can provoke at will is logged at most
 * once a second, with how many were left out.  Loop thread.
 */
#ifndef COMMON_LOGLIMIT_H
#define COMMON_LOGLIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

struct log_limit {
    uint64_t next_ms;
    uint64_t skipped;
};

/* True when it may be logged now; *skipped is how many were not, since. */
static inline bool log_limit_pass(struct log_limit *l, uint64_t *skipped)
{
    uint64_t now = clock_mono_ms();

    if (now < l->next_ms) {
        l->skipped++;
        return false;
    }
    *skipped = l->skipped;
    l->skipped = 0;
    l->next_ms = now + 1000;
    return true;
}

#endif
