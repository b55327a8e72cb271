/*
 * zhistory.h - a page of history for a DEALER or REQ.
 *
 *   ["history", ref, filters, options]   ["ok", ref, {"events":[…],"next":"ID","gap":{…}}]
 *
 * The document is that of GET /history; `next` is the following request's `after`.  Options
 * are after, since, last, until, order, limit (100, 1,000 at most) and on_gap.
 *
 * One at a time for each peer, which is not read meanwhile; the documents of all together
 * have a budget, over which the answer is `busy`.
 */
#ifndef ZMQ_ZHISTORY_H
#define ZMQ_ZHISTORY_H

#include "zanswer.h"

void zhistory_ask(struct zpeer *p, const struct zanswer *to, struct slice filters,
                  struct slice options);
void zhistory_cancel(struct zpeer *p); /* idempotent */
void zhistory_review(struct zpeer *p); /* it may do less: what is not permitted is refused */

#endif
