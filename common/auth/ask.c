/*
 * ask.c - one question: credentials in, a principal out, at once or later.
 *
 *   what is shown                     who is asked
 *   nothing, with a certificate       certificate_roles
 *   nothing                           anonymous
 *   a token, or one as password       keys; for one whose key may still come: again then
 *   a name and a password             the file of users
 *   a CURVE key                       the file of keys
 *   what none of these can know       the callback
 */
#include <stdlib.h>

#include "authority_impl.h"
#include "fingerprint.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"

struct auth_ask {
    struct authority *a;
    struct auth_ask *next, **link;
    auth_done done;
    void *arg;
    uint8_t credential[CREDENTIAL_HASH];
    struct slowness_attempt attempt; /* of who shows a password */
    struct buf text;                 /* the credentials' own copies */
    struct credentials in;
    struct password_ask *password;
    struct callback_ask *callback;
    bool awaits_keys;
    bool marked; /* of a walk over all */
};

const char *auth_outcome_text(enum auth_outcome o)
{
    static const char *const text[] = {
        [AUTH_KNOWN] = "Known",
        [AUTH_MISSING] = "Authentication is required",
        [AUTH_WRONG] = "The credentials are not valid",
        [AUTH_EXPIRED] = "The token has expired",
        [AUTH_NOT_YET] = "The token is not valid yet",
        [AUTH_BUSY] = "Too many attempts: try again later",
        [AUTH_UNAVAILABLE] = "The credentials cannot be checked at the moment",
    };

    return text[o];
}

/* --- what is shown ---------------------------------------------------------------- */

static bool is_token(const struct authority *a, const struct credentials *c)
{
    return c->kind == CREDENTIALS_TOKEN ||
           (c->kind == CREDENTIALS_PASSWORD && a->from.tokens != NULL && token_looks(c->password));
}

static struct slice token_of(const struct credentials *c)
{
    return c->kind == CREDENTIALS_TOKEN ? c->token : c->password;
}

static bool is_password(const struct authority *a, const struct credentials *c)
{
    return c->kind == CREDENTIALS_PASSWORD && !is_token(a, c);
}

const char *auth_answer_reason(const struct auth_answer *a)
{
    return a->why != NULL ? a->why : auth_outcome_text(a->outcome);
}

/* --- the answer ---------------------------------------------------------------------- */

/* Many who show the same at once are one; but who was asked again elsewhere may have learnt
 * something else. */
static struct principal *principal_of(struct authority *a, const uint8_t *credential,
                                      struct findings *found)
{
    struct principal *p = found->external ? NULL : directory_find(a, credential);

    return p != NULL ? p : directory_add(a, credential, found);
}

/* What a source said, as the asker is told; takes what it found. */
static struct auth_answer settle(struct auth_ask *q, struct source_answer *s)
{
    struct auth_answer answer = {.outcome = s->outcome, .retry_ms = s->retry_ms, .why = s->why};
    struct authority *a = q->a;

    if (is_password(a, &q->in) && s->outcome == AUTH_KNOWN)
        slowness_right(a->slowness, &q->attempt);
    if (is_password(a, &q->in) && s->outcome == AUTH_WRONG)
        slowness_wrong(a->slowness, &q->attempt);
    if (s->outcome == AUTH_KNOWN)
        answer.principal = principal_of(a, q->credential, &s->found);
    else if (s->outcome != AUTH_MISSING)
        log_debug("credentials are refused", LOG_S("door", q->in.door),
                  LOG_SLICE("address", q->in.address), LOG_S("why", auth_outcome_text(s->outcome)),
                  LOG_S("more", s->why));
    findings_free(&s->found);
    return answer;
}

static void ask_stop_one(struct auth_ask *q)
{
    if (q->password != NULL)
        password_ask_cancel(q->password);
    if (q->callback != NULL)
        callback_ask_cancel(q->callback);
    q->password = NULL;
    q->callback = NULL;
    q->awaits_keys = false;
}

static void ask_free(struct auth_ask *q)
{
    *q->link = q->next;
    if (q->next != NULL)
        q->next->link = q->link;
    ask_stop_one(q);
    if (q->text.p != NULL)
        explicit_bzero(q->text.p, q->text.cap);
    buf_free(&q->text);
    free(q);
}

static void ask_answer(struct auth_ask *q, struct source_answer *s)
{
    struct auth_answer answer = settle(q, s);
    auth_done done = q->done;
    void *arg = q->arg;

    ask_free(q);
    done(arg, &answer);
}

static void ask_on_password(void *arg, struct source_answer *s)
{
    struct auth_ask *q = arg;

    q->password = NULL;
    ask_answer(q, s);
}

