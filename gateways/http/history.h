/*
 * history.h - reading what is kept, for every HTTP gateway.
 *
 *   GET /history/{filter}?after=&since=&until=&limit=&order=   a page of events
 *   GET /history?id=                                           one event
 *   GET /topics?filter=&after=&limit=                          a page of topics
 */
#ifndef HTTP_HISTORY_H
#define HTTP_HISTORY_H

#include "exchange.h"

void history_events(struct exchange *x);
void history_event(struct exchange *x);
void history_topics(struct exchange *x);

#endif
