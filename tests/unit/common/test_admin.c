/*
 * The admin listener: probes, scrapes, and what it does with anything else.
 */
#include "admin.h"
#include "fixture.h"
#include "mem.h"
#include "metrics.h"
#include "process.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct admin *admin;
static bool ready;
static unsigned refreshes, closed;
static char listen_on[32];

static bool is_ready(void *arg)
{
    (void)arg;
    return ready;
}

static void on_refresh(void *arg)
{
    (void)arg;
    refreshes++;
}

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static unsigned free_port(void)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

static unsigned port;
static const char *note;

static const char *say_note(void *arg)
{
    (void)arg;
    return note;
}

static const char *take_command(void *arg, struct slice path)
{
    (void)arg;
    return slice_eq(path, SLICE("/do")) ? "done\n" : NULL;
}

static bool write_page(void *arg, struct slice path, struct buf *out)
{
    (void)arg;
    if (!slice_eq(path, SLICE("/page")))
        return false;
    buf_puts(out, "a page\n");
    return true;
}

static void open_admin(void)
{
    static const struct admin_ops ops = {is_ready, on_refresh, say_note, take_command, write_page};

    ready = false;
    refreshes = closed = 0;
    port = free_port();
    (void)snprintf(listen_on, sizeof listen_on, "127.0.0.1:%u", port);
    admin = admin_start(&loop, listen_on, "", 'g', &ops, NULL);
    ck_assert_ptr_nonnull(admin);
}

static void begin(void)
{
    loop_begin();
    open_admin();
}

static void end(void)
{
    admin_close(admin, on_closed, NULL);
    ck_assert_uint_eq(closed, 0);
    loop_end();
    ck_assert_uint_eq(closed, 1);
}

/* --- a client ------------------------------------------------------------------ */

struct client {
    int fd;
    uv_poll_t poll;
    char text[65536];
    size_t len;
    bool ended;
};

static void on_readable(uv_poll_t *h, int status, int events)
{
    struct client *c = CONTAINER_OF(h, struct client, poll);
    ssize_t n = recv(c->fd, c->text + c->len, sizeof c->text - 1 - c->len, 0);

    (void)status;
    (void)events;
    if (n > 0) {
        c->len += (size_t)n;
        c->text[c->len] = '\0';
    } else {
        c->ended = true;
        uv_poll_stop(h);
    }
}

static struct client *connect_client(void)
{
    struct client *c = mem_zalloc(sizeof *c);
    struct sockaddr_in a = loopback(port);

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(uv_poll_init(&loop, &c->poll, c->fd), 0);
    ck_assert_int_eq(uv_poll_start(&c->poll, UV_READABLE, on_readable), 0);
    return c;
}

static void client_gone(uv_handle_t *h)
{
    struct client *c = CONTAINER_OF(h, struct client, poll);

    (void)close(c->fd);
    free(c);
}

