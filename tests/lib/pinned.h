/*
 * pinned.h - events that several connections are sent from one memory, as the hub's
 * blocks are, for tests of a room that knows no hub.
 */
#ifndef TESTS_PINNED_H
#define TESTS_PINNED_H

#include <assert.h>
#include <stdlib.h>

#include "conn.h"
#include "mem.h"

#define PINNED_MAX 4

struct pinned {
    struct pins pins;
    size_t count;
    struct slice events[PINNED_MAX];
    struct buf bytes;
};

static inline struct pinned *pinned_of(const char *const *texts, size_t count)
{
    struct pinned *p = mem_zalloc(sizeof *p);
    size_t at = 0;

    assert(count <= PINNED_MAX);
    for (size_t i = 0; i < count; i++)
        buf_puts(&p->bytes, texts[i]);
    for (size_t i = 0; i < count; i++) {
        p->events[i] = (struct slice){(char *)p->bytes.p + at, strlen(texts[i])};
        at += p->events[i].len;
    }
    p->count = count;
    return p;
}

#define PINNED(...)                                                                                \
    pinned_of((const char *const[]){__VA_ARGS__},                                                  \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* The memory goes: whoever is half way through keeps a copy. */
static inline void pinned_evict(struct pinned *p)
{
    pins_evict(&p->pins);
    memset(p->bytes.p, '!', p->bytes.len); /* nobody may look any more */
    buf_free(&p->bytes);
    free(p);
}

struct pinned_part {
    struct pinned *of;
    size_t from;
};

static inline struct slice pinned_event(void *data, size_t i, struct pins **pins)
{
    const struct pinned_part *part = data;

    *pins = &part->of->pins;
    return part->of->events[part->from + i];
}

/* How many of them the connection takes. */
static inline size_t pinned_write(struct conn *c, struct pinned *p, size_t from, size_t count)
{
    struct pinned_part part = {p, from};
    struct iovec iov[PINNED_MAX];
    size_t ends[PINNED_MAX], bytes = 0, taken;
    struct conn_run run;

    if (!conn_accepts(c, count, &taken))
        return taken;
    for (size_t i = 0; i < count; i++) {
        const struct slice e = p->events[from + i];

        iov[i] = (struct iovec){(void *)(uintptr_t)e.p, e.len};
        bytes += e.len;
        ends[i] = bytes;
    }
    run = (struct conn_run){.iov = iov,
                            .iovcnt = (int)count,
                            .bytes = bytes,
                            .count = count,
                            .ends = ends,
                            .event = pinned_event,
                            .data = &part};
    return conn_write_run(c, &run);
}

#endif
