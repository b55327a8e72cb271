/*
 * h2_serve.c - a request on its way to a handler.
 *
 *   HEAD ──all fields──▶ BODY ──all of it──▶ BUSY ──answered──▶ ANSWERED ──sent──▶ OVER
 *    │ ▲└────── there is none ──────────────▶┘ └──begin──▶ STREAM ──end──▶ ENDED ──▶┘
 *    └─┴─▶ ASKING: who is it?
 *
 * Happy path of a publish: fields and body are gathered, the handler gets them as an
 * HTTP/1.1 request, its answer is a HEADERS and a DATA frame.
 *
 * Credentials repeat from stream to stream, and are compared with those of the connection's
 * last one.  When the authority takes time, the stream waits, and its siblings do not; what
 * comes of its body lies there and does not open its window.
 *
 * How it fails: what no handler gets is answered by a problem document, at once, without
 * waiting for the body.  A stream that the client cancels, or whose connection ends, is
 * gone for its handler.  A head, a body or an answer that does not move ends the stream.
 */
#include <assert.h>

#include "cors.h"
#include "h2.h"
#include "mem.h"
#include "metrics.h"

#define UNWANTED_MS 1000 /* for a client to see that its answer is there */

/* --- what no handler gets --------------------------------------------------------- */

static void h2_serve_refuse(struct h2_stream *st, const struct problem *p)
{
    h2_stream_discard(st);
    h2_stream_forget(st);
    wheel_stop(&st->timer);
    st->state = H2_BUSY;
    exchange_problem(&st->x, p);
}

static void h2_serve_on_late(struct wheel_timer *t)
{
    struct h2_stream *st = CONTAINER_OF(t, struct h2_stream, timer);
    struct problem p = {.error = ERR_REQUEST_TIMEOUT};

    if (st->state == H2_HEAD) {
        h2_send_reset(st, H2_ENHANCE_YOUR_CALM);
        return;
    }
    if (st->state == H2_ASKING)
        p.error = ERR_UNAVAILABLE;
    gatekeeper_forget(&st->ask);
    h2_serve_refuse(st, &p);
}

static void wait_for(struct h2_stream *st, uint64_t ms)
{
    wheel_start(st->conn->h2->site->use.wheel, &st->timer, ms, h2_serve_on_late);
}

/* --- dispatch --------------------------------------------------------------------- */

static void handle(struct h2_stream *st, const struct route *route, struct http_request *r,
                   struct slice rest)
{
    wheel_stop(&st->timer);
    st->state = H2_BUSY;
    st->x.request = r;
    st->x.rest = rest;
    st->x.body = buf_slice(&st->in);
    st->x.own = route->own;
    route->handle(&st->x);
    if (st->x.push)
        buf_put_slice(&st->authority, http_request_header(r, "host", NULL));
    st->x.request = NULL;
    if (!st->connect) {
        h2_stream_forget(st);
        return;
    }
    h2_request_free(st->request); /* what came behind it is the channel's */
    st->request = NULL;
}

/* The body is whole: the head, read before, is read once more. */
static void dispatch(struct h2_stream *st)
{
    struct problem p = {0};
    struct buf allow = {0};
    struct http_request r;
    struct slice rest;
    enum sluice_error error = h2_request_read(st->request, true, &r);
    const struct route *route;

    assert(error == ERR_NONE);
    (void)error;
    route = route_find(&st->conn->h2->site->routes, &r, &rest, &allow, &p);
    assert(route != NULL);
    handle(st, route, &r, rest);
}

static void no_route(struct h2_stream *st, const struct problem *p, const struct buf *allow)
{
    h2_stream_discard(st);
    wheel_stop(&st->timer);
    st->state = H2_BUSY;
    route_answer_none(&st->x, &st->cors, p, allow);
    h2_stream_forget(st);
}

static bool body_fits(const struct h2_stream *st, size_t more, struct problem *p)
{
    return more <= st->body_max - st->in.len ||
           problem_setf(p, ERR_TOO_LARGE, NULL, "The body may hold %zu bytes at most here",
                        st->body_max);
}

/* What of it has come while its sender was not known. */
static void take_waiting(struct h2_stream *st)
{
    struct problem p = {0};
    size_t had = st->in.len;

    if (had > 0)
        h2_session_consume(st->conn->session, st->id, had);
    st->in.len = 0;
    if (!body_fits(st, had, &p)) {
        h2_serve_refuse(st, &p);
        return;
    }
    st->in.len = had;
    if (st->ended)
        dispatch(st);
}

