/*
 * fuzz_ws.c - a client's bytes give the same messages and the same end at once,
 * byte by byte and in pieces; what comes out keeps the rules; and made into
 * frames again, masked as a client would, it is read back the same.
 *
 * Input: permessage-deflate or not (a bit) and the size of pieces, the limit on
 * messages, then the stream.
 */
#include <assert.h>
#include <stdlib.h>

#include "ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

struct settings {
    size_t message_max;
    bool deflate;
};

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static void check_message(const struct ws_message *m, const struct settings *s)
{
    size_t max = m->compressed ? s->message_max + s->message_max / 4 + 64 : s->message_max;

    switch (m->opcode) {
    case WS_TEXT:
        assert(m->compressed || utf8_valid(m->payload.p, m->payload.len));
        assert(m->payload.len <= max && (s->deflate || !m->compressed));
        break;
    case WS_BINARY:
        assert(m->payload.len <= max && (s->deflate || !m->compressed));
        break;
    case WS_CLOSE:
        assert(m->payload.len <= WS_CONTROL_MAX - 2);
        assert(utf8_valid(m->payload.p, m->payload.len));
        assert(m->close_code >= 1000 && m->close_code < 5000);
        break;
    default:
        assert(m->opcode == WS_PING || m->opcode == WS_PONG);
        assert(m->payload.len <= WS_CONTROL_MAX);
    }
}

/* A server's frame with the mask that a client must have. */
static void put_as_client(struct buf *frames, const struct ws_message *m)
{
    static const uint8_t mask[4] = {0xde, 0xad, 0xbe, 0xef};
    uint8_t head[WS_HEADER_MAX];
    size_t head_len, start;

    head_len = ws_header_put(head, m->opcode, m->compressed, m->payload.len);
    head[1] |= 0x80;
    buf_put(frames, head, head_len);
    buf_put(frames, mask, sizeof mask);
    start = frames->len;
    buf_put_slice(frames, m->payload);
    if (m->payload.len > 0)
        ws_unmask(frames->p + start, frames->p + start, m->payload.len, mask, 0);
}

static void put_close(struct buf *frames, const struct ws_message *m)
{
    char payload[WS_CONTROL_MAX];
    struct ws_message whole = {.opcode = WS_CLOSE, .payload = {payload, 0}};

    if (m->close_code != WS_CLOSE_NO_STATUS) {
        payload[0] = (char)(m->close_code >> 8);
        payload[1] = (char)m->close_code;
        if (m->payload.len > 0)
            memcpy(payload + 2, m->payload.p, m->payload.len);
        whole.payload.len = 2 + m->payload.len;
    }
    put_as_client(frames, &whole);
}

/* Decodes the stream in pieces; what is heard goes to `frames`, whole.  Returns the
 * error, or 0. */
static int decode(struct slice stream, size_t piece, const struct settings *s, struct buf *frames)
{
    struct ws_decoder d = {.message_max = s->message_max, .deflate = s->deflate};
    struct ws_message m;
    int n = 0;

    while (stream.len > 0) {
        size_t given = piece < stream.len ? piece : stream.len;

        n = ws_decode(&d, stream.p, given, &m);
        if (n < 0)
            break;
        assert((size_t)n <= given && (m.opcode != WS_CONTINUATION || (size_t)n == given));
        stream = (struct slice){stream.p + n, stream.len - (size_t)n};
        if (m.opcode == WS_CONTINUATION)
            continue;
        check_message(&m, s);
        if (m.opcode == WS_CLOSE)
            put_close(frames, &m);
        else
            put_as_client(frames, &m);
        ws_decoder_trim(&d);
    }
    ws_decoder_free(&d);
    assert(n >= 0 || n == WS_EPROTO || n == WS_EDATA || n == WS_ETOOBIG);
    return n < 0 ? n : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct settings s;
    struct slice stream;
    struct buf whole = {0}, cut = {0};
    int error;

    if (len < 2)
        return 0;
    s = (struct settings){.message_max = (size_t)p[1] * 16, .deflate = (p[0] & 1) != 0};
    stream = (struct slice){(const char *)p + 2, len - 2};

    error = decode(stream, stream.len, &s, &whole);
    assert(decode(stream, 1, &s, &cut) == error);
    assert(slice_eq(bytes_of(&whole), bytes_of(&cut)));
    buf_clear(&cut);
    assert(decode(stream, 2 + (p[0] >> 1), &s, &cut) == error);
    assert(slice_eq(bytes_of(&whole), bytes_of(&cut)));
    buf_clear(&cut);
    assert(decode(bytes_of(&whole), whole.len, &s, &cut) == 0);
    assert(slice_eq(bytes_of(&whole), bytes_of(&cut)));
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
