/*
 * h2_answer.c - what a handler says to its exchange, as frames.
 *
 * Happy path of an event: stream_run lets the session offer the run's bytes in DATA
 * frames, as many as the windows allow; their headers are this stream's own, the bytes
 * lie where they were encoded once for all.  The frames of all streams of a connection
 * gather, and leave in one write at the end of the turn.
 *
 * What the windows or the socket do not take is not taken from the run either, but for
 * the rest of the event that is half out: that is the tail.
 *
 * How it fails: a stream that lets control bytes pile up, or stands still with a part of
 * an answer that its client asked for, is reset.
 */
#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "h2.h"
#include "mem.h"

#define HEAD_FIELDS 48       /* of an answer */
#define HEAD_NAMES 1024      /* bytes of their names */
#define OUT_MAX (64u * 1024) /* control bytes that a stream may leave unread */

static struct h2_stream *stream_of(struct exchange *x)
{
    return CONTAINER_OF(x, struct h2_stream, x);
}

static uint64_t tick_of(const struct h2_stream *st)
{
    return st->conn->h2->gateway->wheel.tick;
}

static size_t body_left(const struct h2_stream *st)
{
    return st->body != NULL ? st->body->bytes.len - st->body_at : 0;
}

static size_t out_left(const struct h2_stream *st)
{
    return st->out.len - st->out_at;
}

static size_t left_to_send(const struct h2_stream *st)
{
    return st->tail.len + body_left(st) + out_left(st);
}

/* --- what it holds ---------------------------------------------------------------- */

/* The last thing that a caller does: the stream may be cut for what it holds. */
static void count_held(struct h2_stream *st)
{
    size_t body = st->body != NULL ? st->body->bytes.len : 0;

    held_set(&st->conn->h2->held, &st->held, st->tail_copy.len + body + st->out.len);
}

static void tail_clear(struct h2_stream *st)
{
    st->tail = (struct slice){NULL, 0};
    pin_clear(&st->pin);
    buf_free(&st->tail_copy);
}

static void copy_tail(struct h2_stream *st)
{
    buf_put_slice(&st->tail_copy, st->tail);
    st->tail.p = (char *)st->tail_copy.p;
    count_held(st);
}

static void tail_evicted(struct pin *p)
{
    copy_tail(CONTAINER_OF(p, struct h2_stream, pin));
}

static void keep_tail(struct h2_stream *st, struct slice rest, struct block *b)
{
    st->tail = rest;
    st->pin.evicted = tail_evicted;
    if (b->evicted)
        copy_tail(st);
    else
        pin_set(&st->pin, b);
}

static void body_clear(struct h2_stream *st)
{
    shared_unref(st->body);
    st->body = NULL;
    st->body_at = 0;
}

static void out_clear(struct h2_stream *st)
{
    buf_free(&st->out);
    st->out_at = 0;
}

void h2_answer_drop(struct h2_stream *st)
{
    tail_clear(st);
    body_clear(st);
    out_clear(st);
    count_held(st);
}

/* --- DATA frames ------------------------------------------------------------------ */

static void wait_for_socket(struct h2_stream *st)
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
    if (out_left(st) > 0)
        return out_left(st);
    return st->feed != NULL ? st->feed->left : 0;
}

size_t h2_answer_offer(void *stream, size_t max, bool *last)
{
    struct h2_stream *st = stream;
    size_t n = least(next_size(st), max);

    if (conn_pending(&st->conn->conn)) {
        wait_for_socket(st);
        return 0;
    }
    *last = st->last && n == left_to_send(st);
    if (n == 0 && st->wanted)
        wait_for_socket(st); /* its window is open: h2_conn_send tells it */
    return n;
}

static void put_own(struct h2_stream *st, const void *p, size_t len)
{
    gather_own(&st->conn->gather, &st->conn->h2->pool, p, len);
}

static void put_shared(struct h2_stream *st, struct slice bytes, struct block *b)
{
    gather_shared(&st->conn->gather, &st->conn->h2->pool, bytes, b);
}

static void put_tail(struct h2_stream *st, size_t len)
{
    if (st->pin.block != NULL)
        put_shared(st, (struct slice){st->tail.p, len}, st->pin.block);
    else
        put_own(st, st->tail.p, len);
    st->tail.p += len;
    st->tail.len -= len;
    if (st->tail.len == 0)
        tail_clear(st);
}

