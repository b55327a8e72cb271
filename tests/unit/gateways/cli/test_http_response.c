/*
 * test_http_response.c - heads of responses: a table of verdicts, every prefix.
 */
#include <check.h>
#include <stdlib.h>

#include "guard.h"
#include "http_response.h"

static const struct {
    const char *head;
    unsigned status;
    enum http_body body;
    uint64_t length;
} good[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, HTTP_BODY_LENGTH, 5},
    {"HTTP/1.1 200 \r\ncontent-length:0\r\n\r\n", 200, HTTP_BODY_LENGTH, 0},
    {"HTTP/1.0 200 OK\r\n\r\n", 200, HTTP_BODY_CLOSE, 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", 200, HTTP_BODY_CHUNKED, 0},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", 204, HTTP_BODY_NONE, 3},
    {"HTTP/1.1 304 Not Modified\r\n\r\n", 304, HTTP_BODY_NONE, 0},
    {"HTTP/1.1 100 Continue\r\n\r\n", 100, HTTP_BODY_NONE, 0},
    {"HTTP/1.1 503 Slow\tdown\r\nX:\r\nY: \t z \t\r\n\r\n", 503, HTTP_BODY_CLOSE, 0},
};

static const char *const bad[] = {
    "HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1 200\r\n\r\n",
    "http/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "\r\n\r\n",
};

START_TEST(a_head_says_its_status_and_its_body)
{
    struct http_response r;
    int n = http_response_parse(&r, good[_i].head, strlen(good[_i].head));

    ck_assert_int_eq(n, (int)strlen(good[_i].head));
    ck_assert_uint_eq(r.status, good[_i].status);
    ck_assert_int_eq(r.body, good[_i].body);
    ck_assert_uint_eq(r.length, good[_i].length);
}
END_TEST

START_TEST(every_prefix_needs_more)
{
    size_t len = strlen(good[_i].head);
    struct guard g = guard_new(len);
    struct http_response r;

    for (size_t n = 1; n < len; n++)
        ck_assert_int_eq(http_response_parse(&r, (const char *)guard_put(&g, good[_i].head, n), n),
                         0);
    guard_free(&g);
}
END_TEST

START_TEST(what_is_doubtful_is_refused)
{
    struct http_response r;

    ck_assert_int_eq(http_response_parse(&r, bad[_i], strlen(bad[_i])), -1);
}
END_TEST

START_TEST(what_follows_the_head_is_not_consumed)
{
    static const char text[] = "HTTP/1.1 200 OK\r\n\r\nbody\r\n\r\n";
    struct http_response r;

    ck_assert_int_eq(http_response_parse(&r, text, sizeof text - 1), 19);
}
END_TEST

START_TEST(the_content_type_lies_in_the_head)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    struct http_response r;

    ck_assert_int_gt(http_response_parse(&r, text, sizeof text - 1), 0);
    ck_assert(slice_eq(r.content_type, SLICE("text/event-stream")));
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
    size_t len = HTTP_RESPONSE_HEAD_MAX + 1;
    char *text = malloc(len);
    struct http_response r;

    memset(text, 'a', len);
    ck_assert_int_eq(http_response_parse(&r, text, len - 1), 0);
    ck_assert_int_eq(http_response_parse(&r, text, len), -1);
    free(text);
}
END_TEST

START_TEST(a_nul_is_refused)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n";
    struct http_response r;

    ck_assert_int_eq(http_response_parse(&r, text, sizeof text - 1), -1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http_response");
    TCase *t = tcase_create("http_response");
    int goods = sizeof good / sizeof good[0], bads = sizeof bad / sizeof bad[0];

    tcase_add_loop_test(t, a_head_says_its_status_and_its_body, 0, goods);
    tcase_add_loop_test(t, every_prefix_needs_more, 0, goods);
    tcase_add_loop_test(t, what_is_doubtful_is_refused, 0, bads);
    tcase_add_test(t, what_follows_the_head_is_not_consumed);
    tcase_add_test(t, the_content_type_lies_in_the_head);
    tcase_add_test(t, a_head_without_end_is_refused);
    tcase_add_test(t, a_nul_is_refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
