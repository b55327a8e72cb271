/*
 * ws_session.c - the life of one WebSocket connection.
 *
 * Happy path: input() takes frames apart; a ping is answered, a message becomes an
 * operation (sluice.json) or a publish (sluice.raw).  Answers gather and leave in
 * one write at the end of the turn.
 *
 * A client that publishes faster than the broker acknowledges, or does not read
 * its answers, is not read any further until that is over: its own socket is where
 * its messages queue up.
 *
 * How it fails: each way has its close code.
 *
 *   1002 1007 1009   what the decoder refuses, text that is none, a message or what
 *                    it inflates to over the limit
 *   1003             a binary message under sluice.json
 *   1008             no pong in time, a message that does not end, a publish that
 *                    is not permitted under sluice.raw
 *   1011 1012        a publish under sluice.raw failed; the broker is away
 *   1001             the process ends
 *
 * We close first and wait a moment for the client's close frame; after an error of
 * the framing nothing more can be understood, so then the connection ends at once.
 */
#include "ws_session.h"

#include <stdlib.h>

#include "link.h"
#include "mem.h"
#include "metrics.h"
#include "ws_forms.h"

#define CLOSE_MS 2000            /* for the client's close frame */
#define ANSWERS_MAX (64u * 1024) /* unread answers; then the client is not read */

/* --- what it says ----------------------------------------------------------------- */

struct buf *ws_session_say(struct ws_session *s)
{
    struct ws_gateway *ws = s->ws;

    if (!s->speaking) {
        s->speaking = true;
        s->speaking_prev = NULL;
        s->speaking_next = ws->speaking;
        if (ws->speaking != NULL)
            ws->speaking->speaking_prev = s;
        ws->speaking = s;
    }
    return &s->out;
}

static void not_speaking(struct ws_session *s)
{
    if (!s->speaking)
        return;
    s->speaking = false;
    if (s->speaking_prev != NULL)
        s->speaking_prev->speaking_next = s->speaking_next;
    else
        s->ws->speaking = s->speaking_next;
    if (s->speaking_next != NULL)
        s->speaking_next->speaking_prev = s->speaking_prev;
}

size_t ws_session_message_begin(struct ws_session *s)
{
    return ws_session_say(s)->len;
}

void ws_session_message_end(struct ws_session *s, size_t start)
{
    ws_frame_wrap(&s->out, start, WS_TEXT, false);
}

void ws_session_flush(struct ws_session *s)
{
    if (s->out.len == 0)
        return;
    channel_write(&s->channel, (struct slice){(char *)s->out.p, s->out.len});
    buf_free(&s->out);
}

/* Whatever blocks it ends in ws_session_acknowledged, on_writable or ws_turn. */
static bool is_blocked(const struct ws_session *s)
{
    bool full = s->unacknowledged >= s->ws->publish_window ||
                (s->publishes != NULL && link_publish_full(s->ws->site->use.link));

    return full || s->out.len + channel_unread(&s->channel) > ANSWERS_MAX;
}

void ws_session_continue(struct ws_session *s)
{
    if (!s->waiting || is_blocked(s))
        return;
    s->waiting = false;
    channel_pump(&s->channel);
}

void ws_turn(struct ws_gateway *ws)
{
    struct ws_session *s;

    while ((s = ws->speaking) != NULL) {
        not_speaking(s);
        ws_session_flush(s);
        ws_session_continue(s);
    }
}

/* --- the end ---------------------------------------------------------------------- */

static void hold(struct ws_session *s, size_t bytes)
{
    s->ws->held += bytes - s->held;
    s->held = bytes;
}

void ws_session_end(struct ws_session *s)
{
    s->state = WS_OVER;
    ws_subscriptions_end(s);
    ws_publishes_leave(s);
    wheel_stop(&s->timer);
    not_speaking(s);
    hold(s, 0);
    ws_decoder_free(&s->decoder);
    buf_free(&s->out);
    buf_free(&s->topic);
    reaper_take(s->ws->site->use.reaper, &s->reaped);
}

