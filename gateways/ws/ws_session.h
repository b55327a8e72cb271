/*
 * ws_session.h - one WebSocket, and what its files share; whatever carries it (channel.h).
 *
 *   ws_upgrade    the opening handshake, until the connection is ours
 *   ws_input      frames in, control frames, pings
 *   ws_auth       who it acts as
 *   ws_subscribe  its subscriptions: from a client's words to the hub
 *   ws_fanout     events to its socket
 *   ws_publish    events from it to the broker
 *   ws_session    what it says, what holds it up, the close
 *
 * Each calls only those below it.
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
#include "link.h"
#include "reaper.h"
#include "site.h"
#include "ws.h"
#include "ws_forms.h"
#include "ws_gateway.h"
#include "ws_handshake.h"
#include "ws_json.h"

struct ws_session;

/* What all connections of the process share. */
struct ws_gateway {
    const struct site *site;
    void (*wake)(void *arg); /* the loop has a turn before it sleeps */
    void *wake_arg;
    uint64_t ping_ms, ping_timeout_ms, message_timeout_ms; /* ping 0: never */
    uint64_t auth_timeout_ms;
    size_t max_subscriptions, publish_window, message_max, message_max_raw;
    struct publish_limits publish; /* of nobody: `who` is the session's */
    struct ws_forms forms;
    struct inflater *inflater;
    size_t inflate_max;          /* bytes of one message */
    size_t inflated_now;         /* bytes of all sessions in this turn */
    struct ws_session *rationed; /* whose messages wait for the next turn */
    struct ws_session *speaking; /* have something to write at the turn's end */
    size_t publishing;           /* sessions with publishes under way */
    size_t held, held_max;       /* bytes of messages that are not whole yet */
    struct buf inflated;         /* the message in hand */
    struct ws_request request;   /* the operation in hand */
    struct buf own;              /* fan-out: what is a client's own of its events, … */
    struct buf rest;             /* … and of the one in hand, not packed yet */
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
    uint16_t filters; /* so many count for its principal */
    uint16_t ref_len; /* the ref as JSON */
    char ref[];
};

struct ws_publish {
    struct link_publish link;
    struct ws_session *session; /* NULL: it has ended */
    struct ws_publish *prev, *next;
    size_t cost; /* what of the window it takes */
    size_t ref_len;
    char ref[];
};

/* Whom the subscription of the address tells how it went. */
struct ws_opening {
    /* It has started.  What is said between the two goes out before anything that the
     * client sent ahead is looked at. */
    void (*accepted)(struct ws_session *s);
    void (*begun)(struct ws_session *s);
    /* It never will. */
    void (*refused)(struct ws_session *s, const struct problem *p);
};

/* Of a client that nobody knows yet. */
#define WS_LOGIN_MESSAGE_MAX (32u * 1024)
struct ws_login {
    struct subscribe words; /* of the address */
    bool has_words;
};

enum ws_session_state { WS_OPENING, WS_OPEN, WS_ENDING, WS_CLOSING, WS_OVER };

struct ws_session {
    struct reaped reaped; /* first */
    struct ws_gateway *ws;
    struct exchange *x; /* OPENING, and … */
    const struct ws_opening *opening;
    struct channel channel; /* from OPEN on */
    struct wheel_timer timer;
    uint8_t state;
    struct quota own;    /* of filters, unless … */
    struct quota *quota; /* … its carrier has one for all its sessions */
    bool raw;            /* sluice.raw */
    bool speaking;
    bool waiting;     /* input was left unread */
    bool rationed;    /* because this turn has inflated enough */
    bool pinged;      /* and nothing has come since */
    bool peer_closed; /* the client's close frame has come */
    bool broken;      /* its bytes make no sense any more */
    uint16_t close_code;
    const char *close_reason;
    struct ws_deflate deflate;
    struct caller caller;
    struct ws_login *login;  /* it may do nothing but say who it is; NULL: it is known */
    struct auth_ask *ask;    /* about what it has shown; it is not read meanwhile */
    struct buf ask_ref;      /* of that operation */
    uint64_t attempts_until; /* paid for by those made so far, monotonic ms */
    struct ws_acceptance acceptance;
    struct ws_decoder decoder;
    size_t held;            /* by the decoder */
    uint64_t heard;         /* the wheel's tick at which something came last */
    uint64_t pinged_at;     /* and at which it was pinged */
    uint64_t message_since; /* and at which what is held began */
    uint64_t since;         /* and at which it was opened */
    uint64_t eof_at;        /* and at which it has shut down its sending side */
    struct buf out;
    struct ws_session *speaking_prev, *speaking_next;
    struct ws_session *rationed_prev, *rationed_next;
    struct ws_subscription *subscriptions; /* those resumed first come last */
    size_t subscription_count, filter_count;
    struct bundle bundle; /* of all, when they are several */
    struct ws_publish *publishes;
    size_t unacknowledged; /* what they cost, see publish_window */
    struct buf topic;      /* raw: of the address, when it is one */
};

