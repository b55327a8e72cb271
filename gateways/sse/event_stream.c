/*
 * event_stream.c - a subscription on an exchange.
 *
 *   WAITING ──started()──▶ OPEN ──gone, drain, a gap that must fail──▶ ended
 *      └── the broker is away for AWAY_MS: OPEN with comments only ──▲
 *                           └── its client may not go on: sluice.expired ─▶ ended
 *
 * Happy path: the hub says started(), which writes the head and the start block;
 * from then on events() hands the run to the exchange, in the stream's form, and
 * says how many it took.  Nothing else happens per event; keep-alives come from
 * one coarse timer that looks how long the stream has been quiet.
 *
 * How it fails: before the head is out, with a status and a problem.  After it
 * nothing can be said any more, so the stream is cut, and the client comes back
 * with its Last-Event-ID.  A broker that is away is no failure to SSE, because an
 * error status ends a browser's EventSource for good; NDJSON clients and those
 * who asked for on_gap=fail get 503.
 *
 * A stream may end inside a callback of its own subscription, which still looks
 * at it afterwards; so the reaper frees it.
 */
#include "event_stream.h"

#include "forms.h"
#include "link.h"
#include "mem.h"
#include "query_param.h"
#include "reaper.h"
#include "site.h"
#include "sse.h"
#include "topic.h"

#define AWAY_MS 2000 /* so long a client waits for a broker that is away */

enum form {
    SSE_RAW = FORMS_STREAM,
    SSE_JSON,
    NDJSON = FORM_NDJSON,
    NDJSON_CHUNKS,
    NDJSON_PUSH,
    SSE_PUSH,
    SSE_TEXT
};

struct event_stream {
    struct reaped reaped; /* first */
    struct subscription subscription;
    struct exchange *x;
    struct wheel_timer timer;
    uint64_t said;  /* the last position that was given to the client */
    size_t filters; /* counted with its principal's subscriptions */
    uint8_t form;
    bool open;   /* the head is out */
    bool placed; /* the client knows where its stream begins */
    bool on_gap_fail;
    bool announce; /* SSE: the client is told where it stands when there is no event */
};

static const form_encode encoders[] = {
    [SSE_RAW] = sse_put_raw,         [SSE_JSON] = sse_put_json,
    [NDJSON] = ndjson_put_event,     [NDJSON_CHUNKS] = ndjson_put_event_chunk,
    [NDJSON_PUSH] = ndjson_put_push, [SSE_PUSH] = sse_put_push,
    [SSE_TEXT] = sse_put_text,
};

static const struct event_streams *streams_of(const struct event_stream *st)
{
    return st->x->own;
}

static bool is_ndjson(const struct event_stream *st)
{
    return st->form >= NDJSON && st->form < SSE_PUSH;
}

/* --- the end ---------------------------------------------------------------------- */

/* No callback after this one; returns the exchange, for its last word. */
static struct exchange *stream_end(struct event_stream *st)
{
    subscription_close(&st->subscription);
    wheel_stop(&st->timer);
    subscribe_release(&st->x->caller, st->filters);
    st->x->caller.changed = NULL;
    reaper_take(st->x->site->use.reaper, &st->reaped);
    return st->x;
}

static void stream_fail(struct event_stream *st, const struct problem *p)
{
    bool open = st->open;
    struct exchange *x = stream_end(st);

    if (open)
        exchange_abort(x);
    else
        exchange_problem(x, p);
}

/* --- control blocks ------------------------------------------------------------------ */

static void write_buf(struct event_stream *st, struct buf *b)
{
    if (b->len > 0)
        exchange_write(st->x, buf_slice(b));
    buf_free(b);
}

static void put_retry(const struct event_stream *st, struct buf *b)
{
    if (streams_of(st)->retry_ms > 0)
        sse_put_retry(b, (unsigned)streams_of(st)->retry_ms);
}

static void put_position(struct event_stream *st, struct buf *b, uint64_t cursor)
{
    if (is_ndjson(st))
        ndjson_put_upto(b, cursor);
    else
        sse_put_position(b, cursor);
    st->said = cursor;
    st->placed = true;
}

static void put_gap(struct event_stream *st, struct buf *b, const struct gap *gap)
{
    if (is_ndjson(st))
        ndjson_put_gap(b, gap);
    else
        sse_put_gap(b, gap);
    st->said = gap->resumed_from;
    st->placed = true;
}

/* The first block.  A gap is told by it, and as any other too. */
static void put_start(struct event_stream *st, struct buf *b, uint64_t cursor,
                      const struct gap *gap)
{
    if (!is_ndjson(st))
        put_retry(st, b);
    if (!is_ndjson(st) && st->announce)
        sse_put_start(b, gap != NULL ? gap->resumed_from : cursor, gap);
    if (gap != NULL)
        put_gap(st, b, gap);
    else if (is_ndjson(st))
        ndjson_put_upto(b, cursor);
    if (gap == NULL)
        st->said = cursor;
    st->placed = true;
}

static void stream_on_keepalive(struct wheel_timer *t);