static void put_body(struct h2_stream *st, size_t len)
{
    put_own(st, st->body->bytes.p + st->body_at, len);
    st->body_at += len;
    if (body_left(st) == 0)
        body_clear(st);
}

static void put_out(struct h2_stream *st, size_t len)
{
    put_own(st, st->out.p + st->out_at, len);
    st->out_at += len;
    if (out_left(st) == 0)
        out_clear(st);
}

static void put_events(struct h2_stream *st, size_t len)
{
    struct h2_feed *f = st->feed;

    f->left -= len;
    while (len > 0) {
        struct entry *e = f->run->entries[f->entry];
        struct slice bytes = entry_encoded(e, f->form, f->encode);
        size_t n = least(bytes.len - f->at, len);

        put_shared(st, (struct slice){bytes.p + f->at, n}, e->block);
        len -= n;
        f->at += n;
        if (f->at == bytes.len) {
            f->entry++;
            f->at = 0;
        }
    }
}

void h2_answer_put(void *stream, size_t len)
{
    struct h2_stream *st = stream;
    struct h2_conn *h = st->conn;

    st->moved = tick_of(st);
    if (st->tail.len > 0)
        put_tail(st, len);
    else if (body_left(st) > 0)
        put_body(st, len);
    else if (out_left(st) > 0)
        put_out(st, len);
    else
        put_events(st, len);
    if (gather_full(h->gather) && !conn_pending(&h->conn))
        gather_write(&h->gather, &h->h2->pool, &h->conn);
    if (st->held.bytes > 0)
        count_held(st);
}

/* --- heads ------------------------------------------------------------------------ */

struct head {
    struct session_field fields[HEAD_FIELDS];
    size_t count;
    char names[HEAD_NAMES];
    size_t used;
};

/* Fields that speak of an HTTP/1.1 connection (RFC 9113, 8.2.2). */
static bool of_connection(struct slice name)
{
    return slice_eq_nocase(name, SLICE("connection")) || slice_eq_nocase(name, SLICE("upgrade"));
}

static void head_put(struct head *h, const char *text, struct slice value)
{
    struct slice name = slice_of(text);
    char *lower = h->names + h->used;

    if (of_connection(name))
        return;
    assert(h->count < HEAD_FIELDS && name.len <= sizeof h->names - h->used);
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
    h->used += name.len;
    h->fields[h->count++] = (struct session_field){{lower, name.len}, value};
}

static void head_put_all(struct head *h, const struct answer_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        head_put(h, fields[i].name, fields[i].value);
}

static struct slice number(char text[24], size_t n)
{
    struct buf b = {.p = (uint8_t *)text, .cap = 24};

    buf_dec(&b, n);
    return (struct slice){text, b.len};
}

/* length: SIZE_MAX when the answer has none to tell. */
static void respond(struct h2_stream *st, const struct answer *a, size_t length, bool body)
{
    struct h2 *h2 = st->conn->h2;
    struct answer_field cors[CORS_FIELDS];
    struct head h = {.count = 0, .used = 0};
    char status[24], size[24];

    head_put(&h, ":status", number(status, (size_t)a->status));
    head_put(&h, "date", http_date_now(&h2->date));
    if (a->content_type != NULL)
        head_put(&h, "content-type", slice_of(a->content_type));
    head_put_all(&h, a->fields, a->field_count);
    head_put_all(&h, a->more, a->more_count);
    head_put_all(&h, cors, cors_fields(&h2->gateway->routes, st->origin, cors));
    if (length != SIZE_MAX)
        head_put(&h, "content-length", number(size, length));
    session_respond(st->conn->session, st->id, h.fields, h.count, body);
    h2_conn_speak(st->conn);
}

/* --- answers ---------------------------------------------------------------------- */

static void on_stalled(struct wheel_timer *t);

/* Whoever asked for an answer takes it, or is gone. */
static void watch(struct h2_stream *st)
{
    struct h2 *h2 = st->conn->h2;

    wheel_start(&h2->gateway->wheel, &st->timer, h2->idle_timeout, on_stalled);
}

static void on_stalled(struct wheel_timer *t)
{
    struct h2_stream *st = CONTAINER_OF(t, struct h2_stream, timer);

    if ((tick_of(st) - st->moved) * WHEEL_TICK_MS < st->conn->h2->idle_timeout)
        watch(st);
    else
        h2_stream_reset(st, H2_CANCEL);
}

