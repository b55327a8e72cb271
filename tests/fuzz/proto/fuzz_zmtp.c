/*
 * fuzz_zmtp.c - a peer's bytes give the same units and the same end at once, byte by byte
 * and in pieces; what comes out is within the limits, and written again is read back the
 * same.  The greeting, and the commands of a handshake, are read from the same bytes; CURVE
 * with cryptography that boxes nothing.
 *
 * Input: the mechanism (two bits) and the size of pieces, the limit on messages, then the
 * stream.
 */
#include <assert.h>
#include <stdlib.h>

#include "no_crypto.h"
#include "zmtp.h"
#include "zmtp_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define COMMAND_MAX 300

struct settings {
    size_t message_max;
};

/* --- units ------------------------------------------------------------------------ */

static void put_unit(struct buf *out, const struct zmtp_unit *u)
{
    if (u->kind == ZMTP_COMMAND)
        zmtp_frame_put(out, ZMTP_IS_COMMAND, u->command);
    for (size_t i = 0; u->kind == ZMTP_MESSAGE && i < u->count; i++)
        zmtp_frame_put(out, i + 1 < u->count ? ZMTP_MORE : 0, u->parts[i]);
}

static void check_unit(const struct zmtp_unit *u, const struct settings *s)
{
    size_t bytes = 0;

    if (u->kind == ZMTP_COMMAND)
        assert(u->command.len <= COMMAND_MAX);
    if (u->kind != ZMTP_MESSAGE)
        return;
    assert(u->count > 0 && u->count <= ZMTP_PARTS_MAX);
    for (size_t i = 0; i < u->count; i++)
        bytes += u->parts[i].len;
    assert(bytes <= s->message_max);
}

/* Appends the units as frames, commands first that stood within a message; returns how it
 * ended: 0, or an error.  A copy of each piece: reading behind it is found. */
static int decode(const uint8_t *p, size_t len, size_t piece, const struct settings *s,
                  struct buf *out)
{
    static struct zmtp_unit u;
    struct zmtp_decoder d = {.command_max = COMMAND_MAX, .message_max = s->message_max};
    int end = 0;

    for (size_t at = 0; at < len && end == 0; at += piece) {
        size_t n = piece < len - at ? piece : len - at, used = 0;
        uint8_t *copy = malloc(n);

        memcpy(copy, p + at, n);
        while (used < n && end >= 0) {
            end = zmtp_decode(&d, copy + used, n - used, &u);
            assert(end != 0);
            if (end < 0)
                break;
            used += (size_t)end;
            assert(used <= n);
            check_unit(&u, s);
            put_unit(out, &u);
        }
        end = end < 0 ? end : 0;
        zmtp_decoder_trim(&d);
        assert(d.held.len <= s->message_max + COMMAND_MAX + (ZMTP_PARTS_MAX + 1) * ZMTP_HEAD_MAX);
        free(copy);
    }
    zmtp_decoder_free(&d);
    return end;
}

