/*
 * h2_send.c - what a stream has to send, as DATA frames.
 *
 * Happy path of an event: h2_send_run lets the session offer the run's bytes in DATA
 * frames, as many as the windows allow; their headers are this stream's own, the bytes
 * lie where they were encoded once for all.  The frames of all streams of a connection
 * gather, and leave in one write at the end of the turn.
 *
 * What the windows or the socket do not take is not taken from the run either, but for
 * the rest of the event that is half out: that is the tail.
 *
 * How it fails: a stream that lets control bytes pile up, holds too much of what is half
 * out, or stands still with an answer that its client asked for, is reset.
 */
#include <assert.h>

#include <utlist.h>

#include "h2.h"
#include "mem.h"
#include "metrics.h"

#define OUT_MAX (256u * 1024) /* control bytes that a stream may leave unread */

static size_t body_left(const struct h2_stream *st)
{
    return st->held.body != NULL ? st->held.body->bytes.len - st->body_at : 0;
}

size_t h2_send_unread(const struct h2_stream *st)
{
    return st->out.len - st->out_at;
}

static size_t left_to_send(const struct h2_stream *st)
{
    return st->tail.len + body_left(st) + h2_send_unread(st);
}

bool h2_send_pending(const struct h2_stream *st)
{
    return left_to_send(st) > 0 || conn_pending(&st->conn->conn);
}

/* --- what it holds ---------------------------------------------------------------- */

static struct held_list *held_of(const struct h2_stream *st)
{
    return &st->conn->h2->held;
}

static void count_held(struct h2_stream *st)
{
    held_set(held_of(st), &st->held, st->tail_copy.len + st->out.len);
}

/* The last thing that a caller does: the stream may be cut for what it holds. */
static void hold_more(struct h2_stream *st)
{
    count_held(st);
    held_relieve(held_of(st));
}

static void tail_clear(struct h2_stream *st)
{
    st->tail = (struct slice){NULL, 0};
    pin_clear(&st->pin);
    buf_free(&st->tail_copy);
}

static void copy_tail(struct h2_stream *st, struct slice first, struct slice rest)
{
    buf_put_slice(&st->tail_copy, first);
    buf_put_slice(&st->tail_copy, rest);
    st->tail = buf_slice(&st->tail_copy);
    hold_more(st);
}

static void tail_evicted(struct pin *p)
{
    struct h2_stream *st = CONTAINER_OF(p, struct h2_stream, pin);

    copy_tail(st, st->tail, (struct slice){NULL, 0});
}

static void keep_tail(struct h2_stream *st, struct slice rest, struct pins *pins)
{
    if (pins->evicted) {
        copy_tail(st, rest, (struct slice){NULL, 0});
        return;
    }
    st->tail = rest;
    st->pin.evicted = tail_evicted;
    pin_set(&st->pin, pins);
}

static void body_clear(struct h2_stream *st)
{
    held_set_body(held_of(st), &st->held, NULL);
    st->body_at = 0;
}

static void out_clear(struct h2_stream *st)
{
    buf_free(&st->out);
    st->out_at = 0;
}

void h2_send_drop(struct h2_stream *st)
{
    tail_clear(st);
    body_clear(st);
    out_clear(st);
    count_held(st);
}

/* --- the end ---------------------------------------------------------------------- */

void h2_send_reset(struct h2_stream *st, enum h2_error error)
{
    h2_session_reset(st->conn->session, st->id, error);
    h2_speak(st->conn);
}

void h2_send_cut(struct h2_stream *st, enum h2_error error)
{
    st->state = H2_ENDED;
    h2_send_drop(st);
    h2_send_reset(st, error);
}

void h2_send_held_cut(struct held *held)
{
    struct h2_stream *st = CONTAINER_OF(held, struct h2_stream, held);

    metric_add(M_STALLED_CLOSED, 1);
    h2_send_drop(st);
    h2_send_reset(st, H2_ENHANCE_YOUR_CALM);
}

/* --- DATA frames ------------------------------------------------------------------ */

