/*
 * zcursor.h - the subscriptions of a DEALER: each a cursor with a ref of its own.
 *
 *   ["subscribe", ref, filters, options]   ["ok", ref, ID]: live, or its replay has begun
 *                                          ["event", ref, ID, topic, properties, payload]…
 *   ["credit", ref, n]                     n events more; nothing is answered
 *   ["unsubscribe", ref]                   ["ok", ref, ID]: everything up to there was sent
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

#endif
