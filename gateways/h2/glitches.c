/*
 * glitches.c - a bucket counted in thousandths, so that a millisecond fills it by `rate`.
 */
#include "glitches.h"

static void fill(struct glitches *g, uint64_t thousandths)
{
    uint64_t room = g->burst * 1000 - g->left;

    g->left += thousandths < room ? thousandths : room;
}

void glitches_init(struct glitches *g, uint64_t burst, uint64_t rate, uint64_t now_ms)
{
    *g = (struct glitches){burst, rate, burst * 1000, now_ms};
}

bool glitches_take(struct glitches *g, uint64_t count, uint64_t now_ms)
{
    fill(g, (now_ms - g->at_ms) * g->rate);
    g->at_ms = now_ms;
    if (g->left < count * 1000) {
        g->left = 0;
        return false;
    }
    g->left -= count * 1000;
    return true;
}