static void ask_on_callback(void *arg, struct source_answer *s)
{
    struct auth_ask *q = arg;
    struct authority *a = q->a;
    uint64_t skipped;

    q->callback = NULL;
    if (s->outcome == AUTH_KNOWN && directory_name_is_taken(a, &s->found)) {
        s->outcome = AUTH_UNAVAILABLE;
        if (log_limit_pass(&a->complaints, &skipped))
            log_warn("the callback of [auth] gave a name that a file of ours has",
                     LOG_S("name", s->found.name), LOG_U("skipped", skipped));
    }
    ask_answer(q, s);
}

/* --- the question ---------------------------------------------------------------------- */

static void keep(struct buf *text, struct slice *s)
{
    size_t at = text->len;

    buf_put_slice(text, *s);
    s->p = (const char *)text->p + at; /* there is room for all: text does not move */
}

static struct auth_ask *ask_new(struct authority *a, const struct credentials *c,
                                const uint8_t *credential, auth_done done, void *arg)
{
    struct auth_ask *q = mem_zalloc(sizeof *q);
    struct slice *const all[] = {&q->in.token,       &q->in.user,   &q->in.password, &q->in.key,
                                 &q->in.certificate, &q->in.client, &q->in.address};
    size_t size = 1;

    *q = (struct auth_ask){
        .a = a, .next = a->asks, .link = &a->asks, .done = done, .arg = arg, .in = *c};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        size += all[i]->len;
    (void)buf_reserve(&q->text, size);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        keep(&q->text, all[i]);
    memcpy(q->credential, credential, CREDENTIAL_HASH);
    if (q->next != NULL)
        q->next->link = &q->next;
    a->asks = q;
    return q;
}

static void credential_of(const struct authority *a, const struct credentials *c, uint8_t *out)
{
    static const struct slice none;

    if (is_token(a, c))
        fingerprint_of(out, 't', token_of(c), none);
    else if (c->kind == CREDENTIALS_PASSWORD)
        fingerprint_of(out, 'u', c->user, c->password);
    else if (c->kind == CREDENTIALS_KEY)
        fingerprint_of(out, 'k', c->key, none);
    else if (a->from.certificates && c->certificate.len > 0)
        fingerprint_of(out, 'c', c->certificate, none);
    else
        fingerprint_of(out, 'a', none, none);
}

/* Who shows nothing but, perhaps, a certificate. */
static void ask_nothing(const struct authority *a, const struct credentials *c,
                        struct source_answer *s)
{
    const struct buf *roles = &a->from.stranger_roles;

    *s = (struct source_answer){.outcome = AUTH_KNOWN};
    if (a->from.certificates && c->certificate.len > 0) {
        s->found.kind = PRINCIPAL_CERT;
        s->found.name = mem_strndup(c->certificate.p, c->certificate.len);
        roles = &a->from.certificate_roles;
    } else if (a->from.strangers) {
        s->found.name = mem_strdup("");
    } else {
        s->outcome = AUTH_MISSING;
        return;
    }
    buf_put_slice(&s->found.roles, buf_slice(roles));
}

/* The rest of these are true when *s is the answer; else it comes later. */

static bool ask_elsewhere(struct auth_ask *q, struct source_answer *s)
{
    struct callback *cb = q->a->from.callback;

    s->outcome = AUTH_WRONG;
    if (cb == NULL)
        return true;
    q->callback = callback_ask(cb, &q->in, s, ask_on_callback, q);
    return q->callback == NULL;
}

static bool ask_token(struct auth_ask *q, struct source_answer *s)
{
    struct tokens *tokens = q->a->from.tokens;

    if (tokens == NULL || !token_looks(token_of(&q->in)))
        return ask_elsewhere(q, s);
    q->awaits_keys = !tokens_verify(tokens, token_of(&q->in), false, s);
    return !q->awaits_keys;
}

static bool ask_password(struct auth_ask *q, struct source_answer *s)
{
    const struct sources *from = &q->a->from;

    if (from->passwords == NULL ||
        (from->callback != NULL && !passwords_know(from->passwords, q->in.user)))
        return ask_elsewhere(q, s);
    q->password = passwords_ask(from->passwords, &q->in, s, ask_on_password, q);
    return q->password == NULL;
}

static bool ask_key(struct auth_ask *q, struct source_answer *s)
{
    const struct keys *keys = q->a->from.keys;

    s->outcome = AUTH_KNOWN;
    return (keys != NULL && keys_find(keys, q->in.key, &s->found)) || ask_elsewhere(q, s);
}

