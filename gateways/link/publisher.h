/*
 * publisher.h - the publishes of a gateway that wait for their acknowledgement.
 *
 * One list in the order of their numbers.  A connection sends it from the
 * front, within the broker's window; a new connection starts at the front
 * again, and the broker recognises by (instance, seq) what it has already.
 *
 *   first ──▶ … sent on this connection ──▶ unsent ──▶ …
 *
 * Events, removals and units of sessions share the list, the numbers and the
 * window; a frame holds neighbours of one kind.
 *
 * Knows no socket: link.c moves the frames.  Only publisher_acks, _session_acks,
 * _expire, _refuse and _abandon run callbacks; each runs with its publish already
 * out of the list, so it may free it and may add another.
 */
#ifndef LINK_PUBLISHER_H
#define LINK_PUBLISHER_H

#include "link.h"
#include "wire_session.h"

/* Fewer units in flight than the seq → id pairs that the broker keeps per
 * gateway, so a repeat of any of them is recognised. */
#define PUBLISHER_UNITS 2048
#define PUBLISHER_FRAME (1024u * 1024) /* a frame ends above this, or after one unit */

struct publisher {
    struct link_publish *first;
    struct link_publish *unsent;   /* first not yet sent on this connection */
    struct link_publish *expiring; /* first that has a deadline */
    struct link_publish *ack_hint; /* behind the one answered last; or NULL */
    struct link_publish *refused;  /* queue full: their callbacks are due */
    uint64_t next_seq;
    uint64_t timeout_ms;
    size_t queued, queue_max; /* bytes of all in the list */
    size_t in_flight, window; /* bytes on this connection, unacknowledged */
    unsigned units;           /* the same, in units */
    unsigned sessions;        /* units of sessions in the list */
    struct buf orphans;       /* struct orphan: sent here, given up by deadline */
};

void publisher_init(struct publisher *p, size_t queue_max, uint64_t timeout_ms);
/* Takes it into the list, or, when the queue is full, marks it as refused. */
void publisher_add(struct publisher *p, struct link_publish *lp, uint64_t now);
bool publisher_full(const struct publisher *p);

/* A connection begins: everything is to be sent on it. */
void publisher_begin(struct publisher *p, size_t window);
/* Fills *frame with what comes next and returns true, or false: nothing to send
 * or no window.  *end goes to publisher_sent once the frame is on its way. */
bool publisher_frame(struct publisher *p, struct buf *frame, struct link_publish **end) MUST_CHECK;
void publisher_sent(struct publisher *p, struct link_publish *end);

/* The entries of an ACKS or a SESSION_ACKS frame; false when it is malformed. */
bool publisher_acks(struct publisher *p, struct reader acks) MUST_CHECK;
bool publisher_session_acks(struct publisher *p, struct reader acks) MUST_CHECK;
/* What is past its deadline.  True when a callback ran. */
bool publisher_expire(struct publisher *p, uint64_t now);
bool publisher_refuse(struct publisher *p);
void publisher_abandon(struct publisher *p); /* the process ends: all that is left */

#endif
