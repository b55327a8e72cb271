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
    size_t *account; /* what is charged for the bytes, until they are freed; or NULL */
    size_t charge;
};

struct shared *shared_of(struct buf *b); /* takes b's bytes, which is empty after */
/* The account's `charge`, which is there already, is given back when the bytes go. */
void shared_charge(struct shared *s, size_t *account, size_t charge);
void shared_ref(struct shared *s);
void shared_unref(struct shared *s); /* NULL does nothing */

#endif
