/*
 * The configuration file: what each line means, and which line is to blame.
 */
#include "config_internal.h"
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct config *c;

static void begin(void)
{
    static char name[] = "test";
    char *argv[] = {name};

    c = config_new("sse", 1, argv);
}

static void end(void)
{
    config_free(c);
}

static void parse(const char *text)
{
    config_file_parse(c, "f", text, strlen(text));
}

static void parse_good(const char *text)
{
    parse(text);
    ck_assert_uint_eq(c->errors.len, 0);
}

/* The only error is this line. */
static void parse_bad(const char *text, const char *error)
{
    parse(text);
    buf_u8(&c->errors, '\0');
    ck_assert_str_eq((char *)c->errors.p, error);
}

START_TEST(keys_are_read_under_their_sections)
{
    parse_good("[sse]\nlisten = 1.2.3.4:5\n[limits]\nring=8M\n");
    ck_assert_str_eq(config_text(c, CFG_SSE_LISTEN), "1.2.3.4:5");
    ck_assert_uint_eq(config_num(c, CFG_RING), 8 << 20);
    ck_assert(config_is_set(c, CFG_RING));
    ck_assert(!config_is_set(c, CFG_RING_PINNED));
}
END_TEST

START_TEST(layout_does_not_matter)
{
    parse_good("\xef\xbb\xbf# a comment\r\n; another\r\n\r\n  [ sse ]  # here\r\n\t retry\t=\t3s "
               "; and here\r\n   keepalive =1s");
    ck_assert_uint_eq(config_num(c, CFG_SSE_RETRY), 3000);
    ck_assert_uint_eq(config_num(c, CFG_SSE_KEEPALIVE), 1000);
}
END_TEST

START_TEST(a_hash_within_a_value_belongs_to_it)
{
    parse_good("[sluice]\ndata = /srv/a#b\n");
    ck_assert_str_eq(config_text(c, CFG_DATA), "/srv/a#b");
}
END_TEST

START_TEST(what_all_share_may_stand_where_one_looks_for_it)
{
    parse_good("[broker]\ndata = /srv/sluice\n[auth]\nallow_anonymous = true\n");
    ck_assert_str_eq(config_text(c, CFG_DATA), "/srv/sluice");
    ck_assert(config_bool(c, CFG_ALLOW_ANONYMOUS));
}
END_TEST

START_TEST(an_empty_value_is_a_value)
{
    parse_good("[zmq]\nlisten =\n");
    ck_assert_str_eq(config_text(c, CFG_ZMQ_LISTEN), "");
    ck_assert(config_is_set(c, CFG_ZMQ_LISTEN));
}
END_TEST

START_TEST(a_key_that_stands_twice_names_both_lines)
{
    parse_bad("[sse]\nretry = 1s\n[limits]\n[sse]\nretry = 2s\n",
              "f:5: retry stands twice: f:2 has it, too\n");
    ck_assert_uint_eq(config_num(c, CFG_SSE_RETRY), 1000);
}
END_TEST

START_TEST(a_key_says_where_it_stands)
{
    parse_good("[sse]\n\nretry = 1s\n[role \"r\"]\npublish = a\n");
    ck_assert_str_eq(config_where(c, CFG_SSE_RETRY), "f:3");
    ck_assert_str_eq(config_where(c, CFG_RING), "default");
    ck_assert_str_eq(c->roles[0].where, "f:4");
}
END_TEST

START_TEST(long_values_are_whole)
{
    char text[4000] = "[broker]\nlink = ipc://";

    memset(text + strlen(text), 'x', 3894);
    parse_good(text);
    ck_assert_uint_eq(strlen(config_text(c, CFG_LINK)), 3900);
}
END_TEST

