/*
 * main.c - sluice-sse: Server-Sent Events and NDJSON over HTTP.
 */
#include <stdlib.h>

#include "event_stream.h"
#include "gateway.h"
#include "http.h"
#include "log_routes.h"
#include "mem.h"

struct sse {
    struct site site;
    struct http *http;
    struct event_streams streams;
};

static void sse_start(struct gateway *g)
{
    struct sse *sse = mem_zalloc(sizeof *sse);
    const struct site_parts parts = {g->config, g->authority, g->hub,
                                     g->link,   &g->wheel,    &g->reaper};
    const struct route routes[] = {
        {"GET", "/events/", ROUTE_NO_BODY, event_stream_open, &sse->streams, EVENT_STREAM_PARAMS},
        {"GET", "/events", ROUTE_NO_BODY, event_stream_open, &sse->streams, EVENT_STREAM_PARAMS},
    };

    g->protocol = sse;
    sse->streams.keepalive_ms = config_num(g->config, CFG_SSE_KEEPALIVE);
    sse->streams.announce = config_bool(g->config, CFG_SSE_ANNOUNCE);
    sse->streams.retry_ms = config_num(g->config, CFG_SSE_RETRY);
    site_init(&sse->site, &parts, "sse");
    site_add(&sse->site, routes, ARRAY_LEN(routes));
    log_routes_add(&sse->site);
    sse->http = http_new(&sse->site);
}

static bool sse_listen(struct gateway *g)
{
    struct sse *sse = g->protocol;
    struct listener_options o = http_listener(sse->http);

    return gateway_listen_own(g, &o);
}

static void sse_free(struct gateway *g)
{
    struct sse *sse = g->protocol;

    http_free(sse->http);
    site_free(&sse->site);
    free(sse);
}

static const struct gateway_spec spec = {
    .section = "sse", .start = sse_start, .listen = sse_listen, .free = sse_free};

int main(int argc, char **argv)
{
    return gateway_main(&spec, argc, argv);
}
