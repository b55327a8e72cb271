/*
 * zprefix.h - SUB and XSUB: what they subscribe to are the first bytes of topics.
 *
 * All prefixes of a peer are one subscription, so an event comes once, in the order of the
 * log.  It asks the broker for filters that hold all of it, whole levels, and what they
 * bring too much is left out here:
 *
 *   "sensors/"       sensors/#         "sensors/temp"   sensors/#
 *   "" and "temp"    #                 more filters than a subscription may have: #
 *
 * Live from now; what a slow peer does not take waits in ring or store.  When its prefixes
 * change, it goes on at its own position with the new ones.
 *
 * A prefix counts when all topics that can begin with it are permitted: for "a/te", those of
 * a/+/#.  One that does not count brings nothing, until it does.  SUB has no word for that, nor
 * for a gap; whoever wants to know subscribes to topics that nobody can publish to:
 *
 *   $SYS/sluice/gap       {"requested":…}   as at every door
 *   $SYS/sluice/refused   {"prefix":…,"code":"forbidden"}
 */
#ifndef ZMQ_ZPREFIX_H
#define ZMQ_ZPREFIX_H

#include "zpeer.h"

extern const struct zpeer_role zprefix_role;
/* The end of a turn: what was subscribed to in it takes effect.  True: the hub has to do. */
bool zprefixes_turn(struct zmqd *d);

#endif