static const struct {
    const char *text;
    const char *error;
} bad[] = {
    {"[sse]\n\nlistn = x\n", "f:3: [sse] has no key listn\n"},
    {"[sse]\nlisten = 127.0.0.1:80, 8081\n",
     "f:2: listen: \"127.0.0.1:80, 8081\" is not a list of addresses such as 127.0.0.1:8081\n"},
    {"[ws]\nadmin_listen = tcp://127.0.0.1:80\n",
     "f:2: admin_listen: \"tcp://127.0.0.1:80\" is not an address such as 127.0.0.1:8091\n"},
    {"[sluice]\nbind = 0.0.0.0:80\n",
     "f:2: bind: \"0.0.0.0:80\" is not an address without a port, such as 0.0.0.0\n"},
    {"[broker]\nreads = /run/x\n", "f:2: reads: \"/run/x\" is not a list of endpoints such as "
                                   "tcp://127.0.0.1:5560 or ipc:///run/link\n"},
    {"[mqtt]\nserver_reference = a.example:port\n",
     "f:2: server_reference: \"a.example:port\" is not host:port, or several with blanks "
     "between\n"},
    {"[mqtt]\nserver_reference = a.example:1883  b.example\n",
     "f:2: server_reference: \"a.example:1883  b.example\" is not host:port, or several with "
     "blanks "
     "between\n"},
    {"[mqtt]\nserver_reference = \x7f\n",
     "f:2: server_reference: \"\x7f\" is not host:port, or several with blanks between\n"},
    {"[mqtt]\nserver_reference = :1883\n",
     "f:2: server_reference: \":1883\" is not host:port, or several with blanks between\n"},
    {"[zmq]\ncurve_clients = abc\n",
     "f:2: curve_clients: \"abc\" is not a list of public keys, 40 characters of Z85 each\n"},
    {"[retention \"a\"]\nmax_age = 1d\nmax_age = 2d\n",
     "f:3: max_age stands twice in this section: line 2 has it, too\n"},
    {"[role \"a\"]\npublish = a\nsubscribe = a\npublish = b\n",
     "f:4: publish stands twice in this section: line 2 has it, too\n"},
    {"[sse]\nring = 1M\n", "f:2: [sse] has no key ring\n"},
    {"# c\n[nothing]\na = 1\n", "f:2: there is no section [nothing]\n"},
    {"[process]\nready_fd = 1\n", "f:1: there is no section [process]\n"},
    {"[nothing]\n", "f:1: there is no section [nothing]\n"},
    {"a = 1\n", "f:1: a key before the first [section]: a\n"},
    {"[sse]\nlisten\n", "f:2: neither [section] nor key = value\n"},
    {"[sse]\nlisten: x\n", "f:2: neither [section] nor key = value\n"},
    {"[sse\n", "f:1: not a section: [sse\n"},
    {"[sse] x\n", "f:1: not a section: [sse] x\n"},
    {"[]\n", "f:1: there is no section []\n"},
    {"[retention]\n", "f:1: a retention section names its filter: [retention \"a/#\"]\n"},
    {"[retention \"\"]\n", "f:1: the filter of [retention]: it is empty\n"},
    {"[retention \"a]\n", "f:1: not a section: [retention \"a]\n"},
    {"[retention \"a\"]\nage = 1s\n", "f:2: [retention] has no key age\n"},
    {"[retention \"a\"]\nmax_age = 5\n",
     "f:2: max_age: \"5\" is not a duration such as 250ms, 10s, 5m, 2h or 7d\n"},
    {"[retention \"a\"]\nhistory = some\n", "f:2: history: \"some\" is not one of keep,none\n"},
    {"[retention \"a\"]\nmax_events = -1\n", "f:2: max_events: \"-1\" is not a number\n"},
    {"[limits]\nring = 5x\n", "f:2: ring: \"5x\" is not a size such as 512, 64k, 32M or 1G\n"},
    {"[broker]\nmax_age = 999999999999999d\n",
     "f:2: max_age: \"999999999999999d\" is too large a number\n"},
    {"[limits]\nmax_batch = 0\n", "f:2: max_batch: \"0\" is outside 1 to 1000000\n"},
    {"[limits]\nmax_header = 65k\n", "f:2: max_header: \"65k\" is outside 1024 to 65536\n"},
    {"[limits]\nmax_filters = 257\n", "f:2: max_filters: \"257\" is outside 1 to 256\n"},
    {"[broker]\ndurability = maybe\n", "f:2: durability: \"maybe\" is not one of fsync,commit\n"},
    {"[sluice]\nallow_anonymous = ja\n",
     "f:2: allow_anonymous: \"ja\" is not one of true, false, yes, no, on, off\n"},
};

