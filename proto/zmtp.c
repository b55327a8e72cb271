/*
 * zmtp.c - see zmtp.h.
 *
 * Happy path: the bytes hold whole messages, whose parts are handed out where they lie.
 * What is cut at the end is copied into `held`, grows there frame by frame, and is looked
 * over once more when its last frame is whole.
 *
 * Memory grows with what has come, not with what a head announces.
 */
#include "zmtp.h"

#include <assert.h>
#include <limits.h>

#include "mem.h"

enum { GIVEN_NOTHING, GIVEN_COMMAND, GIVEN_MESSAGE };

const char *zmtp_error_text(int error)
{
    switch (error) {
    case ZMTP_ETOOBIG:
        return "a frame or a message is too large";
    case ZMTP_EPARTS:
        return "a message has too many parts";
    case ZMTP_EEARLY:
        return "a message came before the handshake was over";
    case ZMTP_EOLD:
        return "the peer speaks ZMTP 1.0 or 2.0, which is not served";
    default:
        return "what came is not ZMTP 3";
    }
}

static uint64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* --- greeting --------------------------------------------------------------------- */

enum { AT_SIGNATURE_END = 9, AT_MAJOR, AT_MINOR, AT_MECHANISM, AT_AS_SERVER = 32 };

/* RFC 23, 3: "NULL", filled up with zeros. */
static bool mechanism_get(const uint8_t *p, struct slice *out)
{
    size_t len = 0;

    while (len < ZMTP_MECHANISM_MAX && p[len] != 0) {
        uint8_t c = p[len++];

        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.' || c == '+'))
            return false;
    }
    for (size_t i = len; i < ZMTP_MECHANISM_MAX; i++)
        if (p[i] != 0)
            return false;
    *out = (struct slice){(const char *)p, len};
    return len > 0;
}

int zmtp_greeting_get(struct zmtp_greeting *g, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    /* ZMTP 1.0 begins with the frame of an identity: its length, then flags. */
    if (len > 0 && p[0] != 0xff)
        return len == 1 ? 0 : p[0] != 0 && p[1] == 0 ? ZMTP_EOLD : ZMTP_EPROTO;
    if (len > AT_SIGNATURE_END && p[AT_SIGNATURE_END] != 0x7f)
        return (p[AT_SIGNATURE_END] & 1) == 0 ? ZMTP_EOLD : ZMTP_EPROTO;
    if (len > AT_MAJOR && p[AT_MAJOR] < 3)
        return ZMTP_EOLD;
    if (len < ZMTP_GREETING_SIZE)
        return 0;
    g->major = p[AT_MAJOR];
    g->minor = p[AT_MINOR];
    g->as_server = (p[AT_AS_SERVER] & 1) != 0;
    return mechanism_get(p + AT_MECHANISM, &g->mechanism) ? ZMTP_GREETING_SIZE : ZMTP_EPROTO;
}

void zmtp_greeting_put(uint8_t out[ZMTP_GREETING_SIZE], const char *mechanism, bool as_server)
{
    size_t len = strlen(mechanism);

    assert(len <= ZMTP_MECHANISM_MAX);
    memset(out, 0, ZMTP_GREETING_SIZE);
    out[0] = 0xff;
    out[AT_SIGNATURE_END - 1] = 1; /* what ZMTP 1.0 takes for the length of an identity */
    out[AT_SIGNATURE_END] = 0x7f;
    out[AT_MAJOR] = 3;
    out[AT_MINOR] = 1;
    memcpy(out + AT_MECHANISM, mechanism, len);
    out[AT_AS_SERVER] = as_server;
}

/* --- frames ----------------------------------------------------------------------- */

int zmtp_frame_get(struct zmtp_frame *f, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    size_t size;

    if (len == 0)
        return 0;
    if ((p[0] & ~(ZMTP_MORE | ZMTP_LONG | ZMTP_IS_COMMAND)) != 0 ||
        (p[0] & (ZMTP_MORE | ZMTP_IS_COMMAND)) == (ZMTP_MORE | ZMTP_IS_COMMAND))
        return ZMTP_EPROTO;
    size = (p[0] & ZMTP_LONG) != 0 ? 8 : 1;
    if (len < 1 + size)
        return 0;
    f->flags = p[0] & (ZMTP_MORE | ZMTP_IS_COMMAND);
    f->size = big_endian(p + 1, size);
    return f->size >> 63 != 0 ? ZMTP_EPROTO : (int)(1 + size);
}

size_t zmtp_head_put(uint8_t out[ZMTP_HEAD_MAX], unsigned flags, uint64_t size)
{
    if (size <= UINT8_MAX) {
        out[0] = (uint8_t)flags;
        out[1] = (uint8_t)size;
        return 2;
    }
    out[0] = (uint8_t)(flags | ZMTP_LONG);
    for (size_t i = 0; i < 8; i++)
        out[1 + i] = (uint8_t)(size >> (56 - 8 * i));
    return ZMTP_HEAD_MAX;
}

