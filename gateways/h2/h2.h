/*
 * h2.h - a connection, its streams, and what all of a process share.
 *
 *   h2_gateway  what the connections share, and their turn
 *   h2_conn     a connection's life: its preface, draining, the end
 *   h2_serve    a request on its way to a handler, and the exchange it gets
 *   h2_answer   what the handler says: answers, streams of events, a channel
 *   h2_push     events as promised resources
 *   h2_channel  a WebSocket on a stream
 *   h2_head     the head of an answer
 *   h2_stream   a stream's life, whatever it carries
 *   h2_send     what a stream has to send, as DATA frames
 *   h2_speak    what a connection has to say, as frames that leave in one write
 *
 * Each calls only those below it.
 *
 *   socket ──conn──▶ h2_conn ──▶ h2_session ──▶ h2_serve ──▶ handler, or h2_channel
 *          ◀──────── h2_speak ◀── h2_session ◀── h2_send ◀── h2_answer ◀── exchange_ops
 *
 * A stream sends, in this order:   tail, held.body, out, then events
 *   tail   the rest of an event that its window cut in two; shared, held by a pin
 *   body   of an answer
 *   out    control bytes: comments, positions, notices
 * and takes events only while all are empty, its window is open and the socket takes
 * bytes.  Else the events stay where they are, in the ring or the store, and the stream
 * waits, without holding up its siblings: for its window in nghttp2, for the socket in
 * its connection's `waiting`.
 *
 * A stream ends in h2_stream_over, once.  That is called by the session (closed), by
 * whoever began it before the session knew it, and for all when their connection ends;
 * so inside h2_session_receive, h2_session_send, and what calls these: h2_speak_now and
 * the feeding of events.  The memory stays until the loop's turn is over.
 *
 * Loop thread.
 */
#ifndef H2_H2_H
#define H2_H2_H

#include "channel.h"
#include "gatekeeper.h"
#include "gather.h"
#include "h2_gateway.h"
#include "h2_request.h"
#include "h2_session.h"
#include "held.h"
#include "http_body.h"
#include "http_date.h"
#include "reaper.h"
#include "site.h"
#include "wheel.h"

struct h2_conn;
struct h2_stream;

/* What all connections of the process share. */
struct h2 {
    struct site *site;
    void (*wake)(void *arg); /* the loop has a turn before it sleeps */
    void *wake_arg;
    struct h2_session_limits session;
    struct route_limits bodies_max;
    struct http_bodies bodies; /* heads of requests that wait for their bodies, too */
    uint64_t header_timeout, body_timeout, idle_timeout;
    size_t streams, streams_max;
    struct held_list held; /* what streams have begun to send */
    struct gather_pool pool;
    struct http_date date;
    struct h2_conn *speaking; /* have something to send at the turn's end */
};

/* --- one connection --------------------------------------------------------------- */

struct h2_conn {
    struct conn conn; /* first */
    struct h2 *h2;
    struct h2_session *session; /* NULL: its preface is not whole, or it is over */
    struct gather *gather;      /* what this turn has to say */
    struct h2_stream *streams, *waiting;
    size_t stream_count;
    struct quota quota; /* of all its streams */
    struct gatekeeper_pass pass;
    size_t promised; /* of them, those that were pushed */
    struct h2_conn *speaking_prev, *speaking_next;
    bool speaking, idle, draining, over;
};

/* --- h2_conn.c */

extern const struct conn_ops h2_conn_ops;

/* It has something to send, and the turn is over.  True: it could go on at once. */
bool h2_conn_turn(struct h2_conn *h);

/* --- h2_speak.c */

/* It has something to send: at the end of the turn. */
void h2_speak(struct h2_conn *h);
void h2_speak_stop(struct h2_conn *h);
/* Frames are made of what there is to send, and gathered.  May end streams. */
void h2_speak_now(struct h2_conn *h);
/* What is gathered is written, unless something is pending. */
void h2_speak_write(struct h2_conn *h);

/* --- one stream ------------------------------------------------------------------- */

enum h2_stream_state {
    H2_HEAD,     /* fields are coming */
    H2_ASKING,   /* the authority is asked who it comes from; its body is not taken */
    H2_BODY,     /* the body is */
    H2_BUSY,     /* a handler has it */
    H2_ANSWERED, /* an answer is on its way */
    H2_STREAM,   /* a handler streams on it */
    H2_TUNNEL,   /* it is a channel */
    H2_ENDED,    /* and has ended: what is left is on its way */
    H2_OVER
};

/* Events that are being handed over, and how far they are out. */
struct h2_feed {
    const struct conn_piece *pieces; /* NULL: a run */
    struct run *run;
    unsigned form;
    form_encode encode;
    size_t entry, at; /* the next byte: in which event, and where in it */
    size_t left;      /* bytes in all */
};

