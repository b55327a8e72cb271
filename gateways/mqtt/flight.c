/*
 * flight.c - the array, its list, and its items.
 *
 * An identifier is given out round robin among those of the array; the array doubles
 * when half of it is in use, so that an identifier comes again late and the search for
 * a free one is short.  At 65,536 it is as large as identifiers allow, and flight_add
 * says 0 when none is left.
 *
 * The value of an item: event u64, qos u8, phase u8 (1: released), order u32, flags u8
 * (1: RETAIN, 2: lost).
 */
#include "flight.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"

#define CAP_MIN 8u
#define CAP_MAX 65536u

#define ITEM_RELEASED 1
#define ITEM_RETAIN 1
#define ITEM_LOST 2

/* --- the array ---------------------------------------------------------------------------- */

static void flight_grow(struct flight *f, uint32_t cap)
{
    assert(cap <= CAP_MAX);
    f->entries = mem_resize(f->entries, cap, sizeof *f->entries);
    memset(f->entries + f->cap, 0, (cap - f->cap) * sizeof *f->entries);
    f->cap = cap;
}

static uint16_t flight_free_id(struct flight *f)
{
    uint32_t id = f->last;

    if (f->cap < CAP_MAX && (f->count + 1) * 2 > f->cap)
        flight_grow(f, f->cap == 0 ? CAP_MIN : f->cap * 2);
    if (f->count + 1 == f->cap)
        return 0;
    do
        id = id + 1 < f->cap ? id + 1 : 1;
    while (f->entries[id].phase != FLIGHT_FREE);
    return (uint16_t)id;
}

static void flight_link_last(struct flight *f, uint16_t id)
{
    struct flight_entry *head = &f->entries[0];

    f->entries[id].prev = head->prev;
    f->entries[id].next = 0;
    f->entries[head->prev].next = id;
    head->prev = id;
}

static void flight_unlink_entry(struct flight *f, const struct flight_entry *e)
{
    f->entries[e->prev].next = e->next;
    f->entries[e->next].prev = e->prev;
}

/* What the counters say of an entry, taken back or added. */
static void flight_count(struct flight *f, const struct flight_entry *e, bool in)
{
    uint32_t one = in ? 1 : UINT32_MAX;

    f->sent += e->counted ? one : 0;
    f->waiting += e->phase == FLIGHT_WAITING ? one : 0;
}

uint16_t flight_add(struct flight *f, uint64_t event, uint8_t qos, struct entry *held)
{
    uint16_t id = flight_free_id(f);
    struct flight_entry *e;

    if (id == 0)
        return 0;
    e = &f->entries[id];
    *e = (struct flight_entry){.event = event, .qos = qos, .held = held, .order = ++f->order};
    e->phase = held != NULL ? FLIGHT_WAITING : FLIGHT_SENT;
    e->counted = true;
    e->dirty = true;
    if (held != NULL)
        block_ref(held->block);
    flight_link_last(f, id);
    flight_count(f, e, true);
    f->count++;
    f->last = id;
    return id;
}

bool flight_is_full(const struct flight *f)
{
    return f->count + 1 == CAP_MAX;
}

struct flight_entry *flight_get(const struct flight *f, uint16_t id)
{
    if (id == 0 || id >= f->cap || f->entries[id].phase == FLIGHT_FREE)
        return NULL;
    return &f->entries[id];
}

uint16_t flight_next(const struct flight *f, uint16_t id)
{
    return f->cap > 0 ? f->entries[id].next : 0;
}

void flight_count_sent(struct flight *f, uint16_t id, bool counted)
{
    struct flight_entry *e = flight_get(f, id);

    flight_count(f, e, false);
    e->counted = counted;
    flight_count(f, e, true);
}

/* PUBREL is sent in the order of PUBREC, now and again (MQTT-4.6.0-4). */
static void flight_move_last(struct flight *f, uint16_t id)
{
    flight_unlink_entry(f, &f->entries[id]);
    flight_link_last(f, id);
    f->entries[id].order = ++f->order;
}