static void finish(struct ws_session *s)
{
    ws_session_flush(s);
    ws_session_end(s);
    channel_finish(&s->channel);
}

static void on_close_timeout(struct wheel_timer *t)
{
    finish(CONTAINER_OF(t, struct ws_session, timer));
}

static void say_close(struct ws_session *s)
{
    ws_close_put(ws_session_say(s), s->close_code, s->close_reason);
    if (s->peer_closed || s->broken) {
        finish(s);
        return;
    }
    s->state = WS_CLOSING;
    wheel_start(s->ws->site->use.wheel, &s->timer, CLOSE_MS, on_close_timeout);
}

void ws_session_close(struct ws_session *s, unsigned code, const char *reason)
{
    if (s->state != WS_OPEN)
        return;
    ws_subscriptions_end(s);
    s->state = WS_ENDING;
    s->close_code = (uint16_t)code;
    s->close_reason = reason;
    wheel_stop(&s->timer);
    if (s->publishes == NULL)
        say_close(s);
}

void ws_session_acknowledged(struct ws_session *s)
{
    if (s->state == WS_ENDING && s->publishes == NULL)
        say_close(s);
    if (s->state != WS_OVER)
        ws_session_continue(s);
}

/* The client's bytes make no sense: nothing that follows does. */
static void break_off(struct ws_session *s, unsigned code)
{
    static const char *const reasons[] = {
        [WS_CLOSE_PROTOCOL - 1000] = "a frame breaks the protocol",
        [WS_CLOSE_BAD_DATA - 1000] = "a text is not UTF-8",
        [WS_CLOSE_TOO_BIG - 1000] = "a message is too large",
    };

    metric_add(M_WS_MALFORMED, 1);
    s->broken = true;
    ws_publishes_leave(s);
    if (s->state == WS_OPEN)
        ws_session_close(s, code, reasons[code - 1000]);
    else if (s->state == WS_ENDING)
        say_close(s);
    else
        finish(s);
}

/* --- pings ------------------------------------------------------------------------ */

static void on_timer(struct wheel_timer *t);

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

/* The timer runs for whatever is due next. */
static void schedule(struct ws_session *s)
{
    const struct ws_gateway *ws = s->ws;
    uint64_t next = UINT64_MAX, message;

    if (ws->ping_ms > 0)
        next = s->pinged ? left_of(ws->ping_timeout_ms, ms_since(s, s->pinged_at))
                         : left_of(ws->ping_ms, ms_since(s, s->heard));
    if (s->held > 0) {
        message = left_of(ws->message_timeout_ms, ms_since(s, s->message_since));
        next = message < next ? message : next;
    }
    if (next != UINT64_MAX)
        wheel_start(ws->site->use.wheel, &s->timer, next, on_timer);
}

static void say_ping(struct ws_session *s)
{
    ws_frame_put(ws_session_say(s), WS_PING, SLICE(""));
    s->pinged = true;
    s->pinged_at = tick_now(s);
}

/* A client that has yet to take what it was sent needs no ping behind it, and is
 * left in peace. */
