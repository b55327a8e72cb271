/*
 * gatekeeper.c - what a request shows against what its connection showed last; else the
 * authority is asked.
 */
#include "gatekeeper.h"

#include <assert.h>

#include "http_gate.h"

#define CONNECTIONS_RETRY_MS 1000

void gatekeeper_init(struct gatekeeper *g, struct authority *a, const struct config *c,
                     bool allow_credentials)
{
    *g = (struct gatekeeper){.authority = a,
                             .open = a == NULL || !config_auth(c),
                             .cookie = slice_of(config_text(c, CFG_AUTH_COOKIE)),
                             .basic = config_text(c, CFG_AUTH_USERS)[0] != '\0' ||
                                      config_text(c, CFG_AUTH_CALLBACK)[0] != '\0',
                             .cookies_across = allow_credentials};
}

/* --- the pass ----------------------------------------------------------------------- */

static void pass_forget(struct gatekeeper_pass *p)
{
    if (p->shown.p != NULL)
        explicit_bzero(p->shown.p, p->shown.cap);
    buf_clear(&p->shown);
}

void gatekeeper_pass_last(struct gatekeeper_pass *p)
{
    pass_forget(p);
    buf_free(&p->shown);
}

void gatekeeper_pass_end(struct gatekeeper_pass *p)
{
    caller_end(&p->caller);
    gatekeeper_pass_last(p);
}

/* In a time that does not tell where they differ. */
static bool same_bytes(const uint8_t *a, const char *b, size_t len)
{
    unsigned differ = 0;

    for (size_t i = 0; i < len; i++)
        differ |= (unsigned)(a[i] ^ (uint8_t)b[i]);
    return differ == 0;
}

/* What comes twice is never the same again: shown_read refuses it. */
static bool pass_shows(const struct gatekeeper_pass *p, const struct shown *s)
{
    if (s->repeated)
        return false;
    if (s->way == SHOWN_NOTHING || p->shown.len == 0)
        return s->way == SHOWN_NOTHING && p->shown.len == 0;
    return p->shown.len == s->raw.len + 1 && p->shown.p[0] == (uint8_t)s->way &&
           same_bytes(p->shown.p + 1, s->raw.p, s->raw.len);
}

static void pass_give(struct gatekeeper_pass *p, const struct shown *s, struct principal *who)
{
    pass_forget(p);
    if (s->way != SHOWN_NOTHING) {
        buf_u8(&p->shown, (uint8_t)s->way);
        buf_put_slice(&p->shown, s->raw);
    }
    caller_begin(&p->caller, who);
}

/* --- refusals ----------------------------------------------------------------------- */

/* RFC 6750, 3: what is wrong with a token is said, and nothing when none was shown. */
static const char *challenge(enum auth_outcome o, bool token)
{
    if (!token)
        return "Bearer realm=\"sluice\"";
    if (o == AUTH_EXPIRED)
        return "Bearer realm=\"sluice\", error=\"invalid_token\", "
               "error_description=\"The token has expired\"";
    if (o == AUTH_NOT_YET)
        return "Bearer realm=\"sluice\", error=\"invalid_token\", "
               "error_description=\"The token is not valid yet\"";
    return "Bearer realm=\"sluice\", error=\"invalid_token\", "
           "error_description=\"The token is not valid\"";
}

void gatekeeper_problem(const struct gatekeeper *g, const struct auth_answer *answer, bool token,
                        struct problem *p)
{
    enum sluice_error error = answer->outcome == AUTH_BUSY          ? ERR_TOO_MANY
                              : answer->outcome == AUTH_UNAVAILABLE ? ERR_UNAVAILABLE
                                                                    : ERR_UNAUTHORIZED;

    (void)problem_set(p, error, NULL, auth_outcome_text(answer->outcome));
    p->retry_ms = answer->retry_ms;
    p->why = answer->why;
    if (error != ERR_UNAUTHORIZED)
        return;
    p->challenge = challenge(answer->outcome, token);
    p->challenge_basic = g->basic;
}

const char *gatekeeper_reason(const struct caller *who)
{
    return who->principal != NULL && who->principal->state == PRINCIPAL_EXPIRED ? "expired"
                                                                                : "revoked";
}

void gatekeeper_ended(const struct gatekeeper *g, const struct caller *who, struct problem *p)
{
    const struct principal *was = who->principal;
    struct auth_answer answer = {.outcome = AUTH_WRONG};

    if (was == NULL || was->kind == PRINCIPAL_ANONYMOUS)
        answer.outcome = AUTH_MISSING;
    else if (was->state == PRINCIPAL_EXPIRED)
        answer.outcome = AUTH_EXPIRED;
    gatekeeper_problem(g, &answer, was != NULL && was->kind == PRINCIPAL_TOKEN, p);
}

