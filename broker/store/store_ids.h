/*
 * store_ids.h - event IDs as a clock: (ms since 2020) << 12 or, within a
 * millisecond, one more than the last.  Pure.
 */
#ifndef STORE_IDS_H
#define STORE_IDS_H

#include "event.h"

/* The first ID that the clock gives at that time. */
static inline uint64_t id_of_ms(uint64_t ms)
{
    if (ms <= EVENT_ID_EPOCH_MS)
        return 0;
    ms -= EVENT_ID_EPOCH_MS;
    return ms > EVENT_ID_MAX >> 12 ? EVENT_ID_MAX : ms << 12;
}

#endif
