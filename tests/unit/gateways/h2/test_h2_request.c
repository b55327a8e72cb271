/* test_h2_request.c - HTTP/2's fields as a request of HTTP/1.1. */
#include "run_suite.h"

#include "h2_request.h"
#include "mem.h"

static struct h2_request *q;
static struct http_request r;

static void field(const char *name, const char *value)
{
    h2_request_add(q, slice_of(name), slice_of(value));
}

static void setup(void)
{
    q = h2_request_new();
    field(":method", "POST");
    field(":scheme", "http");
    field(":authority", "example.org:80");
}

static void teardown(void)
{
    h2_request_free(q);
}

static bool is(struct slice s, const char *text)
{
    return slice_eq(s, slice_of(text));
}

static enum sluice_error with_path(const char *path)
{
    field(":path", path);
    return h2_request_read(q, true, &r);
}

START_TEST(test_what_a_request_line_says)
{
    ck_assert_int_eq(with_path("/a/b?x=1&y"), ERR_NONE);
    ck_assert(is(r.method, "POST") && is(r.path, "/a/b") && is(r.query, "x=1&y"));
    ck_assert(is(http_request_header(&r, "Host", NULL), "example.org:80"));
}
END_TEST

START_TEST(test_a_host_of_its_own_wins)
{
    field("host", "other");
    ck_assert_int_eq(with_path("/"), ERR_NONE);
    ck_assert_uint_eq(r.header_count, 1);
    ck_assert(is(r.headers[0].value, "other"));
}
END_TEST

/* setup() has said :authority example.org:80. */
START_TEST(test_a_host_that_differs_from_the_authority)
{
    static const struct {
        const char *scheme, *host;
        bool ok;
    } cases[] = {{"http", "example.org:80", true},   {"http", "EXAMPLE.org", true},
                 {"http", "example.org:", true},     {"http", "example.org:8080", false},
                 {"http", "example.or", false},      {"http", "u@example.org:80", false},
                 {"https", "example.org", false},    {"https", "example.org:80", true},
                 {"https", "example.org:443", false}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        h2_request_free(q);
        setup();
        field(":scheme", cases[i].scheme);
        ck_assert(h2_request_host_ok(q));
        field("host", cases[i].host);
        ck_assert_int_eq(h2_request_host_ok(q), cases[i].ok);
    }
}
END_TEST

START_TEST(test_crumbs_are_one_cookie)
{
    field("cookie", "a=1");
    field("x", "y");
    field("cookie", "b=2");
    ck_assert_int_eq(with_path("/"), ERR_NONE);
    ck_assert(is(http_request_header(&r, "cookie", NULL), "a=1; b=2"));
}
END_TEST

START_TEST(test_no_path_is_a_proxys_business)
{
    ck_assert_int_eq(h2_request_read(q, true, &r), ERR_NOT_IMPLEMENTED);
}
END_TEST

START_TEST(test_what_is_no_path)
{
    static const char *const paths[] = {"", "a", "http://x/", "/a b", "/a\x7f", "*"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        ck_assert_int_eq(with_path(paths[i]), ERR_BAD_REQUEST);
}
END_TEST

START_TEST(test_a_body_without_a_length)
{
    field(":path", "/");
    ck_assert_int_eq(h2_request_read(q, false, &r), ERR_NONE);
    ck_assert(r.chunked && !r.has_length);
    field("content-length", "12");
    ck_assert_int_eq(h2_request_read(q, false, &r), ERR_NONE);
    ck_assert(!r.chunked && r.has_length && r.content_length == 12);
}
END_TEST

START_TEST(test_more_fields_than_fit)
{
    field(":path", "/");
    for (int i = 0; i < HTTP_HEADERS_MAX - 1; i++)
        field("x", "y");
    ck_assert_int_eq(h2_request_read(q, true, &r), ERR_NONE);
    field("x", "y");
    ck_assert_int_eq(h2_request_read(q, true, &r), ERR_HEAD_TOO_LARGE);
    field("x", "y");
    ck_assert_int_eq(h2_request_read(q, true, &r), ERR_HEAD_TOO_LARGE);
}
END_TEST

START_TEST(test_what_is_to_be_connected_to)
{
    ck_assert_ptr_null(h2_request_protocol(q).p);
    field(":protocol", "websocket");
    ck_assert(is(h2_request_protocol(q), "websocket"));
}
END_TEST

int main(void)
{
    return RUN_TESTS("request", setup, teardown, test_what_a_request_line_says,
                     test_a_host_of_its_own_wins, test_a_host_that_differs_from_the_authority,
                     test_crumbs_are_one_cookie, test_no_path_is_a_proxys_business,
                     test_what_is_no_path, test_a_body_without_a_length, test_more_fields_than_fit,
                     test_what_is_to_be_connected_to);
}
