/*
 * ws_session.c - what a WebSocket says, what holds it up, and its end.
 *
 * Answers gather and leave in one write at the end of the turn.
 *
 * A client that publishes faster than the broker acknowledges, or does not read
 * its answers, is not read any further until that is over: its own socket is where
 * its messages queue up.
 *
 * We close first and wait a moment for the client's close frame; after an error of
 * the framing nothing more can be understood, so then the connection ends at once.
 */
#include "ws_session.h"

#include <stdlib.h>

#include <utlist.h>

#include "audit.h"
#include "authority.h"
#include "mem.h"
#include "metrics.h"

#define CLOSE_MS 2000            /* for the client's close frame */
#define ANSWERS_MAX (64u * 1024) /* unread answers; then the client is not read */
#define WINDOWS 4                /* so many publish_windows are shared by all who publish */
#define SHARE_MIN (8u * 1024)

struct ws_session *ws_session_new(struct ws_gateway *ws, bool raw, struct ws_deflate deflate)
{
    struct ws_session *s = mem_zalloc(sizeof *s);

    s->ws = ws;
    s->raw = raw;
    s->deflate = deflate;
    s->decoder.deflate = deflate.on;
    s->quota = &s->own;
    s->decoder.message_max = raw ? ws->message_max_raw : ws->message_max;
    return s;
}

/* --- what it says ----------------------------------------------------------------- */

struct buf *ws_session_say(struct ws_session *s)
{
    struct ws_gateway *ws = s->ws;

    if (!s->speaking) {
        DL_PREPEND2(ws->speaking, s, speaking_prev, speaking_next);
        ws->wake(ws->wake_arg); /* a timer's turn has no end of its own */
    }
    s->speaking = true;
    return &s->out;
}

static void not_speaking(struct ws_session *s)
{
    if (s->speaking)
        DL_DELETE2(s->ws->speaking, s, speaking_prev, speaking_next);
    s->speaking = false;
}

size_t ws_session_message_begin(struct ws_session *s)
{
    return ws_session_say(s)->len;
}

void ws_session_message_end(struct ws_session *s, size_t start)
{
    ws_frame_wrap(&s->out, start, WS_TEXT, false);
}

void ws_session_error(struct ws_session *s, struct slice ref, const struct ws_refusal *why)
{
    size_t start = ws_session_message_begin(s);

    ws_json_put_error(&s->out, ref, why);
    ws_session_message_end(s, start);
}

void ws_session_audit(const struct ws_session *s, const struct problem *p)
{
    char address[CONN_ADDRESS_MAX];
    struct audit a = {.door = "ws",
                      .principal = caller_name(&s->caller),
                      .verb = p->verb,
                      .filter = slice_of(p->filter),
                      .reason = p->why != NULL ? p->why : p->detail};

    if (p->error != ERR_UNAUTHORIZED && p->verb == NULL)
        return;
    a.address = conn_peer_address(channel_socket(&s->channel), address);
    audit_refused(&a);
}

void ws_session_refuse(struct ws_session *s, struct slice ref, const struct problem *p)
{
    struct ws_refusal why = {.error = p->error,
                             .text = slice_of(p->detail),
                             .retry_ms = p->retry_ms,
                             .verb = p->verb,
                             .filter = slice_of(p->filter),
                             .field = p->field[0] != '\0' ? p->field : NULL};

    ws_session_audit(s, p);
    ws_session_error(s, ref, &why);
}

void ws_session_flush(struct ws_session *s)
{
    if (s->out.len == 0)
        return;
    channel_write(&s->channel, buf_slice(&s->out));
    buf_free(&s->out);
}

/* What waits at the link is served in the order in which it came, so that much that one client
 * has there is much that others wait for. */
size_t ws_session_window(const struct ws_session *s)
{
    const struct ws_gateway *ws = s->ws;
    size_t window = ws->publish_window;
    size_t share = ws->publishing > 0 ? WINDOWS * window / ws->publishing : window;

    share = share > SHARE_MIN ? share : SHARE_MIN;
    return share < window ? share : window;
}

/* Whatever blocks it ends in ws_session_acknowledged, ws_auth, writable() or ws_gateway_turn. */
bool ws_session_is_blocked(const struct ws_session *s)
{
    bool full = s->unacknowledged >= ws_session_window(s) ||
                (s->publishes != NULL && link_publish_full(s->ws->site->use.link));

    return full || s->ask != NULL || s->out.len + channel_unread(&s->channel) > ANSWERS_MAX;
}

void ws_session_unration(struct ws_session *s)
{
    if (s->rationed)
        DL_DELETE2(s->ws->rationed, s, rationed_prev, rationed_next);
    s->rationed = false;
}