/* As in HTTP/1.1: to HEAD the length that GET would have had, if that is known. */
static size_t length_of(const struct h2_stream *st, const struct answer *a, size_t body)
{
    bool told = a->status != 204 && a->status != 304 && (!st->head_only || body > 0);

    return told ? body : SIZE_MAX;
}

static void answer_shared(struct exchange *x, const struct answer *a, struct shared *body)
{
    struct h2_stream *st = stream_of(x);
    size_t length = body != NULL ? body->bytes.len : 0;
    bool has_body = length > 0 && !st->head_only;

    assert(st->state == H2_BUSY);
    st->state = H2_ANSWERED;
    st->last = true;
    st->moved = tick_of(st);
    x->owner = NULL;
    respond(st, a, length_of(st, a, length), has_body);
    watch(st);
    if (!has_body)
        return;
    shared_ref(body);
    st->body = body;
    count_held(st);
}

static void answer(struct exchange *x, const struct answer *a, struct buf *body)
{
    struct shared *s = body->len > 0 ? shared_of(body) : NULL;

    buf_free(body);
    answer_shared(x, a, s);
    shared_unref(s);
}

/* --- streams ---------------------------------------------------------------------- */

static void stream_begin(struct exchange *x, const struct answer *a)
{
    struct h2_stream *st = stream_of(x);

    assert(st->state == H2_BUSY && !st->head_only);
    st->state = H2_STREAM;
    st->moved = tick_of(st);
    x->chunks = false; /* END_STREAM tells a whole stream from a cut one */
    respond(st, a, SIZE_MAX, true);
}

static void stream_write(struct exchange *x, struct slice bytes)
{
    struct h2_stream *st = stream_of(x);

    assert(st->state == H2_STREAM);
    if (st->out.len + bytes.len > OUT_MAX) {
        h2_stream_reset(st, H2_ENHANCE_YOUR_CALM);
        return;
    }
    buf_put_slice(&st->out, bytes);
    session_more(st->conn->session, st->id);
    h2_conn_speak(st->conn);
    count_held(st);
}

/* How many of the run's events are out, the one begun counted. */
static size_t take_begun(struct h2_stream *st, const struct h2_feed *f)
{
    struct entry *e;
    struct slice bytes;

    if (f->at == 0)
        return f->entry;
    e = f->run->entries[f->entry];
    bytes = entry_encoded(e, f->form, f->encode);
    keep_tail(st, (struct slice){bytes.p + f->at, bytes.len - f->at}, e->block);
    return f->entry + 1;
}

static size_t stream_run(struct exchange *x, struct run *r, unsigned form, form_encode encode)
{
    struct h2_stream *st = stream_of(x);
    struct h2_feed feed = {.run = r, .form = form, .encode = encode};
    size_t taken;

    assert(st->state == H2_STREAM);
    feed.left = run_form_get(r, form, encode)->bytes;
    st->feed = &feed;
    st->wanted = false;
    session_more(st->conn->session, st->id);
    h2_conn_send(st->conn);
    st->feed = NULL;
    if (st->state != H2_STREAM)
        return r->count; /* it was reset meanwhile: gone() has run */
    taken = take_begun(st, &feed);
    st->wanted = taken < r->count;
    if (st->wanted && conn_pending(&st->conn->conn))
        wait_for_socket(st);
    return taken;
}

static uint64_t stream_quiet_ms(struct exchange *x)
{
    const struct h2_stream *st = stream_of(x);

    return (tick_of(st) - st->moved) * WHEEL_TICK_MS;
}

static bool stream_pending(struct exchange *x)
{
    const struct h2_stream *st = stream_of(x);

    return left_to_send(st) > 0 || conn_pending(&st->conn->conn);
}

static void stream_end(struct exchange *x, bool whole)
{
    struct h2_stream *st = stream_of(x);

    assert(st->state == H2_STREAM);
    st->state = H2_ENDED;
    x->owner = NULL;
    if (!whole) {
        h2_answer_drop(st);
        h2_stream_reset(st, H2_INTERNAL_ERROR);
        return;
    }
    st->last = true;
    session_more(st->conn->session, st->id);
    watch(st);
    h2_conn_speak(st->conn);
}

const struct exchange_ops h2_exchange_ops = {.answer = answer,
                                             .answer_shared = answer_shared,
                                             .begin = stream_begin,
                                             .write = stream_write,
                                             .run = stream_run,
                                             .quiet_ms = stream_quiet_ms,
                                             .pending = stream_pending,
                                             .end = stream_end};