/* --- ws_session.c ----------------------------------------------------------------- */

struct ws_session *ws_session_new(struct ws_gateway *ws, bool raw, struct ws_deflate deflate);
/* Where the next frame is to be appended; it is written later. */
struct buf *ws_session_say(struct ws_session *s);
/* The same for a message of sluice.json: begin returns where it begins. */
size_t ws_session_message_begin(struct ws_session *s);
void ws_session_message_end(struct ws_session *s, size_t start);
/* Errors of sluice.json. */
void ws_session_error(struct ws_session *s, struct slice ref, const struct ws_refusal *why);
void ws_session_refuse(struct ws_session *s, struct slice ref, const struct problem *p);
/* Told to the audit log when it is about who it is, or what it may; part of the one above. */
void ws_session_audit(const struct ws_session *s, const struct problem *p);
void ws_session_flush(struct ws_session *s);
/* Must the client wait until its answers are read, or its publishes acknowledged? */
bool ws_session_is_blocked(const struct ws_session *s);
/* Its messages are inflated again. */
void ws_session_unration(struct ws_session *s);
/* The client's next bytes are looked at, if they waited for room. */
void ws_session_continue(struct ws_session *s);
/* It has something to say, and the turn is over. */
void ws_session_turn(struct ws_session *s);
/* A message that is not whole takes so many bytes now. */
void ws_session_hold(struct ws_session *s, size_t bytes);
/* Whoever waited for acknowledgements may go on. */
void ws_session_acknowledged(struct ws_session *s);
/* What of its publishes may be unacknowledged. */
size_t ws_session_window(const struct ws_session *s);
/* One publish more, and one less, is under way. */
void ws_session_publishes(struct ws_session *s, struct ws_publish *pub);
void ws_session_published(struct ws_session *s, struct ws_publish *pub);
/* One of its subscriptions ends. */
void ws_subscription_end(struct ws_subscription *sub);
/* Ends its subscriptions at once; the close frame goes when what it published is
 * acknowledged.  Idempotent; reason is static. */
void ws_session_close(struct ws_session *s, unsigned code, const char *reason);
/* The client's close frame has come. */
void ws_session_closed(struct ws_session *s, unsigned code);
/* Its bytes make no sense: nothing that follows does. */
void ws_session_break(struct ws_session *s, unsigned code);
/* The client has gone without a close frame. */
void ws_session_leave(struct ws_session *s);
/* Frees what it has; the memory goes to the reaper. */
void ws_session_end(struct ws_session *s);

/* --- ws_input.c ------------------------------------------------------------------- */

/* s->channel is there: the connection is its own from now on. */
void ws_input_open(struct ws_session *s);

/* --- ws_auth.c -------------------------------------------------------------------- */

/* It acts as `who` does. */
void ws_auth_begin(struct ws_session *s, const struct caller *who);
/* Nobody knows who it is: what it wants waits until it has said that.  words: of the address,
 * taken; NULL: there are none. */
void ws_auth_await(struct ws_session *s, struct subscribe *words);
/* The operation of sluice.json: ws->request, which is wiped. */
void ws_auth(struct ws_session *s);

/* --- ws_subscribe.c --------------------------------------------------------------- */

static inline struct slice ws_subscription_ref(const struct ws_subscription *sub)
{
    return (struct slice){sub->ref, sub->ref_len};
}

/* The subscription of the address; s->opening hears of it.  subscribe_charge has counted it. */
void ws_subscribe_path(struct ws_session *s, const struct subscribe *words);
/* The operations of sluice.json: ws->request. */
void ws_subscribe(struct ws_session *s);
void ws_unsubscribe(struct ws_session *s);
void ws_subscribe_resume(struct ws_session *s);

/* --- ws_fanout.c ------------------------------------------------------------------ */

/* As in subscription_ops and bundle. */
size_t ws_fanout_events(struct subscription *s, struct run *r);
size_t ws_fanout_shared(struct bundle *b, struct bundle_run *r);

/* --- ws_publish.c ----------------------------------------------------------------- */

void ws_publish_event(struct ws_session *s); /* ws->request */
void ws_publish_raw(struct ws_session *s, bool text, struct slice payload);

#endif
