/*
 * wall.h - what time the log takes it to be.
 *
 * The wall clock is believed while it goes as the monotonic one does.  When it steps by more
 * than NTP would ever slew, time goes on by the monotonic clock alone, until the step is
 * taken back, has stood for a while, or somebody says that it is right.  So neither
 * retention nor IDs follow a clock that is wrong for a moment.
 *
 *   believed ──step──▶ held ──▶ believed: it came back, stood for settle_ms, or wall_accept
 *
 * A start looks at the log's last time: a clock before it, or far behind it, is held likewise,
 * and time begins at the log's.  One of a process; any thread.
 */
#ifndef COMMON_WALL_H
#define COMMON_WALL_H

#include <stdbool.h>
#include <stdint.h>

struct wall_rules {
    uint64_t step_ms;   /* a smaller step is followed at once */
    uint64_t away_ms;   /* so far after the log's last time a start may be */
    uint64_t settle_ms; /* a step that has stood so long is followed; 0: never by itself */
};

struct wall_state {
    bool held;
    int64_t step_ms;   /* from the time believed to the clock */
    uint64_t since_ms; /* monotonic */
    uint64_t held_ms;  /* how long by now */
};

/* Before there are threads.  last_ms: of the log, UTC; 0: it has none. */
void wall_begin(const struct wall_rules *rules, uint64_t last_ms);
uint64_t wall_ms(void); /* UTC, ms since 1970 */
struct wall_state wall_look(void);
bool wall_accept(void); /* the clock is right; false: it is believed already */

#endif
