/*
 * test_store_append.c - appending and following: order, IDs, units, grouping.
 */
#include "store_fixture.h"

START_TEST(an_event_gets_an_id_that_names_its_time)
{
    uint64_t before = clock_ms(), id = publish("a", "one"), after = clock_ms();
    uint64_t ms = (id >> 12) + EVENT_ID_EPOCH_MS;

    ck_assert_uint_ge(ms, before);
    ck_assert_uint_le(ms, after);
    ck_assert_uint_lt(id, EVENT_ID_MAX);
}
END_TEST

START_TEST(ids_rise_over_all_topics)
{
    uint64_t one = publish("a", "1"), two = publish("b", "2"), three = publish("a", "3");

    ck_assert_uint_gt(one, 0);
    ck_assert_uint_gt(two, one);
    ck_assert_uint_gt(three, two);
}
END_TEST

START_TEST(ids_rise_while_the_clock_goes_back)
{
    uint64_t now = clock_ms(), first;

    set_clock(now);
    first = publish("a", "1");
    set_clock(now - 3600000);
    ck_assert_uint_eq(publish("a", "2"), first + 1);
}
END_TEST

/* Visible before acknowledged, durable before visible. */
static void check_visible(struct store_request *r)
{
    ck_assert_str_eq(heard_text(), "one");
    ck_assert_uint_eq(store_head(store), r->events[0].id);
    *(bool *)r->data = true;
}

START_TEST(an_event_is_followed_before_its_callback)
{
    struct store_event ev = event_of("a", "one");
    bool answered = false;
    struct store_request r = {.events = &ev, .count = 1, .cb = check_visible, .data = &answered};

    submit_soon(&r);
    while (!answered)
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_str_eq(page(0, "a"), "one");
}
END_TEST

static void check_same_record(struct store_request *r)
{
    ck_assert_ptr_eq(heard.record, r->events[0].record);
    ck_assert_uint_eq(event_record_id(heard.record), r->events[0].id);
    mark_answered(r);
}

START_TEST(followers_get_the_very_record_that_was_submitted)
{
    struct store_event ev = event_of("a", "one");
    bool answered = false;
    struct store_request r = {
        .events = &ev, .count = 1, .cb = check_same_record, .data = &answered};

    submit_soon(&r);
    while (!answered)
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_str_eq(page(0, "a"), "one");
}
END_TEST

START_TEST(the_head_is_that_of_the_last_followed_batch)
{
    uint64_t id = publish("a", "1");

    ck_assert_uint_eq(store_head(store), id);
    ck_assert_uint_eq(heard.upto, id);
}
END_TEST

START_TEST(a_unit_gets_its_ids_in_order)
{
    struct store_event unit[] = {event_of("a", "1"), event_of("b", "2"), event_of("a", "3")};
    struct store_request r = {.events = unit, .count = 3};

    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert_uint_eq(unit[1].id, unit[0].id + 1);
    ck_assert_uint_eq(unit[2].id, unit[0].id + 2);
    ck_assert_str_eq(heard_text(), "1 2 3");
    ck_assert_uint_eq(heard.batches, 1);
}
END_TEST

START_TEST(what_waits_together_commits_together)
{
    enum { N = 500 };
    static struct store_event events[N];
    static struct store_request requests[N];
    static bool answered[N];

    for (int i = 0; i < N; i++) {
        events[i] = event_of("a", "x");
        answered[i] = false;
        requests[i] = (struct store_request){
            .events = &events[i], .count = 1, .cb = mark_answered, .data = &answered[i]};
        submit_soon(&requests[i]);
    }
    while (!answered[N - 1])
        uv_run(&loop, UV_RUN_ONCE);
    for (int i = 1; i < N; i++)
        ck_assert(answered[i] && events[i].id > events[i - 1].id);
    ck_assert_uint_lt(heard.batches, N / 10);
}
END_TEST

