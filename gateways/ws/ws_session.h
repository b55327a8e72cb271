/*
 * ws_session.h - one WebSocket, and what its files share; whatever carries it (channel.h).
 *
 *   ws_upgrade    the opening handshake, until the connection is ours
 *   ws_session    frames in, control frames, pings, the close
 *   ws_subscribe  its subscriptions: from a client's words to the hub
 *   ws_fanout     events to its socket
 *   ws_publish    events from it to the broker
 *
 *   OPENING ──the path's subscription has started──▶ OPEN ──ws_session_close──▶
 *     ENDING ──its publishes are acknowledged──▶ CLOSING ──the client's close──▶ OVER
 *
 * What it says besides events gathers in `out` and is written at the end of the
 * turn, or before events that come behind it.  Loop thread.
 */
#ifndef WS_WS_SESSION_H
#define WS_WS_SESSION_H

#include "channel.h"
#include "deflate.h"
#include "hub.h"
#include "reaper.h"
#include "site.h"
#include "ws.h"
#include "ws_handshake.h"
#include "ws_json.h"

struct ws_publish;
struct ws_session;

/* What all connections of the process share. */
struct ws_gateway {
    const struct site *site;
    uint64_t ping_ms, ping_timeout_ms, message_timeout_ms; /* ping 0: never */
    size_t max_subscriptions, publish_window, message_max, message_max_raw;
    struct publish_limits publish; /* of nobody: `who` is the session's */
    struct deflater *deflater;     /* NULL: permessage-deflate is off */
    struct inflater *inflater;
    struct ws_session *speaking; /* have something to write at the turn's end */
    size_t held, held_max;       /* bytes of messages that are not whole yet */
    struct buf inflated;         /* the message in hand */
    struct ws_request request;   /* the operation in hand */
    struct buf own;              /* fan-out: what is a client's own of its events */
    struct conn_piece pieces[CONN_PIECES_MAX];
    size_t own_at[CONN_PIECES_MAX];
    struct slice refs[BUNDLE_MAX];
};

struct ws_subscription {
    struct reaped reaped; /* first */
    struct subscription subscription;
    struct ws_session *session;
    struct ws_subscription *prev, *next;
    bool on_gap_fail;
    bool path;        /* of the address: its ref is WS_PATH_REF */
    uint16_t ref_len; /* the ref as JSON */
    char ref[];
};

enum ws_session_state { WS_OPENING, WS_OPEN, WS_ENDING, WS_CLOSING, WS_OVER };

struct ws_session {
    struct reaped reaped; /* first */
    struct ws_gateway *ws;
    struct exchange *x;     /* OPENING */
    struct channel channel; /* from OPEN on */
    struct wheel_timer timer;
    uint8_t state;
    bool raw; /* sluice.raw */
    bool speaking;
    bool waiting;     /* input was left unread */
    bool pinged;      /* and nothing has come since */
    bool peer_closed; /* the client's close frame has come */
    bool broken;      /* its bytes make no sense any more */
    uint16_t close_code;
    const char *close_reason;
    struct ws_deflate deflate;
    struct principal principal;
    struct ws_acceptance acceptance;
    struct ws_decoder decoder;
    size_t held;            /* by the decoder */
    uint64_t heard;         /* the wheel's tick at which something came last */
    uint64_t pinged_at;     /* and at which it was pinged */
    uint64_t message_since; /* and at which what is held began */
    struct buf out;
    struct ws_session *speaking_prev, *speaking_next;
    struct ws_subscription *subscriptions; /* those resumed first come last */
    size_t subscription_count;
    struct bundle bundle; /* of all, when they are several */
    struct ws_publish *publishes;
    size_t unacknowledged; /* what they cost, see publish_window */
    struct buf topic;      /* raw: of the address, when it is one */
};

/* --- ws_upgrade.c ----------------------------------------------------------------- */

/* GET /events/{topic}, GET /events; CONNECT in HTTP/2.  The route's own is the
 * struct ws_gateway. */
void ws_upgrade(struct exchange *x);
/* The path's subscription has started: the client gets its 101, and what is said
 * between the two behind it, before anything that it sent ahead is looked at. */
void ws_upgrade_accept(struct ws_session *s);
void ws_upgrade_done(struct ws_session *s);
/* It never will: the request is answered with the problem, and the session over. */
void ws_upgrade_refuse(struct ws_session *s, const struct problem *p);

/* --- ws_session.c ----------------------------------------------------------------- */

struct ws_session *ws_session_new(struct ws_gateway *ws, bool raw, struct ws_deflate deflate);
/* s->channel is there: the connection is its own from now on. */
void ws_session_open(struct ws_session *s);
/* Where the next frame is to be appended; it is written later. */
struct buf *ws_session_say(struct ws_session *s);
/* The same for a message of sluice.json: begin returns where it begins. */
size_t ws_session_message_begin(struct ws_session *s);
void ws_session_message_end(struct ws_session *s, size_t start);
void ws_session_flush(struct ws_session *s);
/* The client's next bytes are looked at, if they waited for room. */
void ws_session_continue(struct ws_session *s);
/* Ends its subscriptions at once; the close frame goes when what it published is
 * acknowledged.  Idempotent; reason is static. */
void ws_session_close(struct ws_session *s, unsigned code, const char *reason);
/* Whoever waited for acknowledgements may go on. */
void ws_session_acknowledged(struct ws_session *s);
/* Frees what it has; the memory goes to the reaper. */
void ws_session_end(struct ws_session *s);

void ws_turn(struct ws_gateway *ws); /* the end of a turn: what was gathered is written */

/* --- ws_gateway.c ----------------------------------------------------------------- */

/* site is borrowed. */
struct ws_gateway *ws_gateway_new(const struct site *site);
void ws_gateway_free(struct ws_gateway *ws); /* after the last session */

/* --- ws_subscribe.c --------------------------------------------------------------- */

/* The subscription of the address. */
void ws_subscribe_path(struct ws_session *s, const struct subscribe *words);
/* The operations of sluice.json: ws->request. */
void ws_subscribe(struct ws_session *s);
void ws_unsubscribe(struct ws_session *s);
void ws_subscriptions_resume(struct ws_session *s);
void ws_subscriptions_end(struct ws_session *s);
void ws_refuse(struct ws_session *s, struct slice ref, const struct problem *p);

/* --- ws_fanout.c ------------------------------------------------------------------ */

/* As in subscription_ops and bundle. */
size_t ws_fanout_events(struct subscription *s, struct run *r);
size_t ws_fanout_shared(struct bundle *b, struct bundle_run *r);

/* --- ws_publish.c ----------------------------------------------------------------- */

void ws_publish_event(struct ws_session *s); /* ws->request */
void ws_publish_raw(struct ws_session *s, bool text, struct slice payload);
/* What it has published goes on without it. */
void ws_publishes_leave(struct ws_session *s);

#endif
