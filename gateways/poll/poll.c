/*
 * poll.c - a subscription that ends with its first events.
 *
 *   STARTING ──started()──▶ READING ──caught_up()──▶ WAITING ──┐
 *       │                      └──events()──▶ 200 ◀──events()──┤
 *       └── the broker is away: 503          204 ◀── time ─────┘
 *
 * Happy path at the head: the client comes back with the cursor that the last
 * answer told, its topic's feed is still there, the ring covers the cursor, so
 * it joins the heads without a word to the broker.  What comes in one turn of
 * the loop is handed over at the turn's end, once, as to a stream; the first
 * `limit` events are the answer, and all who wait there get the same body
 * (reply.c).  Then the subscription is closed, whoever is answered.
 *
 * The time to wait begins with the request, but nobody is told "nothing" before
 * everything that is kept has been looked at (caught_up), within reason: a
 * search that takes too long ends with 204 too, and Sluice-Next then says how
 * far it came.
 *
 * How it fails: a gap is told in the answer, with the events or alone; on_gap=fail
 * makes it a 410.  A client that closes its sending side is not waited for.  A
 * draining process answers as if the time were over.
 */
#include "poll.h"

#include <stdlib.h>

#include "clock.h"
#include "event_json.h"
#include "link.h"
#include "mem.h"
#include "query.h"
#include "reaper.h"

#define AWAY_MS 2000   /* so long a client waits for a broker that is away */
#define SEARCH_MS 2000 /* so long, at least, what is kept is searched */

struct poll {
    struct reaped reaped; /* first */
    struct subscription subscription;
    struct exchange *x;
    struct poller *poller;
    struct wheel_timer timer;
    uint64_t ends;  /* the time to wait; monotonic ms */
    struct gap gap; /* not yet told */
    uint32_t limit;
    size_t filters; /* counted with its principal's subscriptions */
    bool raw, conditional, on_gap_fail;
    bool started, caught_up;
};

/* --- answers -------------------------------------------------------------------------- */

/* No callback after this one; returns the exchange, to be answered. */
static struct exchange *poll_end(struct poll *p)
{
    subscription_close(&p->subscription);
    wheel_stop(&p->timer);
    subscribe_release(&p->x->caller, p->filters);
    p->x->caller.changed = NULL;
    reaper_take(p->x->site->use.reaper, &p->reaped);
    return p->x;
}

/* In both of its forms. */
static void place_put(struct answer *a, const struct etag *next)
{
    answer_field(a, "Cache-Control", SLICE("no-store"));
    answer_field(a, "ETag", (struct slice){next->text, next->len});
    answer_field(a, "Sluice-Next", (struct slice){next->text + 1, next->len - 2});
}

static void gap_put(struct answer *a, struct buf *text, const struct gap *gap)
{
    if (gap->reason == GAP_NONE)
        return;
    event_json_put_gap(text, gap);
    answer_field(a, "Sluice-Gap", buf_slice(text));
}

static void answer_reply(struct poll *p, const struct reply *r)
{
    struct answer a = {.status = 200,
                       .content_type = r->content_type,
                       .more = r->raw.list,
                       .more_count = r->raw.count};
    struct exchange *x = poll_end(p);
    struct buf none = {0}, gap = {0};

    place_put(&a, &r->next);
    if (p->raw) {
        /* What somebody publishes as HTML is not to run here. */
        answer_field(&a, "X-Content-Type-Options", SLICE("nosniff"));
        answer_field(&a, "Content-Security-Policy", SLICE("sandbox"));
        gap_put(&a, &gap, &p->gap);
    }
    if (r->body != NULL)
        exchange_answer_shared(x, &a, r->body);
    else
        exchange_answer(x, &a, &none);
    buf_free(&gap);
}

static void answer_nothing(struct poll *p)
{
    struct etag next = reply_etag(subscription_cursor(&p->subscription));
    bool unchanged = p->conditional && p->gap.reason == GAP_NONE;
    struct answer a = {.status = unchanged ? 304 : 204};
    struct buf none = {0}, gap = {0};

    place_put(&a, &next);
    gap_put(&a, &gap, &p->gap);
    exchange_answer(poll_end(p), &a, &none);
    buf_free(&gap);
}