struct h2_stream {
    struct reaped reaped; /* first */
    struct exchange x;
    struct h2_conn *conn;
    struct h2_stream *prev, *next;                 /* of the connection */
    struct h2_stream *waiting_prev, *waiting_next; /* of those that wait for the socket */
    int32_t id;
    uint8_t state;
    bool waiting;
    bool wanted; /* writable() is owed */
    bool head_only;
    bool promised;          /* by us: nobody asked for it */
    bool wants_promise;     /* and waits until there may be one */
    bool connect;           /* extended CONNECT: what comes behind the head is no body */
    bool started, offering; /* of the channel */
    struct channel *channel;
    bool last;  /* nothing comes behind what there is to send */
    bool empty; /* no body followed its head */
    bool ended; /* the client sends no more */
    struct wheel_timer timer;
    uint64_t moved; /* the wheel's tick at which it last sent something */

    struct h2_request *request; /* until the handler has had it */
    struct buf in;              /* its body; of a channel, what has yet to be taken */
    size_t body_max;
    size_t counted; /* of both, in h2->bodies */
    struct gatekeeper_ask ask;
    struct cors cors;
    struct buf authority; /* when events are pushed */
    uint64_t promised_to; /* and up to which event they were */

    struct slice tail;
    struct pin pin;       /* of tail, unless it is copied */
    struct buf tail_copy; /* what was left of it when its block left memory */
    size_t body_at;       /* of held.body */
    struct buf out;
    size_t out_at;
    struct held held; /* the body, and what of all that takes memory of its own */
    struct h2_feed *feed;
};

/* --- h2_stream.c */

struct h2_stream *h2_stream_new(struct h2_conn *h, int32_t id);
/* It is over: the handler learns it if it has the stream. */
void h2_stream_over(struct h2_stream *st);
/* The request is let go of, and its body. */
void h2_stream_forget(struct h2_stream *st);
/* What of it has come and was not taken opens its connection's window again, which it no
 * longer does by itself. */
void h2_stream_discard(struct h2_stream *st);
/* The request is answered, or over: its handler hears no more of its caller. */
void h2_stream_settle(struct h2_stream *st);
/* The socket takes bytes again. */
void h2_stream_wake(struct h2_stream *st);
/* The process ends.  What is done about it is only queued: no stream ends in here. */
void h2_stream_drain(struct h2_stream *st);
/* What of a request lies in memory, for all together; false: there is no room. */
MUST_CHECK bool h2_stream_count(struct h2_stream *st, size_t bytes);
void h2_stream_uncount(struct h2_stream *st, size_t bytes);

static inline uint64_t h2_stream_tick(const struct h2_stream *st)
{
    return st->conn->h2->site->use.wheel->tick;
}

/* How long it has sent nothing. */
static inline uint64_t h2_stream_quiet_ms(const struct h2_stream *st)
{
    return (h2_stream_tick(st) - st->moved) * WHEEL_TICK_MS;
}

/* --- h2_send.c */

size_t h2_send_offer(void *stream, size_t max, bool *last); /* for h2_session_ops */
void h2_send_put(void *stream, size_t len);
void h2_send_drop(struct h2_stream *st);
void h2_send_body(struct h2_stream *st, struct shared *body);
/* The same for what lies in a block. */
void h2_send_shared(struct h2_stream *st, struct slice bytes, struct block *b);
void h2_send_bytes(struct h2_stream *st, struct slice bytes);
/* As conn_write_run and conn_write_pieces.  The stream may have ended when they return: then
 * all is taken. */
size_t h2_send_run(struct h2_stream *st, struct run *r, unsigned form, form_encode encode);
size_t h2_send_pieces(struct h2_stream *st, const struct conn_piece *pieces, size_t count);
/* It is told when it may go on, by the end of the turn. */
void h2_send_wait(struct h2_stream *st);
/* It ends when all that there is to send is out. */
void h2_send_end(struct h2_stream *st);
/* It is reset when it does not move for long. */
void h2_send_watch(struct h2_stream *st);
/* Nothing of it shall be sent any more; the client sees that it is not whole. */
void h2_send_reset(struct h2_stream *st, enum h2_error error);
/* The same, from the handler, who hears no more of it. */
void h2_send_cut(struct h2_stream *st, enum h2_error error);
void h2_send_held_cut(struct held *h); /* for held_list */
bool h2_send_pending(const struct h2_stream *st);
size_t h2_send_unread(const struct h2_stream *st); /* control bytes */

/* --- h2_head.c */

/* The head of an answer; length: SIZE_MAX when it has none to tell. */
void h2_head_respond(struct h2_stream *st, const struct answer *a, size_t length, bool body);

/* --- h2_push.c */

bool h2_push_wanted(const struct h2_stream *st); /* the client takes promises */
/* As h2_send_run, each event promised; the form is that of the lines. */
size_t h2_push_run(struct h2_stream *st, struct run *r, unsigned form, form_encode encode);

/* --- h2_channel.c */

void h2_channel_init(struct channel *c, struct h2_stream *st);
/* What the client sends, also before there is a channel; and that it sends no more. */
void h2_channel_data(struct h2_stream *st, struct slice bytes);
void h2_channel_eof(struct h2_stream *st);

/* --- h2_answer.c, h2_serve.c */

extern const struct exchange_ops h2_answer_ops;
extern const struct h2_session_ops h2_serve_ops;

#endif
