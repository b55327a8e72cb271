/*
 * backoff.h - how long to wait before trying again.  Pure.
 */
#ifndef CLI_BACKOFF_H
#define CLI_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define RESTART_FIRST_MS 50u /* with the start itself well within 100 ms */
#define RESTART_MAX_MS 2000u
#define RESTART_STEADY_MS 1000u /* ready for so long: the next death is a first one */

/* Twice the wait before, from first to max; 0 stands for none before. */
unsigned backoff_next(unsigned previous_ms, unsigned first_ms, unsigned max_ms);

/* The wait before a dead child is started again.  previous_ms: the wait that
 * preceded this life, 0 for the first; ready_ms: how long it was ready. */
unsigned backoff_restart(unsigned previous_ms, bool was_ready, uint64_t ready_ms);

#endif
