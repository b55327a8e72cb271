/*
 * test_store_retention.c - what is removed, when, and what cursors are told.
 * The clock is the test's; the store looks about once a second of its time.
 */
#include "store_fixture.h"

static struct retention_rule rules[3];
static uint64_t now;

static void begin_with_clock(void)
{
    begin();
    memset(rules, 0, sizeof rules);
    options.rules = rules;
    now = clock_ms();
    set_clock(now);
}

static void pass_time(uint64_t ms)
{
    now += ms;
    set_clock(now);
}

static uint64_t events_kept(void)
{
    struct store_status status;

    store_status(store, &status);
    return status.events;
}

static uint64_t publish_many(const char *topic, unsigned n)
{
    struct store_event *unit = mem_array(n, sizeof *unit);
    struct store_request r = {.events = unit, .count = n};
    uint64_t last;

    for (unsigned i = 0; i < n; i++)
        unit[i] = event_of(topic, "0123456789");
    ck_assert_int_eq(submit(&r), ERR_NONE);
    last = unit[n - 1].id;
    free(unit);
    return last;
}

/* What memory counts is what is there. */
static void check_counts(const char *topic)
{
    struct wire_topic t;

    ck_assert(topic_line(topic, &t));
    ck_assert_uint_eq(t.events, count_all(0, topic));
    page(0, topic);
    ck_assert_uint_eq(t.oldest, got.count > 0 ? got_ids[0] : 0);
}

/* --- the whole log --------------------------------------------------------------- */

START_TEST(events_older_than_the_logs_age_go)
{
    uint64_t old;

    options.max_age_ms = 60000;
    open_store();
    old = publish("a", "old");
    pass_time(50000);
    publish("a", "young");
    pass_time(15000);
    WAIT_UNTIL(events_kept() == 1);
    ck_assert_str_eq(page(old - 1, "a"), "young");
    ck_assert_uint_eq(got.removed_to, old);
    ck_assert_int_eq(got.reason, GAP_EXPIRED);
    check_counts("a");
}
END_TEST

START_TEST(the_log_keeps_no_more_bytes_than_allowed)
{
    uint64_t last;

    options.max_bytes = 100 * (EVENT_RECORD_HEAD + 10) + 2 * STORE_TOPIC_BYTES;
    open_store();
    publish_many("a", 3000);
    last = publish_many("b", 50);
    pass_time(1001);
    WAIT_UNTIL(events_kept() == 100);
    ck_assert_uint_eq(count_all(0, "a"), 50);
    ck_assert_uint_eq(count_all(0, "b"), 50);
    page(last, "b");
    ck_assert_uint_eq(got.removed_to, 0);
    check_counts("a");
    check_counts("b");
}
END_TEST

START_TEST(what_is_no_event_counts_up_to_half)
{
    static char state[5000];
    struct store_change c = {.space = 1,
                             .owner = SLICE("o"),
                             .key = SLICE("k"),
                             .value = {state, 4 * (EVENT_RECORD_HEAD + 10)}};
    struct store_request r = {.changes = &c, .change_count = 1};

    options.max_bytes = 100 * (EVENT_RECORD_HEAD + 10) + STORE_TOPIC_BYTES + 34;
    open_store();
    publish_many("a", 200);
    pass_time(1001);
    WAIT_UNTIL(events_kept() == 100);
    ck_assert_int_eq(submit(&r), ERR_NONE);
    pass_time(1001);
    WAIT_UNTIL(events_kept() == 96);
    c.value.len = sizeof state;
    ck_assert_int_eq(submit(&r), ERR_NONE);
    pass_time(1001);
    WAIT_UNTIL(events_kept() < 60);
    ck_assert_uint_ge(events_kept(), 50);
}
END_TEST

/* --- topics ------------------------------------------------------------------------- */

START_TEST(a_topic_keeps_no_more_events_than_allowed)
{
    rules[0] =
        (struct retention_rule){.filter = (char *)"few/#", .has_events = true, .max_events = 3};
    options.rule_count = 1;
    open_store();
    publish_many("few/x", 2500);
    publish_many("few/y", 2);
    publish_many("many", 10);
    pass_time(1001);
    WAIT_UNTIL(events_kept() == 15);
    ck_assert_uint_eq(count_all(0, "few/x"), 3);
    ck_assert_uint_eq(count_all(0, "few/y"), 2);
    check_counts("few/x");
}
END_TEST

START_TEST(a_topic_keeps_no_more_bytes_than_allowed)
{
    rules[0] = (struct retention_rule){
        .filter = (char *)"a", .has_bytes = true, .max_bytes = 5 * (EVENT_RECORD_HEAD + 10)};
    options.rule_count = 1;
    open_store();
    publish_many("a", 20);
    pass_time(1001);
    WAIT_UNTIL(events_kept() == 5);
    check_counts("a");
}
END_TEST

