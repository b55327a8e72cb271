/*
 * test_fetch.c - a fetch against a server that says canned bytes.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetch.h"
#include "suite.h"

#define PATIENCE_MS 5000u

/* Answers one connection with `answer`, in pieces, and ends it. */
struct server {
    int fd;
    char address[32];
    const char *answer;
    size_t piece;
    bool stays; /* leaves the connection open until it is closed */
    char request[1024];
    pthread_t thread;
};

static struct server server;
static struct fetch fetch;
static struct buf body;

static void read_request(int fd)
{
    size_t len = 0;

    while (strstr(server.request, "\r\n\r\n") == NULL) {
        ssize_t n = read(fd, server.request + len, sizeof server.request - 1 - len);

        if (n <= 0)
            return;
        len += (size_t)n;
        server.request[len] = '\0';
    }
}

static void *serve(void *arg)
{
    size_t left = strlen(server.answer);
    const char *p = server.answer;
    char rest;
    int fd = accept(server.fd, NULL, NULL);

    read_request(fd);
    while (left != 0) {
        size_t n = left < server.piece ? left : server.piece;

        if (send(fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
            break;
        p += n;
        left -= n;
    }
    if (server.stays)
        (void)!read(fd, &rest, 1);
    (void)close(fd);
    return arg;
}

static void server_start(const char *answer, size_t piece, bool stays)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;

    server = (struct server){.answer = answer, .piece = piece, .stays = stays};
    server.fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(server.fd, 1), 0);
    ck_assert_int_eq(getsockname(server.fd, (struct sockaddr *)&a, &size), 0);
    (void)snprintf(server.address, sizeof server.address, "127.0.0.1:%u", ntohs(a.sin_port));
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void setup(void)
{
    body = (struct buf){0};
    (void)unsetenv("http_proxy");
}

static void finish(void)
{
    fetch_close(&fetch);
    (void)pthread_join(server.thread, NULL);
    (void)close(server.fd);
    buf_free(&body);
}

static int get_from(const char *address, unsigned timeout_ms)
{
    const struct fetch_request r = {
        .address = address,
        .target = "/x?y",
        .accept = "a/b",
        .last_event_id = SLICE("17"),
        .timeout_ms = timeout_ms,
    };

    return fetch_open(&fetch, &r);
}

static int get(unsigned timeout_ms)
{
    return get_from(server.address, timeout_ms);
}

static const struct {
    const char *answer, *body;
} answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", "he"},
    {"HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
     "abcdefg"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x"},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "no"},
};

static void check_answer(int which, size_t piece)
{
    server_start(answers[which].answer, piece, false);
    ck_assert_int_eq(get(PATIENCE_MS), 0);
    ck_assert_int_eq(fetch_read_all(&fetch, &body, 1000), 0);
    ck_assert(slice_eq(buf_slice(&body), slice_of(answers[which].body)));
    finish();
}

START_TEST(a_body_is_read_to_its_end)
{
    check_answer(_i, 4096);
}
END_TEST

START_TEST(a_body_may_come_in_single_bytes)
{
    check_answer(_i, 1);
}
END_TEST

#define BROKEN_OFF "the connection ended in the middle of the answer"

static const struct {
    const char *answer, *error;
} broken[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", BROKEN_OFF},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", BROKEN_OFF},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", BROKEN_OFF},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "the connection was lost ("},
};

START_TEST(a_body_that_breaks_off_is_an_error)
{
    server_start(broken[_i].answer, 4096, false);
    ck_assert_int_eq(get(PATIENCE_MS), 0);
    ck_assert_int_eq(fetch_read_all(&fetch, &body, 1000), -1);
    ck_assert_ptr_eq(strstr(fetch.error, broken[_i].error), fetch.error);
    finish();
}
END_TEST

START_TEST(data_comes_before_the_stream_ends)
{
    struct slice data;

    server_start("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", 4096, true);
    ck_assert_int_eq(get(PATIENCE_MS), 0);
    ck_assert_int_eq(fetch_read(&fetch, &data), 1);
    ck_assert(slice_eq(data, SLICE("hi")));
    finish();
}
END_TEST

START_TEST(a_silent_server_is_noticed)
{
    struct slice data;

    server_start("HTTP/1.1 200 OK\r\n\r\n", 4096, true);
    ck_assert_int_eq(get(50), 0);
    ck_assert_int_eq(fetch_read(&fetch, &data), -1);
    ck_assert_str_eq(fetch.error, "no answer for 50 ms");
    finish();
}
END_TEST

static const char *const halves[] = {"", "HTTP", "HTTP/1.1 200 OK\r\n",
                                     "HTTP/1.1 100 Continue\r\n\r\n"};

START_TEST(an_end_before_the_head_is_an_error)
{
    server_start(halves[_i], 4096, false);
    ck_assert_int_eq(get(PATIENCE_MS), -1);
    ck_assert_str_eq(fetch.error, "the connection ended before an answer");
    finish();
}
END_TEST

START_TEST(what_is_no_http_is_told)
{
    server_start("SSH-2.0-any\r\n", 4096, false);
    ck_assert_int_eq(get(PATIENCE_MS), -1);
    ck_assert_str_eq(fetch.error, "the answer is not valid HTTP");
    finish();
}
END_TEST

START_TEST(a_body_longer_than_wanted_is_an_error)
{
    server_start("HTTP/1.0 200 OK\r\n\r\n0123456789", 4096, false);
    ck_assert_int_eq(get(PATIENCE_MS), 0);
    ck_assert_int_eq(fetch_read_all(&fetch, &body, 9), -1);
    finish();
}
END_TEST

START_TEST(the_request_says_what_was_asked)
{
    server_start("HTTP/1.1 204 No Content\r\n\r\n", 4096, false);
    ck_assert_int_eq(get(PATIENCE_MS), 0);
    ck_assert_ptr_eq(strstr(server.request, "GET /x?y HTTP/1.1\r\nHost: 127.0.0.1:"),
                     server.request);
    ck_assert_uint_eq(fetch.status, 204);
    ck_assert_ptr_nonnull(strstr(server.request, "\r\nAccept: a/b\r\n"));
    ck_assert_ptr_nonnull(strstr(server.request, "\r\nLast-Event-ID: 17\r\n"));
    finish();
}
END_TEST

START_TEST(an_address_of_all_interfaces_is_this_machine)
{
    char address[32];

    server_start("HTTP/1.1 204 No Content\r\n\r\n", 4096, false);
    (void)snprintf(address, sizeof address, "0.0.0.0%s", strchr(server.address, ':'));
    ck_assert_int_eq(get_from(address, PATIENCE_MS), 0);
    finish();
}
END_TEST

START_TEST(this_machine_is_asked_without_a_proxy)
{
    server_start("HTTP/1.1 204 No Content\r\n\r\n", 4096, false);
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    ck_assert_int_eq(get(PATIENCE_MS), 0);
    finish();
}
END_TEST

START_TEST(another_machine_is_asked_through_the_proxy)
{
    char proxy[64];

    server_start("HTTP/1.1 204 No Content\r\n\r\n", 4096, false);
    (void)snprintf(proxy, sizeof proxy, "http://%s", server.address);
    (void)setenv("http_proxy", proxy, 1);
    ck_assert_int_eq(get_from("192.0.2.1:8081", PATIENCE_MS), 0);
    ck_assert_ptr_eq(strstr(server.request, "GET http://192.0.2.1:8081/x?y HTTP/1.1\r\n"),
                     server.request);
    finish();
}
END_TEST

START_TEST(who_asks_is_shown_and_what_they_say_is_sent)
{
    static char token[] = "a.b.c", user[] = "alice", password[] = "x:y";
    struct login login = {.token = _i == 0 ? token : NULL,
                          .user = _i == 1 ? user : NULL,
                          .password = _i == 1 ? password : NULL};
    const struct fetch_request r = {.login = &login,
                                    .address = server.address,
                                    .target = "/events",
                                    .body = SLICE("hello"),
                                    .body_type = "text/plain",
                                    .timeout_ms = PATIENCE_MS};

    server_start("HTTP/1.1 429 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 100, false);
    ck_assert_int_eq(fetch_open(&fetch, &r), 0);
    ck_assert_uint_eq(fetch.status, 429);
    ck_assert_uint_eq(fetch.retry_after_s, 7);
    ck_assert(fetch.sent);
    ck_assert_ptr_nonnull(strstr(server.request, "POST /events HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(server.request, "Content-Type: text/plain\r\n"));
    ck_assert_ptr_nonnull(strstr(server.request, _i == 0
                                                     ? "Authorization: Bearer a.b.c\r\n"
                                                     : "Authorization: Basic YWxpY2U6eDp5\r\n"));
    ck_assert_ptr_null(strstr(server.request, "Expect"));
    finish();
}
END_TEST

START_TEST(a_url_with_a_path_is_where_it_goes)
{
    struct login login = {0};
    const struct fetch_request r = {
        .login = &login, .target = "/topics", .method = "DELETE", .timeout_ms = PATIENCE_MS};

    server_start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 100, false);
    ck_assert_int_ne(asprintf(&login.url, "http://%s/behind/a/proxy", server.address), -1);
    ck_assert_int_eq(fetch_open(&fetch, &r), 0);
    ck_assert_ptr_nonnull(strstr(server.request, "DELETE /behind/a/proxy/topics HTTP/1.1\r\n"));
    ck_assert_ptr_null(strstr(server.request, "Authorization"));
    finish();
    login_close(&login);
}
END_TEST

START_TEST(nobody_there_is_an_error_that_names_the_address)
{
    const struct fetch_request r = {
        .address = "127.0.0.1:1", .target = "/", .timeout_ms = PATIENCE_MS};

    ck_assert_int_eq(fetch_open(&fetch, &r), -1);
    ck_assert_str_eq(fetch.error, "cannot connect to 127.0.0.1:1 (Connection refused)");
    fetch_close(&fetch);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fetch");
    TCase *t = tcase_create("fetch");
    int count = sizeof answers / sizeof answers[0];

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_loop_test(t, a_body_is_read_to_its_end, 0, count);
    tcase_add_loop_test(t, a_body_may_come_in_single_bytes, 0, count);
    tcase_add_loop_test(t, a_body_that_breaks_off_is_an_error, 0, sizeof broken / sizeof broken[0]);
    tcase_add_test(t, data_comes_before_the_stream_ends);
    tcase_add_test(t, a_silent_server_is_noticed);
    tcase_add_loop_test(t, an_end_before_the_head_is_an_error, 0, sizeof halves / sizeof halves[0]);
    tcase_add_test(t, what_is_no_http_is_told);
    tcase_add_test(t, a_body_longer_than_wanted_is_an_error);
    tcase_add_test(t, the_request_says_what_was_asked);
    tcase_add_test(t, an_address_of_all_interfaces_is_this_machine);
    tcase_add_test(t, this_machine_is_asked_without_a_proxy);
    tcase_add_test(t, another_machine_is_asked_through_the_proxy);
    tcase_add_loop_test(t, who_asks_is_shown_and_what_they_say_is_sent, 0, 2);
    tcase_add_test(t, a_url_with_a_path_is_where_it_goes);
    tcase_add_test(t, nobody_there_is_an_error_that_names_the_address);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
