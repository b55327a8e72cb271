/*
 * test_store_producers.c - idempotent producers (DESIGN 2.4.5), rule by rule.
 */
#include "store_fixture.h"

static struct store_event ev;
static struct store_request request;

static enum sluice_error produce(const char *producer, uint64_t epoch, uint64_t seq)
{
    ev = produced("a", producer, epoch, seq);
    return submit_event(&ev, &request);
}

/* Seqs 0 to n - 1; returns the ID of `which`. */
static uint64_t produce_many(uint64_t n, uint64_t which)
{
    struct store_event *unit = mem_array(n, sizeof *unit);
    struct store_request r = {.events = unit, .count = (uint32_t)n};
    uint64_t id;

    for (uint64_t i = 0; i < n; i++)
        unit[i] = produced("a", "p", 0, i);
    ck_assert_int_eq(submit(&r), ERR_NONE);
    id = unit[which].id;
    free(unit);
    return id;
}

START_TEST(a_new_producer_starts_at_0)
{
    ck_assert_int_eq(produce("p", 7, 1), ERR_PRODUCER_GAP);
    ck_assert_uint_eq(request.result.expected_seq, 0);
    ck_assert_uint_eq(request.result.received_seq, 1);
    ck_assert_int_eq(produce("p", 7, 0), ERR_NONE);
}
END_TEST

START_TEST(the_next_seq_is_stored)
{
    ck_assert_int_eq(produce("p", 0, 0), ERR_NONE);
    ck_assert_int_eq(produce("p", 0, 1), ERR_NONE);
    ck_assert(!ev.repeat);
    ck_assert_uint_eq(count_all(0, "a"), 2);
}
END_TEST

START_TEST(a_repeat_gets_the_first_id_and_is_not_stored)
{
    uint64_t id;

    produce("p", 0, 0);
    id = ev.id;
    ck_assert_int_eq(produce("p", 0, 0), ERR_NONE);
    ck_assert(ev.repeat);
    ck_assert_uint_eq(ev.id, id);
    ck_assert_uint_eq(count_all(0, "a"), 1);
    ck_assert_uint_eq(heard.ids.len / 8, 1);
}
END_TEST

START_TEST(the_last_1024_repeats_are_known_by_id)
{
    uint64_t id = produce_many(1500, 1500 - 1024);

    ck_assert_int_eq(produce("p", 0, 1500 - 1024), ERR_NONE);
    ck_assert(ev.repeat);
    ck_assert_uint_eq(ev.id, id);
}
END_TEST

START_TEST(an_older_repeat_has_no_id_any_more)
{
    produce_many(1500, 0);
    ck_assert_int_eq(produce("p", 0, 1500 - 1025), ERR_NONE);
    ck_assert(ev.repeat);
    ck_assert_uint_eq(ev.id, 0);
    ck_assert_uint_eq(count_all(0, "a"), 1500);
}
END_TEST

START_TEST(a_gap_names_both_numbers_and_stores_nothing)
{
    produce("p", 0, 0);
    ck_assert_int_eq(produce("p", 0, 2), ERR_PRODUCER_GAP);
    ck_assert_uint_eq(request.result.expected_seq, 1);
    ck_assert_uint_eq(request.result.received_seq, 2);
    ck_assert_uint_eq(count_all(0, "a"), 1);
    ck_assert_int_eq(produce("p", 0, 1), ERR_NONE);
}
END_TEST

START_TEST(a_newer_epoch_starts_at_0_and_fences_the_older)
{
    produce("p", 1, 0);
    ck_assert_int_eq(produce("p", 2, 1), ERR_PRODUCER_GAP);
    ck_assert_uint_eq(request.result.expected_seq, 0);
    ck_assert_int_eq(produce("p", 2, 0), ERR_NONE);
    ck_assert(!ev.repeat);
    ck_assert_int_eq(produce("p", 1, 1), ERR_FENCED);
    ck_assert_uint_eq(request.result.epoch, 2);
}
END_TEST

static enum sluice_error produce_as(const char *publisher, uint64_t epoch, uint64_t seq)
{
    ev = produced("a", "p", epoch, seq);
    ev.publisher = slice_of(publisher);
    return submit_event(&ev, &request);
}

START_TEST(a_producer_of_one_publisher_is_none_of_anothers)
{
    ck_assert_int_eq(produce_as("user:alice", 0, 0), ERR_NONE);
    ck_assert_int_eq(produce_as("user:eve", 0, 0), ERR_NONE);
    ck_assert(!ev.repeat);
    ck_assert_int_eq(produce_as("", 9, 0), ERR_NONE);
    ck_assert_int_eq(produce_as("user:eve", 9, 0), ERR_NONE);
    ck_assert_int_eq(produce_as("user:alice", 0, 1), ERR_NONE);
    ck_assert(!ev.repeat);
    ck_assert_int_eq(produce_as("user:alice", 0, 1), ERR_NONE);
    ck_assert(ev.repeat);
    ck_assert_int_eq(produce_as("user:alice", 0, 0), ERR_NONE);
    ck_assert(ev.repeat);
    reopen();
    ck_assert_int_eq(produce_as("user:alice", 0, 3), ERR_PRODUCER_GAP);
    ck_assert_uint_eq(request.result.expected_seq, 2);
}
END_TEST

