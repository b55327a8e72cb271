/* Unit tests of one question: who waits before anything is looked at, and what the callback's
 * answers are worth later. */
#include <crypt.h>

#include "auth_file.h"
#include "authority.h"
#include "metrics.h"
#include "played_http.h"
#include "slowness.h"

static struct played_http server;
static struct authority *authority;
static struct auth_answer answer; /* the last one */
static unsigned answers;

static void write_user(const char *name, const char *password)
{
    static struct crypt_data data;
    char line[1024];

    (void)snprintf(line, sizeof line, "%s:%s:a\n", name,
                   crypt_rn(password, "$y$j75$..........A4", &data, sizeof data));
    world_write("users", line);
}

static struct config *config_now(void)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "[auth]\nusers = ~/users\ncallback = http://127.0.0.1:%u/\n"
                   "[role \"a\"]\npublish = #\n",
                   server.port);
    return world_config(text);
}

static void begin(void)
{
    struct config *c;

    world_begin();
    world_now = 1000000;
    clock_replace(world_clock, NULL);
    played_http_open(&server, &loop);
    server.head = "200 OK";
    server.body = "{\"roles\":[\"a\"],\"cache\":60}";
    write_user("alice", "wonderland");
    c = config_now();
    authority = authority_open(&loop, c);
    ck_assert_ptr_nonnull(authority);
    config_free(c);
    answer = (struct auth_answer){0};
    answers = 0;
}

static void end(void)
{
    principal_unref(answer.principal);
    authority_close(authority);
    played_http_close(&server, &loop);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    world_end();
}

static void on_answer(void *arg, const struct auth_answer *a)
{
    (void)arg;
    answer = *a;
    answers++;
}

static struct auth_ask *ask(const char *user, const char *password, const char *address)
{
    const struct credentials c = {.kind = CREDENTIALS_PASSWORD,
                                  .user = slice_of(user),
                                  .password = slice_of(password),
                                  .address = slice_of(address),
                                  .door = "sse"};

    principal_unref(answer.principal);
    answers = 0;
    return authority_ask(authority, &c, &answer, on_answer, NULL);
}

static enum auth_outcome outcome_of(const char *user, const char *password, const char *address)
{
    if (ask(user, password, address) != NULL)
        RUN_UNTIL(answers == 1);
    return answer.outcome;
}

static void guess(const char *user, const char *address, unsigned times)
{
    char password[16];

    for (unsigned i = 0; i < times; i++) {
        (void)snprintf(password, sizeof password, "guess %u", i);
        ck_assert_int_eq(outcome_of(user, password, address), AUTH_WRONG);
    }
}

START_TEST(what_was_right_is_not_hashed_again)
{
    uint64_t hashed;
    struct principal *p;

    ck_assert_int_eq(outcome_of("alice", "wonderland", "10.0.0.1"), AUTH_KNOWN);
    p = answer.principal;
    hashed = metric_get(M_PASSWORDS_HASHED);
    ck_assert_ptr_null(ask("alice", "wonderland", "10.0.0.2"));
    ck_assert_ptr_eq(answer.principal, p);
    ck_assert_uint_eq(metric_get(M_PASSWORDS_HASHED), hashed);
}
END_TEST

START_TEST(what_is_remembered_is_no_way_to_try_passwords)
{
    ck_assert_int_eq(outcome_of("alice", "wonderland", "10.0.0.1"), AUTH_KNOWN);
    guess("alice", "10.0.0.2", SLOWNESS_FREE + 1);
    ck_assert_ptr_null(ask("alice", "wonderland", "10.0.0.2"));
    ck_assert_int_eq(answer.outcome, AUTH_BUSY);
    ck_assert_uint_eq(answer.retry_ms, SLOWNESS_FIRST_MS);
    ck_assert_int_eq(outcome_of("alice", "wonderland", "10.0.0.1"), AUTH_KNOWN);
    world_now += SLOWNESS_FIRST_MS;
    ck_assert_int_eq(outcome_of("alice", "wonderland", "10.0.0.2"), AUTH_KNOWN);
}
END_TEST

START_TEST(who_goes_before_the_answer_has_failed)
{
    for (unsigned i = 0; i <= SLOWNESS_FREE; i++) {
        struct auth_ask *q = ask("alice", "guess", "10.0.0.1");

        ck_assert_ptr_nonnull(q);
        authority_forget(q);
    }
    ck_assert_int_eq(outcome_of("alice", "wonderland", "10.0.0.1"), AUTH_BUSY);
}
END_TEST