static void await_body(struct h2_stream *st, const struct route *route,
                       const struct http_request *r)
{
    struct problem p = {.error = ERR_BUSY};

    if (st->counted == 0 && !h2_stream_count(st, h2_request_size(st->request))) {
        h2_serve_refuse(st, &p);
        return;
    }
    st->state = H2_BODY;
    st->body_max = route_body_max(route, &st->conn->h2->bodies_max);
    wait_for(st, st->conn->h2->body_timeout);
    if (r->expect_continue && !st->ended)
        h2_session_continue(st->conn->session, st->id);
    take_waiting(st);
}

static void take_routed(struct h2_stream *st, const struct route *route, struct slice rest,
                        struct http_request *r)
{
    struct problem p = {0};

    if (!route_body_ok(route, &st->conn->h2->bodies_max, r, &p))
        h2_serve_refuse(st, &p);
    else if (st->empty || st->connect)
        handle(st, route, r, rest);
    else
        await_body(st, route, r);
}

static enum gatekeeper_verdict h2_serve_ask(struct h2_stream *st, const struct http_request *r,
                                            const struct route *route, const struct buf *allow,
                                            struct problem *p)
{
    const struct site *site = st->conn->h2->site;
    struct gatekeeper_origin from = {.conn = &st->conn->conn,
                                     .door = site->door,
                                     .later = route != NULL && route->body == ROUTE_TUNNEL};

    if (!route_is_guarded(r, route, allow))
        return GATEKEEPER_ADMITS;
    return gatekeeper_check(&site->gatekeeper, &st->conn->pass, &st->ask, r, &from, &st->x.caller,
                            p);
}

static void await_answer(struct h2_stream *st)
{
    struct problem p = {.error = ERR_BUSY};

    if (!h2_stream_count(st, h2_request_size(st->request))) {
        gatekeeper_forget(&st->ask);
        h2_serve_refuse(st, &p);
        return;
    }
    st->state = H2_ASKING;
    wait_for(st, st->conn->h2->header_timeout);
}

static void note_place(struct h2_stream *st, struct slice rest)
{
    char address[CONN_ADDRESS_MAX];

    if (request_note_logs(&st->x.note) && !st->ask.answered)
        request_note_place(&st->x.note, conn_peer_address(&st->conn->conn, address), rest);
}

static void take_request(struct h2_stream *st, struct http_request *r)
{
    const struct routes *routes = &st->conn->h2->site->routes;
    struct problem p = {0}, none = {0};
    struct buf allow = {0};
    struct slice rest;
    const struct route *route;
    enum gatekeeper_verdict v;

    if (!route_admits(routes, r, st->conn->conn.tls != NULL, &p)) {
        h2_serve_refuse(st, &p);
        return;
    }
    route = route_find(routes, r, &rest, &allow, &none);
    note_place(st, rest);
    v = h2_serve_ask(st, r, route, &allow, &p);
    if (v == GATEKEEPER_ASKS)
        await_answer(st);
    else if (v == GATEKEEPER_REFUSES)
        h2_serve_refuse(st, &p);
    else if (route == NULL)
        no_route(st, &none, &allow);
    else
        take_routed(st, route, rest, r);
    buf_free(&allow);
}

/* --- what the session says -------------------------------------------------------- */

static void *h2_serve_on_begin(void *arg, int32_t id)
{
    struct h2_conn *h = arg;
    struct h2_stream *st;

    if (h->h2->streams >= h->h2->streams_max) {
        metric_add(M_H2_REFUSED, 1);
        return NULL;
    }
    st = h2_stream_new(h, id);
    st->request = h2_request_new();
    wait_for(st, h->h2->header_timeout);
    return st;
}

static void h2_serve_on_field(void *stream, struct slice name, struct slice value)
{
    struct h2_stream *st = stream;

    if (st->state == H2_HEAD)
        h2_request_add(st->request, name, value);
}

static void h2_serve_on_end(void *stream)
{
    struct h2_stream *st = stream;

    st->ended = true;
    if (st->state == H2_BODY)
        dispatch(st);
    else if (st->state == H2_TUNNEL)
        h2_channel_eof(st);
    else if (st->connect && st->state == H2_BUSY && st->x.owner->hurry != NULL)
        st->x.owner->hurry(&st->x);
}

