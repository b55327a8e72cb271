/*
 * test_store_links.c - a gateway sends again what it has no answer to.
 */
#include "store_fixture.h"

static const struct wire_uuid here = {{1}}, there = {{2}};
static struct store_event ev;
static struct store_request request;

static enum sluice_error send_unit(const struct wire_uuid *link, uint64_t seq,
                                   struct store_event *events, uint32_t count)
{
    request =
        (struct store_request){.link = link, .link_seq = seq, .events = events, .count = count};
    return submit(&request);
}

static uint64_t send_one(const struct wire_uuid *link, uint64_t seq)
{
    ev = event_of("a", "x");
    ck_assert_int_eq(send_unit(link, seq, &ev, 1), ERR_NONE);
    return ev.id;
}

START_TEST(a_repeat_gets_the_same_id_and_is_not_stored)
{
    uint64_t id = send_one(&here, 5);

    ck_assert_uint_eq(send_one(&here, 5), id);
    ck_assert_uint_eq(count_all(0, "a"), 1);
}
END_TEST

START_TEST(links_count_for_themselves)
{
    uint64_t id = send_one(&here, 1);

    ck_assert_uint_gt(send_one(&there, 1), id);
}
END_TEST

START_TEST(gaps_and_late_seqs_are_allowed)
{
    uint64_t late, id = send_one(&here, 10);

    late = send_one(&here, 3);
    ck_assert_uint_gt(late, id);
    ck_assert_uint_eq(send_one(&here, 3), late);
    ck_assert_uint_eq(send_one(&here, 10), id);
}
END_TEST

START_TEST(repeats_are_known_after_a_restart)
{
    struct store_event unit[] = {event_of("a", "1"), event_of("b", "2")};
    uint64_t one = send_one(&here, 1), first, two;

    ck_assert_int_eq(send_unit(&here, 2, unit, 2), ERR_NONE);
    first = unit[0].id;
    two = send_one(&here, 3);
    reopen();
    ck_assert_uint_eq(send_one(&here, 1), one);
    ck_assert_uint_eq(send_one(&here, 3), two);
    unit[0].id = unit[1].id = 0;
    ck_assert_int_eq(send_unit(&here, 2, unit, 2), ERR_NONE);
    ck_assert_uint_eq(unit[0].id, first);
    ck_assert_uint_eq(unit[1].id, first + 1);
    ck_assert_uint_eq(count_all(0, "#"), 4);
}
END_TEST

START_TEST(a_repeat_tells_again_what_was_a_producers_repeat)
{
    struct store_event unit[2];
    uint64_t second = 0;

    ev = produced("a", "p", 0, 0);
    ck_assert_int_eq(submit_event(&ev, &request), ERR_NONE);
    for (int round = 0; round < 2; round++) {
        unit[0] = produced("a", "p", 0, 0);
        unit[1] = event_of("a", "new");
        ck_assert_int_eq(send_unit(&here, 9, unit, 2), ERR_NONE);
        ck_assert(unit[0].repeat && !unit[1].repeat);
        ck_assert_uint_eq(unit[0].id, ev.id);
        ck_assert(round == 0 || unit[1].id == second);
        second = unit[1].id;
    }
    ck_assert_uint_eq(count_all(0, "#"), 2);
}
END_TEST

START_TEST(a_refused_unit_leaves_no_mark)
{
    ev = produced("a", "p", 0, 1);
    ck_assert_int_eq(send_unit(&here, 1, &ev, 1), ERR_PRODUCER_GAP);
    ev = produced("a", "p", 0, 0);
    ck_assert_int_eq(send_unit(&here, 1, &ev, 1), ERR_NONE);
    ck_assert(!ev.repeat);
}
END_TEST

START_TEST(repeats_queued_together_are_stored_once)
{
    struct store_event events[2] = {event_of("a", "x"), event_of("a", "x")};
    bool answered[2] = {false, false};
    struct store_request r[2];

    for (int i = 0; i < 2; i++) {
        r[i] = (struct store_request){.events = &events[i],
                                      .count = 1,
                                      .link = &here,
                                      .link_seq = 1,
                                      .cb = mark_answered,
                                      .data = &answered[i]};
        submit_soon(&r[i]);
    }
    while (!answered[1])
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_uint_eq(events[1].id, events[0].id);
    ck_assert_uint_eq(count_all(0, "a"), 1);
}
END_TEST

START_TEST(the_last_4096_are_known_after_many_more)
{
    enum { N = 12000 };
    static struct store_event events[N];
    static struct store_request requests[N];
    static bool answered[N];

    for (int i = 0; i < N; i++) {
        events[i] = event_of("a", "x");
        requests[i] = (struct store_request){.events = &events[i],
                                             .count = 1,
                                             .link = i % 3 == 0 ? &there : &here,
                                             .link_seq = (uint64_t)i,
                                             .cb = mark_answered,
                                             .data = &answered[i]};
        submit_soon(&requests[i]);
    }
    while (!answered[N - 1])
        uv_run(&loop, UV_RUN_ONCE);
    reopen();
    for (int i = N - 4096; i < N; i += 41)
        ck_assert_uint_eq(send_one(i % 3 == 0 ? &there : &here, (uint64_t)i), events[i].id);
    ck_assert_uint_eq(count_all(0, "a"), N);
}
END_TEST

START_TEST(another_unit_under_a_known_seq_is_refused)
{
    struct store_event unit[] = {event_of("a", "1"), event_of("a", "2")};

    send_one(&here, 1);
    ck_assert_int_eq(send_unit(&here, 1, unit, 2), ERR_BAD_REQUEST);
}
END_TEST

START_TEST(a_repeated_delete_deletes_nothing_newer)
{
    struct store_request r = {
        .kind = STORE_DELETE, .topic = SLICE("a"), .link = &here, .link_seq = 2};
    uint64_t removed_to;

    send_one(&here, 1);
    ck_assert_int_eq(submit(&r), ERR_NONE);
    removed_to = r.removed_to;
    send_one(&here, 3);
    reopen();
    r = (struct store_request){
        .kind = STORE_DELETE, .topic = SLICE("a"), .link = &here, .link_seq = 2};
    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert_uint_eq(r.removed_to, removed_to);
    ck_assert_uint_eq(count_all(0, "a"), 1);
}
END_TEST

START_TEST(an_idle_link_is_forgotten)
{
    uint64_t now = clock_ms(), id;

    set_clock(now);
    close_store();
    options.producer_idle_ms = 1000000;
    open_store();
    id = send_one(&here, 1);
    set_clock(now + 900000);
    ck_assert_uint_eq(send_one(&here, 1), id);
    set_clock(now + 3000000);
    WAIT_UNTIL(send_one(&here, 1) != id);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_repeat_gets_the_same_id_and_is_not_stored,
        links_count_for_themselves,
        gaps_and_late_seqs_are_allowed,
        repeats_are_known_after_a_restart,
        a_repeat_tells_again_what_was_a_producers_repeat,
        a_refused_unit_leaves_no_mark,
        repeats_queued_together_are_stored_once,
        the_last_4096_are_known_after_many_more,
        another_unit_under_a_known_seq_is_refused,
        a_repeated_delete_deletes_nothing_newer,
        an_idle_link_is_forgotten,
    };

    return run_tests("store links", tests, sizeof tests / sizeof tests[0], begin_open);
}
