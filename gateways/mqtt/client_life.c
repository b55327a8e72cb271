/*
 * client_life.c - a client's end and the times that lead to it.
 *
 *   clients_… ──opened──▶ client_await_connect ──CONNACK──▶ client_up ──▶ keep-alive …
 *                                  │                            │
 *                              client_leave                client_over, _leave, _finish
 *
 * All ways out end the client once (client_close), with its session, then its connection.
 * The will is published, but after a DISCONNECT of the client's that asks for none, and
 * where it is no longer permitted.
 *
 * How it fails: a DISCONNECT that is too large for the client goes without its words, or
 * not at all.
 */
#include "client_life.h"

#include <stdlib.h>

#include <utlist.h>

#include "aliases.h"
#include "attach.h"
#include "identity.h"
#include "inbound.h"
#include "metrics.h"
#include "session_life.h"
#include "waiting.h"
#include "will.h"

#define DISCONNECT_MIN 3 /* with a reason */

/* --- what it is told at last -------------------------------------------------------------- */

/* "SUBSCRIBE: malformed packet" */
static void client_put_violation(const struct client *c, struct buf *props)
{
    struct buf text = {0};

    buf_printf(&text, "%s: %s", mqtt_type_name(c->packet), mqtt_reason_text(c->reason));
    mqtt_prop_put_text(props, MQTT_PROP_REASON_STRING, buf_slice(&text));
    buf_free(&text);
}

static void client_put_text(struct client *c, struct buf *props)
{
    const char *server = c->mqtt->settings.server_reference;
    bool elsewhere = c->reason == MQTT_USE_ANOTHER || c->reason == MQTT_SERVER_MOVED;

    if (elsewhere && server != NULL)
        mqtt_prop_put_text(props, MQTT_PROP_SERVER_REFERENCE, slice_of(server));
    else if (c->text != NULL)
        mqtt_prop_put_text(props, MQTT_PROP_REASON_STRING, slice_of(c->text));
    else if (c->packet != 0)
        client_put_violation(c, props);
}

/* Not before CONNACK (MQTT-3.14.0-1), and only in 5.0. */
static void client_say_disconnect(struct client *c)
{
    struct buf props = {0};

    if (c->version != MQTT_50 || c->state != CLIENT_UP)
        return;
    client_put_text(c, &props);
    if (!client_takes(c, MQTT_HEAD_MAX + 2 + props.len))
        props.len = 0;
    if (client_takes(c, DISCONNECT_MIN))
        mqtt_disconnect_put(&c->out, c->reason, buf_slice(&props));
    buf_free(&props);
}

/* --- its end ------------------------------------------------------------------------------ */

/* All that it has, but for its connection. */
static void client_close(struct client *c, bool will)
{
    struct mqttd *m = c->mqtt;

    if (c->state == CLIENT_UP)
        m->report.clients_connected--;
    c->state = CLIENT_ENDED;
    client_leave_turn(c);
    wheel_stop(&c->pause);
    inbound_leave(c);
    identity_leave(c);
    attach_leave(c);
    waiting_free(c);
    if (c->session != NULL)
        session_end(c->session, will && will_may(c), c->expiry);
    c->session = NULL;
    aliases_in_free(c->aliases);
    buf_free(&c->out);
    c->caller.client = (struct slice){0};
    caller_end(&c->caller);
    free(c->id);
    free(c->will_topic);
    free(c->connack);
    DL_DELETE(m->clients, c);
    reaper_take(&m->gateway->reaper, &c->reaped);
}

void client_finish(struct client *c, bool will)
{
    client_flush(c);
    client_close(c, will);
    transport_finish(&c->transport);
}

void client_over(struct client *c)
{
    if (c->state == CLIENT_ENDED)
        return;
    client_say_disconnect(c);
    client_finish(c, true);
}

void client_end_now(struct client *c, enum mqtt_reason reason, const char *text)
{
    client_end(c, reason, text);
    client_over(c);
}

void client_leave(struct client *c)
{
    client_close(c, true);
    transport_close(&c->transport);
}

void client_gone(struct client *c)
{
    transport_gone(&c->transport);
    client_close(c, true);
}

/* --- time ------------------------------------------------------------------------------------ */

static uint64_t client_tick_now(const struct client *c)
{
    struct wheel *w = &c->mqtt->gateway->wheel;

    wheel_refresh(w);
    return w->tick;
}

static void client_on_keep_alive(struct wheel_timer *t);

static void client_schedule(struct client *c)
{
    uint64_t passed = (client_tick_now(c) - c->heard) * WHEEL_TICK_MS;
    uint64_t left = passed < c->keep_alive_ms ? c->keep_alive_ms - passed : 1;

    if (c->keep_alive_ms > 0)
        conn_timer(c->transport.conn, left, client_on_keep_alive);
}

/* Who is not read cannot be heard. */
static void client_on_keep_alive(struct wheel_timer *t)
{
    struct client *c = conn_of_timer(t)->data;

    if (c->unread)
        c->heard = client_tick_now(c);
    if ((client_tick_now(c) - c->heard) * WHEEL_TICK_MS >= c->keep_alive_ms)
        client_end_now(c, MQTT_KEEP_ALIVE_TIMEOUT, NULL);
    else
        client_schedule(c);
}

/* Nothing is said: there is no version to say it in. */
static void client_on_connect_timeout(struct wheel_timer *t)
{
    struct client *c = conn_of_timer(t)->data;

    metric_add(M_MQTT_VIOLATIONS, 1);
    client_leave(c);
}

/* CONNACK was said. */
void client_up(struct client *c)
{
    c->state = CLIENT_UP;
    c->heard = client_tick_now(c);
    c->mqtt->report.clients_connected++;
    client_schedule(c);
    client_unblock(c);
}

void client_await_connect(struct client *c)
{
    conn_timer(c->transport.conn, c->mqtt->settings.connect_timeout_ms, client_on_connect_timeout);
}
