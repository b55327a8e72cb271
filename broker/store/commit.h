/*
 * commit.h - one request to the store, gathered piece by piece: changes of its map,
 * and at most one event, that become true together.
 *
 *   commit_new ─▶ put, drop, event … ─▶ commit_submit ─▶ done, once, later
 *
 * Slices are borrowed until done has run, unless they went through commit_copy.
 * done may read `error` and `id`; the commit is freed when it returns.
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "store.h"

struct commit_copy;
struct commit {
    enum sluice_error error; /* out */
    const char *text;        /* out: of the error */
    uint64_t id;             /* out: of the event, or 0 */
    void *data;              /* the caller's */
    /* private */
    void (*done)(struct commit *c);
    struct store_request request;
    struct store_event event;
    struct store_change *changes;
    uint32_t count, room;
    struct commit_copy *copies;
};

struct commit *commit_new(void *data);
/* Bytes that live as long as the commit; the second to be written to. */
struct slice commit_copy(struct commit *c, const void *p, size_t len);
uint8_t *commit_bytes(struct commit *c, const void *p, size_t len);

void commit_put(struct commit *c, uint8_t space, struct slice owner, struct slice key,
                struct slice value);
/* The whole commit is refused (ERR_TOO_MANY) when that would be an entry more and the map is
 * full. */
void commit_put_if_room(struct commit *c, uint8_t space, struct slice owner, struct slice key,
                        struct slice value);
void commit_drop(struct commit *c, uint8_t space, struct slice owner, struct slice key);
void commit_drop_owner(struct commit *c, uint8_t space, struct slice owner);
/* A checked event, whose record stays until done has run; once at most. */
void commit_event(struct commit *c, const struct store_event *e);
/* The event is a gateway's unit: stored once, however often it comes.  The link must
 * outlive the commit. */
void commit_link(struct commit *c, const struct wire_uuid *link, uint64_t seq);
bool commit_is_empty(const struct commit *c);

void commit_submit(struct commit *c, struct store *store, void (*done)(struct commit *c));
void commit_free(struct commit *c); /* one that was not submitted */

/* The store could not write just now: the same may succeed later. */
bool commit_may_retry(enum sluice_error error);

#endif
