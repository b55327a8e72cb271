/*
 * read_queue.h - requests for history that wait, and those on the way: askers take turns.
 *
 *   read_queue_add ─▶ waits ─▶ read_queue_next, read_queue_send ─▶ on the way ─▶ read_queue_remove
 *                       ▲                                            │
 *                       └────────── busy: read_queue_back ◀──────────┘
 *
 * At most `max` are on the way at once, but for an asker of whom none is: its one passes
 * while there are fewer than twice as many.  So whoever asks for many pages delays nobody
 * else's first.  Who asks is a pointer (link_read.asker) that is compared and no more;
 * those who say nobody count as one.
 *
 * Knows no socket and no clock; its requests are their owners'.
 */
#ifndef LINK_READ_QUEUE_H
#define LINK_READ_QUEUE_H

#include "link_read.h"

struct read_asker;
struct read_queue {
    unsigned max;            /* fixed */
    unsigned on_the_way;     /* in `sent` */
    struct link_read *sent;  /* asked longest ago first */
    struct read_asker *all;  /* who have any here */
    struct read_asker *turn; /* who have some that wait: whose turn it is first */
};

void read_queue_init(struct read_queue *q, unsigned max);
/* Waits behind what its asker has asked before. */
void read_queue_add(struct read_queue *q, struct link_read *r);
/* To be sent now; NULL: none may, or none waits. */
struct link_read *read_queue_next(const struct read_queue *q);
void read_queue_send(struct read_queue *q, struct link_read *r); /* that one is on its way */
/* It is to be sent again, before what its asker has asked later. */
void read_queue_back(struct read_queue *q, struct link_read *r);
void read_queue_back_all(struct read_queue *q); /* the same with all on the way, in order */
/* Asked once more just now: behind the others on the way. */
void read_queue_again(struct read_queue *q, struct link_read *r);
void read_queue_remove(struct read_queue *q, struct link_read *r); /* answered, or given up */
struct link_read *read_queue_find(const struct read_queue *q, uint64_t ref); /* on the way */
bool read_queue_is_empty(const struct read_queue *q);

#endif
