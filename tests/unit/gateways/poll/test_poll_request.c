/* test_poll_request.c - what a poll asks for: its cursor, its wait, its limit. */
#include "run_suite.h"

#include "poll_request.h"

static const struct poll_limits limits = {
    .wait_ms = 30000,
    .wait_max_ms = 300000,
    .limit = 100,
    .limit_max = 500,
    .subscribe = {.max_filters = 4, .max_last = 10, .now_ms = UINT64_C(1800000000000)},
};
static struct http_request r;
static struct poll_request q;
static struct problem p;

static void setup(void)
{
    memset(&r, 0, sizeof r);
    memset(&p, 0, sizeof p);
    memset(&q, 0, sizeof q);
}

static void teardown(void)
{
    poll_request_free(&q);
}

static void header(const char *name, const char *value)
{
    r.headers[r.header_count++] = (struct http_header){slice_of(name), slice_of(value)};
}

static bool ask(const char *query)
{
    r.query = slice_of(query);
    return poll_request_read(&q, &limits, &r, SLICE("a"), &p);
}

static void refused(const char *query, const char *field)
{
    memset(&p, 0, sizeof p);
    ck_assert_msg(!ask(query), "%s was taken", query);
    ck_assert_str_eq(p.field, field);
}

START_TEST(test_what_is_not_said)
{
    ck_assert(ask(""));
    ck_assert_uint_eq(q.wait_ms, 30000);
    ck_assert_uint_eq(q.limit, 100);
    ck_assert_int_eq(q.subscribe.start.kind, START_NOW);
    ck_assert(!q.conditional);
}
END_TEST

START_TEST(test_what_is_said)
{
    ck_assert(ask("wait=0s&limit=500&after=7"));
    ck_assert_uint_eq(q.wait_ms, 0);
    ck_assert_uint_eq(q.limit, 500);
    ck_assert_uint_eq(q.subscribe.start.arg, 7);
}
END_TEST

START_TEST(test_no_more_than_the_maximum)
{
    refused("wait=301s", "wait");
    refused("wait=99999999999999999d", "wait");
    refused("limit=501", "limit");
    refused("limit=0", "limit");
}
END_TEST

START_TEST(test_a_wait_names_its_unit)
{
    refused("wait=30", "wait");
    refused("wait=", "wait");
    refused("wait=-1s", "wait");
    refused("wait=1s&wait=2s", "wait");
}
END_TEST

START_TEST(test_raw_is_one_event)
{
    ck_assert(ask("format=raw"));
    ck_assert_uint_eq(q.limit, 1);
    poll_request_free(&q);
    refused("format=raw&limit=2", "limit");
}
END_TEST

START_TEST(test_an_etag_is_a_cursor)
{
    header("If-None-Match", "\"123\"");
    ck_assert(ask(""));
    ck_assert(q.conditional);
    ck_assert_int_eq(q.subscribe.start.kind, START_AFTER);
    ck_assert_uint_eq(q.subscribe.start.arg, 123);
}
END_TEST

START_TEST(test_so_is_a_weak_one)
{
    header("if-none-match", "W/\"123\"");
    ck_assert(ask(""));
    ck_assert_uint_eq(q.subscribe.start.arg, 123);
}
END_TEST

START_TEST(test_any_other_start_wins)
{
    header("If-None-Match", "\"123\"");
    ck_assert(ask("last=2"));
    ck_assert(!q.conditional);
    ck_assert_int_eq(q.subscribe.start.kind, START_LAST);
    poll_request_free(&q);
    header("Last-Event-ID", "9");
    ck_assert(ask(""));
    ck_assert(!q.conditional);
    ck_assert_uint_eq(q.subscribe.start.arg, 9);
}
END_TEST

START_TEST(test_what_is_no_etag_of_ours)
{
    static const char *const tags[] = {"123", "\"",      "\"\"",     "\"x\"",
                                       "W/",  "w/\"1\"", "\"1\", 2", "\"9007199254740992\""};

    r.header_count = 1;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        r.headers[0] = (struct http_header){SLICE("If-None-Match"), slice_of(tags[i])};
        refused("", "If-None-Match");
    }
}
END_TEST

START_TEST(test_of_several_etags_the_newest)
{
    header("If-None-Match", "\"1\", W/\"7\",\"3\"");
    header("If-None-Match", "\"2\"");
    ck_assert(ask(""));
    ck_assert(q.conditional);
    ck_assert_uint_eq(q.subscribe.start.arg, 7);
}
END_TEST

START_TEST(test_any_etag_is_what_there_is)
{
    header("If-None-Match", "*");
    ck_assert(ask(""));
    ck_assert(q.conditional);
    ck_assert_int_eq(q.subscribe.start.kind, START_NOW);
}
END_TEST

START_TEST(test_no_etag_asks_nothing)
{
    header("If-None-Match", "");
    header("If-None-Match", " , ");
    ck_assert(ask(""));
    ck_assert(!q.conditional);
    ck_assert_ptr_null(q.subscribe.start_field);
}
END_TEST

int main(void)
{
    return RUN_TESTS("poll_request", setup, teardown, test_what_is_not_said, test_what_is_said,
                     test_no_more_than_the_maximum, test_a_wait_names_its_unit,
                     test_raw_is_one_event, test_an_etag_is_a_cursor, test_so_is_a_weak_one,
                     test_any_other_start_wins, test_what_is_no_etag_of_ours,
                     test_of_several_etags_the_newest, test_any_etag_is_what_there_is,
                     test_no_etag_asks_nothing);
}
