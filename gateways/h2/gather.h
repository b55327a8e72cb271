/*
 * gather.h - what a connection has to say in this turn, written in one system call.
 *
 *   own ── HEADERS ── frame header │ an event's bytes, shared │ frame header │ …
 *
 * A connection's own bytes are copied here; what is shared stays in its block, which is
 * held by a reference until the turn is over.  Whoever has nothing to say has no gather:
 * a pool hands them out.  Loop thread.
 */
#ifndef H2_GATHER_H
#define H2_GATHER_H

#include "block.h"
#include "conn.h"

#define GATHER_PIECES 500
#define GATHER_BYTES (128u * 1024) /* more than that is written before the turn is over */

struct gather_piece {
    size_t own_end; /* the connection's own bytes up to here come before it */
    struct slice shared;
    struct block *block;
};

struct gather {
    struct gather *next; /* in the pool */
    struct buf own;
    size_t shared; /* bytes */
    size_t count;
    struct gather_piece pieces[GATHER_PIECES];
};

struct gather_pool {
    struct gather *first;
    size_t count, out; /* in it, and handed out */
};
void gather_pool_free(struct gather_pool *p);

/* *g may be NULL, and is not after. */
void gather_own(struct gather **g, struct gather_pool *p, const void *bytes, size_t len);
/* Bytes in a block that may leave memory. */
void gather_shared(struct gather **g, struct gather_pool *p, struct slice bytes,
                   struct block *block);
bool gather_full(const struct gather *g); /* NULL is not */
/* Writes all of it; nothing may be pending at the connection.  *g is NULL after. */
void gather_write(struct gather **g, struct gather_pool *p, struct conn *c);
void gather_drop(struct gather **g, struct gather_pool *p);

#endif
