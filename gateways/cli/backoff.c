/*
 * backoff.c - doubling, and what resets it.
 */
#include "backoff.h"

unsigned backoff_next(unsigned previous_ms, unsigned first_ms, unsigned max_ms)
{
    if (previous_ms == 0)
        return first_ms < max_ms ? first_ms : max_ms;
    return previous_ms < max_ms / 2 ? previous_ms * 2 : max_ms;
}

unsigned backoff_restart(unsigned previous_ms, bool was_ready, uint64_t ready_ms)
{
    if (was_ready && ready_ms >= RESTART_STEADY_MS)
        previous_ms = 0;
    return backoff_next(previous_ms, RESTART_FIRST_MS, RESTART_MAX_MS);
}
