/*
 * A request to another server: its answer, what can go wrong, and being forgotten.
 */
#include "web.h"

#include "../fixture.h"
#include "played_http.h"

static struct played_http server;
static char url[64];
static unsigned done;
static int status;
static char body[256], why[256];

static void begin(void)
{
    loop_begin();
    played_http_open(&server, &loop);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/keys", server.port);
    done = 0;
    status = -1;
}

static void end(void)
{
    played_http_close(&server, &loop);
    loop_end();
}

static void on_done(void *arg, int code, struct slice text, const char *reason)
{
    ck_assert_ptr_eq(arg, &server);
    done++;
    status = code;
    (void)snprintf(body, sizeof body, "%.*s", (int)text.len, text.len > 0 ? text.p : "");
    (void)snprintf(why, sizeof why, "%s", reason);
}

static struct web *ask(struct web_request r)
{
    r.url = r.url != NULL ? r.url : url;
    r.timeout_ms = r.timeout_ms != 0 ? r.timeout_ms : 10000;
    r.max_bytes = r.max_bytes != 0 ? r.max_bytes : 100;
    return web_start(&loop, &r, on_done, &server);
}

static void ask_and_wait(struct web_request r)
{
    ck_assert_ptr_nonnull(ask(r));
    ck_assert_uint_eq(done, 0);
    RUN_UNTIL(done > 0);
}

static bool request_has(const char *text)
{
    return strstr((const char *)server.request.p, text) != NULL;
}

START_TEST(a_get_is_answered)
{
    server.body = "{\"keys\":[]}";
    ask_and_wait((struct web_request){0});
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(body, "{\"keys\":[]}");
    ck_assert(request_has("GET /keys HTTP/1.1\r\n"));
}
END_TEST

START_TEST(a_post_carries_json)
{
    server.body = "{}";
    ask_and_wait((struct web_request){.post = SLICE("{\"user\":\"alice\"}")});
    ck_assert_int_eq(status, 200);
    ck_assert(request_has("POST /keys HTTP/1.1\r\n"));
    ck_assert(request_has("Content-Type: application/json\r\n"));
    ck_assert(request_has("\r\n\r\n{\"user\":\"alice\"}"));
}
END_TEST

START_TEST(a_refusal_is_an_answer)
{
    server.head = "403 Forbidden";
    server.body = "no";
    ask_and_wait((struct web_request){0});
    ck_assert_int_eq(status, 403);
    ck_assert_str_eq(body, "no");
}
END_TEST

START_TEST(a_redirection_is_not_followed)
{
    server.head = "302 Found\r\nLocation: http://127.0.0.1:1/";
    ask_and_wait((struct web_request){0});
    ck_assert_int_eq(status, 302);
    ck_assert_uint_eq(server.requests, 1);
}
END_TEST

START_TEST(an_answer_that_is_too_long_is_none)
{
    server.body = "0123456789";
    ask_and_wait((struct web_request){.max_bytes = 9});
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(body, "");
    ck_assert_str_eq(why, "the answer is longer than 9 bytes");
    done = 0;
    ask_and_wait((struct web_request){.max_bytes = 10});
    ck_assert_int_eq(status, 200);
}
END_TEST

START_TEST(a_server_that_is_silent_is_waited_for_so_long)
{
    server.head = NULL;
    ask_and_wait((struct web_request){.timeout_ms = 50});
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_nonnull(strstr(why, "timed out"));
}
END_TEST

START_TEST(nobody_there_is_told)
{
    ask_and_wait((struct web_request){.url = "http://127.0.0.1:1/"});
    ck_assert_int_eq(status, 0);
    ck_assert_str_ne(why, "");
}
END_TEST

START_TEST(other_schemes_are_not_asked)
{
    ask_and_wait((struct web_request){.url = "file:///etc/hostname"});
    ck_assert_int_eq(status, 0);
    ck_assert_str_ne(why, "");
}
END_TEST

START_TEST(a_ca_file_that_is_not_there_is_told)
{
    ask_and_wait((struct web_request){.url = "https://127.0.0.1:1/", .ca_file = "/nonexistent"});
    ck_assert_int_eq(status, 0);
    ck_assert_str_ne(why, "");
}
END_TEST

START_TEST(who_is_forgotten_hears_nothing)
{
    server.head = NULL;
    web_forget(ask((struct web_request){0})); /* before the thread knows of it */
    struct web *w = ask((struct web_request){0});
    RUN_UNTIL(server.requests > 0);
    web_forget(w);
    server.head = "200 OK";
    ask_and_wait((struct web_request){0});
    ck_assert_uint_eq(done, 1);
}
END_TEST

START_TEST(many_at_once_do_not_wait_for_one_another)
{
    struct web *silent[40];

    server.head = NULL;
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        silent[i] = ask((struct web_request){0});
    RUN_UNTIL(server.requests == ARRAY_LEN(silent));
    server.head = "200 OK";
    ask_and_wait((struct web_request){0});
    ck_assert_int_eq(status, 200);
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        web_forget(silent[i]);
}
END_TEST

static const struct {
    const char *url;
    enum web_reach reach;
} urls[] = {
    {"https://id.example/keys", WEB_HTTPS},
    {"HTTPS://id.example", WEB_HTTPS},
    {"http://id.example/keys", WEB_PLAIN},
    {"http://127.0.0.1:8000/", WEB_LOOPBACK},
    {"http://localhost/", WEB_LOOPBACK},
    {"http://[::1]:80/", WEB_LOOPBACK},
    {"http://localhost@id.example/", WEB_PLAIN},
    {"http://localhost.id.example/", WEB_PLAIN},
    {"http://127.0.0.1.id.example/", WEB_PLAIN},
    {"ftp://localhost/", WEB_BAD_URL},
    {"file:///etc/keys", WEB_BAD_URL},
    {"/etc/keys", WEB_BAD_URL},
    {"", WEB_BAD_URL},
};

START_TEST(a_url_says_who_may_listen)
{
    ck_assert_int_eq(web_reach_of(urls[_i].url), urls[_i].reach);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("web");
    TCase *t = tcase_create("requests"), *u = tcase_create("urls");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_get_is_answered);
    tcase_add_test(t, a_post_carries_json);
    tcase_add_test(t, a_refusal_is_an_answer);
    tcase_add_test(t, a_redirection_is_not_followed);
    tcase_add_test(t, an_answer_that_is_too_long_is_none);
    tcase_add_test(t, a_server_that_is_silent_is_waited_for_so_long);
    tcase_add_test(t, nobody_there_is_told);
    tcase_add_test(t, other_schemes_are_not_asked);
    tcase_add_test(t, a_ca_file_that_is_not_there_is_told);
    tcase_add_test(t, who_is_forgotten_hears_nothing);
    tcase_add_test(t, many_at_once_do_not_wait_for_one_another);
    suite_add_tcase(s, t);
    tcase_add_loop_test(u, a_url_says_who_may_listen, 0, (int)ARRAY_LEN(urls));
    suite_add_tcase(s, u);
    return run_suite(s);
}