static void on_timer(struct wheel_timer *t)
{
    struct ws_session *s = CONTAINER_OF(t, struct ws_session, timer);
    const struct ws_gateway *ws = s->ws;

    if (s->held > 0 && ms_since(s, s->message_since) >= ws->message_timeout_ms) {
        ws_session_close(s, WS_CLOSE_POLICY, "a message does not come to its end");
        return;
    }
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
    enum inflate_verdict v;

    buf_clear(out);
    v = inflater_put(ws->inflater, *payload, s->decoder.message_max, out);
    *payload = (struct slice){(char *)out->p, out->len};
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

static void refuse(struct ws_session *s, const struct ws_refusal *why)
{
    size_t start = ws_session_message_begin(s);

    ws_json_put_error(&s->out, s->ws->request.ref, why);
    ws_session_message_end(s, start);
}

static void take_operation(struct ws_session *s, struct slice message)
{
    struct ws_request *r = &s->ws->request;
    struct ws_refusal why = {0};

    if (!ws_request_parse(r, message, &why)) {
        refuse(s, &why);
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

static void take_close(struct ws_session *s, const struct ws_message *m)
{
    s->peer_closed = true;
    if (s->state == WS_CLOSING)
        finish(s);
    else
        ws_session_close(s, m->close_code, "");
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
        take_close(s, m);
        break;
    default:
        break; /* a pong: that it came is all it says */
    }
}

/* --- input ------------------------------------------------------------------------ */

/* Large scratch is given back. */
static void trim(struct buf *b)
{
    if (b->cap > ANSWERS_MAX)
        buf_free(b);
}

/* A message that is not whole yet takes memory, which is bounded for all together. */
static void hold_unfinished(struct ws_session *s)
{
    struct ws_gateway *ws = s->ws;
    bool begun;

    ws_decoder_trim(&s->decoder);
    begun = s->held == 0 && s->decoder.message.cap > 0;
    hold(s, s->decoder.message.cap);
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

/* The client has gone without a close frame. */
static void leave(struct ws_session *s)
{
    ws_session_end(s);
    channel_close(&s->channel);
}

static struct ws_session *session_of(struct channel *c)
{
    return CONTAINER_OF(c, struct ws_session, channel);
}

static size_t on_input(struct channel *c, struct slice in)
{
    struct ws_session *s = session_of(c);
    size_t used = 0;
    struct ws_message m;
    int n;

    heard(s);
    while (used < in.len && !s->waiting && s->state != WS_OVER) {
        n = ws_decode(&s->decoder, in.p + used, in.len - used, &m);
        if (n < 0) {
            break_off(s, (unsigned)-n);
            break;
        }
        used += (size_t)n;
        take_message(s, &m);
        s->waiting = s->state == WS_OPEN && is_blocked(s);
    }
    trim(&s->ws->inflated);
    trim(&s->ws->request.text);
    trim(&s->ws->request.store);
    if (s->state != WS_OVER)
        hold_unfinished(s);
    if (s->state != WS_OVER && c->eof_seen && !s->waiting)
        leave(s);
    return s->state == WS_OVER ? in.len : used;
}

/* --- the connection --------------------------------------------------------------- */

static void on_writable(struct channel *c)
{
    struct ws_session *s = session_of(c);

    ws_subscriptions_resume(s);
    ws_session_continue(s);
}

/* Whoever closes half of the connection is gone; what came before is still taken. */
static void on_eof(struct channel *c)
{
    struct ws_session *s = session_of(c);

    if (!s->waiting)
        leave(s);
}

static void on_drain(struct channel *c)
{
    ws_session_close(session_of(c), WS_CLOSE_GOING_AWAY, "the server is going away");
}

static void on_gone(struct channel *c)
{
    ws_session_end(session_of(c));
}

static const struct channel_owner channel_owner = {
    .input = on_input, .writable = on_writable, .eof = on_eof, .drain = on_drain, .gone = on_gone};

struct ws_session *ws_session_new(struct ws_gateway *ws, bool raw, struct ws_deflate deflate)
{
    struct ws_session *s = mem_zalloc(sizeof *s);

    s->ws = ws;
    s->raw = raw;
    s->deflate = deflate;
    s->bundle.events = ws_fanout_shared;
    s->decoder.deflate = deflate.on;
    s->decoder.message_max = raw ? ws->message_max_raw : ws->message_max;
    return s;
}

void ws_session_open(struct ws_session *s)
{
    s->x = NULL;
    s->channel.owner = &channel_owner;
    s->state = WS_OPEN;
    s->heard = tick_now(s);
    wheel_stop(&s->timer);
    schedule(s);
}
