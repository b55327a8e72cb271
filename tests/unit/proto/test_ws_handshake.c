/*
 * test_ws_handshake.c - which requests open a WebSocket, what is agreed, and the
 * answer.
 */
#include <stdlib.h>

#include "http1.h"
#include "suite.h"
#include "ws_handshake.h"

#define UPGRADE "Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define PLAIN "GET /events/a HTTP/1.1\r\n" UPGRADE KEY VERSION

static const char *const subprotocols[] = {"sluice.json", "sluice.raw", NULL};
static struct buf b;
static struct buf head; /* the request: the handshake points into it */
static struct ws_handshake h;
static const char *why;

static void setup(void)
{
    b = head = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
    buf_free(&head);
}

#define assert_text(text) ck_assert(slice_eq(buf_slice(&b), SLICE(text)))

/* The request without its last line break. */
static int read_request(const char *text)
{
    static const struct http1_limits limits = {.head_max = 16384, .target_max = 4096};
    struct http_request r;

    buf_clear(&head);
    buf_puts(&head, text);
    buf_puts(&head, "\r\n");
    ck_assert_int_eq(http1_request_parse(&r, (char *)head.p, head.len, &limits), (int)head.len);
    why = NULL;
    return ws_handshake_read(&h, &r, subprotocols, &why);
}

/* A good request with one more header field. */
static int read_with(const char *name, const char *value)
{
    struct buf text = {0};
    int status;

    buf_printf(&text, "%s%s: %s\r\n", PLAIN, name, value);
    buf_u8(&text, '\0');
    status = read_request((char *)text.p);
    buf_free(&text);
    return status;
}

/* --- the request ---------------------------------------------------------------- */

START_TEST(a_plain_request_is_accepted)
{
    ck_assert_int_eq(read_request(PLAIN), 0);
    ck_assert(slice_eq(h.key, SLICE("dGhlIHNhbXBsZSBub25jZQ==")));
    ck_assert_ptr_null(h.origin.p);
    ck_assert_ptr_null(h.subprotocol);
    ck_assert(!h.subprotocol_asked && !h.deflate.on);
}
END_TEST

START_TEST(the_origin_is_handed_out)
{
    ck_assert_int_eq(read_with("Origin", "https://a.example"), 0);
    ck_assert(slice_eq(h.origin, SLICE("https://a.example")));
}
END_TEST

