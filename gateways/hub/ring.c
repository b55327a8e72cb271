/*
 * ring.c - the recent events: slots in ID order, blocks to evict, topics.
 *
 * Places (seq) count up for ever; a place is here while first_seq <= seq <
 * next_seq.  IDs rise with the places, so "the first event after this cursor"
 * is a binary search, and a topic's chain gives the next one of a topic at
 * once.  A topic's entry lives while it has events here.
 */
#include "ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define FIRST_CAP 256

void ring_init(struct ring *r, size_t limit)
{
    memset(r, 0, sizeof *r);
    r->limit = limit;
    r->first_seq = r->next_seq = 1; /* 0 stands for "no place" */
    r->cap = FIRST_CAP;
    r->slots = mem_array(r->cap, sizeof *r->slots);
    r->block_cap = FIRST_CAP;
    r->blocks = mem_array(r->block_cap, sizeof *r->blocks);
    r->topic_cap = FIRST_CAP;
    r->topics = mem_array(r->topic_cap, sizeof *r->topics);
}

/* --- topics ----------------------------------------------------------------- */

static uint32_t name_hash(struct slice name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    size_t i;

    for (i = 0; i < name.len; i++)
        h = (h ^ (uint8_t)name.p[i]) * 16777619u;
    return h;
}

static struct topic_entry **ring_topic_slot(const struct ring *r, struct slice name, uint32_t hash)
{
    struct topic_entry **t = &r->topics[hash & (r->topic_cap - 1)];

    while (*t != NULL && ((*t)->hash != hash || (*t)->len != name.len ||
                          memcmp((*t)->name, name.p, name.len) != 0))
        t = &(*t)->hash_next;
    return t;
}

static void ring_topics_grow(struct ring *r)
{
    size_t cap = r->topic_cap * 2, i;
    struct topic_entry **table = mem_array(cap, sizeof *table), *t, *next;

    for (i = 0; i < r->topic_cap; i++) {
        for (t = r->topics[i]; t != NULL; t = next) {
            next = t->hash_next;
            t->hash_next = table[t->hash & (cap - 1)];
            table[t->hash & (cap - 1)] = t;
        }
    }
    free(r->topics);
    r->topics = table;
    r->topic_cap = cap;
}

struct topic_entry *ring_topic_find(const struct ring *r, struct slice name)
{
    return *ring_topic_slot(r, name, name_hash(name));
}

struct topic_entry *ring_topic(struct ring *r, struct slice name)
{
    uint32_t hash = name_hash(name);
    struct topic_entry *t = *ring_topic_slot(r, name, hash);

    if (t != NULL)
        return t;
    if (r->topic_count >= r->topic_cap)
        ring_topics_grow(r);
    t = mem_zalloc(sizeof *t + name.len);
    t->hash = hash;
    t->len = (uint16_t)name.len;
    memcpy(t->name, name.p, name.len);
    t->hash_next = r->topics[hash & (r->topic_cap - 1)];
    r->topics[hash & (r->topic_cap - 1)] = t;
    r->topic_count++;
    return t;
}

static void ring_topic_free(struct ring *r, struct topic_entry *t)
{
    struct topic_entry **slot = ring_topic_slot(r, (struct slice){t->name, t->len}, t->hash);

    assert(*slot == t && t->first == NULL);
    *slot = t->hash_next;
    r->topic_count--;
    free(t->feeds);
    free(t);
}

/* --- events ----------------------------------------------------------------- */

static void ring_slots_grow(struct ring *r)
{
    size_t cap = r->cap * 2;
    struct entry **slots = mem_array(cap, sizeof *slots);
    uint64_t s;

    for (s = r->first_seq; s < r->next_seq; s++)
        slots[s & (cap - 1)] = r->slots[s & (r->cap - 1)];
    free(r->slots);
    r->slots = slots;
    r->cap = cap;
}

static void ring_blocks_push(struct ring *r, struct block *b)
{
    size_t i, cap;
    struct block **blocks;

    if (r->block_count == r->block_cap) {
        cap = r->block_cap * 2;
        blocks = mem_array(cap, sizeof *blocks);
        for (i = 0; i < r->block_count; i++)
            blocks[i] = r->blocks[(r->block_first + i) & (r->block_cap - 1)];
        free(r->blocks);
        r->blocks = blocks;
        r->block_cap = cap;
        r->block_first = 0;
    }
    r->blocks[(r->block_first + r->block_count++) & (r->block_cap - 1)] = b;
}

void ring_append(struct ring *r, struct block *b)
{
    size_t i;

    for (i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        struct topic_entry *t = ring_topic(r, e->e.topic);

        if (r->next_seq - r->first_seq == r->cap)
            ring_slots_grow(r);
        e->topic = t;
        e->topic_next = NULL;
        e->seq = r->next_seq;
        if (t->last != NULL)
            t->last->topic_next = e;
        else
            t->first = e;
        t->last = e;
        r->slots[r->next_seq++ & (r->cap - 1)] = e;
    }
    b->account = &r->bytes;
    r->bytes += b->size;
    ring_blocks_push(r, b);
}

static void ring_evict_oldest(struct ring *r)
{
    struct block *b = r->blocks[r->block_first & (r->block_cap - 1)];
    size_t i;

    r->block_first = (r->block_first + 1) & (r->block_cap - 1);
    r->block_count--;
    for (i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        struct topic_entry *t = e->topic;

        assert(t->first == e && e->seq == r->first_seq);
        t->first = e->topic_next;
        r->first_seq++;
        r->evicted_to = e->e.id;
        if (t->first == NULL) {
            t->last = NULL;
            ring_topic_free(r, t);
        }
    }
    block_evict(b);
}

void ring_trim(struct ring *r)
{
    while (r->bytes > r->limit && r->block_count > 0)
        ring_evict_oldest(r);
}

void ring_clear(struct ring *r)
{
    while (r->block_count > 0)
        ring_evict_oldest(r);
    r->evicted_to = 0;
}

void ring_close(struct ring *r)
{
    ring_clear(r);
    assert(r->topic_count == 0 && r->bytes == 0);
    free(r->slots);
    free(r->blocks);
    free(r->topics);
}

struct entry *ring_at(const struct ring *r, uint64_t seq)
{
    if (seq < r->first_seq || seq >= r->next_seq)
        return NULL;
    return r->slots[seq & (r->cap - 1)];
}

struct entry *ring_after(const struct ring *r, uint64_t id)
{
    uint64_t low = r->first_seq, high = r->next_seq;

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (r->slots[mid & (r->cap - 1)]->e.id <= id)
            low = mid + 1;
        else
            high = mid;
    }
    return ring_at(r, low);
}

/* The way along the chain is short when few of the topic's events are older, the
 * way along the ring when few others lie between: both are gone at once, so it
 * costs twice the shorter one. */
struct entry *ring_topic_after(const struct ring *r, const struct topic_entry *t, uint64_t id)
{
    struct entry *chain = t->first, *along;

    if (t->last->e.id <= id)
        return NULL;
    along = ring_after(r, id);
    while (along->topic != t && chain->e.id <= id) {
        along = ring_at(r, along->seq + 1);
        chain = chain->topic_next;
    }
    return along->topic == t ? along : chain;
}
