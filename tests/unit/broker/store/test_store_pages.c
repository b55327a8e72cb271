/*
 * test_store_pages.c - reading: filters, limits, cursors, both directions;
 * where to start; one event; the list of topics.
 */
#include "store_fixture.h"

static uint64_t ids[1200];

/* a: 1 4 7, b: 2 5 8, c/x: 3 6 9. */
static void publish_nine(void)
{
    static const char *const topics[] = {"a", "b", "c/x"};

    for (int i = 1; i <= 9; i++)
        ids[i] = publish(topics[(i - 1) % 3], (char[]){(char)('0' + i), '\0'});
}

/* One event each on t/0 … t/(n-1), in one unit; the payload is its number. */
static void publish_wide(uint32_t n)
{
    struct store_event *unit = mem_array(n, sizeof *unit);
    char(*names)[16] = mem_array(n, sizeof *names);
    struct store_request r = {.events = unit, .count = n};

    for (uint32_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "t/%u", i);
        unit[i] = event_of(names[i], names[i] + 2);
    }
    ck_assert_int_eq(submit(&r), ERR_NONE);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = unit[i].id;
    free(names);
    free(unit);
}

/* --- pages ---------------------------------------------------------------------- */

START_TEST(a_page_holds_one_topic_in_order)
{
    publish_nine();
    ck_assert_str_eq(page(0, "b"), "2 5 8");
    ck_assert_uint_eq(got.upto, ids[9]);
    ck_assert_uint_eq(got.head, ids[9]);
    ck_assert_uint_eq(got.removed_to, 0);
    ck_assert_int_eq(got.reason, GAP_NONE);
}
END_TEST

START_TEST(a_cursor_is_exclusive)
{
    publish_nine();
    ck_assert_str_eq(page(ids[2], "b"), "5 8");
    ck_assert_str_eq(page(ids[8], "b"), "");
    ck_assert_uint_eq(got.upto, ids[9]);
}
END_TEST

START_TEST(a_few_topics_are_merged_in_order)
{
    publish_nine();
    publish_wide(100);
    ck_assert_str_eq(page(0, "a c/x"), "1 3 4 6 7 9");
    ck_assert_str_eq(page(0, "a a +"), "1 2 4 5 7 8");
    ck_assert_str_eq(page(0, "c/# nothing"), "3 6 9");
}
END_TEST

START_TEST(wildcards_match_what_exists_and_what_comes)
{
    publish_nine();
    ck_assert_str_eq(page(0, "#"), "1 2 3 4 5 6 7 8 9");
    ck_assert_str_eq(page(0, "c/+"), "3 6 9");
    publish("c/new", "10");
    ck_assert_str_eq(page(0, "c/+"), "3 6 9 10");
}
END_TEST

START_TEST(a_filter_without_topics_ends_at_the_head)
{
    publish_nine();
    ck_assert_str_eq(page(0, "none"), "");
    ck_assert_uint_eq(got.upto, ids[9]);
    ck_assert_str_eq(page(0, "none/#"), "");
    ck_assert_uint_eq(got.upto, got.head);
}
END_TEST

START_TEST(a_filters_from_holds_for_that_filter)
{
    publish_nine();
    ck_assert_str_eq(page_from(0, "a b", (uint64_t[]){ids[4], 0}), "2 5 7 8");
    ck_assert_str_eq(page_from(0, "+ a", (uint64_t[]){ids[5], ids[1]}), "4 7 8");
    ck_assert_str_eq(page_from(0, "#", (uint64_t[]){ids[7]}), "8 9");
}
END_TEST

START_TEST(a_from_holds_in_a_scan_too)
{
    uint64_t four;

    publish_nine();
    four = ids[4];
    publish_wide(100);
    ck_assert_str_eq(page_from(0, "# a", (uint64_t[]){ids[97], four}), "7 98 99");
}
END_TEST

START_TEST(a_page_ends_at_500_rows)
{
    publish_wide(1100);
    page(0, "t/#");
    ck_assert_uint_eq(got.count, 500);
    ck_assert_uint_eq(got.upto, ids[499]);
    page(got.upto, "t/#");
    page(got.upto, "t/#");
    ck_assert_uint_eq(got.count, 100);
    ck_assert_uint_eq(got.upto, got.head);
}
END_TEST

START_TEST(a_page_obeys_a_smaller_limit)
{
    struct wire_filter filter = {0, SLICE("#")};
    struct wire_page_req q = {.limit = 2, .filter_count = 1, .filters = &filter};

    publish_nine();
    ck_assert_str_eq(read_page(&q), "1 2");
    ck_assert_uint_eq(got.upto, ids[2]);
}
END_TEST

