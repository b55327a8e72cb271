/*
 * fixture.h - a loop of its own for each test, run until something is true.
 *
 * RUN_UNTIL fails the test when the condition does not come; loop_end fails it
 * when a handle was left open.
 */
#ifndef TESTS_COMMON_FIXTURE_H
#define TESTS_COMMON_FIXTURE_H

#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

#include "log.h"
#include "suite.h"

#define FIXTURE_PATIENCE_MS 20000

static uv_loop_t loop;

static inline void fixture_give_up(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

/* The timer is the only thing that the fixture adds: a socket that waits for
 * an edge that has passed stays stuck, and is found. */
#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        static uv_timer_t patience;                                                                \
        static bool late;                                                                          \
        late = false;                                                                              \
        ck_assert_int_eq(uv_timer_init(&loop, &patience), 0);                                      \
        patience.data = &late;                                                                     \
        uv_timer_start(&patience, fixture_give_up, FIXTURE_PATIENCE_MS, 0);                        \
        while (!(condition) && !late)                                                              \
            uv_run(&loop, UV_RUN_ONCE);                                                            \
        ck_assert_msg(!late, "never became true: %s", #condition);                                 \
        uv_close((uv_handle_t *)&patience, NULL);                                                  \
        uv_run(&loop, UV_RUN_NOWAIT);                                                              \
    } while (0)

static inline void loop_begin(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
}

static inline void loop_end(void)
{
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static inline int run_suite(Suite *s)
{

    log_set_level((enum log_level)(LOG_ERROR + 1)); /* errors are provoked here all the time */
    return suite_run(s);
}

#endif