static void keepalive_start(struct event_stream *st, uint64_t ms)
{
    wheel_start(st->x->site->use.wheel, &st->timer, ms, stream_on_keepalive);
}

/* A position goes along when it has moved.  A client that has not taken the last
 * bytes needs no sign of life from us. */
static void keepalive_write(struct event_stream *st)
{
    uint64_t cursor = subscription_cursor(&st->subscription);
    struct buf b = {0};

    if (exchange_pending(st->x))
        return;
    if (!is_ndjson(st))
        sse_put_comment(&b, "");
    if (st->placed && (is_ndjson(st) || (st->announce && cursor != st->said)))
        put_position(st, &b, cursor);
    write_buf(st, &b);
}

static void stream_on_keepalive(struct wheel_timer *t)
{
    struct event_stream *st = CONTAINER_OF(t, struct event_stream, timer);
    uint64_t quiet = exchange_quiet_ms(st->x), every = streams_of(st)->keepalive_ms;

    if (quiet < every) {
        keepalive_start(st, every - quiet);
        return;
    }
    keepalive_start(st, every);
    keepalive_write(st);
}

/* The form, now that the carrier has said what it can do. */
static uint8_t form_opened(const struct event_stream *st)
{
    if (st->x->push)
        return is_ndjson(st) ? NDJSON_PUSH : SSE_PUSH;
    return is_ndjson(st) && st->x->chunks ? NDJSON_CHUNKS : st->form;
}

/* no-transform: whoever compresses on the way waits until it is worth it. */
static struct answer stream_head(bool ndjson)
{
    struct answer a = {.status = 200,
                       .content_type =
                           ndjson ? "application/x-ndjson" : "text/event-stream; charset=utf-8"};

    answer_field(&a, "Cache-Control", SLICE("no-cache, no-transform"));
    answer_field(&a, "X-Accel-Buffering", SLICE("no"));
    return a;
}

static void open_stream(struct event_stream *st)
{
    struct answer a = stream_head(is_ndjson(st));

    st->x->chunks = is_ndjson(st);
    exchange_begin(st->x, &a);
    st->open = true;
    st->form = form_opened(st);
    if (streams_of(st)->keepalive_ms > 0)
        keepalive_start(st, streams_of(st)->keepalive_ms);
    else
        wheel_stop(&st->timer);
}

/* --- what the hub says ----------------------------------------------------------------- */

static void fail_on_gap(struct event_stream *st, const struct gap *gap)
{
    struct problem p = {.gap = gap};

    (void)problem_set(&p, ERR_GONE, NULL, "");
    stream_fail(st, &p);
}

static void stream_on_gap(struct subscription *s, const struct gap *gap)
{
    struct event_stream *st = s->data;
    struct buf b = {0};

    if (st->on_gap_fail) {
        fail_on_gap(st, gap);
        return;
    }
    put_gap(st, &b, gap);
    write_buf(st, &b);
}

/* The notice and its position are one block: who has seen the one has the other. */
static void stream_on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    struct event_stream *st = s->data;
    struct buf b = {0};

    if (gap != NULL && st->on_gap_fail) {
        fail_on_gap(st, gap);
        return;
    }
    if (!st->open)
        open_stream(st);
    put_start(st, &b, cursor, gap);
    write_buf(st, &b);
}

static size_t stream_on_events(struct subscription *s, struct run *r)
{
    struct event_stream *st = s->data;

    return exchange_run(st->x, r, st->form, encoders[st->form]);
}

static void stream_on_failed(struct subscription *s, enum sluice_error error, struct slice text)
{
    struct problem p = {0};

    (void)problem_setf(&p, error, NULL, "%.*s", (int)text.len, text.p);
    stream_fail(s->data, &p);
}

static const struct subscription_ops subscription_ops = {.started = stream_on_started,
                                                         .events = stream_on_events,
                                                         .gap = stream_on_gap,
                                                         .failed = stream_on_failed};

/* --- what the client's side says ---------------------------------------------------------- */

static void stream_on_gone(struct exchange *x)
{
    (void)stream_end(x->data);
}

static void stream_on_writable(struct exchange *x)
{
    struct event_stream *st = x->data;

    subscription_resume(&st->subscription);
}

static void stream_on_drain(struct exchange *x)
{
    struct event_stream *st = x->data;

    if (st->open)
        exchange_end(stream_end(st));
    else
        exchange_error(stream_end(st), ERR_UNAVAILABLE);
}

static const struct exchange_owner stream_owner = {
    .gone = stream_on_gone, .writable = stream_on_writable, .drain = stream_on_drain};

/* --- its client may not go on ------------------------------------------------------- */

static void stream_expire(struct event_stream *st)
{
    uint64_t at = st->placed ? subscription_cursor(&st->subscription) : 0;
    const char *reason = gatekeeper_reason(&st->x->caller);
    struct buf b = {0};

    if (is_ndjson(st))
        ndjson_put_expired(&b, reason, at);
    else
        sse_put_expired(&b, reason, at);
    write_buf(st, &b);
    exchange_end(stream_end(st));
}

