/*
 * store_matcher.c - which topics a request's filters match, and what they lost.
 *
 * An exact filter is one look into the topic table.  A list with a wildcard is matched
 * against every name once, in steps; the result, a bitmap by topic number, is kept by the
 * reader under the list and brought up to date: topics that were added are looked at,
 * numbers that passed to other topics looked at again (topics.reused), removed IDs taken
 * from topics.removed.  Who has missed too many of these changes begins anew.  The sets
 * least recently used go when they take too much room.
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store_reader.h"
#include "topic.h"

#define SETS_BYTES (16u << 20)
#define LOCKED_LOOKS 256u /* topics looked at under one hold of the lock */

/* --- sets -------------------------------------------------------------------------- */

static size_t set_size(const struct filter_set *set)
{
    return sizeof *set + set->key.len + set->words * sizeof *set->bits +
           set->few_room * sizeof *set->few;
}

static void set_free(struct store_reader *r, struct filter_set *set)
{
    r->set_bytes -= set_size(set);
    HASH_DEL(r->sets, set);
    free(set->bits);
    free(set->few);
    free(set);
}

/* All but the one at hand may go. */
static void make_room(struct store_reader *r)
{
    struct filter_set *set, *next, *oldest;

    while (r->set_bytes > SETS_BYTES) {
        oldest = NULL;
        HASH_ITER (hh, r->sets, set, next)
            if (oldest == NULL || set->used < oldest->used)
                oldest = set;
        if (oldest == NULL || oldest == r->matcher.set)
            return;
        set_free(r, oldest);
    }
}

/* Nothing has been looked at. */
static void set_clear(struct store_reader *r, struct filter_set *set)
{
    const struct topics *topics = &r->s->topics;

    if (set->words > 0) /* else there are no bits to point at */
        memset(set->bits, 0, set->words * sizeof *set->bits);
    set->seen = 1;
    set->matched = 0;
    set->removed_to = 0;
    set->reason = GAP_NONE;
    uv_rwlock_rdlock(&r->s->topics.lock);
    set->removals = topics->removed.count;
    set->reuses = topics->reused.count;
    uv_rwlock_rdunlock(&r->s->topics.lock);
}

static struct filter_set *set_new(struct store_reader *r, struct slice key)
{
    struct filter_set *set = mem_zalloc(sizeof *set + key.len);
    char *copy = (char *)(set + 1);

    memcpy(copy, key.p, key.len);
    set->key = (struct slice){copy, key.len};
    set_clear(r, set);
    HASH_ADD_KEYPTR(hh, r->sets, set->key.p, set->key.len, set);
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

static bool set_has(const struct filter_set *set, uint32_t number)
{
    return number < set->seen && (set->bits[number / 64] >> (number % 64) & 1) != 0;
}

static void few_room(struct store_reader *r, struct filter_set *set, uint32_t count)
{
    uint32_t room = set->few_room;

    if (count <= room)
        return;
    room = room == 0 ? 16 : room * 2;
    set->few = mem_resize(set->few, room, sizeof *set->few);
    r->set_bytes += (room - set->few_room) * sizeof *set->few;
    set->few_room = room;
}

/* Numbers come rising. */
static void set_add(struct store_reader *r, struct filter_set *set, uint32_t number)
{
    set->bits[number / 64] |= UINT64_C(1) << (number % 64);
    if (set->matched < FEW_MAX) {
        few_room(r, set, set->matched + 1);
        set->few[set->matched] = number;
    }
    set->matched++;
}

/* The few anew, when a number in their midst came or went. */
static void set_list(struct store_reader *r, struct filter_set *set)
{
    uint32_t n = 0;

    if (set->matched > FEW_MAX)
        return;
    for (size_t w = 0; w < set->words; w++)
        for (uint64_t bits = set->bits[w]; bits != 0; bits &= bits - 1) {
            few_room(r, set, n + 1);
            set->few[n++] = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
        }
}

static bool list_match(const struct matcher *m, struct slice name)
{
    if (m->tree != NULL)
        return filter_tree_any(m->tree, name);
    for (size_t i = 0; i < m->count; i++)
        if (filter_match(m->filters[i].filter, name))
            return true;
    return false;
}

static void set_lose(struct filter_set *set, const struct topic *t)
{
    if (t->removed_to <= set->removed_to)
        return;
    set->removed_to = t->removed_to;
    set->reason = t->removed_reason;
}

/* --- bringing a set up to date ---------------------------------------------------- */

/* Under the lock.  False: too much has changed. */
static bool set_catch_up(struct store_reader *r, struct filter_set *set)
{
    const struct topics *topics = &r->s->topics;
    const struct topics_log *reused = &topics->reused, *removed = &topics->removed;
    bool changed = false;

    if (reused->count - set->reuses > TOPICS_LOG || removed->count - set->removals > TOPICS_LOG)
        return false;
    for (; set->reuses < reused->count; set->reuses++) {
        uint32_t n = reused->numbers[set->reuses % TOPICS_LOG];
        const struct topic *t = topics_at(topics, n);
        bool has = set_has(set, n), is = t != NULL && list_match(&r->matcher, t->name);

        if (n >= set->seen || has == is)
            continue;
        set->bits[n / 64] ^= UINT64_C(1) << (n % 64);
        set->matched += is ? 1u : (uint32_t)-1;
        changed = true;
    }
    if (changed)
        set_list(r, set);
    for (; set->removals < removed->count; set->removals++) {
        uint32_t n = removed->numbers[set->removals % TOPICS_LOG];

        if (set_has(set, n) && topics_at(topics, n) != NULL)
            set_lose(set, topics_at(topics, n));
    }
    return true;
}

/* Some of the topics that were not yet looked at, under the lock. */
static void set_look(struct store_reader *r, struct filter_set *set, uint32_t end)
{
    const struct topics *topics = &r->s->topics;

    for (uint32_t n = 0; n < LOCKED_LOOKS && set->seen < end; n++, set->seen++) {
        const struct topic *t = topics_at(topics, set->seen);

        if (t == NULL || !list_match(&r->matcher, t->name))
            continue;
        set_add(r, set, set->seen);
        set_lose(set, t);
    }
}

/* False: the step is over, and there are more. */
static bool set_extend(struct store_reader *r, struct filter_set *set)
{
    struct topics *topics = &r->s->topics;
    uint32_t end = atomic_load(&topics->end);
    bool fine;

    set_grow(r, set, end);
    uv_rwlock_rdlock(&topics->lock);
    fine = set_catch_up(r, set);
    uv_rwlock_rdunlock(&topics->lock);
    if (!fine)
        set_clear(r, set);
    while (set->seen < end) {
        uv_rwlock_rdlock(&topics->lock);
        set_look(r, set, end);
        uv_rwlock_rdunlock(&topics->lock);
        r->looks += LOCKED_LOOKS;
        if (set->seen < end && snapshot_is_over(r))
            return false;
    }
    return true;
}

static struct filter_set *set_of(struct store_reader *r)
{
    const struct matcher *m = &r->matcher;
    struct filter_set *set;
    struct buf key = {0};

