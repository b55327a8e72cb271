/*
 * test_session_starts.c - what a start finds, what an end leaves, and $SYS.
 */
#include "sessions_fixture.h"

#define WILL .has_will = true, .will = buf_slice(&will)
#define SENT "wills/c=gone"

/* --- a start --------------------------------------------------------------------------------- */

START_TEST(a_start_finds_who_was_attached_and_waits_for_them)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);

    restart();
    pass(9900);
    ck_assert_str_eq(store_published(), "");
    join_as(a, "mqtt");
    HOLD(a, c);
    pass(10000);
    ck_assert_str_eq(store_published(), "");
    ck_assert_int_eq(write_now(c), ERR_NONE);
}
END_TEST

START_TEST(a_gateway_that_died_with_the_broker_loses_its_sessions_after_10_s)
{
    ATTACH(a, "c", .expiry = 60, WILL);
    restart();
    pass(11000);
    ck_assert_str_eq(store_published(), SENT);
    join(b);
    ck_assert(ATTACH(b, "c", .expiry = 60).present);
}
END_TEST

START_TEST(after_a_start_epochs_go_on_rising)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    now -= 1000 * SECONDS; /* the clock was set back */
    restart();
    join(b);
    ck_assert_uint_gt(ATTACH(b, "d").epoch, c.epoch);
}
END_TEST

START_TEST(the_same_attach_again_is_known_after_a_start)
{
    const struct wire_attach m = {.client = SLICE("c"), .version = 5, .expiry = 60};
    struct held c = attach_now(a, &m, "c");

    restart();
    join(a);
    send_attach_again(a, a->seq, &m);
    store_run();
    ck_assert_uint_eq(attached(a, a->seq, "c", 60).epoch, c.epoch);
}
END_TEST

START_TEST(a_session_in_memory_alone_is_taken_back_after_a_start)
{
    struct held c = ATTACH(a, "c", .principal = SLICE("ann"));

    restart();
    join_as(a, "mqtt");
    HOLD(a, c);
    ck_assert_str_eq(fences(a), "");
    event("x", "on");
    ck_assert_int_eq(write_now(c), ERR_NONE);
    ck_assert_str_eq(store_published(), "x=on");
}
END_TEST

START_TEST(a_session_taken_back_is_still_its_principals)
{
    struct held c = ATTACH(a, "c", .principal = SLICE("user:ann"));

    restart();
    join_as(a, "mqtt");
    join(b);
    HOLD(a, c);
    ck_assert_int_eq(ATTACH(b, "c", .principal = SLICE("user:bob")).error, ERR_FORBIDDEN);
    ck_assert_int_eq(ATTACH(b, "c", .clean = true).error, ERR_FORBIDDEN);
    ck_assert_str_eq(fences(a), "");
    ck_assert_int_eq(write_now(c), ERR_NONE);
    SEND_ATTACH(b, "c", .principal = SLICE("user:ann"));
    ck_assert_str_eq(fences(a), "c");
}
END_TEST

START_TEST(who_came_for_anothers_name_before_it_was_claimed_goes)
{
    struct held c = ATTACH(a, "c", .principal = SLICE("user:ann")), other;

    now += 1;
    restart();
    join(b);
    other = ATTACH(b, "c", .principal = SLICE("user:bob"));
    ck_assert_int_eq(other.error, ERR_NONE);
    join_as(a, "mqtt");
    HOLD(a, c);
    ck_assert_str_eq(fences(a), "");
    ck_assert_str_eq(fences(b), "c");
    ck_assert_int_eq(write_now(c), ERR_NONE);
    ck_assert_int_eq(write_now(other), ERR_FENCED);
}
END_TEST

START_TEST(who_came_again_before_it_was_claimed_stays)
{
    struct held c = ATTACH(a, "c", .principal = SLICE("user:ann")), later;

    now += 1;
    restart();
    join(b);
    later = ATTACH(b, "c", .principal = SLICE("user:ann"));
    join_as(a, "mqtt");
    HOLD(a, c);
    ck_assert_str_eq(fences(a), "c");
    ck_assert_int_eq(write_now(later), ERR_NONE);
}
END_TEST

START_TEST(a_stored_session_is_its_principals_after_a_start)
{
    struct held c = ATTACH(a, "c", .expiry = 60, .principal = SLICE("user:ann"));

    restart();
    join(b);
    ck_assert_int_eq(ATTACH(b, "c", .principal = SLICE("cert:ann")).error, ERR_FORBIDDEN);
    join_as(a, "mqtt");
    HOLD(a, c);
    ck_assert_int_eq(write_now(c), ERR_NONE);
}
END_TEST