static void stream_on_changed(struct caller *who)
{
    struct exchange *x = CONTAINER_OF(who, struct exchange, caller);
    struct event_stream *st = x->data;
    struct problem p = {0};

    if (subscribe_may_go_on(&st->subscription, who, &p))
        return;
    if (st->open)
        stream_expire(st);
    else
        stream_fail(st, &p);
}

/* --- the start -------------------------------------------------------------------- */

/* The broker has not said yet where the stream begins. */
static void stream_on_waited(struct wheel_timer *t)
{
    struct event_stream *st = CONTAINER_OF(t, struct event_stream, timer);
    struct problem p = {0};

    if (link_is_up(st->x->site->use.link)) {
        wheel_start(st->x->site->use.wheel, t, AWAY_MS, stream_on_waited);
        return;
    }
    if (is_ndjson(st) || st->on_gap_fail) {
        (void)problem_set(&p, ERR_UNAVAILABLE, NULL, "The broker is away");
        stream_fail(st, &p);
        return;
    }
    open_stream(st);
    keepalive_write(st);
}

static bool choose_form(const struct http_request *r, const struct subscribe *s, uint8_t *form,
                        struct problem *p)
{
    static const char *const sse_types[] = {"text/event-stream", "text/*", "*/*"};
    bool one_topic = s->filter_count == 1 && filter_is_exact(s->filters[0]), sse;

    if (http_request_accepts(r, "application/x-ndjson")) {
        *form = NDJSON;
        return s->format == FORMAT_DEFAULT || s->format == FORMAT_JSON ||
               problem_set(p, ERR_BAD_REQUEST, "format",
                           "NDJSON is JSON: format=raw and format=text are not");
    }
    sse = http_request_header(r, "accept", NULL).p == NULL;
    for (size_t i = 0; i < ARRAY_LEN(sse_types); i++)
        sse = sse || http_request_accepts(r, sse_types[i]);
    if (!sse)
        return problem_set(p, ERR_NOT_ACCEPTABLE, "Accept",
                           "Streams come as text/event-stream or application/x-ndjson");
    if (s->format == FORMAT_TEXT) {
        *form = SSE_TEXT;
        return true;
    }
    *form =
        s->format == FORMAT_RAW || (s->format == FORMAT_DEFAULT && one_topic) ? SSE_RAW : SSE_JSON;
    return true;
}

static bool take_announce(struct exchange *x, bool *announce, struct problem *p)
{
    const struct event_streams *streams = x->own;
    struct buf text = {0};

    *announce = streams->announce;
    if (query_param(x->request, "announce", &text, p)) {
        *announce = slice_eq(buf_slice(&text), SLICE("on"));
        if (!*announce && !slice_eq(buf_slice(&text), SLICE("off")))
            (void)problem_set(p, ERR_BAD_REQUEST, "announce", "announce must be on or off");
    }
    buf_free(&text);
    return p->error == ERR_NONE;
}

static void subscribe_stream(struct exchange *x, const struct subscribe *s, uint8_t form,
                             bool announce)
{
    struct event_stream *st = mem_zalloc(sizeof *st);

    st->x = x;
    st->form = form;
    st->on_gap_fail = s->on_gap_fail;
    st->announce = announce;
    st->filters = s->filter_count;
    x->owner = &stream_owner;
    x->data = st;
    x->caller.changed = stream_on_changed;
    wheel_start(x->site->use.wheel, &st->timer, AWAY_MS, stream_on_waited);
    subscription_open(&st->subscription, x->site->use.hub, s->filters, s->filter_count, s->start,
                      &subscription_ops, st);
    if (x->quota != NULL)
        quota_charge(x->quota, &st->subscription);
}

/* HEAD: what GET would say, without a subscription behind it. */
static void answer_head(struct exchange *x, uint8_t form)
{
    struct answer a = stream_head(form == NDJSON);
    struct buf none = {0};

    exchange_answer(x, &a, &none);
}

void event_stream_open(struct exchange *x)
{
    struct subscribe_limits limits = site_subscribe_limits(x->site);
    struct problem p = {0};
    struct subscribe s;
    uint8_t form = SSE_RAW;
    bool announce;

    limits.text = true;
    if (!subscribe_request(&s, &limits, x->request, x->rest, &p)) {
        exchange_problem(x, &p);
        return;
    }
    if (!choose_form(x->request, &s, &form, &p) ||
        !query_param_flag(x->request, "push", &x->push, &p) || !take_announce(x, &announce, &p) ||
        !subscribe_permitted(&s, &x->caller, &p) ||
        !subscribe_fits(&s, x->site->use.hub, x->quota, &p))
        exchange_problem(x, &p);
    else if (slice_eq(x->request->method, SLICE("HEAD")))
        answer_head(x, form);
    else if (!subscribe_charge(&s, &x->caller, &p))
        exchange_problem(x, &p);
    else
        subscribe_stream(x, &s, form, announce);
    subscribe_free(&s);
}
