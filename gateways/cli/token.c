/*
 * token.c - sluice token: makes a token (JWT) and prints it alone.
 *
 * What the configuration asks of tokens (issuer, audience, the secret) is what this one gets,
 * unless the line says otherwise.
 */
#include <stdio.h>
#include <sys/random.h>

#include "base64.h"
#include "cli.h"
#include "clock.h"
#include "grants.h"
#include "json.h"
#include "jwt.h"
#include "mem.h"
#include "whole_file.h"

#define KEY_FILE_MAX 65536u
#define JTI_SIZE 16
#define TTL_DEFAULT "1h"

enum {
    TOKEN_KEY,
    TOKEN_SUB,
    TOKEN_PUBLISH,
    TOKEN_SUBSCRIBE,
    TOKEN_MANAGE,
    TOKEN_ROLE,
    TOKEN_TTL,
    TOKEN_KID,
    TOKEN_ISSUER,
    TOKEN_AUDIENCE,
    TOKEN_JTI,
};
static const struct option_spec options[] = {
    [TOKEN_KEY] = {"key", '\0', "FILE", "private key (PEM, JWK) or secret; or the configured one"},
    [TOKEN_SUB] = {"sub", '\0', "NAME", "who it is for: token:NAME"},
    [TOKEN_PUBLISH] = {"publish", '\0', "FILTER", "may publish there; as often as you like"},
    [TOKEN_SUBSCRIBE] = {"subscribe", '\0', "FILTER", "may subscribe there"},
    [TOKEN_MANAGE] = {"manage", '\0', "FILTER", "may delete there"},
    [TOKEN_ROLE] = {"role", '\0', "ROLE", "may what that [role] of the configuration may"},
    [TOKEN_TTL] = {"ttl", '\0', "TIME", "runs out after it: 1h (the default), 30d, never"},
    [TOKEN_KID] = {"kid", '\0', "ID", "the key's name in the JWKS"},
    [TOKEN_ISSUER] = {"issuer", '\0', "ISS", "who makes it; [auth] issuer"},
    [TOKEN_AUDIENCE] = {"audience", '\0', "AUD", "for whom it is; the first of [auth] audience"},
    [TOKEN_JTI] = {"jti", '\0', "ID", "its own name, for [auth] revoked; random unless given"},
};

/* --- the key ---------------------------------------------------------------------------- */

static void wipe(struct buf *b)
{
    if (b->p != NULL)
        explicit_bzero(b->p, b->cap);
    buf_free(b);
}

static void strip_line_end(struct buf *b)
{
    if (b->len > 0 && b->p[b->len - 1] == '\n')
        b->len--;
    if (b->len > 0 && b->p[b->len - 1] == '\r')
        b->len--;
}

/* By its first characters. */
static bool key_read(struct jwk *k, struct buf *text, const char **why)
{
    if (slice_starts(buf_slice(text), SLICE("-----BEGIN")))
        return jwk_read_pem(k, buf_slice(text), why);
    if (text->len > 0 && text->p[0] == '{')
        return jwk_read(k, buf_slice(text), JWK_PRIVATE, why);
    strip_line_end(text);
    return jwk_read_secret(k, buf_slice(text), why);
}

static bool key_open(struct jwk *k, const struct invocation *in)
{
    const char *file = arguments_get(in->args, TOKEN_KEY), *why;
    const char *kid = arguments_get(in->args, TOKEN_KID);
    struct buf text = {0};
    bool ok;

    if (file == NULL)
        file = config_text(in->config, CFG_AUTH_HMAC_KEY);
    if (file[0] == '\0') {
        (void)cli_fail(CLI_USAGE, "which key signs it? --key FILE");
        return false;
    }
    ok = whole_file_read(file, KEY_FILE_MAX, &text, &why) && key_read(k, &text, &why);
    wipe(&text);
    if (!ok)
        (void)cli_fail(CLI_FAILED, "%s: %s", file, why);
    if (ok && kid != NULL) {
        free(k->kid);
        k->kid = mem_strdup(kid);
    }
    return ok;
}

/* --- the claims ---------------------------------------------------------------------------- */

static void put_name(struct buf *out, const char *name)
{
    if (out->p[out->len - 1] != '{')
        buf_u8(out, ',');
    json_put_string(out, slice_of(name));
    buf_u8(out, ':');
}

static void put_claim(struct buf *out, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    put_name(out, name);
    json_put_string(out, value);
}

