/*
 * h2_answer.c - what a handler says to its exchange: answers, streams of events, and the
 * beginning of a channel.
 */
#include <assert.h>

#include "h2.h"
#include "mem.h"

#define HEAD_FIELDS 48  /* of an answer */
#define HEAD_NAMES 1024 /* bytes of their names */

static struct h2_stream *stream_of(struct exchange *x)
{
    return CONTAINER_OF(x, struct h2_stream, x);
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
    head_put_all(&h, cors, cors_fields(&h2->site->routes, st->origin, cors));
    if (length != SIZE_MAX)
        head_put(&h, "content-length", number(size, length));
    session_respond(st->conn->session, st->id, h.fields, h.count, body);
    h2_conn_speak(st->conn);
}

/* --- answers ---------------------------------------------------------------------- */

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
    st->moved = h2_stream_tick(st);
    x->owner = NULL;
    respond(st, a, length_of(st, a, length), has_body);
    h2_send_watch(st);
    if (has_body)
        h2_send_body(st, body);
}

static void answer(struct exchange *x, const struct answer *a, struct buf *body)
{
    struct shared *s = body->len > 0 ? shared_of(body) : NULL;

    buf_free(body);
    answer_shared(x, a, s);
    shared_unref(s);
}

void h2_answer_resource(struct h2_stream *st, const struct answer *a, struct slice body,
                        struct block *b)
{
    st->state = H2_ANSWERED;
    st->last = true;
    st->moved = h2_stream_tick(st);
    respond(st, a, body.len, true);
    h2_send_watch(st);
    h2_send_shared(st, body, b);
}

/* --- streams ---------------------------------------------------------------------- */

static void begin(struct h2_stream *st, const struct answer *a, enum h2_stream_state state)
{
    assert(st->state == H2_BUSY && !st->head_only);
    st->state = (uint8_t)state;
    st->moved = h2_stream_tick(st);
    respond(st, a, SIZE_MAX, true);
}

static void stream_begin(struct exchange *x, const struct answer *a)
{
    x->chunks = false; /* END_STREAM tells a whole stream from a cut one */
    x->push = x->push && h2_push_wanted(stream_of(x));
    begin(stream_of(x), a, H2_STREAM);
}

static void stream_write(struct exchange *x, struct slice bytes)
{
    assert(stream_of(x)->state == H2_STREAM);
    h2_send_bytes(stream_of(x), bytes);
}

static size_t stream_run(struct exchange *x, struct run *r, unsigned form, form_encode encode)
{
    assert(stream_of(x)->state == H2_STREAM);
    return x->push ? h2_push_run(stream_of(x), r, form, encode)
                   : h2_send_run(stream_of(x), r, form, encode);
}

static uint64_t stream_quiet_ms(struct exchange *x)
{
    return h2_stream_quiet_ms(stream_of(x));
}

static bool stream_pending(struct exchange *x)
{
    return h2_send_pending(stream_of(x));
}

static void stream_end(struct exchange *x, bool whole)
{
    struct h2_stream *st = stream_of(x);

    assert(st->state == H2_STREAM);
    x->owner = NULL;
    if (whole)
        h2_send_end(st);
    else
        h2_stream_cut(st, H2_INTERNAL_ERROR);
}

/* --- channels --------------------------------------------------------------------- */

/* RFC 8441, 5: a 200 is the 101 of an extended CONNECT. */
static void tunnel(struct exchange *x, const struct answer *a, struct channel *c)
{
    struct h2_stream *st = stream_of(x);
    struct answer accepted = *a;

    accepted.status = 200;
    x->owner = NULL;
    begin(st, &accepted, H2_TUNNEL);
    h2_channel_init(c, st);
}

const struct exchange_ops h2_exchange_ops = {.answer = answer,
                                             .answer_shared = answer_shared,
                                             .begin = stream_begin,
                                             .write = stream_write,
                                             .run = stream_run,
                                             .quiet_ms = stream_quiet_ms,
                                             .pending = stream_pending,
                                             .end = stream_end,
                                             .tunnel = tunnel};
