/*
 * test_zmtp.c - ZMTP's greeting, frames, commands, and messages put together from them.
 *
 * `conversations` is the table of what peers send and what comes of it.  Each is decoded at
 * once, byte by byte and in every cut into two, each piece ending at an unmapped page: what
 * comes out is always the same.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard.h"
#include "mem.h"
#include "zmtp.h"

#define MESSAGE_MAX 600
#define COMMAND_MAX 32

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

#define assert_bytes(literal) ck_assert(slice_eq(buf_slice(&b), SLICE(literal)))

/* --- greeting --------------------------------------------------------------------- */

/* RFC 23, 3: signature, version, mechanism, as-server, filler. */
static const char greeting[] = "\xff\0\0\0\0\0\0\0\x01\x7f"
                               "\x03\x01"
                               "NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                               "\0"
                               "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
static_assert(sizeof greeting - 1 == ZMTP_GREETING_SIZE, "a greeting has 64 bytes");

static int greet(const char *bytes, size_t len, struct zmtp_greeting *out)
{
    return zmtp_greeting_get(out, guard_put(&g, bytes, len), len);
}

START_TEST(a_greeting_is_read_once_it_is_whole)
{
    struct zmtp_greeting got;

    for (size_t len = 0; len < ZMTP_GREETING_SIZE; len++)
        ck_assert_int_eq(greet(greeting, len, &got), 0);
    ck_assert_int_eq(greet(greeting, ZMTP_GREETING_SIZE, &got), ZMTP_GREETING_SIZE);
    ck_assert_uint_eq(got.major, 3);
    ck_assert_uint_eq(got.minor, 1);
    ck_assert(slice_eq(got.mechanism, SLICE("NULL")) && !got.as_server);
}
END_TEST

START_TEST(ours_is_such_a_greeting)
{
    uint8_t out[ZMTP_GREETING_SIZE];
    struct zmtp_greeting got;

    zmtp_greeting_put(out, "NULL", false);
    ck_assert_mem_eq(out, greeting, sizeof out);
    zmtp_greeting_put(out, "CURVE", true);
    ck_assert_int_eq(greet((char *)out, sizeof out, &got), ZMTP_GREETING_SIZE);
    ck_assert(slice_eq(got.mechanism, SLICE("CURVE")) && got.as_server);
}
END_TEST

/* As soon as the bytes say so, and never before. */
static void assert_refused(const char *bytes, size_t len, int error)
{
    struct zmtp_greeting got;

    for (size_t n = 0; n < len; n++)
        ck_assert_int_eq(greet(bytes, n, &got), 0);
    for (size_t n = len; n < len + 3; n++) {
        char longer[80] = {0};

        memcpy(longer, bytes, len);
        ck_assert_int_eq(greet(longer, n, &got), error);
    }
}
#define REFUSED(literal, error) assert_refused(literal, sizeof(literal) - 1, error)

START_TEST(old_peers_are_known_by_their_first_bytes)
{
    REFUSED("\x01\x00", ZMTP_EOLD);                       /* 1.0, anonymous */
    REFUSED("\x06\x00", ZMTP_EOLD);                       /* 1.0, with an identity */
    REFUSED("\xff\0\0\0\0\0\0\0\x05\x00", ZMTP_EOLD);     /* 1.0, a long identity */
    REFUSED("\xff\0\0\0\0\0\0\0\x01\x7f\x00", ZMTP_EOLD); /* 1.0, by its revision */
    REFUSED("\xff\0\0\0\0\0\0\0\x01\x7f\x01", ZMTP_EOLD); /* 2.0 */
}
END_TEST

START_TEST(what_is_no_greeting_is_refused)
{
    REFUSED("GE", ZMTP_EPROTO);
    REFUSED("\0\0", ZMTP_EPROTO);
    REFUSED("\xff\0\0\0\0\0\0\0\x01\x7d", ZMTP_EPROTO);
}
END_TEST

START_TEST(a_mechanism_is_a_name_filled_up_with_zeros)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"", 1}, {"null", 4}, {"NU\0LL", 5}, {"NUL\xff", 4}, {" NULL", 5}};
    struct zmtp_greeting got;
    char bytes[ZMTP_GREETING_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        memcpy(bytes, greeting, sizeof bytes);
        memset(bytes + 12, 0, 20);
        memcpy(bytes + 12, bad[i].bytes, bad[i].len);
        ck_assert_int_eq(greet(bytes, sizeof bytes, &got), ZMTP_EPROTO);
    }
    memcpy(bytes + 12, "ABCDEFGHIJKLMNOPQR-9", 20);
    ck_assert_int_eq(greet(bytes, sizeof bytes, &got), ZMTP_GREETING_SIZE);
    ck_assert_uint_eq(got.mechanism.len, 20);
}
END_TEST

