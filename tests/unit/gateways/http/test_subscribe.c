/*
 * test_subscribe.c - what a request says becomes filters, a start and a form, or
 * a problem that names the parameter.
 */
#include "subscribe.h"

#include "run_suite.h"

#define NOW UINT64_C(1700000000000)

static const struct subscribe_limits limits = {.max_filters = 3, .max_last = 100, .now_ms = NOW};
static struct subscribe s;
static struct problem p;
static struct http_request r;

static void setup(void)
{
    memset(&r, 0, sizeof r);
    memset(&p, 0, sizeof p);
    memset(&s, 0, sizeof s);
}

static void teardown(void)
{
    subscribe_free(&s);
}

static void header(const char *name, const char *value)
{
    r.headers[r.header_count++] = (struct http_header){slice_of(name), slice_of(value)};
}

static bool request(const char *path, const char *query)
{
    r.query = slice_of(query);
    return subscribe_request(&s, &limits, &r, slice_of(path), &p);
}

static void check_filter(size_t i, const char *filter)
{
    ck_assert_uint_lt(i, s.filter_count);
    ck_assert(slice_eq(s.filters[i], slice_of(filter)));
}

static void refused(const char *path, const char *query, enum sluice_error error, const char *field)
{
    ck_assert(!request(path, query));
    ck_assert_int_eq(p.error, error);
    ck_assert_str_eq(p.field, field);
    ck_assert_str_ne(p.detail, "");
}

START_TEST(test_the_path_is_the_first_topic)
{
    ck_assert(request("a/b", "topic=c&topic=d/%2B"));
    ck_assert_uint_eq(s.filter_count, 3);
    check_filter(0, "a/b");
    check_filter(1, "c");
    check_filter(2, "d/+");
    ck_assert_int_eq(s.start.kind, START_NOW);
    ck_assert_int_eq(s.format, FORMAT_DEFAULT);
}
END_TEST

START_TEST(test_a_plus_stays_a_plus)
{
    ck_assert(request("+/x%20y", "topic=a/+"));
    check_filter(0, "+/x y");
    check_filter(1, "a/+");
}
END_TEST

START_TEST(test_topics_may_all_be_in_the_query)
{
    ck_assert(request(NULL, "topic=a"));
    check_filter(0, "a");
    subscribe_free(&s);
    refused(NULL, "", ERR_BAD_FILTER, "topic");
}
END_TEST

START_TEST(test_filters_are_checked_and_counted)
{
    refused("a/#/b", "", ERR_BAD_FILTER, "topic");
    refused("", "", ERR_BAD_FILTER, "topic");
    refused("%00", "", ERR_BAD_FILTER, "topic");
    refused("%zz", "", ERR_BAD_FILTER, "topic");
    refused("a", "topic=b&topic=c&topic=d", ERR_BAD_FILTER, "topic");
}
END_TEST

START_TEST(test_after_is_an_id)
{
    ck_assert(request("a", "after=9007199254740991"));
    ck_assert_int_eq(s.start.kind, START_AFTER);
    ck_assert_uint_eq(s.start.arg, EVENT_ID_MAX);
    subscribe_free(&s);
    refused("a", "after=9007199254740992", ERR_BAD_CURSOR, "after");
    refused("a", "after=", ERR_BAD_CURSOR, "after");
    refused("a", "after=1x", ERR_BAD_CURSOR, "after");
}
END_TEST

START_TEST(test_since_is_a_time_or_a_duration)
{
    ck_assert(request("a", "since=10m"));
    ck_assert_int_eq(s.start.kind, START_SINCE);
    ck_assert_uint_eq(s.start.arg, NOW - 600000);
    subscribe_free(&s);
    ck_assert(request("a", "since=1970-01-01T02:00:01%2B02:00"));
    ck_assert_uint_eq(s.start.arg, 1000);
    subscribe_free(&s);
    ck_assert(request("a", "since=99999999999999999d"));
    ck_assert_uint_eq(s.start.arg, 0);
    subscribe_free(&s);
    refused("a", "since=10", ERR_BAD_CURSOR, "since");
    refused("a", "since=m", ERR_BAD_CURSOR, "since");
    refused("a", "since=99999999999999999999s", ERR_BAD_CURSOR, "since");
}
END_TEST

START_TEST(test_last_is_bounded_and_none_is_now)
{
    ck_assert(request("a", "last=100"));
    ck_assert_int_eq(s.start.kind, START_LAST);
    subscribe_free(&s);
    ck_assert(request("a", "last=0"));
    ck_assert_int_eq(s.start.kind, START_NOW);
    subscribe_free(&s);
    refused("a", "last=101", ERR_BAD_CURSOR, "last");
}
END_TEST

START_TEST(test_two_starts_are_refused)
{
    refused("a", "after=1&since=1s", ERR_BAD_CURSOR, "since");
    ck_assert(request("a", "after=1&after=3&after=2"));
    ck_assert_uint_eq(s.start.arg, 3);
    subscribe_free(&s);
}
END_TEST

START_TEST(test_last_event_id_wins)
{
    header("last-event-id", "77");
    ck_assert(request("a", "last=3"));
    ck_assert_int_eq(s.start.kind, START_AFTER);
    ck_assert_uint_eq(s.start.arg, 77);
    ck_assert_str_eq(s.start_field, "Last-Event-ID");
}
END_TEST

START_TEST(test_an_empty_last_event_id_is_none)
{
    header("Last-Event-ID", "");
    ck_assert(request("a", "after=5"));
    ck_assert_uint_eq(s.start.arg, 5);
}
END_TEST

START_TEST(test_a_bad_last_event_id_is_named)
{
    header("Last-Event-ID", "x");
    refused("a", "", ERR_BAD_CURSOR, "Last-Event-ID");
}
END_TEST

START_TEST(test_form_and_gap)
{
    ck_assert(request("a", "format=json&on_gap=fail"));
    ck_assert_int_eq(s.format, FORMAT_JSON);
    ck_assert(s.on_gap_fail);
    subscribe_free(&s);
    refused("a", "format=JSON", ERR_BAD_REQUEST, "format");
    refused("a", "on_gap=", ERR_BAD_REQUEST, "on_gap");
}
END_TEST

START_TEST(test_what_is_not_ours_is_left_alone)
{
    ck_assert(request("a", "access_token=x%20y&wait=30s&&="));
    ck_assert_uint_eq(s.filter_count, 1);
}
END_TEST

START_TEST(test_a_bad_escape_in_the_query_is_refused)
{
    refused("a", "x=%4", ERR_BAD_REQUEST, "x");
    refused("a", "%4=x", ERR_BAD_REQUEST, "");
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "subscribe", setup, teardown, test_the_path_is_the_first_topic, test_a_plus_stays_a_plus,
        test_topics_may_all_be_in_the_query, test_filters_are_checked_and_counted,
        test_after_is_an_id, test_since_is_a_time_or_a_duration,
        test_last_is_bounded_and_none_is_now, test_two_starts_are_refused, test_last_event_id_wins,
        test_an_empty_last_event_id_is_none, test_a_bad_last_event_id_is_named, test_form_and_gap,
        test_what_is_not_ours_is_left_alone, test_a_bad_escape_in_the_query_is_refused);
}