static const struct refusal {
    int status;
    const char *request;
} refusals[] = {
    {426, "GET / HTTP/1.1\r\nHost: h\r\n" KEY VERSION},
    {426, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" KEY VERSION},
    {426, "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n" KEY VERSION},
    {426, "GET / HTTP/1.1\r\n" UPGRADE KEY},
    {426, "GET / HTTP/1.1\r\n" UPGRADE KEY "Sec-WebSocket-Version: 8\r\n"},
    {400, "GET / HTTP/1.0\r\n" UPGRADE KEY VERSION},
    {400, "POST / HTTP/1.1\r\n" UPGRADE KEY VERSION},
    {400, "GET / HTTP/1.1\r\n" UPGRADE VERSION},
    {400, "GET / HTTP/1.1\r\n" UPGRADE KEY KEY VERSION},
    {400, "GET / HTTP/1.1\r\n" UPGRADE KEY VERSION VERSION},
    {400, "GET / HTTP/1.1\r\n" UPGRADE KEY VERSION "Origin: a\r\nOrigin: b\r\n"},
    {400, "GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: \r\n"},
    {400, "GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n"},
    {400, "GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=A\r\n"},
    {400, "GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n"},
};

START_TEST(what_opens_no_websocket_is_refused)
{
    ck_assert_int_eq(read_request(refusals[_i].request), refusals[_i].status);
    ck_assert_ptr_nonnull(why);
}
END_TEST

/* --- the subprotocol ---------------------------------------------------------------- */

static const char *choose(const char *list)
{
    ck_assert_int_eq(read_with("Sec-WebSocket-Protocol", list), 0);
    ck_assert(h.subprotocol_asked);
    return h.subprotocol;
}

START_TEST(the_first_subprotocol_that_is_known_is_taken)
{
    ck_assert_str_eq(choose("sluice.raw"), "sluice.raw");
    ck_assert_str_eq(choose("sluice.raw, sluice.json"), "sluice.raw");
    ck_assert_str_eq(choose("mqtt ,\tsluice.json,sluice.raw"), "sluice.json");
    ck_assert_str_eq(choose(", ,sluice.json,"), "sluice.json");
}
END_TEST

START_TEST(names_differ_by_case)
{
    ck_assert_ptr_null(choose("Sluice.JSON, sluice"));
}
END_TEST

START_TEST(several_lines_are_one_list)
{
    ck_assert_int_eq(read_request(PLAIN "Sec-WebSocket-Protocol: x, y\r\n"
                                        "sec-websocket-protocol: sluice.raw\r\n"),
                     0);
    ck_assert_str_eq(h.subprotocol, "sluice.raw");
}
END_TEST

START_TEST(a_malformed_list_is_refused)
{
    ck_assert_int_eq(read_with("Sec-WebSocket-Protocol", "a b"), 400);
    ck_assert_int_eq(read_with("Sec-WebSocket-Protocol", "\"sluice.raw\""), 400);
    ck_assert_int_eq(read_with("Sec-WebSocket-Protocol", "sluice.raw;x"), 400);
}
END_TEST

/* --- permessage-deflate ---------------------------------------------------------------- */

enum { DECLINED, ASKED_NOTHING, MALFORMED = 400 };

static const struct offer {
    const char *text;
    int outcome; /* 8 to 15: the bits that were asked for */
} offers[] = {
    {"permessage-deflate", ASKED_NOTHING},
    {"permessage-deflate; client_max_window_bits", ASKED_NOTHING},
    {"permessage-deflate;client_max_window_bits=15", ASKED_NOTHING},
    {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", ASKED_NOTHING},
    {"permessage-deflate; server_max_window_bits=8", 8},
    {"permessage-deflate; server_max_window_bits=\"10\"", 10},
    {"permessage-deflate; server_max_window_bits=\"1\\0\"", 10},
    {"permessage-deflate ; server_max_window_bits = 15", 15},
    {"x-webkit-deflate-frame, permessage-deflate", ASKED_NOTHING},
    {"a; b=c; d=\"e\", permessage-deflate; server_max_window_bits=9, permessage-deflate", 9},
    {"permessage-deflate; server_max_window_bits=7, permessage-deflate", ASKED_NOTHING},

    {"permessage-deflate; server_max_window_bits", DECLINED},
    {"permessage-deflate; server_max_window_bits=7", DECLINED},
    {"permessage-deflate; server_max_window_bits=16", DECLINED},
    {"permessage-deflate; server_max_window_bits=08", DECLINED},
    {"permessage-deflate; server_max_window_bits=100", DECLINED},
    {"permessage-deflate; server_max_window_bits=4294967306", DECLINED},
    {"permessage-deflate; server_max_window_bits=x", DECLINED},
    {"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", DECLINED},
    {"permessage-deflate; client_max_window_bits=7", DECLINED},
    {"permessage-deflate; server_no_context_takeover=1", DECLINED},
    {"permessage-deflate; client_no_context_takeover=", MALFORMED},
    {"permessage-deflate; unknown", DECLINED},
    {"permessage-bzip2", DECLINED},
    {"", DECLINED},
    {" , ,", DECLINED},

    {"permessage-deflate;", MALFORMED},
    {"permessage-deflate; =8", MALFORMED},
    {"permessage-deflate client_max_window_bits", MALFORMED},
    {"permessage-deflate; server_max_window_bits=\"10", MALFORMED},
    {"permessage-deflate; server_max_window_bits=\"1 0\"", MALFORMED},
    {"permessage-deflate; server_max_window_bits=\"\"", MALFORMED},
    {"permessage-deflate; server_max_window_bits=\"10\\", MALFORMED},
    {"permessage-deflate; server_max_window_bits=10\"", MALFORMED},
    {"permessage-deflate, (", MALFORMED},
};

START_TEST(an_offer_is_taken_declined_or_malformed)
{
    const struct offer *o = &offers[_i];

    ck_assert_int_eq(read_with("Sec-WebSocket-Extensions", o->text),
                     o->outcome == MALFORMED ? 400 : 0);
    if (o->outcome == MALFORMED)
        return;
    ck_assert_int_eq(h.deflate.on, o->outcome != DECLINED);
    ck_assert_int_eq(h.deflate.bits_asked, o->outcome >= 8);
    if (h.deflate.on)
        ck_assert_uint_eq(h.deflate.server_bits, o->outcome >= 8 ? o->outcome : 15);
}
END_TEST

/* --- the answer ---------------------------------------------------------------------------- */

#define ANSWER "Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n"

/* The SHA-1 of the challenge, as RFC 6455, 1.3 has it. */
static const uint8_t proof[WS_PROOF_SIZE] = {0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f,
                                             0x16, 0x90, 0xf6, 0x46, 0x06, 0xcf, 0x38,
                                             0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea};

static void put_answer(void)
{
    struct ws_acceptance a;

    ws_handshake_accept(&a, &h, proof);
    buf_printf(&b, "Accept: %s\n", a.accept);
    if (a.subprotocol != NULL)
        buf_printf(&b, "Protocol: %s\n", a.subprotocol);
    if (a.extensions[0] != '\0')
        buf_printf(&b, "Extensions: %s\n", a.extensions);
}

START_TEST(the_answer_proves_that_the_key_was_read)
{
    char challenge[WS_CHALLENGE_SIZE];

    ck_assert_int_eq(read_request(PLAIN), 0);
    ws_handshake_challenge(&h, challenge);
    ck_assert(slice_eq((struct slice){challenge, sizeof challenge},
                       SLICE("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
    put_answer();
    assert_text(ANSWER); /* RFC 6455, 1.3 */
}
END_TEST

START_TEST(the_answer_says_what_was_agreed)
{
    ck_assert_int_eq(read_request(PLAIN "Sec-WebSocket-Protocol: sluice.raw\r\n"
                                        "Sec-WebSocket-Extensions: permessage-deflate; "
                                        "server_max_window_bits=10\r\n"),
                     0);
    put_answer();
    assert_text(ANSWER "Protocol: sluice.raw\n"
                       "Extensions: permessage-deflate; "
                       "server_no_context_takeover; client_no_context_takeover; "
                       "server_max_window_bits=10\n");
}
END_TEST

START_TEST(a_window_is_only_named_when_it_was_asked_for)
{
    ck_assert_int_eq(read_with("Sec-WebSocket-Extensions", "permessage-deflate"), 0);
    put_answer();
    assert_text(ANSWER "Extensions: permessage-deflate; "
                       "server_no_context_takeover; client_no_context_takeover\n");
}
END_TEST

START_TEST(a_connect_has_no_key_to_prove)
{
    struct ws_acceptance a;

    ck_assert_int_eq(read_request("CONNECT /events/a HTTP/1.1\r\nHost: h\r\n" VERSION
                                  "Sec-WebSocket-Key: any\r\n"),
                     0);
    ck_assert_ptr_null(h.key.p);
    ws_handshake_accept(&a, &h, NULL);
    ck_assert_str_eq(a.accept, "");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ws_handshake");
    TCase *t = tcase_create("ws_handshake");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_plain_request_is_accepted);
    tcase_add_test(t, the_origin_is_handed_out);
    tcase_add_loop_test(t, what_opens_no_websocket_is_refused, 0,
                        sizeof refusals / sizeof refusals[0]);
    tcase_add_test(t, the_first_subprotocol_that_is_known_is_taken);
    tcase_add_test(t, names_differ_by_case);
    tcase_add_test(t, several_lines_are_one_list);
    tcase_add_test(t, a_malformed_list_is_refused);
    tcase_add_loop_test(t, an_offer_is_taken_declined_or_malformed, 0,
                        sizeof offers / sizeof offers[0]);
    tcase_add_test(t, the_answer_proves_that_the_key_was_read);
    tcase_add_test(t, the_answer_says_what_was_agreed);
    tcase_add_test(t, a_window_is_only_named_when_it_was_asked_for);
    tcase_add_test(t, a_connect_has_no_key_to_prove);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