/* The time is over, or there is a gap to tell of and nothing else. */
static void answer_without_events(struct poll *p)
{
    uint64_t next = subscription_cursor(&p->subscription);

    if (p->raw || p->gap.reason == GAP_NONE)
        answer_nothing(p);
    else
        answer_reply(p, reply_json(&p->poller->replies, NULL, 0, next, &p->gap));
}

static void answer_problem(struct poll *p, enum sluice_error error, const char *detail)
{
    struct problem problem = {0};

    (void)problem_set(&problem, error, NULL, detail);
    exchange_problem(poll_end(p), &problem);
}

/* --- time ------------------------------------------------------------------------------ */

static uint64_t time_left(const struct poll *p)
{
    uint64_t now = clock_mono_ms();

    return now < p->ends ? p->ends - now : 0;
}

static void poll_on_timer(struct wheel_timer *t);

static void timer_start(struct poll *p, uint64_t ms)
{
    wheel_start(p->x->site->use.wheel, &p->timer, ms, poll_on_timer);
}

static void poll_on_timer(struct wheel_timer *t)
{
    struct poll *p = CONTAINER_OF(t, struct poll, timer);

    if (p->started)
        answer_without_events(p);
    else if (link_is_up(p->x->site->use.link))
        timer_start(p, AWAY_MS); /* it has not said yet where this begins */
    else
        answer_problem(p, ERR_UNAVAILABLE, "The broker is away");
}

/* --- what the hub says ------------------------------------------------------------------- */

/* A second gap before the answer continues the first. */
static void poll_on_gap(struct subscription *s, const struct gap *gap)
{
    struct poll *p = s->data;
    struct problem problem = {.gap = gap};
    uint64_t requested = p->gap.reason != GAP_NONE ? p->gap.requested : gap->requested;

    if (p->on_gap_fail) {
        (void)problem_set(&problem, ERR_GONE, NULL, "");
        exchange_problem(poll_end(p), &problem);
        return;
    }
    p->gap = *gap;
    p->gap.requested = requested;
}

static void poll_on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    struct poll *p = s->data;
    uint64_t left = time_left(p);

    (void)cursor;
    p->started = true;
    timer_start(p, left > SEARCH_MS ? left : SEARCH_MS);
    if (gap != NULL)
        poll_on_gap(s, gap);
}

static size_t poll_on_events(struct subscription *s, struct run *r)
{
    struct poll *p = s->data;
    struct reply_cache *c = &p->poller->replies;
    size_t n = r->count < p->limit ? r->count : p->limit;

    answer_reply(p, p->raw ? reply_raw(c, r->entries[0])
                           : reply_json(c, r->entries, n, r->entries[n - 1]->e.id, &p->gap));
    return n;
}

static void poll_on_caught_up(struct subscription *s)
{
    struct poll *p = s->data;
    uint64_t left = time_left(p);

    p->caught_up = true;
    if (left == 0 || p->gap.reason != GAP_NONE)
        answer_without_events(p);
    else
        timer_start(p, left);
}

static void poll_on_failed(struct subscription *s, enum sluice_error error, struct slice text)
{
    struct problem problem = {0};

    (void)problem_setf(&problem, error, NULL, "%.*s", (int)text.len, text.p);
    exchange_problem(poll_end(s->data), &problem);
}

static const struct subscription_ops subscription_ops = {.started = poll_on_started,
                                                         .events = poll_on_events,
                                                         .gap = poll_on_gap,
                                                         .failed = poll_on_failed,
                                                         .caught_up = poll_on_caught_up};

/* --- what the client's side says ----------------------------------------------------------- */

static void poll_on_gone(struct exchange *x)
{
    (void)poll_end(x->data);
}

static void poll_on_hurry(struct exchange *x)
{
    struct poll *p = x->data;

    p->ends = 0;
    if (p->caught_up)
        answer_without_events(p);
}

static void poll_on_drain(struct exchange *x)
{
    struct poll *p = x->data;

    if (p->started)
        answer_without_events(p);
    else
        answer_problem(p, ERR_UNAVAILABLE, "The gateway is about to end");
}

