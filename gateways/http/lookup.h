/*
 * lookup.h - what one question to the broker answers, for every HTTP gateway.
 *
 *   GET /history?id=                      one event
 *   GET /topics?filter=&after=&limit=     a page of topics
 */
#ifndef HTTP_LOOKUP_H
#define HTTP_LOOKUP_H

#include "exchange.h"

void lookup_event(struct exchange *x);
void lookup_topics(struct exchange *x);

#endif