void ws_session_continue(struct ws_session *s)
{
    if (!s->waiting || ws_session_is_blocked(s))
        return;
    s->waiting = false;
    channel_pump(&s->channel);
    if (s->state != WS_OVER && s->channel.eof_seen && !s->waiting)
        ws_session_leave(s); /* there was nothing left to take */
}

void ws_session_turn(struct ws_session *s)
{
    not_speaking(s);
    ws_session_flush(s);
    ws_session_continue(s);
}

/* --- the end ---------------------------------------------------------------------- */

void ws_subscription_end(struct ws_subscription *sub)
{
    struct ws_session *s = sub->session;

    subscribe_release(&s->caller, sub->filters);
    s->filter_count -= sub->filters;
    subscription_close(&sub->subscription);
    DL_DELETE(s->subscriptions, sub);
    reaper_take(s->ws->site->use.reaper, &sub->reaped);
    if (--s->subscription_count == 1)
        bundle_leave(&s->subscriptions->subscription);
}

static void subscriptions_end(struct ws_session *s)
{
    while (s->subscriptions != NULL)
        ws_subscription_end(s->subscriptions);
}

void ws_session_publishes(struct ws_session *s, struct ws_publish *pub)
{
    s->ws->publishing += s->publishes == NULL;
    DL_APPEND(s->publishes, pub);
    s->unacknowledged += pub->cost;
    pub->session = s;
}

void ws_session_published(struct ws_session *s, struct ws_publish *pub)
{
    DL_DELETE(s->publishes, pub);
    s->unacknowledged -= pub->cost;
    s->ws->publishing -= s->publishes == NULL;
    pub->session = NULL;
}

/* What it has published goes on without it. */
static void publishes_leave(struct ws_session *s)
{
    while (s->publishes != NULL)
        ws_session_published(s, s->publishes);
}

/* Who it is does not matter any more. */
static void login_leave(struct ws_session *s)
{
    if (s->ask != NULL)
        authority_forget(s->ask);
    s->ask = NULL;
    buf_free(&s->ask_ref);
    if (s->login != NULL)
        subscribe_free(&s->login->words);
    free(s->login);
    s->login = NULL;
}

void ws_session_hold(struct ws_session *s, size_t bytes)
{
    s->ws->held += bytes - s->held;
    s->held = bytes;
}

void ws_session_end(struct ws_session *s)
{
    s->state = WS_OVER;
    subscriptions_end(s);
    publishes_leave(s);
    login_leave(s);
    wheel_stop(&s->timer);
    not_speaking(s);
    ws_session_unration(s);
    ws_session_hold(s, 0);
    ws_decoder_free(&s->decoder);
    buf_free(&s->out);
    buf_free(&s->topic);
    caller_end(&s->caller);
    reaper_take(s->ws->site->use.reaper, &s->reaped);
}

static void ws_session_finish(struct ws_session *s)
{
    ws_session_flush(s);
    ws_session_end(s);
    channel_finish(&s->channel);
}

static void ws_session_on_close_timeout(struct wheel_timer *t)
{
    ws_session_finish(CONTAINER_OF(t, struct ws_session, timer));
}

static void say_close(struct ws_session *s)
{
    ws_close_put(ws_session_say(s), s->close_code, s->close_reason);
    if (s->peer_closed || s->broken) {
        ws_session_finish(s);
        return;
    }
    s->state = WS_CLOSING;
    wheel_start(s->ws->site->use.wheel, &s->timer, CLOSE_MS, ws_session_on_close_timeout);
}

void ws_session_close(struct ws_session *s, unsigned code, const char *reason)
{
    if (s->state != WS_OPEN)
        return;
    subscriptions_end(s);
    login_leave(s);
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

void ws_session_closed(struct ws_session *s, unsigned code)
{
    s->peer_closed = true;
    if (s->state == WS_CLOSING)
        ws_session_finish(s);
    else
        ws_session_close(s, code, "");
}

void ws_session_leave(struct ws_session *s)
{
    ws_session_end(s);
    channel_close(&s->channel);
}

void ws_session_break(struct ws_session *s, unsigned code)
{
    static const char *const reasons[] = {
        [WS_CLOSE_PROTOCOL - 1000] = "a frame breaks the protocol",
        [WS_CLOSE_BAD_DATA - 1000] = "a text is not UTF-8",
        [WS_CLOSE_TOO_BIG - 1000] = "a message is too large",
    };

    metric_add(M_WS_MALFORMED, 1);
    s->broken = true;
    publishes_leave(s);
    if (s->state == WS_OPEN)
        ws_session_close(s, code, reasons[code - 1000]);
    else if (s->state == WS_ENDING)
        say_close(s);
    else
        ws_session_finish(s);
}
