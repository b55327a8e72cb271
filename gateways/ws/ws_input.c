/*
 * ws_input.c - what comes from the client of a WebSocket, or does not.
 *
 * Happy path: input() takes frames apart; a ping is answered, a message becomes an
 * operation (sluice.json) or a publish (sluice.raw).
 *
 * How it fails: each way has its close code.
 *
 *   1002 1007 1009   what the decoder refuses, text that is none, a message or what
 *                    it inflates to over the limit
 *   1003             a binary message under sluice.json
 *   1008             no pong in time, a message that does not end, a publish that
 *                    is not permitted under sluice.raw
 *   4401             nobody knows in time who it is
 *   1011 1012        a publish under sluice.raw failed; the broker is away
 *   1001             the process ends
 */
#include <utlist.h>

#include "mem.h"
#include "metrics.h"
#include "ws_session.h"

#define INFLATE_TURN (512u * 1024) /* bytes that a turn inflates, and one message more */
#define SCRATCH_MAX (64u * 1024)   /* kept from message to message */

/* --- pings ------------------------------------------------------------------------ */

static void ws_input_on_timer(struct wheel_timer *t);

static uint64_t tick_now(const struct ws_session *s)
{
    struct wheel *w = s->ws->site->use.wheel;

    wheel_refresh(w);
    return w->tick;
}

static uint64_t ms_since(const struct ws_session *s, uint64_t tick)
{
    return (tick_now(s) - tick) * WHEEL_TICK_MS;
}

static uint64_t left_of(uint64_t ms, uint64_t passed)
{
    return passed < ms ? ms - passed : 0;
}

static uint64_t sooner(uint64_t next, bool counts, uint64_t ms, uint64_t passed)
{
    uint64_t left = left_of(ms, passed);

    return counts && left < next ? left : next;
}

/* The timer runs for whatever is due next. */
static void schedule(struct ws_session *s)
{
    const struct ws_gateway *ws = s->ws;
    uint64_t next = UINT64_MAX;

    if (ws->ping_ms > 0)
        next = s->pinged ? left_of(ws->ping_timeout_ms, ms_since(s, s->pinged_at))
                         : left_of(ws->ping_ms, ms_since(s, s->heard));
    next = sooner(next, s->held > 0, ws->message_timeout_ms, ms_since(s, s->message_since));
    next = sooner(next, s->login != NULL, ws->auth_timeout_ms, ms_since(s, s->since));
    next = sooner(next, s->channel.eof_seen, ws->message_timeout_ms, ms_since(s, s->eof_at));
    if (next != UINT64_MAX)
        wheel_start(ws->site->use.wheel, &s->timer, next, ws_input_on_timer);
}

static void say_ping(struct ws_session *s)
{
    ws_frame_put(ws_session_say(s), WS_PING, SLICE(""));
    s->pinged = true;
    s->pinged_at = tick_now(s);
}

/* True: the session closes, or is over.  What is asked about is waited for. */
static bool is_late(struct ws_session *s)
{
    const struct ws_gateway *ws = s->ws;

    if (s->channel.eof_seen && ms_since(s, s->eof_at) >= ws->message_timeout_ms)
        ws_session_leave(s); /* it does not take its answers, and says nothing more */
    else if (s->held > 0 && ms_since(s, s->message_since) >= ws->message_timeout_ms)
        ws_session_close(s, WS_CLOSE_POLICY, "a message does not come to its end");
    else if (s->login != NULL && s->ask == NULL && ms_since(s, s->since) >= ws->auth_timeout_ms)
        ws_session_close(s, WS_CLOSE_UNAUTHORIZED, "nobody knows who it is");
    return s->state != WS_OPEN;
}

/* A client that has yet to take what it was sent needs no ping behind it, and is
 * left in peace. */