START_TEST(of_two_that_claim_a_session_in_memory_alone_the_later_epoch_has_it)
{
    struct held c = ATTACH(a, "c"), later = c;

    restart();
    join_as(a, "mqtt");
    join_as(b, "mqtt");
    HOLD(a, c);
    later.by = b;
    later.epoch++;
    HOLD(b, later);
    ck_assert_str_eq(fences(a), "c");
    ck_assert_int_eq(write_now(later), ERR_NONE);
    HOLD(a, c);
    ck_assert_str_eq(fences(a), "c");
    ck_assert_int_eq(write_now(later), ERR_NONE);
}
END_TEST

/* Stored as before there were kinds of names. */
static void store_bare_head(const char *client, const char *principal)
{
    const struct session_head h = {.version = 5,
                                   .epoch = 3,
                                   .expiry = UINT32_MAX,
                                   .principal = slice_of(principal),
                                   .bare = true};
    struct buf value = {0};

    session_head_put(&value, &h);
    store_put(SPACE_HEAD, slice_of(client), SLICE("H"), buf_slice(&value));
    buf_free(&value);
}

START_TEST(a_session_of_before_names_were_verified_is_the_users_or_the_certificates)
{
    store_bare_head("c", "ann");
    store_bare_head("d", "ann");
    restart();
    join(a);
    ck_assert_int_eq(ATTACH(a, "c", .principal = SLICE("user:bob")).error, ERR_FORBIDDEN);
    ck_assert_int_eq(ATTACH(a, "c").error, ERR_FORBIDDEN);
    ck_assert(ATTACH(a, "c", .expiry = 60, .principal = SLICE("user:ann")).present);
    ck_assert(ATTACH(a, "d", .expiry = 60, .principal = SLICE("cert:ann")).present);
    restart(); /* it has an owner with a kind now */
    join(a);
    ck_assert_int_eq(ATTACH(a, "c", .principal = SLICE("cert:ann")).error, ERR_FORBIDDEN);
}
END_TEST

START_TEST(a_damaged_head_does_not_stop_a_start)
{
    ATTACH(a, "c", .expiry = 60);
    ATTACH(a, "d", .expiry = 60);
    store_put(SPACE_HEAD, SLICE("c"), SLICE("H"), SLICE("\xff"));
    restart();
    join(b);
    ck_assert(!ATTACH(b, "c", .expiry = 60).present);
    ck_assert(ATTACH(b, "d", .expiry = 60).present);
}
END_TEST

START_TEST(a_map_that_cannot_be_read_fails_the_start)
{
    unload();
    store.blind = ERR_STORE_FAILED;
    ck_assert_int_eq(load(), 0);
}
END_TEST

START_TEST(a_start_reads_as_many_pages_as_there_are)
{
    struct buf head = {0};
    char name[8];

    session_head_put(&head, &(const struct session_head){.version = 5, .expiry = 60});
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "c%d", i);
        store_put(SPACE_HEAD, slice_of(name), KEY_HEAD, buf_slice(&head));
    }
    buf_free(&head);
    restart();
    join(a);
    ck_assert(ATTACH(a, "c2499", .expiry = 60).present);
}
END_TEST

/* --- the end ------------------------------------------------------------------------------------
 */

START_TEST(what_waits_when_the_broker_ends_is_refused)
{
    uint64_t seq;

    ATTACH(a, "c", .expiry = 60);
    seq = SEND_ATTACH(b, "c", .expiry = 60);
    sessions_stop(sessions);
    ck_assert_int_eq(answer(b, seq)->error, ERR_UNAVAILABLE);
}
END_TEST

START_TEST(what_reads_when_the_broker_ends_is_refused)
{
    uint64_t seq;

    store_is_late = true;
    seq = SEND_ATTACH(a, "c", .expiry = 60);
    sessions_stop(sessions);
    store_run();
    ck_assert_int_eq(answer(a, seq)->error, ERR_UNAVAILABLE);
    ck_assert_uint_eq(store_rows(SPACE_HEAD), 0);
}
END_TEST

START_TEST(what_is_being_stored_when_the_broker_ends_is_answered)
{
    uint64_t seq;

    store_is_late = true;
    seq = SEND_ATTACH(a, "c", .expiry = 60);
    ck_assert(store_answer() && store_answer()); /* the rows are read */
    sessions_stop(sessions);
    store_run();
    ck_assert_int_eq(answer(a, seq)->error, ERR_NONE);
}
END_TEST

START_TEST(a_restart_sends_no_will_of_its_own)
{
    ATTACH(a, "c", .expiry = 60, WILL);
    DETACH(ATTACH(a, "d", .expiry = 60, .will_delay = 1, WILL), .will = true, .expiry = 60);
    restart();
    ck_assert_str_eq(store_published(), "");
    pass(2000);
    ck_assert_str_eq(store_published(), SENT); /* d's, which is due */
}
END_TEST

