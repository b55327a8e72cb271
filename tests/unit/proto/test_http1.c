/*
 * test_http1.c - request heads: what is read, what is refused, and that the
 * answer never depends on how the bytes were cut.
 *
 * `heads` is the table of verdicts.  Every prefix of every request is parsed
 * against an unmapped page: before its end a good one is "more", a bad one is
 * "more" or already its error.
 */
#include <stdlib.h>

#include "guard.h"
#include "http1.h"
#include "suite.h"

#define BAD HTTP1_BAD
#define HOST "Host: h\r\n"
#define END "\r\n"

static const struct http1_limits limits = {.head_max = 16384, .target_max = 4096};
static struct http_request r;

static int parse(struct slice s)
{
    return http1_request_parse(&r, s.p, s.len, &limits);
}

static void parse_ok(const char *text)
{
    ck_assert_int_eq(parse(slice_of(text)), (int)strlen(text));
}

#define assert_slice(s, text) ck_assert_msg(slice_eq((s), SLICE(text)), "%.*s", (int)(s).len, (s).p)

/* --- verdicts ------------------------------------------------------------------ */

enum { GOOD = 1 };

static const struct head {
    struct slice text;
    int verdict; /* GOOD, or an http1_error */
} heads[] = {
#define X(verdict, text)                                                                           \
    {                                                                                              \
        SLICE(text), verdict                                                                       \
    }
    /* plain ones */
    X(GOOD, "GET / HTTP/1.1\r\n" HOST END),
    X(GOOD, "GET / HTTP/1.0\r\n" END),
    X(GOOD, "GET / HTTP/1.0\r\n" HOST END),
    X(GOOD, "\r\nGET / HTTP/1.1\r\n" HOST END),
    X(GOOD, "GET / HTTP/1.1\r\nHost:\r\n" END),
    X(GOOD, "GET / HTTP/1.1\r\nHost: \t h:80 \t \r\n" END),
    X(GOOD, "GET / HTTP/1.1\r\nHOST: [::1]:80\r\n" END),
    X(GOOD, "M-SEARCH!#$%&'*+.^_`|~0 / HTTP/1.1\r\n" HOST END),
    X(GOOD, "GET /a%2Fb?c=d&e=/?:@!$&'()*+,;=%zz HTTP/1.1\r\n" HOST END),
    X(GOOD, "GET /?[]{}|\\^` HTTP/1.1\r\n" HOST END),
    X(GOOD, "GET //x/../y HTTP/1.1\r\n" HOST END),
    X(GOOD, "OPTIONS * HTTP/1.1\r\n" HOST END),
    X(GOOD, "GET http://h/a?b HTTP/1.1\r\n" HOST END),
    X(GOOD, "GET HTTPS://h:1 HTTP/1.1\r\n" HOST END),
    X(GOOD, "GET / HTTP/1.1\r\n" HOST "X:\r\nY: \r\nZ: a \t b\r\n" END),
    X(GOOD, "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa4\xff\r\n" END),
    X(GOOD, "GET / HTTP/1.1\r\n" HOST "Cookie: a\r\nCookie: b\r\n" END),
    X(GOOD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n" END),
    X(GOOD, "POST / HTTP/1.1\r\n" HOST "content-length: 00018446744073709551615\r\n" END),
    X(GOOD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n" END),

    /* the request line */
    X(BAD, "\r\n\r\nGET / HTTP/1.1\r\n" HOST END),
    X(BAD, "\nGET / HTTP/1.1\r\n" HOST END),
    X(BAD, " GET / HTTP/1.1\r\n" HOST END),
    X(BAD, "GET  / HTTP/1.1\r\n" HOST END),
    X(BAD, "GET /  HTTP/1.1\r\n" HOST END),
    X(BAD, "GET\t/ HTTP/1.1\r\n" HOST END),
    X(BAD, "GET / HTTP/1.1 \r\n" HOST END),
    X(BAD, "GET / HTTP/1.1\n" HOST END),
    X(BAD, "GET / HTTP/1.1\r" HOST END),
    X(BAD, "GET / HTTP/1.1\r\r\n" HOST END),
    X(BAD, "GET /\r\n" END),
    X(BAD, "GET\r\n" END),
    X(BAD, "GET / http/1.1\r\n" HOST END),
    X(BAD, "GET / HTTP/11\r\n" HOST END),
    X(BAD, "GET / HTTP/1.10\r\n" HOST END),
    X(BAD, "GET / HTTP/1\r\n" HOST END),
    X(BAD, "GET / HTTP/x.1\r\n" HOST END),
    X(BAD, "GET / ICE/1.0\r\n" HOST END),
    X(HTTP1_VERSION, "GET / HTTP/1.2\r\n" HOST END),
    X(HTTP1_VERSION, "GET / HTTP/2.0\r\n" HOST END),
    X(HTTP1_VERSION, "GET / HTTP/0.9\r\n" HOST END),
    X(HTTP1_VERSION, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    X(BAD, "G(T / HTTP/1.1\r\n" HOST END),
    X(BAD, "G\xc3\x8bT / HTTP/1.1\r\n" HOST END),
    X(BAD, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    X(HTTP1_NOT_IMPLEMENTED, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST END),
    X(BAD, "GET a HTTP/1.1\r\n" HOST END),
    X(BAD, "GET ?a HTTP/1.1\r\n" HOST END),
    X(BAD, "GET * HTTP/1.1\r\n" HOST END),
    X(BAD, "OPTIONS *x HTTP/1.1\r\n" HOST END),
    X(BAD, "CONNECT h:80 HTTP/1.1\r\n" HOST END),
    X(BAD, "GET ftp://h/ HTTP/1.1\r\n" HOST END),
    X(BAD, "GET http:///a HTTP/1.1\r\n" HOST END),
    X(BAD, "GET http:/a HTTP/1.1\r\n" HOST END),
    X(BAD, "GET http:// HTTP/1.1\r\n" HOST END),
    X(BAD, "GET http://u@h/ HTTP/1.1\r\n" HOST END),
    X(BAD, "GET http://h\\a HTTP/1.1\r\n" HOST END),
    X(BAD, "GET /a#b HTTP/1.1\r\n" HOST END),
    X(BAD, "GET /\"<> HTTP/1.1\r\n" HOST END),
    X(BAD, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST END),
    X(BAD, "GET /\x7f HTTP/1.1\r\n" HOST END),
    X(BAD, "GET /a\0b HTTP/1.1\r\n" HOST END),
    X(BAD, "GET /a\tb HTTP/1.1\r\n" HOST END),

    /* header fields */
    X(BAD, "GET / HTTP/1.1\r\n" HOST "\n"),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "\r\r\n"),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X: a\nY: b\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X: a\rY: b\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n " HOST END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X : a\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X\t: a\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST ": a\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X(: a\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X\xc3\xa4: a\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X\0: a\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X: \x1b[0m\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "X: \v\r\n" END),

    /* the host */
    X(BAD, "GET / HTTP/1.1\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST HOST END),
    X(BAD, "GET / HTTP/1.1\r\n" HOST "hOST: i\r\n" END),
    X(BAD, "GET / HTTP/1.0\r\n" HOST HOST END),
    X(BAD, "GET / HTTP/1.1\r\nHost: a, b\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\nHost: a,b\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\nHost: a b\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\nHost: u@h\r\n" END),
    X(BAD, "GET / HTTP/1.1\r\nHost: h/p\r\n" END),
    X(BAD, "GET http://h/ HTTP/1.1\r\n" END),

    /* framing: everything that two servers could read in two ways */
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5,5\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 6\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5;x\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5.0\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: \"5\"\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: \xd9\xa5\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nX: y\r\ncontent-length: 0\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED,
      "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED,
      "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: x\r\nTransfer-encoding: chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST
           "Transfer-Encoding: chunked\r\nTransfer-encoding: Chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n" END),
    X(BAD, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding\r\n: chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "\rTransfer-Encoding: chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "X: X\nTransfer-Encoding: chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
           "chunked\r\n" END),
    X(BAD, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\0\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, x\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: ,chunked\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;q=1\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n" END),
    X(HTTP1_NOT_IMPLEMENTED, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n" END),
#undef X
};

static int wanted(const struct head *h)
{
    return h->verdict == GOOD ? (int)h->text.len : h->verdict;
}

START_TEST(a_head_gets_its_verdict)
{
    ck_assert_int_eq(parse(heads[_i].text), wanted(&heads[_i]));
}
END_TEST

START_TEST(every_prefix_waits_or_is_already_refused)
{
    const struct head *h = &heads[_i];
    struct guard g = guard_new(h->text.len);
    bool refused = false;

    for (size_t n = 0; n < h->text.len; n++) {
        struct slice cut = {(const char *)guard_put(&g, h->text.p, n), n};
        int rc = parse(cut);

        ck_assert(rc == 0 ? !refused : h->verdict != GOOD && rc == h->verdict);
        refused = rc != 0;
    }
    guard_free(&g);
}
END_TEST

START_TEST(what_follows_the_head_changes_nothing)
{
    const struct head *h = &heads[_i];
    struct buf b = {0};

    buf_put_slice(&b, h->text);
    buf_puts(&b, "\r\n\r\n GET / HTTP/1.1\r\n");
    ck_assert_int_eq(parse(buf_slice(&b)), wanted(h));
    buf_free(&b);
}
END_TEST

/* --- what is read ---------------------------------------------------------------- */

START_TEST(the_request_line_is_taken_apart)
{
    parse_ok("POST /events/a%2Fb?x=1?2 HTTP/1.1\r\n" HOST END);
    assert_slice(r.method, "POST");
    assert_slice(r.path, "/events/a%2Fb");
    assert_slice(r.query, "x=1?2");
    ck_assert_uint_eq(r.minor, 1);
}
END_TEST

START_TEST(no_query_is_empty_and_so_is_an_empty_one)
{
    parse_ok("GET / HTTP/1.1\r\n" HOST END);
    ck_assert_uint_eq(r.query.len, 0);
    parse_ok("GET /? HTTP/1.1\r\n" HOST END);
    ck_assert_uint_eq(r.query.len, 0);
    assert_slice(r.path, "/");
}
END_TEST

START_TEST(an_absolute_target_is_its_path)
{
    parse_ok("GET http://h:80/a/b?c HTTP/1.1\r\n" HOST END);
    assert_slice(r.path, "/a/b");
    assert_slice(r.query, "c");
    parse_ok("GET http://h?c HTTP/1.1\r\n" HOST END);
    assert_slice(r.path, "/");
    assert_slice(r.query, "c");
    parse_ok("GET http://h HTTP/1.1\r\n" HOST END);
    assert_slice(r.path, "/");
    ck_assert_uint_eq(r.query.len, 0);
}
END_TEST

START_TEST(options_may_ask_about_the_server)
{
    parse_ok("OPTIONS * HTTP/1.1\r\n" HOST END);
    assert_slice(r.path, "*");
}
END_TEST

START_TEST(header_values_are_trimmed_and_names_kept)
{
    parse_ok("GET / HTTP/1.1\r\n" HOST "X-a: \t b c \t\r\nEmpty: \r\n" END);
    ck_assert_uint_eq(r.header_count, 3);
    assert_slice(r.headers[1].name, "X-a");
    assert_slice(r.headers[1].value, "b c");
    assert_slice(r.headers[2].value, "");
}
END_TEST

START_TEST(headers_are_found_whatever_their_case)
{
    bool repeated = true;

    parse_ok("GET / HTTP/1.1\r\n" HOST "X: 1\r\nx: 2\r\nY: 3\r\n" END);
    assert_slice(http_request_header(&r, "y", &repeated), "3");
    ck_assert(!repeated);
    assert_slice(http_request_header(&r, "X", &repeated), "1");
    ck_assert(repeated);
    ck_assert_ptr_null(http_request_header(&r, "z", &repeated).p);
    ck_assert(!repeated);
    assert_slice(http_request_header(&r, "X", NULL), "1");
}
END_TEST

START_TEST(an_empty_header_is_there)
{
    parse_ok("GET / HTTP/1.1\r\n" HOST "X:\r\n" END);
    ck_assert_ptr_nonnull(http_request_header(&r, "X", NULL).p);
    ck_assert_uint_eq(http_request_header(&r, "X", NULL).len, 0);
}
END_TEST

START_TEST(tokens_are_found_in_lists_over_several_lines)
{
    parse_ok("GET / HTTP/1.1\r\n" HOST "X: a ,\tB,,c d\r\nX: e\r\n" END);
    ck_assert(http_request_has_token(&r, "x", "a"));
    ck_assert(http_request_has_token(&r, "x", "b"));
    ck_assert(http_request_has_token(&r, "x", "e"));
    ck_assert(!http_request_has_token(&r, "x", "c"));
    ck_assert(!http_request_has_token(&r, "y", "a"));
}
END_TEST

START_TEST(bodies_are_framed_by_length_or_chunks_or_not_at_all)
{
    parse_ok("GET / HTTP/1.1\r\n" HOST END);
    ck_assert(!r.has_length && !r.chunked && r.content_length == 0);
    parse_ok("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" END);
    ck_assert(r.has_length && !r.chunked && r.content_length == 0);
    parse_ok("POST / HTTP/1.1\r\n" HOST "Content-Length: 0123\r\n" END);
    ck_assert(r.has_length && r.content_length == 123);
    parse_ok("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: CHUNKED\r\n" END);
    ck_assert(!r.has_length && r.chunked && r.content_length == 0);
}
END_TEST

static const struct {
    const char *text;
    bool keep_alive;
} connections[] = {
    {"GET / HTTP/1.1\r\n" HOST END, true},
    {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n" END, false},
    {"GET / HTTP/1.1\r\n" HOST "Connection: x, CLOSE\r\n" END, false},
    {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nConnection: close\r\n" END, false},
    {"GET / HTTP/1.0\r\n" END, false},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END, true},
    {"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n" END, false},
};

START_TEST(the_connection_is_kept_as_version_and_header_say)
{
    parse_ok(connections[_i].text);
    ck_assert_int_eq(r.keep_alive, connections[_i].keep_alive);
}
END_TEST

START_TEST(an_upgrade_takes_both_headers)
{
    parse_ok("GET / HTTP/1.1\r\n" HOST
             "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" END);
    ck_assert(r.upgrade);
    parse_ok("GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n" END);
    ck_assert(!r.upgrade);
    parse_ok("GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\n" END);
    ck_assert(!r.upgrade);
}
END_TEST

START_TEST(continue_is_expected_by_1_1_only)
{
    parse_ok("POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n" END);
    ck_assert(r.expect_continue);
    parse_ok("POST / HTTP/1.1\r\n" HOST "Expect: tea\r\n" END);
    ck_assert(!r.expect_continue);
    parse_ok("POST / HTTP/1.0\r\nExpect: 100-continue\r\n" END);
    ck_assert(!r.expect_continue);
}
END_TEST

/* --- limits --------------------------------------------------------------------- */

static int parse_within(const char *text, size_t head_max, size_t target_max)
{
    return http1_request_parse(&r, text, strlen(text),
                               &(struct http1_limits){head_max, target_max});
}

START_TEST(a_head_may_be_as_long_as_the_limit)
{
    const char *text = "GET /a HTTP/1.1\r\n" HOST END "body";
    size_t size = strlen(text) - 4;

    ck_assert_int_eq(parse_within(text, size, 100), (int)size);
    ck_assert_int_eq(parse_within(text, size - 1, 100), HTTP1_HEAD_TOO_LARGE);
}
END_TEST

START_TEST(a_head_is_too_large_as_soon_as_it_cannot_end_within_the_limit)
{
    ck_assert_int_eq(parse_within("GET /a HTTP/1.1\r\nX: ", 21, 100), 0);
    ck_assert_int_eq(parse_within("GET /a HTTP/1.1\r\nX: ", 20, 100), HTTP1_HEAD_TOO_LARGE);
}
END_TEST

START_TEST(a_target_may_be_as_long_as_the_limit)
{
    ck_assert_int_eq(parse_within("GET /abc HTTP/1.1\r\n", 100, 4), 0);
    ck_assert_int_eq(parse_within("GET /abc", 100, 4), 0);
    ck_assert_int_eq(parse_within("GET /abcd", 100, 4), HTTP1_URI_TOO_LONG);
}
END_TEST

static int parse_with_headers(int count)
{
    struct buf b = {0};
    int rc;

    buf_puts(&b, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 1; i < count; i++)
        buf_puts(&b, "X: y\r\n");
    buf_puts(&b, "\r\n");
    rc = parse(buf_slice(&b));
    rc = rc == (int)b.len ? GOOD : rc;
    buf_free(&b);
    return rc;
}

START_TEST(headers_are_counted)
{
    ck_assert_int_eq(parse_with_headers(HTTP_HEADERS_MAX), GOOD);
    ck_assert_int_eq(parse_with_headers(HTTP_HEADERS_MAX + 1), HTTP1_HEAD_TOO_LARGE);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http1");
    TCase *verdicts = tcase_create("verdicts"), *read = tcase_create("read");
    TCase *bounds = tcase_create("limits");
    int count = sizeof heads / sizeof heads[0];

    tcase_add_loop_test(verdicts, a_head_gets_its_verdict, 0, count);
    tcase_add_loop_test(verdicts, every_prefix_waits_or_is_already_refused, 0, count);
    tcase_add_loop_test(verdicts, what_follows_the_head_changes_nothing, 0, count);
    suite_add_tcase(s, verdicts);

    tcase_add_test(read, the_request_line_is_taken_apart);
    tcase_add_test(read, no_query_is_empty_and_so_is_an_empty_one);
    tcase_add_test(read, an_absolute_target_is_its_path);
    tcase_add_test(read, options_may_ask_about_the_server);
    tcase_add_test(read, header_values_are_trimmed_and_names_kept);
    tcase_add_test(read, headers_are_found_whatever_their_case);
    tcase_add_test(read, an_empty_header_is_there);
    tcase_add_test(read, tokens_are_found_in_lists_over_several_lines);
    tcase_add_test(read, bodies_are_framed_by_length_or_chunks_or_not_at_all);
    tcase_add_loop_test(read, the_connection_is_kept_as_version_and_header_say, 0,
                        sizeof connections / sizeof connections[0]);
    tcase_add_test(read, an_upgrade_takes_both_headers);
    tcase_add_test(read, continue_is_expected_by_1_1_only);
    suite_add_tcase(s, read);

    tcase_add_test(bounds, a_head_may_be_as_long_as_the_limit);
    tcase_add_test(bounds, a_head_is_too_large_as_soon_as_it_cannot_end_within_the_limit);
    tcase_add_test(bounds, a_target_may_be_as_long_as_the_limit);
    tcase_add_test(bounds, headers_are_counted);
    suite_add_tcase(s, bounds);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