void zmtp_frame_put(struct buf *b, unsigned flags, struct slice body)
{
    uint8_t *out = buf_reserve(b, ZMTP_HEAD_MAX + body.len);
    size_t head = zmtp_head_put(out, flags, body.len);

    if (body.len > 0)
        memcpy(out + head, body.p, body.len);
    b->len += head + body.len;
}

/* --- commands --------------------------------------------------------------------- */

bool zmtp_command_get(struct zmtp_command *c, struct slice body)
{
    struct reader r = reader_of(body.p, body.len);

    c->name = reader_bytes(&r, reader_u8(&r));
    c->data = reader_bytes(&r, r.left);
    return !r.bad && c->name.len > 0;
}

void zmtp_command_put(struct buf *b, const char *name, struct slice data)
{
    uint8_t head[ZMTP_HEAD_MAX];
    size_t len = strlen(name);

    buf_put(b, head, zmtp_head_put(head, ZMTP_IS_COMMAND, 1 + len + data.len));
    buf_u8(b, (uint8_t)len);
    buf_put(b, name, len);
    buf_put_slice(b, data);
}

void zmtp_error_put(struct buf *b, const char *reason)
{
    uint8_t data[1 + UINT8_MAX];
    size_t len = strlen(reason);

    len = len < UINT8_MAX ? len : UINT8_MAX;
    data[0] = (uint8_t)len;
    memcpy(data + 1, reason, len);
    zmtp_command_put(b, "ERROR", (struct slice){(char *)data, 1 + len});
}

int zmtp_property_next(struct slice *rest, struct slice *name, struct slice *value)
{
    struct reader r = reader_of(rest->p, rest->len);
    const uint8_t *size;

    if (rest->len == 0)
        return 0;
    *name = reader_bytes(&r, reader_u8(&r));
    size = reader_take(&r, 4);
    *value = reader_bytes(&r, size != NULL ? (size_t)big_endian(size, 4) : 0);
    *rest = (struct slice){(const char *)r.p, r.left};
    return r.bad || name->len == 0 ? ZMTP_EPROTO : 1;
}

void zmtp_property_put(struct buf *b, const char *name, struct slice value)
{
    size_t len = strlen(name);

    assert(len <= UINT8_MAX && value.len <= INT32_MAX);
    buf_u8(b, (uint8_t)len);
    buf_put(b, name, len);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_u8(b, (uint8_t)(value.len >> shift));
    buf_put_slice(b, value);
}

bool zmtp_ping_get(struct slice data, uint16_t *ttl, struct slice *context)
{
    if (data.len < 2 || data.len > 2 + ZMTP_CONTEXT_MAX)
        return false;
    *ttl = (uint16_t)big_endian((const uint8_t *)data.p, 2);
    *context = (struct slice){data.p + 2, data.len - 2};
    return true;
}

void zmtp_ping_put(struct buf *b, uint16_t ttl)
{
    const uint8_t data[2] = {(uint8_t)(ttl >> 8), (uint8_t)ttl};

    zmtp_command_put(b, "PING", (struct slice){(const char *)data, sizeof data});
}

/* --- messages --------------------------------------------------------------------- */

/* May the frame come behind what the message has already? */
static int frame_check(const struct zmtp_decoder *d, const struct zmtp_frame *f, unsigned parts,
                       uint64_t bytes)
{
    if ((f->flags & ZMTP_IS_COMMAND) != 0)
        return f->size > d->command_max ? ZMTP_ETOOBIG : 0;
    if (d->message_max == 0)
        return ZMTP_EEARLY;
    if (f->size > d->message_max || bytes > d->message_max - f->size)
        return ZMTP_ETOOBIG;
    return parts == ZMTP_PARTS_MAX ? ZMTP_EPARTS : 0;
}

/* Where a walk over frames stands. */
struct walk {
    size_t at; /* behind the last whole frame */
    uint64_t bytes;
    unsigned parts;
};

/* The frame at w->at: the size of its head, 0 unless all of it is there, or an error. */
static int walk_frame(const struct zmtp_decoder *d, const struct walk *w, const uint8_t *p,
                      size_t len, struct zmtp_frame *f)
{
    int head = zmtp_frame_get(f, p + w->at, len - w->at), error;

    if (head <= 0)
        return head;
    error = frame_check(d, f, w->parts, w->bytes);
    if (error != 0)
        return error;
    return len - w->at - (size_t)head < f->size ? 0 : head;
}

static void hold(struct zmtp_decoder *d, const struct walk *w, const uint8_t *p, size_t len)
{
    buf_put(&d->held, p, len);
    d->frame_at = w->at;
    d->bytes = w->bytes;
    d->parts = (uint8_t)w->parts;
}

