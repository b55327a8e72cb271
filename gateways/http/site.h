/*
 * site.h - what a process serves over HTTP: its routes, who may call them from
 * elsewhere, and what their handlers work with.
 *
 * Made by the gateway's start, borrowed by the carrier (http.h, or HTTP/2) and, as
 * x->site, by every exchange.  Loop thread.
 */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include "gatekeeper.h"
#include "publish_parse.h"
#include "routes.h"
#include "subscribe.h"

struct link;
struct reaper;
struct wheel;

/* Borrowed; they outlive the site's last exchange. */
struct site_parts {
    const struct config *config;
    struct authority *authority; /* NULL: everybody may do everything */
    struct hub *hub;
    struct link *link;
    struct wheel *wheel;
    struct reaper *reaper;
};

/* History documents: see history.c. */
struct events_query;
struct site_documents {
    size_t bytes; /* of those composed and those not yet sent */
    struct events_query *waiting;
    unsigned waiting_count;
};

struct site {
    struct site_parts use;
    const char *door; /* the gateway's own section: "sse" */
    struct gatekeeper gatekeeper;
    struct site_documents documents;
    struct routes routes;
    struct run *run; /* history: events that are being handed over; NULL: never yet */
};

/* section: the gateway's own; stays. */
void site_init(struct site *s, const struct site_parts *parts, const char *section);
/* Behind those that are there; copied. */
void site_add(struct site *s, const struct route *routes, size_t count);
/* A run to fill and hand over at once; cleared. */
struct run *site_run(struct site *s);
void site_free(struct site *s); /* after the last exchange; one that was never made, too */

/* Limits out of the configuration, as of now. */
struct subscribe_limits site_subscribe_limits(const struct site *s);
struct publish_limits site_publish_limits(const struct site *s, const struct caller *who);

#endif
