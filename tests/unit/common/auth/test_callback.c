/* Unit tests of the HTTP callback: its answers, what is shared, what is remembered. */
#include "auth_file.h"
#include "callback.h"
#include "metrics.h"
#include "played_http.h"

#define ASKS 4

static struct played_http server;
static struct config *config;
static struct callback *callback;

struct question {
    struct callback_ask *ask;
    unsigned answers;
    enum auth_outcome outcome;
    struct findings found;
};
static struct question questions[ASKS];

static void begin(void)
{
    char text[256];

    world_begin();
    memset(questions, 0, sizeof questions);
    played_http_open(&server, &loop);
    (void)snprintf(text, sizeof text,
                   "[auth]\ncallback = http://127.0.0.1:%u/auth\ncallback_requests = 2\n"
                   "callback_timeout = 10s\n",
                   server.port);
    config = world_config(text);
    callback = callback_open(&loop, config);
    ck_assert_ptr_nonnull(callback);
    server.head = "200 OK";
    server.body = "{\"cache\":60}";
}

static void end(void)
{
    callback_close(callback);
    for (size_t i = 0; i < ASKS; i++)
        findings_free(&questions[i].found);
    played_http_close(&server, &loop);
    config_free(config);
    world_end();
}

static void on_answer(void *arg, struct source_answer *answer)
{
    struct question *q = arg;

    q->ask = NULL;
    q->answers++;
    q->outcome = answer->outcome;
    q->found = answer->found;
}

/* The answer that is there at once, or AUTH_KNOWN. */
static enum auth_outcome ask(size_t i, const char *token)
{
    struct credentials c = {.kind = CREDENTIALS_TOKEN, .token = slice_of(token), .door = "sse"};
    struct source_answer now = {0};

    findings_free(&questions[i].found);
    questions[i] = (struct question){0};
    questions[i].ask = callback_ask(callback, &c, &now, on_answer, &questions[i]);
    ck_assert_uint_eq(questions[i].answers, 0);
    return questions[i].ask == NULL ? now.outcome : AUTH_KNOWN;
}

static enum auth_outcome outcome_of(const char *token)
{
    enum auth_outcome now = ask(0, token);

    if (questions[0].ask == NULL)
        return now;
    RUN_UNTIL(questions[0].answers > 0);
    return questions[0].outcome;
}

