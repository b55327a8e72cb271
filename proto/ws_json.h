/*
 * ws_json.h - the messages of the subprotocol `sluice.json`.
 *
 * Up, one JSON object in each text message:
 *
 *   {"op":"subscribe","ref":R,"topic":F | "topics":[F…],
 *    "after":ID | "since":T | "last":N,"on_gap":"notice"|"fail"}
 *   {"op":"unsubscribe","ref":R}
 *   {"op":"publish","ref":R,…}            … the JSON form of an event
 *   {"op":"ping","ref":R}
 *   {"op":"auth","ref":R,"token":T}       … or "user":U,"password":P
 *
 * Down:
 *
 *   {"op":"ack","ref":R,"id":"ID"}        of a publish, or where a subscription starts
 *   {"op":"error","ref":R,"code":"…","text":"…","field":"…",…}
 *   {"op":"event",…,"subs":[R…]}          … the JSON form of an event
 *   {"op":"gap","ref":R,"requested":"ID","resumed_from":"ID","removed_to":"ID",
 *    "reason":"…"}
 *   {"op":"pong","ref":R}
 *   {"op":"auth-ok","ref":R,"principal":"user:U","expires":TIME | null}
 *   {"op":"unsubscribed","ref":R,"code":"forbidden","text":"…","id":"ID"}   by us
 *   {"op":"expired","reason":"expired" | "revoked","subs":[{"ref":R,"id":"ID"}…]}
 *
 * R is what the client calls it: a string of 1 to WS_REF_MAX bytes or an integer
 * below 2^53.  subscribe and unsubscribe need one; without one the answer has none.
 */
#ifndef PROTO_WS_JSON_H
#define PROTO_WS_JSON_H

#include "errors.h"
#include "event.h"

#define WS_REF_MAX 64
#define WS_FILTERS_MAX 256
#define WS_WORDS_MAX (WS_FILTERS_MAX + 4) /* and after, since, last, on_gap */

enum ws_op { WS_OP_SUBSCRIBE, WS_OP_UNSUBSCRIBE, WS_OP_PUBLISH, WS_OP_PING, WS_OP_AUTH };

/* A word of a subscription, as GET /events/ takes it in its query: topic, after,
 * since, last, on_gap.  What it may say is judged where that is. */
struct ws_word {
    const char *name;
    struct slice value;
};

/* One operation.  Zero-initialised; used again and again; then freed. */
struct ws_request {
    enum ws_op op;
    struct slice ref; /* as JSON, in one form for one ref; empty: none was given */
    struct ws_word words[WS_WORDS_MAX]; /* subscribe: in the message's order */
    size_t word_count;
    struct event event;                 /* publish; the topic is for the caller to check */
    struct slice token, user, password; /* auth: the first, or the others; p == NULL: not given */

    struct buf text;  /* what ref and words point into */
    struct buf store; /* what the event points into */
};

/* Why it was refused, by the parser or by others. */
struct ws_refusal {
    enum sluice_error error;
    struct slice text;       /* for a person; empty: the error's own */
    const char *field;       /* the member at fault; NULL: no single one is */
    bool has_seq, has_epoch; /* of a producer: which of these are said */
    uint64_t expected_seq, received_seq, epoch;
    uint64_t retry_ms;   /* it may go then; 0: not said */
    const char *verb;    /* what may not be done; NULL: it is not about that … */
    struct slice filter; /* … to which topic, or filter */
};

/* Parses one message; everything in *r stays until the next one.  On failure
 * returns false and *why; r->ref is there all the same when it could be read. */
bool ws_request_parse(struct ws_request *r, struct slice message,
                      struct ws_refusal *why) MUST_CHECK;
/* What was shown in it is nowhere in *r any more. */
void ws_request_wipe(struct ws_request *r);
void ws_request_free(struct ws_request *r);

/* Each appends one message.  ref: as JSON; empty: left out. */
void ws_json_put_ack(struct buf *b, struct slice ref);
void ws_json_put_subscribed(struct buf *b, struct slice ref, uint64_t start);
void ws_json_put_published(struct buf *b, struct slice ref, uint64_t id); /* 0: null */
void ws_json_put_error(struct buf *b, struct slice ref, const struct ws_refusal *why);
void ws_json_put_gap(struct buf *b, struct slice ref, const struct gap *g);
void ws_json_put_pong(struct buf *b, struct slice ref);
void ws_json_put_auth_ok(struct buf *b, struct slice ref, struct slice principal,
                         uint64_t expires_ms); /* UTC; 0: never */
/* id: it may be subscribed again after this one. */
void ws_json_put_unsubscribed(struct buf *b, struct slice ref, enum sluice_error error,
                              struct slice text, uint64_t id);
/* Whoever it was is not believed any more.  Between begin and end: where each subscription
 * that has started stands. */
void ws_json_expired_begin(struct buf *b, const char *reason);
void ws_json_expired_put(struct buf *b, struct slice ref, uint64_t id);
void ws_json_expired_end(struct buf *b);

/* An event in two parts: the first is the same for all clients. */
void ws_json_put_event(struct buf *b, const struct event *e);                 /* {…,"subs":[ */
void ws_json_put_subs(struct buf *b, const struct slice *refs, size_t count); /* R…]} */

#endif