static bool ask_source(struct auth_ask *q, struct source_answer *s)
{
    if (is_token(q->a, &q->in))
        return ask_token(q, s);
    if (q->in.kind == CREDENTIALS_PASSWORD)
        return ask_password(q, s);
    if (q->in.kind == CREDENTIALS_KEY)
        return ask_key(q, s);
    ask_nothing(q->a, &q->in, s);
    return true;
}

/* Nothing is configured: what is shown is not looked at.  A certificate was verified all the
 * same, and what it names may keep a session to itself. */
static struct principal *ask_open(struct authority *a, const struct credentials *c)
{
    struct source_answer s = {.outcome = AUTH_KNOWN, .found.kind = PRINCIPAL_CERT};
    uint8_t credential[CREDENTIAL_HASH];
    struct principal *p;

    if (a == NULL || c->certificate.len == 0) {
        return principal_everybody();
    }
    fingerprint_of(credential, 'c', c->certificate, (struct slice){0});
    p = directory_find(a, credential);
    if (p != NULL)
        return p;
    s.found.name = mem_strndup(c->certificate.p, c->certificate.len);
    p = directory_add(a, credential, &s.found);
    p->grants.all = true;
    return p;
}

/* True: *now is the answer.  Who has to wait is not told whether what is shown is remembered,
 * or that would be the way to try passwords. */
static bool ask_known(struct authority *a, const struct credentials *c, uint8_t *credential,
                      struct slowness_attempt *attempt, struct auth_answer *now)
{
    bool password = is_password(a, c);
    uint64_t wait = 0;

    if (password)
        wait = slowness_begin(a->slowness, c->address, c->user, attempt);
    if (wait > 0) {
        metric_add(M_AUTH_SLOWED, 1);
        *now = (struct auth_answer){.outcome = AUTH_BUSY, .retry_ms = wait};
        return true;
    }
    credential_of(a, c, credential);
    now->principal = directory_find(a, credential);
    if (password && now->principal != NULL)
        slowness_right(a->slowness, attempt);
    return now->principal != NULL;
}

struct auth_ask *ask_begin(struct authority *a, const struct credentials *c,
                           struct auth_answer *now, auth_done done, void *arg)
{
    struct source_answer s = {0};
    struct slowness_attempt attempt = {0};
    uint8_t credential[CREDENTIAL_HASH];
    struct auth_ask *q;

    *now = (struct auth_answer){.outcome = AUTH_KNOWN};
    if (a == NULL || a->open_to_all) {
        now->principal = ask_open(a, c);
        return NULL;
    }
    if (ask_known(a, c, credential, &attempt, now))
        return NULL;
    q = ask_new(a, c, credential, done, arg);
    q->attempt = attempt;
    if (!ask_source(q, &s))
        return q;
    *now = settle(q, &s);
    ask_free(q);
    return NULL;
}

/* Who goes before the answer has cost as much as who stays. */
void ask_cancel(struct auth_ask *q)
{
    if (is_password(q->a, &q->in))
        slowness_wrong(q->a->slowness, &q->attempt);
    ask_free(q);
}

/* --- all of them ---------------------------------------------------------------------- */

/* Only those count that are there when this begins: who is answered may ask anew. */
static void mark_all(struct authority *a)
{
    for (struct auth_ask *q = a->asks; q != NULL; q = q->next)
        q->marked = true;
}

static struct auth_ask *next_marked(struct authority *a)
{
    struct auth_ask *q = a->asks;

    while (q != NULL && !q->marked)
        q = q->next;
    if (q != NULL)
        q->marked = false;
    return q;
}

void ask_on_keys(void *authority)
{
    struct authority *a = authority;
    struct auth_ask *q;

    mark_all(a);
    while ((q = next_marked(a)) != NULL) {
        struct source_answer s = {0};

        if (!q->awaits_keys)
            continue;
        if (!tokens_verify(a->from.tokens, token_of(&q->in), true, &s))
            s.outcome = AUTH_UNAVAILABLE;
        ask_answer(q, &s);
    }
    if (!a->closing) /* by who was answered */
        directory_review(a);
}

void ask_stop(struct authority *a)
{
    for (struct auth_ask *q = a->asks; q != NULL; q = q->next)
        ask_stop_one(q);
}

void ask_restart(struct authority *a)
{
    struct auth_ask *q;

    mark_all(a);
    while ((q = next_marked(a)) != NULL) {
        struct source_answer s = {0};

        credential_of(a, &q->in, q->credential); /* a password may be a token now */
        if (ask_source(q, &s))
            ask_answer(q, &s);
    }
}

void ask_end(struct authority *a)
{
    while (a->asks != NULL)
        ask_free(a->asks);
}
