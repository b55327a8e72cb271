/*
 * publish.h - publishing over HTTP, for every HTTP gateway.
 *
 * An answer leaves after the commit: 201 with the ID, 200 with the first ID for
 * a producer's repeat, or a problem that says whether it may have been stored.
 */
#ifndef HTTP_PUBLISH_H
#define HTTP_PUBLISH_H

#include "exchange.h"
#include "wire.h"

void publish_event(struct exchange *x);  /* POST /events/{topic} */
void publish_batch(struct exchange *x);  /* POST /events */
void publish_remove(struct exchange *x); /* DELETE /history/{topic} */

/* The problem that a refused publish is answered with; any gateway's. */
void publish_problem(struct problem *p, const struct wire_ack *a);

#endif
