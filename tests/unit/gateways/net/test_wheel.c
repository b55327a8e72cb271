/*
 * test_wheel.c - timeouts fire in their tick, never early, and not when stopped.
 */
#include "wheel.h"

#include "clock.h"
#include "run_suite.h"

static uv_loop_t loop;
static struct wheel wheel;
static uint64_t now;
static struct wheel_timer timers[4];
static unsigned fired[4];

static uint64_t fake_clock(void *arg)
{
    (void)arg;
    return now;
}

static void on_fire(struct wheel_timer *t)
{
    fired[t - timers]++;
}

static void setup(void)
{
    memset(timers, 0, sizeof timers);
    memset(fired, 0, sizeof fired);
    now = 123456;
    clock_replace(fake_clock, NULL);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    wheel_init(&wheel, &loop);
}

static void teardown(void)
{
    wheel_close(&wheel, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    clock_replace(NULL, NULL);
}

static void pass(uint64_t ms)
{
    now += ms;
    wheel_turn(&wheel);
}

START_TEST(test_it_fires_once_and_not_early)
{
    wheel_start(&wheel, &timers[0], 1000, on_fire);
    pass(1000);
    ck_assert_uint_eq(fired[0], 0);
    pass(WHEEL_TICK_MS);
    ck_assert_uint_eq(fired[0], 1);
    pass(10000);
    ck_assert_uint_eq(fired[0], 1);
}
END_TEST

START_TEST(test_a_time_between_ticks_is_not_early_either)
{
    wheel_start(&wheel, &timers[0], 990, on_fire);
    pass(989);
    ck_assert_uint_eq(fired[0], 0);
    pass(WHEEL_TICK_MS);
    ck_assert_uint_eq(fired[0], 1);
}
END_TEST

START_TEST(test_a_stopped_one_does_not_fire)
{
    wheel_start(&wheel, &timers[0], 1000, on_fire);
    wheel_start(&wheel, &timers[1], 1000, on_fire);
    wheel_stop(&timers[0]);
    wheel_stop(&timers[0]);
    pass(5000);
    ck_assert_uint_eq(fired[0], 0);
    ck_assert_uint_eq(fired[1], 1);
}
END_TEST

START_TEST(test_starting_again_moves_it)
{
    wheel_start(&wheel, &timers[0], 1000, on_fire);
    pass(900);
    wheel_start(&wheel, &timers[0], 1000, on_fire);
    pass(900);
    ck_assert_uint_eq(fired[0], 0);
    pass(300);
    ck_assert_uint_eq(fired[0], 1);
}
END_TEST

START_TEST(test_a_long_one_goes_round)
{
    uint64_t round = (uint64_t)WHEEL_SLOTS * WHEEL_TICK_MS;

    wheel_start(&wheel, &timers[0], 2 * round + 500, on_fire);
    pass(round + 600);
    pass(round - 200);
    ck_assert_uint_eq(fired[0], 0);
    pass(300);
    ck_assert_uint_eq(fired[0], 1);
}
END_TEST

START_TEST(test_time_that_jumps_serves_every_slot)
{
    for (int i = 0; i < 4; i++)
        wheel_start(&wheel, &timers[i], (uint64_t)i * 700, on_fire);
    pass(60000);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(fired[i], 1);
}
END_TEST

static void stop_neighbour_and_go_on(struct wheel_timer *t)
{
    on_fire(t);
    wheel_stop(&timers[1]);
    if (fired[0] < 3)
        wheel_start(&wheel, t, 0, stop_neighbour_and_go_on);
}

START_TEST(test_a_callback_may_stop_and_start)
{
    wheel_start(&wheel, &timers[0], 100, stop_neighbour_and_go_on);
    wheel_start(&wheel, &timers[1], 100, on_fire);
    wheel_start(&wheel, &timers[2], 100, on_fire);
    for (int i = 0; i < 10; i++)
        pass(100);
    ck_assert_uint_eq(fired[0], 3);
    ck_assert_uint_eq(fired[1], 0);
    ck_assert_uint_eq(fired[2], 1);
}
END_TEST

/* The clock is the real one: the loop must wake for the timers, and only for them. */
START_TEST(test_the_loop_sleeps_until_the_next_one)
{
    unsigned turns = 0;

    clock_replace(NULL, NULL);
    wheel_turn(&wheel);
    wheel_start(&wheel, &timers[0], 500, on_fire);
    wheel_start(&wheel, &timers[1], 200, on_fire);
    while (uv_run(&loop, UV_RUN_ONCE) != 0)
        turns++;
    ck_assert_uint_eq(fired[0], 1);
    ck_assert_uint_eq(fired[1], 1);
    ck_assert_uint_le(turns, 4);
}
END_TEST

int main(void)
{
    return RUN_TESTS("wheel", setup, teardown, test_it_fires_once_and_not_early,
                     test_a_time_between_ticks_is_not_early_either,
                     test_a_stopped_one_does_not_fire, test_starting_again_moves_it,
                     test_a_long_one_goes_round, test_time_that_jumps_serves_every_slot,
                     test_a_callback_may_stop_and_start, test_the_loop_sleeps_until_the_next_one);
}
