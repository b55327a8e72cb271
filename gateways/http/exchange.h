/*
 * exchange.h - one HTTP request and its answer, whatever carries it.
 *
 * A handler gets an exchange and either answers it once, at once or later, or
 * begins a stream on it.  HTTP/1.1 (http.c) is one carrier; HTTP/2 is another,
 * with the same handlers.
 *
 *   handler ──▶ exchange_answer            a whole answer
 *          ├──▶ exchange_begin             a stream: then write and run,
 *          │      └─▶ exchange_end           at last end, or abort
 *          └──▶ exchange_tunnel            bytes both ways: a channel
 *
 * The request is there only until the handler returns; what is needed later is
 * copied.  After answer, end, abort, tunnel or gone() the exchange is not touched again.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "answer.h"
#include "caller.h"
#include "conn.h"
#include "http_request.h"
#include "problem.h"
#include "request_note.h"
#include "run.h"
#include "shared.h"

struct exchange;
struct quota;
struct channel;
struct site;

/* What the handler of a pending exchange wants to know. */
struct exchange_owner {
    void (*gone)(struct exchange *x);     /* the client is lost: forget the exchange */
    void (*writable)(struct exchange *x); /* a stream takes events again */
    /* The process ends: so should a stream, and whatever may wait for long.  NULL:
     * the answer comes soon by itself. */
    void (*drain)(struct exchange *x);
    /* The client sends no more: it has left, or wants its answer now.  May run
     * again, and right behind the handler, when answering is too early.  Not for
     * streams, whose client is gone then.  NULL: the answer comes soon by itself. */
    void (*hurry)(struct exchange *x);
};

struct exchange_ops {
    /* body is taken, and empty after. */
    void (*answer)(struct exchange *x, const struct answer *a, struct buf *body);
    void (*answer_shared)(struct exchange *x, const struct answer *a, struct shared *body);
    void (*begin)(struct exchange *x, const struct answer *a);
    void (*write)(struct exchange *x, struct slice bytes);
    size_t (*run)(struct exchange *x, struct run *r, unsigned form, form_encode encode);
    uint64_t (*quiet_ms)(struct exchange *x);
    bool (*pending)(struct exchange *x);
    void (*end)(struct exchange *x, bool whole);
    void (*tunnel)(struct exchange *x, const struct answer *a, struct channel *c);
    /* Where the client is, without a port; empty: gone.  NULL: not on the network. */
    struct slice (*address)(struct exchange *x, char text[CONN_ADDRESS_MAX]);
};

struct exchange {
    const struct exchange_ops *ops;
    const struct exchange_owner *owner; /* set by a handler that answers later */
    void *data;                         /* the handler's */
    struct site *site;                  /* site.h */
    void *own;                          /* what the route was given */
    const struct http_request *request; /* NULL after the handler has returned */
    struct slice rest;                  /* of the path, behind the route's; %-encoded */
    struct slice body;
    struct caller caller; /* who asks; the carrier begins and ends it */
    struct quota *quota;  /* of its connection, when that may have several; else NULL */
    struct request_note note;
    bool chunks; /* stream: wished for by the handler, see begin */
    bool push;   /* the same, see begin */
};

/* --- for handlers ------------------------------------------------------------ */

static inline void exchange_answer(struct exchange *x, const struct answer *a, struct buf *body)
{
    x->ops->answer(x, a, body);
}

/* The same with a body that others may be sent too; borrowed, not empty. */
static inline void exchange_answer_shared(struct exchange *x, const struct answer *a,
                                          struct shared *body)
{
    x->ops->answer_shared(x, a, body);
}

/* The head of a stream.  x->chunks asks for HTTP chunks, without which a client
 * cannot tell the end from a cut; x->push for each event of a run to be sent as the
 * resource /history?id= as well (RFC 9113, 8.4).  Where the carrier has none, or the
 * client wants none, they are false after. */
static inline void exchange_begin(struct exchange *x, const struct answer *a)
{
    x->ops->begin(x, a);
}

/* Control bytes, framed by the carrier. */
static inline void exchange_write(struct exchange *x, struct slice bytes)
{
    x->ops->write(x, bytes);
}

/* Events: returns how many were taken; fewer than all: writable() will run.
 * With x->chunks, encode makes whole chunks. */
static inline size_t exchange_run(struct exchange *x, struct run *r, unsigned form,
                                  form_encode encode)
{
    return x->ops->run(x, r, form, encode);
}

/* How long the client has been sent nothing. */
static inline uint64_t exchange_quiet_ms(struct exchange *x)
{
    return x->ops->quiet_ms(x);
}

/* Is something still to be written? */
static inline bool exchange_pending(struct exchange *x)
{
    return x->ops->pending(x);
}

/* The stream is complete. */
static inline void exchange_end(struct exchange *x)
{
    x->ops->end(x, true);
}

/* It is not, and the client shall see that. */
static inline void exchange_abort(struct exchange *x)
{
    x->ops->end(x, false);
}

/* The client gets the upgrade that it asked for, a 101 with these fields, or what says
 * the same in HTTP/2; *c is where it goes on (channel.h). */
static inline void exchange_tunnel(struct exchange *x, const struct answer *a, struct channel *c)
{
    x->ops->tunnel(x, a, c);
}

/* 401 and a 403 that names a verb are told to the audit log, too; a 403 of somebody who is
 * not believed any more becomes a 401. */
void exchange_problem(struct exchange *x, const struct problem *p);
void exchange_error(struct exchange *x, enum sluice_error error); /* without more to say */
/* 200 with a JSON body; takes it. */
void exchange_json(struct exchange *x, int status, struct buf *body);
/* 200, of what this client may see: a cache between cannot tell whose cookie or certificate
 * that was. */
void exchange_document(struct exchange *x, struct buf *body);

#endif