static void ws_input_on_timer(struct wheel_timer *t)
{
    struct ws_session *s = CONTAINER_OF(t, struct ws_session, timer);
    const struct ws_gateway *ws = s->ws;

    if (is_late(s))
        return;
    if (channel_pending(&s->channel) || s->waiting) {
        s->pinged = false;
        s->heard = tick_now(s);
    } else if (s->pinged && ms_since(s, s->pinged_at) >= ws->ping_timeout_ms) {
        ws_session_close(s, WS_CLOSE_POLICY, "no pong came in time");
        return;
    } else if (!s->pinged && ws->ping_ms > 0 && ms_since(s, s->heard) >= ws->ping_ms) {
        say_ping(s);
    }
    schedule(s);
}

/* --- messages --------------------------------------------------------------------- */

/* False: the session closes. */
static bool inflate_message(struct ws_session *s, bool text, struct slice *payload)
{
    struct ws_gateway *ws = s->ws;
    struct buf *out = &ws->inflated;
    size_t max = s->raw || s->login != NULL ? s->decoder.message_max : ws->inflate_max;
    enum inflate_verdict v;

    buf_clear(out);
    v = inflater_put(ws->inflater, *payload, max, out);
    ws->inflated_now += out->len;
    *payload = buf_slice(out);
    if (v == INFLATE_TOO_BIG)
        ws_session_close(s, WS_CLOSE_TOO_BIG, "a message inflates to too much");
    else if (v == INFLATE_BAD)
        ws_session_close(s, WS_CLOSE_BAD_DATA, "a message does not inflate");
    else if (text && !utf8_valid(payload->p, payload->len))
        ws_session_close(s, WS_CLOSE_BAD_DATA, "a text is not UTF-8");
    if (s->state == WS_OPEN)
        return true;
    metric_add(M_WS_MALFORMED, 1);
    return false;
}

static void say_pong(struct ws_session *s, struct slice ref)
{
    size_t start = ws_session_message_begin(s);

    ws_json_put_pong(&s->out, ref);
    ws_session_message_end(s, start);
}

static void refuse_unknown(struct ws_session *s, struct slice ref)
{
    struct ws_refusal why = {.error = ERR_UNAUTHORIZED, .text = SLICE("op must be auth first")};

    ws_session_error(s, ref, &why);
}

static void take_operation(struct ws_session *s, struct slice message)
{
    struct ws_request *r = &s->ws->request;
    struct ws_refusal why = {0};

    if (!ws_request_parse(r, message, &why)) {
        ws_session_error(s, r->ref, &why);
        return;
    }
    if (s->login != NULL && r->op != WS_OP_AUTH) {
        refuse_unknown(s, r->ref);
        return;
    }
    switch (r->op) {
    case WS_OP_SUBSCRIBE:
        ws_subscribe(s);
        break;
    case WS_OP_UNSUBSCRIBE:
        ws_unsubscribe(s);
        break;
    case WS_OP_PUBLISH:
        ws_publish_event(s);
        break;
    case WS_OP_PING:
        say_pong(s, r->ref);
        break;
    case WS_OP_AUTH:
        ws_auth(s);
        break;
    }
}

static void take_data(struct ws_session *s, const struct ws_message *m)
{
    struct slice payload = m->payload;
    bool text = m->opcode == WS_TEXT;

    if (s->state != WS_OPEN)
        return; /* it did not know yet that we close */
    if (!s->raw && !text) {
        ws_session_close(s, WS_CLOSE_UNSUPPORTED, "sluice.json speaks in text");
        return;
    }
    if (m->compressed && !inflate_message(s, text, &payload))
        return;
    if (s->raw)
        ws_publish_raw(s, text, payload);
    else
        take_operation(s, payload);
}

static void take_message(struct ws_session *s, const struct ws_message *m)
{
    switch (m->opcode) {
    case WS_TEXT:
    case WS_BINARY:
        take_data(s, m);
        break;
    case WS_PING:
        if (s->state != WS_CLOSING)
            ws_frame_put(ws_session_say(s), WS_PONG, m->payload);
        break;
    case WS_CLOSE:
        ws_session_closed(s, m->close_code);
        break;
    default:
        break; /* a pong: that it came is all it says */
    }
}

/* --- input ------------------------------------------------------------------------ */

