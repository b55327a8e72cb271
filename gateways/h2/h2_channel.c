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

static struct h2_stream *h2_channel_stream(const struct channel *c)
{
    return c->carrier;
}

/* --- from the client -------------------------------------------------------------- */

static bool takes(const struct h2_stream *st)
{
    return st->state == H2_TUNNEL && st->started && !st->offering;
}

static size_t h2_channel_offer(struct h2_stream *st, struct slice bytes)
{
    size_t used;

    st->offering = true;
    used = st->channel->owner->input(st->channel, bytes);
    st->offering = false;
    h2_session_consume(st->conn->session, st->id, used);
    h2_speak(st->conn);
    return used;
}

/* What lies there is shown again; the owner may end the channel in there. */
static void h2_channel_pump(struct channel *c)
{
    struct h2_stream *st = h2_channel_stream(c);
    size_t used;

    if (!takes(st) || st->in.len == 0)
        return;
    used = h2_channel_offer(st, buf_slice(&st->in));
    if (st->state != H2_TUNNEL)
        return;
    h2_stream_uncount(st, used);
    buf_consume(&st->in, used);
}

void h2_channel_data(struct h2_stream *st, struct slice bytes)
{
    size_t used = takes(st) && st->in.len == 0 ? h2_channel_offer(st, bytes) : 0;
    struct slice rest = {bytes.p + used, bytes.len - used};

    if (st->state == H2_ENDED) {
        h2_session_discard(st->conn->session, rest.len);
    } else if (h2_stream_count(st, rest.len)) {
        buf_put_slice(&st->in, rest);
        if (used == 0 && st->channel != NULL)
            h2_channel_pump(st->channel);
    } else {
        h2_session_discard(st->conn->session, rest.len);
        h2_send_reset(st, H2_ENHANCE_YOUR_CALM);
    }
}

void h2_channel_eof(struct h2_stream *st)
{
    st->channel->eof_seen = true;
    if (st->started)
        st->channel->owner->eof(st->channel);
}

/* --- from the owner --------------------------------------------------------------- */

static void h2_channel_start(struct channel *c)
{
    h2_channel_stream(c)->started = true;
    h2_channel_pump(c);
}

static void h2_channel_write(struct channel *c, struct slice bytes)
{
    struct h2_stream *st = h2_channel_stream(c);

    if (st->state != H2_TUNNEL)
        return;
    st->wanted = st->wanted || h2_send_unread(st) + bytes.len > UNREAD_TOLD;
    h2_send_bytes(st, bytes);
}

static size_t h2_channel_run(struct channel *c, struct run *r, unsigned form, form_encode encode)
{
    struct h2_stream *st = h2_channel_stream(c);

    return st->state == H2_TUNNEL ? h2_send_run(st, r, form, encode) : r->count;
}

static size_t h2_channel_pieces(struct channel *c, const struct conn_piece *pieces, size_t count)
{
    struct h2_stream *st = h2_channel_stream(c);

    return st->state == H2_TUNNEL ? h2_send_pieces(st, pieces, count) : count;
}

static bool h2_channel_pending(const struct channel *c)
{
    return h2_send_pending(h2_channel_stream(c));
}

static size_t h2_channel_unread(const struct channel *c)
{
    return h2_send_unread(h2_channel_stream(c));
}

static void h2_channel_finish(struct channel *c)
{
    struct h2_stream *st = h2_channel_stream(c);

    st->channel = NULL;
    h2_send_end(st);
}

static void h2_channel_close(struct channel *c)
{
    struct h2_stream *st = h2_channel_stream(c);

    st->channel = NULL;
    h2_send_cut(st, H2_CANCEL);
}

static const struct conn *h2_channel_socket(const struct channel *c)
{
    return &h2_channel_stream(c)->conn->conn;
}

static const struct channel_ops channel_ops = {.start = h2_channel_start,
                                               .write = h2_channel_write,
                                               .run = h2_channel_run,
                                               .pieces = h2_channel_pieces,
                                               .pending = h2_channel_pending,
                                               .unread = h2_channel_unread,
                                               .pump = h2_channel_pump,
                                               .finish = h2_channel_finish,
                                               .close = h2_channel_close,
                                               .socket = h2_channel_socket};

void h2_channel_init(struct channel *c, struct h2_stream *st)
{
    *c = (struct channel){.ops = &channel_ops, .carrier = st};
    st->channel = c;
}
