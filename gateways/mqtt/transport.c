/*
 * transport.c - packets put together, frames taken apart.
 *
 * Happy path: the bytes that came hold whole packets, which are handed on where they
 * lie.  Only what is cut at the end is kept, in `part`, until its rest comes.  Over
 * WebSocket the same is done with the payload of every message, which the decoder has
 * unmasked; pings are answered on the way.
 *
 *   input ──▶ [ws_decode] ──▶ take_bytes ──whole──▶ hand ──▶ ops->packet
 *                                 └──cut──▶ part ──whole──▶ hand
 *
 * How it fails: a head that is none, or of too long a packet, is refused at its last
 * byte; the owner ends the transport.  Broken frames are answered with their close
 * code, a text with 1003, a close frame with its own; then closed().  The owner may end
 * the transport in any callback: `conn` is NULL then, what is on the way is let go of,
 * and the bytes that a caller further up still looks at are freed by it (settle).
 */
#include "transport.h"

#include <assert.h>
#include <stdlib.h>

#include "channel.h"
#include "mem.h"
#include "run_write.h"
#include "upgrade.h"
#include "ws.h"

#define MESSAGE_ROOM (64u * 1024) /* a message may hold a largest packet, and small ones */

struct ws_in {
    struct ws_decoder decoder;
    struct slice rest; /* of a message: packets that the owner has not taken yet */
    bool closed;       /* a close frame was sent */
};

/* --- its end ------------------------------------------------------------------------ */

static void transport_hold(struct transport *t, size_t bytes)
{
    t->all->held += bytes - t->held;
    t->held = bytes;
}

static void transport_release(struct transport *t)
{
    transport_hold(t, 0);
    buf_free(&t->part);
    if (t->ws != NULL)
        ws_decoder_free(&t->ws->decoder);
    free(t->ws);
    t->ws = NULL;
}

/* The connection is the owner's no more; the bytes go when nobody looks at them. */
static struct conn *transport_let_go(struct transport *t)
{
    struct conn *c = t->conn;

    t->conn = NULL;
    if (!t->busy)
        transport_release(t);
    return c;
}

static void transport_say_close(struct transport *t, unsigned code, const char *reason)
{
    struct buf frame = {0};

    if (t->ws->closed)
        return;
    t->ws->closed = true;
    ws_close_put(&frame, code, reason);
    conn_write(t->conn, frame.p, frame.len);
    buf_free(&frame);
}

void transport_finish(struct transport *t)
{
    if (t->conn == NULL)
        return;
    if (t->ws != NULL)
        transport_say_close(t, WS_CLOSE_NORMAL, "");
    conn_finish(transport_let_go(t));
}

void transport_close(struct transport *t)
{
    if (t->conn != NULL)
        conn_close(transport_let_go(t));
}

void transport_gone(struct transport *t)
{
    if (t->conn != NULL)
        (void)transport_let_go(t);
}

/* --- packets ------------------------------------------------------------------------ */

static bool transport_takes(const struct transport *t)
{
    return t->conn != NULL && !t->waiting;
}

static void transport_refuse(struct transport *t, enum mqtt_reason reason)
{
    t->ops->refused(t, reason);
    assert(t->conn == NULL);
}

/* size: what mqtt_head_get has said. */
static bool transport_head_ok(struct transport *t, const struct mqtt_head *h, int size)
{
    if (size < 0)
        transport_refuse(t, MQTT_MALFORMED);
    else if (size > 0 && (uint64_t)h->remaining + (unsigned)size > t->all->packet_max)
        transport_refuse(t, MQTT_TOO_LARGE);
    return t->conn != NULL;
}

static bool transport_hand(struct transport *t, const struct mqtt_head *h, const void *body)
{
    bool taken = t->ops->packet(t, h, (struct slice){body, h->remaining});

    t->waiting = !taken && t->conn != NULL;
    return !t->waiting;
}

/* The packet in `part`, if it is whole by now. */
static void transport_hand_part(struct transport *t)
{
    struct mqtt_head h;
    int size = mqtt_head_get(&h, t->part.p, t->part.len);

    if (size > 0 && t->part.len == size + (size_t)h.remaining &&
        transport_hand(t, &h, t->part.p + size))
        buf_free(&t->part);
}