/* --- $SYS
 * ----------------------------------------------------------------------------------------- */

/* The value of a topic as `g` was told it last. */
static struct slice told(const struct gateway *g, const char *topic)
{
    struct slice name, value;
    struct reader body;

    ck_assert_uint_eq(wire_call_get(g->sys.p, g->sys.len, &body), WIRE_CALL_SYS);
    while (wire_sys_get(&body, &name, &value)) {
        if (slice_eq(name, slice_of(topic)))
            return value;
    }
    return (struct slice){NULL, 0};
}

static void report(struct gateway *g, const struct wire_report *m)
{
    struct buf frame = {0};

    wire_tell_begin(&frame, WIRE_TELL_REPORT);
    wire_report_put(&frame, m);
    ck_assert(say(g, &frame));
}

static void with_sys(void)
{
    unload();
    options.sys_interval = 10 * SECONDS;
    ck_assert_int_eq(load(), 1);
    join(a);
    join(b);
}

START_TEST(a_gateway_of_mqtt_is_greeted_with_sys)
{
    with_sys();
    ck_assert_uint_eq(a->sys_told, 1);
    join_as(&gateways[2], "sse");
    ck_assert_uint_eq(gateways[2].sys_told, 0);
}
END_TEST

START_TEST(without_an_interval_nothing_is_told)
{
    pass(60000);
    ck_assert_uint_eq(a->sys_told, 0);
}
END_TEST

START_TEST(sys_is_told_at_every_interval)
{
    with_sys();
    pass(100);
    ck_assert_uint_eq(a->sys_told, 2);
    pass(9900);
    ck_assert_uint_eq(a->sys_told, 2);
    pass(100);
    ck_assert_uint_eq(a->sys_told, 3);
}
END_TEST

START_TEST(sys_counts_sessions)
{
    with_sys();
    ATTACH(a, "c", .expiry = 60);
    ATTACH(a, "m");
    DETACH(ATTACH(b, "d", .expiry = 60), .expiry = 60);
    pass(11000);
    ck_assert(slice_eq(told(a, "$SYS/broker/clients/connected"), SLICE("2")));
    ck_assert(slice_eq(told(a, "$SYS/broker/clients/disconnected"), SLICE("1")));
    pass(70000);
    ck_assert(slice_eq(told(a, "$SYS/broker/clients/disconnected"), SLICE("0")));
    ck_assert(slice_eq(told(a, "$SYS/broker/clients/expired"), SLICE("1")));
}
END_TEST

START_TEST(reports_are_summed_and_those_of_the_gone_still_count)
{
    with_sys();
    report(a, &(const struct wire_report){.messages_sent = 5, .subscriptions = 2});
    report(b, &(const struct wire_report){.messages_sent = 7, .subscriptions = 3});
    pass(11000);
    ck_assert(slice_eq(told(a, "$SYS/broker/messages/sent"), SLICE("12")));
    ck_assert(slice_eq(told(a, "$SYS/broker/subscriptions/count"), SLICE("5")));
    leave(b);
    pass(700 * SECONDS); /* it is forgotten */
    ck_assert(slice_eq(told(a, "$SYS/broker/messages/sent"), SLICE("12")));
    ck_assert(slice_eq(told(a, "$SYS/broker/subscriptions/count"), SLICE("2")));
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "session_starts", setup, teardown, a_start_finds_who_was_attached_and_waits_for_them,
        a_gateway_that_died_with_the_broker_loses_its_sessions_after_10_s,
        after_a_start_epochs_go_on_rising, the_same_attach_again_is_known_after_a_start,
        a_session_in_memory_alone_is_taken_back_after_a_start,
        a_session_taken_back_is_still_its_principals,
        who_came_for_anothers_name_before_it_was_claimed_goes,
        who_came_again_before_it_was_claimed_stays,
        a_stored_session_is_its_principals_after_a_start,
        a_session_of_before_names_were_verified_is_the_users_or_the_certificates,
        of_two_that_claim_a_session_in_memory_alone_the_later_epoch_has_it,
        a_damaged_head_does_not_stop_a_start, a_map_that_cannot_be_read_fails_the_start,
        a_start_reads_as_many_pages_as_there_are, what_waits_when_the_broker_ends_is_refused,
        what_reads_when_the_broker_ends_is_refused,
        what_is_being_stored_when_the_broker_ends_is_answered, a_restart_sends_no_will_of_its_own,
        a_gateway_of_mqtt_is_greeted_with_sys, without_an_interval_nothing_is_told,
        sys_is_told_at_every_interval, sys_counts_sessions,
        reports_are_summed_and_those_of_the_gone_still_count);
}
