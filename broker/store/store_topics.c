/*
 * store_topics.c - the topic table.
 *
 * Two ways in: by name through a hash table (under the lock), by number through
 * chunks of pointers that never move (without it).  A number is free at start
 * when no row has it; later, those of forgotten topics are given out again once
 * they are released.
 */
#include "store_topics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "mem.h"
#include "topic.h"

#define TOPICS_NAME 256u /* so many bytes of a name cost as much as a topic */

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
    for (topic = t->limbo; topic != NULL; topic = next) {
        next = topic->next_limbo;
        free(topic);
    }
    for (uint32_t i = 0; i < TOPICS_CHUNKS; i++)
        free((void *)atomic_load(&t->chunks[i]));
    free(t->volatile_);
    free(t->spare);
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
    if (t->spare_count > 0)
        return t->spare[--t->spare_count];
    while (topics_at(t, t->next_free) != NULL)
        t->next_free++;
    return t->next_free;
}

uint32_t topics_count(const struct topics *t)
{
    return HASH_COUNT(t->by_name);
}

uint32_t topics_weight(struct slice name)
{
    return 1 + (uint32_t)(name.len / TOPICS_NAME);
}

static void log_add(struct topics_log *log, uint32_t number)
{
    log->numbers[log->count++ % TOPICS_LOG] = number;
}

struct topic *topics_add(struct topics *t, struct slice name, uint32_t number)
{
    bool reused = number == 0 && t->spare_count > 0;
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
    t->weight += topics_weight(topic->name);
    put_at(t, topic);
    if (reused)
        log_add(&t->reused, number);
    uv_rwlock_wrunlock(&t->lock);
    topics_idle(t, topic, true);
    return topic;
}

void topics_idle(struct topics *t, struct topic *topic, bool idle)
{
    if (topic->idle)
        DL_DELETE2(t->idle, topic, idle_prev, idle_next);
    topic->idle = idle;
    if (idle)
        DL_APPEND2(t->idle, topic, idle_prev, idle_next);
}

/* --- what was removed ------------------------------------------------------------ */

static uint32_t kind_of(struct slice name)
{
    struct slice level;
    uint32_t hash = 2166136261u; /* FNV-1a */

    if (!topic_level_next(&name, &level))
        return 0;
    for (size_t i = 0; i < level.len; i++)
        hash = (hash ^ (uint8_t)level.p[i]) * 16777619u;
    return hash % TOPICS_KINDS;
}

void topics_raise_forgotten(struct topics *t, const struct topic *topic, uint64_t upto)
{
    uint64_t *of = &t->forgotten_of[kind_of(topic->name)];

    if (upto > *of)
        *of = upto;
    if (upto > t->forgotten_to)
        t->forgotten_to = upto;
}

uint64_t topics_forgotten_to(const struct topics *t, struct slice filter)
{
    struct slice level = filter, rest = filter;

    (void)topic_level_next(&rest, &level);
    return filter_is_exact(level) ? t->forgotten_of[kind_of(filter)] : t->forgotten_to;
}

uint64_t topics_forgotten_before(const struct topics *t, const struct topic *topic)
{
    uint64_t upto = t->forgotten_of[kind_of(topic->name)];

    return upto < topic->born ? upto : topic->born;
}

void topics_raise_removed(struct topics *t, struct topic *topic, uint64_t upto,
                          enum gap_reason reason)
{
    if (upto <= topic->removed_to)
        return;
    topic->removed_to = upto;
    topic->removed_reason = reason;
    log_add(&t->removed, topic->number);
}

void topics_raise_volatile(struct topics *t, struct topic *topic, uint64_t id)
{
    if (topic->in_volatile == 0) {
        if (t->volatile_count == t->volatile_room) {
            t->volatile_room = t->volatile_room == 0 ? 64 : t->volatile_room * 2;
            t->volatile_ = mem_resize(t->volatile_, t->volatile_room, sizeof(struct topic *));
        }
        t->volatile_[t->volatile_count++] = topic;
        topic->in_volatile = t->volatile_count;
    }
    topic->last_volatile = id;
    if (id > t->last_volatile)
        t->last_volatile = id;
}

/* --- leaving ------------------------------------------------------------------------ */

static void volatile_leave(struct topics *t, struct topic *topic)
{
    struct topic *last;

    if (topic->in_volatile == 0)
        return;
    last = t->volatile_[--t->volatile_count];
    t->volatile_[topic->in_volatile - 1] = last;
    last->in_volatile = topic->in_volatile;
    topic->in_volatile = 0;
}

void topics_forget(struct topics *t, struct topic *topic)
{
    assert(!topic->forgotten && topic->stats.events == 0);
    HASH_DEL(t->by_name, topic);
    t->weight -= topics_weight(topic->name);
    volatile_leave(t, topic);
    topics_idle(t, topic, false);
    topic->forgotten = true;
    topic->has_row = false;
    topic->next_limbo = NULL;
    if (t->limbo == NULL)
        t->limbo = topic;
    else
        t->limbo_last->next_limbo = topic;
    t->limbo_last = topic;
    t->limbo_count++;
}

void topics_release(struct topics *t)
{
    struct topic *topic = t->limbo;
    uint32_t n = topic->number;

    t->limbo = topic->next_limbo;
    t->limbo_count--;
    atomic_store_explicit(&atomic_load(&t->chunks[n / TOPICS_CHUNK])[n % TOPICS_CHUNK], NULL,
                          memory_order_release);
    if (t->spare_count == t->spare_room) {
        t->spare_room = t->spare_room == 0 ? 1024 : t->spare_room * 2;
        t->spare = mem_resize(t->spare, t->spare_room, sizeof *t->spare);
    }
    t->spare[t->spare_count++] = n;
    free(topic);
}
