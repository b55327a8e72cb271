/*
 * run_suite.h - a test program's main: one suite, Check's own closing line.
 */
#ifndef TESTS_RUN_SUITE_H
#define TESTS_RUN_SUITE_H

#include "log.h"
#include "suite.h"

typedef void (*test_fixture)(void);

static inline int run_tests(const char *name, test_fixture setup, test_fixture teardown,
                            const TTest *const *tests, size_t count)
{
    Suite *s = suite_create(name);
    TCase *c = tcase_create(name);

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    log_set_level((enum log_level)(LOG_ERROR + 1)); /* errors are provoked here all the time */
    return suite_run(s);
}

#define RUN_TESTS(name, setup, teardown, ...)                                                      \
    run_tests(name, setup, teardown, (const TTest *const[]){__VA_ARGS__},                          \
              sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(const TTest *))

#endif
