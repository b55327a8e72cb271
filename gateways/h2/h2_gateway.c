/*
 * h2_gateway.c - what the connections of the process share, from its start to its end.
 */
#include "h2_gateway.h"

#include <stdlib.h>

#include "h2.h"
#include "mem.h"

static struct h2_session_limits session_limits(const struct config *c)
{
    return (struct h2_session_limits){.max_streams = (uint32_t)config_num(c, CFG_H2_MAX_STREAMS),
                                      .window = (uint32_t)config_num(c, CFG_H2_WINDOW),
                                      .max_header = config_num(c, CFG_MAX_HEADER),
                                      .glitches = config_num(c, CFG_H2_GLITCHES),
                                      .glitch_rate = config_num(c, CFG_H2_GLITCH_RATE)};
}

struct h2 *h2_new(struct site *site, void (*wake)(void *arg), void *arg)
{
    struct h2 *h2 = mem_zalloc(sizeof *h2);
    const struct config *c = site->use.config;

    h2->site = site;
    h2->wake = wake;
    h2->wake_arg = arg;
    h2->session = session_limits(c);
    h2->bodies_max.max_payload = config_num(c, CFG_MAX_PAYLOAD);
    h2->bodies_max.max_body = config_num(c, CFG_MAX_BODY);
    h2->bodies.bytes_max = http_bodies_max(c);
    h2->header_timeout = config_num(c, CFG_HEADER_TIMEOUT);
    h2->body_timeout = config_num(c, CFG_BODY_TIMEOUT);
    h2->idle_timeout = config_num(c, CFG_IDLE_TIMEOUT);
    h2->streams_max = config_num(c, CFG_H2_MAX_STREAMS_TOTAL);
    h2->held.max = config_num(c, CFG_RING_PINNED);
    h2->held.cut = h2_send_held_cut;
    return h2;
}

void h2_free(struct h2 *h2)
{
    if (h2 != NULL)
        gather_pool_free(&h2->pool);
    free(h2);
}

bool h2_turn(struct h2 *h2)
{
    bool again = false;

    while (h2->speaking != NULL)
        again |= h2_conn_turn(h2->speaking);
    return again;
}

/* A client over a limit is told by closing: it has not said yet that it speaks HTTP/2.
 * HTTP/1.1 may be chosen, for a 505 says more than an alert of TLS's. */
struct listener_options h2_listener(struct h2 *h2)
{
    static const char *const alpn[] = {"h2", "http/1.1", NULL};

    return (struct listener_options){
        .conn_size = sizeof(struct h2_conn), .ops = &h2_conn_ops, .data = h2, .alpn = alpn};
}
