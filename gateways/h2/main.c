/*
 * main.c - sluice-h2: everything that HTTP offers, over HTTP/2.
 */
#include <stdlib.h>

#include "event_stream.h"
#include "gateway.h"
#include "h2_gateway.h"
#include "log_routes.h"
#include "mem.h"
#include "ws_gateway.h"

struct h2_process {
    struct site site;
    struct h2 *h2;
    struct event_streams streams;
    struct ws_gateway *sockets;
};

static void h2_wake(void *g)
{
    gateway_wake(g);
}

static void h2_start(struct gateway *g)
{
    struct h2_process *p = mem_zalloc(sizeof *p);
    const struct site_parts parts = {g->config, g->authority, g->hub,
                                     g->link,   &g->wheel,    &g->reaper};

    g->protocol = p;
    p->streams.keepalive_ms = config_num(g->config, CFG_H2_KEEPALIVE);
    p->streams.announce = config_bool(g->config, CFG_H2_ANNOUNCE);
    p->streams.retry_ms = config_num(g->config, CFG_H2_RETRY);
    site_init(&p->site, &parts, "h2");
    p->sockets = ws_gateway_new(&p->site, h2_wake, g);
    site_add(
        &p->site,
        (const struct route[]){
            {"GET", "/events/", ROUTE_NO_BODY, event_stream_open, &p->streams, EVENT_STREAM_PARAMS},
            {"GET", "/events", ROUTE_NO_BODY, event_stream_open, &p->streams, EVENT_STREAM_PARAMS},
            {"CONNECT", "/events/", ROUTE_TUNNEL, ws_upgrade, p->sockets, SUBSCRIBE_PARAMS},
            {"CONNECT", "/events", ROUTE_TUNNEL, ws_upgrade, p->sockets, SUBSCRIBE_PARAMS},
        },
        4);
    log_routes_add(&p->site);
    p->h2 = h2_new(&p->site, h2_wake, g);
}

static bool h2_listen(struct gateway *g)
{
    struct h2_process *p = g->protocol;
    struct listener_options o = h2_listener(p->h2);

    return gateway_listen_own(g, &o);
}

/* What WebSockets have gathered goes into their connections' own gathering first. */
static void h2_turn_end(struct gateway *g)
{
    struct h2_process *p = g->protocol;
    bool more = ws_gateway_turn(p->sockets);

    if (h2_turn(p->h2) || more)
        gateway_wake(g);
}

static void h2_process_free(struct gateway *g)
{
    struct h2_process *p = g->protocol;

    h2_free(p->h2);
    ws_gateway_free(p->sockets);
    site_free(&p->site);
    free(p);
}

static const struct gateway_spec spec = {.section = "h2",
                                         .start = h2_start,
                                         .listen = h2_listen,
                                         .turn = h2_turn_end,
                                         .free = h2_process_free};

int main(int argc, char **argv)
{
    return gateway_main(&spec, argc, argv);
}
