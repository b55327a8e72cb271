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

static struct h2_stream *tunnel_stream(const struct channel *c)
{
    return c->carrier;
}

/* --- from the client -------------------------------------------------------------- */

static bool takes(const struct h2_stream *st)
{
    return st->state == H2_TUNNEL && st->started && !st->offering;
}

static size_t tunnel_offer(struct h2_stream *st, struct slice bytes)
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
static void tunnel_pump(struct channel *c)
{
    struct h2_stream *st = tunnel_stream(c);
    size_t used;

    if (!takes(st) || st->in.len == 0)
        return;
    used = tunnel_offer(st, buf_slice(&st->in));
    if (st->state != H2_TUNNEL)
        return;
    h2_stream_uncount(st, used);
    buf_consume(&st->in, used);
}

void h2_channel_data(struct h2_stream *st, struct slice bytes)
{
    size_t used = takes(st) && st->in.len == 0 ? tunnel_offer(st, bytes) : 0;
    struct slice rest = {bytes.p + used, bytes.len - used};

    if (st->state == H2_ENDED) {
        h2_session_discard(st->conn->session, rest.len);
    } else if (h2_stream_count(st, rest.len)) {
        buf_put_slice(&st->in, rest);
        if (used == 0 && st->channel != NULL)
            tunnel_pump(st->channel);
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

static void tunnel_start(struct channel *c)
{
    tunnel_stream(c)->started = true;
    tunnel_pump(c);
}

static void tunnel_write_bytes(struct channel *c, struct slice bytes)
{
    struct h2_stream *st = tunnel_stream(c);

    if (st->state != H2_TUNNEL)
        return;
    st->wanted = st->wanted || h2_send_unread(st) + bytes.len > UNREAD_TOLD;
    h2_send_bytes(st, bytes);
}

static size_t tunnel_write_run(struct channel *c, struct run *r, unsigned form, form_encode encode)
{
    struct h2_stream *st = tunnel_stream(c);

    return st->state == H2_TUNNEL ? h2_send_run(st, r, form, encode) : r->count;
}

static size_t tunnel_write_pieces(struct channel *c, const struct conn_piece *pieces, size_t count)
{
    struct h2_stream *st = tunnel_stream(c);

    return st->state == H2_TUNNEL ? h2_send_pieces(st, pieces, count) : count;
}

static bool tunnel_pending(const struct channel *c)
{
    return h2_send_pending(tunnel_stream(c));
}

static size_t tunnel_unread(const struct channel *c)
{
    return h2_send_unread(tunnel_stream(c));
}

static void tunnel_finish(struct channel *c)
{
    struct h2_stream *st = tunnel_stream(c);

    st->channel = NULL;
    h2_send_end(st);
}

static void tunnel_close_now(struct channel *c)
{
    struct h2_stream *st = tunnel_stream(c);

    st->channel = NULL;
    h2_send_cut(st, H2_CANCEL);
}

static const struct channel_ops channel_ops = {.start = tunnel_start,
                                               .write = tunnel_write_bytes,
                                               .run = tunnel_write_run,
                                               .pieces = tunnel_write_pieces,
                                               .pending = tunnel_pending,
                                               .unread = tunnel_unread,
                                               .pump = tunnel_pump,
                                               .finish = tunnel_finish,
                                               .close = tunnel_close_now};

void h2_channel_init(struct channel *c, struct h2_stream *st)
{
    *c = (struct channel){.ops = &channel_ops, .carrier = st};
    st->channel = c;
}
