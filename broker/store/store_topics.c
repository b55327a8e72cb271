/*
 * store_topics.c - the topic table.
 *
 * Two ways in: by name through a hash table (under the lock), by number through
 * chunks of pointers that never move (without it).  A number is free at start
 * when no row has it, and is given out once in a process's life: forgetting a
 * topic keeps its name under its number, so that nobody takes one topic for
 * another, and publishing to it again revives it.
 */
#include "store_topics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

void topics_init(struct topics *t)
{
    int rc;

    memset(t, 0, sizeof *t);
    rc = uv_rwlock_init(&t->lock);
    assert(rc == 0);
    (void)rc;
    t->next_free = 1;
    atomic_store(&t->end, 1);
}

void topics_destroy(struct topics *t)
{
    struct topic *topic, *next;

    HASH_ITER (hh, t->by_name, topic, next) {
        HASH_DEL(t->by_name, topic);
        free(topic);
    }
    for (uint32_t i = 0; i < TOPICS_CHUNKS; i++)
        free((void *)atomic_load(&t->chunks[i]));
    free(t->volatile_);
    uv_rwlock_destroy(&t->lock);
}

struct topic *topics_at(const struct topics *t, uint32_t number)
{
    _Atomic(struct topic *) *chunk;

    if (number / TOPICS_CHUNK >= TOPICS_CHUNKS)
        return NULL;
    chunk = atomic_load_explicit(&t->chunks[number / TOPICS_CHUNK], memory_order_acquire);
    if (chunk == NULL)
        return NULL;
    return atomic_load_explicit(&chunk[number % TOPICS_CHUNK], memory_order_acquire);
}

struct topic *topics_find(const struct topics *t, struct slice name)
{
    struct topic *topic;

    HASH_FIND(hh, t->by_name, name.p, name.len, topic);
    return topic;
}

static void put_at(struct topics *t, struct topic *topic)
{
    uint32_t n = topic->number;
    _Atomic(struct topic *) *chunk = atomic_load(&t->chunks[n / TOPICS_CHUNK]);

    if (chunk == NULL) {
        chunk = mem_array(TOPICS_CHUNK, sizeof *chunk);
        atomic_store_explicit(&t->chunks[n / TOPICS_CHUNK], chunk, memory_order_release);
    }
    atomic_store_explicit(&chunk[n % TOPICS_CHUNK], topic, memory_order_release);
    if (n >= atomic_load(&t->end))
        atomic_store(&t->end, n + 1);
}

static uint32_t free_number(struct topics *t)
{
    while (topics_at(t, t->next_free) != NULL)
        t->next_free++;
    return t->next_free;
}

uint32_t topics_room(const struct topics *t)
{
    return TOPICS_END - atomic_load(&t->end);
}

struct topic *topics_add(struct topics *t, struct slice name, uint32_t number)
{
    struct topic *topic;
    char *copy;

    if (number == 0)
        number = free_number(t);
    if (number >= TOPICS_END || topics_at(t, number) != NULL)
        return NULL;
    topic = mem_zalloc(sizeof *topic + name.len); /* the name follows the struct */
    copy = (char *)(topic + 1);
    memcpy(copy, name.p, name.len);
    topic->name = (struct slice){copy, name.len};
    topic->number = number;
    uv_rwlock_wrlock(&t->lock);
    HASH_ADD_KEYPTR(hh, t->by_name, topic->name.p, topic->name.len, topic);
    put_at(t, topic);
    uv_rwlock_wrunlock(&t->lock);
    return topic;
}

void topics_forget(struct topics *t, struct topic *topic)
{
    assert(!topic->forgotten && topic->stats.events == 0);
    topic->forgotten = true;
    topic->has_row = false;
    topic->stats = (struct topic_stats){0};
    atomic_fetch_sub(&t->rows, 1);
}

void topics_raise_volatile(struct topics *t, struct topic *topic, uint64_t id)
{
    if (topic->last_volatile == 0) {
        if (t->volatile_count == t->volatile_room) {
            t->volatile_room = t->volatile_room == 0 ? 64 : t->volatile_room * 2;
            t->volatile_ = mem_resize(t->volatile_, t->volatile_room, sizeof(struct topic *));
        }
        t->volatile_[t->volatile_count++] = topic;
    }
    topic->last_volatile = id;
}

void topics_revive(struct topics *t, struct topic *topic)
{
    uv_rwlock_wrlock(&t->lock);
    assert(topic->forgotten);
    topic->forgotten = false;
    uv_rwlock_wrunlock(&t->lock);
}
