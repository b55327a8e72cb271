/*
 * retained.h - retained messages at subscribing (MQTT 5.0, 3.3.1.3).
 *
 * While main is closed for a SUBSCRIBE the retained messages of its filters are read
 * from the broker, page by page, and handed to deliver_run.  What is newer than where
 * the filter begins comes live and is skipped here, so main has to open behind this.
 * A walk holds a page only while it hands it over: a client that is full costs a name.
 *
 * Loop thread.
 */
#ifndef MQTT_RETAINED_H
#define MQTT_RETAINED_H

#include "session_state.h"

/* All of them were sent, or could not be had. */
typedef void (*retained_done_cb)(struct session *s);
/* For these plain filters, one after the other.  done comes once, later, never from inside,
 * unless retained_end does.  None is under way. */
void retained_begin(struct session *s, struct sub *const *subs, size_t count,
                    retained_done_cb done);
bool retained_waits(const struct session *s); /* for room at the client */
/* There is room again. */
void retained_resume(struct session *s);
/* The session ends; idempotent. */
void retained_end(struct session *s);

#endif
