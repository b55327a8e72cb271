/*
 * h2.h - what the load generator needs of HTTP/2 (RFC 9113): many requests on one
 * connection, windows that never close, and a server's frames taken apart.
 *
 * The header blocks that it sends leave the compression table alone; of those that come
 * it looks at the first byte, which is `:status: 200` in the static table or an error.
 */
#ifndef BENCH_H2_H
#define BENCH_H2_H

#include "bench.h"

enum { H2_DATA = 0, H2_HEADERS = 1, H2_RST = 3, H2_SETTINGS = 4, H2_GOAWAY = 7, H2_WINDOW = 8 };
enum { H2_STATUS_200 = 0x88, H2_REQUEST_MAX = 512 };

static const uint32_t H2_WINDOW_MAX = 0x7fffffff;

/* One connection's input: where it is within a frame. */
struct h2_in {
    unsigned char head[9];
    unsigned head_len;
    uint32_t left; /* of the frame's payload */
    bool begun;    /* a frame whose payload is not all there */
    uint64_t data; /* bytes of DATA, ever */
    uint64_t owed; /* of them, those that the connection's window has not got back */
};

struct h2_out {
    size_t len;
    char bytes[64 * 1024];
};

static void h2_frame_put(struct h2_out *o, int type, int flags, uint32_t stream, const void *p,
                         size_t len)
{
    const unsigned char head[9] = {
        (unsigned char)(len >> 16),    (unsigned char)(len >> 8),    (unsigned char)len,
        (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream};

    if (o->len + sizeof head + len > sizeof o->bytes)
        die("too much to say at once");
    memcpy(o->bytes + o->len, head, sizeof head);
    if (len > 0)
        memcpy(o->bytes + o->len + sizeof head, p, len);
    o->len += sizeof head + len;
}

static void h2_window_put(struct h2_out *o, uint32_t more)
{
    const unsigned char p[4] = {(unsigned char)(more >> 24), (unsigned char)(more >> 16),
                                (unsigned char)(more >> 8), (unsigned char)more};

    h2_frame_put(o, H2_WINDOW, 0, 0, p, sizeof p);
}

static void h2_preface_put(struct h2_out *o)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const unsigned char settings[] = {0, 2, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff};

    memcpy(o->bytes + o->len, magic, sizeof magic - 1);
    o->len += sizeof magic - 1;
    h2_frame_put(o, H2_SETTINGS, 0, 0, settings, sizeof settings); /* no push, largest window */
    h2_window_put(o, H2_WINDOW_MAX - 65535);
}

static size_t h2_literal(unsigned char *to, unsigned name, const char *value, size_t len)
{
    if (len > 126)
        die("an address too long for this: %s", value);
    to[0] = (unsigned char)name; /* below 15: without indexing, its name in the static table */
    to[1] = (unsigned char)len;
    memcpy(to + 2, value, len);
    return len + 2;
}

/* GET path, for an event stream. */
static void h2_request_put(struct h2_out *o, uint32_t stream, const char *path,
                           const char *authority, size_t authority_len)
{
    static const char accept[] = "\x00\x06"
                                 "accept"
                                 "\x11"
                                 "text/event-stream";
    unsigned char block[H2_REQUEST_MAX] = {0x82, 0x86}; /* :method GET, :scheme http */
    size_t len = 2;

    len += h2_literal(block + len, 4, path, strlen(path));
    len += h2_literal(block + len, 1, authority, authority_len);
    memcpy(block + len, accept, sizeof accept - 1);
    len += sizeof accept - 1;
    h2_frame_put(o, H2_HEADERS, 5, stream, block, len);
}

/* What came: a run of a frame's payload, or a frame without any. */
struct h2_part {
    int type;
    bool first; /* of its frame */
    bool ack;
    uint32_t stream;
    const char *p;
    size_t len;
};

static bool h2_head_take(struct h2_in *in, const char **at, const char *end)
{
    while (in->head_len < sizeof in->head && *at < end)
        in->head[in->head_len++] = (unsigned char)*(*at)++;
    return in->head_len == sizeof in->head;
}

/* Takes the next part off *at; false when the bytes end before there is one. */
static bool h2_next(struct h2_in *in, const char **at, const char *end, struct h2_part *part)
{
    const unsigned char *h = in->head;
    bool first = !in->begun;

    if (first) {
        if (!h2_head_take(in, at, end))
            return false;
        in->left = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
        in->begun = true;
    }
    if (in->left > 0 && *at == end)
        return false;
    *part = (struct h2_part){.type = h[3],
                             .first = first,
                             .ack = (h[4] & 1) != 0,
                             .stream = (uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 |
                                       (uint32_t)h[7] << 8 | h[8],
                             .p = *at,
                             .len = (size_t)(end - *at)};
    if (part->len > in->left)
        part->len = in->left;
    *at += part->len;
    in->left -= (uint32_t)part->len;
    if (in->left == 0) {
        in->begun = false;
        in->head_len = 0;
    }
    return true;
}

/* What every connection must do about it: answer SETTINGS, open its window again. */
static void h2_answer(struct h2_in *in, const struct h2_part *part, struct h2_out *o)
{
    if (part->type == H2_GOAWAY || part->type == H2_RST)
        die("the server said %s", part->type == H2_GOAWAY ? "GOAWAY" : "RST_STREAM");
    if (part->type == H2_HEADERS && part->first && (unsigned char)part->p[0] != H2_STATUS_200)
        die("subscribing was refused: status %02x", (unsigned char)part->p[0]);
    if (part->type == H2_SETTINGS && part->first && !part->ack)
        h2_frame_put(o, H2_SETTINGS, 1, 0, NULL, 0);
    if (part->type != H2_DATA)
        return;
    in->data += part->len;
    in->owed += part->len;
    if (in->owed >= 1u << 30) {
        h2_window_put(o, (uint32_t)in->owed);
        in->owed = 0;
    }
}

#endif
