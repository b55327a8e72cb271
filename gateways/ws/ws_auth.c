/*
 * ws_auth.c - who a WebSocket acts as: a first message says it, later ones renew it, and it
 * may end.
 *
 *   upgrade ─┬─ known ──────────────────────────────┐
 *            └─ unknown: auth within auth_timeout ──┴▶ known ──auth──▶ known
 *                                                        └─ runs out, revoked ──▶ 4401
 *
 * Happy path: a token is asked about, the caller acts as its principal from then on, and no
 * subscription notices.  While the answer takes time the client is not read; what it is sent
 * goes on.
 *
 * How it fails: whoever is unknown and shows something wrong, or nothing in time, is closed.
 * One that is known stays who it was, and hears why; so does one that renews as somebody
 * else, for what it holds is not theirs.  Many attempts are refused before anything is
 * looked at.
 *
 * Grants that no longer cover a subscription end that alone.
 */
#include <stdlib.h>

#include <utlist.h>

#include "authority.h"
#include "clock.h"
#include "mem.h"
#include "metrics.h"
#include "ws_session.h"

#define ATTEMPT_MS 1000 /* one in so much time, in the long run … */
#define ATTEMPTS 10     /* … and so many at once */

/* --- what ends --------------------------------------------------------------------- */

static void say_unsubscribed(struct ws_session *s, const struct ws_subscription *sub)
{
    size_t start = ws_session_message_begin(s);

    ws_json_put_unsubscribed(&s->out, ws_subscription_ref(sub), ERR_FORBIDDEN,
                             SLICE("Subscribing to this is not permitted any more"),
                             subscription_cursor(&sub->subscription));
    ws_session_message_end(s, start);
}

/* What the grants of now do not cover. */
static void end_uncovered(struct ws_session *s)
{
    struct ws_subscription *sub, *next;
    struct problem p = {0};

    DL_FOREACH_SAFE (s->subscriptions, sub, next) {
        if (subscribe_may_go_on(&sub->subscription, &s->caller, &p))
            continue;
        if (s->raw) {
            ws_session_close(s, WS_CLOSE_FORBIDDEN, "this address is not permitted any more");
            return;
        }
        say_unsubscribed(s, sub);
        ws_subscription_end(sub);
    }
}

/* From where each goes on, for the next connection. */
static void say_expired(struct ws_session *s, const char *reason)
{
    struct ws_subscription *sub;
    size_t start = ws_session_message_begin(s);

    ws_json_expired_begin(&s->out, reason);
    DL_FOREACH (s->subscriptions, sub)
        if (sub->subscription.started)
            ws_json_expired_put(&s->out, ws_subscription_ref(sub),
                                subscription_cursor(&sub->subscription));
    ws_json_expired_end(&s->out);
    ws_session_message_end(s, start);
}

static void end_session(struct ws_session *s)
{
    bool expired = s->caller.principal->state == PRINCIPAL_EXPIRED;

    if (!s->raw)
        say_expired(s, expired ? "expired" : "revoked");
    ws_session_close(s, WS_CLOSE_UNAUTHORIZED,
                     expired ? "the credentials have expired" : "the credentials were revoked");
}

/* Its address's subscription has not begun, so the exchange is still there, and says instead
 * if its caller is not believed any more. */
static void refuse_opening(struct ws_session *s)
{
    struct problem p = {0};

    if (!subscribe_may_go_on(&s->subscriptions->subscription, &s->caller, &p))
        s->opening->refused(s, &p);
}

static void ws_auth_on_changed(struct caller *c)
{
    struct ws_session *s = CONTAINER_OF(c, struct ws_session, caller);

    if (s->state == WS_OPENING) {
        refuse_opening(s);
    } else if (s->state == WS_OPEN) {
        if (caller_stands(c))
            end_uncovered(s);
        else
            end_session(s);
    }
}

/* --- the answer -------------------------------------------------------------------- */

static void say_ok(struct ws_session *s, struct slice ref)
{
    size_t start = ws_session_message_begin(s);

    ws_json_put_auth_ok(&s->out, ref, caller_name(&s->caller), s->caller.principal->expires_ms);
    ws_session_message_end(s, start);
}

/* The subscription of the address waited for this. */
static void begin_path(struct ws_session *s, const struct subscribe *words)
{
    struct problem p = {0};

    if (subscribe_permitted(words, &s->caller, &p) &&
        subscribe_fits(words, s->ws->site->use.hub, s->quota, &p) &&
        subscribe_charge(words, &s->caller, &p))
        ws_subscribe_path(s, words);
    else
        ws_session_refuse(s, SLICE(WS_PATH_REF), &p);
}

static void take_login(struct ws_session *s)
{
    struct ws_login *login = s->login;

    s->login = NULL;
    s->decoder.message_max = s->ws->message_max;
    if (login->has_words)
        begin_path(s, &login->words);
    subscribe_free(&login->words);
    free(login);
}

