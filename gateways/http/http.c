/*
 * http.c - the life of an HTTP/1.1 connection.
 *
 *   HEAD ──whole head──▶ BODY ──whole──▶ BUSY ──answered──▶ HEAD (kept) or OVER
 *   ▲ │ └────no body, or all of it is there────▶┘ └──begin──▶ STREAM ──end──▶ OVER
 *   │ └──who is it?──▶ ASKING
 *   └──the answer────────┘
 *
 * Happy path of a publish: head and body come in one read and are looked at
 * where they landed; nothing is copied.  A body that comes in pieces takes its
 * head along in a struct http_body, and the head is parsed again when it is
 * whole.  The answer is one write.
 *
 * When the authority takes time to say who it is, the head stays unread, and is taken again
 * when the answer is there.
 *
 * How it fails: bytes that are no request, a limit, a timeout: a problem
 * document, then the connection is finished.  A refused request whose body is
 * still to come ends the connection too, since its body is not read.
 */
#include "http.h"

#include <assert.h>
#include <stdlib.h>

#include "channel.h"
#include "cors.h"
#include "http_body.h"
#include "http_date.h"
#include "mem.h"
#include "metrics.h"
#include "run_write.h"

#define STREAM_INPUT_MAX (64u * 1024) /* a stream's client has nothing more to say */
#define BODY_INLINE 16384             /* an answer's body that is copied behind its head */

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

enum http_state { HEAD, ASKING, BODY, BUSY, STREAM, OVER };

struct http {
    struct site *site;
    struct http1_limits limits;
    uint64_t header_timeout, body_timeout, idle_timeout;
    struct route_limits bodies_max;
    struct http_bodies bodies;
    struct http_date date;
    struct buf out; /* what is being written right now */
};

struct http_conn {
    struct conn conn;
    struct exchange x;
    struct http *http;
    struct http_body *body;
    struct gatekeeper_pass pass;
    struct gatekeeper_ask ask;
    struct cors cors;
    uint32_t seen;    /* bytes of a cut head that were parsed before */
    uint32_t ignored; /* bytes a stream's client sent */
    uint8_t state;    /* enum http_state */
    bool keep, minor, head_only, timing;
    bool continues; /* it asks for a 100 before a 101 (RFC 9110, 7.8) */
};

static void http_on_head_timeout(struct wheel_timer *t);
static void http_on_idle_timeout(struct wheel_timer *t);
static void http_on_ask_timeout(struct wheel_timer *t);

static struct http_conn *http_of(struct conn *c)
{
    return (struct http_conn *)(void *)c;
}

static struct http_conn *http_of_exchange(struct exchange *x)
{
    return CONTAINER_OF(x, struct http_conn, x);
}

/* --- answers --------------------------------------------------------------------- */

static void put_field(struct buf *b, const char *name, struct slice value)
{
    buf_puts(b, name);
    buf_puts(b, ": ");
    buf_put_slice(b, value);
    buf_puts(b, "\r\n");
}

/* Everything of a head but its framing and the empty line. */
static void put_head(struct http_conn *h, struct buf *b, const struct answer *a)
{
    struct answer_field cors[CORS_FIELDS];
    size_t count;

    buf_puts(b, "HTTP/1.1 ");
    buf_dec(b, (uint64_t)a->status);
    buf_puts(b, " ");
    buf_puts(b, http_status_text(a->status));
    buf_puts(b, "\r\n");
    h->x.note.status = a->status;
    put_field(b, "Date", http_date_now(&h->http->date));
    if (a->content_type != NULL)
        put_field(b, "Content-Type", slice_of(a->content_type));
    for (size_t i = 0; i < a->field_count; i++)
        put_field(b, a->fields[i].name, a->fields[i].value);
    for (size_t i = 0; i < a->more_count; i++)
        put_field(b, a->more[i].name, a->more[i].value);
    if (h->x.note.id != NULL)
        put_field(b, "X-Request-Id", slice_of(h->x.note.id));
    count = cors_fields(&h->cors, cors);
    for (size_t i = 0; i < count; i++)
        put_field(b, cors[i].name, cors[i].value);
    cors_clear(&h->cors); /* what ends the connection for its owner need not know of it */
    if (!h->keep)
        buf_puts(b, "Connection: close\r\n");
    else if (h->minor == 0)
        buf_puts(b, "Connection: keep-alive\r\n");
}

