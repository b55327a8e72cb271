/*
 * zmq_gateway.c - the process: what a peer's type makes of it, listeners, the turn's end.
 *
 * An address may be written as ZeroMQ's users do: tcp://127.0.0.1:5550,
 * with a star for any host.
 */
#include "zmq_gateway.h"

#include <stdlib.h>

#include "mem.h"
#include "zauth.h"
#include "zpeer.h"
#include "zprefix.h"
#include "zpublish.h"
#include "zrequest.h"

static struct zmqd *zmqd_of(struct gateway *g)
{
    return g->protocol;
}

void zmq_gateway_start(struct gateway *g)
{
    struct zmqd *d = mem_zalloc(sizeof *d);

    g->protocol = d;
    d->gateway = g;
    d->roles[ZMTP_DEALER] = d->roles[ZMTP_REQ] = &zrequest_role;
    d->roles[ZMTP_SUB] = d->roles[ZMTP_XSUB] = &zprefix_role;
    d->roles[ZMTP_PUSH] = &zpublish_push_role;
    d->roles[ZMTP_PUB] = &zpublish_pub_role;
}

/* What a client over a limit is told: the greeting, and ERROR behind it. */
static struct slice refusal_make(struct zmqd *d)
{
    uint8_t greeting[ZMTP_GREETING_SIZE];
    enum zmtp_mechanism m = d->served[ZMTP_NULL] || !d->served[ZMTP_CURVE] ? ZMTP_NULL : ZMTP_CURVE;

    zmtp_greeting_put(greeting, zmtp_mechanism_name(m), m != ZMTP_NULL);
    buf_put(&d->refusal, greeting, sizeof greeting);
    zmtp_error_put(&d->refusal, "A limit on connections is reached");
    return buf_slice(&d->refusal);
}

/* "tcp://" goes, and "*" as a host. */
static char *addresses_make(const char *list)
{
    struct slice rest = slice_of(list), one;
    struct buf b = {0};

    while (config_list_next(&rest, &one)) {
        if (slice_starts(one, SLICE("tcp://")))
            one = (struct slice){one.p + 6, one.len - 6};
        if (slice_starts(one, SLICE("*:")))
            one = (struct slice){one.p + 1, one.len - 1};
        buf_puts(&b, b.len > 0 ? "," : "");
        buf_put_slice(&b, one);
    }
    buf_u8(&b, '\0');
    return (char *)b.p;
}

bool zmq_gateway_listen(struct gateway *g)
{
    struct zmqd *d = zmqd_of(g);
    struct listener_options o = {
        .conn_size = sizeof(struct zpeer), .ops = &zpeer_conn_ops, .data = d};
    char *addresses;
    bool ok;

    zmqd_read(d, g->config);
    if (!zauth_read(d, g->config))
        return false;
    o.refusal = refusal_make(d);
    addresses = addresses_make(config_address(g->config, CFG_ZMQ_LISTEN));
    ok = gateway_listen_plain(g, addresses, &o);
    free(addresses);
    return ok;
}

void zmq_gateway_turn(struct gateway *g)
{
    struct zmqd *d = zmqd_of(g);

    zpeers_turn(d);
    if (zprefixes_turn(d))
        gateway_wake(g);
}

void zmq_gateway_free(struct gateway *g)
{
    struct zmqd *d = zmqd_of(g);

    zmqd_free(d);
    free(d);
}
