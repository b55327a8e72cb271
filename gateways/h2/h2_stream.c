/*
 * h2_stream.c - a stream's life: from its first field, or its promise, to its end.
 *
 * It ends once, in h2_stream_over; see h2.h for when.  What it has is let go of there, and
 * whoever has the stream learns it.
 */
#include <assert.h>

#include <utlist.h>

#include "h2.h"
#include "mem.h"
#include "metrics.h"

struct h2_stream *h2_stream_new(struct h2_conn *h, int32_t id)
{
    struct h2_stream *st = mem_zalloc(sizeof *st);

    st->conn = h;
    st->id = id;
    DL_APPEND(h->streams, st);
    h->stream_count++;
    h->h2->streams++;
    metric_add(M_H2_STREAMS, 1);
    if (h->idle && !h->draining)
        conn_timer(&h->conn, 0, NULL);
    h->idle = false;
    return st;
}

/* --- what is kept of a request --------------------------------------------------- */

bool h2_stream_count(struct h2_stream *st, size_t bytes)
{
    struct http_bodies *all = &st->conn->h2->bodies;

    if (all->bytes + bytes > all->bytes_max)
        return false;
    all->bytes += bytes;
    st->counted += bytes;
    return true;
}

void h2_stream_uncount(struct h2_stream *st, size_t bytes)
{
    st->conn->h2->bodies.bytes -= bytes;
    st->counted -= bytes;
}

void h2_stream_forget(struct h2_stream *st)
{
    h2_stream_uncount(st, st->counted);
    h2_request_free(st->request);
    st->request = NULL;
    buf_free(&st->in);
}

void h2_stream_discard(struct h2_stream *st)
{
    if (!st->connect && st->state != H2_ASKING)
        return;
    h2_session_discard(st->conn->session, st->in.len);
    st->in.len = 0;
}

void h2_stream_settle(struct h2_stream *st)
{
    st->x.caller.changed = NULL;
    request_note_end(&st->x.note, &st->x.caller);
}

/* --- the end ---------------------------------------------------------------------- */

static void stop_waiting(struct h2_stream *st)
{
    if (st->waiting)
        DL_DELETE2(st->conn->waiting, st, waiting_prev, waiting_next);
    st->waiting = false;
}

/* Whoever waits for a promise goes on. */
static void promise_over(struct h2_conn *h)
{
    struct h2_stream *st;

    h->promised--;
    DL_FOREACH (h->streams, st)
        if (st->wants_promise)
            h2_send_wait(st);
}

void h2_stream_over(struct h2_stream *st)
{
    struct h2_conn *h = st->conn;
    bool handled = st->state == H2_BUSY || st->state == H2_STREAM;

    assert(st->state != H2_OVER);
    h2_stream_discard(st);
    st->state = H2_OVER;
    wheel_stop(&st->timer);
    stop_waiting(st);
    gatekeeper_forget(&st->ask);
    h2_stream_forget(st);
    h2_send_drop(st);
    DL_DELETE(h->streams, st);
    h->stream_count--;
    h->h2->streams--;
    metric_sub(M_H2_STREAMS, 1);
    buf_free(&st->authority);
    cors_clear(&st->cors);
    if (st->promised)
        promise_over(h);
    reaper_take(h->h2->site->use.reaper, &st->reaped);
    if (handled)
        st->x.owner->gone(&st->x);
    else if (st->channel != NULL)
        st->channel->owner->gone(st->channel);
    h2_stream_settle(st);
    caller_end(&st->x.caller);
}

void h2_stream_wake(struct h2_stream *st)
{
    stop_waiting(st);
    st->wants_promise = false;
    h2_session_more(st->conn->session, st->id);
    h2_speak(st->conn);
    if (!st->wanted)
        return;
    st->wanted = false;
    if (st->state == H2_STREAM)
        st->x.owner->writable(&st->x);
    else if (st->state == H2_TUNNEL)
        st->channel->owner->writable(st->channel);
}

void h2_stream_drain(struct h2_stream *st)
{
    bool handled = st->state == H2_BUSY || st->state == H2_STREAM;

    if (st->state == H2_TUNNEL)
        st->channel->owner->drain(st->channel);
    else if (handled && st->x.owner != NULL && st->x.owner->drain != NULL)
        st->x.owner->drain(&st->x);
}
