/*
 * log_routes.c - a table.
 */
#include "log_routes.h"

#include "history.h"
#include "listing.h"
#include "lookup.h"
#include "mem.h"
#include "publish.h"

void log_routes_add(struct site *s)
{
    static const struct route routes[] = {
        {"POST", "/events/", ROUTE_PAYLOAD, publish_event, NULL, NULL},
        {"POST", "/events", ROUTE_BATCH, publish_batch, NULL, NULL},
        {"GET", "/history/", ROUTE_NO_BODY, history_events, NULL, HISTORY_PARAMS},
        {"GET", "/history", ROUTE_NO_BODY, lookup_event, NULL, "id"},
        {"DELETE", "/history/", ROUTE_NO_BODY, publish_remove, NULL, NULL},
        {"GET", "/topics", ROUTE_NO_BODY, listing_topics, NULL, "filter after limit"},
    };

    site_add(s, routes, ARRAY_LEN(routes));
}
