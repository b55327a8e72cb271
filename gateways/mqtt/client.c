/*
 * client.c - one MQTT connection, from accept to its end.
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
 * CONNACK).  client_end only marks it, since it may be called from inside the session;
 * clients_turn does it.  The will is published, but after a DISCONNECT of the client's
 * that asks for none.
 */
#include "client.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "aliases.h"
#include "connect.h"
#include "inbound.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "session.h"
#include "waiting.h"

#define OUT_MAX (16u * 1024)     /* gathered answers; then they leave at once */
#define ANSWERS_MAX (64u * 1024) /* unread answers; then the client is not read */

struct slice client_id(const struct client *c)
{
    return slice_of(c->id);
}

/* --- the turn's list ------------------------------------------------------------------ */

static void be_busy(struct client *c)
{
    if (c->busy || c->state == CLIENT_ENDED)
        return;
    c->busy = true;
    DL_APPEND2(c->mqtt->busy, c, busy_prev, busy_next);
}

static void not_busy(struct client *c)
{
    if (!c->busy)
        return;
    c->busy = false;
    DL_DELETE2(c->mqtt->busy, c, busy_prev, busy_next);
}

/* --- what it is told -------------------------------------------------------------------- */

void client_flush(struct client *c)
{
    if (c->out.len == 0)
        return;
    transport_write(&c->transport, (struct slice){(char *)c->out.p, c->out.len});
    buf_free(&c->out);
}

void client_write(struct client *c, struct slice packet)
{
    if (c->ending || c->state == CLIENT_ENDED)
        return;
    c->mqtt->report.messages_sent++;
    buf_put_slice(&c->out, packet);
    if (c->out.len > OUT_MAX)
        client_flush(c);
    be_busy(c);
}

static bool answers_unread(const struct client *c)
{
    const struct conn *conn = c->transport.conn;

    return conn != NULL && c->out.len + conn->out.len > ANSWERS_MAX;
}

static void put_text(struct client *c, struct buf *props)
{
    const char *server = c->mqtt->settings.server_reference;
    bool elsewhere = c->reason == MQTT_USE_ANOTHER || c->reason == MQTT_SERVER_MOVED;

    if (elsewhere && server != NULL)
        mqtt_prop_put_text(props, MQTT_PROP_SERVER_REFERENCE, slice_of(server));
    else if (c->text != NULL)
        mqtt_prop_put_text(props, MQTT_PROP_REASON_STRING, slice_of(c->text));
}

/* Not before CONNACK (MQTT-3.14.0-1), and only in 5.0. */
static void say_disconnect(struct client *c)
{
    struct buf props = {0};

    if (c->version != MQTT_50 || c->state != CLIENT_UP)
        return;
    put_text(c, &props);
    if (!client_takes(c, MQTT_HEAD_MAX + 2 + props.len))
        props.len = 0;
    mqtt_disconnect_put(&c->out, c->reason, (struct slice){(char *)props.p, props.len});
    buf_free(&props);
}

/* --- its end ------------------------------------------------------------------------------ */

/* All that it has, but for its connection. */
static void end(struct client *c, bool will)
{
    struct mqttd *m = c->mqtt;

    if (c->state == CLIENT_UP)
        m->report.clients_connected--;
    c->state = CLIENT_ENDED;
    not_busy(c);
    inbound_leave(c);
    connect_leave(c);
    waiting_free(c);
    if (c->session != NULL)
        session_end(c->session, will, c->expiry);
    c->session = NULL;
    aliases_in_free(c->aliases);
    buf_free(&c->out);
    free(c->id);
    free(c->user);
    DL_DELETE(m->clients, c);
    reaper_take(&m->gateway->reaper, &c->reaped);
}

static void finish(struct client *c, bool will)
{
    client_flush(c);
    end(c, will);
    transport_finish(&c->transport);
}

static bool is_violation(uint8_t reason)
{
    return reason != MQTT_TAKEN_OVER && reason != MQTT_SHUTTING_DOWN && reason != MQTT_USE_ANOTHER;
}

static void log_violation(struct client *c)
{
    if (!is_violation(c->reason))
        return;
    metric_add(M_MQTT_VIOLATIONS, 1);
    if (mqttd_may_log(c->mqtt))
        log_info("a client was disconnected", LOG_SLICE("client", client_id(c)),
                 LOG_S("reason", mqtt_reason_text(c->reason)),
                 LOG_S("text", c->text != NULL ? c->text : ""));
}

void client_over(struct client *c)
{
    if (c->state == CLIENT_ENDED)
        return;
    say_disconnect(c);
    finish(c, true);
}

