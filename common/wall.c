/*
 * wall.c - the wall clock, held against one that nobody can set.
 */
#include "wall.h"

#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "event.h"
#include "log.h"

#define DRIFT 2000u /* 500 ppm, the most that NTP slews, is one part in so many */

static struct {
    pthread_mutex_t lock;
    bool begun;
    struct wall_rules rules;
    uint64_t last_ms;  /* of the log, at the start */
    int64_t offset;    /* believed time - monotonic time */
    uint64_t looked;   /* monotonic; when that was last brought up to date */
    bool held, unsure; /* unsure: since the start, so any likely clock is believed */
    int64_t step;
    uint64_t since;
} wall = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t distance(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)(a - b) : (uint64_t)(b - a);
}

/* Not before the log's last time, and not far behind it. */
static bool is_likely(uint64_t clock, uint64_t last)
{
    if (last == 0)
        return clock >= EVENT_ID_EPOCH_MS;
    return clock + wall.rules.step_ms >= last && clock <= last + wall.rules.away_ms;
}

static void hold(int64_t step, uint64_t now, const char *what)
{
    wall.held = true;
    wall.step = step;
    wall.since = now;
    log_warn(what, LOG_I("step_ms", step), LOG_U("settle_ms", wall.rules.settle_ms));
}

static void follow(int64_t step, const char *what)
{
    wall.offset += step;
    wall.held = wall.unsure = false;
    log_warn(what, LOG_I("step_ms", step));
}

/* The clock is `step` away from the time believed, more than it may. */
static void step_seen(int64_t step, uint64_t clock, uint64_t now)
{
    if (wall.unsure && is_likely(clock, wall.last_ms))
        follow(step, "the clock was set to a likely time, which is believed");
    else if (!wall.held)
        hold(step, now,
             "the clock has stepped: time goes on without it until it stands or "
             "`sluice clock accept` says that it is right");
    else if (distance(step, wall.step) > wall.rules.step_ms)
        hold(step, now, "the clock has stepped again");
    else if (wall.rules.settle_ms != 0 && now - wall.since >= wall.rules.settle_ms)
        follow(step, "the clock's step has stood: it is believed");
}

static void look(void)
{
    uint64_t now = clock_boot_ms(), clock = clock_ms();
    int64_t step = (int64_t)clock - ((int64_t)now + wall.offset);
    uint64_t most = wall.rules.step_ms + (now - wall.looked) / DRIFT;

    wall.looked = now;
    if (distance(step, 0) > most) {
        step_seen(step, clock, now);
        return;
    }
    if (wall.held)
        log_info("the clock is back");
    wall.held = wall.unsure = false;
    wall.offset += step;
}

void wall_begin(const struct wall_rules *rules, uint64_t last_ms)
{
    uint64_t now = clock_boot_ms(), clock = clock_ms(), believed = clock;

    pthread_mutex_lock(&wall.lock);
    wall.begun = true;
    wall.rules = *rules;
    wall.last_ms = last_ms;
    wall.looked = now;
    wall.held = wall.unsure = false;
    if (!is_likely(clock, last_ms)) {
        believed = last_ms != 0 ? last_ms : EVENT_ID_EPOCH_MS;
        wall.unsure = true;
    }
    wall.offset = (int64_t)believed - (int64_t)now;
    if (wall.unsure)
        hold((int64_t)clock - (int64_t)believed, now,
             "the clock is far from the log's last event: time goes on from there until it "
             "stands or `sluice clock accept` says that it is right");
    pthread_mutex_unlock(&wall.lock);
}

uint64_t wall_ms(void)
{
    uint64_t ms;

    pthread_mutex_lock(&wall.lock);
    if (wall.begun)
        look();
    ms = wall.begun ? (uint64_t)((int64_t)clock_boot_ms() + wall.offset) : clock_ms();
    pthread_mutex_unlock(&wall.lock);
    return ms;
}

struct wall_state wall_look(void)
{
    struct wall_state s;

    pthread_mutex_lock(&wall.lock);
    if (wall.begun)
        look();
    s = (struct wall_state){wall.held, wall.held ? wall.step : 0, wall.since,
                            wall.held ? wall.looked - wall.since : 0};
    pthread_mutex_unlock(&wall.lock);
    return s;
}

bool wall_accept(void)
{
    bool was;

    pthread_mutex_lock(&wall.lock);
    if (wall.begun)
        look();
    was = wall.held;
    if (was)
        follow((int64_t)clock_ms() - ((int64_t)clock_boot_ms() + wall.offset),
               "somebody says that the clock is right");
    pthread_mutex_unlock(&wall.lock);
    return was;
}
