/*
 * test_audit.c - the audit and the access log: JSON whatever the other lines are, bounded
 * where somebody else says how many there are.
 */
#include "access_log.h"
#include "audit.h"
#include "clock.h"
#include "run_suite.h"

#include <fcntl.h>
#include <unistd.h>

static int saved, out;
static uint64_t now = UINT64_C(1577836800123);
static struct config *config;
static char text[8192];

static uint64_t fixed(void *arg)
{
    (void)arg;
    return now;
}

static void configure(const char *flag)
{
    char *argv[] = {(char *)(uintptr_t) "sluice", (char *)(uintptr_t)flag, NULL};

    config_free(config);
    ck_assert_int_eq(config_load(&config, "sse", 2, argv), CONFIG_GO);
    audit_configure(config);
    access_log_configure(config);
}

static void begin(void)
{
    int fds[2];

    clock_replace(fixed, NULL);
    configure("--log-access=on");
    log_init("sse", LOG_ERROR, LOG_TEXT);
    ck_assert_int_eq(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
    ck_assert_int_ge(fcntl(fds[1], F_SETPIPE_SZ, 1024 * 1024), 0);
    saved = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
    (void)close(fds[1]);
    out = fds[0];
}

static void end(void)
{
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(out);
    clock_replace(NULL, NULL);
    config_free(config);
    config = NULL;
}

/* "" when there is none. */
static const char *line(void)
{
    ssize_t n = read(out, text, sizeof text - 1);

    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static const struct audit refused = {.door = "sse",
                                     .principal = {"user:alice", 10},
                                     .address = {"192.0.2.7", 9},
                                     .verb = "publish",
                                     .filter = {"a/\"b", 4},
                                     .reason = "Publishing is not permitted",
                                     .request = {"r1", 2}};

START_TEST(test_a_refusal_is_a_line_of_json)
{
    audit_refused(&refused);
    ck_assert_str_eq(
        line(), "{\"time\":\"2020-01-01T00:00:00.123Z\",\"level\":\"audit\",\"process\":\"sse\","
                "\"msg\":\"refused\",\"principal\":\"user:alice\",\"address\":\"192.0.2.7\","
                "\"door\":\"sse\",\"verb\":\"publish\",\"filter\":\"a/\\\"b\","
                "\"reason\":\"Publishing is not permitted\",\"request\":\"r1\"}\n");
}
END_TEST

START_TEST(test_what_is_not_known_is_left_out)
{
    audit_done(&(struct audit){.verb = "manage"});
    ck_assert_ptr_nonnull(strstr(line(), "\"msg\":\"done\",\"verb\":\"manage\"}\n"));
}
END_TEST

START_TEST(test_refusals_beyond_so_many_a_second_are_counted_instead)
{
    now += 1000; /* what other tests have used up of their second is theirs */
    for (int i = 0; i < AUDIT_REFUSED_MAX + 7; i++)
        audit_refused(&refused);
    for (int i = 0; i < AUDIT_REFUSED_MAX; i++)
        ck_assert_str_ne(line(), "");
    ck_assert_str_eq(line(), "");
    audit_done(&refused); /* what was permitted is never left out */
    ck_assert_ptr_null(strstr(line(), "left_out"));
    now += 1000;
    audit_refused(&refused);
    ck_assert_ptr_nonnull(strstr(line(), "\"left_out\":7}"));
    audit_refused(&refused);
    ck_assert_ptr_null(strstr(line(), "left_out"));
}
END_TEST

START_TEST(test_both_can_be_off)
{
    struct access a = {.status = 200};

    configure("--log-audit=off");
    audit_refused(&refused);
    audit_done(&refused);
    ck_assert(!access_log_on());
    access_log_write(&a);
    ck_assert_str_eq(line(), "");
}
END_TEST

START_TEST(test_a_request_is_a_line_of_json)
{
    struct access a = {.method = SLICE("POST"),
                       .path = SLICE("/events/a%20b"),
                       .topic = SLICE("a b"),
                       .status = 201,
                       .bytes = 31,
                       .duration_ms = 2,
                       .principal = SLICE("anonymous")};

    ck_assert(access_log_on());
    access_log_write(&a);
    ck_assert_ptr_nonnull(strstr(line(),
                                 "\"level\":\"access\",\"process\":\"sse\",\"msg\":\"request\","
                                 "\"method\":\"POST\",\"path\":\"/events/a%20b\",\"topic\":\"a b\","
                                 "\"status\":201,\"bytes\":31,\"duration_ms\":2,"
                                 "\"principal\":\"anonymous\"}\n"));
}
END_TEST

int main(void)
{
    return RUN_TESTS("audit", begin, end, test_a_refusal_is_a_line_of_json,
                     test_what_is_not_known_is_left_out,
                     test_refusals_beyond_so_many_a_second_are_counted_instead,
                     test_both_can_be_off, test_a_request_is_a_line_of_json);
}
