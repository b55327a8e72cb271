/*
 * ring.h - the recent events of a gateway, once, for all its clients.
 *
 * Blocks in ID order, bounded in bytes (encodings counted), and a chain per
 * topic.  The oldest block leaves when the bound is passed; evicted_to is then
 * the highest ID that is no longer here.
 */
#ifndef HUB_RING_H
#define HUB_RING_H

#include "block.h"
#include "filter_tree.h"

struct feed;

/* A topic that has events in the ring or a feed that names it exactly. */
struct topic_entry {
    struct topic_entry *hash_next;
    struct entry *first, *last; /* its events in the ring */
    struct feed **feeds;        /* that match it; rebuilt when stale */
    uint32_t feed_count, feed_cap;
    uint64_t generation; /* of the feeds array */
    uint32_t hash;
    uint16_t len;
    char name[];
};

struct ring {
    size_t limit, bytes;
    uint64_t evicted_to;
    uint64_t first_seq, next_seq; /* entries [first_seq, next_seq) */
    struct entry **slots;         /* circular, cap is a power of two */
    size_t cap;
    struct block **blocks; /* circular */
    size_t block_cap, block_first, block_count;
    struct topic_entry **topics;
    size_t topic_cap, topic_count;
};

void ring_init(struct ring *r, size_t limit);
void ring_close(struct ring *r);
void ring_clear(struct ring *r); /* for another log: as if nothing had ever been here */
/* Takes the block's reference; links its entries to their topics. */
void ring_append(struct ring *r, struct block *b);
void ring_trim(struct ring *r); /* evicts down to the limit */
struct topic_entry *ring_topic(struct ring *r, struct slice name);
struct topic_entry *ring_topic_find(const struct ring *r, struct slice name);
/* First entry with an ID above `id`, or NULL. */
struct entry *ring_after(const struct ring *r, uint64_t id);
/* The same among the events of one topic, which has some. */
struct entry *ring_topic_after(const struct ring *r, const struct topic_entry *t, uint64_t id);
struct entry *ring_at(const struct ring *r, uint64_t seq); /* NULL: not here */

#endif
