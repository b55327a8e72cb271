/*
 * block.c - a message's bytes, kept as they came, and what clients need of them.
 *
 * block_new reads the records once, from front to back, and lays an entry over
 * each.  A record that is cut short, or an ID that does not rise, refuses the whole
 * message: the broker is trusted to be right, not to be unharmed.
 *
 * Encoding goes through a scratch buffer into the block's arena, whose chunks
 * are sized by the message, so that the usual block has one chunk per form and
 * a run of its events is one iovec.
 */
#include "block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define SCRATCH_KEPT (256u * 1024) /* one that grew beyond is let go of */

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, cap;
    char bytes[];
};

enum order { RISING, FALLING, UNORDERED };

static bool in_order(enum order order, uint64_t last, uint64_t id)
{
    return order == UNORDERED || (order == FALLING ? id < last : id > last);
}

static void block_account(struct block *b, size_t more)
{
    b->size += more;
    if (b->account != NULL)
        *b->account += more;
}

/* How many records there are, if all are as large as the first. */
static size_t block_guess(const struct reader *r)
{
    size_t first = r->left < EVENT_RECORD_HEAD ? 0 : le32_get(r->p);

    return first < EVENT_RECORD_HEAD ? 1 : r->left / first + 1;
}

static void block_make_room(struct block *b, size_t room)
{
    b->entries = mem_resize(b->entries, room, sizeof *b->entries);
    b->room = room;
}

static bool block_read(struct block *b, struct reader r, enum order order)
{
    uint64_t last = order == FALLING ? UINT64_MAX : 0;

    block_make_room(b, block_guess(&r));
    while (r.left > 0) {
        struct entry *entry;

        if (b->count == b->room)
            block_make_room(b, b->room + b->room / 2 + 1);
        entry = &b->entries[b->count++];
        *entry = (struct entry){.block = b};
        if (!event_record_get(&r, &entry->e) || !in_order(order, last, entry->e.id))
            return false;
        last = entry->e.id;
    }
    if (b->room - b->count > b->count / 4 + 1)
        block_make_room(b, b->count + 1);
    return true;
}

/* The records are the end of the message. */
static struct block *block_make(struct blocks *all, struct zmsg *m, struct reader records,
                                enum order order)
{
    struct block *b = mem_zalloc(sizeof *b);
    size_t head = zmsg_size(m) - records.left;

    b->all = all;
    b->refs = 1;
    zmsg_init(&b->bytes);
    zmsg_keep(&b->bytes, m); /* the bytes may move */
    records = reader_of((const char *)zmsg_data(&b->bytes) + head, records.left);
    if (!block_read(b, records, order)) {
        block_unref(b);
        return NULL;
    }
    b->size = sizeof *b + zmsg_size(&b->bytes) + b->room * sizeof *b->entries;
    return b;
}

struct block *block_new(struct blocks *all, struct zmsg *m, struct reader records)
{
    return block_make(all, m, records, RISING);
}

struct block *block_new_falling(struct blocks *all, struct zmsg *m, struct reader records)
{
    return block_make(all, m, records, FALLING);
}

struct block *block_new_unordered(struct blocks *all, struct zmsg *m, struct reader records)
{
    return block_make(all, m, records, UNORDERED);
}

void blocks_close(struct blocks *all)
{
    buf_free(&all->scratch);
}

void block_ref(struct block *b)
{
    b->refs++;
}

static void arena_free(struct arena *a)
{
    struct arena_chunk *c, *next;

    for (c = a->chunk; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    free(a->encoded);
}

void block_unref(struct block *b)
{
    unsigned f;

    assert(b->refs > 0);
    if (--b->refs > 0)
        return;
    assert(b->pins.first == NULL);
    for (f = 0; f < FORMS_MAX; f++)
        arena_free(&b->arenas[f]);
    zmsg_close(&b->bytes);
    free(b->entries);
    free(b);
}

struct block *block_of_pins(struct pins *pins)
{
    return CONTAINER_OF(pins, struct block, pins);
}

void block_evict(struct block *b)
{
    if (b->account != NULL)
        *b->account -= b->size;
    b->account = NULL;
    pins_evict(&b->pins);
    block_unref(b);
}

/* --- encodings -------------------------------------------------------------- */

static char *arena_room(struct block *b, struct arena *a, size_t n)
{
    struct arena_chunk *c = a->chunk;
    size_t cap;

    if (c == NULL || c->cap - c->used < n) {
        cap = zmsg_size(&b->bytes) + b->count * 32;
        if (cap > 65536)
            cap = 65536;
        if (cap < n)
            cap = n;
        c = mem_alloc(sizeof *c + cap);
        c->next = a->chunk;
        c->used = 0;
        c->cap = cap;
        a->chunk = c;
        block_account(b, sizeof *c + cap);
    }
    c->used += n;
    return c->bytes + c->used - n;
}

struct slice block_encoded(struct entry *e, unsigned form, form_encode encode)
{
    struct block *b = e->block;
    struct buf *scratch = &b->all->scratch;
    struct arena *a = &b->arenas[form];
    size_t i = (size_t)(e - b->entries);
    char *p;

    if (a->encoded == NULL) {
        a->encoded = mem_array(b->count, sizeof *a->encoded);
        block_account(b, b->count * sizeof *a->encoded);
    }
    if (a->encoded[i].p == NULL) {
        buf_clear(scratch);
        encode(scratch, &e->e);
        p = arena_room(b, a, scratch->len);
        memcpy(p, scratch->p, scratch->len);
        a->encoded[i] = (struct slice){p, scratch->len};
        if (scratch->cap > SCRATCH_KEPT)
            buf_free(scratch);
    }
    return a->encoded[i];
}