static bool has_length(const struct http_conn *h, const struct answer *a, size_t body)
{
    return a->status != 204 && a->status != 304 && (!h->head_only || body > 0);
}

/* The request is over: nobody is to hear of it any more. */
static void request_over(struct http_conn *h)
{
    h->x.caller.changed = NULL;
    request_note_end(&h->x.note, &h->x.caller);
}

static void body_free(struct http_conn *h)
{
    http_body_free(h->body);
    h->body = NULL;
}

/* The client sends no more: answer what it sent, then end.  Whoever has closed for
 * good looks the same, so an answer that waits for something waits no longer. */
static void finish_at_eof(struct http_conn *h)
{
    if (!h->conn.eof_seen)
        return;
    if (h->state == HEAD && !conn_pending(&h->conn))
        conn_finish(&h->conn);
    else if (h->state == BUSY && h->x.owner != NULL && h->x.owner->hurry != NULL)
        h->x.owner->hurry(&h->x);
}

/* The connection waits for its next request, or ends. */
static void next_request(struct http_conn *h)
{
    if (!h->keep) {
        h->state = OVER;
        conn_finish(&h->conn);
        return;
    }
    h->state = HEAD;
    h->timing = false;
    conn_timer(&h->conn, h->http->idle_timeout, http_on_idle_timeout);
    if (h->conn.offering)
        return; /* http_on_input goes on with it */
    if (h->conn.in.len > 0)
        conn_pump(&h->conn);
    else
        finish_at_eof(h);
}

/* Everything but the body, in h->http->out. */
static struct buf *answer_head(struct http_conn *h, const struct answer *a, size_t body)
{
    struct buf *out = &h->http->out;

    assert(h->state == BUSY);
    if (h->conn.conns->draining)
        h->keep = false;
    buf_clear(out);
    put_head(h, out, a);
    if (has_length(h, a, body)) {
        buf_puts(out, "Content-Length: ");
        buf_dec(out, body);
        buf_puts(out, "\r\n");
    }
    buf_puts(out, "\r\n");
    return out;
}

static void answered(struct http_conn *h)
{
    h->x.owner = NULL;
    request_over(h);
    next_request(h);
}

static void http_answer_shared(struct exchange *x, const struct answer *a, struct shared *body)
{
    struct http_conn *h = http_of_exchange(x);
    struct buf *out = answer_head(h, a, body->bytes.len);

    h->x.note.bytes = h->head_only ? 0 : body->bytes.len;
    if (h->head_only)
        conn_write(&h->conn, out->p, out->len);
    else
        conn_write_shared(&h->conn, buf_slice(out), body);
    answered(h);
}

static void http_answer(struct exchange *x, const struct answer *a, struct buf *body)
{
    struct http_conn *h = http_of_exchange(x);
    struct shared *large;
    struct buf *out;

    if (body->len > BODY_INLINE) {
        large = shared_of(body);
        http_answer_shared(x, a, large);
        shared_unref(large);
        return;
    }
    out = answer_head(h, a, body->len);
    h->x.note.bytes = h->head_only ? 0 : body->len;
    if (!h->head_only)
        buf_put(out, body->p, body->len);
    conn_write(&h->conn, out->p, out->len);
    buf_free(body);
    answered(h);
}

/* Answers a request that no handler gets. */
static void http_refuse(struct http_conn *h, const struct problem *p, bool keep)
{
    body_free(h);
    h->keep = h->keep && keep;
    h->state = BUSY;
    conn_timer(&h->conn, 0, NULL);
    exchange_problem(&h->x, p);
}