/* --- the question ------------------------------------------------------------------- */

static void gatekeeper_on_answer(void *arg, const struct auth_answer *answer)
{
    struct gatekeeper_ask *q = arg;

    q->ask = NULL;
    q->answer = *answer;
    q->answered = true;
    q->done(q);
}

void gatekeeper_forget(struct gatekeeper_ask *q)
{
    if (q->ask != NULL)
        authority_forget(q->ask);
    q->ask = NULL;
    principal_unref(q->answer.principal);
    q->answer.principal = NULL;
    q->answered = false;
}

/* Who acts as the pass, if its principal may have one connection more. */
static enum gatekeeper_verdict admit(struct gatekeeper_pass *pass, struct caller *who,
                                     struct problem *p)
{
    if (!caller_connect(&pass->caller)) {
        p->retry_ms = CONNECTIONS_RETRY_MS;
        (void)problem_set(p, ERR_TOO_MANY, NULL, "A limit on connections is reached");
        return GATEKEEPER_REFUSES;
    }
    if (who->principal != pass->caller.principal)
        caller_copy(who, &pass->caller);
    return GATEKEEPER_ADMITS;
}

static void shown_now(const struct gatekeeper *g, const struct http_request *r,
                      const struct gatekeeper_origin *from, struct shown *s)
{
    static const struct slice none;
    bool cookie =
        g->cookie.len > 0 && (g->cookies_across || http_gate_is_own(r, from->conn->tls != NULL));

    *s = g->open ? (struct shown){.way = SHOWN_NOTHING} : shown_find(r, cookie ? g->cookie : none);
}

/* *answer is there, or true: it comes later. */
static bool ask_authority(const struct gatekeeper *g, struct gatekeeper_ask *q,
                          const struct credentials *c, struct auth_answer *answer)
{
    q->ask = authority_ask(g->authority, c, answer, gatekeeper_on_answer, q);
    return q->ask != NULL;
}

static void text_free(struct buf *text)
{
    if (text->p != NULL)
        explicit_bzero(text->p, text->cap);
    buf_free(text);
}

static enum gatekeeper_verdict ask_anew(const struct gatekeeper *g, struct gatekeeper_pass *pass,
                                        struct gatekeeper_ask *q, const struct shown *s,
                                        const struct gatekeeper_origin *from, struct caller *who,
                                        struct problem *p)
{
    char address[CONN_ADDRESS_MAX];
    struct credentials c = {.certificate = conn_peer_subject(from->conn),
                            .address = conn_peer_address(from->conn, address),
                            .door = from->door};
    enum gatekeeper_verdict v = GATEKEEPER_REFUSES;
    struct auth_answer answer = q->answer;
    struct buf text = {0};

    if (!shown_read(s, &c, &text, p)) {
        p->challenge_basic = g->basic;
    } else if (!q->answered && ask_authority(g, q, &c, &answer)) {
        v = GATEKEEPER_ASKS;
    } else if (answer.outcome == AUTH_KNOWN) {
        pass_give(pass, s, answer.principal);
        v = admit(pass, who, p);
    } else if (answer.outcome == AUTH_MISSING && from->later) {
        caller_end(who);
        v = GATEKEEPER_ADMITS;
    } else {
        gatekeeper_problem(g, &answer, c.kind == CREDENTIALS_TOKEN, p);
    }
    text_free(&text);
    if (v == GATEKEEPER_REFUSES)
        caller_end(who); /* it acts as nobody, whoever it came as before */
    if (v != GATEKEEPER_ASKS)
        *q = (struct gatekeeper_ask){.done = q->done};
    return v;
}

enum gatekeeper_verdict gatekeeper_check(const struct gatekeeper *g, struct gatekeeper_pass *pass,
                                         struct gatekeeper_ask *q, const struct http_request *r,
                                         const struct gatekeeper_origin *from, struct caller *who,
                                         struct problem *p)
{
    struct shown s;

    assert(q->ask == NULL);
    shown_now(g, r, from, &s);
    if (!q->answered && pass->caller.principal != NULL &&
        principal_is_believed(pass->caller.principal) && pass_shows(pass, &s))
        return admit(pass, who, p);
    return ask_anew(g, pass, q, &s, from, who, p);
}
