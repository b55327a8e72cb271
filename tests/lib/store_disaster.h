/*
 * store_disaster.h - a process killed in the middle of its work, and a disk
 * that fills; for tests on store_fixture.h.
 *
 * The killed process is a child that opens the store in the test's folder, which
 * the test has closed, and runs its loop.  The disk is this process's limit on
 * the size of a file: begin_limited is the fixture of such a test.
 */
#ifndef TESTS_BROKER_STORE_DISASTER_H
#define TESTS_BROKER_STORE_DISASTER_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store_fixture.h"

static inline void live(void (*start)(void))
{
    if (uv_loop_init(&loop) != 0 || !try_open())
        _exit(1);
    start();
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(0);
}

static inline void live_for(unsigned ms, void (*start)(void))
{
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0)
        live(start);
    uv_sleep(ms);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

static struct rlimit limit_before;

static inline void limit_files(rlim_t bytes)
{
    struct rlimit limit = {bytes, limit_before.rlim_max};

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static inline void unlimit_files(void)
{
    limit_files(limit_before.rlim_cur);
}

static inline void begin_limited(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit_before), 0);
    begin_open();
}

static inline enum sluice_error publish_large(void)
{
    static char large[65536];
    struct store_event ev;
    struct store_request r;

    memset(large, 'x', sizeof large - 1);
    ev = event_of("a", large);
    return submit_event(&ev, &r);
}

/* To the last page: what is small would fit where nothing large does. */
static inline void fill_disk(void)
{
    struct store_event ev = event_of("a", "small");
    struct store_request r;

    limit_files(1 << 20);
    while (publish_large() == ERR_NONE)
        ;
    while (submit_event(&ev, &r) == ERR_NONE)
        ;
}

#endif
