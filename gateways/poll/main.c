/*
 * main.c - sluice-poll: long-polling over plain HTTP.
 */
#include <stdlib.h>

#include "gateway.h"
#include "http.h"
#include "log_routes.h"
#include "mem.h"
#include "poll.h"

struct poll_gateway {
    struct site site;
    struct http *http;
    struct poller poller;
};

static void poll_start(struct gateway *g)
{
    struct poll_gateway *p = mem_zalloc(sizeof *p);
    const struct site_parts parts = {g->config, g->authority, g->hub,
                                     g->link,   &g->wheel,    &g->reaper};
    const struct route routes[] = {
        {"GET", "/events/", ROUTE_NO_BODY, poll_open, &p->poller, SUBSCRIBE_PARAMS " wait limit"},
        {"GET", "/events", ROUTE_NO_BODY, poll_open, &p->poller, SUBSCRIBE_PARAMS " wait limit"},
    };

    g->protocol = p;
    poller_init(&p->poller, g->config);
    site_init(&p->site, &parts, "poll");
    site_add(&p->site, routes, ARRAY_LEN(routes));
    log_routes_add(&p->site);
    p->http = http_new(&p->site);
}

static bool poll_listen(struct gateway *g)
{
    struct poll_gateway *p = g->protocol;
    struct listener_options o = http_listener(p->http);

    return gateway_listen_own(g, &o);
}

static void poll_free(struct gateway *g)
{
    struct poll_gateway *p = g->protocol;

    http_free(p->http);
    poller_close(&p->poller);
    site_free(&p->site);
    free(p);
}

/* Whoever asks now and then, without waiting, finds his topic still warm. */
static const struct gateway_spec spec = {.section = "poll",
                                         .linger_ms = 60000,
                                         .start = poll_start,
                                         .listen = poll_listen,
                                         .free = poll_free};

int main(int argc, char **argv)
{
    return gateway_main(&spec, argc, argv);
}
