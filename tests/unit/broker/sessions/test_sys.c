/*
 * test_sys.c - what is told under $SYS/broker/, and how it is written.
 */
#include <stdlib.h>

#include "suite.h"
#include "sys.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)

static struct sys *sys;
static struct sys_now now;
static struct buf frame;

static void setup(void)
{
    now = (struct sys_now){.ms = 5000};
    sys = sys_new(now.ms);
    frame = (struct buf){0};
}

static void teardown(void)
{
    sys_free(sys);
    buf_free(&frame);
}

/* The value of a topic below $SYS/broker/; "" when it is not told. */
static struct slice told(const char *name)
{
    struct slice topic, value = {"", 0};
    struct reader body;

    buf_clear(&frame);
    sys_frame(sys, &frame);
    ck_assert_uint_eq(wire_call_get(frame.p, frame.len, &body), WIRE_CALL_SYS);
    while (wire_sys_get(&body, &topic, &value)) {
        ck_assert(slice_starts(topic, SLICE("$SYS/broker/")));
        topic.p += 12;
        topic.len -= 12;
        if (slice_eq(topic, slice_of(name)))
            return value;
    }
    ck_assert(!body.bad);
    return (struct slice){"", 0};
}

static bool is(const char *name, const char *value)
{
    return slice_eq(told(name), slice_of(value));
}

static void pass(unsigned ms)
{
    now.ms += ms;
    sys_update(sys, &now);
}

START_TEST(version_and_uptime_are_words)
{
    pass(61 * SECOND);
    ck_assert(slice_starts(told("version"), SLICE("sluice ")));
    ck_assert(is("uptime", "61 seconds"));
}
END_TEST

START_TEST(numbers_are_as_they_are_now)
{
    now.connected = 3;
    now.disconnected = 4;
    now.gateways.publish_dropped = 5;
    now.retained = 6;
    pass(SECOND);
    ck_assert(is("clients/connected", "3"));
    ck_assert(is("clients/total", "7"));
    ck_assert(is("publish/messages/dropped", "5"));
    ck_assert(is("retained messages/count", "6"));
}
END_TEST

START_TEST(maxima_stay)
{
    now.connected = now.heap = 9;
    pass(SECOND);
    now.connected = now.heap = 2;
    pass(SECOND);
    ck_assert(is("clients/maximum", "9"));
    ck_assert(is("heap/maximum", "9"));
    ck_assert(is("heap/current", "2"));
}
END_TEST

START_TEST(a_steady_rate_becomes_the_load)
{
    for (int i = 0; i < 600; i++) {
        now.gateways.messages_received += 10;
        pass(10 * SECOND);
    }
    ck_assert(is("load/messages/received/1min", "60.00"));
    ck_assert(is("load/messages/received/15min", "59.92"));
}
END_TEST

START_TEST(a_load_fades_when_nothing_happens)
{
    now.attaches = 100;
    pass(MINUTE);
    ck_assert(is("load/connections/1min", "63.21"));
    pass(MINUTE);
    ck_assert(is("load/connections/1min", "23.25"));
}
END_TEST

START_TEST(an_update_at_the_same_moment_moves_nothing)
{
    pass(MINUTE);
    now.attaches = 5;
    pass(0);
    ck_assert(is("load/connections/1min", "0.00"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sys");
    TCase *t = tcase_create("sys");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, version_and_uptime_are_words);
    tcase_add_test(t, numbers_are_as_they_are_now);
    tcase_add_test(t, maxima_stay);
    tcase_add_test(t, a_steady_rate_becomes_the_load);
    tcase_add_test(t, a_load_fades_when_nothing_happens);
    tcase_add_test(t, an_update_at_the_same_moment_moves_nothing);
    return suite_run(s);
}