START_TEST(a_page_obeys_until)
{
    struct wire_filter filter = {0, SLICE("#")};
    struct wire_page_req q = {.filter_count = 1, .filters = &filter};

    publish_nine();
    q.until = ids[3];
    ck_assert_str_eq(read_page(&q), "1 2 3");
    ck_assert_uint_eq(got.upto, ids[3]);
    q.until = ids[9] + 1000;
    q.after = ids[8];
    ck_assert_str_eq(read_page(&q), "9");
    ck_assert_uint_eq(got.upto, ids[9]);
}
END_TEST

START_TEST(a_page_ends_at_a_mebibyte_but_holds_one_event)
{
    enum { SIZE = 700 * 1024 };
    char *large = mem_zalloc(SIZE + 1);
    uint64_t first;

    memset(large, 'x', SIZE);
    first = publish("a", large);
    publish("a", large);
    page(0, "a");
    ck_assert_uint_eq(got.count, 1);
    ck_assert_uint_eq(got.upto, first);
    page(got.upto, "a");
    ck_assert_uint_eq(got.count, 1);
    ck_assert_uint_eq(got.upto, got.head);
    free(large);
}
END_TEST

START_TEST(a_scan_ends_at_20000_rows)
{
    enum { ROUNDS = 21, TOPICS = 1100 }; /* more topics than are merged */
    char name[16];

    for (int i = 0; i < ROUNDS; i++)
        publish_wide(1000);
    for (int i = 0; i < TOPICS; i++) {
        snprintf(name, sizeof name, "s/%d", i);
        publish(name, "x");
    }
    page(0, "s/#");
    ck_assert_uint_eq(got.count, 0);
    ck_assert_uint_lt(got.upto, got.head);
    ck_assert_uint_eq(count_all(0, "s/#"), TOPICS);
}
END_TEST

START_TEST(rare_topics_are_read_from_their_indexes)
{
    char name[16];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "s/%d", i);
        publish(name, "x");
    }
    for (int i = 0; i < 21; i++)
        publish_wide(1000);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "s/%d", i);
        publish(name, "x");
    }
    page(0, "s/#");
    ck_assert_uint_eq(got.count, 200);
    ck_assert_uint_eq(got.upto, got.head);
    ck_assert_uint_eq(count_all(0, "s/+ s/#"), 200);
}
END_TEST

START_TEST(a_page_runs_down_when_asked)
{
    struct wire_filter filters[] = {{0, SLICE("a")}, {0, SLICE("b")}};
    struct wire_page_req q = {
        .descending = true, .limit = 3, .filter_count = 2, .filters = filters};

    publish_nine();
    ck_assert_str_eq(read_page(&q), "8 7 5");
    q.after = got.upto;
    ck_assert_str_eq(read_page(&q), "4 2 1");
    q.after = got.upto;
    ck_assert_str_eq(read_page(&q), "");
    ck_assert_uint_eq(got.upto, 0);
    filters[0].from = filters[1].from = ids[4];
    q.after = 0;
    ck_assert_str_eq(read_page(&q), "8 7 5");
}
END_TEST

START_TEST(an_event_past_its_expiry_is_skipped)
{
    uint64_t now = clock_ms();
    struct store_event ev = event_of("a", "short");
    struct store_request r;

    set_clock(now);
    ev.e.flags = EVENT_HAS_EXPIRY;
    ev.e.expiry = 10;
    submit_event(&ev, &r);
    publish("a", "long");
    set_clock(now + 9000);
    ck_assert_str_eq(page(0, "a"), "short long");
    set_clock(now + 11000);
    ck_assert_str_eq(page(0, "a"), "long");
    ck_assert_uint_eq(got.removed_to, 0);
}
END_TEST

START_TEST(a_cursor_never_given_out_is_in_the_future)
{
    publish_nine();
    ck_assert_str_eq(page(ids[9] + 1, "#"), "");
    ck_assert_int_eq(got.reason, GAP_FUTURE);
    ck_assert_uint_eq(got.upto, got.head);
    page(ids[9], "#");
    ck_assert_int_eq(got.reason, GAP_NONE);
}
END_TEST

/* --- where to start ---------------------------------------------------------------- */

static struct wire_start start_reply;
static uint64_t froms[2];

