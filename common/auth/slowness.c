/*
 * slowness.c - two tables of who has failed: addresses and names; and pairs of an address and
 * a name that have been right.  Both are in order of their last change.
 */
#include "slowness.h"

#include <stdlib.h>
#include <uthash.h>

#include "clock.h"
#include "mem.h"
#include "network.h"

struct slow_entry {
    uint8_t key[CREDENTIAL_HASH];
    uint64_t failures;
    uint64_t since_ms; /* since when the next one is on its way to be forgotten */
    uint64_t until_ms; /* wait */
    UT_hash_handle hh;
};

struct slowness {
    struct slow_entry *failing, *trusted;
};

struct slowness *slowness_new(void)
{
    return mem_zalloc(sizeof(struct slowness));
}

static void drop(struct slow_entry **table, struct slow_entry *e)
{
    HASH_DEL(*table, e);
    free(e);
}

void slowness_free(struct slowness *s)
{
    if (s == NULL)
        return;
    while (s->failing != NULL)
        drop(&s->failing, s->failing);
    while (s->trusted != NULL)
        drop(&s->trusted, s->trusted);
    free(s);
}

/* --- one table ------------------------------------------------------------------------ */

static struct slow_entry *find(struct slow_entry *table, const uint8_t *key)
{
    struct slow_entry *e;

    HASH_FIND(hh, table, key, CREDENTIAL_HASH, e);
    return e;
}

/* There or made, and the last in order; the first makes room. */
static struct slow_entry *touch(struct slow_entry **table, const uint8_t *key)
{
    struct slow_entry *e = find(*table, key);

    if (e != NULL) {
        HASH_DEL(*table, e);
    } else {
        e = mem_zalloc(sizeof *e);
        memcpy(e->key, key, CREDENTIAL_HASH);
    }
    HASH_ADD(hh, *table, key, CREDENTIAL_HASH, e);
    if (HASH_COUNT(*table) > SLOWNESS_ENTRIES)
        drop(table, *table);
    return e;
}

static void entry_forget(struct slow_entry *e, uint64_t now)
{
    uint64_t gone = (now - e->since_ms) / SLOWNESS_FORGET_MS;

    if (gone > e->failures)
        gone = e->failures;
    e->failures -= gone;
    e->since_ms = e->failures == 0 ? now : e->since_ms + gone * SLOWNESS_FORGET_MS;
}

static uint64_t wait_after(uint64_t failures)
{
    uint64_t wait = SLOWNESS_FIRST_MS;

    if (failures <= SLOWNESS_FREE)
        return 0;
    for (uint64_t i = SLOWNESS_FREE + 1; i < failures && wait < SLOWNESS_MOST_MS; i++)
        wait *= 2;
    return wait < SLOWNESS_MOST_MS ? wait : SLOWNESS_MOST_MS;
}

/* No more are counted than make the longest wait: they are forgotten in minutes. */
static void entry_fail(struct slow_entry *e, uint64_t now)
{
    entry_forget(e, now);
    if (wait_after(e->failures) < SLOWNESS_MOST_MS)
        e->failures++;
    e->until_ms = now + wait_after(e->failures);
}

static uint64_t entry_wait(const struct slow_entry *e, uint64_t now)
{
    return e != NULL && e->until_ms > now ? e->until_ms - now : 0;
}

/* --- attempts ---------------------------------------------------------------------------- */

static void attempt_keys(struct slowness_attempt *a, struct slice address, struct slice name)
{
    struct network n = network_of(address);
    struct slice network = {(const char *)n.bytes, sizeof n.bytes};

    a->addressed = n.known && !n.loopback;
    fingerprint_of(a->address, 'A', network, (struct slice){0});
    fingerprint_of(a->name, 'N', name, (struct slice){0});
    fingerprint_of(a->pair, 'P', network, name);
}

uint64_t slowness_begin(struct slowness *s, struct slice address, struct slice name,
                        struct slowness_attempt *a)
{
    uint64_t now = clock_mono_ms(), by_address = 0, by_name;
    const struct slow_entry *pair;

    attempt_keys(a, address, name);
    pair = find(s->trusted, a->pair);
    a->trusted = pair != NULL;
    if (a->trusted)
        return entry_wait(pair, now);
    if (a->addressed)
        by_address = entry_wait(find(s->failing, a->address), now);
    by_name = entry_wait(find(s->failing, a->name), now);
    return by_address > by_name ? by_address : by_name;
}

void slowness_right(struct slowness *s, const struct slowness_attempt *a)
{
    (void)touch(&s->trusted, a->pair);
}

void slowness_wrong(struct slowness *s, const struct slowness_attempt *a)
{
    uint64_t now = clock_mono_ms();
    struct slow_entry *pair = a->trusted ? find(s->trusted, a->pair) : NULL;

    if (pair != NULL) {
        entry_fail(pair, now);
        return;
    }
    if (a->addressed)
        entry_fail(touch(&s->failing, a->address), now);
    entry_fail(touch(&s->failing, a->name), now);
}
