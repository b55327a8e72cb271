/*
 * zpeer.c - the life of one connection.
 *
 * Happy path: input() takes frames apart, a whole message goes to the role where it lies.
 *
 * How it fails: a peer of an old version, of another mechanism or of a type that is not
 * served, one that is not believed, that breaks the rules or a limit, or takes too long: it is
 * told in ERROR as long as the handshake lasts (ZMTP has no word for it later), by its role if
 * that has words of its own, counted, logged now and then, and its connection ends.
 */
#include "zpeer.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "zauth.h"

#define ANSWERS_MAX (64u * 1024) /* unread answers; then the peer is not read */
#define WINDOWS 4                /* so many publish_windows are shared by all who publish */
#define SHARE_MIN (8u * 1024)
#define COMMAND_MAX (8u * 1024)
#define PLAIN_KEPT (256u * 1024) /* of the scratch buffer */
#define GREETED_FIRST 12         /* before a peer has named its mechanism: signature and version */
#define AGREED_MAX 100           /* steps of CURVE in a turn: some 10 ms, whatever strangers do */
#define PUT_OFF_MS 1000          /* before an end after which a peer may come again */
#define ENDING_MS 500            /* for what a dismissed peer has published to be acknowledged */

/* --- what it is sent ---------------------------------------------------------------- */

static struct buf *zpeer_say(struct zpeer *p)
{
    struct zmqd *d = p->d;

    if (!p->speaking) {
        p->speaking = true;
        p->speaking_prev = NULL;
        p->speaking_next = d->speaking;
        if (d->speaking != NULL)
            d->speaking->speaking_prev = p;
        d->speaking = p;
    }
    return &p->out;
}

static void zpeer_not_speaking(struct zpeer *p)
{
    if (!p->speaking)
        return;
    p->speaking = false;
    if (p->speaking_prev != NULL)
        p->speaking_prev->speaking_next = p->speaking_next;
    else
        p->d->speaking = p->speaking_next;
    if (p->speaking_next != NULL)
        p->speaking_next->speaking_prev = p->speaking_prev;
}

static void zpeer_frame(struct zpeer *p, unsigned flags, struct slice body)
{
    if (p->secure != NULL && p->state >= ZPEER_OPEN)
        zmtp_curve_seal(&p->secure->curve, flags, body, zpeer_say(p));
    else
        zmtp_frame_put(zpeer_say(p), flags, body);
}

void zpeer_part(struct zpeer *p, bool more, struct slice body)
{
    if (p->state != ZPEER_OVER)
        zpeer_frame(p, more ? ZMTP_MORE : 0, body);
}

/* made: a whole frame that is a command, in the clear. */
static void zpeer_command(struct zpeer *p, struct buf *made)
{
    struct zmtp_frame f;
    int head = zmtp_frame_get(&f, made->p, made->len);

    zpeer_frame(p, ZMTP_IS_COMMAND,
                (struct slice){(char *)made->p + head, made->len - (size_t)head});
    buf_free(made);
}

/* A history was written, or will not be. */
static void zpeer_pay_back(struct zpeer *p)
{
    p->d->documents -= p->document;
    p->document = 0;
}

void zpeer_flush(struct zpeer *p)
{
    size_t taken;

    if (p->out.len == 0 || !conn_accepts(&p->conn, 0, &taken))
        return;
    conn_write(&p->conn, p->out.p, p->out.len);
    buf_free(&p->out);
    if (!conn_pending(&p->conn))
        zpeer_pay_back(p);
}

static size_t zpeer_unread(const struct zpeer *p)
{
    return p->out.len + p->conn.out.len - p->conn.out_at;
}

/* What it may have unacknowledged.  Publishes go to the broker in the order in which they
 * came: the more peers publish, the less each may have before all others. */
static size_t zpeer_window(const struct zpeer *p)
{
    const struct zmqd *d = p->d;
    size_t window = d->settings.publish_window;
    size_t share = d->publishing > 0 ? WINDOWS * window / d->publishing : window;

    share = share > SHARE_MIN ? share : SHARE_MIN;
    return share < window ? share : window;
}

/* Whatever blocks it ends in zpeer_acknowledged, zpeer_on_writable, zpeer_continue or the
 * turn. */
