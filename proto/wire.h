/*
 * wire.h - the messages between broker and gateways, as pure encoders and
 * decoders.  proto/README.md specifies every byte; golden vectors hold it.
 *
 * A message is one ZeroMQ frame: kind u8, then the body, little-endian.
 * Decoders borrow: slices point into the frame.  Trailing bytes are an error,
 * as is a frame of another kind; what a decoder that returns false has written
 * means nothing.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "errors.h"
#include "event.h"

#define WIRE_VERSION 4
#define WIRE_LIVE_MAX (256u * 1024) /* a live message: this, or one event */
#define WIRE_PAGE_ROWS 500
#define WIRE_PAGE_SCAN 20000
#define WIRE_PAGE_BYTES (1024u * 1024)
#define WIRE_FILTERS_MAX 1024 /* filters in one request: those of an MQTT session */

struct wire_uuid {
    uint8_t b[16];
};

enum wire_kind {
    /* up, on link */
    WIRE_HELLO = 1,
    WIRE_FILTER_ADD,
    WIRE_FILTER_DROP,
    WIRE_PUBLISH,
    WIRE_CONFIRM,
    WIRE_DELETE,
    WIRE_TOPIC_SET, /* reserved: create, close or delete a topic */
    WIRE_SESSION,   /* this and the next two: wire_session.h */
    WIRE_TELL,
    /* down, on link */
    WIRE_HELLO_OK = 65,
    WIRE_HELLO_NO,
    WIRE_FILTER_LIVE,
    WIRE_FILTER_NO,
    WIRE_ACKS,
    WIRE_LIVE,
    WIRE_REMOVED,
    WIRE_SESSION_ACKS,
    WIRE_CALL,
    /* requests on reads; the reply's kind is the request's + 64 */
    WIRE_PAGE = 129,
    WIRE_START,
    WIRE_EVENT,
    WIRE_TOPICS,
    WIRE_RETAINED,
    WIRE_CANCEL, /* has no reply; but see wire_working_put */
};
/* The kind of a frame, or 0 for an empty one. */
uint8_t wire_kind(const void *p, size_t len);

struct wire_hello {
    uint16_t version;
    struct wire_uuid instance; /* of the gateway process; its publishes' producer */
    struct wire_uuid log;      /* last known log, zero when none */
    uint64_t seen;             /* highest ID received, 0 when none */
    struct slice name;         /* "sse", "ws", … for logs and metrics */
};
/* A hello or hello-ok of another version decodes to its version alone, the rest
 * being zero: answer hello-no, or end the connection. */
struct wire_hello_ok {
    uint16_t version;
    struct wire_uuid log;
    uint64_t head;
    uint32_t window; /* publish bytes that may be unacknowledged */
    bool reset;      /* `seen` is not of this log's history: empty the ring */
};
void wire_hello_put(struct buf *b, const struct wire_hello *m);
bool wire_hello_get(const void *p, size_t len, struct wire_hello *m) MUST_CHECK;
void wire_hello_ok_put(struct buf *b, const struct wire_hello_ok *m);
bool wire_hello_ok_get(const void *p, size_t len, struct wire_hello_ok *m) MUST_CHECK;
void wire_hello_no_put(struct buf *b, enum sluice_error error, struct slice text);
bool wire_hello_no_get(const void *p, size_t len, uint16_t *error, struct slice *text) MUST_CHECK;

/* ref is the gateway's own number for the filter, unique on its link. */
void wire_filter_add_put(struct buf *b, uint32_t ref, struct slice filter);
bool wire_filter_add_get(const void *p, size_t len, uint32_t *ref, struct slice *filter) MUST_CHECK;
void wire_filter_drop_put(struct buf *b, uint32_t ref);
bool wire_filter_drop_get(const void *p, size_t len, uint32_t *ref) MUST_CHECK;
/* From here on the filter's events above live_from come on the link. */
void wire_filter_live_put(struct buf *b, uint32_t ref, uint64_t live_from);
bool wire_filter_live_get(const void *p, size_t len, uint32_t *ref, uint64_t *live_from) MUST_CHECK;
void wire_filter_no_put(struct buf *b, uint32_t ref, enum sluice_error error);
bool wire_filter_no_get(const void *p, size_t len, uint32_t *ref, uint16_t *error) MUST_CHECK;

