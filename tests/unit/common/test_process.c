/*
 * Signals and draining, the ready byte, folders.
 */
#include "fixture.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct process *p;
static unsigned reloads, drains, abandons, closed;

static void on_reload(void *arg)
{
    (void)arg;
    reloads++;
}

static void on_drain(void *arg)
{
    (void)arg;
    drains++;
}

static void on_abandon(void *arg)
{
    (void)arg;
    abandons++;
}

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
}

static void start(uint64_t drain_ms)
{
    static const struct process_ops ops = {on_reload, on_drain, on_abandon};

    p = process_start(&loop, drain_ms, &ops, NULL);
}

static void begin(void)
{
    reloads = drains = abandons = closed = 0;
    loop_begin();
}

static void end(void)
{
    process_close(p, on_closed, NULL);
    ck_assert_uint_eq(closed, 0);
    loop_end();
    ck_assert_uint_eq(closed, 1);
}

START_TEST(the_first_signal_drains_and_the_second_abandons)
{
    start(60000);
    (void)raise(_i == 0 ? SIGTERM : SIGINT);
    RUN_UNTIL(drains == 1);
    ck_assert_uint_eq(abandons, 0);
    RUN_UNTIL(raise(SIGTERM) != 0 || abandons == 1); /* the first ones count as one */
    ck_assert_uint_eq(drains, 1);
}
END_TEST

START_TEST(a_signal_told_twice_at_once_drains)
{
    start(60000);
    (void)raise(SIGTERM);
    RUN_UNTIL(drains == 1);
    (void)raise(SIGTERM);
    (void)raise(SIGHUP);
    for (unsigned i = 0; i < 5; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_uint_eq(abandons, 0);
}
END_TEST

START_TEST(draining_that_takes_too_long_is_abandoned_once)
{
    start(1);
    (void)raise(SIGTERM);
    RUN_UNTIL(abandons == 1);
    (void)raise(SIGTERM);
    (void)raise(SIGHUP); /* arrives after it, and reloads nothing */
    for (unsigned i = 0; i < 5; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_uint_eq(abandons, 1);
    ck_assert_uint_eq(reloads, 0);
}
END_TEST

START_TEST(a_hangup_reloads)
{
    start(60000);
    (void)raise(SIGHUP);
    RUN_UNTIL(reloads == 1);
    ck_assert_uint_eq(drains, 0);
}
END_TEST

START_TEST(a_broken_pipe_is_an_error_and_not_the_end)
{
    int fds[2];

    start(60000);
    ck_assert_int_eq(pipe(fds), 0);
    (void)close(fds[0]);
    ck_assert_int_eq(write(fds[1], "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    (void)close(fds[1]);
}
END_TEST

START_TEST(open_files_are_limited_by_the_hard_limit_alone)
{
    struct rlimit r;

    start(60000);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
    ck_assert(r.rlim_cur == r.rlim_max);
}
END_TEST

START_TEST(ready_is_one_byte_and_the_end)
{
    char text[8];
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    process_ready(fds[1]);
    process_ready(-1);
    ck_assert_int_eq(read(fds[0], text, sizeof text), 1);
    ck_assert_int_eq(read(fds[0], text, sizeof text), 0);
    (void)close(fds[0]);
}
END_TEST

static char folder[] = "/tmp/test_process_XXXXXX";

static void begin_folder(void)
{
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void end_folder(void)
{
    static const char *const inside[] = {"a/b/c", "a/b", "a", "f"};
    char path[128];

    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, inside[i]);
        (void)remove(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

static const char *in_folder(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

START_TEST(folders_are_made_with_those_above_them)
{
    struct stat st;

    (void)umask(022); /* process_start, of a test before, has set another */
    ck_assert_int_eq(process_mkdir(in_folder("a/b//c/"), 0750), 0);
    ck_assert_int_eq(stat(in_folder("a/b/c"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0750);
    ck_assert_int_eq(process_mkdir(in_folder("a/b"), 0750), 0);
}
END_TEST

START_TEST(a_file_in_the_way_is_an_error)
{
    int fd = open(in_folder("f"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    ck_assert_int_eq(process_mkdir(in_folder("f"), 0750), -ENOTDIR);
    ck_assert_int_eq(process_mkdir(in_folder("f/g"), 0750), -ENOTDIR);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("process");
    TCase *signals = tcase_create("signals"), *rest = tcase_create("rest");

    tcase_add_checked_fixture(signals, begin, end);
    tcase_add_loop_test(signals, the_first_signal_drains_and_the_second_abandons, 0, 2);
    tcase_add_test(signals, a_signal_told_twice_at_once_drains);
    tcase_add_test(signals, draining_that_takes_too_long_is_abandoned_once);
    tcase_add_test(signals, a_hangup_reloads);
    tcase_add_test(signals, a_broken_pipe_is_an_error_and_not_the_end);
    tcase_add_test(signals, open_files_are_limited_by_the_hard_limit_alone);
    suite_add_tcase(s, signals);
    tcase_add_checked_fixture(rest, begin_folder, end_folder);
    tcase_add_test(rest, ready_is_one_byte_and_the_end);
    tcase_add_test(rest, folders_are_made_with_those_above_them);
    tcase_add_test(rest, a_file_in_the_way_is_an_error);
    suite_add_tcase(s, rest);
    return run_suite(s);
}
