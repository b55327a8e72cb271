/*
 * replay.c - a filter's own cursor, until it joins main's.
 *
 * Happy path: a subscription of its own hands over what it finds up to main's cursor;
 * at the first event behind that, or when there is no more, the filter becomes one of
 * main's from there on.
 *
 *             beside                 main's cursor, moving on
 *   ──────────────┼────────────────────────┼──────────
 *   ◀─ for this filter alone ─▶◀─ but for what ─▶      ◀─ main's ─▶
 *                                main has sent
 *
 * Main may have handed over an event behind `beside` for another filter; the replay
 * leaves it out.  Without any other filter it just runs to the head and becomes main.
 *
 * Both may stand at the head (main was ahead of the gateway when the replay caught up:
 * rare).  Where main is in the middle of a turn is not known there, so the replay takes
 * nothing, and goes on between turns (on_recheck), from the ring.
 *
 * How it fails: a replay that the broker cannot serve ends the client's connection; its
 * session goes on with it.  What is gone from the log is announced as a gap.
 */
#include "replay.h"

#include <assert.h>

#include <utlist.h>

#include "clock.h"
#include "commit.h"
#include "deliver.h"
#include "event_json.h"
#include "log.h"
#include "mem.h"
#include "topic.h"

#define STATE_SIZE 17      /* flag, cursor, beside */
#define UNKNOWN UINT64_MAX /* a cursor that the broker has yet to tell */
#define RECHECK_MS WHEEL_TICK_MS

struct replay {
    struct reaped reaped; /* first */
    struct replay *prev, *next;
    struct sub *sub;
    struct subscription own;
    struct wheel_timer recheck;
    uint64_t cursor; /* before it has started */
    uint64_t beside;
};

static struct session *session_of(const struct replay *r)
{
    return r->sub->session;
}

static uint64_t cursor_of(const struct replay *r)
{
    return r->own.started ? subscription_cursor(&r->own) : r->cursor;
}

/* It has moved on; what it is written with goes with the events that it handed over. */
static void changed(struct replay *r)
{
    r->sub->dirty = true;
    commit_later(session_of(r));
}

/* --- joining main --------------------------------------------------------------------- */

static void join(struct replay *r, uint64_t cursor)
{
    struct sub *sub = r->sub;

    replay_end(sub);
    subscribe_replay_joined(sub, cursor);
}

/* It has handed over everything up to its cursor. */
static void join_if_there(struct replay *r)
{
    if (cursor_of(r) >= session_cursor(session_of(r)))
        join(r, cursor_of(r));
}

static bool at_heads(const struct replay *r)
{
    const struct session *s = session_of(r);

    return s->main_open && subscription_at_head(&s->main) && subscription_at_head(&r->own);
}

static void recheck(struct replay *r);

static void on_recheck(struct wheel_timer *t)
{
    struct replay *r = CONTAINER_OF(t, struct replay, recheck);

    subscription_resume(&r->own);
    recheck(r);
    join_if_there(r);
}

static void recheck(struct replay *r)
{
    wheel_start(&session_of(r)->mqtt->gateway->wheel, &r->recheck, RECHECK_MS, on_recheck);
}

/* --- handing over ----------------------------------------------------------------------- */

static bool is_own(const struct session *s, const struct event *e)
{
    struct event_props p;

    return event_props_get(e->props, &p) == EVENT_OK && p.origin.p != NULL &&
           slice_eq(p.origin, slice_of(s->id));
}

/* Another filter, one of main's, has it. */
static bool is_mains(const struct replay *r, const struct event *e)
{
    const struct session *s = session_of(r);
    const struct sub *sub;

    if (e->id <= r->beside)
        return false;
    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (sub_is_mains(sub) && e->id > sub->from &&
            filter_match(sub_topic_filter(sub), e->topic) && !(sub->no_local && is_own(s, e)))
            return true;
    return false;
}

/* Main's cursor; without a filter of main's nothing holds the replay back. */
static uint64_t limit(const struct session *s)
{
    const struct sub *sub;

    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (sub_is_mains(sub))
            return session_cursor(s);
    return UINT64_MAX;
}

/* How many of the run are not above main's cursor. */
static size_t count_upto(const struct run *run, uint64_t upto)
{
    size_t n = run->count;

    while (n > 0 && run->entries[n - 1]->e.id > upto)
        n--;
    return n;
}

/* The first n of the run, but for those that main has. */
static void choose(const struct replay *r, const struct run *run, size_t n, struct run *chosen)
{
    run_clear(chosen);
    for (size_t i = 0; i < n; i++)
        if (!is_mains(r, &run->entries[i]->e))
            (void)run_add(chosen, run->entries[i]); /* fits: it is part of a run */
}

