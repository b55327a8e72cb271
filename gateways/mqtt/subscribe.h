/*
 * subscribe.h - the filters of a session: SUBSCRIBE and UNSUBSCRIBE (subscribe.c), and
 * the main cursor over them (filters.c).
 */
#ifndef MQTT_SUBSCRIBE_H
#define MQTT_SUBSCRIBE_H

#include "session.h"

/* "$share/{name}/{filter}" taken apart.  False: not of that form. */
bool subscribe_share_parse(struct slice text, struct slice *name, struct slice *filter);
/* The filter that the hub and retained messages know: without "$share/…". */
struct slice sub_topic_filter(const struct sub *s);

struct sub *session_sub_find(const struct session *s, struct slice filter);
struct sub *session_sub_add(struct session *s, struct slice filter);
/* Ends its replay, leaves its group, frees it; its item is dropped with the next WRITE. */
void session_sub_remove(struct sub *sub);
void session_subs_free(struct session *s);

/* Opens main over all plain filters that do not replay, at the session's cursor, if it may
 * be open now: nothing is being sent again, no SUBSCRIBE holds it.  Or closes it, keeping
 * the cursor.  Idempotent. */
void session_main_open(struct session *s);
void session_main_close(struct session *s);
/* Where it stands; without a filter of main's, with the gateway. */
uint64_t session_cursor(const struct session *s);
/* Nothing of main's filters is between its cursor and the gateway's position. */
bool session_at_head(const struct session *s);
static inline bool sub_is_mains(const struct sub *s)
{
    return s->kind == SUB_PLAIN && s->replay == NULL;
}

/* What was being written is written (session.c), or a replay has begun (replay.c). */
void subscribe_go_on(struct session *s);
void subscribe_end(struct session *s); /* the session ends; idempotent */
bool subscribe_holds_main(const struct session *s);
/* retained.c: all that was asked for by retained_begin has been sent. */
void subscribe_retained_done(struct session *s);
/* replay.c: the filter's own cursor stands at `cursor`, not before main's: from now on it
 * is one of main's.  replay is freed by the caller, which has set sub->replay to NULL. */
void subscribe_replay_joined(struct sub *sub, uint64_t cursor);

#endif