/* What an item says of the phase. */
static enum flight_phase in_item(uint8_t phase)
{
    if (phase == FLIGHT_RECEIVED || phase == FLIGHT_RELEASED)
        return FLIGHT_RELEASED;
    return phase == FLIGHT_LOST ? FLIGHT_LOST : FLIGHT_WAITING;
}

void flight_phase_set(struct flight *f, uint16_t id, enum flight_phase phase)
{
    struct flight_entry *e = flight_get(f, id);

    flight_count(f, e, false);
    if (in_item((uint8_t)phase) != in_item(e->phase))
        e->dirty = true;
    e->phase = (uint8_t)phase;
    flight_count(f, e, true);
    if (phase == FLIGHT_RECEIVED)
        flight_move_last(f, id);
}

void flight_release(struct flight *f, uint16_t id)
{
    struct flight_entry *e = flight_get(f, id);

    if (e->held != NULL)
        block_unref(e->held->block);
    e->held = NULL;
}

void flight_remove(struct flight *f, uint16_t id)
{
    struct flight_entry *e = flight_get(f, id);

    flight_release(f, id);
    group_name_unref(e->group);
    if (e->stored || e->writing)
        buf_u16(tombstones_add(&f->tombstones), id);
    flight_count(f, e, false);
    flight_unlink_entry(f, e);
    *e = (struct flight_entry){.phase = FLIGHT_FREE};
    f->count--;
}

void flight_free(struct flight *f)
{
    uint16_t id, next;

    for (id = flight_next(f, 0); id != 0; id = next) {
        next = flight_next(f, id);
        flight_release(f, id);
        group_name_unref(f->entries[id].group);
    }
    free(f->entries);
    tombstones_free(&f->tombstones);
    *f = (struct flight){0};
}

void flight_rest(struct flight *f)
{
    if (f->count > 0)
        return;
    free(f->entries);
    f->entries = NULL;
    f->cap = 0;
}

/* --- items: written --------------------------------------------------------------------------- */

/* An assigned event that the broker may give to another has none; at QoS 2 it is taken
 * over with the item. */
static bool flight_has_item(const struct flight_entry *e)
{
    return e->group == NULL || e->qos == 2;
}

bool flight_dirty(const struct flight *f)
{
    if (tombstones_any(f->tombstones))
        return true;
    for (uint16_t id = flight_next(f, 0); id != 0; id = flight_next(f, id))
        if (f->entries[id].dirty && flight_has_item(&f->entries[id]))
            return true;
    return false;
}

static struct slice flight_item_key(uint8_t key[3], uint16_t id)
{
    key[0] = WIRE_ITEM_OUT;
    key[1] = (uint8_t)(id >> 8);
    key[2] = (uint8_t)id;
    return (struct slice){(char *)key, 3};
}

static void flight_put_entry(const struct flight_entry *e, uint16_t id, struct buf *items)
{
    uint8_t key[3], bytes[16];
    struct buf value = {bytes, 0, sizeof bytes};
    struct wire_item i = {.key = flight_item_key(key, id)};

    buf_u64(&value, e->event);
    buf_u8(&value, e->qos);
    buf_u8(&value, in_item(e->phase) == FLIGHT_RELEASED ? ITEM_RELEASED : 0);
    buf_u32(&value, e->order);
    buf_u8(&value, (e->retain ? ITEM_RETAIN : 0) | (e->phase == FLIGHT_LOST ? ITEM_LOST : 0));
    i.value = buf_slice(&value);
    wire_item_put(items, &i);
}

static bool flight_is_being_taken(const struct flight *f, uint16_t id)
{
    const struct flight_entry *e = flight_get(f, id);

    return e != NULL && e->group != NULL && e->taking;
}

