/*
 * client.c - what one client is told, and what is to be done about it at the turn's end.
 *
 * Answers gather and leave in one write at the end of the turn.  client_end only marks
 * it, since it may be called from inside the session.
 *
 * How it fails: with a client that does not read, what it is told stays in its connection,
 * which is not read on then (clients.c).
 */
#include "client.h"

#include <utlist.h>

#include "audit.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"

#define OUT_MAX (16u * 1024) /* gathered answers; then they leave at once */

/* --- the turn's list ------------------------------------------------------------------ */

static void client_be_busy(struct client *c)
{
    if (c->busy || c->state == CLIENT_ENDED)
        return;
    c->busy = true;
    DL_APPEND2(c->mqtt->busy, c, busy_prev, busy_next);
}

void client_leave_turn(struct client *c)
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
    transport_write(&c->transport, buf_slice(&c->out));
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
    client_be_busy(c);
}

void client_write_ack(struct client *c, enum mqtt_type type, uint16_t packet_id, uint8_t reason)
{
    struct buf *packet = &c->mqtt->packet;

    buf_clear(packet);
    mqtt_ack_put(packet, c->version, type, packet_id, reason, (struct slice){NULL, 0});
    client_write(c, buf_slice(packet));
}

void client_audit(const struct client *c, const char *verb, struct slice filter, const char *reason)
{
    char address[CONN_ADDRESS_MAX];
    struct audit a = {.door = "mqtt",
                      .principal = caller_name(&c->caller),
                      .verb = verb,
                      .filter = filter,
                      .reason = reason};

    if (c->transport.conn != NULL)
        a.address = conn_peer_address(c->transport.conn, address);
    audit_refused(&a);
}

/* --- marks ------------------------------------------------------------------------------ */

static bool client_is_violation(uint8_t reason)
{
    return reason != MQTT_TAKEN_OVER && reason != MQTT_SHUTTING_DOWN && reason != MQTT_USE_ANOTHER;
}

static void client_log_violation(struct client *c)
{
    if (!client_is_violation(c->reason))
        return;
    metric_add(M_MQTT_VIOLATIONS, 1);
    if (mqttd_may_log(c->mqtt))
        log_info("a client was disconnected", LOG_SLICE("client", client_id(c)),
                 LOG_S("reason", mqtt_reason_text(c->reason)),
                 LOG_S("text", c->text != NULL ? c->text : ""));
}

void client_end(struct client *c, enum mqtt_reason reason, const char *text)
{
    if (c->ending || c->state == CLIENT_ENDED)
        return;
    c->ending = true;
    c->reason = (uint8_t)reason;
    c->text = text;
    client_log_violation(c);
    client_be_busy(c);
}

void client_fence(struct client *c)
{
    client_end(c, MQTT_TAKEN_OVER, NULL);
}

void client_pump(struct client *c)
{
    c->pump = true;
    client_be_busy(c);
}

void client_unblock(struct client *c)
{
    if (c->unread)
        client_be_busy(c);
}
