/*
 * fanout.h - from committed batches to live messages, one stream a gateway.
 *
 * Knows filters, ranges and credit; knows no socket: it sends through a
 * function.  Loop thread only.
 *
 * Each gateway's stream is a chain of ranges.  A live message says (after,
 * upto] and holds every event in it that the gateway's filters match; the next
 * message's `after` is this one's `upto`.  A gateway that leaves too many bytes
 * unconfirmed is paused: nothing more is made for it.  Once it has confirmed
 * half, a message (head, head] shows it the hole, which it reads from the store.
 */
#ifndef BROKER_FANOUT_H
#define BROKER_FANOUT_H

#include "errors.h"
#include "store.h"
#include "zsock.h"

struct fanout;
struct fanout_peer; /* one gateway, from hello until its link ends */

struct fanout_ops {
    /* Moves from m and sends it to the gateway.  False: the link has ended; the
     * gateway gets nothing more and is to be taken out with fanout_leave, but
     * not from inside this call. */
    bool (*send)(void *gateway, struct zmsg *m);
    /* The name of a topic number of a batch. */
    struct slice (*topic_name)(void *arg, uint32_t topic);
    void *arg; /* of topic_name */
};

/* filters: of one gateway; then they are refused; 0: no limit. */
struct fanout *fanout_new(const struct fanout_ops *ops, uint64_t credit, unsigned filters);
void fanout_free(struct fanout *f); /* after every gateway has left */

/* A gateway whose stream begins at head.  NULL: SLOTS_MAX are there already. */
struct fanout_peer *fanout_join(struct fanout *f, void *gateway, uint64_t head) MUST_CHECK;
void fanout_leave(struct fanout *f, struct fanout_peer *p);

/* From the next batch on, what the filter matches is the gateway's.  ERR_NONE,
 * ERR_BAD_FILTER, ERR_BAD_REQUEST (the ref is in use) or ERR_TOO_MANY. */
enum sluice_error fanout_filter_add(struct fanout *f, struct fanout_peer *p, uint32_t ref,
                                    struct slice filter) MUST_CHECK;
void fanout_filter_drop(struct fanout *f, struct fanout_peer *p, uint32_t ref);

void fanout_batch(struct fanout *f, const struct store_batch *b);
void fanout_topic_forgotten(struct fanout *f, uint32_t topic);
/* Tells all whose filters match the topic that its events up to `upto` are gone. */
void fanout_removed(struct fanout *f, struct slice topic, uint64_t upto);
/* The gateway has taken everything up to `upto`; may resume it at head. */
void fanout_confirm(struct fanout *f, struct fanout_peer *p, uint64_t upto, uint64_t head);
/* Brings every gateway's stream up to head, with a message of no events where
 * none was due.  With probe also those that stand there already get an empty
 * range, so that a departed gateway shows itself. */
void fanout_tick(struct fanout *f, uint64_t head, bool probe);

#endif