START_TEST(somebody_is_known)
{
    server.body = "{\"name\":\"alice\",\"publish\":[\"a/#\"],\"cache\":60}";
    ck_assert_int_eq(outcome_of("t1"), AUTH_KNOWN);
    ck_assert_str_eq(questions[0].found.name, "alice");
    ck_assert_uint_eq(questions[0].found.keep_ms, 60000);
    ck_assert_ptr_nonnull(strstr((const char *)server.request.p, "POST /auth HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(memmem(server.request.p, server.request.len, "{\"door\":\"sse\"", 13));
}
END_TEST

static const struct {
    const char *head, *body;
    enum auth_outcome outcome;
} answers[] = {
    {"401 Unauthorized", "", AUTH_WRONG},
    {"403 Forbidden", "{\"name\":\"alice\"}", AUTH_WRONG},
    {"200 OK", "", AUTH_UNAVAILABLE},
    {"200 OK", "<html>", AUTH_UNAVAILABLE},
    {"200 OK", "{}", AUTH_UNAVAILABLE}, /* of a token: who is it? */
    {"204 No Content", "", AUTH_UNAVAILABLE},
    {"302 Found", "{\"name\":\"alice\"}", AUTH_UNAVAILABLE},
    {"404 Not Found", "", AUTH_UNAVAILABLE},
    {"500 Internal Server Error", "{\"name\":\"alice\"}", AUTH_UNAVAILABLE},
};

START_TEST(anything_else_is_no_answer)
{
    uint64_t failures = metric_get(M_CALLBACK_FAILED);

    server.head = answers[_i].head;
    server.body = answers[_i].body;
    ck_assert_int_eq(outcome_of("t1"), answers[_i].outcome);
    ck_assert_uint_eq(metric_get(M_CALLBACK_FAILED) - failures,
                      answers[_i].outcome == AUTH_UNAVAILABLE);
}
END_TEST

START_TEST(nobody_there_is_no_answer)
{
    struct config *c = world_config("[auth]\ncallback = http://127.0.0.1:1/\n");

    callback_close(callback);
    callback = callback_open(&loop, c);
    config_free(c);
    ck_assert_int_eq(outcome_of("t1"), AUTH_UNAVAILABLE);
}
END_TEST

START_TEST(who_was_refused_is_refused_for_a_second)
{
    world_now = 1000000;
    clock_replace(world_clock, NULL);
    server.head = "403 Forbidden";
    ck_assert_int_eq(outcome_of("t1"), AUTH_WRONG);
    world_now += 999;
    ck_assert_int_eq(ask(0, "t1"), AUTH_WRONG);
    ck_assert_ptr_null(questions[0].ask);
    ck_assert_uint_eq(server.requests, 1);
    ck_assert_int_eq(outcome_of("t2"), AUTH_WRONG);
    ck_assert_uint_eq(server.requests, 2);
    world_now += 1;
    ck_assert_int_eq(outcome_of("t1"), AUTH_WRONG);
    ck_assert_uint_eq(server.requests, 3);
}
END_TEST

START_TEST(the_same_question_is_asked_once)
{
    server.body = "{\"name\":\"alice\",\"roles\":[\"a\"]}";
    for (size_t i = 0; i < ASKS; i++)
        ck_assert_int_eq(ask(i, "t1"), AUTH_KNOWN);
    callback_ask_cancel(questions[1].ask);
    for (size_t i = 0; i < ASKS; i++)
        if (i != 1)
            RUN_UNTIL(questions[i].answers == 1);
    ck_assert_uint_eq(questions[1].answers, 0);
    ck_assert_uint_eq(server.requests, 1);
    for (size_t i = 0; i < ASKS; i++)
        ck_assert(i == 1 || (questions[i].outcome == AUTH_KNOWN &&
                             strcmp(questions[i].found.name, "alice") == 0 &&
                             questions[i].found.roles.len == 3));
}
END_TEST

/* callback_requests is 2. */
START_TEST(a_bounded_number_is_asked_at_once)
{
    server.head = NULL;
    ck_assert_int_eq(ask(0, "t1"), AUTH_KNOWN);
    ck_assert_int_eq(ask(1, "t2"), AUTH_KNOWN);
    ck_assert_int_eq(ask(2, "t3"), AUTH_BUSY);
    ck_assert_int_eq(ask(2, "t2"), AUTH_KNOWN);
    callback_ask_cancel(questions[1].ask);
    ck_assert_int_eq(ask(3, "t3"), AUTH_BUSY);
    callback_ask_cancel(questions[2].ask);
    ck_assert_int_eq(ask(3, "t3"), AUTH_KNOWN);
    callback_close(callback);
    callback = NULL;
    for (size_t i = 0; i < ASKS; i++)
        ck_assert_uint_eq(questions[i].answers, 0);
}
END_TEST

static void close_on_answer(void *arg, struct source_answer *answer)
{
    on_answer(arg, answer);
    callback_close(callback);
    callback = NULL;
}

START_TEST(who_is_told_may_close_it)
{
    struct credentials c = {.kind = CREDENTIALS_PASSWORD, .user = SLICE("alice")};
    struct source_answer now = {0};

    for (size_t i = 0; i < 2; i++)
        questions[i].ask = callback_ask(callback, &c, &now, close_on_answer, &questions[i]);
    RUN_UNTIL(questions[0].answers + questions[1].answers == 1);
    ck_assert_ptr_null(callback);
}
END_TEST

START_TEST(a_url_is_http_or_https)
{
    struct config *c = world_config("[auth]\ncallback = ftp://example.com/\n");

    ck_assert_ptr_null(callback_open(&loop, c));
    config_free(c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("callback");
    TCase *t = tcase_create("callback");

    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, somebody_is_known);
    tcase_add_loop_test(t, anything_else_is_no_answer, 0, ARRAY_LEN(answers));
    tcase_add_test(t, nobody_there_is_no_answer);
    tcase_add_test(t, who_was_refused_is_refused_for_a_second);
    tcase_add_test(t, the_same_question_is_asked_once);
    tcase_add_test(t, a_bounded_number_is_asked_at_once);
    tcase_add_test(t, who_is_told_may_close_it);
    tcase_add_test(t, a_url_is_http_or_https);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
