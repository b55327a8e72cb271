/*
 * tokens.c - a token against the keys, the rules and the deny list.
 *
 * Happy path of tokens_verify: taken apart ─▶ a key's signature ─▶ claims, for us and now ─▶
 * not denied ─▶ findings, with the key's thumbprint as their mark.  A key that is not there may
 * come (keyring.h); until then nothing is said of the token.
 */
#include "tokens.h"

#include <stdlib.h>

#include "claims.h"
#include "clock.h"
#include "denied.h"
#include "jwt.h"
#include "keyring.h"
#include "log.h"
#include "mem.h"
#include "whole_file.h"

#define SECRET_FILE_MAX 65536u

struct tokens {
    struct keyring *ring; /* [auth] jwks; NULL: not configured, as the rest */
    struct jwks *secret;  /* hmac_key_file */
    struct denied *denied;
    struct claims_rules rules; /* with strings of their own: */
    char *issuer, *audience;
};

/* --- opened and closed ------------------------------------------------------------------ */

static void strip_line_end(struct buf *b)
{
    if (b->len > 0 && b->p[b->len - 1] == '\n')
        b->len--;
    if (b->len > 0 && b->p[b->len - 1] == '\r')
        b->len--;
}

static struct jwks *secret_read(const char *file)
{
    struct buf text = {0};
    struct jwks *secret = NULL;
    const char *why;

    whole_file_judge(file, true);
    if (whole_file_read(file, SECRET_FILE_MAX, &text, &why)) {
        strip_line_end(&text);
        secret = jwks_of_secret(buf_slice(&text), &why);
    }
    if (secret == NULL)
        log_error("[auth] hmac_key_file cannot be used", LOG_S("file", file), LOG_S("error", why));
    if (text.p != NULL)
        explicit_bzero(text.p, text.cap);
    buf_free(&text);
    return secret;
}

static void rules_take(struct tokens *t, const struct config *c)
{
    t->issuer = mem_strdup(config_text(c, CFG_AUTH_ISSUER));
    t->audience = mem_strdup(config_text(c, CFG_AUTH_AUDIENCE));
    t->rules = (struct claims_rules){.issuer = t->issuer,
                                     .audience = t->audience,
                                     .leeway_ms = config_num(c, CFG_AUTH_LEEWAY),
                                     .grants_max = config_num(c, CFG_AUTH_MAX_GRANTS)};
}

struct tokens *tokens_open(uv_loop_t *loop, const struct config *c, const struct tokens *before,
                           void (*changed)(void *arg), void *arg)
{
    const char *jwks = config_text(c, CFG_AUTH_JWKS), *secret = config_text(c, CFG_AUTH_HMAC_KEY);
    const char *revoked = config_text(c, CFG_AUTH_REVOKED);
    struct tokens *t = mem_zalloc(sizeof *t);

    rules_take(t, c);
    if ((revoked[0] == '\0' || (t->denied = denied_open(revoked)) != NULL) &&
        (secret[0] == '\0' || (t->secret = secret_read(secret)) != NULL) &&
        (jwks[0] == '\0' || (t->ring = keyring_open(loop, c, before != NULL ? before->ring : NULL,
                                                    changed, arg)) != NULL))
        return t;
    tokens_close(t);
    return NULL;
}

void tokens_close(struct tokens *t)
{
    if (t == NULL)
        return;
    keyring_close(t->ring);
    jwks_unref(t->secret);
    denied_close(t->denied);
    free(t->issuer);
    free(t->audience);
    free(t);
}

bool tokens_configured(const struct config *c)
{
    return config_text(c, CFG_AUTH_JWKS)[0] != '\0' || config_text(c, CFG_AUTH_HMAC_KEY)[0] != '\0';
}

bool token_looks(struct slice text)
{
    return jwt_looks(text);
}

/* --- verified ------------------------------------------------------------------------------ */

static void refuse(struct source_answer *answer, enum auth_outcome outcome, const char *why)
{
    answer->outcome = outcome;
    answer->why = why;
}

static void judge_claims(const struct tokens *t, const struct jwt *token, const struct jwk *by,
                         struct source_answer *answer)
{
    static const enum auth_outcome outcomes[] = {[CLAIMS_GOOD] = AUTH_KNOWN,
                                                 [CLAIMS_WRONG] = AUTH_WRONG,
                                                 [CLAIMS_EXPIRED] = AUTH_EXPIRED,
                                                 [CLAIMS_NOT_YET] = AUTH_NOT_YET};
    struct findings *f = &answer->found;

    answer->outcome =
        outcomes[claims_read(buf_slice(&token->payload), &t->rules, clock_ms(), f, &answer->why)];
    if (answer->outcome != AUTH_KNOWN)
        return;
    answer->why = NULL;
    memcpy(f->mark, by->thumbprint, sizeof f->mark);
    if (denied_has(t->denied, f->jti)) {
        findings_free(f);
        refuse(answer, AUTH_WRONG, "it was revoked");
    }
}

static enum jwt_verdict verify(const struct tokens *t, const struct jwt *token,
                               const struct jwk **by)
{
    enum jwt_verdict v = jwt_verify(token, t->secret, by);

    if (v != JWT_GOOD && t->ring != NULL && keyring_keys(t->ring) != NULL) {
        enum jwt_verdict other = jwt_verify(token, keyring_keys(t->ring), by);

        v = other != JWT_NO_KEY ? other : v;
    }
    return v;
}

/* No key fits.  False: one may come. */
static bool judge_keyless(struct tokens *t, bool last, struct source_answer *answer)
{
    if (t->ring != NULL && !last && keyring_seek(t->ring))
        return false;
    if (t->ring != NULL && keyring_failing(t->ring))
        refuse(answer, AUTH_UNAVAILABLE, "no key for it, and keys cannot be fetched");
    else
        refuse(answer, AUTH_WRONG, "no key for it (kid, alg)");
    return true;
}

bool tokens_verify(struct tokens *t, struct slice token, bool last, struct source_answer *answer)
{
    const struct jwk *by = NULL;
    struct jwt parts;
    bool said = true;

    if (!jwt_read(&parts, token, &answer->why)) {
        answer->outcome = AUTH_WRONG;
        return true;
    }
    switch (verify(t, &parts, &by)) {
    case JWT_GOOD:
        judge_claims(t, &parts, by, answer);
        break;
    case JWT_FORGED:
        refuse(answer, AUTH_WRONG, "the signature is wrong");
        break;
    case JWT_NO_KEY:
        said = judge_keyless(t, last, answer);
        break;
    }
    jwt_free(&parts);
    return said;
}

/* Keys that have not come yet take nothing away. */
static bool key_stands(const struct tokens *t, const uint8_t *mark)
{
    if (t->secret != NULL && jwks_has(t->secret, mark))
        return true;
    return t->ring != NULL &&
           (keyring_keys(t->ring) == NULL || jwks_has(keyring_keys(t->ring), mark));
}

bool tokens_stand(const struct tokens *t, const struct findings *f)
{
    return key_stands(t, f->mark) && !denied_has(t->denied, f->jti) && claims_stand(f, &t->rules);
}