void h2_send_wait(struct h2_stream *st)
{
    if (!st->waiting)
        DL_APPEND2(st->conn->waiting, st, waiting_prev, waiting_next);
    st->waiting = true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Of the first thing in its order that there is. */
static size_t next_size(const struct h2_stream *st)
{
    if (st->tail.len > 0)
        return st->tail.len;
    if (body_left(st) > 0)
        return body_left(st);
    if (h2_send_unread(st) > 0)
        return h2_send_unread(st);
    return st->feed != NULL ? st->feed->left : 0;
}

size_t h2_send_offer(void *stream, size_t max, bool *last)
{
    struct h2_stream *st = stream;
    size_t n = least(next_size(st), max);

    if (conn_pending(&st->conn->conn)) {
        h2_send_wait(st);
        return 0;
    }
    *last = st->last && n == left_to_send(st);
    if (n == 0 && st->wanted)
        h2_send_wait(st); /* its window is open: the connection tells it */
    return n;
}

static void put_own(struct h2_stream *st, const void *p, size_t len)
{
    gather_own(&st->conn->gather, &st->conn->h2->pool, p, len);
}

static void put_shared(struct h2_stream *st, struct slice bytes, struct pins *pins)
{
    gather_shared(&st->conn->gather, &st->conn->h2->pool, bytes, block_of_pins(pins));
}

static void put_tail(struct h2_stream *st, size_t len)
{
    if (st->pin.of != NULL)
        put_shared(st, (struct slice){st->tail.p, len}, st->pin.of);
    else
        put_own(st, st->tail.p, len);
    st->tail.p += len;
    st->tail.len -= len;
    if (st->tail.len == 0)
        tail_clear(st);
}

static void put_body(struct h2_stream *st, size_t len)
{
    put_own(st, st->held.body->bytes.p + st->body_at, len);
    st->body_at += len;
    if (body_left(st) == 0)
        body_clear(st);
}

static void put_out(struct h2_stream *st, size_t len)
{
    put_own(st, st->out.p + st->out_at, len);
    st->out_at += len;
    if (h2_send_unread(st) == 0)
        out_clear(st);
}

/* Event i of what is fed: what all share of it, and what is the client's own around. */
static struct conn_piece piece_of(const struct h2_feed *f, size_t i)
{
    struct entry *e;

    if (f->pieces != NULL)
        return f->pieces[i];
    e = f->run->entries[i];
    return (struct conn_piece){.shared = block_encoded(e, f->form, f->encode),
                               .pins = &e->block->pins};
}

static size_t piece_size(const struct conn_piece *p)
{
    return p->head.len + p->shared.len + p->rest.len;
}

static struct slice skip(struct slice s, size_t n)
{
    return n > 0 ? (struct slice){s.p + n, s.len - n} : s; /* s.p may be NULL */
}

/* The piece without its first `at` bytes. */
static struct conn_piece piece_from(struct conn_piece p, size_t at)
{
    size_t head = least(at, p.head.len), shared = least(at - head, p.shared.len);

    p.head = skip(p.head, head);
    p.shared = skip(p.shared, shared);
    p.rest = skip(p.rest, at - head - shared);
    return p;
}

/* Its first `len` bytes go out, of which it has as many. */
static void put_piece(struct h2_stream *st, const struct conn_piece *p, size_t len)
{
    size_t head = least(len, p->head.len), shared = least(len - head, p->shared.len);

    put_own(st, p->head.p, head);
    if (shared > 0)
        put_shared(st, (struct slice){p->shared.p, shared}, p->pins);
    put_own(st, p->rest.p, len - head - shared);
}

static void put_fed(struct h2_stream *st, size_t len)
{
    struct h2_feed *f = st->feed;

    f->left -= len;
    while (len > 0) {
        struct conn_piece p = piece_from(piece_of(f, f->entry), f->at);
        size_t n = least(piece_size(&p), len);

        put_piece(st, &p, n);
        len -= n;
        f->at += n;
        if (n == piece_size(&p)) {
            f->entry++;
            f->at = 0;
        }
    }
}

void h2_send_put(void *stream, size_t len)
{
    struct h2_stream *st = stream;
    struct h2_conn *h = st->conn;

    st->moved = h2_stream_tick(st);
    if (st->tail.len > 0)
        put_tail(st, len);
    else if (body_left(st) > 0)
        put_body(st, len);
    else if (h2_send_unread(st) > 0)
        put_out(st, len);
    else
        put_fed(st, len);
    if (gather_full(h->gather) && !conn_pending(&h->conn))
        gather_write(&h->gather, &h->h2->pool, &h->conn);
    count_held(st);
    held_moved(held_of(st), &st->held);
}

/* --- events ----------------------------------------------------------------------- */

/* The event that is half out is finished whatever happens: what all share of it is the
 * tail, and what is the client's own behind that waits as control bytes. */
static void keep_begun(struct h2_stream *st, const struct h2_feed *f)
{
    struct conn_piece p = piece_from(piece_of(f, f->entry), f->at);

    buf_put_slice(&st->out, p.rest);
    if (p.head.len > 0)
        copy_tail(st, p.head, p.shared);
    else if (p.shared.len > 0)
        keep_tail(st, p.shared, p.pins);
    else
        hold_more(st);
}

/* How many of `count` events are taken, the one begun counted. */
static size_t feed_events(struct h2_stream *st, struct h2_feed *f, size_t count)
{
    uint8_t state = st->state;
    size_t taken;

    st->feed = f;
    st->wanted = false;
    h2_session_more(st->conn->session, st->id);
    h2_speak_now(st->conn);
    st->feed = NULL;
    if (st->state != state)
        return count; /* it has ended: gone() has run */
    taken = f->entry + (f->at > 0 ? 1 : 0);
    st->wanted = taken < count;
    if (st->wanted && conn_pending(&st->conn->conn))
        h2_send_wait(st);
    if (f->at > 0)
        keep_begun(st, f);
    return taken;
}

size_t h2_send_run(struct h2_stream *st, struct run *r, unsigned form, form_encode encode)
{
    struct h2_feed f = {
        .run = r, .form = form, .encode = encode, .left = run_form_get(r, form, encode)->bytes};

    return feed_events(st, &f, r->count);
}

size_t h2_send_pieces(struct h2_stream *st, const struct conn_piece *pieces, size_t count)
{
    struct h2_feed f = {.pieces = pieces};

    for (size_t i = 0; i < count; i++)
        f.left += piece_size(&pieces[i]);
    return feed_events(st, &f, count);
}

/* --- everything else -------------------------------------------------------------- */

void h2_send_body(struct h2_stream *st, struct shared *body)
{
    assert(st->held.body == NULL);
    held_set_body(held_of(st), &st->held, body);
    held_relieve(held_of(st));
}

void h2_send_shared(struct h2_stream *st, struct slice bytes, struct block *b)
{
    assert(st->tail.len == 0);
    keep_tail(st, bytes, &b->pins);
}

void h2_send_bytes(struct h2_stream *st, struct slice bytes)
{
    if (st->out.len + bytes.len > OUT_MAX) {
        h2_send_reset(st, H2_ENHANCE_YOUR_CALM);
        return;
    }
    buf_put_slice(&st->out, bytes);
    h2_session_more(st->conn->session, st->id);
    h2_speak(st->conn);
    hold_more(st);
}

static void h2_send_on_stalled(struct wheel_timer *t);

/* Whoever asked for an answer takes it, or is gone. */
void h2_send_watch(struct h2_stream *st)
{
    struct h2 *h2 = st->conn->h2;

    wheel_start(h2->site->use.wheel, &st->timer, h2->idle_timeout, h2_send_on_stalled);
}

static void h2_send_on_stalled(struct wheel_timer *t)
{
    struct h2_stream *st = CONTAINER_OF(t, struct h2_stream, timer);

    if (h2_stream_quiet_ms(st) < st->conn->h2->idle_timeout)
        h2_send_watch(st);
    else
        h2_send_reset(st, H2_CANCEL);
}

void h2_send_end(struct h2_stream *st)
{
    st->state = H2_ENDED;
    st->last = true;
    h2_session_more(st->conn->session, st->id);
    h2_send_watch(st);
    h2_speak(st->conn);
}
