/*
 * event_json.h - the JSON form of an event (DESIGN 2.7), both ways.
 */
#ifndef PROTO_EVENT_JSON_H
#define PROTO_EVENT_JSON_H

#include "event.h"

/* One JSON object, no newline.  `origin` is never shown. */
void event_json_put(struct buf *b, const struct event *e);
/* The members alone, without the braces: WebSocket adds its own. */
void event_json_put_members(struct buf *b, const struct event *e);
/* {"requested":"…","resumed_from":"…","removed_to":"…","reason":"…"} */
void gap_json_put(struct buf *b, const struct gap *g);
void time_put_rfc3339(struct buf *b, uint64_t ms); /* 2026-01-31T10:00:00.123Z */
/* RFC 3339 with any offset, or false. */
bool time_get_rfc3339(struct slice s, uint64_t *ms);

/* A publish in JSON form.  Everything is copied into `store`, which must
 * outlive the event and be empty at first; on success *e points into it.
 * Reads topic, type, content_type, retain, expiry, response_topic,
 * correlation_data, properties, producer, payload_format, qos is not a member,
 * and data | data_base64.  `id` and `time` are refused, as is an unknown
 * member, unless `allow` (a NULL-terminated list of names, or NULL) names it.
 *
 * flags say which members may be absent or are given elsewhere: */
enum event_json_in {
    EVENT_JSON_TOPIC_OPTIONAL = 1, /* else a missing topic is an error */
    EVENT_JSON_NO_PAYLOAD = 2,     /* the payload travels apart: data refused */
};
/* On failure returns false and *why names the member and what is wrong, as a
 * static text with no full stop; *field is the member's name. */
bool event_json_get(struct slice json, unsigned flags, const char *const *allow,
                    struct buf *store, struct event *e, const char **field,
                    const char **why);

#endif
