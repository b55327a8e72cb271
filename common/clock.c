/*
 * clock.c - the clocks, and the test's hand on them.
 *
 * Nothing here fails: a machine without CLOCK_REALTIME or CLOCK_MONOTONIC is
 * not one that we run on.
 */
#include <assert.h>
#include <stddef.h>
#include <time.h>

#include "clock.h"

/* Atomic because worker threads read the clock too; the argument is stored
 * first, so whoever sees the function sees its argument. */
static uint64_t (*_Atomic replacement)(void *arg);
static void *_Atomic replacement_arg;
static _Atomic int64_t set_off;

static uint64_t read_clock(clockid_t id)
{
    uint64_t (*fn)(void *arg) = replacement;
    struct timespec ts;
    int rc;

    if (fn != NULL)
        return fn(replacement_arg);
    rc = clock_gettime(id, &ts);
    assert(rc == 0);
    (void)rc;
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_ms(void)
{
    return read_clock(CLOCK_REALTIME) + (uint64_t)set_off;
}

uint64_t clock_boot_ms(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_mono_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_replace(uint64_t (*fn)(void *arg), void *arg)
{
    replacement_arg = arg;
    replacement = fn;
}

void clock_set_off(int64_t ms)
{
    set_off = ms;
}
