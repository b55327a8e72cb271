/*
 * clock.h - time, replaceable in tests.  Any thread.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);      /* UTC, ms since 1970 */
uint64_t clock_mono_ms(void); /* monotonic, any origin */
uint64_t clock_boot_ms(void); /* the same, and goes on while the machine sleeps */
/* Tests: from now on all clocks answer fn(arg); NULL restores them. */
void clock_replace(uint64_t (*fn)(void *arg), void *arg);
/* Tests: so much is added to clock_ms alone, as if it had been set. */
void clock_set_off(int64_t ms);

#endif
