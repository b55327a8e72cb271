/*
 * glitches.h - how many frames that serve nothing a client may send: pings, settings,
 * cancelled streams, empty data, windows opened byte by byte.
 *
 * A bucket: each such frame takes from it, time fills it again.  Whoever finds it empty
 * is not worth the work.  Pure.
 */
#ifndef H2_GLITCHES_H
#define H2_GLITCHES_H

#include <stdbool.h>
#include <stdint.h>

struct glitches {
    uint64_t burst, rate; /* how many at once, and how many a second */
    uint64_t left;        /* in thousandths */
    uint64_t at_ms;
};

void glitches_init(struct glitches *g, uint64_t burst, uint64_t rate, uint64_t now_ms);
/* False: the bucket is empty. */
bool glitches_take(struct glitches *g, uint64_t count, uint64_t now_ms);

#endif