void client_end(struct client *c, enum mqtt_reason reason, const char *text)
{
    if (c->ending || c->state == CLIENT_ENDED)
        return;
    c->ending = true;
    c->reason = (uint8_t)reason;
    c->text = text;
    log_violation(c);
    be_busy(c);
}

static void end_now(struct client *c, enum mqtt_reason reason, const char *text)
{
    client_end(c, reason, text);
    client_over(c);
}

void client_fence(struct client *c)
{
    client_end(c, MQTT_TAKEN_OVER, NULL);
}

/* The client has left without a DISCONNECT. */
static void leave(struct client *c)
{
    end(c, true);
    transport_close(&c->transport);
}

/* --- time ------------------------------------------------------------------------------------ */

static uint64_t tick_now(const struct client *c)
{
    struct wheel *w = &c->mqtt->gateway->wheel;

    wheel_refresh(w);
    return w->tick;
}

static void on_keep_alive(struct wheel_timer *t);

static void schedule(struct client *c)
{
    uint64_t passed = (tick_now(c) - c->heard) * WHEEL_TICK_MS;
    uint64_t left = passed < c->keep_alive_ms ? c->keep_alive_ms - passed : 1;

    if (c->keep_alive_ms > 0)
        conn_timer(c->transport.conn, left, on_keep_alive);
}

/* Who is not read cannot be heard. */
static void on_keep_alive(struct wheel_timer *t)
{
    struct client *c = conn_of_timer(t)->data;

    if (c->unread)
        c->heard = tick_now(c);
    if ((tick_now(c) - c->heard) * WHEEL_TICK_MS >= c->keep_alive_ms)
        end_now(c, MQTT_KEEP_ALIVE_TIMEOUT, NULL);
    else
        schedule(c);
}

/* Nothing is said: there is no version to say it in. */
static void on_connect_timeout(struct wheel_timer *t)
{
    struct client *c = conn_of_timer(t)->data;

    metric_add(M_MQTT_VIOLATIONS, 1);
    leave(c);
}

/* --- packets ---------------------------------------------------------------------------------- */

/* CONNACK was said. */
void client_up(struct client *c)
{
    c->state = CLIENT_UP;
    c->heard = tick_now(c);
    c->mqtt->report.clients_connected++;
    schedule(c);
    client_unblock(c);
}

static enum mqtt_reason take_disconnect(struct client *c, struct slice body)
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
    finish(c, m.reason != MQTT_OK);
    return MQTT_OK;
}

static enum mqtt_reason take_ack(struct client *c, enum mqtt_type type, struct slice body)
{
    struct mqtt_ack m;
    enum mqtt_reason reason = mqtt_ack_get(c->version, type, body, &m);

    return reason == MQTT_OK ? session_ack(c->session, type, &m) : reason;
}

static void say_pong(struct client *c)
{
    struct buf *b = &c->mqtt->packet;

    buf_clear(b);
    mqtt_pingresp_put(b);
    client_write(c, (struct slice){(char *)b->p, b->len});
}

static enum mqtt_reason take_auth(struct slice body)
{
    struct mqtt_reasoned m;
    enum mqtt_reason reason = mqtt_auth_get(body, &m);

    /* Who had named a method was refused at CONNECT: nobody may go on with one. */
    return reason == MQTT_OK ? MQTT_PROTOCOL_ERROR : reason;
}

static enum mqtt_reason take(struct client *c, const struct mqtt_head *h, struct slice body)
{
    enum mqtt_reason reason = mqtt_head_check(c->version, h);

    if (reason != MQTT_OK)
        return reason;
    switch (h->type) {
    case MQTT_PUBLISH:
        return inbound_publish(c, h->flags, body);
    case MQTT_PUBREL:
        return inbound_release(c, body);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
        return take_ack(c, h->type, body);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return waiting_take(c, h->type, body);
    case MQTT_PINGREQ:
        say_pong(c);
        return MQTT_OK;
    case MQTT_DISCONNECT:
        return take_disconnect(c, body);
    case MQTT_AUTH:
        return take_auth(body);
    default: /* a second CONNECT */
        return MQTT_PROTOCOL_ERROR;
    }
}

/* What blocks it ends in client_up, on_writable, an acknowledgement, or unblock_all. */
static bool is_blocked(struct client *c, uint8_t type)
{
    if (c->state == CLIENT_ATTACHING || answers_unread(c))
        return true;
    if (type != MQTT_PUBLISH || !inbound_full(c))
        return false;
    c->mqtt->link_full |= link_publish_full(c->mqtt->gateway->link);
    return true;
}