static void ask_start(enum wire_start_mode mode, uint64_t arg, const char *one, const char *two)
{
    struct wire_filter filters[] = {{0, slice_of(one)}, {0, slice_of(two)}};
    struct wire_start_req q = {
        .mode = (uint8_t)mode, .arg = arg, .filter_count = 2, .filters = filters};

    buf_clear(&page_reply);
    answer_read(reader, store_read_start(&q), &page_reply);
    ck_assert(wire_start_get(page_reply.p, page_reply.len, &start_reply));
    ck_assert_int_eq(start_reply.error, ERR_NONE);
    ck_assert_uint_eq(start_reply.count, 2);
    for (int i = 0; i < 2; i++)
        froms[i] = le64_get((const uint8_t *)start_reply.froms.p + 8 * i);
}

START_TEST(last_n_starts_below_the_newest_n_of_each_filter)
{
    publish_nine();
    ask_start(WIRE_LAST, 2, "a", "+");
    ck_assert_uint_eq(start_reply.head, ids[9]);
    ck_assert_uint_eq(froms[0], ids[4] - 1);
    ck_assert_uint_eq(froms[1], ids[7] - 1);
    ck_assert_str_eq(page_from(0, "a +", froms), "4 7 8");
}
END_TEST

/* One of many topics, some of them events that have expired. */
START_TEST(last_n_of_many_topics_is_found_in_one_scan)
{
    struct wire_filter filters[100];
    struct wire_start_req q = {.mode = WIRE_LAST, .arg = 3, .filters = filters};
    uint64_t newest[3], started, longest = 0;
    struct store_read *read;

    for (int i = 0; i < 3; i++) {
        newest[i] = publish("z", "x");
        publish_wide(1100);
    }
    for (int i = 0; i < 40; i++)
        publish_wide(1000);
    for (q.filter_count = 0; q.filter_count < 100; q.filter_count++)
        filters[q.filter_count].filter = q.filter_count % 2 == 0 ? SLICE("+/1099") : SLICE("t/+");
    filters[99].filter = SLICE("#");
    filters[98].filter = SLICE("z");
    buf_clear(&page_reply);
    read = store_read_start(&q);
    do
        started = uv_hrtime();
    while (!store_read_step(read, reader, &page_reply) &&
           (longest = uv_hrtime() - started > longest ? uv_hrtime() - started : longest) > 0);
    store_read_free(read);
    ck_assert_uint_lt(longest, UINT64_C(200000000)); /* of 4 ms, on a busy machine */
    ck_assert(wire_start_get(page_reply.p, page_reply.len, &start_reply));
    ck_assert_uint_eq(start_reply.count, 100);
    ck_assert_uint_eq(le64_get((const uint8_t *)start_reply.froms.p + 98 * 8), newest[0] - 1);
    ck_assert_uint_eq(le64_get((const uint8_t *)start_reply.froms.p + 99 * 8), ids[997] - 1);
    ck_assert_uint_eq(le64_get((const uint8_t *)start_reply.froms.p + 1 * 8), ids[997] - 1);
    ck_assert_uint_eq(le64_get((const uint8_t *)start_reply.froms.p + 97 * 8), ids[997] - 1);
    page_from(0, "+/1099", (uint64_t[]){le64_get((const uint8_t *)start_reply.froms.p)});
    ck_assert_uint_eq(count_all(0, "+/1099"), 3);
}
END_TEST

START_TEST(last_n_of_fewer_starts_at_0)
{
    publish_nine();
    ask_start(WIRE_LAST, 4, "a", "none");
    ck_assert_uint_eq(froms[0], 0);
    ck_assert_uint_eq(froms[1], 0);
}
END_TEST

START_TEST(last_n_looks_past_more_than_one_scan)
{
    uint64_t deep = 0;

    for (int i = 0; i < 20; i++)
        deep = publish((char[]){'s', '/', (char)('a' + i), '\0'}, "x");
    for (int i = 0; i < 25; i++)
        publish_wide(1000);
    ask_start(WIRE_LAST, 1, "s/#", "t/0");
    ck_assert_uint_eq(froms[0], deep - 1);
}
END_TEST

START_TEST(since_starts_at_a_time)
{
    uint64_t now = clock_ms();

    set_clock(now);
    publish("a", "old");
    set_clock(now + 1000);
    publish("a", "new");
    ask_start(WIRE_SINCE, now + 1000, "a", "b");
    ck_assert_uint_eq(froms[0], froms[1]);
    ck_assert_str_eq(page(froms[0], "a"), "new");
    ask_start(WIRE_SINCE, now + 3600000, "a", "b");
    ck_assert_uint_eq(froms[0], start_reply.head);
    ask_start(WIRE_SINCE, 0, "a", "b");
    ck_assert_uint_eq(froms[0], 0);
}
END_TEST