START_TEST(the_last_matching_rule_wins_key_by_key)
{
    rules[0] = (struct retention_rule){.filter = (char *)"#",
                                       .has_events = true,
                                       .max_events = 5,
                                       .has_age = true,
                                       .max_age_ms = 60000};
    rules[1] =
        (struct retention_rule){.filter = (char *)"a/+", .has_events = true, .max_events = 2};
    options.rule_count = 2;
    open_store();
    publish_many("a/x", 10);
    publish_many("b", 10);
    pass_time(1001);
    WAIT_UNTIL(events_kept() == 7);
    ck_assert_uint_eq(count_all(0, "a/x"), 2);
    pass_time(61000);
    WAIT_UNTIL(events_kept() == 0);
}
END_TEST

START_TEST(a_topic_may_keep_longer_than_the_log)
{
    options.max_age_ms = 60000;
    rules[0] = (struct retention_rule){
        .filter = (char *)"audit/#", .has_age = true, .max_age_ms = 3600000};
    options.rule_count = 1;
    open_store();
    publish("audit/x", "kept");
    publish("a", "gone");
    pass_time(61000);
    WAIT_UNTIL(events_kept() == 1);
    ck_assert_str_eq(page(0, "#"), "kept");
}
END_TEST

START_TEST(retention_changes_while_running)
{
    open_store();
    publish_many("a", 10);
    rules[0] = (struct retention_rule){.filter = (char *)"a", .has_events = true, .max_events = 1};
    options.rule_count = 1;
    store_set_retention(store, &options);
    WAIT_UNTIL(events_kept() == 1);
}
END_TEST

/* --- what cursors are told ----------------------------------------------------------- */

START_TEST(only_the_topics_that_lost_something_say_so)
{
    uint64_t old;

    rules[0] = (struct retention_rule){.filter = (char *)"a", .has_events = true, .max_events = 1};
    options.rule_count = 1;
    open_store();
    old = publish("a", "1");
    publish("b", "2");
    publish("a", "3");
    pass_time(1001);
    WAIT_UNTIL(events_kept() == 2);
    page(old - 1, "b");
    ck_assert_uint_eq(got.removed_to, 0);
    page(old - 1, "+");
    ck_assert_uint_eq(got.removed_to, old);
    page_from(old - 1, "+", &old);
    ck_assert_uint_eq(got.removed_to, 0);
    page(old, "a"); /* it had that one: gateways compare with their cursor */
    ck_assert_uint_eq(got.removed_to, old);
}
END_TEST

START_TEST(removed_ids_survive_a_restart)
{
    uint64_t last;

    options.max_age_ms = 60000;
    open_store();
    last = publish_many("a", 10);
    pass_time(61000);
    WAIT_UNTIL(events_kept() == 0);
    reopen();
    page(0, "a");
    ck_assert_uint_eq(got.removed_to, last);
    ck_assert_int_eq(got.reason, GAP_EXPIRED);
}
END_TEST

START_TEST(the_highest_id_is_not_lowered_by_removal)
{
    uint64_t last;

    options.max_age_ms = 60000;
    open_store();
    last = publish_many("a", 10);
    pass_time(61000);
    WAIT_UNTIL(events_kept() == 0);
    set_clock(now - 61000);
    reopen();
    ck_assert_uint_ge(store_head(store), last);
    ck_assert_uint_gt(publish("a", "x"), last);
}
END_TEST

START_TEST(an_idle_empty_topic_is_forgotten_but_not_what_it_lost)
{
    struct wire_topic t;
    uint64_t old;

    options.max_age_ms = 60000;
    options.topic_idle_ms = 600000;
    open_store();
    old = publish("a", "1");
    pass_time(120000);
    WAIT_UNTIL(events_kept() == 0);
    ck_assert(topic_line("a", &t));
    pass_time(600000);
    WAIT_UNTIL(!topic_line("a", &t));
    page(old - 1, "a");
    ck_assert_uint_ge(got.removed_to, old);
    reopen();
    page(old - 1, "a");
    ck_assert_uint_ge(got.removed_to, old);
    ck_assert_int_eq(got.reason, GAP_EXPIRED);
}
END_TEST

START_TEST(a_forgotten_topic_comes_back_with_its_next_event)
{
    struct wire_topic t;

    options.max_age_ms = 60000;
    options.topic_idle_ms = 600000;
    open_store();
    publish("a", "1");
    pass_time(700000);
    WAIT_UNTIL(!topic_line("a", &t));
    publish("a", "2");
    ck_assert(topic_line("a", &t));
    ck_assert_uint_eq(t.events, 1);
    reopen();
    ck_assert_str_eq(page(0, "a"), "2");
    check_counts("a");
}
END_TEST

