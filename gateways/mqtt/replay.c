/*
 * replay.c - a cursor of its own for filters that replay, until they join main's.
 *
 * Filters that begin together, from the same start, replay together: in one order, and
 * what several of them match is one copy.
 *
 * Happy path: a subscription of their own hands over what it finds up to main's cursor;
 * at the first event behind that, or when there is no more, the filters become main's
 * from there on.
 *
 *                     beside               main's cursor, moving on
 *   ────────────────────┼────────────────────┼────────────
 *     all that it finds │ but what main sent │ main's
 *
 * Main may have handed over an event behind `beside` for another filter; the replay
 * leaves it out.  Without any other filter it just runs to the head and becomes main.
 *
 * Both may stand at the head (main was ahead of the gateway when the replay caught up:
 * rare).  Where main is in the middle of a turn is not known there, so the replay takes
 * nothing, and goes on between turns (replay_on_recheck), from the ring.
 *
 * How it fails: a replay that the broker cannot serve ends the client's connection; its
 * session goes on with it.  What is gone from the log is announced as a gap.
 */
#include "replay.h"

#include <assert.h>

#include <utlist.h>

#include "clock.h"
#include "deliver.h"
#include "event_json.h"
#include "log.h"
#include "main_cursor.h"
#include "mem.h"
#include "topic.h"

#define STATE_SIZE 17      /* flag, cursor, beside */
#define UNKNOWN UINT64_MAX /* a cursor that the broker has yet to tell */
#define RECHECK_MS WHEEL_TICK_MS

struct replay {
    struct reaped reaped; /* first */
    struct replay *prev, *next;
    struct session *session;
    uint32_t count; /* filters: those whose sub->replay this is */
    struct start start;
    replay_begun_cb begun;
    bool open; /* own is */
    struct subscription own;
    struct wheel_timer recheck;
    uint64_t cursor; /* before it has started */
    uint64_t beside;
};

/* Its next filter behind `sub`; NULL: the first. */
static struct sub *replay_filter_next(const struct replay *r, const struct sub *sub)
{
    struct sub *next = sub != NULL ? sub->next : r->session->subs;

    while (next != NULL && next->replay != r)
        next = next->next;
    return next;
}

static uint64_t replay_cursor_of(const struct replay *r)
{
    return r->own.started ? subscription_cursor(&r->own) : r->cursor;
}

/* It has moved on; what it is written with goes with the events that it handed over. */
static void replay_changed(struct replay *r)
{
    for (struct sub *sub = replay_filter_next(r, NULL); sub != NULL;
         sub = replay_filter_next(r, sub))
        sub->dirty = true;
    session_commit_later(r->session);
}

/* --- joining main --------------------------------------------------------------------- */

static void replay_close(struct replay *r)
{
    DL_DELETE(r->session->replays, r);
    wheel_stop(&r->recheck);
    if (r->open)
        subscription_close(&r->own);
    reaper_take(&r->session->mqtt->gateway->reaper, &r->reaped);
}

static void replay_join(struct replay *r, uint64_t cursor)
{
    replay_close(r);
    main_cursor_join(r->session, r, cursor);
}

/* It has handed over everything up to its cursor. */
static void replay_join_if_there(struct replay *r)
{
    if (replay_cursor_of(r) >= session_cursor(r->session))
        replay_join(r, replay_cursor_of(r));
}

static bool replay_at_heads(const struct replay *r)
{
    const struct session *s = r->session;

    return s->main_open && subscription_at_head(&s->main) && subscription_at_head(&r->own);
}

static void replay_recheck(struct replay *r);

static void replay_on_recheck(struct wheel_timer *t)
{
    struct replay *r = CONTAINER_OF(t, struct replay, recheck);

    subscription_resume(&r->own);
    replay_recheck(r);
    replay_join_if_there(r);
}

static void replay_recheck(struct replay *r)
{
    wheel_start(&r->session->mqtt->gateway->wheel, &r->recheck, RECHECK_MS, replay_on_recheck);
}

