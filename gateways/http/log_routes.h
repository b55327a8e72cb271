/*
 * log_routes.h - the routes to the log that every HTTP gateway has beside its own.
 *
 *   POST /events/{topic}   POST /events            publish.h
 *   GET /history/{filter}  GET /history?id=        history.h, lookup.h
 *   GET /topics            DELETE /history/{topic}
 */
#ifndef HTTP_LOG_ROUTES_H
#define HTTP_LOG_ROUTES_H

#include "site.h"

/* Behind the gateway's own, which come first where both match. */
void log_routes_add(struct site *s);

#endif
