/*
 * store_matcher.c - which topics a request's filters match, and what they lost.
 *
 * An exact filter is one look into the topic table.  A wildcard is matched
 * against every name once; the result, a bitmap by topic number, is kept by the
 * reader and extended when topics have been added.  Numbers never change
 * hands, so a bitmap never goes wrong.  The sets least recently used go when
 * they take too much room.
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store_reader.h"
#include "topic.h"

#define SETS_BYTES (16u << 20)

/* --- sets -------------------------------------------------------------------------- */

static size_t set_size(const struct filter_set *set)
{
    return sizeof *set + set->filter.len + set->words * sizeof *set->bits;
}

static void set_free(struct store_reader *r, struct filter_set *set)
{
    r->set_bytes -= set_size(set);
    HASH_DEL(r->sets, set);
    free(set->bits);
    free(set);
}

/* Sets of the running request stay, whatever they take. */
static void make_room(struct store_reader *r)
{
    struct filter_set *set, *next, *oldest;

    while (r->set_bytes > SETS_BYTES) {
        oldest = NULL;
        HASH_ITER (hh, r->sets, set, next)
            if (oldest == NULL || set->used < oldest->used)
                oldest = set;
        if (oldest == NULL || oldest->used == r->requests)
            return;
        set_free(r, oldest);
    }
}

static struct filter_set *set_new(struct store_reader *r, struct slice filter)
{
    struct filter_set *set = mem_zalloc(sizeof *set + filter.len);
    char *copy = (char *)(set + 1);

    memcpy(copy, filter.p, filter.len);
    set->filter = (struct slice){copy, filter.len};
    set->seen = 1;
    set->removals = UINT64_MAX;
    HASH_ADD_KEYPTR(hh, r->sets, set->filter.p, set->filter.len, set);
    r->set_bytes += set_size(set);
    return set;
}

static void set_grow(struct store_reader *r, struct filter_set *set, uint32_t end)
{
    size_t words = ((size_t)end + 63) / 64;

    if (words <= set->words)
        return;
    words += words / 4;
    set->bits = mem_resize(set->bits, words, sizeof *set->bits);
    memset(set->bits + set->words, 0, (words - set->words) * sizeof *set->bits);
    r->set_bytes += (words - set->words) * sizeof *set->bits;
    set->words = words;
}

static void set_add(struct filter_set *set, uint32_t number)
{
    set->bits[number / 64] |= UINT64_C(1) << (number % 64);
    if (set->matched < CURSORS)
        set->few[set->matched] = number;
    set->matched++;
    set->removals = UINT64_MAX; /* what it lost counts too */
}

/* Names never change, so no lock is needed to match them. */
static void set_extend(struct store_reader *r, struct filter_set *set)
{
    const struct topics *topics = &r->s->topics;
    uint32_t end = atomic_load(&topics->end);

    set_grow(r, set, end);
    for (; set->seen < end; set->seen++) {
        const struct topic *t = topics_at(topics, set->seen);

        if (t != NULL && filter_match(set->filter, t->name))
            set_add(set, set->seen);
    }
}

static struct filter_set *set_of(struct store_reader *r, struct slice filter)
{
    struct filter_set *set;

    HASH_FIND(hh, r->sets, filter.p, filter.len, set);
    if (set == NULL)
        set = set_new(r, filter);
    set->used = r->requests;
    set_extend(r, set);
    return set;
}

static bool set_has(const struct filter_set *set, uint32_t number)
{
    return number < set->seen && (set->bits[number / 64] >> (number % 64) & 1) != 0;
}

void matcher_free(struct store_reader *r)
{
    struct filter_set *set, *next;

    HASH_ITER (hh, r->sets, set, next)
        set_free(r, set);
}

/* --- matching ------------------------------------------------------------------------ */

void matcher_set(struct store_reader *r, const struct wire_filter *filters, size_t count)
{
    struct matcher *m = &r->matcher;

    r->requests++;
    m->count = count;
    for (size_t i = 0; i < count; i++) {
        struct match *one = &m->list[i];

        *one = (struct match){.from = filters[i].from};
        if (!filter_is_exact(filters[i].filter)) {
            one->set = set_of(r, filters[i].filter);
            continue;
        }
        uv_rwlock_rdlock(&r->s->topics.lock);
        one->exact = topics_find(&r->s->topics, filters[i].filter);
        uv_rwlock_rdunlock(&r->s->topics.lock);
    }
    make_room(r);
}

bool matcher_test(const struct matcher *m, uint32_t topic, uint64_t id)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct match *one = &m->list[i];
        bool hit = one->set != NULL ? set_has(one->set, topic)
                                    : one->exact != NULL && one->exact->number == topic;

        if (hit && id > one->from)
            return true;
    }
    return false;
}

uint64_t matcher_lowest(const struct matcher *m)
{
    uint64_t from = UINT64_MAX;

    for (size_t i = 0; i < m->count; i++)
        if (m->list[i].from < from)
            from = m->list[i].from;
    return m->count == 0 ? 0 : from;
}

/* --- what was lost ---------------------------------------------------------------------- */

struct loss {
    uint64_t upto; /* volatile IDs count no further than the page looked */
    uint64_t removed_to;
    enum gap_reason reason;
};

static void lose(struct loss *l, uint64_t from, uint64_t removed_to, enum gap_reason reason)
{
    if (removed_to <= from || removed_to <= l->removed_to)
        return;
    l->removed_to = removed_to;
    l->reason = reason;
}

/* Removed IDs change in bursts, so the highest is remembered in between. */
static void set_refresh(const struct topics *topics, struct filter_set *set)
{
    if (set->removals == topics->removals)
        return;
    set->removals = topics->removals;
    for (size_t w = 0; w < set->words; w++)
        for (uint64_t bits = set->bits[w]; bits != 0; bits &= bits - 1) {
            uint32_t n = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
            const struct topic *t = topics_at(topics, n);

            if (t->removed_to > set->removed_to) {
                set->removed_to = t->removed_to;
                set->reason = t->removed_reason;
            }
        }
}

static void lose_volatile(const struct topics *topics, const struct match *one, struct loss *l)
{
    for (size_t i = 0; i < topics->volatile_count; i++) {
        const struct topic *t = topics->volatile_[i];
        uint64_t upto = t->last_volatile < l->upto ? t->last_volatile : l->upto;

        if (one->set != NULL ? set_has(one->set, t->number) : one->exact == t)
            lose(l, one->from, upto, GAP_VOLATILE);
    }
}

uint64_t matcher_removed(struct store_reader *r, uint64_t upto, enum gap_reason *reason)
{
    struct topics *topics = &r->s->topics;
    struct loss l = {.upto = upto};

    uv_rwlock_rdlock(&topics->lock);
    for (size_t i = 0; i < r->matcher.count; i++) {
        const struct match *one = &r->matcher.list[i];

        if (one->set != NULL) {
            set_refresh(topics, one->set);
            lose(&l, one->from, one->set->removed_to, one->set->reason);
        } else if (one->exact != NULL) {
            lose(&l, one->from, one->exact->removed_to, one->exact->removed_reason);
        }
        lose(&l, one->from, topics->forgotten_to, GAP_EXPIRED);
        lose_volatile(topics, one, &l);
    }
    uv_rwlock_rdunlock(&topics->lock);
    *reason = l.reason;
    return l.removed_to;
}
