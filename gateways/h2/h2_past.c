/*
 * h2_past.c - two rings of bits, one for each odd identifier.
 */
#include "h2_past.h"

#include <stdbool.h>
#include <string.h>

static uint64_t bit(uint32_t n)
{
    return UINT64_C(1) << (n % 64);
}

static uint32_t word(uint32_t n)
{
    return n % H2_PAST_STREAMS / 64;
}

static bool is_known(const struct h2_past *p, uint32_t id)
{
    uint32_t n = id / 2;

    return id % 2 == 1 && n < p->next && p->next - n <= H2_PAST_STREAMS;
}

void h2_past_begin(struct h2_past *p, uint32_t id)
{
    uint32_t n = id / 2;

    if (id % 2 == 0 || n < p->next)
        return;
    if (n - p->next >= H2_PAST_STREAMS) {
        memset(p->begun, 0, sizeof p->begun);
        memset(p->ended, 0, sizeof p->ended);
        p->next = n;
    }
    for (; p->next <= n; p->next++) {
        p->begun[word(p->next)] &= ~bit(p->next);
        p->ended[word(p->next)] &= ~bit(p->next);
    }
    p->begun[word(n)] |= bit(n);
}

void h2_past_end(struct h2_past *p, uint32_t id)
{
    if (is_known(p, id))
        p->ended[word(id / 2)] |= bit(id / 2);
}

enum h2_past_state h2_past_of(const struct h2_past *p, uint32_t id)
{
    uint32_t n = id / 2;

    if (!is_known(p, id))
        return H2_PAST_UNKNOWN;
    if ((p->begun[word(n)] & bit(n)) == 0)
        return H2_PAST_SKIPPED;
    return (p->ended[word(n)] & bit(n)) != 0 ? H2_PAST_ENDED : H2_PAST_BEGUN;
}