/* Large scratch is given back. */
static void give_back(struct buf *b)
{
    if (b->cap > SCRATCH_MAX)
        buf_free(b);
}

/* A message that is not whole yet takes memory, which is bounded for all together. */
static void hold_unfinished(struct ws_session *s)
{
    struct ws_gateway *ws = s->ws;
    bool begun;

    ws_decoder_trim(&s->decoder);
    begun = s->held == 0 && s->decoder.message.cap > 0;
    ws_session_hold(s, s->decoder.message.cap);
    if (begun && s->state == WS_OPEN) {
        s->message_since = tick_now(s);
        schedule(s);
    }
    if (s->held > 0 && ws->held > ws->held_max)
        ws_session_close(s, WS_CLOSE_POLICY, "too many messages are not whole yet");
}

/* Whatever comes answers a ping. */
static void heard(struct ws_session *s)
{
    s->heard = tick_now(s);
    if (!s->pinged)
        return;
    s->pinged = false;
    if (s->state == WS_OPEN)
        schedule(s);
}

static struct ws_session *ws_input_session(struct channel *c)
{
    return CONTAINER_OF(c, struct ws_session, channel);
}

/* A few bytes inflate to a thousand times as many: what all sessions may have of a turn is
 * bounded, and the rest of them goes on in the next one, in order. */
static bool inflated_enough(struct ws_session *s)
{
    struct ws_gateway *ws = s->ws;

    if (!s->deflate.on || ws->inflated_now < INFLATE_TURN)
        return false;
    s->waiting = true;
    if (!s->rationed)
        DL_APPEND2(ws->rationed, s, rationed_prev, rationed_next);
    s->rationed = true;
    return true;
}

static size_t ws_input_on_input(struct channel *c, struct slice in)
{
    struct ws_session *s = ws_input_session(c);
    size_t used = 0;
    struct ws_message m;
    int n;

    heard(s);
    while (used < in.len && !s->waiting && s->state != WS_OVER) {
        if (inflated_enough(s))
            break;
        n = ws_decode(&s->decoder, in.p + used, in.len - used, &m);
        if (n < 0) {
            ws_session_break(s, (unsigned)-n);
            break;
        }
        used += (size_t)n;
        take_message(s, &m);
        s->waiting = s->state == WS_OPEN && ws_session_is_blocked(s);
    }
    give_back(&s->ws->inflated);
    give_back(&s->ws->request.text);
    give_back(&s->ws->request.store);
    if (s->state != WS_OVER)
        hold_unfinished(s);
    if (s->state != WS_OVER && c->eof_seen && !s->waiting)
        ws_session_leave(s);
    return s->state == WS_OVER ? in.len : used;
}

/* --- the connection --------------------------------------------------------------- */

static void ws_input_on_writable(struct channel *c)
{
    struct ws_session *s = ws_input_session(c);

    ws_subscribe_resume(s);
    ws_session_continue(s);
}

/* Whoever closes half of the connection is gone; what came before is still taken. */
static void ws_input_on_eof(struct channel *c)
{
    struct ws_session *s = ws_input_session(c);

    if (!s->waiting) {
        ws_session_leave(s);
        return;
    }
    s->eof_at = tick_now(s);
    if (s->state == WS_OPEN)
        schedule(s);
}

static void ws_input_on_drain(struct channel *c)
{
    ws_session_close(ws_input_session(c), WS_CLOSE_GOING_AWAY, "the server is going away");
}

static void ws_input_on_gone(struct channel *c)
{
    ws_session_end(ws_input_session(c));
}

static const struct channel_owner input_owner = {.input = ws_input_on_input,
                                                 .writable = ws_input_on_writable,
                                                 .eof = ws_input_on_eof,
                                                 .drain = ws_input_on_drain,
                                                 .gone = ws_input_on_gone};

void ws_input_open(struct ws_session *s)
{
    s->x = NULL;
    s->opening = NULL;
    s->channel.owner = &input_owner;
    s->state = WS_OPEN;
    s->heard = s->since = s->eof_at = tick_now(s);
    wheel_stop(&s->timer);
    schedule(s);
}
