/*
 * test_ws.c - WebSocket frames, and messages put together from them.
 *
 * `conversations` is the table of what clients send and what comes of it, most of
 * it after the cases of the Autobahn test suite.  Each is decoded at once, byte by
 * byte and in every cut into two, each piece ending at an unmapped page: what comes
 * out is always the same.
 */
#include <stdlib.h>

#include "guard.h"
#include "suite.h"
#include "ws.h"

#define MESSAGE_MAX 1000
#define FIN 0x80
#define RSV1 0x40

static struct buf b;
static struct guard g;

static void setup(void)
{
    b = (struct buf){0};
    g = guard_new(8192);
}

static void teardown(void)
{
    buf_free(&b);
    guard_free(&g);
}

static struct slice bytes_of(const struct buf *buf)
{
    return buf_slice(buf);
}

#define assert_bytes(literal) ck_assert(slice_eq(bytes_of(&b), SLICE(literal)))

/* --- a client's side ---------------------------------------------------------------- */

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

static void put_length(struct buf *out, size_t len)
{
    if (len > UINT16_MAX) {
        buf_u8(out, FIN | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_u8(out, (uint8_t)((uint64_t)len >> shift));
    } else if (len > 125) {
        buf_u8(out, FIN | 126);
        buf_u8(out, (uint8_t)(len >> 8));
        buf_u8(out, (uint8_t)len);
    } else {
        buf_u8(out, (uint8_t)(FIN | len));
    }
}

static void put_masked(struct buf *out, unsigned first, struct slice payload)
{
    buf_u8(out, (uint8_t)first);
    put_length(out, payload.len);
    buf_put(out, mask, sizeof mask);
    for (size_t i = 0; i < payload.len; i++)
        buf_u8(out, (uint8_t)payload.p[i] ^ mask[i & 3]);
}

/* --- headers -------------------------------------------------------------------------- */

static struct ws_header h;

static int decode_header(struct slice s, bool deflate)
{
    return ws_header_decode(&h, guard_put(&g, s.p, s.len), s.len, deflate);
}

START_TEST(a_header_is_read)
{
    ck_assert_int_eq(decode_header(SLICE("\x81\x85\x01\x02\x03\x04"), false), 6);
    ck_assert(h.fin && !h.compressed);
    ck_assert_uint_eq(h.opcode, WS_TEXT);
    ck_assert_uint_eq(h.payload, 5);
    ck_assert(memcmp(h.mask, "\x01\x02\x03\x04", 4) == 0);
}
END_TEST

START_TEST(lengths_have_three_forms)
{
    ck_assert_int_eq(decode_header(SLICE("\x02\xfd...."), false), 6);
    ck_assert_uint_eq(h.payload, 125);
    ck_assert_int_eq(decode_header(SLICE("\x02\xfe\x00\x7e...."), false), 8);
    ck_assert_uint_eq(h.payload, 126);
    ck_assert_int_eq(decode_header(SLICE("\x02\xff\x00\x00\x00\x00\x00\x01\x00\x00...."), false),
                     14);
    ck_assert_uint_eq(h.payload, 65536);
}
END_TEST

/* Up to its end a good header needs more; a bad one is known as bad as soon as its
 * first bytes prove it. */
START_TEST(every_prefix_of_a_header_needs_more)
{
    struct slice whole = SLICE("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00....");

    for (size_t n = 0; n < whole.len; n++)
        ck_assert_int_eq(decode_header((struct slice){whole.p, n}, false), 0);
    ck_assert_int_eq(decode_header(whole, false), 14);
}
END_TEST

static const struct slice bad_headers[] = {
    SLICE("\x83"), /* reserved opcodes */
    SLICE("\x87"),
    SLICE("\x8b"),
    SLICE("\x8f"),
    SLICE("\x91"), /* RSV3, RSV2, RSV1 */
    SLICE("\xa1"),
    SLICE("\xc1"),
    SLICE("\x08"), /* control frames in pieces */
    SLICE("\x09"),
    SLICE("\x81\x05"), /* not masked */
    SLICE("\x89\xfe"), /* a long ping */
    SLICE("\x88\xff"),
    SLICE("\x81\xfe\x00\x7d...."), /* longer forms than needed */
    SLICE("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff...."),
    SLICE("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00...."), /* the first bit */
};

START_TEST(a_bad_header_is_refused_at_once)
{
    ck_assert_int_eq(decode_header(bad_headers[_i], false), WS_EPROTO);
}
END_TEST

START_TEST(rsv1_is_for_the_first_frame_of_a_message_and_only_when_agreed)
{
    ck_assert_int_eq(decode_header(SLICE("\xc1\x80...."), true), 6);
    ck_assert(h.compressed);
    ck_assert_int_eq(decode_header(SLICE("\x42\x80...."), true), 6);
    ck_assert_int_eq(decode_header(SLICE("\xc0"), true), WS_EPROTO);
    ck_assert_int_eq(decode_header(SLICE("\xc9"), true), WS_EPROTO);
    ck_assert_int_eq(decode_header(SLICE("\xe1"), true), WS_EPROTO);
}
END_TEST

START_TEST(unmasking_is_the_same_wherever_a_payload_is_cut)
{
    uint8_t plain[64], masked[64], out[64];

    for (size_t i = 0; i < sizeof plain; i++) {
        plain[i] = (uint8_t)(i * 7);
        masked[i] = plain[i] ^ mask[i & 3];
    }
    for (size_t cut = 0; cut <= sizeof plain; cut++) {
        ws_unmask(out, masked, cut, mask, 0);
        ws_unmask(out + cut, guard_put(&g, masked + cut, sizeof masked - cut), sizeof masked - cut,
                  mask, cut);
        ck_assert(memcmp(out, plain, sizeof plain) == 0);
    }
    ws_unmask(masked, masked, sizeof masked, mask, 0);
    ck_assert(memcmp(masked, plain, sizeof plain) == 0);
}
END_TEST

/* --- frames to clients ------------------------------------------------------------------- */

START_TEST(a_frame_is_wrapped_around_what_is_there)
{
    buf_puts(&b, "HEADhello");
    ws_frame_wrap(&b, 4, WS_TEXT, false);
    assert_bytes("HEAD\x81\x05hello");
}
END_TEST

START_TEST(an_empty_frame_is_its_header)
{
    ws_frame_wrap(&b, 0, WS_BINARY, true);
    assert_bytes("\xc2\x00");
}
END_TEST

START_TEST(frames_take_the_shortest_form)
{
    static const struct {
        uint64_t payload;
        struct slice head;
    } forms[] = {
        {0, SLICE("\x82\x00")},
        {125, SLICE("\x82\x7d")},
        {126, SLICE("\x82\x7e\x00\x7e")},
        {65535, SLICE("\x82\x7e\xff\xff")},
        {65536, SLICE("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
    };
    uint8_t head[WS_HEADER_MAX];

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        ck_assert_uint_eq(ws_header_put(head, WS_BINARY, false, forms[i].payload),
                          forms[i].head.len);
        ck_assert(memcmp(head, forms[i].head.p, forms[i].head.len) == 0);
    }
}
END_TEST

START_TEST(control_frames_are_put_with_their_payload)
{
    ws_frame_put(&b, WS_PONG, SLICE("abc"));
    ws_frame_put(&b, WS_PING, SLICE(""));
    assert_bytes("\x8a\x03"
                 "abc"
                 "\x89\x00");
}
END_TEST

START_TEST(a_close_frame_has_a_code_and_a_reason)
{
    ws_close_put(&b, WS_CLOSE_GAP, "gone");
    assert_bytes("\x88\x06\x11\x3agone");
}
END_TEST

START_TEST(a_close_frame_without_a_code_is_empty)
{
    ws_close_put(&b, WS_CLOSE_NO_STATUS, "");
    assert_bytes("\x88\x00");
}
END_TEST

START_TEST(a_long_reason_is_cut_at_a_character)
{
    char reason[200];

    memset(reason, 'x', sizeof reason);
    memcpy(reason + 122, "\xc3\xa4", 2); /* across the end of the frame */
    reason[sizeof reason - 1] = '\0';
    ws_close_put(&b, WS_CLOSE_POLICY, reason);
    ck_assert_uint_eq(b.len, 2 + 2 + 122);
    ck_assert_uint_eq(b.p[1], 124);
}
END_TEST

/* --- close payloads -------------------------------------------------------------------------- */

static int get_close(unsigned code, const char *reason)
{
    uint16_t got;
    struct slice text;

    buf_clear(&b);
    buf_u8(&b, (uint8_t)(code >> 8));
    buf_u8(&b, (uint8_t)code);
    buf_puts(&b, reason);
    return ws_close_get(bytes_of(&b), &got, &text);
}

START_TEST(codes_that_a_peer_may_send)
{
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011,
                                    1012, 1013, 1014, 3000, 3999, 4000, 4410, 4999};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_int_eq(get_close(good[i], "bye"), 0);
}
END_TEST

START_TEST(codes_that_nobody_may_send)
{
    static const unsigned bad[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                   1016, 1100, 2000, 2999, 5000, 65535};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(get_close(bad[i], ""), WS_EPROTO);
}
END_TEST

START_TEST(a_reason_must_be_utf8)
{
    ck_assert_int_eq(get_close(1000, "\xc3\xa4"), 0);
    ck_assert_int_eq(get_close(1000, "\xc3"), WS_EDATA);
}
END_TEST

/* --- conversations ---------------------------------------------------------------- */

struct frame {
    unsigned first;
    struct slice payload;
};
#define F(first, payload)                                                                          \
    {                                                                                              \
        (first), SLICE(payload)                                                                    \
    }
#define TEXT (FIN | WS_TEXT)
#define BINARY (FIN | WS_BINARY)
#define MORE_TEXT WS_TEXT
#define NEXT WS_CONTINUATION
#define LAST FIN
#define PING (FIN | WS_PING)
#define PONG (FIN | WS_PONG)
#define CLOSE (FIN | WS_CLOSE)
#define PING_125                                                                                   \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"     \
    "8901234567890123456789012345678901234"

static const struct conversation {
    struct frame frames[6];
    struct slice heard;
} conversations[] = {
    /* whole messages */
    {{F(TEXT, "Hello")}, SLICE("text(Hello)")},
    {{F(TEXT, "")}, SLICE("text()")},
    {{F(BINARY, "\x00\xff")}, SLICE("binary(\x00\xff)")},
    {{F(BINARY, "")}, SLICE("binary()")},
    {{F(TEXT, "a"), F(BINARY, "b"), F(TEXT, "c")}, SLICE("text(a)binary(b)text(c)")},

    /* pings and pongs */
    {{F(PING, "")}, SLICE("ping()")},
    {{F(PING, "\x00\xff")}, SLICE("ping(\x00\xff)")},
    {{F(PING, PING_125)}, SLICE("ping(" PING_125 ")")},
    {{F(PONG, "unasked"), F(PING, "x")}, SLICE("pong(unasked)ping(x)")},
    {{F(PING, "1"), F(PING, "2"), F(PING, "3")}, SLICE("ping(1)ping(2)ping(3)")},

    /* fragments */
    {{F(MORE_TEXT, "Hel"), F(LAST, "lo")}, SLICE("text(Hello)")},
    {{F(MORE_TEXT, ""), F(NEXT, ""), F(LAST, "")}, SLICE("text()")},
    {{F(MORE_TEXT, ""), F(NEXT, "middle"), F(LAST, "")}, SLICE("text(middle)")},
    {{F(WS_BINARY, "a"), F(NEXT, "b"), F(NEXT, "c"), F(LAST, "d")}, SLICE("binary(abcd)")},
    {{F(MORE_TEXT, "a"), F(PING, "p"), F(LAST, "b")}, SLICE("ping(p)text(ab)")},
    {{F(MORE_TEXT, "a"), F(PING, "p"), F(NEXT, "b"), F(PONG, "q"), F(LAST, "c"), F(TEXT, "d")},
     SLICE("ping(p)pong(q)text(abc)text(d)")},
    {{F(NEXT, "x")}, SLICE("error(1002)")},
    {{F(LAST, "x")}, SLICE("error(1002)")},
    {{F(TEXT, "a"), F(LAST, "x")}, SLICE("text(a)error(1002)")},
    {{F(MORE_TEXT, "a"), F(TEXT, "b")}, SLICE("error(1002)")},
    {{F(MORE_TEXT, "a"), F(WS_BINARY, "b")}, SLICE("error(1002)")},
    {{F(MORE_TEXT, "a"), F(LAST, "b"), F(NEXT, "c")}, SLICE("text(ab)error(1002)")},

    /* reserved bits and opcodes */
    {{F(TEXT, "a"), F(TEXT | RSV1, "b")}, SLICE("text(a)error(1002)")},
    {{F(PING | 0x10, "")}, SLICE("error(1002)")},
    {{F(FIN | 3, "")}, SLICE("error(1002)")},
    {{F(FIN | 11, "")}, SLICE("error(1002)")},
    {{F(MORE_TEXT, "a"), F(FIN | 5, ""), F(LAST, "b")}, SLICE("error(1002)")},

    /* text */
    {{F(TEXT, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5")},
     SLICE("text(\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5)")},
    {{F(MORE_TEXT, "\xce"), F(LAST, "\xba")}, SLICE("text(\xce\xba)")},
    {{F(MORE_TEXT, "\xf4\x8f"), F(PING, "\xff"), F(NEXT, "\xbf"), F(LAST, "\xbf")},
     SLICE("ping(\xff)text(\xf4\x8f\xbf\xbf)")},
    {{F(TEXT, "\xef\xbf\xbf")}, SLICE("text(\xef\xbf\xbf)")},
    {{F(TEXT, "ab\xff")}, SLICE("error(1007)")},
    {{F(TEXT, "\xce")}, SLICE("error(1007)")},
    {{F(TEXT, "\xed\xa0\x80")}, SLICE("error(1007)")},
    {{F(TEXT, "\xc0\xaf")}, SLICE("error(1007)")},
    {{F(TEXT, "\xf4\x90\x80\x80")}, SLICE("error(1007)")},
    {{F(MORE_TEXT, "\xf4"), F(NEXT, "\x90")}, SLICE("error(1007)")},
    {{F(MORE_TEXT, "a"), F(LAST, "\xce")}, SLICE("error(1007)")},
    {{F(MORE_TEXT, "\xce"), F(NEXT, ""), F(LAST, "x")}, SLICE("error(1007)")},
    {{F(TEXT, "\xce"), F(TEXT, "x")}, SLICE("error(1007)")},
    {{F(WS_BINARY, "\xff"), F(LAST, "\xce"), F(TEXT, "x")}, SLICE("binary(\xff\xce)text(x)")},

    /* the close */
    {{F(CLOSE, "")}, SLICE("close(1005)")},
    {{F(CLOSE, "\x03\xe8")}, SLICE("close(1000)")},
    {{F(CLOSE, "\x03\xe8"
               "bye")},
     SLICE("close(1000bye)")},
    {{F(MORE_TEXT, "a"), F(CLOSE, "\x03\xe9")}, SLICE("close(1001)")},
    {{F(CLOSE, "\x03\xe8"), F(TEXT, "late"), F(PING, "late")}, SLICE("close(1000)")},
    {{F(CLOSE, "\x03\xe8"), F(CLOSE, "\x03\xe8")}, SLICE("close(1000)")},
    {{F(CLOSE, "\x03\xe8"), F(FIN | 3, "")}, SLICE("close(1000)")},
    {{F(CLOSE, "\x03")}, SLICE("error(1002)")},
    {{F(CLOSE, "\x03\xed")}, SLICE("error(1002)")},
    {{F(CLOSE, "\x03\xe8\xff")}, SLICE("error(1007)")},
};

static void hear(struct buf *out, const struct ws_message *m)
{
    static const char *const names[] = {
        [WS_TEXT] = "text", [WS_BINARY] = "binary", [WS_CLOSE] = "close",
        [WS_PING] = "ping", [WS_PONG] = "pong",
    };

    buf_puts(out, names[m->opcode]);
    if (m->compressed)
        buf_u8(out, '*');
    buf_u8(out, '(');
    if (m->opcode == WS_CLOSE)
        buf_dec(out, m->close_code);
    buf_put_slice(out, m->payload);
    buf_u8(out, ')');
}

/* Decodes one piece of a stream; false after an error, which is told once. */
static bool decode_piece(struct ws_decoder *d, struct slice piece, struct buf *out)
{
    struct guard at = guard_new(piece.len);
    const uint8_t *p = guard_put(&at, piece.p, piece.len);
    struct ws_message m;
    size_t used = 0;
    int n = 0;

    while (used < piece.len && n >= 0) {
        n = ws_decode(d, p + used, piece.len - used, &m);
        if (n < 0) {
            buf_printf(out, "error(%d)", -n);
            ck_assert_int_eq(ws_decode(d, p, piece.len, &m), n); /* ever after */
            break;
        }
        ck_assert(m.opcode != WS_CONTINUATION || (size_t)n == piece.len - used);
        if (m.opcode != WS_CONTINUATION)
            hear(out, &m);
        used += (size_t)n;
    }
    guard_free(&at);
    return n >= 0;
}

/* The stream in pieces of `size`, the first one of `first`. */
static void decode_cut(struct slice stream, size_t first, size_t size, struct buf *out)
{
    struct ws_decoder d = {.message_max = MESSAGE_MAX};
    bool good = true;
    size_t n = first;

    buf_clear(out);
    for (size_t at = 0; at < stream.len && good; at += n, n = size) {
        if (n > stream.len - at)
            n = stream.len - at;
        good = decode_piece(&d, (struct slice){stream.p + at, n}, out);
        ws_decoder_trim(&d);
    }
    ws_decoder_free(&d);
}

START_TEST(a_conversation_is_heard_however_it_is_cut)
{
    const struct conversation *c = &conversations[_i];
    struct buf stream = {0};

    for (size_t i = 0; i < 6 && c->frames[i].payload.p != NULL; i++)
        put_masked(&stream, c->frames[i].first, c->frames[i].payload);
    decode_cut(bytes_of(&stream), 1, 1, &b);
    ck_assert_msg(slice_eq(bytes_of(&b), c->heard), "heard %.*s, not %.*s", (int)b.len, (char *)b.p,
                  (int)c->heard.len, c->heard.p);
    for (size_t cut = 1; cut <= stream.len; cut++) {
        decode_cut(bytes_of(&stream), cut, stream.len, &b);
        ck_assert(slice_eq(bytes_of(&b), c->heard));
    }
    buf_free(&stream);
}
END_TEST

START_TEST(bad_text_is_refused_before_the_rest_of_it_has_come)
{
    struct ws_decoder d = {.message_max = MESSAGE_MAX};
    struct ws_message m;

    put_masked(&b, TEXT, SLICE("ab\xff, and much more"));
    ck_assert_int_eq(ws_decode(&d, b.p, 6 + 2, &m), 6 + 2);
    ck_assert_int_eq(ws_decode(&d, b.p + 8, 1, &m), WS_EDATA);
    ws_decoder_free(&d);
}
END_TEST

/* --- limits ----------------------------------------------------------------------- */

static struct ws_decoder d;

static void decoder_setup(void)
{
    setup();
    d = (struct ws_decoder){.message_max = MESSAGE_MAX, .deflate = true};
}

static void decoder_teardown(void)
{
    ws_decoder_free(&d);
    teardown();
}

/* A frame of so many bytes; returns what the decoder says to it. */
static int send_frame(unsigned first, size_t len, struct ws_message *m)
{
    struct buf frame = {0}, payload = {0};
    int n;

    memset(buf_reserve(&payload, len + 1), 'x', len);
    put_masked(&frame, first, (struct slice){(char *)payload.p, len});
    n = ws_decode(&d, frame.p, frame.len, m);
    ck_assert(n < 0 || (size_t)n == frame.len);
    buf_free(&frame);
    buf_free(&payload);
    return n;
}

START_TEST(a_message_may_be_as_long_as_the_limit)
{
    struct ws_message m;

    ck_assert_int_gt(send_frame(TEXT, MESSAGE_MAX, &m), 0);
    ck_assert_uint_eq(m.payload.len, MESSAGE_MAX);
}
END_TEST

START_TEST(a_longer_one_is_refused_by_its_header)
{
    struct ws_message m;

    ck_assert_int_eq(ws_decode(&d, "\x81\xfe\x03\xe9....", 8, &m), WS_ETOOBIG);
}
END_TEST

START_TEST(the_limit_is_for_all_fragments_together)
{
    struct ws_message m;

    ck_assert_int_gt(send_frame(WS_BINARY, 600, &m), 0);
    ck_assert_int_gt(send_frame(NEXT, 400, &m), 0);
    ck_assert_int_eq(send_frame(LAST, 1, &m), WS_ETOOBIG);
}
END_TEST

START_TEST(the_limit_holds_for_each_message_anew)
{
    struct ws_message m;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_gt(send_frame(BINARY, MESSAGE_MAX, &m), 0);
        ck_assert_uint_eq(m.payload.len, MESSAGE_MAX);
    }
}
END_TEST

START_TEST(a_compressed_message_may_be_somewhat_longer)
{
    struct ws_message m;

    ck_assert_int_gt(send_frame(BINARY | RSV1, MESSAGE_MAX + MESSAGE_MAX / 4, &m), 0);
    ck_assert(m.compressed);
    ck_assert_int_eq(send_frame(BINARY | RSV1, MESSAGE_MAX + MESSAGE_MAX / 2, &m), WS_ETOOBIG);
}
END_TEST

START_TEST(compressed_text_is_not_taken_for_utf8)
{
    struct ws_message m;

    put_masked(&b, WS_TEXT | RSV1, SLICE("\xff"));
    put_masked(&b, LAST, SLICE("\xfe"));
    put_masked(&b, TEXT, SLICE("\xfe"));
    ck_assert_int_gt(ws_decode(&d, b.p, b.len, &m), 0);
    ck_assert(m.compressed && slice_eq(m.payload, SLICE("\xff\xfe")));
    ck_assert_int_eq(ws_decode(&d, b.p + 14, b.len - 14, &m), WS_EDATA);
}
END_TEST

START_TEST(trimming_keeps_a_message_that_has_begun)
{
    struct ws_message m;

    ck_assert_int_gt(send_frame(WS_BINARY, 10, &m), 0);
    ws_decoder_trim(&d);
    ck_assert_int_gt(send_frame(LAST, 10, &m), 0);
    ck_assert_uint_eq(m.payload.len, 20);
    ws_decoder_trim(&d);
    ck_assert_uint_eq(d.message.cap, 0);
}
END_TEST

START_TEST(a_length_that_is_only_claimed_costs_nothing)
{
    struct ws_message m;

    ck_assert_int_eq(ws_decode(&d, "\x82\xfe\x03\xe8....x", 9, &m), 9);
    ck_assert_uint_lt(d.message.cap, 100);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ws");
    TCase *t = tcase_create("frames"), *c = tcase_create("conversations"),
          *l = tcase_create("limits");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_header_is_read);
    tcase_add_test(t, lengths_have_three_forms);
    tcase_add_test(t, every_prefix_of_a_header_needs_more);
    tcase_add_loop_test(t, a_bad_header_is_refused_at_once, 0,
                        sizeof bad_headers / sizeof bad_headers[0]);
    tcase_add_test(t, rsv1_is_for_the_first_frame_of_a_message_and_only_when_agreed);
    tcase_add_test(t, unmasking_is_the_same_wherever_a_payload_is_cut);
    tcase_add_test(t, a_frame_is_wrapped_around_what_is_there);
    tcase_add_test(t, an_empty_frame_is_its_header);
    tcase_add_test(t, frames_take_the_shortest_form);
    tcase_add_test(t, control_frames_are_put_with_their_payload);
    tcase_add_test(t, a_close_frame_has_a_code_and_a_reason);
    tcase_add_test(t, a_close_frame_without_a_code_is_empty);
    tcase_add_test(t, a_long_reason_is_cut_at_a_character);
    tcase_add_test(t, codes_that_a_peer_may_send);
    tcase_add_test(t, codes_that_nobody_may_send);
    tcase_add_test(t, a_reason_must_be_utf8);
    suite_add_tcase(s, t);

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, a_conversation_is_heard_however_it_is_cut, 0,
                        sizeof conversations / sizeof conversations[0]);
    tcase_add_test(c, bad_text_is_refused_before_the_rest_of_it_has_come);
    suite_add_tcase(s, c);

    tcase_add_checked_fixture(l, decoder_setup, decoder_teardown);
    tcase_add_test(l, a_message_may_be_as_long_as_the_limit);
    tcase_add_test(l, a_longer_one_is_refused_by_its_header);
    tcase_add_test(l, the_limit_is_for_all_fragments_together);
    tcase_add_test(l, the_limit_holds_for_each_message_anew);
    tcase_add_test(l, a_compressed_message_may_be_somewhat_longer);
    tcase_add_test(l, compressed_text_is_not_taken_for_utf8);
    tcase_add_test(l, trimming_keeps_a_message_that_has_begun);
    tcase_add_test(l, a_length_that_is_only_claimed_costs_nothing);
    suite_add_tcase(s, l);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
