/*
 * event_json.h - the JSON form of an event (DESIGN 2.7), both ways.
 */
#ifndef PROTO_EVENT_JSON_H
#define PROTO_EVENT_JSON_H

#include "event.h"
#include "json.h"

/* A JSON payload nested deeper is shown as text, so that whatever an event's form
 * stands in ({"events":[…]}) is within JSON_DEPTH_MAX. */
#define EVENT_JSON_DEPTH_MAX (JSON_DEPTH_MAX - 4)

/* application/json or anything +json, in any case, parameters ignored. */
bool event_json_is_content_type(struct slice content_type);

/* One JSON object, no newline.  `origin` and `qos` are never shown.
 *
 * The payload goes as `data`, its own JSON byte for byte (line breaks outside
 * strings become spaces), when its content type is JSON and it is valid; else as
 * `data`, a string, when it is UTF-8; else as `data_base64`. */
void event_json_put(struct buf *b, const struct event *e);
/* The members alone, without the braces: WebSocket adds its own. */
void event_json_put_members(struct buf *b, const struct event *e);
/* One JSON object of what is neither topic, ID nor payload: these travel apart in ZeroMQ. */
void event_json_put_headers(struct buf *b, const struct event *e);
/* {"requested":"…","resumed_from":"…","removed_to":"…","reason":"…"} */
void event_json_put_gap(struct buf *b, const struct gap *g);
void event_json_put_id(struct buf *b, uint64_t id); /* a quoted decimal; null for 0, no ID */
/* 2026-01-31T10:00:00.123Z; what lies beyond the year 9999 shows as its end. */
void time_put_rfc3339(struct buf *b, uint64_t ms);
/* RFC 3339 with any offset, or false.  What is finer than a millisecond is cut
 * off; a time before 1970 is 1970. */
bool time_get_rfc3339(struct slice s, uint64_t *ms) MUST_CHECK;

/* A publish in JSON form.  Everything is copied into `store`, which must
 * outlive the event and be empty at first; on success *e points into it.
 * Reads topic, type, content_type, retain, expiry, response_topic,
 * correlation_data, properties, producer, payload_format, and data |
 * data_base64.  `id`, `time` and an unknown member are refused unless `allow` (a
 * NULL-terminated list of at most 64 names, or NULL) names them: then they are
 * passed over.  A member that comes twice is refused.  Properties are checked
 * with event_props_check; the topic is a string, and for the caller to check.
 * The event's qos is 2: only an MQTT publisher has one of its own.
 *
 * The payload, so that what was read can be published again unchanged:
 *   data is a string, content_type is unset or not JSON   the string's text
 *   data is a string, content_type is JSON                its JSON, quotes included
 *   data is any other value, content_type is unset        its JSON, and the content
 *                                                         type is application/json
 *   data is any other value, content_type is set          its JSON
 *   data_base64                                           the bytes
 *   neither                                               empty
 * (Two things do not come back: white space around and line breaks within a JSON
 * payload, and a payload that is called JSON and is none.  That one is shown as a
 * string, as the payload that is this JSON string is, and published as the latter.)
 *
 * flags say which members may be absent or are given elsewhere: */
enum event_json_in {
    EVENT_JSON_TOPIC_OPTIONAL = 1, /* else a missing topic is an error */
    EVENT_JSON_NO_PAYLOAD = 2,     /* the payload travels apart: data refused */
};
/* On failure returns false and *why says what is wrong, a static text with no
 * full stop; *field is the member's name, static or in `store`. */
bool event_json_get(struct slice json, unsigned flags, const char *const *allow, struct buf *store,
                    struct event *e, const char **field, const char **why) MUST_CHECK;

#endif
