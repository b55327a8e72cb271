/*
 * block.h - events in memory: a block, its entries, their encodings, and runs.
 *
 * A block is one message from the broker (a live message or a history page),
 * kept as it came; its entries are views into it.  It lives in the ring or in
 * the page cache, and as long as somebody holds a reference.
 *
 * An encoding is an event in one client form (an SSE block, a JSON line, …),
 * made at first need, once, in memory of the block.  Events encoded one after
 * the other lie one after the other, so a run of them is few iovecs.
 *
 *   block ── bytes of the message   [rec][rec][rec]
 *        ├─ entries                  e0   e1   e2
 *        └─ arena of form f          [e0 as SSE][e1 as SSE]…
 *
 * Loop thread only.
 */
#ifndef HUB_BLOCK_H
#define HUB_BLOCK_H

#include <sys/uio.h>

#include "event.h"
#include "pin.h"
#include "zsock.h"

#define FORMS_MAX 12 /* client forms in one gateway process, see forms.h */

/* Appends one event in a client's form.  Pure. */
typedef void (*form_encode)(struct buf *out, const struct event *e);

struct block;
struct topic_entry;

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
    unsigned refs;
    struct pins pins; /* who is half way through writing some of its bytes */
    size_t count;
    struct entry *entries;
    struct zmsg bytes;
    struct arena arenas[FORMS_MAX];
    size_t size;     /* memory in all, encodings counted */
    size_t *account; /* where changes of size are added; NULL: nowhere */
};

/* Moves the message's bytes; records is a reader over them.  NULL when a record
 * is malformed or IDs do not rise.  The caller closes m in either case. */
struct block *block_new(struct zmsg *m, struct reader records);
/* The same for a page that goes downwards, and for events in no order of IDs; not for
 * the ring. */
struct block *block_new_falling(struct zmsg *m, struct reader records);
struct block *block_new_unordered(struct zmsg *m, struct reader records);
void block_ref(struct block *b);
void block_unref(struct block *b);
/* The block that these are the pins of. */
struct block *block_of_pins(struct pins *pins);
/* The owner lets go, as it must before its last reference: stops accounting, evicts
 * the pins, unrefs. */
void block_evict(struct block *b);

/* The entry's bytes in a form, made now if need be; they live with the block. */
struct slice entry_encoded(struct entry *e, unsigned form, form_encode encode);

/* --- runs ----------------------------------------------------------------- */

#define RUN_ENTRIES 512
#define RUN_BYTES (256u * 1024) /* of records; one larger event is a run of its own */

/* Events to hand over, in ID order, and their iovecs per form. */
struct run {
    struct entry *entries[RUN_ENTRIES];
    size_t count;
    size_t bytes; /* of records */
    struct run_form {
        bool ready;
        int iovcnt;
        size_t bytes;
        struct iovec iov[RUN_ENTRIES];
        size_t ends[RUN_ENTRIES]; /* bytes up to the end of each entry */
    } forms[FORMS_MAX];
};

void run_clear(struct run *r);
bool run_add(struct run *r, struct entry *e); /* false: full, nothing added */
/* The run in a form; valid until the run is cleared. */
const struct run_form *run_form_get(struct run *r, unsigned form, form_encode encode);

#endif
