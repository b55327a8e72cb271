/*
 * clients.c - connections and packets: who has come, and whom each packet is for.
 *
 * Happy path: the transport hands on whole packets; the first is a CONNECT, then each
 * goes to whom it is for.  Answers gather and leave in one write at the end of the turn.
 *
 * A client that publishes faster than the broker commits, or does not read its answers,
 * is not read any further until that is over: its own socket is where its packets queue
 * up, and that time does not count against its keep-alive.
 *
 * How it fails: whatever breaks the protocol ends the connection with the reason that
 * the specification names, in a DISCONNECT (5.0) or by the close alone (3.1.1, or before
 * CONNACK), at the end of the turn.
 */
#include "clients.h"

#include <utlist.h>

#include "client_life.h"
#include "connect.h"
#include "identity.h"
#include "inbound.h"
#include "mem.h"
#include "metrics.h"
#include "outbound.h"
#include "waiting.h"

#define ANSWERS_MAX (64u * 1024) /* unread answers; then the client is not read */

/* --- packets ---------------------------------------------------------------------- */

static bool clients_answers_unread(const struct client *c)
{
    const struct conn *conn = c->transport.conn;

    return conn != NULL && c->out.len + conn->out.len > ANSWERS_MAX;
}

static enum mqtt_reason clients_take_disconnect(struct client *c, struct slice body)
{
    uint32_t max = c->mqtt->settings.max_session_expiry, expiry;
    struct mqtt_reasoned m;
    enum mqtt_reason reason = mqtt_disconnect_get(c->version, body, &m);

    if (reason != MQTT_OK)
        return reason;
    expiry = mqtt_prop_number(&m.props, MQTT_PROP_SESSION_EXPIRY, c->expiry);
    if (c->expiry == 0 && expiry != 0)
        return MQTT_PROTOCOL_ERROR; /* 3.14.2.2.2 */
    c->expiry = expiry < max ? expiry : max;
    client_finish(c, m.reason != MQTT_OK);
    return MQTT_OK;
}

static enum mqtt_reason clients_take_ack(struct client *c, enum mqtt_type type, struct slice body)
{
    struct mqtt_ack m;
    enum mqtt_reason reason = mqtt_ack_get(c->version, type, body, &m);

    if (reason == MQTT_OK)
        outbound_ack(c->session, type, &m);
    return reason;
}

static void clients_say_pong(struct client *c)
{
    struct buf *b = &c->mqtt->packet;

    buf_clear(b);
    mqtt_pingresp_put(b);
    client_write(c, buf_slice(b));
}

static enum mqtt_reason clients_take_auth(struct client *c, struct slice body)
{
    struct mqtt_reasoned m;
    enum mqtt_reason reason = mqtt_auth_get(body, &m);

    return reason == MQTT_OK ? identity_renew(c, &m) : reason;
}

static enum mqtt_reason clients_take(struct client *c, const struct mqtt_head *h, struct slice body)
{
    enum mqtt_reason reason = mqtt_head_check(c->version, h);

    if (reason != MQTT_OK)
        return reason;
    switch (h->type) {
    case MQTT_PUBLISH:
        return inbound_publish(c, h->flags, body);
    case MQTT_PUBREL:
        return inbound_pubrel(c, body);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
        return clients_take_ack(c, h->type, body);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return waiting_take(c, h->type, body);
    case MQTT_PINGREQ:
        clients_say_pong(c);
        return MQTT_OK;
    case MQTT_DISCONNECT:
        return clients_take_disconnect(c, body);
    case MQTT_AUTH:
        return clients_take_auth(c, body);
    default: /* a second CONNECT */
        return MQTT_PROTOCOL_ERROR;
    }
}

static void clients_on_pause_over(struct wheel_timer *t)
{
    struct client *c = CONTAINER_OF(t, struct client, pause);

    c->paused = false;
    client_unblock(c);
    gateway_wake(c->mqtt->gateway);
}

/* Whoever is counted by inbound_wait must be taken then: it is asked last. */
static bool clients_publish_pauses(struct client *c, const struct mqtt_head *h, struct slice body)
{
    uint64_t ms = c->paused ? 1 : inbound_wait(c, h->flags, body);

    if (ms > 0 && !c->paused) {
        c->paused = true;
        wheel_start(&c->mqtt->gateway->wheel, &c->pause, ms, clients_on_pause_over);
    }
    return ms > 0;
}

static bool clients_publish_blocked(struct client *c, const struct mqtt_head *h, struct slice body)
{
    if (waiting_keeps_publishes(c))
        return true;
    if (!inbound_full(c))
        return clients_publish_pauses(c, h, body);
    c->mqtt->link_full |= link_publish_full(c->mqtt->gateway->link);
    return true;
}

static bool clients_is_on_its_way(const struct client *c)
{
    return c->state == CLIENT_ASKING || c->state == CLIENT_ATTACHING;
}

/* What blocks it ends in client_up, clients_on_writable, an acknowledgement, a SUBACK, the
 * answer to an AUTH, the end of a pause, or clients_unblock_all. */
static bool clients_is_blocked(struct client *c, const struct mqtt_head *h, struct slice body)
{
    if (clients_is_on_its_way(c) || clients_answers_unread(c))
        return true;
    if (c->state == CLIENT_NEW)
        return false;
    switch (h->type) {
    case MQTT_PUBLISH:
        return clients_publish_blocked(c, h, body);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return !waiting_has_room(c, h->remaining);
    case MQTT_AUTH:
        return identity_is_asked(c);
    default:
        return false;
    }
}

