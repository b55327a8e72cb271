/*
 * channel.c - a connection as a channel: it only passes on.
 */
#include "channel.h"

#include "run_write.h"

static struct conn *conn_of(const struct channel *c)
{
    return c->carrier;
}

/* --- what the connection says ----------------------------------------------------- */

static size_t channel_on_input(struct conn *conn, struct slice bytes)
{
    struct channel *c = conn->data;

    c->eof_seen = conn->eof_seen;
    return c->owner->input(c, bytes);
}

static void channel_on_writable(struct conn *conn)
{
    struct channel *c = conn->data;

    c->owner->writable(c);
}

static void channel_on_eof(struct conn *conn)
{
    struct channel *c = conn->data;

    c->eof_seen = true;
    c->owner->eof(c);
}

static void channel_on_drain(struct conn *conn)
{
    struct channel *c = conn->data;

    c->owner->drain(c);
}

static void channel_on_gone(struct conn *conn)
{
    struct channel *c = conn->data;

    c->owner->gone(c);
}

static const struct conn_ops conn_ops = {.input = channel_on_input,
                                         .writable = channel_on_writable,
                                         .eof = channel_on_eof,
                                         .drain = channel_on_drain,
                                         .gone = channel_on_gone};

/* --- what the owner says ---------------------------------------------------------- */

static void over_conn_start(struct channel *c)
{
    conn_take_over(conn_of(c), &conn_ops, c);
}

static void over_conn_bytes(struct channel *c, struct slice bytes)
{
    conn_write(conn_of(c), bytes.p, bytes.len);
}

static size_t over_conn_run(struct channel *c, struct run *r, unsigned form, form_encode encode)
{
    return run_write(conn_of(c), r, form, encode);
}

static size_t over_conn_pieces(struct channel *c, const struct conn_piece *pieces, size_t count)
{
    return conn_write_pieces(conn_of(c), pieces, count);
}

static bool over_conn_pending(const struct channel *c)
{
    return conn_pending(conn_of(c));
}

static size_t over_conn_unread(const struct channel *c)
{
    return conn_of(c)->out.len;
}

static void over_conn_pump(struct channel *c)
{
    conn_pump(conn_of(c));
}

static void over_conn_finish(struct channel *c)
{
    conn_finish(conn_of(c));
}

static void over_conn_close(struct channel *c)
{
    conn_close(conn_of(c));
}

static const struct conn *over_conn_socket(const struct channel *c)
{
    return conn_of(c);
}

static const struct channel_ops channel_ops = {.start = over_conn_start,
                                               .write = over_conn_bytes,
                                               .run = over_conn_run,
                                               .pieces = over_conn_pieces,
                                               .pending = over_conn_pending,
                                               .unread = over_conn_unread,
                                               .pump = over_conn_pump,
                                               .finish = over_conn_finish,
                                               .close = over_conn_close,
                                               .socket = over_conn_socket};

void channel_of_conn(struct channel *c, struct conn *conn)
{
    *c = (struct channel){.ops = &channel_ops, .carrier = conn, .eof_seen = conn->eof_seen};
}

struct conn *channel_conn(const struct channel *c)
{
    return c->ops == &channel_ops ? conn_of(c) : NULL;
}