/* Nothing is held: the unit is handed out where it lies, or its beginning is held. */
static int decode_in_place(struct zmtp_decoder *d, const uint8_t *p, size_t len,
                           struct zmtp_unit *u)
{
    struct walk w = {0};
    struct zmtp_frame f;
    int head;

    while ((head = walk_frame(d, &w, p, len, &f)) > 0) {
        struct slice body = {(const char *)p + w.at + head, (size_t)f.size};

        if ((f.flags & ZMTP_IS_COMMAND) != 0 && w.parts > 0) {
            hold(d, &w, p, w.at); /* a command between parts: the next call's */
            return (int)w.at;
        }
        w.at += (size_t)head + body.len;
        if ((f.flags & ZMTP_IS_COMMAND) != 0) {
            u->kind = ZMTP_COMMAND;
            u->command = body;
            return (int)w.at;
        }
        u->parts[w.parts++] = body;
        w.bytes += body.len;
        if ((f.flags & ZMTP_MORE) == 0) {
            u->kind = ZMTP_MESSAGE;
            u->count = w.parts;
            return (int)w.at;
        }
    }
    if (head < 0)
        return head;
    hold(d, &w, p, len);
    return (int)len;
}

/* What was handed out is no longer looked at. */
static void take_back(struct zmtp_decoder *d)
{
    if (d->given == GIVEN_COMMAND)
        d->held.len = d->frame_at;
    else if (d->given == GIVEN_MESSAGE)
        buf_clear(&d->held);
    if (d->given == GIVEN_MESSAGE)
        d->frame_at = d->bytes = d->parts = 0;
    d->given = GIVEN_NOTHING;
}

/* All its frames are held, each of them whole. */
static void message_give(struct zmtp_decoder *d, struct zmtp_unit *u)
{
    size_t at = 0;
    struct zmtp_frame f;

    for (u->count = 0; at < d->held.len; u->count++) {
        at += (size_t)zmtp_frame_get(&f, d->held.p + at, d->held.len - at);
        u->parts[u->count] = (struct slice){(char *)d->held.p + at, (size_t)f.size};
        at += (size_t)f.size;
    }
    u->kind = ZMTP_MESSAGE;
    d->given = GIVEN_MESSAGE;
}

/* The frame in progress is whole: is a unit? */
static void frame_done(struct zmtp_decoder *d, const struct zmtp_frame *f, size_t head,
                       struct zmtp_unit *u)
{
    if ((f->flags & ZMTP_IS_COMMAND) != 0) {
        u->kind = ZMTP_COMMAND;
        u->command = (struct slice){(char *)d->held.p + d->frame_at + head, (size_t)f->size};
        d->given = GIVEN_COMMAND;
        return;
    }
    d->frame_at = d->held.len;
    d->bytes += f->size;
    d->parts++;
    if ((f->flags & ZMTP_MORE) == 0)
        message_give(d, u);
}

/* Adds to the frame in progress; returns how much it took, or an error. */
static int frame_go_on(struct zmtp_decoder *d, const uint8_t *p, size_t len, struct zmtp_unit *u)
{
    struct zmtp_frame f;
    size_t used = 0, need;
    int head, error;

    while ((head = zmtp_frame_get(&f, d->held.p + d->frame_at, d->held.len - d->frame_at)) == 0 &&
           used < len)
        buf_u8(&d->held, p[used++]);
    if (head <= 0)
        return head < 0 ? head : (int)used;
    error = frame_check(d, &f, d->parts, d->bytes);
    if (error != 0)
        return error;
    need = (size_t)head + (size_t)f.size - (d->held.len - d->frame_at);
    if (need <= len - used) {
        buf_put(&d->held, p + used, need);
        frame_done(d, &f, (size_t)head, u);
        return (int)(used + need);
    }
    buf_put(&d->held, p + used, len - used);
    return (int)len;
}

int zmtp_decode(struct zmtp_decoder *d, const void *bytes, size_t len, struct zmtp_unit *u)
{
    const uint8_t *p = bytes;
    size_t used = 0;
    int n;

    u->kind = ZMTP_NOTHING;
    len = len < INT_MAX ? len : INT_MAX;
    take_back(d);
    if (d->held.len == 0)
        return decode_in_place(d, p, len, u);
    while (used < len && u->kind == ZMTP_NOTHING) {
        n = frame_go_on(d, p + used, len - used, u);
        if (n < 0)
            return n;
        used += (size_t)n;
    }
    return (int)used;
}

void zmtp_decoder_trim(struct zmtp_decoder *d)
{
    take_back(d);
    if (d->held.len == 0)
        buf_free(&d->held);
}

void zmtp_decoder_free(struct zmtp_decoder *d)
{
    buf_free(&d->held);
    d->given = GIVEN_NOTHING;
    d->frame_at = d->bytes = d->parts = 0;
}
