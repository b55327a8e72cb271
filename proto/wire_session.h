/*
 * wire_session.h - what MQTT gateways and the broker say to each other about
 * sessions, on the link; proto/README.md specifies every byte.
 *
 * The broker owns the session: who holds it (client, gateway, epoch), when it
 * ends, its will, the shared groups.  The rest of its state is a set of small
 * items, (key, value), which only gateways understand and the broker stores: a
 * subscription, an entry in flight, where its cursor stands.  Items are written
 * by the gateway that holds the session, together, in one transaction.
 *
 *   up    SESSION    units, numbered and acknowledged like publishes, in one
 *                    order with them: ATTACH, WRITE, DETACH, POSITION, WITHDRAW
 *         TELL       not acknowledged: HOLD, CREDIT, DONE, REPORT
 *   down  SESSION_ACKS   outcome and answer of each unit
 *         CALL       FENCE, ASSIGN, SYS
 *
 * A SESSION frame: kind, then units until the frame's end, each seq u64, op u8,
 * size u32, body; a malformed body is its unit's refusal (ERR_BAD_REQUEST), all else
 * the frame's.  SESSION_ACKS: kind, then entries, each seq u64, error u16, size
 * u32, and the answer, or with an error its text.
 */
#ifndef PROTO_WIRE_SESSION_H
#define PROTO_WIRE_SESSION_H

#include "wire.h"

enum wire_session_op {
    WIRE_ATTACH = 1,
    WIRE_WRITE,
    WIRE_DETACH,
    WIRE_POSITION,
    WIRE_WITHDRAW,
};
enum wire_tell_op {
    WIRE_TELL_HOLD = 1,
    WIRE_TELL_CREDIT,
    WIRE_TELL_DONE,
    WIRE_TELL_REPORT,
};
enum wire_call_op {
    WIRE_CALL_FENCE = 1,
    WIRE_CALL_ASSIGN,
    WIRE_CALL_SYS,
};

/* Classes of items: the first byte of their key. */
enum wire_item_class {
    WIRE_ITEM_PROGRESS = 'P', /* key "P": where the cursor stands, see below */
    WIRE_ITEM_FILTER = 'F',   /* then the filter as subscribed: "F$share/g/a/#" */
    WIRE_ITEM_OUT = 'O',      /* then the packet identifier, big-endian: in flight to the client */
    WIRE_ITEM_IN = 'I',       /* the same: QoS 2 received, not released */
};
#define WIRE_ITEM_KEY_MAX 2048u
#define WIRE_ITEM_VALUE_MAX 65535u
/* The value of P begins with these; what follows is the gateway's own.
 *   cursor u64   all up to it was sent, or is among the items in flight
 *   follows u8   1: nothing is in flight, and the cursor moves on with the gateway's
 *                position (POSITION) without being written again */
#define WIRE_PROGRESS_HEAD 9
/* The value of F begins with the granted QoS, u8, which is all that the broker
 * reads of it (for groups). */

struct wire_item {
    bool drop; /* take it away; value is empty */
    struct slice key, value;
};
/* flag u8 (1: put, 0: drop), key text, value text (none with drop) */
void wire_item_put(struct buf *b, const struct wire_item *i);
bool wire_item_get(struct reader *r,
                   struct wire_item *i) MUST_CHECK; /* false: the end, or r->bad */

/* --- units -------------------------------------------------------------------- */

void wire_session_begin(struct buf *b);
void wire_session_unit_put(struct buf *b, uint64_t seq, uint8_t op, struct slice body);
struct wire_session_unit {
    uint64_t seq;
    uint8_t op;
    struct slice body;
};
struct reader wire_session_reader(const void *p, size_t len);
bool wire_session_unit_get(struct reader *r, struct wire_session_unit *u) MUST_CHECK;

/* A client has connected.  The answer comes when whoever held the session has let
 * go of it. */