START_TEST(whom_the_callback_refuses_waits_too)
{
    server.head = "403 Forbidden";
    guess("bob", "10.0.0.1", SLOWNESS_FREE + 1);
    ck_assert_int_eq(outcome_of("bob", "secret", "10.0.0.1"), AUTH_BUSY);
    ck_assert_uint_eq(server.requests, SLOWNESS_FREE + 1);
}
END_TEST

START_TEST(a_callback_that_gives_no_answer_is_nobodys_failure)
{
    server.head = "500 Internal Server Error";
    for (unsigned i = 0; i < 2 * SLOWNESS_FREE; i++)
        ck_assert_int_eq(outcome_of("bob", "secret", "10.0.0.1"), AUTH_UNAVAILABLE);
}
END_TEST

START_TEST(the_callbacks_word_counts_as_long_as_it_says)
{
    ck_assert_int_eq(outcome_of("bob", "secret", "10.0.0.1"), AUTH_KNOWN);
    ck_assert(principal_is_believed(answer.principal));
    world_now += 59999;
    ck_assert_ptr_null(ask("bob", "secret", "10.0.0.2"));
    ck_assert_int_eq(answer.outcome, AUTH_KNOWN);
    world_now += 1;
    ck_assert(!principal_is_believed(answer.principal));
    ck_assert_int_eq(answer.principal->state, PRINCIPAL_STANDS); /* who acts goes on */
    ck_assert_int_eq(outcome_of("bob", "secret", "10.0.0.1"), AUTH_KNOWN);
    ck_assert_uint_eq(server.requests, 2);
}
END_TEST

START_TEST(without_cache_it_is_asked_each_time)
{
    server.body = "{\"roles\":[\"a\"]}";
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_int_eq(outcome_of("bob", "secret", "10.0.0.1"), AUTH_KNOWN);
        ck_assert(!principal_is_believed(answer.principal));
        ck_assert_uint_eq(server.requests, i);
    }
}
END_TEST

START_TEST(names_of_the_file_are_not_the_callbacks_to_give)
{
    server.body = "{\"name\":\"alice\",\"cache\":60}";
    ck_assert_int_eq(outcome_of("bob", "secret", "10.0.0.1"), AUTH_UNAVAILABLE);
    server.body = "{\"name\":\"alice\",\"kind\":\"token\",\"cache\":60}";
    ck_assert_int_eq(outcome_of("bob", "secret", "10.0.0.1"), AUTH_KNOWN);
    ck_assert_str_eq(answer.principal->name, "token:alice");
}
END_TEST

static unsigned told;

static void on_changed(struct caller *c)
{
    told++;
    ck_assert_int_eq(c->principal->state, PRINCIPAL_REVOKED);
}

START_TEST(another_password_and_a_name_that_is_taken_end_who_was_there)
{
    struct caller alice = {.changed = on_changed}, bob = {.changed = on_changed};
    struct config *c = config_now();

    told = 0;
    (void)outcome_of("alice", "wonderland", "10.0.0.1");
    caller_begin(&alice, answer.principal);
    answer.principal = NULL;
    (void)outcome_of("bob", "secret", "10.0.0.1");
    caller_begin(&bob, answer.principal);
    answer.principal = NULL;
    ck_assert(authority_reload(authority, c));
    ck_assert_uint_eq(told, 0);
    write_user("alice", "looking-glass");
    ck_assert(authority_reload(authority, c));
    ck_assert_uint_eq(told, 1);
    ck_assert_int_eq(outcome_of("alice", "wonderland", "10.0.0.1"), AUTH_WRONG);
    ck_assert_int_eq(outcome_of("alice", "looking-glass", "10.0.0.1"), AUTH_KNOWN);
    write_user("bob", "secret");
    ck_assert(authority_reload(authority, c));
    ck_assert_uint_eq(told, 2);
    config_free(c);
    caller_end(&alice);
    caller_end(&bob);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ask");
    TCase *t = tcase_create("ask");

    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_was_right_is_not_hashed_again);
    tcase_add_test(t, what_is_remembered_is_no_way_to_try_passwords);
    tcase_add_test(t, who_goes_before_the_answer_has_failed);
    tcase_add_test(t, whom_the_callback_refuses_waits_too);
    tcase_add_test(t, a_callback_that_gives_no_answer_is_nobodys_failure);
    tcase_add_test(t, the_callbacks_word_counts_as_long_as_it_says);
    tcase_add_test(t, without_cache_it_is_asked_each_time);
    tcase_add_test(t, names_of_the_file_are_not_the_callbacks_to_give);
    tcase_add_test(t, another_password_and_a_name_that_is_taken_end_who_was_there);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