/* What `part` needs to be whole; returns how much of `in` that is. */
static size_t transport_complete(struct transport *t, struct slice in)
{
    struct mqtt_head h = {0};
    size_t used = 0, need;
    int size;

    while ((size = mqtt_head_get(&h, t->part.p, t->part.len)) == 0 && used < in.len)
        buf_u8(&t->part, (uint8_t)in.p[used++]);
    if (!transport_head_ok(t, &h, size) || size == 0)
        return used;
    need = size + (size_t)h.remaining - t->part.len;
    need = need < in.len - used ? need : in.len - used;
    buf_put(&t->part, in.p + used, need);
    transport_hand_part(t);
    return used + need;
}

/* The packet at the beginning of `in`, where it lies. */
static size_t transport_take_packet(struct transport *t, struct slice in)
{
    struct mqtt_head h = {0};
    int size = mqtt_head_get(&h, in.p, in.len);

    if (!transport_head_ok(t, &h, size))
        return in.len;
    if (size == 0 || in.len - (size_t)size < h.remaining) {
        buf_put_slice(&t->part, in);
        return in.len;
    }
    return transport_hand(t, &h, in.p + size) ? (size_t)size + h.remaining : 0;
}

static size_t transport_take_bytes(struct transport *t, struct slice in)
{
    size_t used = 0;

    while (used < in.len && transport_takes(t)) {
        struct slice rest = {in.p + used, in.len - used};

        used += t->part.len > 0 ? transport_complete(t, rest) : transport_take_packet(t, rest);
    }
    return used;
}

/* --- frames ------------------------------------------------------------------------- */

static void transport_take_rest(struct transport *t)
{
    struct slice *rest = &t->ws->rest;
    size_t used = transport_take_bytes(t, *rest);

    *rest = (struct slice){rest->p + used, rest->len - used};
}

static void transport_close_frames(struct transport *t, unsigned code, const char *reason)
{
    transport_say_close(t, code, reason);
    t->ops->closed(t);
    assert(t->conn == NULL);
}

static void transport_take_message(struct transport *t, const struct ws_message *m)
{
    struct buf pong = {0};

    switch (m->opcode) {
    case WS_BINARY:
        t->ws->rest = m->payload;
        transport_take_rest(t);
        break;
    case WS_TEXT:
        transport_close_frames(t, WS_CLOSE_UNSUPPORTED, "MQTT is binary");
        break;
    case WS_PING:
        ws_frame_put(&pong, WS_PONG, m->payload);
        conn_write(t->conn, pong.p, pong.len);
        buf_free(&pong);
        break;
    case WS_CLOSE:
        transport_close_frames(t, m->close_code, "");
        break;
    default:
        break; /* nothing whole yet, or a pong that nobody asked for */
    }
}

static size_t transport_take_frames(struct transport *t, struct slice in)
{
    struct ws_message m;
    size_t used = 0;
    int n;

    while (used < in.len && transport_takes(t)) {
        n = ws_decode(&t->ws->decoder, in.p + used, in.len - used, &m);
        if (n < 0) {
            transport_close_frames(t, (unsigned)-n, "these are no frames of WebSocket");
            break;
        }
        used += (size_t)n;
        transport_take_message(t, &m);
    }
    return used;
}

/* --- input -------------------------------------------------------------------------- */

static size_t transport_memory_of(struct transport *t)
{
    if (t->ws == NULL)
        return t->part.cap;
    if (t->ws->rest.len == 0)
        ws_decoder_trim(&t->ws->decoder);
    return t->part.cap + t->ws->decoder.message.cap;
}

/* Nobody looks at the bytes any more: counts what is kept, or frees all. */
static void transport_settle(struct transport *t)
{
    if (t->conn != NULL) {
        transport_hold(t, transport_memory_of(t));
        if (t->held > 0 && t->all->held > t->all->held_max)
            transport_refuse(t, MQTT_QUOTA);
    }
    t->busy = false;
    if (t->conn == NULL)
        transport_release(t);
}

