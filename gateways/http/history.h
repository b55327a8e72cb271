/*
 * history.h - the events that are kept, for every HTTP gateway.
 *
 *   GET /history/{filter}?after=&since=&until=&limit=&order=   a page of events
 */
#ifndef HTTP_HISTORY_H
#define HTTP_HISTORY_H

#include "exchange.h"
#include "subscribe.h"

#define HISTORY_PARAMS SUBSCRIBE_PARAMS " until limit order"
void history_events(struct exchange *x);

#endif
