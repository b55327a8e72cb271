/*
 * Points that end the process: the one that the environment names, when it is passed as
 * often as that says.
 */
#define SLUICE_FAILPOINTS
#include "failpoint.h"
#include "fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSED 7

/* How a process ends that passes broker_write three times, with mqtt_write in between. */
static int end_of(const char *wanted)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        setenv("SLUICE_FAILPOINTS", wanted, 1);
        FAILPOINT(broker_write);
        FAILPOINT(mqtt_write);
        FAILPOINT(broker_write);
        FAILPOINT_AFTER(broker_write, _exit(PASSED));
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static bool is_killed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

START_TEST(a_point_is_passed_unless_it_is_named)
{
    ck_assert_int_eq(end_of("broker_attach"), 0);
}
END_TEST

START_TEST(the_first_passing_ends_the_process_as_sigkill_does)
{
    ck_assert(is_killed(end_of("mqtt_write")));
    ck_assert(is_killed(end_of("broker_write")));
}
END_TEST

START_TEST(a_number_counts_passings)
{
    ck_assert(is_killed(end_of("broker_write:2")));
    ck_assert_int_eq(end_of("broker_write:4"), 0);
}
END_TEST

START_TEST(something_may_be_done_first)
{
    int status = end_of("broker_write:3");

    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), PASSED);
}
END_TEST

START_TEST(a_name_that_is_none_is_an_error)
{
    int status = end_of("broker_writ");

    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), EXIT_FAILURE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("failpoint");
    TCase *t = tcase_create("failpoint");

    tcase_add_test(t, a_point_is_passed_unless_it_is_named);
    tcase_add_test(t, the_first_passing_ends_the_process_as_sigkill_does);
    tcase_add_test(t, a_number_counts_passings);
    tcase_add_test(t, something_may_be_done_first);
    tcase_add_test(t, a_name_that_is_none_is_an_error);
    suite_add_tcase(s, t);
    return run_suite(s);
}