size_t transport_input(struct transport *t, struct slice in)
{
    size_t used;

    if (t->conn == NULL || t->busy)
        return 0;
    t->busy = true;
    used = t->ws != NULL ? transport_take_frames(t, in) : transport_take_bytes(t, in);
    t->all->received += used;
    transport_settle(t);
    return t->conn != NULL ? used : in.len;
}

void transport_pump(struct transport *t)
{
    if (!t->waiting || t->busy || t->conn == NULL)
        return;
    t->waiting = false;
    t->busy = true;
    transport_hand_part(t);
    if (t->ws != NULL && transport_takes(t))
        transport_take_rest(t);
    transport_settle(t);
    if (transport_takes(t))
        conn_pump(t->conn);
}

/* --- output ------------------------------------------------------------------------- */

static uint8_t *writable(const char *p)
{
    return (uint8_t *)(uintptr_t)p;
}

void transport_frame(struct buf *b, size_t start)
{
    ws_frame_wrap(b, start, WS_BINARY, false);
}

void transport_write(struct transport *t, struct slice packets)
{
    struct buf frames = {0};
    struct mqtt_head h;
    size_t at, size;
    int head;

    if (t->conn == NULL)
        return;
    if (t->ws == NULL) {
        conn_write(t->conn, packets.p, packets.len);
        return;
    }
    for (at = 0; at < packets.len; at += size) {
        head = mqtt_head_get(&h, packets.p + at, packets.len - at);
        assert(head > 0); /* they are our own */
        size = (size_t)head + h.remaining;
        ws_frame_put(&frames, WS_BINARY, (struct slice){packets.p + at, size});
    }
    conn_write(t->conn, frames.p, frames.len);
    buf_free(&frames);
}

size_t transport_run(struct transport *t, struct run *r, unsigned form, form_encode encode,
                     form_encode framed)
{
    if (t->conn == NULL)
        return r->count;
    if (t->ws == NULL)
        return run_write(t->conn, r, form, encode);
    return run_write(t->conn, r, form + 1, framed);
}

size_t transport_pieces(struct transport *t, struct conn_piece *pieces, size_t count)
{
    uint8_t head[WS_HEADER_MAX];

    static_assert(WS_HEADER_MAX <= TRANSPORT_ROOM, "a header fits");
    if (t->conn == NULL)
        return count;
    for (size_t i = 0; t->ws != NULL && i < count; i++) {
        struct conn_piece *p = &pieces[i];
        size_t n = ws_header_put(head, WS_BINARY, false, p->head.len + p->shared.len + p->rest.len);

        memcpy(writable(p->head.p - n), head, n);
        p->head = (struct slice){p->head.p - n, p->head.len + n};
    }
    return conn_write_pieces(t->conn, pieces, count);
}

/* --- its beginning ------------------------------------------------------------------ */

/* 3.1.1, 6: a client must offer "mqtt"; that of the version before is as good here. */
static const char *const subprotocols[] = {"mqtt", "mqttv3.1", NULL};

struct conn *transport_accept(struct exchange *x)
{
    struct ws_acceptance accepted;
    struct ws_handshake h;
    struct problem p = {0};
    struct channel channel;

    if (!upgrade_read(x, subprotocols, &h))
        return NULL;
    if (h.subprotocol == NULL) {
        (void)problem_set(&p, ERR_BAD_REQUEST, "Sec-WebSocket-Protocol", "The subprotocol is mqtt");
        exchange_problem(x, &p);
        return NULL;
    }
    h.deflate.on = false;
    upgrade_accept(&accepted, &h);
    upgrade_tunnel(x, &accepted, &channel);
    return channel_conn(&channel);
}

void transport_init(struct transport *t, struct transports *all, struct conn *c, bool websocket,
                    const struct transport_ops *ops)
{
    *t = (struct transport){.conn = c, .ops = ops, .all = all};
    if (!websocket)
        return;
    t->ws = mem_zalloc(sizeof *t->ws);
    t->ws->decoder.message_max = all->packet_max + MESSAGE_ROOM;
}
