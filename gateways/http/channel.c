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

static size_t on_input(struct conn *conn, struct slice bytes)
{
    struct channel *c = conn->data;

    c->eof_seen = conn->eof_seen;
    return c->owner->input(c, bytes);
}

static void on_writable(struct conn *conn)
{
    struct channel *c = conn->data;

    c->owner->writable(c);
}

static void on_eof(struct conn *conn)
{
    struct channel *c = conn->data;

    c->eof_seen = true;
    c->owner->eof(c);
}

static void on_drain(struct conn *conn)
{
    struct channel *c = conn->data;

    c->owner->drain(c);
}

static void on_gone(struct conn *conn)
{
    struct channel *c = conn->data;

    c->owner->gone(c);
}

static const struct conn_ops conn_ops = {
    .input = on_input, .writable = on_writable, .eof = on_eof, .drain = on_drain, .gone = on_gone};

/* --- what the owner says ---------------------------------------------------------- */

static void start(struct channel *c)
{
    conn_take_over(conn_of(c), &conn_ops, c);
}

static void write_bytes(struct channel *c, struct slice bytes)
{
    conn_write(conn_of(c), bytes.p, bytes.len);
}

static size_t write_run(struct channel *c, struct run *r, unsigned form, form_encode encode)
{
    return run_write(conn_of(c), r, form, encode);
}

static size_t write_pieces(struct channel *c, const struct conn_piece *pieces, size_t count)
{
    return conn_write_pieces(conn_of(c), pieces, count);
}

static bool pending(const struct channel *c)
{
    return conn_pending(conn_of(c));
}

static size_t unread(const struct channel *c)
{
    return conn_of(c)->out.len;
}

static void pump(struct channel *c)
{
    conn_pump(conn_of(c));
}

static void finish(struct channel *c)
{
    conn_finish(conn_of(c));
}

static void close_now(struct channel *c)
{
    conn_close(conn_of(c));
}

static const struct channel_ops channel_ops = {.start = start,
                                               .write = write_bytes,
                                               .run = write_run,
                                               .pieces = write_pieces,
                                               .pending = pending,
                                               .unread = unread,
                                               .pump = pump,
                                               .finish = finish,
                                               .close = close_now};

void channel_of_conn(struct channel *c, struct conn *conn)
{
    *c = (struct channel){.ops = &channel_ops, .carrier = conn, .eof_seen = conn->eof_seen};
}

struct conn *channel_conn(const struct channel *c)
{
    return c->ops == &channel_ops ? conn_of(c) : NULL;
}
