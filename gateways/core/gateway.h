/*
 * gateway.h - what every gateway process is made of, and its main.
 *
 * A gateway's own main describes itself in a gateway_spec and calls
 * gateway_main, which reads the configuration, connects to the broker, listens,
 * runs the loop, drains on SIGTERM and returns the exit code.
 *
 *     int main(int argc, char **argv) { return gateway_main(&sse, argc, argv); }
 */
#ifndef CORE_GATEWAY_H
#define CORE_GATEWAY_H

#include "config.h"
#include "conn.h"
#include "hub.h"
#include "link.h"
#include "listener.h"
#include "publish_parse.h"
#include "reaper.h"
#include "routes.h"
#include "subscribe.h"

struct gateway_spec;

struct gateway {
    const struct gateway_spec *spec;
    uv_loop_t loop;
    struct config *config;
    struct link *link;
    struct hub *hub;
    struct wheel wheel;
    struct reaper reaper;
    struct conns conns;
    struct routes routes;
    struct http *http;      /* NULL when the spec has no routes, or a carrier of its own */
    struct tls_server *tls; /* NULL: this gateway speaks none */
    struct {
        uint64_t keepalive_ms, retry_ms; /* 0: none */
    } streams;
    struct ws_gateway *ws; /* ws_session.h: NULL when there is none */
    void *protocol;        /* the gateway's own */

    struct admin *admin;
    struct process *process;
    struct listener *listeners[16];
    size_t listener_count;
    uv_check_t check;
    uv_idle_t idle;
    struct wheel_timer tick;
    bool started, ready, draining, empty, abandoned, closing;
};

struct gateway_spec {
    const char *section;          /* of the configuration: "sse" */
    enum config_key allow_origin; /* of that section; used with routes */
    /* Where it serves HTTP when that is not its main door: then only its own routes
     * are there.  0: the section's `listen` and `listen_plain`. */
    enum config_key listen, listen_plain;
    /* Its HTTP routes; those that all HTTP gateways share come behind them. */
    const struct route *routes;
    size_t route_count;
    /* What serves them, after start(); NULL: HTTP/1.1 (http.h). */
    struct listener_options (*carrier)(struct gateway *g);
    enum config_key keepalive, retry; /* of event_stream.h; used with routes, 0: none */
    uint64_t linger_ms;               /* see hub_limits; 0: ten seconds */
    /* Before listening; may be NULL.  False: logged, the process ends. */
    bool (*start)(struct gateway *g);
    /* The end of a turn: everything is handed out.  May be NULL. */
    void (*turn)(struct gateway *g);
    /* The link is up, its filters are registered, publishes follow; and what the broker
     * calls (enum wire_call_op), not yet decoded.  May be NULL. */
    void (*up)(struct gateway *g);
    void (*call)(struct gateway *g, uint8_t op, struct reader body);
    /* After the last connection is closed and, if the broker is there, has said to
     * units of sessions what became of them.  Callbacks of publishes that are still
     * without an answer run after it.  May be NULL. */
    void (*stop)(struct gateway *g);
};

int gateway_main(const struct gateway_spec *spec, int argc, char **argv);

/* Listens on a CONFIG_LIST of addresses, asking auth first, with TLS when that is
 * configured, or without it in any case; for gateways that do not speak HTTP, from
 * start().  False: logged. */
bool gateway_listen(struct gateway *g, const char *addresses, const struct listener_options *o);
bool gateway_listen_plain(struct gateway *g, const char *addresses,
                          const struct listener_options *o);
/* The hub has a turn again before the loop sleeps; for what happens in turn(). */
void gateway_wake(struct gateway *g);
/* Limits out of the configuration, as of now. */
struct subscribe_limits gateway_subscribe_limits(const struct gateway *g);
struct publish_limits gateway_publish_limits(const struct gateway *g);

static inline struct gateway *gateway_of(const struct exchange *x)
{
    return x->gateway;
}

#endif