struct wire_attach {
    struct slice client;    /* 1 to 65,535 bytes, UTF-8 */
    struct slice principal; /* who authenticated, "user:alice"; empty: nobody.  Another one's
                               session is refused (ERR_FORBIDDEN) */
    uint8_t version;        /* 4 or 5 */
    bool clean;             /* a session that is there ends first */
    uint32_t expiry;        /* seconds after the connection; 0: with it;
                               UINT32_MAX: never */
    bool has_will;
    uint32_t will_delay;
    struct slice will; /* an event record */
};
struct wire_attached {
    uint64_t epoch;
    uint64_t head;      /* of the log */
    bool present;       /* the session was there; its items follow */
    struct slice items; /* wire_item units: read with wire_item_get */
};
void wire_attach_put(struct buf *b, const struct wire_attach *m); /* a unit's body */
bool wire_attach_get(struct slice body, struct wire_attach *m) MUST_CHECK;
void wire_attached_put(struct buf *b, const struct wire_attached *m); /* an answer */
bool wire_attached_get(struct slice answer, struct wire_attached *m) MUST_CHECK;

/* The session's items change, together with at most one event (QoS 2 from the
 * client).  The answer: u64, the event's ID or 0.  Refused with ERR_FENCED when
 * the epoch is not the session's. */
struct wire_write {
    struct slice client;
    uint64_t epoch;
    struct slice record; /* empty, or one event record */
    struct slice groups; /* shared events that this session takes over: see wire_taken */
    struct slice items;
};
/* A shared event at QoS 2 that is from now on in flight in this session.  One that
 * is no longer this session's makes the write fail as a whole with ERR_CONFLICT,
 * whose text is its ID in decimal. */
struct wire_taken {
    struct slice group; /* "$share/g/a/#" */
    uint64_t id;
};
void wire_write_put(struct buf *b, const struct wire_write *m);
bool wire_write_get(struct slice body, struct wire_write *m) MUST_CHECK;
void wire_taken_put(struct buf *b, struct slice group, uint64_t id);
bool wire_taken_get(struct reader *r, struct wire_taken *t) MUST_CHECK;

/* The connection has ended.  No answer but the error. */
struct wire_detach {
    struct slice client;
    uint64_t epoch;
    bool will;          /* it is to be published (after its delay), else forgotten */
    uint32_t expiry;    /* as it is now */
    struct slice items; /* the last changes */
};
void wire_detach_put(struct buf *b, const struct wire_detach *m);
bool wire_detach_get(struct slice body, struct wire_detach *m) MUST_CHECK;

/* All sessions of this gateway that follow have been handed everything up to here. */
void wire_position_put(struct buf *b, uint64_t position);
bool wire_position_get(struct slice body, uint64_t *position) MUST_CHECK;

/* The session's will is not to be sent whatever comes: its client may no longer publish
 * it.  Refused with ERR_FENCED when the epoch is not the session's. */
void wire_withdraw_put(struct buf *b, struct slice client, uint64_t epoch);
bool wire_withdraw_get(struct slice body, struct slice *client, uint64_t *epoch) MUST_CHECK;

void wire_session_acks_begin(struct buf *b);
struct wire_session_ack {
    uint64_t seq;
    uint16_t error;
    struct slice data; /* the answer; with an error its text */
};
void wire_session_ack_put(struct buf *b, const struct wire_session_ack *a);
struct reader wire_session_acks_reader(const void *p, size_t len);
bool wire_session_ack_get(struct reader *r, struct wire_session_ack *a) MUST_CHECK;

/* --- tell and call: kind, op u8, then the body -------------------------------------- */

void wire_tell_begin(struct buf *b, enum wire_tell_op op);
void wire_call_begin(struct buf *b, enum wire_call_op op);
/* The op, and a reader of the body; 0 when the frame is too short, of another kind or
 * of an unknown op.  Of entries, _get returns false at the end or with body->bad; what
 * is no list, ends with the frame. */
uint8_t wire_tell_get(const void *p, size_t len, struct reader *body) MUST_CHECK;
uint8_t wire_call_get(const void *p, size_t len, struct reader *body) MUST_CHECK;

/* HOLD: after every hello-ok, all sessions that this gateway holds, in one frame,
 * also when there are none: entries until the end.  FENCE comes back for those
 * that another holds by now. */
