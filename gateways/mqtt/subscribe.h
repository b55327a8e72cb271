/*
 * subscribe.h - the filters of a session: SUBSCRIBE and UNSUBSCRIBE, and the main cursor
 * over them.
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
void session_sub_remove(struct sub *sub); /* closes its replay, leaves its group */

/* Opens main over all plain filters that do not replay, at the session's cursor, or
 * closes it, keeping the cursor. */
void session_main_open(struct session *s);
void session_main_close(struct session *s);
/* Where it stands. */
uint64_t session_cursor(const struct session *s);

/* retained.c: all that was asked for by retained_begin has been sent. */
void subscribe_retained_done(struct session *s);
/* replay.c: the filter's own cursor stands at `cursor`, not before main's: from now on it
 * is one of main's.  replay is freed by the caller, which has set sub->replay to NULL. */
void subscribe_replay_joined(struct sub *sub, uint64_t cursor);

#endif
