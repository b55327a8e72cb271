/*
 * h2_session.h - HTTP/2's framing (RFC 9113) of one connection, over nghttp2: bytes in,
 * events out; what is to be said in, frames out.  No socket.
 *
 *   h2_session_receive ──▶ begin, field…, head, data…, end   a request
 *                  └──▶ closed                            its last word, whenever
 *   h2_session_respond ──▶ HEADERS
 *   h2_session_more    ──▶ offer, put                        DATA, as the windows allow
 *
 * What goes out is appended to the owner's gather, in h2_session_send alone: a frame's
 * header here, its payload by put(), who may share it with others.
 *
 * How it fails: a client that breaks the protocol is told so by RST_STREAM or GOAWAY;
 * so is one that sends too much that serves nothing (glitches.h), too large a head, or a
 * head in too many pieces.  Then h2_session_over() is true once it is said.
 *
 * ops run inside h2_session_receive and h2_session_send alone; they may call everything here
 * but those two and h2_session_free, which is asserted.  So these two end streams, and nothing
 * else here does: whoever calls them looks whether the stream in hand is still there.  Loop
 * thread.
 */
#ifndef H2_H2_SESSION_H
#define H2_H2_SESSION_H

#include "bytes.h"

struct h2_session;

enum h2_error { /* RFC 9113, 7 */
                H2_NO_ERROR = 0,
                H2_PROTOCOL_ERROR = 1,
                H2_INTERNAL_ERROR = 2,
                H2_STREAM_CLOSED = 5,
                H2_REFUSED_STREAM = 7,
                H2_CANCEL = 8,
                H2_ENHANCE_YOUR_CALM = 11,
};

/* stream is what begin() returned. */
struct h2_session_ops {
    /* A request begins; NULL: it is refused, and nothing more is heard of it. */
    void *(*begin)(void *arg, int32_t id);
    /* Names are in lower case; pseudo fields come first. */
    void (*field)(void *stream, struct slice name, struct slice value);
    /* All fields are there; but for too_large, when the last ones were left out.
     * ended: no body follows, and end() comes next.  False: they are malformed, and the
     * stream is reset. */
    bool (*head)(void *stream, bool ended, bool too_large);
    /* The client's windows open again by h2_session_consume, or h2_session_discard. */
    void (*data)(void *stream, struct slice bytes);
    void (*end)(void *stream);
    /* The answer is out, and the request not in yet. */
    void (*early)(void *stream);
    /* The last callback. */
    void (*closed)(void *stream);
    /* Of what size a DATA frame shall be, max bytes at most; *last: nothing comes behind
     * it.  0 and not last: there is nothing until h2_session_more. */
    size_t (*offer)(void *stream, size_t max, bool *last);
    /* Appends just so many bytes to the gather: a frame that was offered. */
    void (*put)(void *stream, size_t len);
    void (*write)(void *arg, struct slice bytes); /* appends them, too */
};

struct h2_session_limits {
    uint32_t max_streams;           /* open at once */
    uint32_t window;                /* what a client may send ahead on a stream, bytes */
    size_t max_header;              /* of a head, uncompressed; RFC 9113, 10.5.1 */
    uint64_t glitches, glitch_rate; /* see glitches.h */
};

struct h2_field {
    struct slice name, value; /* in lower case; copied */
};

struct h2_session *h2_session_new(const struct h2_session_limits *l,
                                  const struct h2_session_ops *ops, void *arg);
void h2_session_free(struct h2_session *s); /* says nothing of streams that are open */

/* What comes behind the connection preface.  False: nothing more will be understood. */
MUST_CHECK bool h2_session_receive(struct h2_session *s, struct slice bytes);
void h2_session_send(struct h2_session *s);
/* There is nothing more to receive nor to send. */
bool h2_session_over(const struct h2_session *s);
size_t h2_session_queued(const struct h2_session *s); /* frames that wait for h2_session_send */

/* An answer's head, with :status first; `body`: offer() says what follows. */
void h2_session_respond(struct h2_session *s, int32_t stream, const struct h2_field *fields,
                        size_t count, bool body);
/* A PUSH_PROMISE of a resource, with :method first; returns the stream on which it follows.
 * That is stream's from then on, like one that has begun: closed() comes, whether the promise
 * could be sent or not.  0: there is no such stream, and will be none. */
MUST_CHECK int32_t h2_session_promise(struct h2_session *s, int32_t parent,
                                      const struct h2_field *fields, size_t count, void *stream);
/* So many promised streams the client lets be open; 0: it wants none. */
size_t h2_session_promises_max(const struct h2_session *s);
void h2_session_continue(struct h2_session *s, int32_t stream); /* 100 */
/* It has something to offer again. */
void h2_session_more(struct h2_session *s, int32_t stream);
void h2_session_reset(struct h2_session *s, int32_t stream, enum h2_error error);
/* The client may send so many bytes more. */
void h2_session_consume(struct h2_session *s, int32_t stream, size_t bytes);
void h2_session_discard(struct h2_session *s, size_t bytes); /* on other streams only */

/* Tells the client to open no more streams; when it has heard that, those that have
 * begun are the last (RFC 9113, 6.8).  cut: without waiting for that. */
void h2_session_drain(struct h2_session *s);
void h2_session_drain_now(struct h2_session *s);
void h2_session_terminate(struct h2_session *s, enum h2_error error);

#endif
