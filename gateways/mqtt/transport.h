/*
 * transport.h - the bytes of MQTT over a connection: plain, or in WebSocket frames
 * (subprotocol "mqtt", binary messages; MQTT 5.0, 6).
 *
 * Packets go in and come out the same either way: over WebSocket each write is one
 * frame, each event of a run its own, and what came in is unmasked and put together
 * (packets may span frames, a frame may hold many).
 */
#ifndef MQTT_TRANSPORT_H
#define MQTT_TRANSPORT_H

#include "conn.h"
#include "ws.h"

struct ws_in; /* what WebSocket needs to remember of what came in */

struct transport {
    struct conn *conn;
    struct ws_in *ws; /* NULL: plain */
};

void transport_write(struct transport *t, struct slice bytes);
/* As conn_write_run.  Forms: `form` when plain, `form + 1` in WebSocket frames, made
 * by framing what `encode` makes. */
size_t transport_run(struct transport *t, struct run *r, unsigned form, form_encode encode,
                     form_encode framed);
/* As conn_write_pieces; heads have room for a frame's header before them: each
 * piece.head begins TRANSPORT_ROOM bytes into memory that may be written. */
#define TRANSPORT_ROOM 10
size_t transport_pieces(struct transport *t, struct conn_piece *pieces, size_t count);

#endif