START_TEST(since_before_the_log_is_no_reset)
{
    publish("a", "one");
    ask_start(WIRE_SINCE, clock_ms() - 60000, "a", "b");
    ck_assert_str_eq(page(froms[0], "a"), "one");
    ck_assert_int_eq(got.reason, GAP_NONE);
}
END_TEST

/* --- one event, topics ---------------------------------------------------------------- */

START_TEST(one_event_is_found_by_id)
{
    struct wire_page p;

    publish_nine();
    buf_clear(&page_reply);
    answer_read(reader, store_read_event(7, ids[5]), &page_reply);
    ck_assert(wire_page_get(page_reply.p, page_reply.len, &p));
    ck_assert_uint_eq(p.ref, 7);
    ck_assert_uint_eq(p.count, 1);
    buf_clear(&page_reply);
    answer_read(reader, store_read_event(7, ids[5] + 1), &page_reply);
    ck_assert(wire_page_get(page_reply.p, page_reply.len, &p));
    ck_assert(ids[6] == ids[5] + 1 || p.error == ERR_NOT_FOUND);
}
END_TEST

static const char *topics(const char *filter, const char *after, uint32_t limit, bool *more)
{
    struct wire_topics_req q = {
        .filter = slice_of(filter), .after = slice_of(after), .limit = limit};
    struct wire_topics list;
    struct wire_topic t;

    buf_clear(&page_reply);
    buf_clear(&page_text);
    answer_read(reader, store_read_topics(&q), &page_reply);
    ck_assert(wire_topics_get(page_reply.p, page_reply.len, &list));
    for (uint32_t i = 0; i < list.count; i++) {
        ck_assert(wire_topic_get(&list.list, &t));
        buf_puts(&page_text, i > 0 ? " " : "");
        buf_put_slice(&page_text, t.topic);
    }
    *more = list.more;
    buf_u8(&page_text, '\0');
    return (const char *)page_text.p;
}

START_TEST(topics_are_listed_bytewise)
{
    static const char *const names[] = {"b", "a/b", "a", "a-", "a/", "B"};
    bool more;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        publish(names[i], "x");
    ck_assert_str_eq(topics("", "", 0, &more), "B a a- a/ a/b b");
    ck_assert(!more);
    ck_assert_str_eq(topics("a/#", "", 0, &more), "a a/ a/b");
    ck_assert_str_eq(topics("+", "a", 0, &more), "a- b");
    ck_assert_str_eq(topics("", "a", 2, &more), "a- a/");
    ck_assert(more);
    ck_assert_str_eq(topics("", "a/", 2, &more), "a/b b");
    ck_assert(!more);
}
END_TEST

START_TEST(a_topic_tells_what_it_holds)
{
    struct wire_topic t;

    publish_nine();
    ck_assert(topic_line("b", &t));
    ck_assert_uint_eq(t.head, ids[8]);
    ck_assert_uint_eq(t.oldest, ids[2]);
    ck_assert_uint_eq(t.events, 3);
    ck_assert_uint_eq(t.bytes, 3 * (EVENT_RECORD_HEAD + 1));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_page_holds_one_topic_in_order,
        a_cursor_is_exclusive,
        a_few_topics_are_merged_in_order,
        wildcards_match_what_exists_and_what_comes,
        a_filter_without_topics_ends_at_the_head,
        a_filters_from_holds_for_that_filter,
        a_from_holds_in_a_scan_too,
        a_page_ends_at_500_rows,
        a_page_obeys_a_smaller_limit,
        a_page_obeys_until,
        a_page_ends_at_a_mebibyte_but_holds_one_event,
        a_scan_ends_at_20000_rows,
        rare_topics_are_read_from_their_indexes,
        a_page_runs_down_when_asked,
        an_event_past_its_expiry_is_skipped,
        a_cursor_never_given_out_is_in_the_future,
        last_n_starts_below_the_newest_n_of_each_filter,
        last_n_of_many_topics_is_found_in_one_scan,
        last_n_of_fewer_starts_at_0,
        last_n_looks_past_more_than_one_scan,
        since_starts_at_a_time,
        since_before_the_log_is_no_reset,
        one_event_is_found_by_id,
        topics_are_listed_bytewise,
        a_topic_tells_what_it_holds,
    };

    return run_tests("store pages", tests, sizeof tests / sizeof tests[0], begin_open);
}