static void check_stream(const uint8_t *p, size_t len, size_t piece, const struct settings *s)
{
    struct buf whole = {0}, bytes = {0}, pieces = {0}, again = {0};
    int end = decode(p, len, len > 0 ? len : 1, s, &whole);

    assert(decode(p, len, 1, s, &bytes) == end);
    assert(decode(p, len, piece, s, &pieces) == end);
    assert(slice_eq(buf_slice(&whole), buf_slice(&bytes)));
    assert(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    assert(decode(whole.p, whole.len, whole.len > 0 ? whole.len : 1, s, &again) == 0);
    assert(slice_eq(buf_slice(&whole), buf_slice(&again)));
    buf_free(&whole);
    buf_free(&bytes);
    buf_free(&pieces);
    buf_free(&again);
}

/* --- the greeting ----------------------------------------------------------------- */

static void check_greeting(const uint8_t *p, size_t len)
{
    struct zmtp_greeting g;
    int whole = zmtp_greeting_get(&g, p, len), n = 0;

    for (size_t i = 0; i <= len && n == 0; i++)
        n = zmtp_greeting_get(&g, p, i);
    assert(n == whole);
    if (whole > 0)
        assert(whole == ZMTP_GREETING_SIZE && g.major >= 3 && g.mechanism.len > 0 &&
               g.mechanism.len <= ZMTP_MECHANISM_MAX);
}

/* --- the handshake ---------------------------------------------------------------- */

/* What is answered are whole commands: at most one each, ERROR when it is refused. */
static void check_answer(enum zmtp_verdict v, const struct buf *out, const char *why)
{
    struct zmtp_command c;
    struct zmtp_frame f;
    int head = zmtp_frame_get(&f, out->p, out->len);

    assert(head > 0 && out->len == (size_t)head + f.size && f.flags == ZMTP_IS_COMMAND);
    assert(zmtp_command_get(&c, (struct slice){(char *)out->p + head, (size_t)f.size}));
    assert(slice_eq(c.name, SLICE("ERROR")) == (v == ZMTP_REFUSED));
    assert((why != NULL) == (v == ZMTP_REFUSED));
}

static void check_handshake(const uint8_t *p, size_t len, enum zmtp_mechanism mechanism)
{
    static struct zmtp_unit u;
    const struct zmtp_curve_server server = {.crypto = &no_crypto};
    struct zmtp_curve curve = {.server = &server};
    struct zmtp_handshake h = {.mechanism = mechanism, .curve = &curve};
    struct zmtp_decoder d = {.command_max = COMMAND_MAX};
    enum zmtp_verdict v = ZMTP_GO_ON;
    struct buf out = {0};
    size_t used = 0;
    int n = 1;

    while (v == ZMTP_GO_ON && used < len && (n = zmtp_decode(&d, p + used, len - used, &u)) > 0) {
        const char *why = NULL;

        used += (size_t)n;
        if (u.kind != ZMTP_COMMAND)
            continue;
        buf_clear(&out);
        v = zmtp_handshake_take(&h, u.command, &out, &why);
        assert((v == ZMTP_ASK) == (out.len == 0));
        if (v == ZMTP_ASK)
            v = zmtp_handshake_admit(&h, &out);
        check_answer(v, &out, why);
    }
    assert(v != ZMTP_DONE || h.type < ZMTP_TYPES);
    buf_free(&out);
    zmtp_decoder_free(&d);
}

/* What is sealed is opened again; anything else is opened or not. */
static void check_boxes(const uint8_t *p, size_t len)
{
    const struct zmtp_curve_server server = {.crypto = &no_crypto};
    struct zmtp_curve curve = {.server = &server};
    struct slice body = {(const char *)p, len};
    struct buf sealed = {0}, opened = {0}, plain = {0};
    struct zmtp_frame f;
    int head;

    zmtp_curve_seal(&curve, ZMTP_MORE, body, &sealed);
    head = zmtp_frame_get(&f, sealed.p, sealed.len);
    assert(head > 0 && f.size == len + ZMTP_CURVE_OVERHEAD);
    assert(zmtp_curve_open(
        &curve, (struct slice){(char *)sealed.p + head, sealed.len - (size_t)head}, &opened));
    zmtp_frame_put(&plain, ZMTP_MORE, body);
    assert(slice_eq(buf_slice(&plain), buf_slice(&opened)));
    buf_clear(&opened);
    (void)zmtp_curve_open(&curve, body, &opened);
    buf_free(&sealed);
    buf_free(&opened);
    buf_free(&plain);
}

static void check_words(struct slice s)
{
    struct slice name, value, context, rest = s;
    struct zmtp_command c;
    uint16_t ttl;
    int more;

    (void)zmtp_command_get(&c, s);
    (void)zmtp_ping_get(s, &ttl, &context);
    while ((more = zmtp_property_next(&rest, &name, &value)) > 0)
        assert(name.len > 0 && name.len + value.len <= s.len);
    assert(more == 0 || more == ZMTP_EPROTO);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct settings s;
    size_t piece;
    enum zmtp_mechanism mechanism;

    if (len < 2)
        return 0;
    mechanism = (enum zmtp_mechanism)(p[0] % 3);
    piece = 1 + p[0] / 4;
    s.message_max = (size_t)p[1] * 4;
    p += 2;
    len -= 2;
    check_greeting(p, len);
    check_stream(p, len, piece, &s);
    check_handshake(p, len, mechanism);
    check_boxes(p, len);
    check_words((struct slice){(const char *)p, len});
    return 0;
}