START_TEST(a_new_epoch_forgets_the_seqs_of_the_old)
{
    produce_many(10, 0);
    ck_assert_int_eq(produce("p", 1, 0), ERR_NONE);
    ck_assert(!ev.repeat);
    ck_assert_int_eq(produce("p", 1, 1), ERR_NONE);
    ck_assert(!ev.repeat);
}
END_TEST

START_TEST(each_topic_has_its_own_sequence)
{
    struct store_event other = produced("b", "p", 0, 0);

    produce("p", 0, 0);
    ck_assert_int_eq(submit_event(&other, &request), ERR_NONE);
    ck_assert(!other.repeat);
}
END_TEST

START_TEST(state_survives_a_restart)
{
    uint64_t id;

    produce("p", 0, 0);
    id = ev.id;
    produce("p", 0, 1);
    reopen();
    ck_assert_int_eq(produce("p", 0, 0), ERR_NONE);
    ck_assert(ev.repeat);
    ck_assert_uint_eq(ev.id, id);
    ck_assert_int_eq(produce("p", 0, 2), ERR_NONE);
}
END_TEST

START_TEST(a_refused_unit_changes_nothing)
{
    struct store_event unit[] = {event_of("new", "1"), produced("a", "p", 0, 0),
                                 produced("a", "p", 0, 2)};
    struct store_request r = {.events = unit, .count = 3};
    struct wire_topic line;

    ck_assert_int_eq(submit(&r), ERR_PRODUCER_GAP);
    ck_assert_uint_eq(r.result.index, 2);
    ck_assert_uint_eq(r.result.expected_seq, 1);
    ck_assert_uint_eq(heard.batches, 0);
    ck_assert(!topic_line("new", &line));
    ck_assert_int_eq(produce("p", 0, 0), ERR_NONE);
    ck_assert(!ev.repeat);
}
END_TEST

START_TEST(a_refused_publish_makes_no_topic)
{
    struct wire_topic line;

    ck_assert_int_eq(produce("p", 0, 5), ERR_PRODUCER_GAP);
    ck_assert(!topic_line("a", &line));
}
END_TEST

START_TEST(a_repeat_within_a_unit_is_known)
{
    struct store_event unit[] = {produced("a", "p", 0, 0), produced("a", "p", 0, 1),
                                 produced("a", "p", 0, 0)};
    struct store_request r = {.events = unit, .count = 3};

    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert(unit[2].repeat);
    ck_assert_uint_eq(unit[2].id, unit[0].id);
    ck_assert_uint_eq(count_all(0, "a"), 2);
}
END_TEST

START_TEST(repeats_queued_together_wait_for_one_commit)
{
    struct store_event events[2] = {produced("a", "p", 0, 0), produced("a", "p", 0, 0)};
    bool answered[2] = {false, false};
    struct store_request r[2];

    for (int i = 0; i < 2; i++) {
        r[i] = (struct store_request){
            .events = &events[i], .count = 1, .cb = mark_answered, .data = &answered[i]};
        submit_soon(&r[i]);
    }
    while (!answered[1])
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert(answered[0] && events[1].repeat);
    ck_assert_uint_eq(events[1].id, events[0].id);
}
END_TEST

START_TEST(a_producer_of_a_volatile_topic_is_checked_too)
{
    struct retention_rule rule = {.filter = (char *)"a", .has_history = true, .volatile_ = true};
    uint64_t id;

    close_store();
    options.rules = &rule;
    options.rule_count = 1;
    open_store();
    ck_assert_int_eq(produce("p", 0, 0), ERR_NONE);
    id = ev.id;
    ck_assert_int_eq(produce("p", 0, 0), ERR_NONE);
    ck_assert(ev.repeat);
    ck_assert_uint_eq(ev.id, id);
}
END_TEST

START_TEST(an_idle_producer_is_forgotten)
{
    uint64_t now = clock_ms();

    set_clock(now);
    close_store();
    options.producer_idle_ms = 60000;
    open_store();
    produce("p", 0, 0);
    produce("p", 0, 1);
    set_clock(now + 30000);
    produce("q", 0, 0);
    set_clock(now + 80000);
    WAIT_UNTIL(produce("p", 0, 0) == ERR_NONE && !ev.repeat);
    ck_assert_int_eq(produce("q", 0, 0), ERR_NONE);
    ck_assert(ev.repeat);
}
END_TEST

/* --- a crowd ---------------------------------------------------------------------- */

static uint64_t producers(void)
{
    struct store_status s;

    store_status(store, &s);
    return s.producers;
}