START_TEST(another_topic_does_not_inherit_a_forgotten_ones_producers)
{
    struct store_event ev = produced("a", "p", 0, 0);
    struct store_request r;
    struct wire_topic t;

    options.max_age_ms = 60000;
    options.topic_idle_ms = 600000;
    open_store();
    submit_event(&ev, &r);
    pass_time(700000);
    WAIT_UNTIL(!topic_line("a", &t));
    reopen();
    ev = produced("b", "p", 0, 0); /* gets a's number */
    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    ck_assert(!ev.repeat);
}
END_TEST

/* --- DELETE ---------------------------------------------------------------------------- */

START_TEST(a_delete_empties_a_topic_and_says_so_first)
{
    uint64_t last, removed_to;

    open_store();
    publish("b", "b");
    last = publish("a", "1");
    ck_assert_int_eq(delete_topic("a", &removed_to), ERR_NONE);
    ck_assert_uint_eq(removed_to, last);
    ck_assert_uint_eq(heard.removed_to, last);
    ck_assert_str_eq(heard_text(), "b 1 -a");
    ck_assert_str_eq(page(0, "a"), "");
    ck_assert_uint_eq(got.removed_to, last);
    ck_assert_int_eq(got.reason, GAP_DELETED);
    ck_assert_str_eq(page(0, "b"), "b");
    check_counts("a");
}
END_TEST

START_TEST(a_large_topic_is_deleted_whole)
{
    open_store();
    publish_many("a", 3500);
    ck_assert_int_eq(delete_topic("a", NULL), ERR_NONE);
    ck_assert_uint_eq(count_all(0, "a"), 0);
    ck_assert_uint_eq(events_kept(), 0);
    check_counts("a");
}
END_TEST

START_TEST(what_is_published_after_a_delete_stays)
{
    struct store_request gone = {.kind = STORE_DELETE, .topic = SLICE("a")};
    struct store_event ev = event_of("a", "new");
    struct store_request add = {.events = &ev, .count = 1};
    bool answered[2] = {false, false};

    open_store();
    publish_many("a", 3500);
    gone.cb = add.cb = mark_answered;
    gone.data = &answered[0];
    add.data = &answered[1];
    submit_soon(&gone);
    submit_soon(&add);
    WAIT_UNTIL(answered[0] && answered[1]);
    ck_assert_str_eq(page(0, "a"), "new");
    check_counts("a");
}
END_TEST

START_TEST(an_unknown_topic_cannot_be_deleted)
{
    open_store();
    ck_assert_int_eq(delete_topic("none", NULL), ERR_NOT_FOUND);
}
END_TEST

START_TEST(an_empty_topic_can_be_deleted_again)
{
    uint64_t first, again;

    open_store();
    publish("a", "1");
    delete_topic("a", &first);
    ck_assert_int_eq(delete_topic("a", &again), ERR_NONE);
    ck_assert_uint_eq(again, first);
}
END_TEST

START_TEST(a_deletion_survives_a_restart)
{
    uint64_t removed_to;

    open_store();
    publish("a", "1");
    delete_topic("a", &removed_to);
    reopen();
    page(0, "a");
    ck_assert_uint_eq(got.removed_to, removed_to);
    ck_assert_int_eq(got.reason, GAP_DELETED);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        events_older_than_the_logs_age_go,
        the_log_keeps_no_more_bytes_than_allowed,
        what_is_no_event_counts_up_to_half,
        a_topic_keeps_no_more_events_than_allowed,
        a_topic_keeps_no_more_bytes_than_allowed,
        the_last_matching_rule_wins_key_by_key,
        a_topic_may_keep_longer_than_the_log,
        retention_changes_while_running,
        only_the_topics_that_lost_something_say_so,
        removed_ids_survive_a_restart,
        the_highest_id_is_not_lowered_by_removal,
        an_idle_empty_topic_is_forgotten_but_not_what_it_lost,
        a_forgotten_topic_comes_back_with_its_next_event,
        another_topic_does_not_inherit_a_forgotten_ones_producers,
        a_delete_empties_a_topic_and_says_so_first,
        a_large_topic_is_deleted_whole,
        what_is_published_after_a_delete_stays,
        an_unknown_topic_cannot_be_deleted,
        an_empty_topic_can_be_deleted_again,
        a_deletion_survives_a_restart,
    };

    return run_tests("store retention", tests, sizeof tests / sizeof tests[0], begin_with_clock);
}
