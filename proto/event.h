/*
 * event.h - an event and its record, the one binary form in which events
 * travel on the wire, in pages and (properties and payload) in the store.
 *
 * Record, little-endian, 32 bytes and then three runs of bytes:
 *
 *   0 size u32       of the whole record, these 4 bytes included
 *   4 props_len u32
 *   8 id u64         0 while it has none
 *  16 time u64       ms since 1970, UTC; 0 while it has none
 *  24 topic_len u16
 *  26 flags u16      EVENT_*
 *  28 expiry u32     seconds; 0 unless EVENT_HAS_EXPIRY
 *  32 topic, properties, payload (size - 32 - topic_len - props_len)
 *
 * Properties: a run of (tag u8, length u16, bytes), tags rising, only
 * PROP_USER repeats, all together at most EVENT_PROPS_MAX bytes.
 */
#ifndef PROTO_EVENT_H
#define PROTO_EVENT_H

#include "bytes.h"

#define EVENT_RECORD_HEAD 32
#define EVENT_PROPS_MAX 65536
#define EVENT_TYPE_MAX 256
/* Name and value of one user property together: with its head it fits. */
#define EVENT_USER_MAX (EVENT_PROPS_MAX - 5)
#define EVENT_ID_MAX ((UINT64_C(1) << 53) - 1)
/* An ID names a time: (ms since 2020-01-01) << 12, when the store is SQLite. */
#define EVENT_ID_EPOCH_MS UINT64_C(1577836800000)

enum event_flag {
    EVENT_RETAIN = 1 << 0,
    EVENT_VOLATILE = 1 << 1, /* history = none: published, never stored */
    EVENT_HAS_EXPIRY = 1 << 2,
    EVENT_QOS_SHIFT = 4, /* two bits: 0, 1, 2 */
    EVENT_QOS_MASK = 3 << 4,
};

enum prop_tag {
    PROP_CONTENT_TYPE = 1,
    PROP_TYPE = 2, /* SSE's event: */
    PROP_RESPONSE_TOPIC = 3,
    PROP_CORRELATION = 4,
    PROP_PAYLOAD_FORMAT = 5, /* one byte, 0 or 1 */
    PROP_ORIGIN = 6,         /* stored, never shown */
    PROP_PRODUCER = 7,       /* epoch u64, seq u64, then the identifier */
    PROP_USER = 8,           /* name_len u16, name, value */
};

/* Borrowed view of one event: every slice points into the record's bytes. */
struct event {
    uint64_t id;
    uint64_t time;
    struct slice topic;
    struct slice props; /* still encoded */
    struct slice payload;
    uint16_t flags;
    uint32_t expiry;
};

struct producer {
    struct slice id; /* empty: none was named */
    uint64_t epoch;
    uint64_t seq;
};

/* Properties taken apart.  Unset text has p == NULL. */
struct event_props {
    struct slice content_type;
    struct slice type;
    struct slice response_topic;
    struct slice correlation;
    struct slice origin;
    int payload_format; /* -1: unset */
    struct producer producer;
    struct slice user; /* the encoded PROP_USER run; walk it with user_next */
};

enum event_verdict {
    EVENT_OK,
    EVENT_MALFORMED, /* lengths, order or repeats of tags */
    EVENT_BAD_TYPE,  /* too long, control characters, "sluice." */
    EVENT_BAD_TEXT,  /* a text property is not UTF-8 or holds a control character */
    EVENT_PROPS_TOO_LARGE,
    EVENT_BAD_RESPONSE_TOPIC,
    EVENT_BAD_PAYLOAD_FORMAT,
};
const char *event_verdict_text(enum event_verdict v);

static inline unsigned event_qos(const struct event *e)
{
    return (e->flags & EVENT_QOS_MASK) >> EVENT_QOS_SHIFT;
}

size_t event_record_size(const struct event *e);
void event_record_put(struct buf *b, const struct event *e);
/* Reads one record; false and r->bad when it is malformed (lengths only: the
 * topic and the properties are checked by their own functions). */
bool event_record_get(struct reader *r, struct event *e) MUST_CHECK;

/* Of a record that has been read, or that we made ourselves: nothing is checked. */
static inline uint64_t event_record_id(const uint8_t *record)
{
    return le64_get(record + 8);
}

static inline struct slice event_record_topic(const uint8_t *record)
{
    return (struct slice){(const char *)record + EVENT_RECORD_HEAD, le16_get(record + 24)};
}

/* The record that lies behind it. */
static inline const uint8_t *event_record_next(const uint8_t *record)
{
    return record + le32_get(record);
}

/* Writes the event's place in the log into its record, where it lies. */
static inline void event_record_patch(uint8_t *record, uint64_t id, uint64_t time, uint16_t flags)
{
    le64_put(record + 8, id);
    le64_put(record + 16, time);
    le16_put(record + 26, flags);
}

enum event_verdict event_props_get(struct slice props, struct event_props *out) MUST_CHECK;
void event_props_put(struct buf *b, const struct event_props *p); /* tags in order */
/* Takes the next user property off `user`; false at the end. */
bool event_user_next(struct slice *user, struct slice *name, struct slice *value);
/* Names that begin with "sluice-" are ours to say: what a publisher says under one is
 * taken away at every door. */
static inline bool event_user_is_ours(struct slice name)
{
    return slice_starts(name, SLICE("sluice-"));
}
/* Asserts that both are at most EVENT_USER_MAX bytes together. */
void event_user_put(struct buf *user, struct slice name, struct slice value);
/* What a publisher may say: sizes, UTF-8, control characters, the type's form. */
enum event_verdict event_props_check(const struct event_props *p) MUST_CHECK;

bool event_expired(const struct event *e, uint64_t now_ms);

/* What a cursor lost (DESIGN 2.6).  All IDs are exclusive cursors or removed IDs. */
enum gap_reason {
    GAP_NONE,
    GAP_EXPIRED,
    GAP_DELETED,
    GAP_RESET,
    GAP_FUTURE,
    GAP_VOLATILE,
};
struct gap {
    uint64_t requested;
    uint64_t resumed_from;
    uint64_t removed_to;
    enum gap_reason reason;
};
const char *event_gap_reason_text(enum gap_reason r); /* "expired", … */

#endif