static enum sluice_error produce_key(unsigned n)
{
    char name[16];

    snprintf(name, sizeof name, "key%u", n);
    return produce(name, 0, 0);
}

static void open_for(uint64_t max, uint64_t idle_ms)
{
    close_store();
    options.max_producers = max;
    options.producer_idle_ms = idle_ms;
    open_store();
}

START_TEST(a_producer_too_many_is_refused_and_others_go_on)
{
    open_for(16, 0);
    for (unsigned i = 0; i < 16; i++)
        ck_assert_int_eq(produce_key(i), ERR_NONE);
    ck_assert_uint_eq(producers(), 16);
    ck_assert_int_eq(produce_key(16), ERR_TOO_MANY);
    publish("a", "x");
    ck_assert_int_eq(produce("key1", 0, 1), ERR_NONE);
    ck_assert_int_eq(produce_key(2), ERR_NONE);
    ck_assert(ev.repeat);
    reopen();
    ck_assert_uint_eq(producers(), 16);
    ck_assert_int_eq(produce_key(17), ERR_TOO_MANY);
}
END_TEST

START_TEST(a_unit_with_a_producer_too_many_leaves_no_trace)
{
    struct store_event unit[] = {produced("a", "one", 0, 0), produced("a", "two", 0, 0),
                                 produced("a", "three", 0, 0)};
    struct store_request r = {.events = unit, .count = 3};

    open_for(2, 0);
    ck_assert_int_eq(submit(&r), ERR_TOO_MANY);
    ck_assert_uint_eq(r.result.index, 2);
    ck_assert_uint_eq(producers(), 0);
    ck_assert_int_eq(produce("three", 0, 0), ERR_NONE);
    ck_assert_int_eq(produce("two", 0, 0), ERR_NONE);
    ck_assert_uint_eq(count_all(0, "#"), 2);
}
END_TEST

START_TEST(a_crowd_forgets_keys_early_but_not_who_goes_on)
{
    uint64_t now = clock_ms();

    set_clock(now);
    open_for(16, 7 * 24 * 3600000);
    ck_assert_int_eq(produce("goes on", 0, 0), ERR_NONE);
    ck_assert_int_eq(produce("goes on", 0, 1), ERR_NONE);
    for (unsigned i = 0; i < 15; i++)
        ck_assert_int_eq(produce_key(i), ERR_NONE);
    ck_assert_int_eq(produce_key(15), ERR_TOO_MANY);
    set_clock(now + 61000);
    WAIT_UNTIL((set_clock(clock_ms() + 500), produce_key(15) == ERR_NONE && !ev.repeat));
    ck_assert_int_eq(produce("goes on", 0, 2), ERR_NONE);
    WAIT_UNTIL(producers() <= 3);
}
END_TEST

/* It is known all the same. */
START_TEST(a_number_too_many_is_a_repeat_without_its_id)
{
    open_for(1, 0);
    produce_many(100, 99);
    ck_assert_int_eq(produce("p", 0, 1), ERR_NONE);
    ck_assert(ev.repeat && ev.id != 0);
    ck_assert_int_eq(produce("p", 0, 50), ERR_NONE);
    ck_assert(ev.repeat);
    ck_assert_uint_eq(ev.id, 0);
    ck_assert_int_eq(produce("p", 0, 99), ERR_NONE);
    ck_assert(ev.repeat && ev.id != 0);
    ck_assert_int_eq(produce("p", 1, 0), ERR_NONE); /* the numbers of the old epoch go */
    ck_assert_int_eq(produce("p", 1, 1), ERR_NONE);
    ck_assert_int_eq(produce("p", 1, 0), ERR_NONE);
    ck_assert(ev.repeat && ev.id != 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_new_producer_starts_at_0,
        the_next_seq_is_stored,
        a_repeat_gets_the_first_id_and_is_not_stored,
        the_last_1024_repeats_are_known_by_id,
        an_older_repeat_has_no_id_any_more,
        a_gap_names_both_numbers_and_stores_nothing,
        a_newer_epoch_starts_at_0_and_fences_the_older,
        a_producer_of_one_publisher_is_none_of_anothers,
        a_new_epoch_forgets_the_seqs_of_the_old,
        each_topic_has_its_own_sequence,
        state_survives_a_restart,
        a_refused_unit_changes_nothing,
        a_refused_publish_makes_no_topic,
        a_repeat_within_a_unit_is_known,
        repeats_queued_together_wait_for_one_commit,
        a_producer_of_a_volatile_topic_is_checked_too,
        an_idle_producer_is_forgotten,
        a_producer_too_many_is_refused_and_others_go_on,
        a_unit_with_a_producer_too_many_leaves_no_trace,
        a_crowd_forgets_keys_early_but_not_who_goes_on,
        a_number_too_many_is_a_repeat_without_its_id,
    };

    return run_tests("store producers", tests, sizeof tests / sizeof tests[0], begin_open);
}
