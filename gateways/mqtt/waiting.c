/*
 * waiting.c - a queue of copied packets in front of a session.
 *
 * Happy path: nothing waits, the session takes the packet, nothing is copied.  While it
 * is at one, or PUBLISHes that came before are on their way, others queue up; client_pump
 * shows them again, first come first served.
 *
 *   PUBLISH 1, SUBSCRIBE, PUBLISH 2    1 is answered, then SUBSCRIBE is taken, then 2 is read
 *
 * How it fails: a packet that cannot be read is refused when it comes, not when its turn
 * comes, and so is one of too many filters, or whose answer the client would not take.
 */
#include "waiting.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "session_subscribe.h"

/* Of each: type u8, how many PUBLISHes came before u64, size u32, body. */
struct waiting {
    struct buf packets;
    size_t taken; /* bytes of those that were shown */
    unsigned count;
};

/* --- reading ---------------------------------------------------------------------------- */

static enum mqtt_reason waiting_read_packet(const struct client *c, enum mqtt_type type,
                                            struct slice body, struct mqtt_subscribe *m)
{
    return type == MQTT_SUBSCRIBE ? mqtt_subscribe_get(c->version, body, m)
                                  : mqtt_unsubscribe_get(c->version, body, m);
}

/* False: the client is ended. */
static bool waiting_check(struct client *c, const struct mqtt_subscribe *m)
{
    bool coded = client_is_5(c); /* the answer to UNSUBSCRIBE has no codes before 5.0 */

    if (m->count > c->mqtt->settings.max_filters)
        client_end(c, MQTT_QUOTA, "more filters in one packet than the server takes");
    else if (coded && !client_takes(c, MQTT_HEAD_MAX + 3 + m->count))
        client_end(c, MQTT_TOO_LARGE, "the answer would be larger than your maximum packet size");
    return !c->ending;
}

/* --- the queue -------------------------------------------------------------------------- */

static bool waiting_ready(const struct client *c, uint64_t publishes)
{
    return c->session->subscribing == NULL && c->inbound_taken - c->inbound_count >= publishes;
}

static enum mqtt_reason waiting_show(struct client *c, enum mqtt_type type,
                                     const struct mqtt_subscribe *m)
{
    return type == MQTT_SUBSCRIBE ? session_subscribe(c->session, m)
                                  : session_unsubscribe(c->session, m);
}

static void waiting_add(struct client *c, enum mqtt_type type, struct slice body)
{
    struct waiting *w = c->waiting;

    if (w == NULL)
        w = c->waiting = mem_zalloc(sizeof *w);
    w->count++;
    buf_u8(&w->packets, (uint8_t)type);
    buf_u64(&w->packets, c->inbound_taken);
    buf_u32(&w->packets, (uint32_t)body.len);
    buf_put_slice(&w->packets, body);
}

bool waiting_has_room(const struct client *c, size_t body)
{
    const struct waiting *w = c->waiting;

    if (w == NULL && waiting_ready(c, c->inbound_taken))
        return true;
    return (w != NULL ? w->packets.len - w->taken : 0) + body <= WAITING_BYTES;
}

bool waiting_keeps_publishes(const struct client *c)
{
    return c->waiting != NULL && !session_subscribe_awaits_client(c->session);
}

enum mqtt_reason waiting_take(struct client *c, enum mqtt_type type, struct slice body)
{
    struct mqtt_subscribe m;
    enum mqtt_reason reason = waiting_read_packet(c, type, body, &m);

    if (reason != MQTT_OK || !waiting_check(c, &m))
        return reason;
    if (c->waiting == NULL && waiting_ready(c, c->inbound_taken))
        return waiting_show(c, type, &m);
    waiting_add(c, type, body);
    return MQTT_OK;
}

/* The first of them; false: it is not its turn. */
static bool waiting_next(struct client *c, enum mqtt_type *type, struct slice *body)
{
    struct waiting *w = c->waiting;
    struct reader r = reader_of(w->packets.p + w->taken, w->packets.len - w->taken);

    *type = reader_u8(&r);
    if (!waiting_ready(c, reader_u64(&r)))
        return false;
    *body = reader_bytes(&r, reader_u32(&r));
    assert(!r.bad);
    w->taken = w->packets.len - r.left;
    w->count--;
    return true;
}

enum mqtt_reason waiting_resume(struct client *c)
{
    enum mqtt_reason reason = MQTT_OK;
    struct mqtt_subscribe m;
    enum mqtt_type type;
    struct slice body;

    while (c->waiting != NULL && c->waiting->count > 0) {
        if (!waiting_next(c, &type, &body)) {
            buf_consume(&c->waiting->packets, c->waiting->taken);
            c->waiting->taken = 0;
            return MQTT_OK;
        }
        reason = waiting_read_packet(c, type, body, &m);
        assert(reason == MQTT_OK);
        reason = waiting_show(c, type, &m);
        if (reason != MQTT_OK)
            return reason;
    }
    waiting_free(c);
    return MQTT_OK;
}

void waiting_free(struct client *c)
{
    if (c->waiting == NULL)
        return;
    buf_free(&c->waiting->packets);
    free(c->waiting);
    c->waiting = NULL;
}