/* --- frames ----------------------------------------------------------------------- */

static int head(const char *bytes, size_t len, struct zmtp_frame *f)
{
    return zmtp_frame_get(f, guard_put(&g, bytes, len), len);
}

START_TEST(a_head_is_short_or_long)
{
    static const char longer[] = "\x03\0\0\0\0\0\0\x01\x02";
    struct zmtp_frame f;

    ck_assert_int_eq(head("\x00\x05", 2, &f), 2);
    ck_assert(f.flags == 0 && f.size == 5);
    ck_assert_int_eq(head("\x04\xff", 2, &f), 2);
    ck_assert(f.flags == ZMTP_IS_COMMAND && f.size == 255);
    for (size_t n = 0; n < 9; n++)
        ck_assert_int_eq(head(longer, n, &f), 0);
    ck_assert_int_eq(head(longer, 9, &f), 9);
    ck_assert(f.flags == ZMTP_MORE && f.size == 258);
}
END_TEST

START_TEST(reserved_bits_and_impossible_sizes_are_refused)
{
    static const char *const bad[] = {"\x08", "\x80", "\x10", "\x05", "\x07"};
    struct zmtp_frame f;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_int_eq(head(bad[i], 1, &f), ZMTP_EPROTO);
    ck_assert_int_eq(head("\x02\x80\0\0\0\0\0\0\0", 9, &f), ZMTP_EPROTO);
    ck_assert_int_eq(head("\x02\x7f\xff\xff\xff\xff\xff\xff\xff", 9, &f), 9);
}
END_TEST

START_TEST(frames_are_written_as_they_are_read)
{
    char body[300] = {0};
    struct zmtp_frame f;

    zmtp_frame_put(&b, ZMTP_MORE, SLICE("hello"));
    assert_bytes("\x01\x05hello");
    buf_clear(&b);
    zmtp_frame_put(&b, 0, (struct slice){body, 255});
    ck_assert_uint_eq(b.len, 257);
    buf_clear(&b);
    zmtp_frame_put(&b, 0, (struct slice){body, 256});
    ck_assert_int_eq(zmtp_frame_get(&f, b.p, b.len), 9);
    ck_assert_uint_eq(f.size, 256);
}
END_TEST

/* --- commands --------------------------------------------------------------------- */

START_TEST(a_command_has_a_name_and_data)
{
    struct zmtp_command c;

    ck_assert(zmtp_command_get(&c, SLICE("\5READYdata")));
    ck_assert(slice_eq(c.name, SLICE("READY")) && slice_eq(c.data, SLICE("data")));
    ck_assert(zmtp_command_get(&c, SLICE("\4PING")));
    ck_assert_uint_eq(c.data.len, 0);
    ck_assert(!zmtp_command_get(&c, SLICE("")));
    ck_assert(!zmtp_command_get(&c, SLICE("\0")));
    ck_assert(!zmtp_command_get(&c, SLICE("\5READ")));
}
END_TEST

START_TEST(commands_are_written_whole)
{
    zmtp_command_put(&b, "PONG", SLICE("ab"));
    assert_bytes("\x04\x07\x04PONGab");
    buf_clear(&b);
    zmtp_error_put(&b, "no");
    assert_bytes("\x04\x09\x05"
                 "ERROR\x02no");
    buf_clear(&b);
    zmtp_ping_put(&b, 300);
    assert_bytes("\x04\x07\x04PING\x01\x2c");
}
END_TEST