/* PUBLISH: kind, then units until the frame's end; a unit is seq u64, count u32
 * (1 or more) and count event records, stored all or none. */
struct wire_unit {
    uint64_t seq;
    uint32_t count; /* never more than the frame has room for */
};
void wire_publish_begin(struct buf *b);
void wire_unit_begin(struct buf *b, uint64_t seq, uint32_t count); /* records follow */
struct reader wire_publish_reader(const void *p, size_t len);
/* The next unit's head: its records are the next that r holds, event_record_get takes
 * them one by one.  False at the end or when r->bad. */
bool wire_unit_get(struct reader *r, struct wire_unit *u) MUST_CHECK;

/* DELETE empties a topic's history; acknowledged like a publish, with the
 * highest removed ID. */
void wire_delete_put(struct buf *b, uint64_t seq, struct slice topic);
bool wire_delete_get(const void *p, size_t len, uint64_t *seq, struct slice *topic) MUST_CHECK;

/* ACKS: kind, then one entry after the other.  An entry is seq u64, error u16;
 * without an error count u32 and count IDs, else index u32, three numbers u64
 * and a text (str16). */
#define WIRE_ACK_REPEAT (UINT64_C(1) << 63) /* set in an ID: it was stored before */
struct wire_ack {
    uint64_t seq;
    uint16_t error;
    uint32_t count;
    struct slice ids; /* count × u64; 0 is an ID no longer known */
    uint32_t index;   /* of the refused event in its unit */
    uint64_t expected_seq, received_seq, epoch;
    struct slice text;
    struct slice data; /* of a session unit (wire_session.h): its answer; never in ACKS */
};
void wire_acks_begin(struct buf *b);
void wire_ack_ok_put(struct buf *b, uint64_t seq, const uint64_t *ids, uint32_t count);
void wire_ack_error_put(struct buf *b, const struct wire_ack *a);
struct reader wire_acks_reader(const void *p, size_t len);
bool wire_ack_get(struct reader *r, struct wire_ack *a) MUST_CHECK;

void wire_confirm_put(struct buf *b, uint64_t upto);
bool wire_confirm_get(const void *p, size_t len, uint64_t *upto) MUST_CHECK;

/* LIVE covers (after, upto] completely for this gateway's filters. */
#define WIRE_LIVE_HEAD 17
void wire_live_begin(struct buf *b, uint64_t after, uint64_t upto); /* records follow */
bool wire_live_get(const void *p, size_t len, uint64_t *after, uint64_t *upto,
                   struct reader *records) MUST_CHECK;

void wire_removed_put(struct buf *b, uint64_t upto, struct slice topic);
bool wire_removed_get(const void *p, size_t len, uint64_t *upto, struct slice *topic) MUST_CHECK;

/* reads.  Every request: kind, ref u64, body; every reply: kind + 64, ref u64,
 * error u16; then the body, or a text (str16) when error is not 0. */
struct wire_filter {
    uint64_t from; /* matches only IDs above it */
    struct slice filter;
};
struct wire_page_req {
    uint64_t ref;
    uint64_t after; /* exclusive; when descending, exclusive upper end (0: none) */
    uint64_t until; /* ascending: inclusive last ID, 0 none */
    uint32_t limit; /* rows, 0: WIRE_PAGE_ROWS */
    bool descending;
    uint16_t filter_count;
    const struct wire_filter *filters;
};
/* Reads into filters[max]; false when there are more. */
void wire_page_req_put(struct buf *b, const struct wire_page_req *m);
bool wire_page_req_get(const void *p, size_t len, struct wire_page_req *m,
                       struct wire_filter *filters, size_t max) MUST_CHECK;

