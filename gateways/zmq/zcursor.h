/*
 * zcursor.h - the subscriptions of a DEALER: each a cursor with a ref of its own.
 *
 *   ["subscribe", ref, filters, options]   ["ok", ref, ID]: live, or its replay has begun
 *                                          ["event", ref, ID, topic, properties, payload]…
 *   ["credit", ref, n]                     n events more; nothing is answered
 *   ["unsubscribe", ref]                   ["ok", ref, ID]: everything up to there was sent
 *
 * One that may not go on ends with the same "ok", and "error" behind it.
 *
 * Without `credit` among its options a subscription is sent whatever its peer takes.  With
 * it, it stops when the credit is used up, and waits in ring or store: nothing is lost.
 */
#ifndef ZMQ_ZCURSOR_H
#define ZMQ_ZCURSOR_H

#include "zanswer.h"

void zcursor_subscribe(struct zpeer *p, const struct zanswer *to, struct slice filters,
                       struct slice options);
void zcursor_unsubscribe(struct zpeer *p, const struct zanswer *to);
void zcursor_credit(struct zpeer *p, const struct zanswer *to, struct slice more);
void zcursors_resume(struct zpeer *p); /* it can be written to again */
void zcursors_end(struct zpeer *p);    /* idempotent */
/* It may do less: those that are not permitted any more end, each told how far it came. */
void zcursors_review(struct zpeer *p);
void zcursors_tell(struct zpeer *p); /* how far each came */

#endif
