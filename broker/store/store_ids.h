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

/* The time of an ID, UTC; 0 for an ID of none. */
static inline uint64_t ms_of_id(uint64_t id)
{
    return id >> 12 == 0 ? 0 : (id >> 12) + EVENT_ID_EPOCH_MS;
}

#endif
