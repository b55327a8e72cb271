/*
 * h2_channel.c - a stream as a channel: WebSocket over HTTP/2 (RFC 8441).
 *
 * What the client sends is shown to the channel's owner as it comes, and what the owner
 * leaves is kept; only what it has taken opens the client's window again.  So a client
 * that is not read stops after a window.  What is kept counts among the bodies of
 * requests; over that limit the stream is reset.
 */
#include "h2.h"
#include "mem.h"

#define UNREAD_TOLD (16u * 1024) /* control bytes whose end the owner is told */

static struct h2_stream *stream_of(const struct channel *c)
{
    return c->carrier;
}

/* --- from the client -------------------------------------------------------------- */

static bool takes(const struct h2_stream *st)
{
    return st->state == H2_TUNNEL && st->started && !st->offering;
}

static size_t offer(struct h2_stream *st, struct slice bytes)
{
    size_t used;

    st->offering = true;
    used = st->channel->owner->input(st->channel, bytes);
    st->offering = false;
    session_consume(st->conn->session, st->id, used);
    h2_conn_speak(st->conn);
    return used;
}

/* What lies there is shown again; the owner may end the channel in there. */
static void pump(struct channel *c)
{
    struct h2_stream *st = stream_of(c);
    size_t used;

    if (!takes(st) || st->in.len == 0)
        return;
    used = offer(st, (struct slice){(char *)st->in.p, st->in.len});
    if (st->state != H2_TUNNEL)
        return;
    h2_stream_uncount(st, used);
    buf_consume(&st->in, used);
}

void h2_channel_data(struct h2_stream *st, struct slice bytes)
{
    size_t used = takes(st) && st->in.len == 0 ? offer(st, bytes) : 0;
    struct slice rest = {bytes.p + used, bytes.len - used};

    if (st->state == H2_ENDED) {
        session_discard(st->conn->session, rest.len);
    } else if (h2_stream_count(st, rest.len)) {
        buf_put_slice(&st->in, rest);
        if (used == 0 && st->channel != NULL)
            pump(st->channel);
    } else {
        session_discard(st->conn->session, rest.len);
        h2_stream_reset(st, H2_ENHANCE_YOUR_CALM);
    }
}

void h2_channel_eof(struct h2_stream *st)
{
    st->channel->eof_seen = true;
    if (st->started)
        st->channel->owner->eof(st->channel);
}

/* --- from the owner --------------------------------------------------------------- */

static void start(struct channel *c)
{
    stream_of(c)->started = true;
    pump(c);
}

static void write_bytes(struct channel *c, struct slice bytes)
{
    struct h2_stream *st = stream_of(c);

    if (st->state != H2_TUNNEL)
        return;
    st->wanted = st->wanted || h2_send_unread(st) + bytes.len > UNREAD_TOLD;
    h2_send_bytes(st, bytes);
}

static size_t write_run(struct channel *c, struct run *r, unsigned form, form_encode encode)
{
    struct h2_stream *st = stream_of(c);

    return st->state == H2_TUNNEL ? h2_send_run(st, r, form, encode) : r->count;
}

static size_t write_pieces(struct channel *c, const struct conn_piece *pieces, size_t count)
{
    struct h2_stream *st = stream_of(c);

    return st->state == H2_TUNNEL ? h2_send_pieces(st, pieces, count) : count;
}

static bool pending(const struct channel *c)
{
    return h2_send_pending(stream_of(c));
}

static size_t unread(const struct channel *c)
{
    return h2_send_unread(stream_of(c));
}

static void finish(struct channel *c)
{
    struct h2_stream *st = stream_of(c);

    st->channel = NULL;
    h2_send_end(st);
}

static void close_now(struct channel *c)
{
    struct h2_stream *st = stream_of(c);

    st->channel = NULL;
    h2_stream_cut(st, H2_CANCEL);
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

void h2_channel_init(struct channel *c, struct h2_stream *st)
{
    *c = (struct channel){.ops = &channel_ops, .carrier = st};
    st->channel = c;
}