/* --- streams ------------------------------------------------------------------------ */

static void http_stream_begin(struct exchange *x, const struct answer *a)
{
    struct http_conn *h = http_of_exchange(x);
    struct buf *out = &h->http->out;

    assert(h->state == BUSY && !h->head_only);
    h->state = STREAM;
    h->keep = false;
    gatekeeper_pass_last(&h->pass);
    x->chunks = x->chunks && h->minor > 0;
    x->push = false;
    buf_clear(out);
    put_head(h, out, a);
    buf_puts(out, x->chunks ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    conn_write(&h->conn, out->p, out->len);
}

static void http_stream_write(struct exchange *x, struct slice bytes)
{
    struct http_conn *h = http_of_exchange(x);
    struct buf *out = &h->http->out;

    assert(h->state == STREAM);
    x->note.bytes += bytes.len;
    if (!x->chunks) {
        conn_write(&h->conn, bytes.p, bytes.len);
        return;
    }
    buf_clear(out);
    buf_printf(out, "%zx\r\n", bytes.len);
    buf_put_slice(out, bytes);
    buf_puts(out, "\r\n");
    conn_write(&h->conn, out->p, out->len);
}

static size_t http_stream_run(struct exchange *x, struct run *r, unsigned form, form_encode encode)
{
    size_t n = run_write(&http_of_exchange(x)->conn, r, form, encode);

    if (n > 0 && request_note_logs(&x->note))
        x->note.bytes += run_form_get(r, form, encode)->ends[n - 1];
    return n;
}

static uint64_t http_stream_quiet_ms(struct exchange *x)
{
    return conn_quiet_ms(&http_of_exchange(x)->conn);
}

static bool http_stream_pending(struct exchange *x)
{
    return conn_pending(&http_of_exchange(x)->conn);
}

static void http_stream_end(struct exchange *x, bool whole)
{
    struct http_conn *h = http_of_exchange(x);

    assert(h->state == STREAM);
    h->state = OVER;
    x->owner = NULL;
    request_over(h);
    if (whole && x->chunks)
        conn_write(&h->conn, "0\r\n\r\n", 5);
    conn_finish(&h->conn);
}

static void http_forget_caller(struct http_conn *h)
{
    gatekeeper_forget(&h->ask);
    gatekeeper_pass_end(&h->pass);
    caller_end(&h->x.caller);
}

static void http_tunnel(struct exchange *x, const struct answer *a, struct channel *c)
{
    struct http_conn *h = http_of_exchange(x);
    struct buf *out = &h->http->out;

    assert(h->state == BUSY);
    h->state = OVER;
    h->keep = true; /* no Connection but that of the upgrade */
    x->owner = NULL;
    buf_clear(out);
    if (h->continues)
        buf_puts(out, CONTINUE);
    put_head(h, out, a);
    buf_puts(out, "\r\n");
    conn_write(&h->conn, out->p, out->len);
    request_over(h);
    http_forget_caller(h); /* whoever goes on has a copy */
    channel_of_conn(c, &h->conn);
}

static struct slice http_address(struct exchange *x, char text[CONN_ADDRESS_MAX])
{
    return conn_peer_address(&http_of_exchange(x)->conn, text);
}

static const struct exchange_ops http1_ops = {.answer = http_answer,
                                              .answer_shared = http_answer_shared,
                                              .begin = http_stream_begin,
                                              .write = http_stream_write,
                                              .run = http_stream_run,
                                              .quiet_ms = http_stream_quiet_ms,
                                              .pending = http_stream_pending,
                                              .end = http_stream_end,
                                              .tunnel = http_tunnel,
                                              .address = http_address};

/* --- dispatch -------------------------------------------------------------------------- */

static bool has_body(const struct http_request *r)
{
    return r->chunked || r->content_length > 0;
}

/* The body of a request that no handler gets is not read. */
static void no_route(struct http_conn *h, const struct http_request *r, const struct problem *p,
                     const struct buf *allow)
{
    h->keep = h->keep && !has_body(r);
    h->state = BUSY;
    conn_timer(&h->conn, 0, NULL);
    route_answer_none(&h->x, &h->cors, p, allow);
}

static void http_dispatch(struct http_conn *h, const struct route *route, struct slice rest,
                          struct slice body)
{
    h->state = BUSY;
    h->x.rest = rest;
    h->x.body = body;
    conn_timer(&h->conn, 0, NULL);
    h->x.own = route->own;
    route->handle(&h->x);
}

static void begin_exchange(struct http_conn *h, const struct http_request *r)
{
    struct request_note note = h->x.note;

    if (!h->ask.answered) { /* else it was begun before */
        metric_add(M_HTTP_REQUESTS, 1);
        request_note_begin(&note, r);
    }
    h->x = (struct exchange){.ops = &http1_ops,
                             .site = h->http->site,
                             .request = r,
                             .caller = h->x.caller,
                             .note = note};
    h->keep = r->keep_alive;
    h->minor = r->minor > 0;
    h->head_only = slice_eq(r->method, SLICE("HEAD"));
    cors_clear(&h->cors);
    cors_read(&h->cors, &h->http->site->routes.cors, r);
    h->continues = r->expect_continue && r->upgrade;
    h->seen = 0;
}

/* --- bodies in pieces --------------------------------------------------------------------- */

static void http_on_body_timeout(struct wheel_timer *t)
{
    struct http_conn *h = http_of(conn_of_timer(t));
    struct problem p = {.error = ERR_REQUEST_TIMEOUT};

    http_refuse(h, &p, false);
}

/* The head is parsed once more: it was whole then, so it is now. */
static void body_whole(struct http_conn *h)
{
    struct http_body *b = h->body;
    struct slice rest, body = buf_slice(&b->data);
    struct problem p = {0};
    struct buf allow = {0};
    struct http_request r;
    const struct route *route;
    int n = http1_request_parse(&r, (char *)b->head.p, b->head.len, &h->http->limits);

    assert(n > 0);
    (void)n;
    route = route_find(&h->http->site->routes, &r, &rest, &allow, &p);
    assert(route != NULL);
    h->body = NULL; /* the handler may http_answer, and the next request begin */
    h->x.request = &r;
    http_dispatch(h, route, rest, body);
    h->x.request = NULL;
    http_body_free(b);
}

static void body_refused(struct http_conn *h, enum http_body_state state)
{
    struct problem p = {.error = ERR_BUSY};

    if (state == BODY_MALFORMED) {
        metric_add(M_HTTP_BAD, 1);
        (void)problem_set(&p, ERR_BAD_REQUEST, NULL, "The chunked body is malformed");
    } else if (state == BODY_TOO_LARGE) {
        (void)problem_setf(&p, ERR_TOO_LARGE, NULL, "The body may hold %zu bytes at most here",
                           h->body->max);
    }
    http_refuse(h, &p, false);
}

static size_t take_body(struct http_conn *h, struct slice in)
{
    enum http_body_state state;
    size_t n = http_body_take(h->body, in, &state);

    if (state == BODY_WHOLE)
        body_whole(h);
    else if (state != BODY_MORE)
        body_refused(h, state);
    return n;
}

/* --- heads ------------------------------------------------------------------------------------ */

/* There is no request, or none that could be understood. */
static void refuse_unread(struct http_conn *h, const struct problem *p)
{
    struct http_request none = {.minor = 1};

    begin_exchange(h, &none);
    http_refuse(h, p, false);
    h->x.request = NULL;
}

static void refuse_head(struct http_conn *h, int verdict)
{
    static const struct {
        int verdict;
        enum sluice_error error;
    } map[] = {
        {HTTP1_URI_TOO_LONG, ERR_URI_TOO_LONG},       {HTTP1_HEAD_TOO_LARGE, ERR_HEAD_TOO_LARGE},
        {HTTP1_NOT_IMPLEMENTED, ERR_NOT_IMPLEMENTED}, {HTTP1_VERSION, ERR_HTTP_VERSION},
        {HTTP1_BODY_TOO_LARGE, ERR_TOO_LARGE},
    };
    struct problem p = {.error = ERR_BAD_REQUEST};

    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        if (map[i].verdict == verdict)
            p.error = map[i].error;
    metric_add(M_HTTP_BAD, 1);
    refuse_unread(h, &p);
}

/* What came of looking for a route. */
struct http_found {
    const struct route *route; /* NULL: the problem, and the methods there are */
    struct slice rest;
    struct problem problem;
    struct buf allow;
};

/* The request is understood and may go on: with its body, or at once. */
static size_t accept_head(struct http_conn *h, const struct http_request *r,
                          const struct route *route, struct slice path_rest, struct slice in,
                          size_t n)
{
    struct slice rest = {in.p + n, in.len - n};

    if (!r->chunked && r->content_length <= rest.len) {
        rest.len = (size_t)r->content_length;
        http_dispatch(h, route, path_rest, rest);
        return n + rest.len;
    }
    h->body = http_body_new(&h->http->bodies, r, (struct slice){in.p, n},
                            route_body_max(route, &h->http->bodies_max));
    h->state = BODY;
    conn_timer(&h->conn, h->http->body_timeout, http_on_body_timeout);
    if (r->expect_continue && rest.len == 0)
        conn_write(&h->conn, CONTINUE, sizeof CONTINUE - 1);
    return n;
}

/* Whoever has come too often is not to stay. */
static size_t refuse_request(struct http_conn *h, const struct http_request *r,
                             const struct problem *p, size_t n)
{
    http_refuse(h, p, !has_body(r) && p->error != ERR_TOO_MANY);
    return n;
}

/* It may come in; what came of looking for a route is told. */
static size_t take_routed(struct http_conn *h, const struct http_request *r,
                          const struct http_found *f, struct slice in, size_t n)
{
    struct problem p = f->problem;

    if (f->route == NULL) {
        no_route(h, r, &p, &f->allow);
        return n;
    }
    if (!route_body_ok(f->route, &h->http->bodies_max, r, &p))
        return refuse_request(h, r, &p, n);
    return accept_head(h, r, f->route, f->rest, in, n);
}

static void await_answer(struct http_conn *h)
{
    h->state = ASKING;
    conn_timer(&h->conn, h->http->header_timeout, http_on_ask_timeout);
}

static enum gatekeeper_verdict http_ask(struct http_conn *h, const struct http_request *r,
                                        const struct http_found *f, struct problem *p)
{
    const struct site *site = h->http->site;
    struct gatekeeper_origin from = {.conn = &h->conn,
                                     .door = site->door,
                                     .later = f->route != NULL && f->route->body == ROUTE_TUNNEL};

    if (!route_is_guarded(r, f->route, &f->allow))
        return GATEKEEPER_ADMITS;
    return gatekeeper_check(&site->gatekeeper, &h->pass, &h->ask, r, &from, &h->x.caller, p);
}

static void note_place(struct http_conn *h, struct slice rest)
{
    char address[CONN_ADDRESS_MAX];

    if (request_note_logs(&h->x.note) && !h->ask.answered)
        request_note_place(&h->x.note, conn_peer_address(&h->conn, address), rest);
}

static size_t take_request(struct http_conn *h, const struct http_request *r, struct slice in,
                           size_t n)
{
    const struct routes *routes = &h->http->site->routes;
    struct http_found f = {.route = NULL};
    enum gatekeeper_verdict v;
    struct problem p = {0};
    size_t used = 0;

    if (!route_admits(routes, r, h->conn.tls != NULL, &p))
        return refuse_request(h, r, &p, n);
    f.route = route_find(routes, r, &f.rest, &f.allow, &f.problem);
    note_place(h, f.rest);
    v = http_ask(h, r, &f, &p);
    if (v == GATEKEEPER_ASKS)
        await_answer(h);
    else if (v == GATEKEEPER_REFUSES)
        used = refuse_request(h, r, &p, n);
    else
        used = take_routed(h, r, &f, in, n);
    buf_free(&f.allow);
    return used;
}

/* A head that comes byte by byte is parsed once a line, not once a byte. */
static bool worth_parsing(const struct http_conn *h, struct slice in)
{
    return h->seen == 0 || in.len >= h->http->limits.head_max ||
           (in.len > h->seen && memchr(in.p + h->seen, '\n', in.len - h->seen) != NULL);
}

static size_t take_head(struct http_conn *h, struct slice in)
{
    struct http_request r;
    size_t used;
    int n;

    if (!worth_parsing(h, in))
        return 0;
    n = http1_request_parse(&r, in.p, in.len, &h->http->limits);
    if (n == 0) {
        h->seen = (uint32_t)in.len;
        return 0;
    }
    if (n < 0) {
        refuse_head(h, n);
        return in.len;
    }
    begin_exchange(h, &r);
    used = take_request(h, &r, in, (size_t)n);
    h->x.request = NULL;
    return used;
}

/* --- the connection --------------------------------------------------------------- */

static void http_on_head_timeout(struct wheel_timer *t)
{
    struct http_conn *h = http_of(conn_of_timer(t));
    struct problem p = {.error = ERR_REQUEST_TIMEOUT};

    if (h->conn.in.len == 0) {
        conn_finish(&h->conn); /* it never said a word */
        return;
    }
    refuse_unread(h, &p);
}

/* A client that is still taking its last answer is not idle. */
static void http_on_idle_timeout(struct wheel_timer *t)
{
    struct http_conn *h = http_of(conn_of_timer(t));

    if (conn_pending(&h->conn) && conn_quiet_ms(&h->conn) < h->http->idle_timeout)
        conn_timer(&h->conn, h->http->idle_timeout, http_on_idle_timeout);
    else if (conn_pending(&h->conn))
        conn_close(&h->conn);
    else
        conn_finish(&h->conn);
}

/* The authority has decided: the head is taken again. */
static void http_on_known(struct gatekeeper_ask *q)
{
    struct http_conn *h = CONTAINER_OF(q, struct http_conn, ask);

    assert(h->state == ASKING);
    h->state = HEAD;
    h->timing = false;
    conn_timer(&h->conn, 0, NULL);
    conn_pump(&h->conn);
}

static void http_on_ask_timeout(struct wheel_timer *t)
{
    struct http_conn *h = http_of(conn_of_timer(t));
    struct problem p = {.error = ERR_UNAVAILABLE};

    gatekeeper_forget(&h->ask);
    http_refuse(h, &p, false);
}

static void http_on_opened(struct conn *c)
{
    struct http_conn *h = http_of(c);

    h->http = c->data;
    h->state = HEAD;
    h->ask.done = http_on_known;
    conn_timer(c, h->http->header_timeout, http_on_head_timeout);
    h->timing = true;
}

static size_t take_ignored(struct http_conn *h, size_t len)
{
    h->ignored += (uint32_t)len;
    if (h->ignored > STREAM_INPUT_MAX) {
        h->state = OVER;
        conn_close(&h->conn);
        h->x.owner->gone(&h->x);
        request_over(h);
    }
    return len;
}

/* The next request waits until the last answer is on its way. */
static size_t http_take(struct http_conn *h, struct slice in)
{
    switch (h->state) {
    case HEAD:
        return conn_pending(&h->conn) ? 0 : take_head(h, in);
    case BODY:
        return take_body(h, in);
    case STREAM:
        return take_ignored(h, in.len);
    default:
        return 0;
    }
}

static size_t http_on_input(struct conn *c, struct slice in)
{
    struct http_conn *h = http_of(c);
    size_t used = 0, n;

    do {
        n = http_take(h, (struct slice){in.p + used, in.len - used});
        used += n;
    } while (n > 0 && used < in.len);
    if (h->state == HEAD && used < in.len && !h->timing && !conn_pending(c)) {
        h->timing = true;
        conn_timer(c, h->http->header_timeout, http_on_head_timeout);
    }
    finish_at_eof(h);
    return used;
}

static void http_on_writable(struct conn *c)
{
    struct http_conn *h = http_of(c);

    if (h->state == STREAM)
        h->x.owner->writable(&h->x);
    else if (c->in.len > 0)
        conn_pump(c);
    else
        finish_at_eof(h);
}

static void http_on_gone(struct conn *c)
{
    struct http_conn *h = http_of(c);
    bool pending = h->state == BUSY || h->state == STREAM;

    body_free(h);
    cors_clear(&h->cors);
    gatekeeper_forget(&h->ask);
    h->state = OVER;
    if (pending)
        h->x.owner->gone(&h->x);
    request_over(h);
}

static void http_on_over(struct conn *c)
{
    request_over(http_of(c));
    http_forget_caller(http_of(c));
}

/* Whoever closes half of a stream is taken for gone; requests that were sent
 * whole are still answered. */
static void http_on_eof(struct conn *c)
{
    struct http_conn *h = http_of(c);

    if (h->state == BODY || h->state == STREAM) {
        conn_close(c);
        http_on_gone(c);
    } else {
        finish_at_eof(h);
    }
}

static void http_on_drain(struct conn *c)
{
    struct http_conn *h = http_of(c);

    h->keep = false;
    if (h->state == HEAD)
        conn_finish(c);
    else if ((h->state == BUSY || h->state == STREAM) && h->x.owner != NULL &&
             h->x.owner->drain != NULL)
        h->x.owner->drain(&h->x);
}

static const struct conn_ops http_conn_ops = {.opened = http_on_opened,
                                              .input = http_on_input,
                                              .writable = http_on_writable,
                                              .eof = http_on_eof,
                                              .drain = http_on_drain,
                                              .gone = http_on_gone,
                                              .over = http_on_over};

/* --- the server ------------------------------------------------------------------- */

struct http *http_new(struct site *site)
{
    const struct config *c = site->use.config;
    struct http *h = mem_zalloc(sizeof *h);

    h->site = site;
    h->limits.head_max = config_num(c, CFG_MAX_HEADER);
    assert(h->limits.head_max <= CONN_IN_MAX); /* it must fit into what a conn keeps unread */
    h->limits.target_max = h->limits.head_max / 2;
    h->header_timeout = config_num(c, CFG_HEADER_TIMEOUT);
    h->body_timeout = config_num(c, CFG_BODY_TIMEOUT);
    h->idle_timeout = config_num(c, CFG_IDLE_TIMEOUT);
    h->bodies_max.max_payload = config_num(c, CFG_MAX_PAYLOAD);
    h->bodies_max.max_body = config_num(c, CFG_MAX_BODY);
    h->bodies.bytes_max = http_bodies_max(c);
    return h;
}

void http_free(struct http *h)
{
    buf_free(&h->out);
    free(h);
}

struct listener_options http_listener(struct http *h)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    static const char refusal[] =
        "HTTP/1.1 429 Too Many Requests\r\n"
        "Content-Type: application/problem+json\r\n"
        "Retry-After: 1\r\n"
        "Connection: close\r\n\r\n"
        "{\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,"
        "\"code\":\"too_many\",\"detail\":\"A limit on connections is reached\"}";

    return (struct listener_options){.conn_size = sizeof(struct http_conn),
                                     .ops = &http_conn_ops,
                                     .data = h,
                                     .refusal = SLICE(refusal),
                                     .alpn = alpn};
}