/* --- handing over ----------------------------------------------------------------------- */

/* Another filter, one of main's, has it. */
static bool replay_is_mains(const struct replay *r, const struct event *e)
{
    const struct session *s = r->session;
    const struct sub *sub;

    if (e->id <= r->beside)
        return false;
    DL_FOREACH (s->subs, sub)
        if (sub_is_mains(sub) && e->id > sub->from &&
            filter_match(sub_topic_filter(sub), e->topic) &&
            !(sub->no_local && delivery_is_own(s, e)))
            return true;
    return false;
}

/* Main's cursor; without a filter of main's nothing holds the replay back. */
static uint64_t replay_limit(const struct session *s)
{
    return session_has_mains(s) ? session_cursor(s) : UINT64_MAX;
}

/* How many of the run are not above main's cursor. */
static size_t replay_count_upto(const struct run *run, uint64_t upto)
{
    size_t n = run->count;

    while (n > 0 && run->entries[n - 1]->e.id > upto)
        n--;
    return n;
}

/* The first n of the run, but for those that main has. */
static void replay_choose(const struct replay *r, const struct run *run, size_t n,
                          struct run *chosen)
{
    run_clear(chosen);
    for (size_t i = 0; i < n; i++)
        if (!replay_is_mains(r, &run->entries[i]->e))
            (void)run_add(chosen, run->entries[i]); /* fits: it is part of a run */
}

/* How many of the first n are done with, when so many of the chosen were taken. */
static size_t replay_count_done(const struct run *run, size_t n, const struct run *chosen,
                                size_t taken)
{
    size_t i = 0;

    if (taken == chosen->count)
        return n;
    while (run->entries[i] != chosen->entries[taken])
        i++;
    return i;
}

static size_t replay_on_events(struct subscription *own, struct run *run)
{
    struct replay *r = own->data;
    struct session *s = r->session;
    struct run *chosen = &s->mqtt->run;
    uint64_t upto = replay_limit(s), cursor = replay_cursor_of(r);
    size_t n = replay_count_upto(run, upto), taken = 0, done;

    if (replay_at_heads(r)) {
        replay_recheck(r);
        return 0;
    }
    replay_choose(r, run, n, chosen);
    if (chosen->count > 0)
        taken = deliver_run(s, chosen, replay_filter_next(r, NULL), DELIVER_REPLAYED);
    done = replay_count_done(run, n, chosen, taken);
    replay_changed(r);
    if (done == n && n < run->count)
        replay_join(r, upto > cursor ? upto : cursor);
    return done;
}

/* --- its other callbacks ------------------------------------------------------------------ */

static void replay_on_gap(struct subscription *own, const struct gap *gap)
{
    struct replay *r = own->data;

    deliver_gap(r->session, gap);
    replay_changed(r);
}

static void replay_on_started(struct subscription *own, uint64_t cursor, const struct gap *gap)
{
    struct replay *r = own->data;

    (void)cursor; /* replay_cursor_of says it */
    if (gap != NULL)
        replay_on_gap(own, gap);
    replay_changed(r);
    r->begun(r->session);
}

static void replay_on_caught_up(struct subscription *own)
{
    struct replay *r = own->data;

    replay_recheck(r);
    replay_join_if_there(r);
}

static void replay_on_failed(struct subscription *own, enum sluice_error error, struct slice text)
{
    struct replay *r = own->data;

    (void)error;
    log_warn("a replay cannot be served", LOG_S("client", r->session->id),
             LOG_S("filter", replay_filter_next(r, NULL)->filter), LOG_SLICE("why", text));
    subscription_close(own);
    client_end(r->session->client, MQTT_UNSPECIFIED, "the replay cannot be served");
}

static const struct subscription_ops replay_ops = {.started = replay_on_started,
                                                   .events = replay_on_events,
                                                   .gap = replay_on_gap,
                                                   .failed = replay_on_failed,
                                                   .caught_up = replay_on_caught_up};

