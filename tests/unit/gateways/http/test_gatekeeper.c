/*
 * test_gatekeeper.c - who is let in, what a connection's pass saves, and what is said to
 * whoever is not.
 */
#include "gatekeeper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run_suite.h"

static uv_loop_t loop;
static struct config *config;
static struct authority *authority;
static struct gatekeeper g;
static struct gatekeeper_pass pass;
static struct gatekeeper_ask ask;
static struct conn conn;
static struct gatekeeper_origin from;
static struct caller who;
static struct http_request r;
static struct problem p;
static char file[] = "/tmp/test_gatekeeper-XXXXXX";

static void open_with(const char *text)
{
    char flag[] = "--config", name[] = "sse";
    char *argv[] = {name, flag, file, NULL};
    int fd = open(file, O_WRONLY | O_TRUNC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    ck_assert_int_eq(config_load(&config, "sse", 3, argv), CONFIG_GO);
    authority = authority_open(&loop, config);
    ck_assert_ptr_nonnull(authority);
    gatekeeper_init(&g, authority, config, false);
}

static void setup(void)
{
    strcpy(strrchr(file, '-') + 1, "XXXXXX");
    (void)close(mkstemp(file));
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    conn.fd = -1;
    from = (struct gatekeeper_origin){.conn = &conn, .door = "sse"};
    memset(&r, 0, sizeof r);
    memset(&p, 0, sizeof p);
}

static void teardown(void)
{
    gatekeeper_forget(&ask);
    caller_end(&who);
    gatekeeper_pass_end(&pass);
    authority_close(authority);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    config_free(config);
    config = NULL;
    (void)unlink(file);
}

static void shows(const char *authorization)
{
    r.header_count = 0;
    if (authorization != NULL)
        r.headers[r.header_count++] =
            (struct http_header){SLICE("Authorization"), slice_of(authorization)};
    memset(&p, 0, sizeof p);
}

static enum gatekeeper_verdict check(const char *authorization)
{
    shows(authorization);
    return gatekeeper_check(&g, &pass, &ask, &r, &from, &who, &p);
}

#define GUESTS "[auth]\nanonymous = guest\n[role \"guest\"]\nsubscribe = a/#\n"

START_TEST(test_without_auth_nothing_that_is_shown_is_looked_at)
{
    open_with("");
    ck_assert_int_eq(check(NULL), GATEKEEPER_ADMITS);
    ck_assert_int_eq(check("nonsense"), GATEKEEPER_ADMITS);
    ck_assert(caller_may(&who, AUTH_MANAGE, SLICE("#")));
}
END_TEST

START_TEST(test_the_same_again_is_the_same_principal)
{
    const struct principal *first;

    open_with(GUESTS);
    ck_assert_int_eq(check(NULL), GATEKEEPER_ADMITS);
    first = who.principal;
    ck_assert_int_eq(check(NULL), GATEKEEPER_ADMITS);
    ck_assert_ptr_eq(who.principal, first);
    ck_assert(caller_is_anonymous(&who) && caller_may(&who, AUTH_SUBSCRIBE, SLICE("a/b")));
}
END_TEST

START_TEST(test_what_is_wrong_is_no_stranger_and_leaves_nobody)
{
    open_with(GUESTS);
    ck_assert_int_eq(check(NULL), GATEKEEPER_ADMITS);
    ck_assert_int_eq(check("Bearer a.b.c"), GATEKEEPER_REFUSES);
    ck_assert_int_eq(p.error, ERR_UNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(p.challenge, "invalid_token"));
    ck_assert_ptr_null(who.principal);
    ck_assert_int_eq(check(NULL), GATEKEEPER_ADMITS); /* by its pass */
    ck_assert(caller_is_anonymous(&who) && who.principal != NULL);
}
END_TEST

START_TEST(test_malformed_credentials_are_refused_without_being_asked_about)
{
    open_with(GUESTS);
    ck_assert_int_eq(check("Bearer"), GATEKEEPER_REFUSES);
    ck_assert_int_eq(p.error, ERR_UNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(p.challenge, "invalid_request"));
}
END_TEST

START_TEST(test_a_stranger_is_told_how_to_be_known)
{
    open_with("[auth]\ncertificate_roles = guest\n[role \"guest\"]\nsubscribe = a\n");
    ck_assert_int_eq(check(NULL), GATEKEEPER_REFUSES);
    ck_assert_str_eq(p.challenge, "Bearer realm=\"sluice\"");
    ck_assert(!p.challenge_basic);
}
END_TEST

START_TEST(test_where_it_can_be_said_later_a_stranger_comes_as_nobody)
{
    open_with("[auth]\ncertificate_roles = guest\n[role \"guest\"]\nsubscribe = a\n");
    from.later = true;
    ck_assert_int_eq(check(NULL), GATEKEEPER_ADMITS);
    ck_assert_ptr_null(who.principal);
    ck_assert(!caller_may(&who, AUTH_SUBSCRIBE, SLICE("a")));
    ck_assert_int_eq(check("Bearer a.b.c"), GATEKEEPER_REFUSES);
}
END_TEST

START_TEST(test_what_a_source_says_later_has_its_own_status)
{
    struct auth_answer busy = {.outcome = AUTH_BUSY, .retry_ms = 1500};
    struct auth_answer away = {.outcome = AUTH_UNAVAILABLE};

    open_with(GUESTS);
    gatekeeper_problem(&g, &busy, true, &p);
    ck_assert(p.error == ERR_TOO_MANY && p.retry_ms == 1500 && p.challenge == NULL);
    gatekeeper_problem(&g, &away, true, &p);
    ck_assert(p.error == ERR_UNAVAILABLE && p.challenge == NULL);
}
END_TEST

int main(void)
{
    return RUN_TESTS("gatekeeper", setup, teardown,
                     test_without_auth_nothing_that_is_shown_is_looked_at,
                     test_the_same_again_is_the_same_principal,
                     test_what_is_wrong_is_no_stranger_and_leaves_nobody,
                     test_malformed_credentials_are_refused_without_being_asked_about,
                     test_a_stranger_is_told_how_to_be_known,
                     test_where_it_can_be_said_later_a_stranger_comes_as_nobody,
                     test_what_a_source_says_later_has_its_own_status);
}
