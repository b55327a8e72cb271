/*
 * clock.h - time, replaceable in tests.  Any thread.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);      /* UTC, ms since 1970 */
uint64_t clock_mono_ms(void); /* monotonic, any origin */
/* Tests: from now on both clocks answer fn(arg); NULL restores them. */
void clock_replace(uint64_t (*fn)(void *arg), void *arg);

#endif