/* The authority has decided: the head is taken again. */
static void h2_serve_on_known(struct gatekeeper_ask *q)
{
    struct h2_stream *st = CONTAINER_OF(q, struct h2_stream, ask);
    struct http_request r;
    enum sluice_error error = h2_request_read(st->request, st->empty, &r);

    assert(error == ERR_NONE && st->state == H2_ASKING);
    (void)error;
    wheel_stop(&st->timer);
    st->x.request = &r;
    take_request(st, &r);
    st->x.request = NULL;
    if (st->connect && st->ended)
        h2_serve_on_end(st);
    h2_speak(st->conn);
}

static bool h2_serve_on_head(void *stream, bool ended, bool too_large)
{
    struct h2_stream *st = stream;
    struct h2 *h2 = st->conn->h2;
    struct problem p = {0};
    struct http_request r;

    if (st->state != H2_HEAD)
        return true;
    metric_add(M_HTTP_REQUESTS, 1);
    if (!too_large && !h2_request_host_ok(st->request))
        return false;
    p.error = h2_request_read(st->request, ended, &r);
    if (too_large)
        p.error = ERR_HEAD_TOO_LARGE;
    st->x = (struct exchange){
        .ops = &h2_answer_ops, .site = h2->site, .request = &r, .quota = &st->conn->quota};
    st->ask.done = h2_serve_on_known;
    st->empty = ended;
    request_note_begin(&st->x.note, &r);
    st->head_only = slice_eq(r.method, SLICE("HEAD"));
    st->connect = h2_request_protocol(st->request).p != NULL;
    cors_read(&st->cors, &h2->site->routes.cors, &r);
    if (p.error != ERR_NONE)
        h2_serve_refuse(st, &p);
    else
        take_request(st, &r);
    st->x.request = NULL;
    return true;
}

static bool add_body(struct h2_stream *st, struct slice bytes, struct problem *p)
{
    if (!body_fits(st, bytes.len, p))
        return false;
    if (!h2_stream_count(st, bytes.len))
        return problem_set(p, ERR_BUSY, NULL, "");
    buf_put_slice(&st->in, bytes);
    return true;
}

/* Its window stays as it is, so that no more than that can come. */
static void hold_body(struct h2_stream *st, struct slice bytes)
{
    struct problem p = {.error = ERR_BUSY};

    if (h2_stream_count(st, bytes.len)) {
        buf_put_slice(&st->in, bytes);
        return;
    }
    h2_session_discard(st->conn->session, bytes.len);
    gatekeeper_forget(&st->ask);
    h2_serve_refuse(st, &p);
}

static void h2_serve_on_data(void *stream, struct slice bytes)
{
    struct h2_stream *st = stream;
    struct problem p = {0};

    if (st->connect && (st->state == H2_BUSY || st->state == H2_TUNNEL)) {
        h2_channel_data(st, bytes);
        return;
    }
    if (st->state == H2_ASKING) {
        hold_body(st, bytes);
        return;
    }
    if (st->state != H2_BODY) {
        h2_session_discard(st->conn->session, bytes.len);
        return;
    }
    h2_session_consume(st->conn->session, st->id, bytes.len);
    if (!add_body(st, bytes, &p))
        h2_serve_refuse(st, &p);
}

static void h2_serve_on_unwanted(struct wheel_timer *t)
{
    h2_send_reset(CONTAINER_OF(t, struct h2_stream, timer), H2_NO_ERROR);
}

/* The rest of the request is not wanted.  That may be said at once (RFC 9113, 8.1), but
 * there are clients that throw the answer away then; most of them stop by themselves. */
static void h2_serve_on_early(void *stream)
{
    struct h2_stream *st = stream;

    wheel_start(st->conn->h2->site->use.wheel, &st->timer, UNWANTED_MS, h2_serve_on_unwanted);
}

static void h2_serve_on_closed(void *stream)
{
    h2_stream_over(stream);
}

static void h2_serve_on_write(void *arg, struct slice bytes)
{
    struct h2_conn *h = arg;

    gather_own(&h->gather, &h->h2->pool, bytes.p, bytes.len);
}

const struct h2_session_ops h2_serve_ops = {.begin = h2_serve_on_begin,
                                            .field = h2_serve_on_field,
                                            .head = h2_serve_on_head,
                                            .data = h2_serve_on_data,
                                            .end = h2_serve_on_end,
                                            .early = h2_serve_on_early,
                                            .closed = h2_serve_on_closed,
                                            .offer = h2_send_offer,
                                            .put = h2_send_put,
                                            .write = h2_serve_on_write};
