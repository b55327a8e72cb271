/*
 * ws_upgrade.c - from an HTTP request to a WebSocket.
 *
 * GET /events/{topic} starts subscribed, by the same words as everywhere, and gets
 * its 101 when that subscription is live or its replay has begun: whoever sees the
 * connection open misses nothing from then on.  GET /events without any word starts
 * empty and is answered at once.
 *
 * Whoever nobody knows yet gets it at once, under sluice.json, and says who it is first; the
 * subscription of the address waits for that.
 *
 * How it fails: 401 to whom nobody knows under sluice.raw, which has no words for it, 426 to whom
 * no WebSocket is asked for, 403 to an Origin that is not on the list, 400 to words that make no
 * sense, 503 when the broker stays away.
 */
#include <assert.h>
#include <string.h>

#include "link.h"
#include "mem.h"
#include "topic.h"
#include "upgrade.h"
#include "url.h"
#include "ws_session.h"

#define AWAY_MS 2000 /* so long a client waits for a broker that is away */

static const char *const subprotocols[] = {"sluice.json", "sluice.raw", NULL};

static bool is_raw(const struct ws_handshake *h)
{
    return h->subprotocol == subprotocols[1];
}

/* --- the end of the wait ---------------------------------------------------------- */

static void ws_upgrade_accepted(struct ws_session *s)
{
    assert(s->state == WS_OPENING);
    upgrade_tunnel(s->x, &s->acceptance, &s->channel);
    if (channel_conn(&s->channel) != NULL)
        (void)caller_connect(&s->caller); /* in the place of the carrier, who has let go of it */
    ws_input_open(s);
}

static void ws_upgrade_begin(struct ws_session *s)
{
    channel_start(&s->channel);
}

static struct exchange *ws_upgrade_give_up(struct ws_session *s)
{
    struct exchange *x = s->x;

    ws_session_end(s);
    return x;
}

static void ws_upgrade_refuse(struct ws_session *s, const struct problem *p)
{
    exchange_problem(ws_upgrade_give_up(s), p);
}

/* Whoever sees its 101 misses nothing from then on. */
static const struct ws_opening path_opening = {
    .accepted = ws_upgrade_accepted, .begun = ws_upgrade_begin, .refused = ws_upgrade_refuse};

static void ws_upgrade_on_gone(struct exchange *x)
{
    (void)ws_upgrade_give_up(x->data);
}

static void ws_upgrade_on_drain(struct exchange *x)
{
    exchange_error(ws_upgrade_give_up(x->data), ERR_UNAVAILABLE);
}

/* The client has shut down its sending side: it will not be a WebSocket. */
static void ws_upgrade_on_hurry(struct exchange *x)
{
    exchange_error(ws_upgrade_give_up(x->data), ERR_BAD_REQUEST);
}

static const struct exchange_owner upgrade_owner = {
    .gone = ws_upgrade_on_gone, .drain = ws_upgrade_on_drain, .hurry = ws_upgrade_on_hurry};

static void ws_upgrade_on_waited(struct wheel_timer *t)
{
    struct ws_session *s = CONTAINER_OF(t, struct ws_session, timer);

    if (link_is_up(s->ws->site->use.link))
        wheel_start(s->ws->site->use.wheel, t, AWAY_MS, ws_upgrade_on_waited);
    else
        exchange_error(ws_upgrade_give_up(s), ERR_UNAVAILABLE);
}

/* --- the request ------------------------------------------------------------------ */

static bool subprotocol_ok(const struct ws_handshake *h, struct problem *p)
{
    return h->subprotocol != NULL || !h->subprotocol_asked ||
           problem_set(p, ERR_BAD_REQUEST, "Sec-WebSocket-Protocol",
                       "The subprotocols are sluice.json and sluice.raw");
}

/* Does the address say anything of a subscription? */
static bool has_words(const struct exchange *x)
{
    static const char *const words[] = {"topic",       "after",         "since",
                                        "last",        "on_gap",        "format",
                                        "lastEventId", "last-event-id", "Last-Event-ID"};
    struct slice query = x->request->query, name, value;

    if (x->rest.p != NULL)
        return true;
    while (url_query_next(&query, &name, &value))
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (slice_eq(name, slice_of(words[i])))
                return true;
    return false;
}