/* Who waits for an event that it may not have any more is told so. */
static void poll_on_changed(struct caller *who)
{
    struct exchange *x = CONTAINER_OF(who, struct exchange, caller);
    struct poll *p = x->data;
    struct problem problem = {0};

    if (!subscribe_may_go_on(&p->subscription, who, &problem))
        exchange_problem(poll_end(p), &problem);
}

static const struct exchange_owner poll_owner = {
    .gone = poll_on_gone, .drain = poll_on_drain, .hurry = poll_on_hurry};

/* --- HEAD ------------------------------------------------------------------------------------ */

static void head_freed(struct query *q)
{
    free(q);
}

static void poll_on_head(struct query *q, struct zmsg *reply)
{
    struct answer a = {.status = 200, .content_type = "application/json"};
    struct buf none = {0};
    struct wire_start s;
    struct etag next;

    if (!wire_start_get(zmsg_data(reply), zmsg_size(reply), &s)) {
        query_malformed(q);
        return;
    }
    next = reply_etag(s.head);
    place_put(&a, &next);
    exchange_answer(query_end(q), &a, &none);
}

/* The newest 0 events: where they begin is where the log ends, says the broker. */
static void ask_head(struct exchange *x, const struct subscribe *s)
{
    struct wire_filter filter = {.filter = s->filters[0]};
    struct wire_start_req m = {.mode = WIRE_LAST, .filter_count = 1, .filters = &filter};
    struct query *q = mem_zalloc(sizeof *q);

    query_init(q, x, poll_on_head, head_freed);
    wire_start_req_put(query_frame(q), &m);
    query_ask(q);
}

/* --- the start -------------------------------------------------------------------- */

static void poll_subscribe(struct exchange *x, const struct poll_request *q)
{
    const struct subscribe *s = &q->subscribe;
    struct poll *p = mem_zalloc(sizeof *p);

    p->x = x;
    p->poller = x->own;
    p->ends = clock_mono_ms() + q->wait_ms;
    p->limit = (uint32_t)q->limit;
    p->raw = s->format == FORMAT_RAW;
    p->conditional = q->conditional;
    p->on_gap_fail = s->on_gap_fail;
    p->filters = s->filter_count;
    x->owner = &poll_owner;
    x->data = p;
    x->caller.changed = poll_on_changed;
    timer_start(p, AWAY_MS);
    subscription_open(&p->subscription, x->site->use.hub, s->filters, s->filter_count, s->start,
                      &subscription_ops, p);
    if (x->quota != NULL)
        quota_charge(x->quota, &p->subscription);
}

void poll_open(struct exchange *x)
{
    struct poller *poller = x->own;
    struct problem p = {0};
    struct poll_request q;

    poller->limits.subscribe = site_subscribe_limits(x->site);
    if (!poll_request_read(&q, &poller->limits, x->request, x->rest, &p)) {
        exchange_problem(x, &p);
        return;
    }
    if (!subscribe_permitted(&q.subscribe, &x->caller, &p) ||
        !subscribe_fits(&q.subscribe, x->site->use.hub, x->quota, &p))
        exchange_problem(x, &p);
    else if (slice_eq(x->request->method, SLICE("HEAD")))
        ask_head(x, &q.subscribe);
    else if (!subscribe_charge(&q.subscribe, &x->caller, &p))
        exchange_problem(x, &p);
    else
        poll_subscribe(x, &q);
    poll_request_free(&q);
}

/* --- the process ------------------------------------------------------------------ */

static uint64_t at_most(uint64_t n, uint64_t max)
{
    return n < max ? n : max;
}

void poller_init(struct poller *p, const struct config *c)
{
    struct poll_limits *l = &p->limits;

    *p = (struct poller){.limits = {.limit = 0}};
    l->wait_max_ms = config_num(c, CFG_POLL_MAX_WAIT);
    l->wait_ms = at_most(config_num(c, CFG_POLL_WAIT), l->wait_max_ms);
    l->limit_max = config_num(c, CFG_POLL_MAX_LIMIT);
    l->limit = at_most(config_num(c, CFG_POLL_LIMIT), l->limit_max);
}

void poller_close(struct poller *p)
{
    reply_cache_close(&p->replies);
}
