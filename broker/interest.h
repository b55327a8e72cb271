/*
 * interest.h - which gateways want which topics.
 *
 * All gateways' filters live in one tree: a filter's value is the set of
 * gateways that asked for it, each with a count.  What a topic's name matches is
 * remembered per topic number, so the hot path is an array lookup; any change of
 * filters begins a new generation, in which each topic is matched anew once.
 */
#ifndef BROKER_INTEREST_H
#define BROKER_INTEREST_H

#include "bytes.h"
#include "slots.h"

struct interest;
struct wanted; /* one filter, with those who want it */

struct interest *interest_new(void);
void interest_free(struct interest *in); /* every filter has been dropped */

/* The filter is valid.  Counts: as many drops as adds end it. */
struct wanted *interest_add(struct interest *in, struct slice filter, unsigned slot);
void interest_drop(struct interest *in, struct wanted *w, unsigned slot);

/* Who wants the topic of that number and name; valid until the next call into
 * this module. */
const struct slots *interest_of_topic(struct interest *in, uint32_t topic,
                                      struct slice (*name)(void *arg, uint32_t topic), void *arg);
/* The topic of that number is no more: the next of that number is another. */
void interest_forget(struct interest *in, uint32_t topic);
struct slots interest_of_name(const struct interest *in, struct slice name);

#endif
