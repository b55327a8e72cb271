/*
 * block.h - events in memory: a block, its entries, their encodings.
 *
 * A block is one message from the broker (a live message or a history page),
 * kept as it came; its entries are views into it.  It lives in the ring or in
 * the page cache, and as long as somebody holds a reference.
 *
 * An encoding is an event in one client form (an SSE block, a JSON line, …),
 * made at first need, once, in memory of the block.  Events encoded one after
 * the other lie one after the other, so a run of them (run.h) is few iovecs.
 *
 *   block ── bytes of the message   [rec][rec][rec]
 *        ├─ entries                  e0   e1   e2
 *        └─ arena of form f          [e0 as SSE][e1 as SSE]…
 *
 * Loop thread only.
 */
#ifndef HUB_BLOCK_H
#define HUB_BLOCK_H

#include "event.h"
#include "pin.h"
#include "zsock.h"

#define FORMS_MAX 13 /* client forms in one gateway process, see forms.h */

/* Appends one event in a client's form.  Pure. */
typedef void (*form_encode)(struct buf *out, const struct event *e);

struct block;
struct topic_entry;

/* What the blocks of a gateway share; zero-initialised is ready. */
struct blocks {
    struct buf scratch; /* an encoding in the making */
};
void blocks_close(struct blocks *all);

struct entry {
    struct event e;
    struct block *block;
    struct topic_entry *topic; /* in the ring; NULL in a page */
    struct entry *topic_next;  /* in the ring: next of the same topic */
    uint64_t seq;              /* in the ring: its place */
};

struct arena {
    struct slice *encoded;     /* per entry; p == NULL: not made yet */
    struct arena_chunk *chunk; /* newest first */
};

struct block {
    struct blocks *all;
    unsigned refs;
    struct pins pins;   /* who is half way through writing some of its bytes */
    size_t count, room; /* of entries */
    struct entry *entries;
    struct zmsg bytes;
    struct arena arenas[FORMS_MAX];
    size_t size;     /* memory in all, encodings counted */
    size_t *account; /* where changes of size are added; NULL: nowhere */
};

/* Moves the message's bytes; records is a reader over them.  NULL when a record
 * is malformed or IDs do not rise.  The caller closes m in either case. */
struct block *block_new(struct blocks *all, struct zmsg *m, struct reader records) MUST_CHECK;
/* The same for a page that goes downwards, and for events in no order of IDs; not for
 * the ring. */
struct block *block_new_falling(struct blocks *all, struct zmsg *m,
                                struct reader records) MUST_CHECK;
struct block *block_new_unordered(struct blocks *all, struct zmsg *m,
                                  struct reader records) MUST_CHECK;
void block_ref(struct block *b);
void block_unref(struct block *b);
/* The block that these are the pins of. */
struct block *block_of_pins(struct pins *pins);
/* The owner lets go, as it must before its last reference: stops accounting, evicts
 * the pins, unrefs. */
void block_evict(struct block *b);

/* The entry's bytes in a form, made now if need be; they live with the block. */
struct slice block_encoded(struct entry *e, unsigned form, form_encode encode);

#endif
