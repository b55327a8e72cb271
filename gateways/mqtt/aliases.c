/*
 * aliases.c - what numbers stand for.
 *
 * A topic gets its number when it was sent HOT times within some ticks, counted over
 * all clients that take aliases.  What is counted halves with every tick; a topic that
 * has come to nothing is forgotten, and its number is free for the next.  Lower numbers
 * are given first, for clients that take only a few.
 *
 *   aliases_use ──▶ counted ──HOT──▶ numbered ──cold──▶ forgotten, untold everywhere
 *
 * How it fails: with the table full, or all numbers given, a topic goes without one.
 */
#include "aliases.h"

#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include "mem.h"

#define HOT 4             /* times sent, then a number pays */
#define TOPICS_MAX 1024u  /* counted */
#define COUNT_MAX 0xffffu /* so that what was hot for hours cools down in a quarter of a minute */

/* --- from a client ------------------------------------------------------------------ */

struct aliases_in {
    uint32_t count;
    struct topic_text {
        char *p; /* NULL: never set */
        size_t len;
    } topics[]; /* by alias - 1 */
};

static struct aliases_in *in_grow(struct aliases_in *old, uint16_t alias)
{
    uint32_t had = old != NULL ? old->count : 0;
    struct aliases_in *a;

    if (alias <= had)
        return old;
    a = mem_zalloc(sizeof *a + alias * sizeof a->topics[0]);
    if (old != NULL)
        memcpy(a->topics, old->topics, had * sizeof a->topics[0]);
    a->count = alias;
    free(old);
    return a;
}

enum mqtt_reason aliases_in_take(struct aliases_in **a, uint16_t max, uint16_t alias,
                                 struct slice *topic)
{
    struct topic_text *t;

    if (alias == 0 || alias > max)
        return MQTT_BAD_ALIAS;
    if (topic->len == 0) {
        if (*a == NULL || alias > (*a)->count || (*a)->topics[alias - 1].p == NULL)
            return MQTT_PROTOCOL_ERROR;
        t = &(*a)->topics[alias - 1];
        *topic = (struct slice){t->p, t->len};
        return MQTT_OK;
    }
    *a = in_grow(*a, alias);
    t = &(*a)->topics[alias - 1];
    free(t->p);
    t->p = mem_strndup(topic->p, topic->len);
    t->len = topic->len;
    return MQTT_OK;
}

void aliases_in_free(struct aliases_in *a)
{
    for (uint32_t i = 0; a != NULL && i < a->count; i++)
        free(a->topics[i].p);
    free(a);
}

/* --- to clients: the numbers -------------------------------------------------------- */

struct hot_topic {
    UT_hash_handle hh;
    uint32_t uses;   /* lately */
    uint16_t number; /* 0: it has none */
    size_t len;
    char name[];
};

struct aliases {
    struct hot_topic *topics;
    struct hot_topic *last; /* looked up: one event goes to many clients */
    uint64_t given[ALIASES_MAX / 64];
    struct aliases_told *told;
};

struct aliases_told {
    struct aliases *aliases;
    struct aliases_told *prev, *next;
    uint16_t max;
    uint64_t bits[ALIASES_MAX / 64];
};

static bool bit_get(const uint64_t *bits, unsigned n)
{
    return (bits[n / 64] >> n % 64 & 1) != 0;
}

static void bit_set(uint64_t *bits, unsigned n)
{
    bits[n / 64] |= UINT64_C(1) << n % 64;
}

static void bit_clear(uint64_t *bits, unsigned n)
{
    bits[n / 64] &= ~(UINT64_C(1) << n % 64);
}

struct aliases *aliases_new(void)
{
    return mem_zalloc(sizeof(struct aliases));
}

/* The lowest free one, or 0. */
static uint16_t number_give(struct aliases *a)
{
    for (unsigned n = 0; n < ALIASES_MAX; n++) {
        if (bit_get(a->given, n))
            continue;
        bit_set(a->given, n);
        return (uint16_t)(n + 1);
    }
    return 0;
}

static void number_take_back(struct aliases *a, uint16_t number)
{
    struct aliases_told *t;

    if (number == 0)
        return;
    bit_clear(a->given, number - 1u);
    DL_FOREACH (a->told, t)
        bit_clear(t->bits, number - 1u);
}

static void topic_forget(struct aliases *a, struct hot_topic *h)
{
    number_take_back(a, h->number);
    if (a->last == h)
        a->last = NULL;
    HASH_DEL(a->topics, h);
    free(h);
}

void aliases_free(struct aliases *a)
{
    struct hot_topic *h, *next;

    HASH_ITER (hh, a->topics, h, next)
        topic_forget(a, h);
    free(a);
}

void aliases_tick(struct aliases *a)
{
    struct hot_topic *h, *next;

    HASH_ITER (hh, a->topics, h, next) {
        h->uses /= 2;
        if (h->uses == 0)
            topic_forget(a, h);
    }
}

static struct hot_topic *topic_add(struct aliases *a, struct slice name)
{
    struct hot_topic *h;

    if (HASH_COUNT(a->topics) >= TOPICS_MAX)
        return NULL;
    h = mem_zalloc(sizeof *h + name.len);
    memcpy(h->name, name.p, name.len);
    h->len = name.len;
    HASH_ADD(hh, a->topics, name, h->len, h);
    return h;
}

/* NULL: it is not counted. */
static struct hot_topic *topic_find(struct aliases *a, struct slice name)
{
    struct hot_topic *h = a->last;

    if (h != NULL && slice_eq(name, (struct slice){h->name, h->len}))
        return h;
    HASH_FIND(hh, a->topics, name.p, name.len, h);
    if (h == NULL)
        h = topic_add(a, name);
    a->last = h;
    return h;
}

/* --- to clients: one of them ---------------------------------------------------------- */

struct aliases_told *aliases_told_new(struct aliases *a, uint16_t max)
{
    struct aliases_told *t;

    if (max == 0)
        return NULL;
    t = mem_zalloc(sizeof *t);
    t->aliases = a;
    t->max = max;
    DL_APPEND(a->told, t);
    return t;
}

void aliases_told_free(struct aliases_told *t)
{
    if (t == NULL)
        return;
    DL_DELETE(t->aliases->told, t);
    free(t);
}

enum alias_use aliases_use(struct aliases_told *t, struct slice topic, uint16_t *number)
{
    struct hot_topic *h = t != NULL ? topic_find(t->aliases, topic) : NULL;

    if (h == NULL)
        return ALIAS_NONE;
    if (h->uses < COUNT_MAX)
        h->uses++;
    if (h->number == 0 && h->uses >= HOT)
        h->number = number_give(t->aliases);
    if (h->number == 0 || h->number > t->max)
        return ALIAS_NONE;
    *number = h->number;
    if (bit_get(t->bits, h->number - 1u))
        return ALIAS_TOLD;
    bit_set(t->bits, h->number - 1u);
    return ALIAS_NEW;
}

void aliases_untell(struct aliases_told *t, uint16_t number)
{
    bit_clear(t->bits, number - 1u);
}
