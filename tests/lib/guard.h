/*
 * guard.h - bytes that end where memory ends: reading one past them is a
 * crash, so a test that passes proves that a decoder stays inside.
 */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    uint8_t *map;
    size_t room; /* then comes the unmapped page */
    size_t page;
};

static inline struct guard guard_new(size_t max)
{
    struct guard g = {.page = (size_t)sysconf(_SC_PAGESIZE)};

    g.room = (max + g.page) / g.page * g.page;
    g.map = mmap(NULL, g.room + g.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect(g.map + g.room, g.page, PROT_NONE) != 0)
        abort();
    return g;
}

/* A copy of n bytes whose last one is the last before the unmapped page; valid
 * until the next. */
static inline const uint8_t *guard_put(struct guard *g, const void *p, size_t n)
{
    uint8_t *copy = g->map + g->room - n;

    assert(n <= g->room);
    if (n != 0)
        memcpy(copy, p, n);
    return copy;
}

static inline void guard_free(struct guard *g)
{
    munmap(g->map, g->room + g->page);
}

#endif
