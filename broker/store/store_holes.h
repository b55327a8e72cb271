/*
 * store_holes.h - the holes between one life of the log and the next.  Pure.
 */
#ifndef STORE_HOLES_H
#define STORE_HOLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLES_MAX 1000

/* No event between low and high was ever stored here: low is the last ID before
 * a start, high the first one possible after it. */
struct hole {
    uint64_t low, high;
};

/* Rising, not overlapping; fixed once the store is open. */
struct holes {
    struct hole list[HOLES_MAX];
    size_t count;
};

/* Adds the newest hole; an empty one is not kept.  Above HOLES_MAX the two
 * oldest become one: a notice too many, never one too few. */
void holes_add(struct holes *h, uint64_t low, uint64_t high);
/* The hole that a cursor lies in, or NULL.  0 lies in none. */
const struct hole *holes_find(const struct holes *h, uint64_t cursor);

#endif
