/*
 * history.h - the events that are kept, for every HTTP gateway.
 *
 *   GET /history/{filter}?after=&since=&until=&limit=&order=   a page of events
 */
#ifndef HTTP_HISTORY_H
#define HTTP_HISTORY_H

#include "exchange.h"

void history_events(struct exchange *x);

#endif
