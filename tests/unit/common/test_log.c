/*
 * Log lines: one write each, in two forms, that no value can break.
 */
#include "clock.h"
#include "fixture.h"
#include "json.h"
#include "log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIME "2020-01-01T00:00:00.123Z"

static int saved, out;
static char text[16384];

static uint64_t fixed(void *arg)
{
    (void)arg;
    return UINT64_C(1577836800123);
}

/* Standard error becomes a pipe that keeps packets apart: what one read gives
 * was one write. */
static void begin(void)
{
    int fds[2];

    clock_replace(fixed, NULL);
    ck_assert_int_eq(pipe2(fds, O_DIRECT), 0);
    saved = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
    (void)close(fds[1]);
    out = fds[0];
}

static void restore_stderr(void)
{
    if (saved < 0)
        return;
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    saved = -1;
}

static void end(void)
{
    restore_stderr();
    (void)close(out);
    clock_replace(NULL, NULL);
}

static const char *line(void)
{
    ssize_t n;

    restore_stderr(); /* so that a failing test can say why */
    n = read(out, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

START_TEST(json_holds_time_level_process_message_and_fields)
{
    log_init("broker", LOG_INFO, LOG_JSON);
    log_info("gateway joined", LOG_S("name", "sse"), LOG_U("filters", 3), LOG_I("rc", -2));
    ck_assert_str_eq(line(), "{\"time\":\"" TIME "\",\"level\":\"info\",\"process\":\"broker\","
                             "\"msg\":\"gateway joined\",\"name\":\"sse\",\"filters\":3,"
                             "\"rc\":-2}\n");
}
END_TEST

START_TEST(text_is_for_a_person)
{
    log_init("broker", LOG_INFO, LOG_TEXT);
    log_warn("slow disk", LOG_U("ms", 250), LOG_S("path", "/srv/a b"));
    ck_assert_str_eq(line(), TIME " warn  broker: slow disk ms=250 path=\"/srv/a b\"\n");
}
END_TEST

START_TEST(auto_is_json_where_nobody_looks)
{
    log_init("broker", LOG_INFO, LOG_AUTO);
    log_error("x");
    ck_assert_int_eq(line()[0], '{');
}
END_TEST

START_TEST(less_severe_messages_are_left_out)
{
    log_init("broker", LOG_WARN, LOG_TEXT);
    log_info("unheard");
    log_debug("unheard");
    log_warn("heard");
    ck_assert_str_eq(line(), TIME " warn  broker: heard\n");
}
END_TEST

START_TEST(the_level_can_change)
{
    log_init("broker", LOG_INFO, LOG_TEXT);
    log_set_level(LOG_DEBUG);
    log_debug("heard");
    ck_assert_str_eq(line(), TIME " debug broker: heard\n");
}
END_TEST

static const struct {
    struct slice value;
    const char *as_text, *as_json;
} values[] = {
    {SLICE("a/b"), "a/b", "\"a/b\""},
    {SLICE(""), "\"\"", "\"\""},
    {SLICE("a\nb"), "\"a\\nb\"", "\"a\\nb\""},
    {SLICE("a\rb"), "\"a\\x0db\"", "\"a\\rb\""},
    {SLICE("a\x1b[31m"), "\"a\\x1b[31m\"", "\"a\\u001b[31m\""},
    {SLICE("a\0b"), "\"a\\x00b\"", "\"a\\u0000b\""},
    {SLICE("say \"x\" \\"), "\"say \\\"x\\\" \\\\\"", "\"say \\\"x\\\" \\\\\""},
    {SLICE("k=v"), "\"k=v\"", "\"k=v\""},
    {SLICE("\xc3\xa9"), "\"\xc3\xa9\"", "\"\xc3\xa9\""},
    {SLICE("\xff!"), "\"\xef\xbf\xbd!\"", "\"\xef\xbf\xbd!\""},
    {SLICE("\xc3"), "\"\xef\xbf\xbd\"", "\"\xef\xbf\xbd\""},
    {SLICE("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"",
     "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {SLICE("\xc2\x9b"
           "31m"),
     "\"\xef\xbf\xbd"
     "31m\"",
     "\"\xef\xbf\xbd"
     "31m\""},
};

START_TEST(a_hostile_value_forges_no_text_line)
{
    char expected[256];

    log_init("p", LOG_INFO, LOG_TEXT);
    log_info("m", LOG_SLICE("v", values[_i].value));
    (void)snprintf(expected, sizeof expected, TIME " info  p: m v=%s\n", values[_i].as_text);
    ck_assert_str_eq(line(), expected);
}
END_TEST

START_TEST(a_hostile_value_forges_no_json_member)
{
    char expected[256];

    log_init("p", LOG_INFO, LOG_JSON);
    log_info("m", LOG_SLICE("v", values[_i].value));
    (void)snprintf(expected, sizeof expected,
                   "{\"time\":\"" TIME "\",\"level\":\"info\",\"process\":\"p\",\"msg\":\"m\","
                   "\"v\":%s}\n",
                   values[_i].as_json);
    ck_assert_str_eq(line(), expected);
    ck_assert_int_eq(json_check(slice_of(text)), JSON_OBJECT);
}
END_TEST

START_TEST(a_long_value_is_cut)
{
    static char big[10000];

    memset(big, 'x', sizeof big - 1);
    log_init("p", LOG_INFO, LOG_TEXT);
    log_info("m", LOG_S("v", big));
    ck_assert_uint_lt(strlen(line()), 2200);
    ck_assert_str_eq(text + strlen(text) - 5, "x...\n");
}
END_TEST

START_TEST(a_closed_pipe_stops_nobody)
{
    log_init("p", LOG_INFO, LOG_TEXT);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)close(out);
    log_info("into the void");
    restore_stderr();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *t = tcase_create("log");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, json_holds_time_level_process_message_and_fields);
    tcase_add_test(t, text_is_for_a_person);
    tcase_add_test(t, auto_is_json_where_nobody_looks);
    tcase_add_test(t, less_severe_messages_are_left_out);
    tcase_add_test(t, the_level_can_change);
    tcase_add_loop_test(t, a_hostile_value_forges_no_text_line, 0,
                        sizeof values / sizeof values[0]);
    tcase_add_loop_test(t, a_hostile_value_forges_no_json_member, 0,
                        sizeof values / sizeof values[0]);
    tcase_add_test(t, a_long_value_is_cut);
    tcase_add_test(t, a_closed_pipe_stops_nobody);
    suite_add_tcase(s, t);
    return run_suite(s);
}
