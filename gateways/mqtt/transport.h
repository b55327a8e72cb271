/*
 * transport.h - MQTT packets over a connection: plain, or in WebSocket frames
 * (subprotocol "mqtt", binary messages; MQTT 5.0, 6).
 *
 * Packets go in and come out the same either way.  What comes in is handed on in
 * whole packets, wherever TCP, frames or messages cut them: a packet may span
 * frames, a frame may hold many.  What goes out over WebSocket is one packet a frame,
 * for there are clients (Paho's for C) that wait for ever for what stands behind one.
 *
 *     conn_ops.input ──▶ transport_input ──▶ ops->packet, one at a time
 *
 * Bounded: one unfinished packet per connection, at most `packet_max` long, and all
 * of them together at most `held_max`; a WebSocket message may be a little longer
 * than a packet.  An owner that takes no packet now (packet() is false) leaves the
 * bytes behind it in the connection, which stops reading.
 *
 * The owner's memory must stay until the loop's turn is over: it may end the
 * transport from inside every callback.  Loop thread.
 */
#ifndef MQTT_TRANSPORT_H
#define MQTT_TRANSPORT_H

#include "conn.h"
#include "exchange.h"
#include "mqtt.h"

struct transport;
struct ws_in; /* what WebSocket needs to remember of what came in */

/* What all transports of the process share. */
struct transports {
    uint32_t packet_max; /* a longer packet is refused: its bytes in all */
    size_t held_max;     /* bytes of what is not whole yet, of all together */
    size_t held;
    uint64_t received; /* bytes, ever */
};

struct transport_ops {
    /* A whole packet; body is valid during the call.  False: not now; it is shown again
     * by transport_pump, and nothing behind it comes before. */
    bool (*packet)(struct transport *t, const struct mqtt_head *head, struct slice body);
    /* What came is not to be had: MQTT_MALFORMED, MQTT_TOO_LARGE, or MQTT_QUOTA when
     * too much is held.  Say so, if the protocol can, and end the transport. */
    void (*refused)(struct transport *t, enum mqtt_reason reason);
    /* WebSocket: the client has said its close, or broken the rules of frames; it was
     * answered.  Nothing can be said any more: end the transport, as in gone(). */
    void (*closed)(struct transport *t);
};

/* Embedded by the owner. */
struct transport {
    struct conn *conn; /* NULL: it has ended */
    const struct transport_ops *ops;
    struct transports *all;
    struct ws_in *ws; /* NULL: plain */
    struct buf part;  /* a packet that is not whole yet */
    size_t held;      /* what it has of all->held */
    bool waiting;     /* packet() took none */
    bool busy;        /* inside a callback: bytes must stay */
};

/* The route of a listener that speaks HTTP, GET on any path: checks the handshake
 * and answers it with 101.  The connection is the caller's, for transport_init and
 * then conn_take_over; NULL: the exchange was answered with a problem. */
MUST_CHECK struct conn *transport_accept(struct exchange *x);

void transport_init(struct transport *t, struct transports *all, struct conn *c, bool websocket,
                    const struct transport_ops *ops);
/* For conn_ops.input: returns what it is done with. */
size_t transport_input(struct transport *t, struct slice in);
/* The owner takes packets again: whatever waits is shown. */
void transport_pump(struct transport *t);

/* Both end it: no callback after, conn is NULL.  finish writes what is left (and a
 * close frame) first.  gone is for conn_ops.gone: the connection has ended itself.
 * All idempotent. */
void transport_finish(struct transport *t);
void transport_close(struct transport *t);
void transport_gone(struct transport *t);

/* Control packets, whole ones; copied.  Swallowed when it has ended. */
void transport_write(struct transport *t, struct slice packets);
/* As conn_write_run.  Forms: `form` when plain, `form + 1` in WebSocket frames; framed
 * makes what encode makes, in one binary frame (transport_frame). */
size_t transport_run(struct transport *t, struct run *r, unsigned form, form_encode encode,
                     form_encode framed);
/* From `start` to the end of b becomes one frame. */
void transport_frame(struct buf *b, size_t start);
/* As conn_write_pieces; a piece is one packet.  A frame's header goes before each head:
 * head begins TRANSPORT_ROOM bytes into memory that may be written. */
#define TRANSPORT_ROOM 10
size_t transport_pieces(struct transport *t, struct conn_piece *pieces, size_t count);

#endif