static void clients_take_first(struct client *c, const struct mqtt_head *h, struct slice body)
{
    if (h->type != MQTT_CONNECT || h->flags != 0) {
        client_end_now(c, MQTT_PROTOCOL_ERROR, "the first packet is no CONNECT");
        return;
    }
    conn_timer(c->transport.conn, 0, NULL);
    connect_take(c, body);
}

static bool clients_on_packet(struct transport *t, const struct mqtt_head *h, struct slice body)
{
    struct client *c = CONTAINER_OF(t, struct client, transport);
    enum mqtt_reason reason;

    if (c->ending)
        return true; /* it does not know yet */
    if (clients_is_blocked(c, h, body)) {
        c->unread = true;
        return false;
    }
    c->unread = false;
    c->packet = h->type;
    c->heard = c->mqtt->gateway->wheel.tick;
    c->mqtt->report.messages_received++;
    metric_add(M_MQTT_PACKETS_RECEIVED, 1);
    if (c->state == CLIENT_NEW) {
        clients_take_first(c, h, body);
        return true;
    }
    reason = clients_take(c, h, body);
    if (reason != MQTT_OK)
        client_end(c, reason, NULL);
    c->packet = c->ending ? c->packet : 0;
    return true;
}

static void clients_on_refused(struct transport *t, enum mqtt_reason reason)
{
    struct client *c = CONTAINER_OF(t, struct client, transport);

    if (clients_is_on_its_way(c))
        connect_refuse(c, reason); /* it is owed a CONNACK */
    else
        client_end_now(c, reason, NULL);
}

static void clients_on_frames_closed(struct transport *t)
{
    client_leave(CONTAINER_OF(t, struct client, transport));
}

static const struct transport_ops clients_transport_ops = {
    .packet = clients_on_packet, .refused = clients_on_refused, .closed = clients_on_frames_closed};

/* --- the end of the turn ---------------------------------------------------------- */

/* Whoever closes half of the connection is gone; what came before is still taken. */
static bool clients_is_gone(const struct client *c)
{
    return c->state != CLIENT_ENDED && !c->ending && !c->unread && c->transport.conn->eof_seen;
}

static void clients_go_on(struct client *c)
{
    enum mqtt_reason reason = MQTT_OK;

    if (c->pump) {
        c->pump = false;
        reason = waiting_resume(c);
    }
    if (reason != MQTT_OK)
        client_end(c, reason, NULL);
    if (!c->ending && c->unread)
        transport_pump(&c->transport);
    if (clients_is_gone(c))
        client_leave(c);
}

static void clients_turn_one(struct client *c)
{
    client_leave_turn(c);
    if (!c->ending)
        clients_go_on(c);
    if (c->state == CLIENT_ENDED)
        return;
    if (c->ending)
        client_over(c);
    else
        client_flush(c);
}

/* The link has room again: whoever waited for that looks for himself. */
static void clients_unblock_all(struct mqttd *m)
{
    struct client *c;

    m->link_full = false;
    DL_FOREACH (m->clients, c) {
        client_unblock(c);
    }
}

void clients_turn(struct mqttd *m)
{
    if (m->link_full && !link_publish_full(m->gateway->link))
        clients_unblock_all(m);
    while (m->busy != NULL)
        clients_turn_one(m->busy);
}

/* --- the connection --------------------------------------------------------------- */

static struct client *clients_add(struct mqttd *m, struct conn *conn, bool websocket)
{
    struct client *c = mem_zalloc(sizeof *c);

    c->mqtt = m;
    transport_init(&c->transport, &m->transports, conn, websocket, &clients_transport_ops);
    DL_APPEND(m->clients, c);
    return c;
}

static void clients_on_opened(struct conn *conn)
{
    struct client *c = clients_add(conn->data, conn, false);

    conn->data = c;
    client_await_connect(c);
}

void clients_open_websocket(struct mqttd *m, struct conn *conn, const struct caller *shown)
{
    struct client *c = clients_add(m, conn, true);

    caller_copy(&c->caller, shown);
    conn_take_over(conn, &clients_conn_ops, c);
    if (c->state == CLIENT_NEW)
        client_await_connect(c);
}

static size_t clients_on_input(struct conn *conn, struct slice in)
{
    struct client *c = conn->data;

    return transport_input(&c->transport, in);
}

static void clients_on_writable(struct conn *conn)
{
    struct client *c = conn->data;

    if (c->session != NULL)
        outbound_writable(c->session);
    client_unblock(c);
}

static void clients_on_eof(struct conn *conn)
{
    struct client *c = conn->data;

    if (clients_is_gone(c))
        client_leave(c);
}

static void clients_on_drain(struct conn *conn)
{
    struct client *c = conn->data;
    bool elsewhere = c->mqtt->settings.server_reference != NULL;

    if (clients_is_on_its_way(c))
        connect_refuse(c, elsewhere ? MQTT_USE_ANOTHER : MQTT_UNAVAILABLE);
    else
        client_end_now(c, elsewhere ? MQTT_USE_ANOTHER : MQTT_SHUTTING_DOWN, NULL);
}

static void clients_on_gone(struct conn *conn)
{
    struct client *c = conn->data;

    client_gone(c);
}

const struct conn_ops clients_conn_ops = {.opened = clients_on_opened,
                                          .input = clients_on_input,
                                          .writable = clients_on_writable,
                                          .eof = clients_on_eof,
                                          .drain = clients_on_drain,
                                          .gone = clients_on_gone};