START_TEST(a_long_reason_is_cut)
{
    char reason[400];
    struct zmtp_frame f;

    memset(reason, 'x', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    zmtp_error_put(&b, reason);
    ck_assert_int_eq(zmtp_frame_get(&f, b.p, b.len), 9);
    ck_assert_uint_eq(f.size, 6 + 1 + 255);
}
END_TEST

START_TEST(metadata_is_read_property_by_property)
{
    struct slice rest = SLICE("\x0bSocket-Type\0\0\0\x06"
                              "DEALER\x08Identity\0\0\0\0"),
                 name, value;

    ck_assert_int_eq(zmtp_property_next(&rest, &name, &value), 1);
    ck_assert(slice_eq(name, SLICE("Socket-Type")) && slice_eq(value, SLICE("DEALER")));
    ck_assert_int_eq(zmtp_property_next(&rest, &name, &value), 1);
    ck_assert(slice_eq(name, SLICE("Identity")) && value.len == 0);
    ck_assert_int_eq(zmtp_property_next(&rest, &name, &value), 0);
    zmtp_property_put(&b, "Socket-Type", SLICE("PULL"));
    assert_bytes("\x0bSocket-Type\0\0\0\x04PULL");
}
END_TEST

START_TEST(cut_metadata_is_refused_at_every_place)
{
    static const char whole[] = "\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    struct slice rest, name, value;

    for (size_t n = 1; n < sizeof whole - 1; n++) {
        rest = (struct slice){(const char *)guard_put(&g, whole, n), n};
        ck_assert_int_eq(zmtp_property_next(&rest, &name, &value), ZMTP_EPROTO);
    }
    rest = SLICE("\0\0\0\0\0");
    ck_assert_int_eq(zmtp_property_next(&rest, &name, &value), ZMTP_EPROTO);
    rest = SLICE("\x01x\xff\xff\xff\xff");
    ck_assert_int_eq(zmtp_property_next(&rest, &name, &value), ZMTP_EPROTO);
}
END_TEST

START_TEST(a_ping_says_a_time_to_live_and_a_context)
{
    struct slice context;
    uint16_t ttl;

    ck_assert(zmtp_ping_get(SLICE("\x01\x2c"
                                  "abc"),
                            &ttl, &context));
    ck_assert(ttl == 300 && slice_eq(context, SLICE("abc")));
    ck_assert(zmtp_ping_get(SLICE("\0\0"), &ttl, &context));
    ck_assert(zmtp_ping_get(SLICE("\0\0"
                                  "0123456789abcdef"),
                            &ttl, &context));
    ck_assert(!zmtp_ping_get(SLICE("\0"), &ttl, &context));
    ck_assert(!zmtp_ping_get(SLICE("\0\0"
                                   "0123456789abcdefg"),
                             &ttl, &context));
}
END_TEST

/* --- messages --------------------------------------------------------------------- */

/* What came of it, as text: [part|part] a message, <command>, !-2 an error. */
struct heard {
    char text[4096];
    size_t len;
};

static void hear(struct heard *h, const char *fmt, size_t len, const char *p)
{
    h->len += (size_t)snprintf(h->text + h->len, sizeof h->text - h->len, fmt,
                               (int)(len < 20 ? len : 20), p);
}

static void hear_unit(struct heard *h, const struct zmtp_unit *u)
{
    if (u->kind == ZMTP_COMMAND)
        hear(h, "<%.*s>", u->command.len, u->command.p);
    for (size_t i = 0; u->kind == ZMTP_MESSAGE && i < u->count; i++)
        hear(h, i == 0 ? "[%.*s" : "|%.*s", u->parts[i].len, u->parts[i].p);
    if (u->kind == ZMTP_MESSAGE)
        hear(h, "%.*s", 1, "]");
}

/* Feeds one piece; false once it is over. */
static bool feed(struct zmtp_decoder *d, struct heard *h, const char *p, size_t len)
{
    static struct zmtp_unit u;
    const uint8_t *copy = guard_put(&g, p, len);
    size_t used = 0;

    while (used < len) {
        int n = zmtp_decode(d, copy + used, len - used, &u);

        if (n < 0) {
            h->len += (size_t)snprintf(h->text + h->len, sizeof h->text - h->len, "!%d", n);
            return false;
        }
        ck_assert(n > 0 && (size_t)n <= len - used);
        used += (size_t)n;
        hear_unit(h, &u);
        if (u.kind == ZMTP_NOTHING)
            ck_assert(d->held.len <= MESSAGE_MAX + (ZMTP_PARTS_MAX + 1) * ZMTP_HEAD_MAX);
    }
    zmtp_decoder_trim(d);
    return true;
}

static void decode_cut(struct slice bytes, size_t piece, size_t first, struct heard *h)
{
    struct zmtp_decoder d = {.command_max = COMMAND_MAX, .message_max = MESSAGE_MAX};
    size_t at = 0;

    *h = (struct heard){.len = 0};
    while (at < bytes.len) {
        size_t n = at == 0 && first > 0 ? first : piece;

        n = n < bytes.len - at ? n : bytes.len - at;
        if (!feed(&d, h, bytes.p + at, n))
            break;
        at += n;
    }
    zmtp_decoder_free(&d);
}

static void assert_decodes(struct slice bytes, const char *expected)
{
    struct heard h;

    decode_cut(bytes, bytes.len, 0, &h);
    ck_assert_str_eq(h.text, expected);
    decode_cut(bytes, 1, 0, &h);
    ck_assert_str_eq(h.text, expected);
    for (size_t first = 1; first < bytes.len; first++) {
        decode_cut(bytes, bytes.len, first, &h);
        ck_assert_str_eq(h.text, expected);
    }
}
#define DECODES(literal, expected) assert_decodes(SLICE(literal), expected)

START_TEST(conversations)
{
    DECODES("\x00\x01"
            "a",
            "[a]");
    DECODES("\x00\x00", "[]");
    DECODES("\x01\x00\x00\x00", "[|]");
    DECODES("\x01\x01"
            "a\x01\x02"
            "bc\x00\x03"
            "def",
            "[a|bc|def]");
    DECODES("\x00\x01"
            "a\x00\x01"
            "b\x01\x01"
            "c\x00\x01"
            "d",
            "[a][b][c|d]");
    DECODES("\x02\0\0\0\0\0\0\0\x01"
            "a\x03\0\0\0\0\0\0\0\x01"
            "b\x00\x00",
            "[a][b|]");
    DECODES("\x04\x05\x04PING\x00\x01"
            "a",
            "<\x04PING>[a]");
    DECODES("\x01\x01"
            "a\x04\x05\x04PING\x00\x01"
            "b",
            "<\x04PING>[a|b]");
    DECODES("\x01\x01"
            "a\x04\x05\x04PING\x04\x05\x04PONG\x01\x00\x04\x05\x04PING\x00\x01"
            "b",
            "<\x04PING><\x04PONG><\x04PING>[a||b]");
    DECODES("\x01\x01"
            "a\x00\x01"
            "b\x04\x05\x04PING\x00\x01"
            "c",
            "[a|b]<\x04PING>[c]");
    DECODES("\x00\x01"
            "a\x08",
            "[a]!-1");
    DECODES("\x01\x01"
            "a\x80",
            "!-1");
    DECODES("\x00\x01"
            "a\x02\x7f\xff\xff\xff\xff\xff\xff\xff",
            "[a]!-2");
    DECODES("\x04\x21", "!-2");
}
END_TEST

static void put_parts(size_t count, size_t size)
{
    char body[MESSAGE_MAX + 1];

    memset(body, 'x', sizeof body);
    buf_clear(&b);
    for (size_t i = 0; i < count; i++)
        zmtp_frame_put(&b, i + 1 < count ? ZMTP_MORE : 0, (struct slice){body, size});
}

START_TEST(a_message_may_have_64_parts)
{
    static struct zmtp_unit u;
    struct zmtp_decoder d = {.message_max = MESSAGE_MAX};

    put_parts(ZMTP_PARTS_MAX, 1);
    ck_assert_int_eq(zmtp_decode(&d, b.p, b.len, &u), (int)b.len);
    ck_assert(u.kind == ZMTP_MESSAGE && u.count == ZMTP_PARTS_MAX);
    put_parts(ZMTP_PARTS_MAX + 1, 0);
    assert_decodes(buf_slice(&b), "!-3");
}
END_TEST

START_TEST(a_message_is_limited_by_what_its_heads_say)
{
    static struct zmtp_unit u;
    struct zmtp_decoder d = {.message_max = MESSAGE_MAX};

    put_parts(1, MESSAGE_MAX);
    ck_assert_int_eq(zmtp_decode(&d, b.p, b.len, &u), (int)b.len);
    ck_assert_int_eq(u.kind, ZMTP_MESSAGE);
    put_parts(1, MESSAGE_MAX + 1);
    ck_assert_int_eq(zmtp_decode(&d, b.p, ZMTP_HEAD_MAX, &u), ZMTP_ETOOBIG); /* its head alone */
    put_parts(3, MESSAGE_MAX / 3);
    ck_assert_int_eq(zmtp_decode(&d, b.p, b.len, &u), (int)b.len);
    put_parts(4, MESSAGE_MAX / 3);
    assert_decodes(buf_slice(&b), "!-2");
}
END_TEST

START_TEST(memory_grows_with_what_has_come)
{
    static struct zmtp_unit u;
    struct zmtp_decoder d = {.message_max = UINT64_C(1) << 40};

    ck_assert_int_eq(zmtp_decode(&d, "\x02\0\0\0\xff\0\0\0\0xyz", 12, &u), 12);
    ck_assert_uint_le(d.held.cap, 256);
    zmtp_decoder_free(&d);
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        a_greeting_is_read_once_it_is_whole,
        ours_is_such_a_greeting,
        old_peers_are_known_by_their_first_bytes,
        what_is_no_greeting_is_refused,
        a_mechanism_is_a_name_filled_up_with_zeros,
        a_head_is_short_or_long,
        reserved_bits_and_impossible_sizes_are_refused,
        frames_are_written_as_they_are_read,
        a_command_has_a_name_and_data,
        commands_are_written_whole,
        a_long_reason_is_cut,
        metadata_is_read_property_by_property,
        cut_metadata_is_refused_at_every_place,
        a_ping_says_a_time_to_live_and_a_context,
        conversations,
        a_message_may_have_64_parts,
        a_message_is_limited_by_what_its_heads_say,
        memory_grows_with_what_has_come,
    };
    Suite *s = suite_create("zmtp");
    TCase *t = tcase_create("zmtp");

    tcase_add_checked_fixture(t, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
