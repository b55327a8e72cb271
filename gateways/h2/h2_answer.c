/*
 * h2_answer.c - what a handler says to its exchange: answers, streams of events, and the
 * beginning of a channel.
 */
#include <assert.h>

#include "h2.h"
#include "mem.h"

static struct h2_stream *h2_answer_stream(struct exchange *x)
{
    return CONTAINER_OF(x, struct h2_stream, x);
}

/* --- answers ---------------------------------------------------------------------- */

/* As in HTTP/1.1: to HEAD the length that GET would have had, if that is known. */
static size_t length_of(const struct h2_stream *st, const struct answer *a, size_t body)
{
    bool told = a->status != 204 && a->status != 304 && (!st->head_only || body > 0);

    return told ? body : SIZE_MAX;
}

static void h2_answer_shared(struct exchange *x, const struct answer *a, struct shared *body)
{
    struct h2_stream *st = h2_answer_stream(x);
    size_t length = body != NULL ? body->bytes.len : 0;
    bool has_body = length > 0 && !st->head_only;

    assert(st->state == H2_BUSY);
    st->state = H2_ANSWERED;
    st->last = true;
    st->moved = h2_stream_tick(st);
    x->owner = NULL;
    h2_head_respond(st, a, length_of(st, a, length), has_body);
    st->x.note.bytes = has_body ? length : 0;
    h2_stream_settle(st);
    h2_send_watch(st);
    if (has_body)
        h2_send_body(st, body);
}

static void h2_answer_bytes(struct exchange *x, const struct answer *a, struct buf *body)
{
    struct shared *s = body->len > 0 ? shared_of(body) : NULL;

    buf_free(body);
    h2_answer_shared(x, a, s);
    shared_unref(s);
}

/* --- streams ---------------------------------------------------------------------- */

static void h2_answer_begin(struct h2_stream *st, const struct answer *a,
                            enum h2_stream_state state)
{
    assert(st->state == H2_BUSY && !st->head_only);
    st->state = (uint8_t)state;
    st->moved = h2_stream_tick(st);
    h2_head_respond(st, a, SIZE_MAX, true);
}

static void h2_answer_stream_begin(struct exchange *x, const struct answer *a)
{
    x->chunks = false; /* END_STREAM tells a whole stream from a cut one */
    x->push = x->push && h2_push_wanted(h2_answer_stream(x));
    h2_answer_begin(h2_answer_stream(x), a, H2_STREAM);
}

static void h2_answer_stream_write(struct exchange *x, struct slice bytes)
{
    assert(h2_answer_stream(x)->state == H2_STREAM);
    x->note.bytes += bytes.len;
    h2_send_bytes(h2_answer_stream(x), bytes);
}

static size_t h2_answer_stream_run(struct exchange *x, struct run *r, unsigned form,
                                   form_encode encode)
{
    struct h2_stream *st = h2_answer_stream(x);
    size_t n;

    assert(st->state == H2_STREAM);
    n = x->push ? h2_push_run(st, r, form, encode) : h2_send_run(st, r, form, encode);
    if (n > 0 && request_note_logs(&x->note))
        x->note.bytes += run_form_get(r, form, encode)->ends[n - 1];
    return n;
}

static uint64_t h2_answer_stream_quiet_ms(struct exchange *x)
{
    return h2_stream_quiet_ms(h2_answer_stream(x));
}

static bool h2_answer_stream_pending(struct exchange *x)
{
    return h2_send_pending(h2_answer_stream(x));
}

static void h2_answer_stream_end(struct exchange *x, bool whole)
{
    struct h2_stream *st = h2_answer_stream(x);

    assert(st->state == H2_STREAM);
    x->owner = NULL;
    h2_stream_settle(st);
    if (whole)
        h2_send_end(st);
    else
        h2_send_cut(st, H2_INTERNAL_ERROR);
}

/* --- channels --------------------------------------------------------------------- */

/* RFC 8441, 5: a 200 is the 101 of an extended CONNECT. */
static void h2_answer_tunnel(struct exchange *x, const struct answer *a, struct channel *c)
{
    struct h2_stream *st = h2_answer_stream(x);
    struct answer accepted = *a;

    accepted.status = 200;
    x->owner = NULL;
    h2_answer_begin(st, &accepted, H2_TUNNEL);
    h2_stream_settle(st);
    h2_channel_init(c, st);
}

static struct slice h2_answer_address(struct exchange *x, char text[CONN_ADDRESS_MAX])
{
    return conn_peer_address(&h2_answer_stream(x)->conn->conn, text);
}

const struct exchange_ops h2_answer_ops = {.answer = h2_answer_bytes,
                                           .answer_shared = h2_answer_shared,
                                           .begin = h2_answer_stream_begin,
                                           .write = h2_answer_stream_write,
                                           .run = h2_answer_stream_run,
                                           .quiet_ms = h2_answer_stream_quiet_ms,
                                           .pending = h2_answer_stream_pending,
                                           .end = h2_answer_stream_end,
                                           .tunnel = h2_answer_tunnel,
                                           .address = h2_answer_address};