    for (size_t i = 0; i < m->count; i++) {
        buf_put_slice(&key, m->filters[i].filter);
        buf_u8(&key, 0);
    }
    HASH_FIND(hh, r->sets, key.p, key.len, set);
    if (set == NULL)
        set = set_new(r, buf_slice(&key));
    buf_free(&key);
    set->used = r->steps;
    return set;
}

void matcher_free(struct store_reader *r)
{
    struct filter_set *set, *next;

    HASH_ITER (hh, r->sets, set, next)
        set_free(r, set);
}

/* --- the few --------------------------------------------------------------------------- */

static int few_compare(const void *a, const void *b)
{
    const struct few_topic *x = a, *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* Each topic once, with its lowest `from`. */
static void few_sort(struct matcher *m)
{
    size_t n = 0;

    qsort(m->few, m->few_count, sizeof *m->few, few_compare);
    for (size_t i = 0; i < m->few_count; i++)
        if (n == 0 || m->few[n - 1].number != m->few[i].number)
            m->few[n++] = m->few[i];
    m->few_count = n;
}

/* Under the lock. */
static const struct topic *exact_topic(const struct store_reader *r, size_t i)
{
    return topics_find(&r->s->topics, r->matcher.filters[i].filter);
}

static void few_of_names(struct store_reader *r)
{
    struct matcher *m = &r->matcher;

    uv_rwlock_rdlock(&r->s->topics.lock);
    for (size_t i = 0; i < m->count; i++) {
        const struct topic *t = exact_topic(r, i);

        if (t != NULL)
            m->few[m->few_count++] = (struct few_topic){t->number, m->filters[i].from};
    }
    uv_rwlock_rdunlock(&r->s->topics.lock);
    few_sort(m);
}

static uint64_t from_of(const struct matcher *m, struct slice name)
{
    uint64_t from = UINT64_MAX;

    if (m->from_low == m->from_high)
        return m->from_low;
    for (size_t i = 0; i < m->count; i++)
        if (m->filters[i].from < from && filter_match(m->filters[i].filter, name))
            from = m->filters[i].from;
    return from;
}

static void few_of_set(struct store_reader *r)
{
    struct matcher *m = &r->matcher;

    for (uint32_t i = 0; i < m->set->matched; i++) {
        const struct topic *t = topics_at(&r->s->topics, m->set->few[i]);

        if (t != NULL)
            m->few[m->few_count++] = (struct few_topic){t->number, from_of(m, t->name)};
    }
}

/* --- matching ------------------------------------------------------------------------ */

static void matcher_begin(struct store_reader *r, const struct wire_filter *filters, size_t count)
{
    struct matcher *m = &r->matcher;

    m->filters = filters;
    m->count = count;
    m->set = NULL;
    m->few_count = 0;
    m->from_low = count == 0 ? 0 : UINT64_MAX;
    m->from_high = 0;
    for (size_t i = 0; i < count; i++) {
        if (filters[i].from < m->from_low)
            m->from_low = filters[i].from;
        if (filters[i].from > m->from_high)
            m->from_high = filters[i].from;
        if (m->set == NULL && !filter_is_exact(filters[i].filter))
            m->set = set_of(r);
    }
}

bool matcher_set(struct store_reader *r, const struct wire_filter *filters, size_t count,
                 const struct filter_tree *tree)
{
    struct matcher *m = &r->matcher;

    m->tree = tree;
    matcher_begin(r, filters, count);
    if (m->set != NULL && !set_extend(r, m->set))
        return false;
    m->is_few = m->set == NULL || m->set->matched <= FEW_MAX;
    if (m->set == NULL)
        few_of_names(r);
    else if (m->is_few)
        few_of_set(r);
    make_room(r);
    return true;
}

static bool few_has(const struct matcher *m, uint32_t topic, uint64_t id)
{
    size_t low = 0, high = m->few_count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (m->few[mid].number < topic)
            low = mid + 1;
        else
            high = mid;
    }
    return low < m->few_count && m->few[low].number == topic && id > m->few[low].from;
}

/* Once for each topic that a step meets: with many filters that is dear. */
static uint64_t from_seen(struct store_reader *r, uint32_t topic)
{
    struct seen_topic *seen = snapshot_seen(r, topic);
    const struct topic *t;

    if (seen->step != r->steps) {
        t = topics_at(&r->s->topics, topic);
        seen->step = r->steps;
        seen->from = t != NULL ? from_of(&r->matcher, t->name) : UINT64_MAX;
    }
    return seen->from;
}

bool matcher_test(struct store_reader *r, uint32_t topic, uint64_t id)
{
    const struct matcher *m = &r->matcher;

    if (m->is_few)
        return few_has(m, topic, id);
    if (!set_has(m->set, topic) || id <= m->from_low)
        return false;
    if (id > m->from_high)
        return true;
    return id > from_seen(r, topic);
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

static void lose_of(struct loss *l, uint64_t from, const struct topic *t)
{
    lose(l, from, t->removed_to, t->removed_reason);
    lose(l, from, t->last_volatile < l->upto ? t->last_volatile : l->upto, GAP_VOLATILE);
}

static void lose_few(const struct store_reader *r, struct loss *l)
{
    const struct matcher *m = &r->matcher;

    for (size_t i = 0; i < m->few_count; i++) {
        const struct topic *t = topics_at(&r->s->topics, m->few[i].number);

        if (t != NULL)
            lose_of(l, m->few[i].from, t);
    }
}

/* Of many topics the lowest `from` counts: with filters that begin at different places
 * that may be a notice too many. */
static void lose_many(const struct store_reader *r, struct loss *l)
{
    const struct topics *topics = &r->s->topics;
    const struct matcher *m = &r->matcher;

    lose(l, m->from_low, m->set->removed_to, m->set->reason);
    if (topics->last_volatile <= m->from_low || topics->last_volatile <= l->removed_to)
        return;
    for (size_t i = 0; i < topics->volatile_count; i++) {
        const struct topic *t = topics->volatile_[i];

        if (set_has(m->set, t->number))
            lose(l, m->from_low, t->last_volatile < l->upto ? t->last_volatile : l->upto,
                 GAP_VOLATILE);
    }
}

static void lose_forgotten(const struct store_reader *r, struct loss *l)
{
    const struct topics *topics = &r->s->topics;
    const struct matcher *m = &r->matcher;

    for (size_t i = 0; i < m->count && topics->forgotten_to > 0; i++) {
        const struct wire_filter *f = &m->filters[i];
        const struct topic *t = filter_is_exact(f->filter) ? exact_topic(r, i) : NULL;

        lose(l, f->from,
             t != NULL ? topics_forgotten_before(topics, t)
                       : topics_forgotten_to(topics, f->filter),
             GAP_EXPIRED);
    }
}

uint64_t matcher_removed(struct store_reader *r, uint64_t upto, enum gap_reason *reason)
{
    struct topics *topics = &r->s->topics;
    struct loss l = {.upto = upto};

    uv_rwlock_rdlock(&topics->lock);
    if (r->matcher.set != NULL && !set_catch_up(r, r->matcher.set))
        r->matcher.set->removals = topics->removed.count - TOPICS_LOG;
    if (r->matcher.is_few)
        lose_few(r, &l);
    else
        lose_many(r, &l);
    lose_forgotten(r, &l);
    uv_rwlock_rdunlock(&topics->lock);
    *reason = l.reason;
    return l.removed_to;
}