static void end_client(struct client *c)
{
    uv_close((uv_handle_t *)&c->poll, client_gone);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void say(const struct client *c, const char *p, size_t len)
{
    ck_assert_int_eq(send(c->fd, p, len, MSG_NOSIGNAL), (ssize_t)len);
}

static char reply[65536];

/* Sends a request and keeps the whole reply. */
static const char *ask(const char *request)
{
    struct client *c = connect_client();

    say(c, request, strlen(request));
    RUN_UNTIL(c->ended);
    memcpy(reply, c->text, c->len + 1);
    end_client(c);
    return reply;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

#define HOST "Host: x\r\n"

/* --- tests --------------------------------------------------------------------- */

START_TEST(health_is_ok_whenever_the_loop_turns)
{
    ck_assert(begins(ask("GET /healthz HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 OK\r\n"));
    ck_assert_str_eq(strstr(reply, "\r\n\r\n"), "\r\n\r\nok\n");
}
END_TEST

START_TEST(readiness_is_asked_for_each_time)
{
    ck_assert(begins(ask("GET /readyz HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 503 "));
    ready = true;
    ck_assert(begins(ask("GET /readyz HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 "));
}
END_TEST

START_TEST(metrics_are_refreshed_and_rendered)
{
    metric_set(M_CONNECTIONS, 7);
    ck_assert(begins(ask("GET /metrics HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 OK\r\n"));
    ck_assert_uint_eq(refreshes, 1);
    ck_assert_ptr_nonnull(strstr(reply, "Content-Type: text/plain; version=0.0.4;"));
    ck_assert_ptr_nonnull(strstr(reply, "\nsluice_connections 7\n"));
    ck_assert_ptr_null(strstr(reply, "sluice_gateways"));
}
END_TEST

START_TEST(head_is_get_without_the_body)
{
    ck_assert(begins(ask("HEAD /healthz HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 OK\r\n"));
    ck_assert_ptr_nonnull(strstr(reply, "Content-Length: 3\r\n"));
    ck_assert_str_eq(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
}
END_TEST

static const struct {
    const char *request, *status;
} refusals[] = {
    {"GET /other HTTP/1.1\r\n" HOST "\r\n", "404"},
    {"GET / HTTP/1.1\r\n" HOST "\r\n", "404"},
    {"GET /healthz/ HTTP/1.1\r\n" HOST "\r\n", "404"},
    {"POST /healthz HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "405"},
    {"PATCH /healthz HTTP/1.1\r\n" HOST "\r\n", "405"},
    {"BREW /healthz HTTP/1.1\r\n" HOST "\r\n", "501"},
    {"GET /healthz HTTP/1.1\r\n\r\n", "400"},
    {"GET /healthz HTTP/1.1\n\n", "400"},
    {"GET /healthz HTTP/2.0\r\n" HOST "\r\n", "505"},
    {"nonsense\r\n\r\n", "400"},
    {"\x16\x03\x01\x02\x00\x01", "400"},
};

START_TEST(anything_else_is_refused)
{
    char expected[16];

    (void)snprintf(expected, sizeof expected, "HTTP/1.1 %s ", refusals[_i].status);
    ck_assert_msg(begins(ask(refusals[_i].request), expected), "%s", reply);
    ck_assert((strstr(reply, "Allow: GET, HEAD\r\n") != NULL) ==
              (strcmp(refusals[_i].status, "405") == 0));
}
END_TEST

START_TEST(a_process_has_pages_and_commands_of_its_own)
{
    ck_assert(begins(ask("GET /page HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 "));
    ck_assert_ptr_nonnull(strstr(reply, "a page\n"));
    ck_assert(
        begins(ask("POST /do HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"), "HTTP/1.1 200 "));
    ck_assert_ptr_nonnull(strstr(reply, "done\n"));
    ck_assert(begins(ask("GET /do HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 404 "));
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
    static char big[20000] = "GET /healthz HTTP/1.1\r\nX: ";

    memset(big + strlen(big), 'x', sizeof big - 1 - strlen(big));
    ck_assert(begins(ask(big), "HTTP/1.1 431 "));
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";
    struct client *c = connect_client();

    for (size_t i = 0; i < sizeof request - 1; i++) {
        say(c, request + i, 1);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(c->ended);
    ck_assert(begins(c->text, "HTTP/1.1 200 OK\r\n"));
    end_client(c);
}
END_TEST

START_TEST(http_1_0_needs_no_host)
{
    ck_assert(begins(ask("GET /healthz HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\n"));
}
END_TEST

START_TEST(the_longest_silent_of_too_many_makes_room)
{
    struct client *clients[65];

    for (size_t i = 0; i < 64; i++)
        clients[i] = connect_client();
    RUN_UNTIL(uv_loop_alive(&loop)); /* one turn, at least */
    say(clients[0], "GET ", 4);
    clients[64] = connect_client();
    RUN_UNTIL(clients[1]->ended);
    for (size_t i = 0; i < 65; i++)
        ck_assert(clients[i]->ended == (i == 1));
    (void)ask("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
    for (size_t i = 0; i < 65; i++)
        end_client(clients[i]);
}
END_TEST

START_TEST(a_silent_client_is_let_go)
{
    struct client *c = connect_client();

    say(c, "GET ", 4);
    RUN_UNTIL(c->ended); /* five seconds later */
    ck_assert_uint_eq(c->len, 0);
    end_client(c);
}
END_TEST

START_TEST(closing_ends_open_connections)
{
    struct client *c = connect_client();

    (void)ask("GET /healthz HTTP/1.1\r\n" HOST "\r\n"); /* so c is accepted */
    admin_close(admin, on_closed, NULL);
    RUN_UNTIL(c->ended && closed == 1);
    end_client(c);
    open_admin();
}
END_TEST

START_TEST(an_address_in_use_is_an_error)
{
    static const struct admin_ops ops = {.ready = is_ready};

    ck_assert_ptr_null(admin_start(&loop, listen_on, "", 'g', &ops, NULL));
    ck_assert_ptr_null(admin_start(&loop, "nonsense", "", 'g', &ops, NULL));
}
END_TEST

START_TEST(nothing_is_closed_at_once)
{
    admin_close(NULL, on_closed, NULL);
    ck_assert_uint_eq(closed, 1);
    closed = 0;
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin");
    TCase *t = tcase_create("admin");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, health_is_ok_whenever_the_loop_turns);
    tcase_add_test(t, readiness_is_asked_for_each_time);
    tcase_add_test(t, metrics_are_refreshed_and_rendered);
    tcase_add_test(t, head_is_get_without_the_body);
    tcase_add_loop_test(t, anything_else_is_refused, 0, ARRAY_LEN(refusals));
    tcase_add_test(t, a_process_has_pages_and_commands_of_its_own);
    tcase_add_test(t, a_head_without_end_is_refused);
    tcase_add_test(t, a_request_may_come_byte_by_byte);
    tcase_add_test(t, http_1_0_needs_no_host);
    tcase_add_test(t, the_longest_silent_of_too_many_makes_room);
    tcase_add_test(t, a_silent_client_is_let_go);
    tcase_add_test(t, closing_ends_open_connections);
    tcase_add_test(t, an_address_in_use_is_an_error);
    tcase_add_test(t, nothing_is_closed_at_once);
    suite_add_tcase(s, t);
    return run_suite(s);
}
