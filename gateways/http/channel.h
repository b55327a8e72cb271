/*
 * channel.h - bytes both ways, and events: what a WebSocket runs on, be it a connection of
 * its own (HTTP/1.1) or a stream among others (HTTP/2, RFC 8441).
 *
 *   exchange_tunnel ──▶ channel_start ──▶ input, writable, eof, drain … gone
 *                                    └──▶ channel_finish or channel_close
 *
 * Embedded by its owner; made by exchange_tunnel.  As with conn.h: writing never calls
 * back, and when the peer is lost, writes are swallowed until gone() runs.  The owner's
 * memory stays until the loop's turn is over.  Loop thread.
 */
#ifndef HTTP_CHANNEL_H
#define HTTP_CHANNEL_H

#include "conn.h"
#include "run.h"

struct channel;

/* As in conn_ops. */
struct channel_owner {
    size_t (*input)(struct channel *c, struct slice bytes);
    void (*writable)(struct channel *c);
    void (*eof)(struct channel *c);
    void (*drain)(struct channel *c);
    void (*gone)(struct channel *c);
};

/* The carrier's. */
struct channel_ops {
    void (*start)(struct channel *c);
    void (*write)(struct channel *c, struct slice bytes);
    size_t (*run)(struct channel *c, struct run *r, unsigned form, form_encode encode);
    size_t (*pieces)(struct channel *c, const struct conn_piece *pieces, size_t count);
    bool (*pending)(const struct channel *c);
    size_t (*unread)(const struct channel *c);
    void (*pump)(struct channel *c);
    void (*finish)(struct channel *c);
    void (*close)(struct channel *c);
    const struct conn *(*socket)(const struct channel *c);
};

struct channel {
    const struct channel_ops *ops;
    const struct channel_owner *owner; /* set by the owner before channel_start */
    void *carrier;                     /* the connection or stream */
    bool eof_seen;
};

/* Callbacks may come from now on; what the client has sent ahead is shown at once. */
static inline void channel_start(struct channel *c)
{
    c->ops->start(c);
}

/* Control bytes; copies what does not go out at once. */
static inline void channel_write(struct channel *c, struct slice bytes)
{
    c->ops->write(c, bytes);
}

/* As conn_write_run and conn_write_pieces. */
static inline size_t channel_run(struct channel *c, struct run *r, unsigned form,
                                 form_encode encode)
{
    return c->ops->run(c, r, form, encode);
}

static inline size_t channel_pieces(struct channel *c, const struct conn_piece *pieces,
                                    size_t count)
{
    return c->ops->pieces(c, pieces, count);
}

/* Something is left to write; and how many control bytes of it. */
static inline bool channel_pending(const struct channel *c)
{
    return c->ops->pending(c);
}

static inline size_t channel_unread(const struct channel *c)
{
    return c->ops->unread(c);
}

/* Shows the unread bytes to input() again. */
static inline void channel_pump(struct channel *c)
{
    c->ops->pump(c);
}

/* The connection underneath, for what it knows of its peer (conn_peer_subject, _address). */
static inline const struct conn *channel_socket(const struct channel *c)
{
    return c->ops->socket(c);
}

/* Both end it: no callback after.  finish writes what is left. */
static inline void channel_finish(struct channel *c)
{
    c->ops->finish(c);
}

static inline void channel_close(struct channel *c)
{
    c->ops->close(c);
}

/* The carrier that is a connection, for http.c: channel_start takes it over. */
void channel_of_conn(struct channel *c, struct conn *conn);
/* That connection, for an owner that speaks to it itself: conn_take_over instead of
 * channel_start.  NULL: the carrier is another. */
MUST_CHECK struct conn *channel_conn(const struct channel *c);

#endif