static void take_first(struct client *c, const struct mqtt_head *h, struct slice body)
{
    if (h->type != MQTT_CONNECT || h->flags != 0) {
        end_now(c, MQTT_PROTOCOL_ERROR, "the first packet is no CONNECT");
        return;
    }
    conn_timer(c->transport.conn, 0, NULL);
    connect_take(c, body);
}

static bool on_packet(struct transport *t, const struct mqtt_head *h, struct slice body)
{
    struct client *c = CONTAINER_OF(t, struct client, transport);
    enum mqtt_reason reason;

    if (c->ending)
        return true; /* it does not know yet */
    if (is_blocked(c, h->type)) {
        c->unread = true;
        return false;
    }
    c->unread = false;
    c->heard = c->mqtt->gateway->wheel.tick;
    c->mqtt->report.messages_received++;
    metric_add(M_MQTT_PACKETS_RECEIVED, 1);
    if (c->state == CLIENT_NEW) {
        take_first(c, h, body);
        return true;
    }
    reason = take(c, h, body);
    if (reason != MQTT_OK)
        client_end(c, reason, NULL);
    return true;
}

static void on_refused(struct transport *t, enum mqtt_reason reason)
{
    end_now(CONTAINER_OF(t, struct client, transport), reason, NULL);
}

static void on_frames_closed(struct transport *t)
{
    leave(CONTAINER_OF(t, struct client, transport));
}

static const struct transport_ops transport_ops = {
    .packet = on_packet, .refused = on_refused, .closed = on_frames_closed};

/* --- the end of the turn ---------------------------------------------------------- */

void client_pump(struct client *c)
{
    c->pump = true;
    be_busy(c);
}

void client_unblock(struct client *c)
{
    if (c->unread)
        be_busy(c);
}

/* Whoever closes half of the connection is gone; what came before is still taken. */
static bool is_gone(const struct client *c)
{
    return c->state != CLIENT_ENDED && !c->ending && !c->unread && c->transport.conn->eof_seen;
}

static void go_on(struct client *c)
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
    if (is_gone(c))
        leave(c);
}

static void client_turn(struct client *c)
{
    not_busy(c);
    if (!c->ending)
        go_on(c);
    if (c->state == CLIENT_ENDED)
        return;
    if (c->ending)
        client_over(c);
    else
        client_flush(c);
}

/* The link has room again: whoever waited for that looks for himself. */
static void unblock_all(struct mqttd *m)
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
        unblock_all(m);
    while (m->busy != NULL)
        client_turn(m->busy);
}

/* --- the connection --------------------------------------------------------------- */

static struct client *client_new(struct mqttd *m, struct conn *conn, bool websocket)
{
    struct client *c = mem_zalloc(sizeof *c);

    c->mqtt = m;
    transport_init(&c->transport, &m->transports, conn, websocket, &transport_ops);
    DL_APPEND(m->clients, c);
    return c;
}

static void on_opened(struct conn *conn)
{
    struct client *c = client_new(conn->data, conn, false);

    conn->data = c;
    conn_timer(conn, c->mqtt->settings.connect_timeout_ms, on_connect_timeout);
}

void client_open_websocket(struct mqttd *m, struct conn *conn)
{
    struct client *c = client_new(m, conn, true);

    conn_take_over(conn, &client_tcp_ops, c);
    if (c->state == CLIENT_NEW)
        conn_timer(conn, m->settings.connect_timeout_ms, on_connect_timeout);
}

static size_t on_input(struct conn *conn, struct slice in)
{
    struct client *c = conn->data;

    return transport_input(&c->transport, in);
}

static void on_writable(struct conn *conn)
{
    struct client *c = conn->data;

    if (c->session != NULL)
        session_writable(c->session);
    client_unblock(c);
}

static void on_eof(struct conn *conn)
{
    struct client *c = conn->data;

    if (is_gone(c))
        leave(c);
}

static void on_drain(struct conn *conn)
{
    struct client *c = conn->data;
    bool elsewhere = c->mqtt->settings.server_reference != NULL;

    if (c->state == CLIENT_ATTACHING)
        connect_refuse(c, elsewhere ? MQTT_USE_ANOTHER : MQTT_UNAVAILABLE);
    else
        end_now(c, elsewhere ? MQTT_USE_ANOTHER : MQTT_SHUTTING_DOWN, NULL);
}

static void on_gone(struct conn *conn)
{
    struct client *c = conn->data;

    transport_gone(&c->transport);
    end(c, true);
}

const struct conn_ops client_tcp_ops = {.opened = on_opened,
                                        .input = on_input,
                                        .writable = on_writable,
                                        .eof = on_eof,
                                        .drain = on_drain,
                                        .gone = on_gone};