static void flight_put_gone(struct flight *f, struct buf *items, bool last)
{
    struct reader gone = tombstones_begin(f->tombstones);
    struct wire_item i = {.drop = true};
    uint8_t key[3];

    while (gone.left > 0) {
        uint16_t id = reader_u16(&gone);

        if (last && flight_is_being_taken(f, id))
            continue;
        i.key = flight_item_key(key, id);
        wire_item_put(items, &i);
    }
}

/* Drops first: an identifier may be in use again. */
void flight_items_put(struct flight *f, struct buf *items, struct buf *groups)
{
    flight_put_gone(f, items, groups == NULL);
    for (uint16_t id = flight_next(f, 0); id != 0; id = flight_next(f, id)) {
        struct flight_entry *e = &f->entries[id];

        if (!e->dirty || !flight_has_item(e) || (e->group != NULL && groups == NULL))
            continue;
        if (e->group != NULL)
            wire_taken_put(groups, (struct slice){e->group->text, e->group->len}, e->event);
        e->taking = e->group != NULL;
        flight_put_entry(e, id, items);
        e->dirty = false;
        e->writing = true;
    }
}

void flight_written(struct flight *f, bool ok)
{
    tombstones_written(&f->tombstones, ok);
    for (uint16_t id = flight_next(f, 0); id != 0; id = flight_next(f, id)) {
        struct flight_entry *e = &f->entries[id];

        if (!e->writing)
            continue;
        e->writing = false;
        e->stored = e->stored || ok;
        e->dirty = e->dirty || !ok;
    }
}

/* --- items: read ----------------------------------------------------------------------------- */

static bool flight_item_read(const struct wire_item *i, uint16_t *id, struct flight_entry *e)
{
    struct reader r = reader_of(i->value.p, i->value.len);
    uint8_t released, flags;

    if (i->key.len != 3)
        return false;
    *id = (uint16_t)((uint8_t)i->key.p[1] << 8 | (uint8_t)i->key.p[2]);
    e->event = reader_u64(&r);
    e->qos = reader_u8(&r);
    released = reader_u8(&r);
    e->order = reader_u32(&r);
    flags = reader_u8(&r);
    e->retain = (flags & ITEM_RETAIN) != 0;
    e->phase = released == ITEM_RELEASED ? FLIGHT_RELEASED : FLIGHT_WAITING;
    if ((flags & ITEM_LOST) != 0)
        e->phase = FLIGHT_LOST;
    return reader_done(&r) && *id != 0 && (e->qos == 1 || e->qos == 2);
}

bool flight_item_get(struct flight *f, const struct wire_item *i)
{
    struct flight_entry e = {.dup = true, .stored = true};
    uint16_t id;

    if (!flight_item_read(i, &id, &e) || flight_get(f, id) != NULL)
        return false;
    while (id >= f->cap || (f->count + 1) * 2 > f->cap) {
        if (f->cap == CAP_MAX)
            break;
        flight_grow(f, f->cap == 0 ? CAP_MIN : f->cap * 2);
    }
    f->entries[id] = e;
    flight_link_last(f, id);
    flight_count(f, &e, true);
    f->count++;
    if (f->order < e.order)
        f->order = e.order;
    return true;
}

struct placed {
    uint32_t order;
    uint16_t id;
};

static int flight_by_order(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

void flight_items_done(struct flight *f)
{
    struct placed *list;
    uint32_t n = 0;

    if (f->count == 0)
        return;
    list = mem_array(f->count, sizeof *list);
    for (uint16_t id = flight_next(f, 0); id != 0; id = flight_next(f, id))
        list[n++] = (struct placed){f->entries[id].order, id};
    qsort(list, n, sizeof *list, flight_by_order);
    f->entries[0].prev = f->entries[0].next = 0;
    for (uint32_t i = 0; i < n; i++)
        flight_link_last(f, list[i].id);
    f->last = list[n - 1].id;
    free(list);
}
