/*
 * ws.c - frames taken apart and made, messages put together (RFC 6455, 5 and 7).
 *
 * Happy path of a client's bytes:
 *
 *   HEAD ──header whole──▶ PAYLOAD ──frame whole──▶ HEAD … until a final frame:
 *     the message is handed out            a close frame: CLOSED
 *
 * A message gathers in one buffer, unmasked on the way in; its text is checked as
 * it comes, so a bad byte ends the connection before the rest has travelled.
 * Control frames have a place of their own and may stand between its fragments.
 *
 * What fails, fails at the first byte that proves it, however the bytes were cut,
 * and for good: broken rules with WS_EPROTO, text that is not UTF-8 with WS_EDATA,
 * a message over the limit with WS_ETOOBIG, when its frame's header says so.
 */
#include "ws.h"

#include <assert.h>
#include <limits.h>

#define BIT_FIN 0x80
#define BIT_RSV1 0x40
#define BITS_RSV23 0x30
#define BIT_MASK 0x80

enum state { HEAD, PAYLOAD, CLOSED, BROKEN };

static bool is_control(unsigned opcode)
{
    return (opcode & 0x8) != 0;
}

static uint64_t be_get(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

static void be_put(uint8_t *p, size_t n, uint64_t v)
{
    for (; n-- > 0; v >>= 8)
        p[n] = (uint8_t)v;
}

/* --- frame headers ---------------------------------------------------------------- */

/* What the first byte proves. */
static bool first_byte_ok(uint8_t b, bool deflate)
{
    unsigned opcode = b & 0x0f;

    if ((b & BITS_RSV23) != 0 || (opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
        return false;
    if (is_control(opcode) && (b & BIT_FIN) == 0)
        return false; /* 5.5: control frames are whole */
    /* RFC 7692, 6.1: on the first frame of a message alone. */
    return (b & BIT_RSV1) == 0 || (deflate && (opcode == WS_TEXT || opcode == WS_BINARY));
}

int ws_header_decode(struct ws_header *h, const uint8_t *p, size_t len, bool deflate)
{
    size_t ext, size;
    uint64_t payload;
    unsigned len7;

    if (len < 1)
        return 0;
    if (!first_byte_ok(p[0], deflate))
        return WS_EPROTO;
    if (len < 2)
        return 0;
    len7 = p[1] & 0x7f;
    if ((p[1] & BIT_MASK) == 0 || (is_control(p[0]) && len7 > WS_CONTROL_MAX))
        return WS_EPROTO; /* 5.1: a client must mask; 5.5: control frames are short */

    ext = len7 == 127 ? 8 : len7 == 126 ? 2 : 0;
    size = 2 + ext + sizeof h->mask;
    if (len < size)
        return 0;
    payload = ext == 0 ? len7 : be_get(p + 2, ext);
    if ((ext == 2 && payload < 126) || (ext == 8 && payload <= UINT16_MAX) || payload > INT64_MAX)
        return WS_EPROTO; /* 5.2: the shortest form, the first bit 0 */

    h->fin = (p[0] & BIT_FIN) != 0;
    h->compressed = (p[0] & BIT_RSV1) != 0;
    h->opcode = p[0] & 0x0f;
    h->payload = payload;
    memcpy(h->mask, p + 2 + ext, sizeof h->mask);
    return (int)size;
}

void ws_unmask(uint8_t *out, const uint8_t *in, size_t n, const uint8_t mask[4], uint64_t at)
{
    uint8_t turned[8];
    uint64_t key, word;
    size_t i = 0;

    for (size_t k = 0; k < sizeof turned; k++)
        turned[k] = mask[(at + k) & 3];
    memcpy(&key, turned, sizeof key);
    for (; n - i >= sizeof word; i += sizeof word) {
        memcpy(&word, in + i, sizeof word);
        word ^= key;
        memcpy(out + i, &word, sizeof word);
    }
    for (; i < n; i++)
        out[i] = in[i] ^ turned[i & 7];
}

size_t ws_header_put(uint8_t out[WS_HEADER_MAX], enum ws_opcode opcode, bool compressed,
                     uint64_t payload)
{
    size_t ext = payload > UINT16_MAX ? 8 : payload > 125 ? 2 : 0;

    assert(!is_control(opcode) || (ext == 0 && !compressed));
    out[0] = (uint8_t)(BIT_FIN | (compressed ? BIT_RSV1 : 0) | opcode);
    out[1] = (uint8_t)(ext == 8 ? 127 : ext == 2 ? 126 : payload);
    be_put(out + 2, ext, payload);
    return 2 + ext;
}

void ws_frame_wrap(struct buf *b, size_t start, enum ws_opcode opcode, bool compressed)
{
    uint8_t head[WS_HEADER_MAX];
    size_t payload, head_len;

    assert(start <= b->len);
    payload = b->len - start;
    head_len = ws_header_put(head, opcode, compressed, payload);
    (void)buf_reserve(b, head_len);
    memmove(b->p + start + head_len, b->p + start, payload);
    memcpy(b->p + start, head, head_len);
    b->len += head_len;
}

void ws_frame_put(struct buf *b, enum ws_opcode opcode, struct slice payload)
{
    size_t head_len = ws_header_put(buf_reserve(b, WS_HEADER_MAX), opcode, false, payload.len);

    b->len += head_len;
    buf_put_slice(b, payload);
}

/* --- close frames ------------------------------------------------------------------- */

/* A code that a peer may send: defined, and not one that only stands for something
 * that no frame said (1005, 1006, 1015). */
static bool close_code_ok(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

int ws_close_get(struct slice payload, uint16_t *code, struct slice *reason)
{
    *code = WS_CLOSE_NO_STATUS;
    *reason = (struct slice){NULL, 0};
    if (payload.len == 0)
        return 0;
    if (payload.len == 1)
        return WS_EPROTO;
    *code = (uint16_t)be_get((const uint8_t *)payload.p, 2);
    *reason = (struct slice){payload.p + 2, payload.len - 2};
    if (!close_code_ok(*code))
        return WS_EPROTO;
    return utf8_valid(reason->p, reason->len) ? 0 : WS_EDATA;
}

void ws_close_put(struct buf *b, unsigned code, const char *reason)
{
    char payload[WS_CONTROL_MAX];
    size_t len = strlen(reason);

    if (code == WS_CLOSE_NO_STATUS) {
        ws_frame_put(b, WS_CLOSE, SLICE(""));
        return;
    }
    assert(close_code_ok(code));
    if (len > sizeof payload - 2) {
        len = sizeof payload - 2;
        while (len > 0 && (reason[len] & 0xc0) == 0x80)
            len--;
    }
    be_put((uint8_t *)payload, 2, code);
    memcpy(payload + 2, reason, len);
    ws_frame_put(b, WS_CLOSE, (struct slice){payload, 2 + len});
}

/* --- messages ----------------------------------------------------------------------- */

static int ws_fail(struct ws_decoder *d, int error)
{
    d->state = BROKEN;
    d->error = error;
    return error;
}

static bool text_is_checked(const struct ws_decoder *d)
{
    return d->opcode == WS_TEXT && !d->compressed;
}

/* How long the message may become. */
static uint64_t message_room(const struct ws_decoder *d)
{
    uint64_t max = d->message_max;

    return d->compressed ? max + max / 4 + 64 : max;
}

/* Is this frame in its place? */
static int frame_begin(struct ws_decoder *d)
{
    const struct ws_header *h = &d->frame;

    d->got = 0;
    d->state = PAYLOAD;
    if (is_control(h->opcode))
        return 0;
    if ((h->opcode == WS_CONTINUATION) != (d->opcode != WS_CONTINUATION))
        return WS_EPROTO; /* 5.4: nothing to continue, or something unfinished */
    if (h->opcode != WS_CONTINUATION) {
        d->opcode = h->opcode;
        d->compressed = h->compressed;
        d->utf8 = (struct utf8_check){0};
        buf_clear(&d->message);
    }
    return h->payload > message_room(d) - d->message.len ? WS_ETOOBIG : 0;
}

static int control_whole(struct ws_decoder *d, struct ws_message *m)
{
    m->opcode = d->frame.opcode;
    m->payload = (struct slice){(const char *)d->control, (size_t)d->got};
    d->state = HEAD;
    if (m->opcode != WS_CLOSE)
        return 0;
    d->state = CLOSED;
    return ws_close_get(m->payload, &m->close_code, &m->payload);
}

static int frame_whole(struct ws_decoder *d, struct ws_message *m)
{
    if (is_control(d->frame.opcode))
        return control_whole(d, m);
    d->state = HEAD;
    if (!d->frame.fin)
        return 0;
    if (text_is_checked(d) && !utf8_check_whole(&d->utf8))
        return WS_EDATA;
    m->opcode = d->opcode;
    m->compressed = d->compressed;
    m->payload = buf_slice(&d->message);
    d->opcode = WS_CONTINUATION;
    return 0;
}

/* Takes what of the next header is here; d->head keeps one that is cut in two. */
static int take_head(struct ws_decoder *d, const uint8_t *p, size_t len, size_t *used)
{
    size_t before = d->head_len, n = sizeof d->head - before;
    int size;

    if (n > len)
        n = len;
    memcpy(d->head + before, p, n);
    size = ws_header_decode(&d->frame, d->head, before + n, d->deflate);
    if (size < 0)
        return size;
    if (size == 0) {
        d->head_len = (uint8_t)(before + n);
        *used = n;
        return 0;
    }
    d->head_len = 0;
    *used = (size_t)size - before;
    return frame_begin(d);
}

static int take_message_bytes(struct ws_decoder *d, const uint8_t *p, size_t n)
{
    uint8_t *out = buf_reserve(&d->message, n);

    ws_unmask(out, p, n, d->frame.mask, d->got);
    d->message.len += n;
    if (text_is_checked(d) && !utf8_check_next(&d->utf8, (const char *)out, n))
        return WS_EDATA;
    return 0;
}

static int take_payload(struct ws_decoder *d, const uint8_t *p, size_t len, size_t *used)
{
    uint64_t left = d->frame.payload - d->got;
    size_t n = left < len ? (size_t)left : len;
    int rc = 0;

    if (n == 0)
        return 0;
    if (is_control(d->frame.opcode))
        ws_unmask(d->control + d->got, p, n, d->frame.mask, d->got);
    else
        rc = take_message_bytes(d, p, n);
    d->got += n;
    *used = n;
    return rc;
}

/* One step: (the rest of) a header, or of a payload. */
static int ws_step(struct ws_decoder *d, const uint8_t *p, size_t len, struct ws_message *m,
                   size_t *used)
{
    size_t head = 0, payload = 0;
    int rc = 0;

    if (d->state == HEAD)
        rc = take_head(d, p, len, &head);
    if (rc == 0 && d->state == PAYLOAD)
        rc = take_payload(d, p + head, len - head, &payload);
    if (rc == 0 && d->state == PAYLOAD && d->got == d->frame.payload)
        rc = frame_whole(d, m);
    *used = head + payload;
    return rc;
}

int ws_decode(struct ws_decoder *d, const void *p, size_t len, struct ws_message *m)
{
    const uint8_t *in = p;
    size_t at = 0, used;
    int rc;

    *m = (struct ws_message){0};
    if (len > INT_MAX)
        len = INT_MAX;
    if (d->state == BROKEN)
        return d->error;
    while (at < len && m->opcode == WS_CONTINUATION && d->state != CLOSED) {
        rc = ws_step(d, in + at, len - at, m, &used);
        if (rc != 0) {
            *m = (struct ws_message){0};
            return ws_fail(d, rc);
        }
        at += used;
    }
    return d->state == CLOSED && m->opcode == WS_CONTINUATION ? (int)len : (int)at;
}

void ws_decoder_trim(struct ws_decoder *d)
{
    if (d->opcode == WS_CONTINUATION)
        buf_free(&d->message);
}

void ws_decoder_free(struct ws_decoder *d)
{
    buf_free(&d->message);
}
