/*
 * zrequest.h - DEALER and REQ: applications, who ask in messages of a few parts.
 *
 *   "publish"     ref topic headers payload     "ping"         ref
 *   "subscribe"   ref filters options           "unsubscribe"  ref
 *   "history"     ref filters options           "credit"       ref n
 *
 * An empty first part, as a REQ puts it there, is mirrored in what is answered.  A ref is
 * any bytes, 256 at most.  What is malformed is answered where it names a ref (or can be
 * answered without), counted, and harms nobody.
 */
#ifndef ZMQ_ZREQUEST_H
#define ZMQ_ZREQUEST_H

#include "zpeer.h"

extern const struct zpeer_role zrequest_role;

#endif
