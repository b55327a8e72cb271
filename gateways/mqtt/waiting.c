/*
 * waiting.c - a queue of copied packets in front of a session.
 *
 * Happy path: nothing waits, the session takes the packet, nothing is copied.  While it
 * is at one, others queue up; client_pump shows them again, first come first served.
 *
 * A packet that cannot be read is refused when it comes, not when its turn comes.
 */
#include "waiting.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "session_subscribe.h"

/* Of each: type u8, size u32, body. */
struct waiting {
    struct buf packets;
    unsigned count;
};

static enum mqtt_reason waiting_read_packet(const struct client *c, enum mqtt_type type,
                                            struct slice body, struct mqtt_subscribe *m)
{
    return type == MQTT_SUBSCRIBE ? mqtt_subscribe_get(c->version, body, m)
                                  : mqtt_unsubscribe_get(c->version, body, m);
}

static enum mqtt_reason waiting_show(struct client *c, enum mqtt_type type,
                                     const struct mqtt_subscribe *m)
{
    return type == MQTT_SUBSCRIBE ? session_subscribe(c->session, m)
                                  : session_unsubscribe(c->session, m);
}

static enum mqtt_reason waiting_add(struct client *c, enum mqtt_type type, struct slice body)
{
    struct waiting *w = c->waiting;

    if (w == NULL)
        w = c->waiting = mem_zalloc(sizeof *w);
    if (w->count == WAITING_PACKETS || w->packets.len + body.len > WAITING_BYTES)
        return MQTT_QUOTA;
    w->count++;
    buf_u8(&w->packets, (uint8_t)type);
    buf_u32(&w->packets, (uint32_t)body.len);
    buf_put_slice(&w->packets, body);
    return MQTT_OK;
}

enum mqtt_reason waiting_take(struct client *c, enum mqtt_type type, struct slice body)
{
    struct mqtt_subscribe m;
    enum mqtt_reason reason = waiting_read_packet(c, type, body, &m);

    if (reason != MQTT_OK)
        return reason;
    if (c->waiting == NULL)
        reason = waiting_show(c, type, &m);
    if (c->waiting != NULL || reason == MQTT_BUSY)
        reason = waiting_add(c, type, body);
    return reason;
}

enum mqtt_reason waiting_resume(struct client *c)
{
    struct waiting *w = c->waiting;
    enum mqtt_reason reason = MQTT_OK;

    while (w != NULL && w->count > 0) {
        struct reader r = reader_of(w->packets.p, w->packets.len);
        enum mqtt_type type = reader_u8(&r);
        struct slice body = reader_bytes(&r, reader_u32(&r));
        struct mqtt_subscribe m;

        reason = waiting_read_packet(c, type, body, &m);
        assert(reason == MQTT_OK && !r.bad);
        reason = waiting_show(c, type, &m);
        if (reason == MQTT_BUSY)
            return MQTT_OK;
        if (reason != MQTT_OK)
            return reason;
        buf_consume(&w->packets, w->packets.len - r.left);
        w->count--;
    }
    waiting_free(c);
    return reason;
}

void waiting_free(struct client *c)
{
    if (c->waiting == NULL)
        return;
    buf_free(&c->waiting->packets);
    free(c->waiting);
    c->waiting = NULL;
}