START_TEST(a_bad_line_is_named)
{
    parse_bad(bad[_i].text, bad[_i].error);
}
END_TEST

START_TEST(every_bad_line_is_named_and_the_good_ones_are_read)
{
    parse_bad("[sse]\nx = 1\nretry = 1s\n[limits]\ny = 2\n",
              "f:2: [sse] has no key x\nf:5: [limits] has no key y\n");
    ck_assert_uint_eq(config_num(c, CFG_SSE_RETRY), 1000);
}
END_TEST

START_TEST(a_nul_is_not_the_end_of_a_line)
{
    config_file_parse(c, "f", "[sse]\nretry = 1s\0\n", 18);
    ck_assert_uint_gt(c->errors.len, 0);
}
END_TEST

START_TEST(a_line_over_the_limit_is_refused)
{
    static char text[20000] = "[broker]\nlink = ";

    memset(text + strlen(text), 'x', 9000);
    parse_bad(text, "f:2: the line is too long or holds a NUL\n");
}
END_TEST

START_TEST(retention_sections_keep_their_order_and_say_what_they_set)
{
    const struct retention_rule *r;
    size_t count;

    parse_good("[retention \"#\"]\nmax_age = 2h\n[retention \"a/+\"]\nmax_events = 10\n"
               "max_bytes = 1k\nhistory = none\n[retention \"b\"]\nhistory = keep\n");
    r = config_retention(c, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(r[0].filter, "#");
    ck_assert(r[0].has_age && !r[0].has_events && !r[0].has_bytes && !r[0].has_history);
    ck_assert_uint_eq(r[0].max_age_ms, 7200000);
    ck_assert_str_eq(r[1].filter, "a/+");
    ck_assert(!r[1].has_age && r[1].has_events && r[1].has_bytes && r[1].has_history);
    ck_assert_uint_eq(r[1].max_events, 10);
    ck_assert_uint_eq(r[1].max_bytes, 1024);
    ck_assert(r[1].volatile_);
    ck_assert(r[2].has_history && !r[2].volatile_);
}
END_TEST

START_TEST(a_filter_may_be_long_and_hold_what_ends_sections_elsewhere)
{
    static const char begin_filter[] = "a b];\"c'/";
    char filter[TOPIC_MAX + 1] = "", text[TOPIC_MAX + 20];
    size_t count;

    memset(filter, 'f', TOPIC_MAX);
    memcpy(filter, begin_filter, sizeof begin_filter - 1);
    (void)snprintf(text, sizeof text, "[retention \"%s\"]", filter);
    parse_good(text);
    ck_assert_str_eq(config_retention(c, &count)->filter, filter);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("config_file");
    TCase *t = tcase_create("config_file");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, keys_are_read_under_their_sections);
    tcase_add_test(t, layout_does_not_matter);
    tcase_add_test(t, a_hash_within_a_value_belongs_to_it);
    tcase_add_test(t, what_all_share_may_stand_where_one_looks_for_it);
    tcase_add_test(t, an_empty_value_is_a_value);
    tcase_add_test(t, a_key_that_stands_twice_names_both_lines);
    tcase_add_test(t, a_key_says_where_it_stands);
    tcase_add_test(t, long_values_are_whole);
    tcase_add_loop_test(t, a_bad_line_is_named, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, every_bad_line_is_named_and_the_good_ones_are_read);
    tcase_add_test(t, a_nul_is_not_the_end_of_a_line);
    tcase_add_test(t, a_line_over_the_limit_is_refused);
    tcase_add_test(t, retention_sections_keep_their_order_and_say_what_they_set);
    tcase_add_test(t, a_filter_may_be_long_and_hold_what_ends_sections_elsewhere);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