struct wire_hold {
    struct slice client;
    uint64_t epoch;
    uint32_t expiry;
    struct slice principal; /* as in its ATTACH */
};
void wire_hold_put(struct buf *b, const struct wire_hold *m);
bool wire_hold_get(struct reader *body, struct wire_hold *m) MUST_CHECK;

/* CREDIT: how many more shared events a member takes now, in all its groups: entries
 * until the end. */
struct wire_credit {
    struct slice client;
    uint64_t epoch;
    uint32_t credit; /* beyond those it was assigned and has not been done with */
};
void wire_credit_put(struct buf *b, const struct wire_credit *m);
bool wire_credit_get(struct reader *body, struct wire_credit *m) MUST_CHECK;

/* DONE: what became of assigned events: entries until the end. */
struct wire_done {
    struct slice client;
    uint64_t epoch;
    struct slice group;
    uint64_t id;
    bool returned; /* not delivered: another member gets it */
};
void wire_done_put(struct buf *b, const struct wire_done *m);
bool wire_done_get(struct reader *body, struct wire_done *m) MUST_CHECK;

/* REPORT: this gateway's counters since its start, and gauges, for $SYS. */
#define WIRE_REPORT(X)                                                                             \
    X(clients_connected)                                                                           \
    X(messages_received)                                                                           \
    X(messages_sent)                                                                               \
    X(publish_received)                                                                            \
    X(publish_sent)                                                                                \
    X(publish_dropped)                                                                             \
    X(bytes_received)                                                                              \
    X(bytes_sent)                                                                                  \
    X(subscriptions)
struct wire_report {
#define X(name) uint64_t name;
    WIRE_REPORT(X)
#undef X
};
void wire_report_put(struct buf *b, const struct wire_report *m);
bool wire_report_get(struct reader *body, struct wire_report *m) MUST_CHECK;

/* FENCE: another connection has taken the session, or is about to: close the client,
 * write what is to be written and detach.  After 500 ms that is refused. */
void wire_fence_put(struct buf *b, struct slice client, uint64_t epoch);
bool wire_fence_get(struct reader *body, struct slice *client, uint64_t *epoch) MUST_CHECK;

/* ASSIGN: an event of a shared group for this member. */
struct wire_assign {
    struct slice client;
    uint64_t epoch;
    struct slice group;
    struct slice record; /* until the frame's end; empty: that of the ASSIGN before, on this
                            link, so that an event of many groups travels once */
};
void wire_assign_put(struct buf *b, const struct wire_assign *m);
bool wire_assign_get(struct reader *body, struct wire_assign *m) MUST_CHECK;

/* SYS: topics of $SYS/ and their values: entries until the end. */
void wire_sys_put(struct buf *b, struct slice topic, struct slice value);
bool wire_sys_get(struct reader *body, struct slice *topic, struct slice *value) MUST_CHECK;

/* --- reads: RETAINED (133), retained messages ------------------------------------------ */

struct wire_retained_req {
    uint64_t ref;
    struct slice filter;
    struct slice after; /* topics above it, bytewise; empty: from the start */
    uint32_t limit;     /* 0: WIRE_PAGE_ROWS; a reply ends at WIRE_PAGE_BYTES, or when
                           WIRE_PAGE_SCAN topics were looked at, too */
};
struct wire_retained {
    uint64_t ref;
    uint16_t error;
    struct slice text;    /* with an error */
    uint64_t head;        /* the log's, in the same transaction */
    bool more;            /* there may be others above `upto`: ask again with it as `after` */
    uint32_t count;       /* may be 0 although there are more */
    struct slice records; /* in the order of their topics, byte by byte */
    struct slice upto;    /* the last topic looked at, matching or not; at the frame's end */
};
void wire_retained_req_put(struct buf *b, const struct wire_retained_req *m);
bool wire_retained_req_get(const void *p, size_t len, struct wire_retained_req *m) MUST_CHECK;
void wire_retained_begin(struct buf *b, uint64_t ref, uint64_t head);
/* Patches more and count, and ends the frame with upto, which must not point into b. */
void wire_retained_finish(struct buf *b, size_t start, bool more, uint32_t count,
                          struct slice upto);
bool wire_retained_get(const void *p, size_t len, struct wire_retained *m) MUST_CHECK;

#endif