/* --- its life ------------------------------------------------------------------------------- */

static struct start replay_resolve(struct start start)
{
    uint64_t ago, now;

    if (start.kind != START_SINCE || (start.arg & REPLAY_AGO) == 0)
        return start;
    ago = start.arg & ~REPLAY_AGO;
    now = clock_ms();
    start.arg = ago < now ? now - ago : 0;
    return start;
}

/* From its start, or from where it stands. */
static void replay_own_open(struct replay *r)
{
    struct slice filters[WIRE_FILTERS_MAX];
    struct start from = {START_AFTER, r->cursor};
    size_t n = 0;

    for (struct sub *sub = replay_filter_next(r, NULL); sub != NULL;
         sub = replay_filter_next(r, sub))
        filters[n++] = sub_name(sub);
    assert(n == r->count);
    r->open = true;
    subscription_open(&r->own, r->session->mqtt->gateway->hub, filters, n,
                      r->cursor != UNKNOWN ? from : replay_resolve(r->start), &replay_ops, r);
}

/* Its filters are others now: replay_open opens it again where it stood. */
static void replay_own_shut(struct replay *r)
{
    if (!r->open)
        return;
    r->cursor = replay_cursor_of(r);
    r->open = false;
    subscription_close(&r->own);
}

/* One that begins at this very moment from just there. */
static struct replay *replay_find(const struct session *s, struct start start, uint64_t cursor,
                                  uint64_t beside)
{
    struct replay *r;

    DL_FOREACH (s->replays, r)
        if (!r->own.started && r->cursor == cursor && r->beside == beside &&
            replay_same_start(r->start, start))
            return r;
    return NULL;
}

static struct replay *replay_make(struct session *s, struct start start, uint64_t cursor,
                                  uint64_t beside)
{
    struct replay *r = mem_zalloc(sizeof *r);

    r->session = s;
    r->start = start;
    r->cursor = cursor;
    r->beside = beside;
    DL_APPEND(s->replays, r);
    return r;
}

void replay_begin(struct sub *sub, struct reader *state, replay_begun_cb begun)
{
    struct session *s = sub->session;
    uint64_t cursor = UNKNOWN, beside = session_cursor(s);
    struct replay *r;

    assert(sub->replay == NULL && sub->start.kind != START_NOW);
    if (state != NULL) {
        (void)reader_u8(state);
        cursor = reader_u64(state);
        beside = reader_u64(state);
    }
    r = replay_find(s, sub->start, cursor, beside);
    if (r == NULL)
        r = replay_make(s, sub->start, cursor, beside);
    r->begun = begun;
    sub->replay = r;
    r->count++;
    replay_own_shut(r);
}

void replay_open(struct session *s)
{
    struct replay *r;

    DL_FOREACH (s->replays, r)
        if (!r->open)
            replay_own_open(r);
}

size_t replay_count(const struct session *s)
{
    struct replay *r;
    int n = 0;

    DL_COUNT(s->replays, r, n);
    return (size_t)n;
}

bool replay_is_another(const struct session *s, struct start start)
{
    return replay_find(s, start, UNKNOWN, session_cursor(s)) == NULL;
}

bool replay_has_begun(const struct sub *sub)
{
    return sub->replay == NULL || sub->replay->own.started;
}

void replay_state_put(const struct sub *sub, struct buf *value)
{
    buf_u8(value, sub->replay != NULL);
    if (sub->replay == NULL)
        return;
    buf_u64(value, replay_cursor_of(sub->replay));
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
        if (r->open)
            subscription_resume(&r->own);
}

void replay_end(struct sub *sub)
{
    struct replay *r = sub->replay;

    if (r == NULL)
        return;
    sub->replay = NULL;
    if (--r->count > 0)
        replay_own_shut(r);
    else
        replay_close(r);
}
