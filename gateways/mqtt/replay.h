/*
 * replay.h - a filter that starts somewhere else than now: after an ID, since a time,
 * with the last n.
 *
 * Said by a user property of SUBSCRIBE (sluice-after, sluice-since, sluice-last: for all
 * its filters), or by the filter itself:
 *
 *   $after/{id}/{filter}   $last/{n}/{filter}   $share/{name}/$after/{id}/{filter}
 *
 * The subscription's key is the inner filter.  It replays on a cursor of its own (filters
 * of one SUBSCRIBE with the same start: together), beside main's, and joins main when it
 * has come as far:
 *
 *      start ─────replay────▶│ main's cursor ──main──▶
 *
 * It hands over nothing above main's cursor.  What main has handed over since the replay
 * began, for another filter of the session, it leaves out: one copy for all.
 *
 * Loop thread.
 */
#ifndef MQTT_REPLAY_H
#define MQTT_REPLAY_H

#include "session_state.h"

#define REPLAY_CURSORS_MAX 64 /* of one session at a time: more starts are refused */

/* --- words: pure ---------------------------------------------------------------------- */

struct replay_limits {
    uint64_t max_last;
};
/* Set in the arg of START_SINCE: the rest is ms before now, as "10m" was said; so that
 * the same words are the same start whenever they are said. */
#define REPLAY_AGO (UINT64_C(1) << 63)

/* The start that user properties say; START_NOW: none.  MQTT_BAD_FILTER: it makes no
 * sense, or there are two. */
MUST_CHECK enum mqtt_reason replay_props_get(const struct mqtt_props *p,
                                             const struct replay_limits *l, struct start *start);
/* Takes the start off a filter of SUBSCRIBE or UNSUBSCRIBE: *inner, which may point into
 * scratch, is what is left.  *start stays when it says none.  MQTT_BAD_FILTER: malformed,
 * or *start was said already. */
MUST_CHECK enum mqtt_reason replay_filter_get(struct slice filter, const struct replay_limits *l,
                                              struct buf *scratch, struct slice *inner,
                                              struct start *start);
bool replay_same_start(struct start a, struct start b);

/* --- a filter's own cursor -------------------------------------------------------------- */

/* It is known where one more of the session's replays starts (replay_has_begun). */
typedef void (*replay_begun_cb)(struct session *s);
/* The filter replays from sub->start (not START_NOW), or, with `state`, goes on from where
 * replay_state_put left it, once replay_open was called; sub->replay is set until it joins
 * main.  begun and that come later, never from inside this. */
void replay_begin(struct sub *sub, struct reader *state, replay_begun_cb begun);
/* All that have begun are opened: once for a packet's or a session's many. */
void replay_open(struct session *s);
/* Cursors of their own that the session has. */
size_t replay_count(const struct session *s);
/* One that would be a cursor more. */
bool replay_is_another(const struct session *s, struct start start);
/* It is known where it starts (or it does not replay): what comes later is later. */
bool replay_has_begun(const struct sub *sub);
/* For the item of the filter: 17 bytes, or one when it does not replay. */
void replay_state_put(const struct sub *sub, struct buf *value);
/* Takes off what replay_state_put made; *replays: hand a copy of the reader as it was to
 * replay_begin. */
MUST_CHECK bool replay_state_skip(struct reader *value, bool *replays);
/* There is room again: all replays of the session. */
void replay_resume(struct session *s);
/* Unsubscribed, begun anew, or the session ends: idempotent.  Others that replay together
 * with it go on at replay_open. */
void replay_end(struct sub *sub);

#endif
