/*
 * h2_past.h - the streams that a client has opened, and how each ended: nghttp2 forgets
 * those that are closed, and what comes on one is an error only if the client has ended it.
 *
 * The latest are remembered, in two bits each.  Of older ones nothing is said: one that we
 * reset just now may be old, and its client need not know of it yet.  Pure.
 */
#ifndef H2_H2_PAST_H
#define H2_H2_PAST_H

#include <stdint.h>

#define H2_PAST_STREAMS 1024u /* a power of two */

enum h2_past_state {
    H2_PAST_UNKNOWN, /* it is to come, or long gone */
    H2_PAST_SKIPPED, /* a later one came first: it can never be */
    H2_PAST_BEGUN,   /* and if it is closed, we did that */
    H2_PAST_ENDED,   /* by the client: END_STREAM or RST_STREAM */
};

/* All zero: none has been. */
struct h2_past {
    uint32_t next; /* how many identifiers have been used or skipped */
    uint64_t begun[H2_PAST_STREAMS / 64], ended[H2_PAST_STREAMS / 64];
};

/* id: a stream of the client's; others are passed over. */
void h2_past_begin(struct h2_past *p, uint32_t id);
void h2_past_end(struct h2_past *p, uint32_t id);
enum h2_past_state h2_past_of(const struct h2_past *p, uint32_t id);

#endif
