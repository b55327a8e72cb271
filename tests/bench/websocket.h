/*
 * websocket.h - what the load generator needs of RFC 6455 and RFC 7692: a handshake,
 * and a server's frames taken apart.
 */
#ifndef BENCH_WEBSOCKET_H
#define BENCH_WEBSOCKET_H

#include <zlib.h>

#include "bench.h"

#define WEBSOCKET_HEADERS                                                                          \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define WEBSOCKET_DEFLATE                                                                          \
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "                   \
    "client_no_context_takeover\r\n"

enum { MESSAGE_MAX = 64 * 1024 };

struct frame_reader {
    bool deflate;
    z_stream z;
    char message[MESSAGE_MAX]; /* inflated */
};

static void frame_reader_init(struct frame_reader *r, bool deflate)
{
    *r = (struct frame_reader){.deflate = deflate};
    if (deflate && inflateInit2(&r->z, -MAX_WBITS) != Z_OK)
        die("zlib does not start");
}

static size_t frame_inflate(struct frame_reader *r, const char *p, size_t len)
{
    static const unsigned char end[] = {0, 0, 0xff, 0xff};

    (void)inflateReset(&r->z);
    r->z.next_out = (Bytef *)r->message;
    r->z.avail_out = MESSAGE_MAX;
    for (int part = 0; part < 2; part++) {
        r->z.next_in = (Bytef *)(uintptr_t)(part == 0 ? (const void *)p : end);
        r->z.avail_in = part == 0 ? (unsigned)len : sizeof end;
        if (inflate(&r->z, Z_SYNC_FLUSH) < 0 || r->z.avail_out == 0)
            die("a message does not inflate");
    }
    return MESSAGE_MAX - r->z.avail_out;
}

/* Takes a whole frame off p and returns its size, 0 when it is not all there.
 * *message is NULL for a control frame. */
static size_t frame_next(struct frame_reader *r, const char *p, size_t left, const char **message,
                         size_t *size)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t head = 2, payload = 0;

    if (left < 2)
        return 0;
    payload = u[1] & 127;
    head += payload == 127 ? 8 : payload == 126 ? 2 : 0;
    if (left < head)
        return 0;
    if (head > 2)
        payload = 0;
    for (size_t i = 2; i < head; i++)
        payload = payload << 8 | u[i];
    if (left - head < payload)
        return 0;
    if ((u[0] & 15) == 8)
        die("the server closed: code %u", payload >= 2 ? u[head] << 8 | u[head + 1] : 0);
    *message = (u[0] & 8) != 0 ? NULL : p + head;
    *size = payload;
    if ((u[0] & 0x40) != 0) {
        *size = frame_inflate(r, p + head, payload);
        *message = r->message;
    }
    return head + payload;
}

/* Our payload is the message itself, or the data of an event of sluice.json. */
static const char *payload_in(const char *message, size_t size)
{
    static const char data[] = "\"data\":\"";
    const char *found;

    if (size == 0 || message[0] != '{')
        return size >= 33 ? message : NULL;
    found = memmem(message, size, data, sizeof data - 1);
    if (found == NULL)
        return NULL;
    found += sizeof data - 1;
    return (size_t)(message + size - found) >= 33 ? found : NULL;
}

#endif
