/*
 * main.c - sluice-ws: WebSocket, with the subprotocols sluice.json and sluice.raw.
 */
#include <stdlib.h>

#include "gateway.h"
#include "http.h"
#include "log_routes.h"
#include "mem.h"
#include "ws_gateway.h"

struct ws {
    struct site site;
    struct http *http;
    struct ws_gateway *sessions;
};

static void ws_wake(void *g)
{
    gateway_wake(g);
}

static void ws_start(struct gateway *g)
{
    struct ws *ws = mem_zalloc(sizeof *ws);
    const struct site_parts parts = {g->config, g->authority, g->hub,
                                     g->link,   &g->wheel,    &g->reaper};

    g->protocol = ws;
    site_init(&ws->site, &parts, "ws");
    ws->sessions = ws_gateway_new(&ws->site, ws_wake, g);
    site_add(&ws->site,
             (const struct route[]){
                 {"GET", "/events/", ROUTE_TUNNEL, ws_upgrade, ws->sessions, SUBSCRIBE_PARAMS},
                 {"GET", "/events", ROUTE_TUNNEL, ws_upgrade, ws->sessions, SUBSCRIBE_PARAMS},
             },
             2);
    log_routes_add(&ws->site);
    ws->http = http_new(&ws->site);
}

static bool ws_listen(struct gateway *g)
{
    struct ws *ws = g->protocol;
    struct listener_options o = http_listener(ws->http);

    return gateway_listen_own(g, &o);
}

static void ws_turn_end(struct gateway *g)
{
    struct ws *ws = g->protocol;

    if (ws_gateway_turn(ws->sessions))
        gateway_wake(g);
}

static void ws_free(struct gateway *g)
{
    struct ws *ws = g->protocol;

    http_free(ws->http);
    ws_gateway_free(ws->sessions);
    site_free(&ws->site);
    free(ws);
}

static const struct gateway_spec spec = {
    .section = "ws", .start = ws_start, .listen = ws_listen, .turn = ws_turn_end, .free = ws_free};

int main(int argc, char **argv)
{
    return gateway_main(&spec, argc, argv);
}