START_TEST(everything_an_event_carries_is_kept)
{
    static const char props[] = {PROP_CONTENT_TYPE, 4, 0, 'a', '/', 'b', 'c'};
    struct store_event ev = event_of("a", "payload");
    struct store_request r;
    struct reader records;
    struct event e;

    ev.e.props = (struct slice){props, sizeof props};
    ev.e.flags = EVENT_RETAIN | EVENT_HAS_EXPIRY | 2 << EVENT_QOS_SHIFT;
    ev.e.expiry = 60;
    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    page(0, "a");
    records = reader_of(got.records.p, got.records.len);
    ck_assert(event_record_get(&records, &e));
    ck_assert(slice_eq(e.props, ev.e.props));
    ck_assert(slice_eq(e.topic, SLICE("a")));
    ck_assert_uint_eq(e.flags, ev.e.flags);
    ck_assert_uint_eq(e.expiry, 60);
    ck_assert_uint_eq(e.id, ev.id);
}
END_TEST

START_TEST(a_publisher_cannot_call_its_event_volatile)
{
    struct store_event ev = event_of("a", "one");
    struct store_request r;

    ev.e.flags = EVENT_VOLATILE;
    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    ck_assert_str_eq(page(0, "a"), "one");
}
END_TEST

START_TEST(an_empty_payload_is_an_event)
{
    uint64_t id = publish("a", "");

    page(0, "a");
    ck_assert_uint_eq(got.count, 1);
    ck_assert_uint_eq(got_ids[0], id);
}
END_TEST

START_TEST(a_large_payload_comes_back_whole)
{
    enum { SIZE = 1 << 20 };
    char *large = mem_zalloc(SIZE + 1);

    memset(large, 'x', SIZE);
    publish("a", large);
    ck_assert_str_eq(page(0, "a"), large);
    free(large);
}
END_TEST

START_TEST(closing_finishes_what_was_submitted)
{
    struct store_event ev = event_of("a", "last");
    bool answered = false;
    struct store_request r = {.events = &ev, .count = 1, .cb = mark_answered, .data = &answered};

    submit_soon(&r);
    close_store();
    ck_assert(answered);
    ck_assert_int_eq(r.result.error, ERR_NONE);
    open_store();
    ck_assert_str_eq(page(0, "a"), "last");
}
END_TEST

START_TEST(the_status_tells_what_is_kept_and_queued)
{
    struct store_event ev = event_of("a", "12345");
    bool answered = false;
    struct store_request r = {.events = &ev, .count = 1, .cb = mark_answered, .data = &answered};
    struct store_status status;

    submit_soon(&r);
    store_status(store, &status);
    ck_assert_uint_gt(status.queued_bytes, 0);
    WAIT_UNTIL(answered);
    store_status(store, &status);
    ck_assert_uint_eq(status.queued_bytes, 0);
    ck_assert_uint_eq(status.events, 1);
    ck_assert_uint_eq(status.topics, 1);
    ck_assert_uint_eq(status.bytes, EVENT_RECORD_HEAD + 5);
    ck_assert_uint_eq(status.head, ev.id);
    ck_assert_ptr_null(status.failing);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        an_event_gets_an_id_that_names_its_time,
        ids_rise_over_all_topics,
        ids_rise_while_the_clock_goes_back,
        an_event_is_followed_before_its_callback,
        followers_get_the_very_record_that_was_submitted,
        the_head_is_that_of_the_last_followed_batch,
        a_unit_gets_its_ids_in_order,
        what_waits_together_commits_together,
        everything_an_event_carries_is_kept,
        a_publisher_cannot_call_its_event_volatile,
        an_empty_payload_is_an_event,
        a_large_payload_comes_back_whole,
        closing_finishes_what_was_submitted,
        the_status_tells_what_is_kept_and_queued,
    };

    return run_tests("store append", tests, sizeof tests / sizeof tests[0], begin_open);
}
