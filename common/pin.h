/*
 * pin.h - a claim on bytes that somebody else owns and may let go of.
 *
 * Whoever is half way through writing shared bytes pins them.  When their owner lets
 * go, evicted() of each pin is called once, with the pin already clear and the bytes
 * still there: copy what is left.
 *
 * One thread.
 */
#ifndef COMMON_PIN_H
#define COMMON_PIN_H

#include <stdbool.h>

/* Embedded by the owner of the bytes; zeroed at first. */
struct pins {
    struct pin *first;
    bool evicted; /* the owner has let go: nothing can be pinned any more */
};

/* Embedded by whoever pins. */
struct pin {
    struct pins *of; /* NULL: not pinned */
    struct pin *prev, *next;
    void (*evicted)(struct pin *p);
};

void pin_set(struct pin *p, struct pins *of); /* p is not pinned, of is not evicted */
void pin_clear(struct pin *p);                /* idempotent */
/* The owner lets go; the bytes must stay until it returns. */
void pins_evict(struct pins *of);

#endif