/* False: its account has no room for this connection, or for what it has subscribed to. */
static bool take_account(struct ws_session *s, struct principal *p)
{
    struct account *was = s->caller.principal != NULL ? s->caller.principal->account : NULL;
    size_t count = s->filter_count;

    if (was == p->account && s->login == NULL) {
        caller_begin(&s->caller, p);
        return true;
    }
    if (count > 0 && !account_subscribe(p->account, count)) {
        principal_unref(p);
        return false;
    }
    account_unsubscribe(was, count);
    caller_begin(&s->caller, p);
    return caller_connect(&s->caller);
}

/* Strangers may become somebody; whoever is somebody stays that. */
static bool may_become(const struct ws_session *s, const struct principal *p)
{
    return caller_is_anonymous(&s->caller) || slice_eq(caller_name(&s->caller), slice_of(p->name));
}

static void ws_auth_refuse(struct ws_session *s, struct slice ref, const struct problem *p)
{
    ws_session_refuse(s, ref, p);
    if (s->login != NULL && p->error == ERR_UNAUTHORIZED)
        ws_session_close(s, WS_CLOSE_UNAUTHORIZED, "the credentials are not valid");
}

static void take_principal(struct ws_session *s, struct slice ref, struct principal *who)
{
    struct problem p = {0};

    if (!may_become(s, who)) {
        principal_unref(who);
        (void)problem_set(&p, ERR_FORBIDDEN, NULL,
                          "A connection stays who it is: another name needs another connection");
        ws_auth_refuse(s, ref, &p);
    } else if (!take_account(s, who)) {
        (void)problem_set(&p, ERR_TOO_MANY, NULL, "A limit of this principal is reached");
        ws_auth_refuse(s, ref, &p);
        ws_session_close(s, WS_CLOSE_TOO_MANY, "a limit of this principal is reached");
    } else {
        say_ok(s, ref);
        end_uncovered(s);
        if (s->login != NULL)
            take_login(s);
    }
}

static void ws_auth_settle(struct ws_session *s, struct slice ref, bool token,
                           const struct auth_answer *answer)
{
    struct problem p = {0};

    if (answer->outcome == AUTH_KNOWN) {
        take_principal(s, ref, answer->principal);
        return;
    }
    gatekeeper_problem(&s->ws->site->gatekeeper, answer, token, &p);
    ws_auth_refuse(s, ref, &p);
}

static void ws_auth_on_answer(void *arg, const struct auth_answer *answer)
{
    struct ws_session *s = arg;
    struct buf ref = s->ask_ref;

    s->ask = NULL;
    s->ask_ref = (struct buf){0};
    ws_auth_settle(s, buf_slice(&ref), true, answer);
    buf_free(&ref);
    if (s->state != WS_OVER)
        ws_session_continue(s);
}

/* --- the question ------------------------------------------------------------------- */

/* 0: it may be made now, and counts.  Else so many ms from now. */
static uint64_t attempt_wait(struct ws_session *s)
{
    uint64_t now = clock_mono_ms(), ahead = (uint64_t)(ATTEMPTS - 1) * ATTEMPT_MS;

    if (s->attempts_until < now)
        s->attempts_until = now;
    if (s->attempts_until - now > ahead)
        return s->attempts_until - now - ahead;
    s->attempts_until += ATTEMPT_MS;
    return 0;
}

static bool attempt_counts(struct ws_session *s, struct slice ref)
{
    struct problem p = {.retry_ms = attempt_wait(s)};

    if (p.retry_ms == 0)
        return true;
    (void)problem_set(&p, ERR_TOO_MANY, NULL, auth_outcome_text(AUTH_BUSY));
    ws_auth_refuse(s, ref, &p);
    return false;
}

void ws_auth(struct ws_session *s)
{
    const struct ws_request *r = &s->ws->request;
    const struct conn *conn = channel_socket(&s->channel);
    bool token = r->token.p != NULL;
    char address[CONN_ADDRESS_MAX];
    struct credentials shown = {.kind = token ? CREDENTIALS_TOKEN : CREDENTIALS_PASSWORD,
                                .token = r->token,
                                .user = r->user,
                                .password = r->password,
                                .certificate = conn_peer_subject(conn),
                                .address = conn_peer_address(conn, address),
                                .door = "ws"};
    struct auth_answer now;

    if (!attempt_counts(s, r->ref))
        return;
    s->ask = authority_ask(s->ws->site->use.authority, &shown, &now, ws_auth_on_answer, s);
    if (s->ask != NULL)
        buf_put_slice(&s->ask_ref, r->ref);
    else
        ws_auth_settle(s, r->ref, token, &now);
    ws_request_wipe(&s->ws->request);
}

/* --- its beginning ------------------------------------------------------------------ */

void ws_auth_begin(struct ws_session *s, const struct caller *who)
{
    s->caller.changed = ws_auth_on_changed;
    caller_copy(&s->caller, who);
}

void ws_auth_await(struct ws_session *s, struct subscribe *words)
{
    s->login = mem_zalloc(sizeof *s->login);
    s->decoder.message_max = WS_LOGIN_MESSAGE_MAX;
    if (words == NULL)
        return;
    s->login->words = *words;
    s->login->has_words = true;
    words->text = NULL; /* taken */
}