static bool format_ok(const struct subscribe *words, bool raw, struct problem *p)
{
    if (words->format != FORMAT_DEFAULT && (words->format == FORMAT_RAW) != raw)
        return problem_set(p, ERR_BAD_REQUEST, "format",
                           "The subprotocol says it: sluice.json or sluice.raw");
    return true;
}

static bool words_ok(struct exchange *x, const struct subscribe *words, struct problem *p)
{
    return subscribe_permitted(words, &x->caller, p) &&
           subscribe_fits(words, x->site->use.hub, x->quota, p);
}

static struct ws_session *session_new(struct exchange *x, struct ws_handshake *h)
{
    struct ws_gateway *ws = x->own;
    struct ws_session *s;

    h->deflate.on = h->deflate.on && ws->forms.deflater != NULL;
    s = ws_session_new(ws, is_raw(h), h->deflate);
    s->x = x;
    ws_auth_begin(s, &x->caller);
    if (x->quota != NULL)
        s->quota = x->quota;
    upgrade_accept(&s->acceptance, h);
    return s;
}

/* What a message of sluice.raw is published to, if the address is such a topic. */
static void take_topic(struct ws_session *s, const struct subscribe *words)
{
    if (s->raw && words->filter_count == 1 && topic_check_publish(words->filters[0]) == TOPIC_OK)
        buf_put_slice(&s->topic, words->filters[0]);
}

static bool is_known(const struct exchange *x)
{
    return caller_stands(&x->caller);
}

static void open_unknown(struct exchange *x, struct ws_handshake *h, struct subscribe *words)
{
    struct ws_session *s = session_new(x, h);

    ws_auth_await(s, words);
    ws_upgrade_accepted(s);
    ws_upgrade_begin(s);
}

static void open_path(struct exchange *x, struct ws_handshake *h, const struct subscribe *words,
                      struct problem *p)
{
    struct ws_session *s = session_new(x, h);

    if (!subscribe_charge(words, &s->caller, p)) {
        ws_session_end(s);
        return;
    }
    take_topic(s, words);
    x->owner = &upgrade_owner;
    x->data = s;
    s->opening = &path_opening;
    wheel_start(x->site->use.wheel, &s->timer, AWAY_MS, ws_upgrade_on_waited);
    ws_subscribe_path(s, words);
}

static void begin_subscribed(struct exchange *x, struct ws_handshake *h, struct problem *p)
{
    struct subscribe_limits limits = site_subscribe_limits(x->site);
    struct subscribe words;

    if (!subscribe_request(&words, &limits, x->request, x->rest, p))
        return;
    if (!format_ok(&words, is_raw(h), p))
        ;
    else if (!is_known(x))
        open_unknown(x, h, &words);
    else if (words_ok(x, &words, p))
        open_path(x, h, &words, p);
    subscribe_free(&words);
}

static void begin_empty(struct exchange *x, struct ws_handshake *h, struct problem *p)
{
    struct ws_session *s;

    if (is_raw(h)) {
        (void)problem_set(p, ERR_BAD_FILTER, "topic",
                          "sluice.raw needs a topic: connect to /events/{topic}");
        return;
    }
    if (!is_known(x)) {
        open_unknown(x, h, NULL);
        return;
    }
    s = session_new(x, h);
    ws_upgrade_accepted(s);
    ws_upgrade_begin(s);
}

static bool may_come(const struct exchange *x, const struct ws_handshake *h, struct problem *p)
{
    const struct auth_answer missing = {.outcome = AUTH_MISSING};

    if (is_known(x) || !is_raw(h))
        return true;
    gatekeeper_problem(&x->site->gatekeeper, &missing, false, p);
    return false;
}

void ws_upgrade(struct exchange *x)
{
    struct ws_handshake h;
    struct problem p = {0};

    if (!upgrade_read(x, subprotocols, &h))
        return;
    if (!subprotocol_ok(&h, &p) || !may_come(x, &h, &p))
        ;
    else if (has_words(x))
        begin_subscribed(x, &h, &p);
    else
        begin_empty(x, &h, &p);
    if (p.error != ERR_NONE)
        exchange_problem(x, &p);
}