static bool zpeer_is_blocked(const struct zpeer *p)
{
    bool full = p->unacknowledged >= zpeer_window(p) ||
                (p->publishes != NULL && link_publish_full(p->d->gateway->link));

    return full || p->rested_at != 0 || p->history != NULL || p->document > 0 ||
           zpeer_unread(p) > ANSWERS_MAX;
}

/* --- the end ------------------------------------------------------------------------ */

static void zpeer_hold(struct zpeer *p, size_t bytes)
{
    p->d->held += bytes - p->held;
    p->held = bytes;
}

/* Nobody looks at what was decoded any more. */
static void zpeer_release(struct zpeer *p)
{
    zpeer_hold(p, 0);
    zmtp_decoder_free(&p->decoder);
    if (p->secure != NULL) {
        zmtp_decoder_free(&p->secure->inner);
        zmtp_curve_wipe(&p->secure->curve);
    }
    free(p->secure);
    p->secure = NULL;
}

static void zpeer_not_patient(struct zpeer *p)
{
    if (!p->patient)
        return;
    p->patient = false;
    DL_DELETE2(p->d->patient, p, patient_prev, patient_next);
}

static void zpeer_stop(struct zpeer *p)
{
    if (p->role != NULL && p->role->stop != NULL)
        p->role->stop(p);
}

static void zpeer_end(struct zpeer *p)
{
    if (p->state == ZPEER_OVER)
        return;
    zpeer_stop(p);
    if (p->ask != NULL)
        authority_forget(p->ask);
    p->ask = NULL;
    p->state = ZPEER_OVER;
    if (p->role != NULL)
        p->role->leave(p);
    zpeer_not_speaking(p);
    zpeer_not_patient(p);
    zpeer_pay_back(p);
    buf_free(&p->out);
    if (!p->taking)
        zpeer_release(p);
}

void zpeer_finish(struct zpeer *p)
{
    if (p->state == ZPEER_OVER)
        return;
    if (p->out.len > 0)
        conn_write(&p->conn, p->out.p, p->out.len);
    zpeer_end(p);
    conn_finish(&p->conn);
}

static void zpeer_leave(struct zpeer *p)
{
    if (p->state == ZPEER_OVER)
        return;
    zpeer_end(p);
    conn_close(&p->conn);
}

void zpeer_continue(struct zpeer *p)
{
    if (!p->waiting || p->state != ZPEER_OPEN || zpeer_is_blocked(p))
        return;
    p->waiting = false;
    conn_pump(&p->conn);
    if (p->conn.eof_seen && p->state == ZPEER_OPEN && !p->waiting)
        zpeer_leave(p);
}

/* Nothing of what it began is under way any more. */
static void zpeer_end_well(struct zpeer *p)
{
    if (p->dismissal != NULL && p->role->farewell != NULL)
        p->role->farewell(p, p->dismissal);
    zpeer_finish(p);
}

void zpeer_acknowledged(struct zpeer *p)
{
    if (p->state == ZPEER_ENDING && p->publishes == NULL)
        zpeer_end_well(p);
    else
        zpeer_continue(p);
}

static void zpeer_log(struct zpeer *p, const char *why)
{
    uint64_t skipped;

    metric_add(p->state == ZPEER_OPEN ? M_ZMQ_BROKEN : M_ZMQ_REFUSED, 1);
    if (log_limit_pass(&p->d->refused, &skipped))
        log_warn("a ZeroMQ peer is refused", LOG_S("why", why), LOG_U("not_logged", skipped));
}

/* What it sent makes no sense, or is over a limit: nothing that follows counts. */
static void zpeer_break_off(struct zpeer *p, int error)
{
    zpeer_log(p, zmtp_error_text(error));
    if (p->state == ZPEER_HANDSHAKE)
        zmtp_error_put(zpeer_say(p), zmtp_error_text(error));
    else if (p->state == ZPEER_OPEN && p->role->refuse != NULL)
        p->role->refuse(p, error);
    zpeer_finish(p);
}

/* --- time --------------------------------------------------------------------------- */

static uint64_t zpeer_now(const struct zpeer *p)
{
    struct wheel *w = &p->d->gateway->wheel;

    wheel_refresh(w);
    return w->tick;
}

static uint64_t zpeer_ms_since(const struct zpeer *p, uint64_t tick)
{
    return (zpeer_now(p) - tick) * WHEEL_TICK_MS;
}

