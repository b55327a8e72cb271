/*
 * slots.h - a set of gateways, as bits: each gateway on the link has a slot.
 *
 * Fan-out compares whole sets per event, so a set is a few words by value and
 * its operations are loops that the compiler unrolls.
 */
#ifndef BROKER_SLOTS_H
#define BROKER_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define SLOTS_MAX 256 /* gateways at once; the next one's hello is refused */
#define SLOTS_WORDS (SLOTS_MAX / 64)

struct slots {
    uint64_t w[SLOTS_WORDS];
};

static inline void slots_add(struct slots *s, unsigned slot)
{
    s->w[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static inline void slots_remove(struct slots *s, unsigned slot)
{
    s->w[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

static inline bool slots_has(const struct slots *s, unsigned slot)
{
    return (s->w[slot / 64] >> (slot % 64) & 1) != 0;
}

static inline void slots_unite(struct slots *s, const struct slots *other)
{
    for (int i = 0; i < SLOTS_WORDS; i++)
        s->w[i] |= other->w[i];
}

static inline void slots_intersect(struct slots *s, const struct slots *other)
{
    for (int i = 0; i < SLOTS_WORDS; i++)
        s->w[i] &= other->w[i];
}

static inline void slots_subtract(struct slots *s, const struct slots *other)
{
    for (int i = 0; i < SLOTS_WORDS; i++)
        s->w[i] &= ~other->w[i];
}

/* The lowest slot at or above `from`, or SLOTS_MAX when there is none. */
static inline unsigned slots_next(const struct slots *s, unsigned from)
{
    for (unsigned i = from / 64; i < SLOTS_WORDS; i++) {
        uint64_t w = s->w[i];

        if (i == from / 64)
            w &= ~UINT64_C(0) << (from % 64);
        if (w != 0)
            return i * 64 + (unsigned)__builtin_ctzll(w);
    }
    return SLOTS_MAX;
}

#define SLOTS_EACH(slot, set)                                                                      \
    for (unsigned slot = slots_next((set), 0); slot < SLOTS_MAX; slot = slots_next((set), slot + 1))

#endif