/* The options of one list.  False, printed: one is no filter. */
static bool put_list(struct buf *out, const struct invocation *in, size_t option, const char *name,
                     bool filters)
{
    const char *value;
    size_t at = 0, count = 0;

    while ((value = arguments_next(in->args, option, &at)) != NULL) {
        if (filters ? filter_check(slice_of(value)) != TOPIC_OK : value[0] == '\0') {
            (void)cli_fail(CLI_USAGE, "--%s: '%s' is no %s", options[option].name, value,
                           filters ? "filter" : "role");
            return false;
        }
        if (count++ == 0)
            put_name(out, name);
        buf_u8(out, count == 1 ? '[' : ',');
        json_put_string(out, slice_of(value));
    }
    if (count > 0)
        buf_u8(out, ']');
    return true;
}

static bool put_grants(struct buf *out, const struct invocation *in)
{
    bool ok = true;

    put_name(out, "sluice");
    buf_u8(out, '{');
    for (size_t i = 0; ok && i < AUTH_VERBS; i++)
        ok = put_list(out, in, TOKEN_PUBLISH + i, auth_verb_names[i], true);
    ok = ok && put_list(out, in, TOKEN_ROLE, "roles", false);
    buf_u8(out, '}');
    return ok;
}

/* Seconds since 1970: made, and run out. */
static bool put_times(struct buf *out, const struct invocation *in)
{
    const char *ttl = arguments_get(in->args, TOKEN_TTL);
    uint64_t now = clock_ms(), life = 0;

    if (ttl == NULL)
        ttl = TTL_DEFAULT;
    put_name(out, "iat");
    buf_dec(out, now / 1000);
    if (strcmp(ttl, "never") == 0)
        return true;
    if (!config_duration(ttl, &life) || life < 1000) {
        (void)cli_fail(CLI_USAGE, "--ttl: '%s' is no time such as 10m, 1h, 30d, or never", ttl);
        return false;
    }
    put_name(out, "exp");
    buf_dec(out, (now + life) / 1000);
    return true;
}

static void put_jti(struct buf *out, const char *given)
{
    uint8_t random[JTI_SIZE];
    struct buf text = {0};

    if (given == NULL && getrandom(random, sizeof random, 0) == sizeof random)
        base64_url_put(&text, (struct slice){(const char *)random, sizeof random});
    put_claim(out, "jti", given != NULL ? slice_of(given) : buf_slice(&text));
    buf_free(&text);
}

static struct slice audience_of(const struct invocation *in)
{
    const char *given = arguments_get(in->args, TOKEN_AUDIENCE);
    struct slice rest = slice_of(config_text(in->config, CFG_AUTH_AUDIENCE)), first = {0};

    if (given != NULL)
        return slice_of(given);
    return config_list_next(&rest, &first) ? first : (struct slice){0};
}

static bool put_claims(struct buf *out, const struct invocation *in)
{
    const char *sub = arguments_get(in->args, TOKEN_SUB);
    const char *issuer = arguments_get(in->args, TOKEN_ISSUER);

    if (sub == NULL || sub[0] == '\0' || !utf8_valid(sub, strlen(sub))) {
        (void)cli_fail(CLI_USAGE, "who is it for? --sub NAME");
        return false;
    }
    buf_u8(out, '{');
    put_claim(out, "sub", slice_of(sub));
    put_claim(out, "iss",
              slice_of(issuer != NULL ? issuer : config_text(in->config, CFG_AUTH_ISSUER)));
    put_claim(out, "aud", audience_of(in));
    put_jti(out, arguments_get(in->args, TOKEN_JTI));
    return put_times(out, in) && put_grants(out, in) && (buf_u8(out, '}'), true);
}

static int token_run(const struct invocation *in)
{
    struct buf claims = {0}, token = {0};
    struct jwk key;
    int code = CLI_OK;

    if (!put_claims(&claims, in)) {
        code = CLI_USAGE;
    } else if (!key_open(&key, in)) {
        code = arguments_get(in->args, TOKEN_KEY) != NULL ? CLI_FAILED : CLI_USAGE;
    } else {
        if (jwt_sign(&key, buf_slice(&claims), &token))
            printf("%.*s\n", (int)token.len, (char *)token.p);
        else
            code = cli_fail(CLI_FAILED, "the key cannot sign");
        jwk_free(&key);
    }
    buf_free(&claims);
    wipe(&token);
    return code;
}

const struct command command_token = {
    .name = "token",
    .operands = "",
    .summary = "make a token that says who may do what",
    .details =
        "Signed with a private key in PEM (RSA, EC, Ed25519) or as a JWK (`sluice keygen --jwt`),\n"
        "or with the secret of [auth] hmac_key_file.  The servers need its public part in\n"
        "[auth] jwks.  A name in a filter: a/%u/# is a/alice/# for alice.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = token_run,
};