static uint64_t left_of(uint64_t ms, uint64_t passed)
{
    return passed < ms ? ms - passed : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void zpeer_on_timer(struct wheel_timer *t);

/* RFC 37 has PING; a peer of 3.0 is not asked. */
static bool zpeer_is_pinged(const struct zpeer *p)
{
    return p->d->settings.ping_ms > 0 && p->minor >= 1;
}

/* The timer runs for whatever is due next. */
static void zpeer_schedule(struct zpeer *p)
{
    const struct zmqd_settings *s = &p->d->settings;
    uint64_t next = UINT64_MAX;

    if (zpeer_is_pinged(p))
        next = p->pinged ? left_of(s->ping_timeout_ms, zpeer_ms_since(p, p->pinged_at))
                         : left_of(s->ping_ms, zpeer_ms_since(p, p->heard));
    if (p->ttl_ms > 0)
        next = least(next, left_of(p->ttl_ms, zpeer_ms_since(p, p->heard)));
    if (p->held > 0)
        next = least(next, left_of(s->message_timeout_ms, zpeer_ms_since(p, p->message_since)));
    if (p->rested_at != 0)
        next = least(next, left_of(p->rested_at, zpeer_now(p)) * WHEEL_TICK_MS + 1);
    if (next != UINT64_MAX)
        conn_timer(&p->conn, next, zpeer_on_timer);
}

static void zpeer_ping(struct zpeer *p)
{
    struct buf ping = {0};

    zmtp_ping_put(&ping, 0);
    zpeer_command(p, &ping);
    p->pinged = true;
    p->pinged_at = zpeer_now(p);
    gateway_wake(p->d->gateway); /* a timer's turn has no end of its own */
}

/* NULL, or why it is given up. */
static const char *zpeer_overdue(struct zpeer *p)
{
    const struct zmqd_settings *s = &p->d->settings;

    if (p->held > 0 && zpeer_ms_since(p, p->message_since) >= s->message_timeout_ms)
        return "a message does not come to its end";
    if (p->ttl_ms > 0 && zpeer_ms_since(p, p->heard) >= p->ttl_ms)
        return "the time to live that it gave is over";
    if (p->pinged && zpeer_ms_since(p, p->pinged_at) >= s->ping_timeout_ms)
        return "a PING is not answered";
    return NULL;
}

/* A peer that has yet to take what it was sent, or is not read for our own reasons, is left
 * in peace. */
static void zpeer_on_timer(struct wheel_timer *t)
{
    struct zpeer *p = CONTAINER_OF(conn_of_timer(t), struct zpeer, conn);
    const char *why;

    if (conn_pending(&p->conn) || p->waiting) {
        p->pinged = false;
        p->heard = p->message_since = zpeer_now(p);
    }
    why = zpeer_overdue(p);
    if (why != NULL) {
        zpeer_log(p, why);
        zpeer_finish(p);
        return;
    }
    if (!p->pinged && zpeer_is_pinged(p) && zpeer_ms_since(p, p->heard) >= p->d->settings.ping_ms)
        zpeer_ping(p);
    if (p->rested_at != 0 && zpeer_now(p) >= p->rested_at) {
        p->rested_at = 0;
        gateway_wake(p->d->gateway);
        zpeer_continue(p);
    }
    if (p->state == ZPEER_OPEN)
        zpeer_schedule(p);
}

/* Who hears of no refusal is not read while its principal publishes too fast, so that none of
 * its messages is lost. */
static bool zpeer_rests(struct zpeer *p)
{
    uint64_t wait = 0;

    if (p->state == ZPEER_OPEN && p->role->unanswered && p->caller.principal != NULL)
        wait = account_publish(p->caller.principal->account, 0, 0);
    if (wait == 0)
        return false;
    p->waiting = true;
    p->rested_at = zpeer_now(p) + wait / WHEEL_TICK_MS + 1;
    zpeer_schedule(p);
    return true;
}

static void zpeer_on_handshake_timeout(struct wheel_timer *t)
{
    struct zpeer *p = CONTAINER_OF(conn_of_timer(t), struct zpeer, conn);

    zpeer_log(p, "the handshake takes too long");
    if (p->state == ZPEER_HANDSHAKE && p->ask == NULL)
        zmtp_error_put(zpeer_say(p), "The handshake takes too long");
    zpeer_finish(p);
}

/* --- the handshake ------------------------------------------------------------------ */

/* said: how much of the greeting, which goes on where it was left. */
static void zpeer_greet(struct zpeer *p, enum zmtp_mechanism m, uint8_t said)
{
    uint8_t greeting[ZMTP_GREETING_SIZE];

    zmtp_greeting_put(greeting, zmtp_mechanism_name(m), m != ZMTP_NULL);
    if (said > p->greeted)
        conn_write(&p->conn, greeting + p->greeted, said - p->greeted);
    p->greeted = said;
}

/* A stranger, who is not served, hears so; others see it in our greeting. */
static void zpeer_turn_away(struct zpeer *p, enum zmtp_mechanism as, struct slice mechanism)
{
    zpeer_log(p, "its security mechanism is not served here");
    if (slice_eq(mechanism, slice_of(zmtp_mechanism_name(ZMTP_NULL))) && as == ZMTP_NULL)
        zmtp_error_put(zpeer_say(p), zauth_error(AUTH_MISSING));
    zpeer_finish(p);
}

static void zpeer_begin_handshake(struct zpeer *p, enum zmtp_mechanism m)
{
    p->state = ZPEER_HANDSHAKE;
    p->handshake.mechanism = m;
    if (m != ZMTP_CURVE)
        return;
    p->secure = mem_zalloc(sizeof *p->secure);
    p->secure->curve.server = &p->d->curve;
    p->handshake.curve = &p->secure->curve;
}

static size_t zpeer_take_greeting(struct zpeer *p, struct slice in)
{
    struct zmtp_greeting g;
    enum zmtp_mechanism m;
    int n = zmtp_greeting_get(&g, in.p, in.len);
    bool served;

    if (n < 0) {
        zpeer_break_off(p, n);
        return in.len;
    }
    if (n == 0)
        return 0;
    served = zauth_choose(p->d, g.mechanism, &m);
    zpeer_greet(p, m, ZMTP_GREETING_SIZE);
    if (!served) {
        zpeer_turn_away(p, m, g.mechanism);
        return in.len;
    }
    p->minor = g.major > 3 ? 1 : g.minor;
    zpeer_begin_handshake(p, m);
    return (size_t)n;
}

static void zpeer_open(struct zpeer *p)
{
    uint64_t max = p->d->settings.max_message;

    p->state = ZPEER_OPEN;
    p->type = (uint8_t)p->handshake.type;
    p->role = p->d->roles[p->type];
    p->decoder.message_max = max;
    if (p->secure != NULL) {
        p->decoder.command_max = p->decoder.message_max = max + ZMTP_CURVE_OVERHEAD;
        p->secure->inner.command_max = COMMAND_MAX;
        p->secure->inner.message_max = max;
    }
    conn_timer(&p->conn, 0, NULL);
    zpeer_schedule(p);
    if (p->role->opened != NULL)
        p->role->opened(p);
}

static void zpeer_refuse(struct zpeer *p, const char *why, const char *said)
{
    zpeer_log(p, why);
    zauth_refused(&p->conn, &p->caller, NULL, (struct slice){0}, why);
    if (said != NULL)
        zmtp_error_put(zpeer_say(p), said);
    zpeer_finish(p);
}

static void zpeer_on_put_off(struct wheel_timer *t)
{
    zpeer_finish(CONTAINER_OF(conn_of_timer(t), struct zpeer, conn));
}

/* It will come again at once, as libzmq does, so it is the end that waits. */
static void zpeer_put_off(struct zpeer *p, const struct auth_answer *answer)
{
    const char *why = auth_answer_reason(answer);
    uint64_t wait = answer->retry_ms > PUT_OFF_MS ? answer->retry_ms : PUT_OFF_MS;

    zpeer_log(p, why);
    zauth_refused(&p->conn, &p->caller, NULL, (struct slice){0}, why);
    p->waiting = true;
    p->rested_at = UINT64_MAX;
    conn_timer(&p->conn, least(wait, p->d->settings.handshake_ms), zpeer_on_put_off);
}

static void zpeer_disbelieve(struct zpeer *p, const struct auth_answer *answer)
{
    const char *said = zauth_error(answer->outcome);

    if (said == NULL)
        zpeer_put_off(p, answer);
    else
        zpeer_refuse(p, auth_answer_reason(answer), said);
}

static void zpeer_answered(struct zpeer *p, const struct auth_answer *answer)
{
    if (answer->outcome != AUTH_KNOWN) {
        zpeer_disbelieve(p, answer);
        return;
    }
    caller_begin(&p->caller, answer->principal);
    if (!caller_connect(&p->caller))
        zpeer_refuse(p, "its principal has as many connections as it may",
                     "A limit on connections is reached");
    else if (zmtp_handshake_admit(&p->handshake, zpeer_say(p)) == ZMTP_DONE)
        zpeer_open(p);
}

static void zpeer_on_answer(void *arg, const struct auth_answer *answer)
{
    struct zpeer *p = arg;

    p->ask = NULL;
    p->waiting = false;
    gateway_wake(p->d->gateway);
    zpeer_answered(p, answer);
    if (p->state != ZPEER_OVER && !p->waiting)
        conn_pump(&p->conn);
}

static void zpeer_ask(struct zpeer *p)
{
    struct auth_answer now;

    p->ask = zauth_ask(p->d, &p->conn, &p->handshake, &now, zpeer_on_answer, p);
    p->waiting = p->ask != NULL;
    if (p->ask == NULL)
        zpeer_answered(p, &now);
}

/* Agreeing on keys is what a stranger can make us do most of. */
static bool zpeer_has_to_wait(struct zpeer *p)
{
    struct zmqd *d = p->d;

    if (p->state != ZPEER_HANDSHAKE || p->secure == NULL || d->agreed < AGREED_MAX)
        return false;
    p->waiting = p->patient = true;
    DL_APPEND2(d->patient, p, patient_prev, patient_next);
    gateway_wake(d->gateway);
    return true;
}

/* As many as a turn takes; the others in the next. */
static void zpeers_go_on(struct zmqd *d)
{
    struct zpeer *p;

    d->agreed = 0;
    while (d->agreed < AGREED_MAX && (p = d->patient) != NULL) {
        zpeer_not_patient(p);
        p->waiting = false;
        conn_pump(&p->conn);
    }
    if (d->patient != NULL)
        gateway_wake(d->gateway);
}

static void zpeer_take_handshake(struct zpeer *p, const struct zmtp_unit *u)
{
    const char *why = NULL;

    if (u->kind != ZMTP_COMMAND) {
        zpeer_break_off(p, ZMTP_EEARLY);
        return;
    }
    p->d->agreed += p->secure != NULL;
    switch (zmtp_handshake_take(&p->handshake, u->command, zpeer_say(p), &why)) {
    case ZMTP_GO_ON:
        break;
    case ZMTP_ASK:
        zpeer_ask(p);
        break;
    case ZMTP_DONE:
        zpeer_open(p);
        break;
    case ZMTP_REFUSED:
        zpeer_log(p, why);
        zpeer_finish(p);
        break;
    }
}

/* --- it may less ---------------------------------------------------------------------- */

static void zpeer_on_ending_over(struct wheel_timer *t)
{
    gateway_wake(CONTAINER_OF(conn_of_timer(t), struct zpeer, conn)->d->gateway);
    zpeer_end_well(CONTAINER_OF(conn_of_timer(t), struct zpeer, conn));
}

/* What it has published is acknowledged, nothing else of it goes on. */
static void zpeer_dismiss(struct zpeer *p)
{
    p->dismissal = p->caller.principal->state == PRINCIPAL_EXPIRED ? "The credentials have expired"
                                                                   : "The credentials were revoked";
    if (p->role->dismissed != NULL)
        p->role->dismissed(p);
    zpeer_stop(p);
    p->waiting = true;
    if (p->publishes == NULL) {
        zpeer_end_well(p);
        return;
    }
    p->state = ZPEER_ENDING;
    conn_timer(&p->conn, ENDING_MS, zpeer_on_ending_over);
}

static void zpeer_on_changed(struct caller *c)
{
    struct zpeer *p = CONTAINER_OF(c, struct zpeer, caller);

    gateway_wake(p->d->gateway);
    if (p->state == ZPEER_HANDSHAKE && !caller_stands(c))
        zpeer_refuse(p, auth_outcome_text(AUTH_WRONG), zauth_error(AUTH_WRONG));
    else if (p->state == ZPEER_OPEN && !caller_stands(c))
        zpeer_dismiss(p);
    else if (p->state == ZPEER_OPEN && p->role->review != NULL)
        p->role->review(p);
}

/* --- traffic ------------------------------------------------------------------------ */

static void zpeer_take_ping(struct zpeer *p, struct slice data)
{
    struct buf pong = {0};
    struct slice context;
    uint16_t ttl;

    if (!zmtp_ping_get(data, &ttl, &context)) {
        zpeer_break_off(p, ZMTP_EPROTO);
        return;
    }
    p->ttl_ms = ttl * UINT64_C(100);
    zmtp_command_put(&pong, "PONG", context);
    zpeer_command(p, &pong);
    zpeer_schedule(p);
}

/* What is not known is of a version that we do not speak: passed over. */
static void zpeer_take_command(struct zpeer *p, struct slice body)
{
    struct zmtp_command c;
    bool add;

    if (!zmtp_command_get(&c, body) || slice_eq(c.name, SLICE("READY"))) {
        zpeer_break_off(p, ZMTP_EPROTO);
        return;
    }
    add = slice_eq(c.name, SLICE("SUBSCRIBE"));
    if (slice_eq(c.name, SLICE("PING")))
        zpeer_take_ping(p, c.data);
    else if (slice_eq(c.name, SLICE("ERROR")))
        zpeer_leave(p);
    else if (!add && !slice_eq(c.name, SLICE("CANCEL")))
        return;
    else if (p->role->subscribe == NULL)
        zpeer_break_off(p, ZMTP_EPROTO);
    else
        p->role->subscribe(p, add, c.data);
}

static void zpeer_take_unit(struct zpeer *p, const struct zmtp_unit *u)
{
    if (u->kind == ZMTP_COMMAND)
        zpeer_take_command(p, u->command);
    else if (u->kind == ZMTP_MESSAGE)
        p->role->message(p, u->parts, u->count);
}

/* A box holds a frame, so at most one unit comes out of it. */
static void zpeer_take_box(struct zpeer *p, const struct zmtp_unit *u)
{
    struct slice body = u->kind == ZMTP_COMMAND ? u->command : u->parts[0];
    struct buf *plain = &p->d->plain;
    size_t used = 0;
    int n;

    buf_clear(plain);
    if ((u->kind == ZMTP_MESSAGE && u->count != 1) ||
        !zmtp_curve_open(&p->secure->curve, body, plain)) {
        zpeer_break_off(p, ZMTP_EPROTO);
        return;
    }
    while (used < plain->len && p->state == ZPEER_OPEN) {
        n = zmtp_decode(&p->secure->inner, plain->p + used, plain->len - used, &p->d->boxed);
        if (n < 0) {
            zpeer_break_off(p, n);
            return;
        }
        used += (size_t)n;
        zpeer_take_unit(p, &p->d->boxed);
    }
}

static void zpeer_take(struct zpeer *p, const struct zmtp_unit *u)
{
    if (u->kind == ZMTP_NOTHING)
        return;
    if (p->state == ZPEER_HANDSHAKE)
        zpeer_take_handshake(p, u);
    else if (p->secure != NULL)
        zpeer_take_box(p, u);
    else
        zpeer_take_unit(p, u);
}

/* --- input -------------------------------------------------------------------------- */

/* A message that is not whole yet takes memory, which is bounded for all together. */
static void zpeer_settle(struct zpeer *p)
{
    struct zmqd *d = p->d;
    bool begun = p->held == 0;
    size_t bytes;

    if (d->plain.cap > PLAIN_KEPT)
        buf_free(&d->plain);
    zmtp_decoder_trim(&p->decoder);
    bytes = p->decoder.held.cap;
    if (p->secure != NULL) {
        zmtp_decoder_trim(&p->secure->inner);
        bytes += p->secure->inner.held.cap;
    }
    zpeer_hold(p, bytes);
    if (bytes == 0 || p->state != ZPEER_OPEN)
        return;
    if (begun) {
        p->message_since = zpeer_now(p);
        zpeer_schedule(p);
    }
    if (d->held > d->settings.held_max) {
        zpeer_log(p, "too many messages are not whole yet");
        zpeer_finish(p);
    }
}

static void zpeer_heard(struct zpeer *p)
{
    p->heard = p->d->gateway->wheel.tick;
    if (!p->pinged)
        return;
    p->pinged = false;
    zpeer_schedule(p);
}

static bool zpeer_takes(const struct zpeer *p)
{
    return !p->waiting && (p->state == ZPEER_HANDSHAKE || p->state == ZPEER_OPEN);
}

static size_t zpeer_take_bytes(struct zpeer *p, struct slice in)
{
    size_t used = 0;
    int n;

    if (p->state == ZPEER_GREETING)
        used = zpeer_take_greeting(p, in);
    while (used < in.len && zpeer_takes(p) && !zpeer_rests(p) && !zpeer_has_to_wait(p)) {
        n = zmtp_decode(&p->decoder, in.p + used, in.len - used, &p->d->unit);
        if (n < 0) {
            zpeer_break_off(p, n);
            break;
        }
        used += (size_t)n;
        zpeer_take(p, &p->d->unit);
        p->waiting = p->ask != NULL || p->patient || p->rested_at != 0 ||
                     (p->state == ZPEER_OPEN && zpeer_is_blocked(p));
    }
    return used;
}

static struct zpeer *zpeer_of(struct conn *c)
{
    return CONTAINER_OF(c, struct zpeer, conn);
}

static size_t zpeer_on_input(struct conn *c, struct slice in)
{
    struct zpeer *p = zpeer_of(c);
    size_t used;

    if (p->state == ZPEER_OPEN)
        zpeer_heard(p);
    p->taking = true;
    used = zpeer_take_bytes(p, in);
    p->taking = false;
    if (p->state != ZPEER_OVER)
        zpeer_settle(p);
    if (p->state != ZPEER_OVER && c->eof_seen && (!p->waiting || p->ask != NULL))
        zpeer_leave(p);
    if (p->state != ZPEER_OVER)
        return used;
    zpeer_release(p);
    return in.len;
}

/* --- the connection ----------------------------------------------------------------- */

static void zpeer_on_opened(struct conn *c)
{
    struct zpeer *p = zpeer_of(c);

    p->d = c->data;
    p->caller.changed = zpeer_on_changed;
    p->decoder.command_max = COMMAND_MAX;
    p->heard = zpeer_now(p);
    conn_timer(c, p->d->settings.handshake_ms, zpeer_on_handshake_timeout);
    /* Which mechanism is ours depends on theirs, unless there is but one for everybody. */
    zpeer_greet(p, ZMTP_NULL, p->d->only_null ? ZMTP_GREETING_SIZE : GREETED_FIRST);
}

static void zpeer_on_writable(struct conn *c)
{
    struct zpeer *p = zpeer_of(c);

    zpeer_pay_back(p);
    zpeer_flush(p);
    if (p->role != NULL && p->role->writable != NULL)
        p->role->writable(p);
    zpeer_continue(p);
}

/* Whoever closes half of the connection is gone; what came before is still taken. */
static void zpeer_on_eof(struct conn *c)
{
    struct zpeer *p = zpeer_of(c);

    if (!p->waiting || p->state == ZPEER_HANDSHAKE)
        zpeer_leave(p);
}

static void zpeer_on_drain(struct conn *c)
{
    struct zpeer *p = zpeer_of(c);

    if (p->state == ZPEER_OVER)
        return;
    zpeer_stop(p);
    p->waiting = true;
    if (p->publishes == NULL)
        zpeer_finish(p);
    else
        p->state = ZPEER_ENDING;
}

static void zpeer_on_over(struct conn *c)
{
    caller_end(&zpeer_of(c)->caller);
}

static void zpeer_on_gone(struct conn *c)
{
    zpeer_end(zpeer_of(c));
}

const struct conn_ops zpeer_conn_ops = {.opened = zpeer_on_opened,
                                        .input = zpeer_on_input,
                                        .writable = zpeer_on_writable,
                                        .eof = zpeer_on_eof,
                                        .drain = zpeer_on_drain,
                                        .gone = zpeer_on_gone,
                                        .over = zpeer_on_over};

void zpeers_turn(struct zmqd *d)
{
    struct zpeer *p;

    zpeers_go_on(d);
    while ((p = d->speaking) != NULL) {
        zpeer_not_speaking(p);
        zpeer_flush(p);
        zpeer_continue(p);
    }
}