struct wire_page {
    uint8_t request; /* WIRE_PAGE (or 0), or WIRE_EVENT: a page of one record */
    uint64_t ref;
    uint16_t error;
    struct slice text;   /* with an error */
    uint64_t upto;       /* how far it looked; the next page's `after`.  The end is
                            upto == head, or, descending, upto == 0 */
    uint64_t head;       /* the log's, in the page's transaction */
    uint64_t removed_to; /* highest removed ID that the filters match, and the end of a
                            hole or of a lost log that `after` lies in */
    uint8_t reason;      /* enum gap_reason of removed_to; GAP_RESET when `after` lies in a
                            hole, whatever else was removed; GAP_FUTURE: `after` was
                            never given out, upto == head and there are no events */
    uint32_t count;
    struct slice records;
};
/* Begins a reply: fill the head now (upto and count are patched), append the
 * records, then finish. */
void wire_page_begin(struct buf *b, const struct wire_page *m);
void wire_page_finish(struct buf *b, size_t start, uint64_t upto, uint32_t count);
bool wire_page_get(const void *p, size_t len, struct wire_page *m) MUST_CHECK;

enum wire_start_mode { WIRE_SINCE = 1, WIRE_LAST = 2 };
struct wire_start_req {
    uint64_t ref;
    uint8_t mode;
    uint64_t arg; /* ms since 1970, or how many */
    uint16_t filter_count;
    const struct wire_filter *filters; /* from is 0 */
};
/* The reply: head, and for each filter the cursor to start after. */
struct wire_start {
    uint64_t ref;
    uint16_t error;
    struct slice text;
    uint64_t head;
    uint16_t count;
    struct slice froms; /* count × u64 */
};
void wire_start_req_put(struct buf *b, const struct wire_start_req *m);
bool wire_start_req_get(const void *p, size_t len, struct wire_start_req *m,
                        struct wire_filter *filters, size_t max) MUST_CHECK;
void wire_start_put(struct buf *b, uint64_t ref, uint64_t head, const uint64_t *froms,
                    uint16_t count);
bool wire_start_get(const void *p, size_t len, struct wire_start *m) MUST_CHECK;

void wire_event_req_put(struct buf *b, uint64_t ref, uint64_t id);
bool wire_event_req_get(const void *p, size_t len, uint64_t *ref, uint64_t *id) MUST_CHECK;
/* The reply is a page of one record (request: WIRE_EVENT), or ERR_NOT_FOUND.  One past its
 * expiry is there as long as the log has it: who has begun to deliver it goes on. */

struct wire_topics_req {
    uint64_t ref;
    struct slice filter; /* empty: all */
    struct slice after;  /* topic names above it, bytewise; empty: from the start */
    uint32_t limit;
};
struct wire_topic {
    struct slice topic;
    uint64_t head, oldest, events, bytes; /* 0 where there is none */
};
struct wire_topics {
    uint64_t ref;
    uint16_t error;
    struct slice text;
    bool more;
    uint32_t count;
    struct reader list;
};
void wire_topics_req_put(struct buf *b, const struct wire_topics_req *m);
bool wire_topics_req_get(const void *p, size_t len, struct wire_topics_req *m) MUST_CHECK;
void wire_topics_begin(struct buf *b, uint64_t ref);
void wire_topic_put(struct buf *b, const struct wire_topic *t);
void wire_topics_finish(struct buf *b, size_t start, bool more, uint32_t count);
bool wire_topics_get(const void *p, size_t len, struct wire_topics *m) MUST_CHECK;
bool wire_topic_get(struct reader *list, struct wire_topic *t) MUST_CHECK;

/* The request of that ref is no longer wanted. */
void wire_cancel_put(struct buf *b, uint64_t ref);
bool wire_cancel_get(const void *p, size_t len, uint64_t *ref);
/* WORKING, a reply to nothing (ref 0): the broker is still at what was asked. */
void wire_working_put(struct buf *b);
/* An error reply to any request on reads. */
void wire_read_error_put(struct buf *b, uint8_t request_kind, uint64_t ref, enum sluice_error error,
                         struct slice text);
/* kind and ref of a reads frame, request or reply; false when too short. */
bool wire_read_head(const void *p, size_t len, uint8_t *kind, uint64_t *ref) MUST_CHECK;

#endif
