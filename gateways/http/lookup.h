/*
 * lookup.h - GET /history?id=: one event.
 */
#ifndef HTTP_LOOKUP_H
#define HTTP_LOOKUP_H

#include "exchange.h"

void lookup_event(struct exchange *x);

#endif
