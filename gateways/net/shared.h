/*
 * shared.h - bytes that several connections may be sending at once.
 *
 * Counted references, one allocation besides the bytes.  Loop thread only.
 */
#ifndef NET_SHARED_H
#define NET_SHARED_H

#include "bytes.h"

struct shared {
    unsigned refs;
    unsigned holders; /* those that have yet to write some of it; held.c's own */
    struct buf bytes;
};

struct shared *shared_of(struct buf *b); /* takes b's bytes, which is empty after */
void shared_ref(struct shared *s);
void shared_unref(struct shared *s); /* NULL does nothing */

#endif
