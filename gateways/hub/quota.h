/*
 * quota.h - what one client may hold of a gateway's filters.
 *
 * A gateway has so many different filters ([limits] max_filters_total).  A client may hold a
 * sixteenth of those that are free: many clients share what is left, and no few of them
 * can use it up.  The levels of its filters are counted too, for they are what a node of the
 * tree and a look at it cost.
 */
#ifndef HUB_QUOTA_H
#define HUB_QUOTA_H

#include "bytes.h"

struct hub;
struct subscription;

/* Embedded in what stands for the client: a connection, a session.  Zero to begin with; it
 * outlives the subscriptions that are charged to it. */
struct quota {
    size_t filters, levels;
};

/* False, counted: the client would hold more than its share. */
bool quota_allows(const struct hub *h, const struct quota *q, const struct slice *filters,
                  size_t count) MUST_CHECK;
/* Of one filter: those with '+' count more. */
size_t quota_levels(struct slice filter);
/* Until it is closed. */
void quota_charge(struct quota *q, struct subscription *s);
void quota_release(struct subscription *s);

/* Whom what is read for s is for (link_read.asker): its client, else s alone. */
const void *quota_asker(const struct subscription *s);

#define QUOTA_TEXT "The client's share of filters is used up"

#endif
