/*
 * listing.h - GET /topics?filter=&after=&limit=: a page of the topics there are, of those that
 * the client may subscribe to.
 */
#ifndef HTTP_LISTING_H
#define HTTP_LISTING_H

#include "exchange.h"

void listing_topics(struct exchange *x);

#endif
