/*
 * gateway.h - what every gateway process is made of, and its main.
 *
 * A gateway's own main describes itself in a gateway_spec and calls
 * gateway_main, which reads the configuration, connects to the broker, listens,
 * runs the loop, drains on SIGTERM and returns the exit code.
 *
 *     int main(int argc, char **argv) { return gateway_main(&sse, argc, argv); }
 */
#ifndef GATEWAYS_GATEWAY_H
#define GATEWAYS_GATEWAY_H

#include "config.h"
#include "conn.h"
#include "hub.h"
#include "link.h"
#include "listener.h"
#include "reaper.h"

struct gateway_spec;

struct authority;

struct gateway {
    const struct gateway_spec *spec;
    uv_loop_t loop;
    struct config *config;
    struct link *link;
    struct hub *hub;
    struct authority *authority; /* who is believed */
    struct wheel wheel;
    struct reaper reaper;
    struct conns conns;
    char *claims;           /* the folder of conns' claims */
    struct tls_server *tls; /* NULL: this gateway speaks none */
    void *protocol;         /* the gateway's own; set by start() */

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
    const char *section; /* of the configuration: "sse" */
    uint64_t linger_ms;  /* see hub_limits; 0: ten seconds */
    /* Makes g->protocol, before anybody can come. */
    void (*start)(struct gateway *g);
    /* Opens the doors, after start().  False: logged, the process ends. */
    bool (*listen)(struct gateway *g);
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
    /* After the loop, nothing runs any more; frees g->protocol.  May be NULL. */
    void (*free)(struct gateway *g);
};

int gateway_main(const struct gateway_spec *spec, int argc, char **argv);

/* For listen().  On a CONFIG_LIST of addresses, asking auth first: with TLS when that is
 * configured, or without it in any case.  False: logged. */
bool gateway_listen(struct gateway *g, const char *addresses, const struct listener_options *o);
bool gateway_listen_plain(struct gateway *g, const char *addresses,
                          const struct listener_options *o);
/* Both, on what `listen` and `listen_plain` of the gateway's section say. */
bool gateway_listen_own(struct gateway *g, const struct listener_options *o);
/* The hub has a turn again before the loop sleeps; for what happens in turn(). */
void gateway_wake(struct gateway *g);

#endif
