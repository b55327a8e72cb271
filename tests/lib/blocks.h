/* blocks.h - blocks of small events, for the core's unit tests. */
#ifndef TEST_BLOCKS_H
#define TEST_BLOCKS_H

#include <stdio.h>

#include "block.h"

static struct blocks blocks; /* what they share */

struct test_event {
    uint64_t id;
    const char *topic;
    const char *payload;
};

static inline struct block *block_of(const struct test_event *events, size_t count)
{
    struct buf b = {0};
    struct zmsg m;
    struct block *block;
    size_t i;

    for (i = 0; i < count; i++) {
        struct event e = {.id = events[i].id,
                          .time = 1,
                          .topic = slice_of(events[i].topic),
                          .payload = slice_of(events[i].payload)};
        event_record_put(&b, &e);
    }
    zmsg_init_buf(&m, &b);
    block = block_new(&blocks, &m, reader_of(zmsg_data(&m), zmsg_size(&m)));
    zmsg_close(&m);
    return block;
}

#define BLOCK(...)                                                                                 \
    block_of((const struct test_event[]){__VA_ARGS__},                                             \
             sizeof((const struct test_event[]){__VA_ARGS__}) / sizeof(struct test_event))

static inline void encode_line(struct buf *out, const struct event *e)
{
    buf_put_slice(out, e->payload);
    buf_u8(out, '\n');
}

#endif