/* How many of the first n are done with, when so many of the chosen were taken. */
static size_t count_done(const struct run *run, size_t n, const struct run *chosen, size_t taken)
{
    size_t i = 0;

    if (taken == chosen->count)
        return n;
    while (run->entries[i] != chosen->entries[taken])
        i++;
    return i;
}

static size_t on_events(struct subscription *own, struct run *run)
{
    static struct run chosen; /* loop thread only */
    struct replay *r = own->data;
    struct session *s = session_of(r);
    uint64_t upto = limit(s), cursor = cursor_of(r);
    size_t n = count_upto(run, upto), taken = 0, done;

    if (at_heads(r)) {
        recheck(r);
        return 0;
    }
    choose(r, run, n, &chosen);
    if (chosen.count > 0)
        taken = deliver_run(s, &chosen, r->sub, DELIVER_PUBLISHED);
    done = count_done(run, n, &chosen, taken);
    changed(r);
    if (done == n && n < run->count)
        join(r, upto > cursor ? upto : cursor);
    return done;
}

/* --- its other callbacks ------------------------------------------------------------------ */

static void on_gap(struct subscription *own, const struct gap *gap)
{
    struct replay *r = own->data;

    deliver_gap(session_of(r), gap);
    changed(r);
}

static void on_started(struct subscription *own, uint64_t cursor, const struct gap *gap)
{
    struct replay *r = own->data;

    (void)cursor; /* cursor_of says it */
    if (gap != NULL)
        on_gap(own, gap);
    changed(r);
    join_if_there(r);
}

static void on_caught_up(struct subscription *own)
{
    struct replay *r = own->data;

    recheck(r);
    join_if_there(r);
}

static void on_failed(struct subscription *own, enum sluice_error error, struct slice text)
{
    struct replay *r = own->data;

    (void)error;
    log_warn("a replay cannot be served", LOG_S("client", session_of(r)->id),
             LOG_S("filter", r->sub->filter), LOG_SLICE("why", text));
    subscription_close(own);
    client_end(session_of(r)->client, MQTT_UNSPECIFIED, "the replay cannot be served");
}

static const struct subscription_ops ops = {.started = on_started,
                                            .events = on_events,
                                            .gap = on_gap,
                                            .failed = on_failed,
                                            .caught_up = on_caught_up};

/* --- its life ------------------------------------------------------------------------------- */

static struct start resolve(struct start start)
{
    uint64_t ago, now;

    if (start.kind != START_SINCE || (start.arg & REPLAY_AGO) == 0)
        return start;
    ago = start.arg & ~REPLAY_AGO;
    now = clock_ms();
    start.arg = ago < now ? now - ago : 0;
    return start;
}

static void state_get(struct reader *state, struct replay *r)
{
    (void)reader_u8(state);
    r->cursor = reader_u64(state);
    r->beside = reader_u64(state);
}

void replay_begin(struct sub *sub, struct reader *state)
{
    struct replay *r = mem_zalloc(sizeof *r);
    struct session *s = sub->session;
    struct slice filter = sub_topic_filter(sub);
    struct start start = resolve(sub->start);

    assert(sub->replay == NULL && start.kind != START_NOW);
    r->sub = sub;
    r->cursor = UNKNOWN;
    r->beside = session_cursor(s);
    if (state != NULL)
        state_get(state, r);
    if (r->cursor != UNKNOWN)
        start = (struct start){START_AFTER, r->cursor};
    sub->replay = r;
    DL_APPEND(s->replays, r);
    subscription_open(&r->own, s->mqtt->gateway->hub, &filter, 1, start, &ops, r);
}

void replay_state_put(const struct sub *sub, struct buf *value)
{
    buf_u8(value, sub->replay != NULL);
    if (sub->replay == NULL)
        return;
    buf_u64(value, cursor_of(sub->replay));
    buf_u64(value, sub->replay->beside);
}

bool replay_state_skip(struct reader *value, bool *replays)
{
    uint8_t flag = reader_u8(value);

    *replays = flag == 1;
    if (*replays)
        (void)reader_bytes(value, STATE_SIZE - 1);
    return flag <= 1 && !value->bad;
}

void replay_resume(struct session *s)
{
    struct replay *r;

    DL_FOREACH (s->replays, r)
        subscription_resume(&r->own);
}

void replay_end(struct sub *sub)
{
    struct replay *r = sub->replay;
    struct session *s = sub->session;

    if (r == NULL)
        return;
    sub->replay = NULL;
    DL_DELETE(s->replays, r);
    wheel_stop(&r->recheck);
    subscription_close(&r->own);
    reaper_take(&s->mqtt->gateway->reaper, &r->reaped);
}
