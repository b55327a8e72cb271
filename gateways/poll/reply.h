/*
 * reply.h - answers to polls, encoded once for all who ask the same.
 *
 * What an answer holds follows from its events, its gap and its `next` alone:
 * that is its key, whoever asks, whatever the filters and the cursor were.  The
 * latest answers are kept, so that the pollers of a topic, who come back in
 * many turns of the loop, share one body.
 */
#ifndef POLL_REPLY_H
#define POLL_REPLY_H

#include "block.h"
#include "raw_fields.h"
#include "shared.h"

#define REPLY_SLOTS 256                /* answers kept, at most */
#define REPLY_BYTES (8u * 1024 * 1024) /* above it all are forgotten */

/* Where the next poll goes on, as ETag says it: "ID", with its quotes. */
struct etag {
    char text[24];
    size_t len;
};
struct etag reply_etag(uint64_t next);

struct reply {
    uint64_t *key;
    size_t key_len; /* in words */
    size_t size;
    struct shared *body; /* NULL: empty */
    const char *content_type;
    struct raw_fields raw; /* of a raw answer */
    struct etag next;
};

struct reply_cache {
    struct reply *slots[REPLY_SLOTS];
    size_t bytes;
    struct buf key; /* of the one that is looked for */
};

void reply_cache_close(struct reply_cache *c);

/* {"events":[…],"next":"ID","gap":{…}}.  gap: GAP_NONE: none.  Valid until the
 * next call. */
const struct reply *reply_json(struct reply_cache *c, struct entry *const *entries, size_t count,
                               uint64_t next, const struct gap *gap);
/* The payload of one event, its properties as header fields; its JSON form when
 * header fields cannot carry them. */
const struct reply *reply_raw(struct reply_cache *c, struct entry *entry);

#endif
