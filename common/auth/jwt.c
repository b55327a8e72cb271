/*
 * jwt.c - parts, header, signature.
 */
#include "jwt.h"

#include <ctype.h>
#include <stdlib.h>

#include "base64.h"
#include "json.h"
#include "members.h"

/* Without a kid every key that fits is tried; so many. */
#define KEYS_TRIED_MAX 8

struct parts {
    struct slice header, payload, signature;
};

/* Up to the next '.', which is taken off, too. */
static struct slice part_next(struct slice *rest)
{
    struct slice part = {rest->p, 0};

    while (part.len < rest->len && base64_url_is_digit(rest->p[part.len]))
        part.len++;
    *rest = (struct slice){rest->p + part.len, rest->len - part.len};
    return part;
}

static bool dot_next(struct slice *rest)
{
    if (rest->len == 0 || rest->p[0] != '.')
        return false;
    *rest = (struct slice){rest->p + 1, rest->len - 1};
    return true;
}

static bool split(struct slice token, struct parts *p)
{
    if (token.len == 0 || token.len > JWT_SIZE_MAX)
        return false;
    p->header = part_next(&token);
    if (!dot_next(&token))
        return false;
    p->payload = part_next(&token);
    if (!dot_next(&token))
        return false;
    p->signature = part_next(&token);
    return token.len == 0 && p->header.len > 0 && p->payload.len > 0 && p->signature.len > 0;
}

static bool in_brackets(struct slice text)
{
    while (text.len > 0 && isspace((unsigned char)text.p[text.len - 1]))
        text.len--;
    while (text.len > 0 && isspace((unsigned char)text.p[0]))
        text = (struct slice){text.p + 1, text.len - 1};
    return text.len >= 2 && text.p[0] == '{' && text.p[text.len - 1] == '}';
}

bool jwt_looks(struct slice token)
{
    struct buf header = {0};
    struct parts p;
    bool looks =
        split(token, &p) && base64_url_get(p.header, &header) && in_brackets(buf_slice(&header));

    buf_free(&header);
    return looks;
}

/* RFC 7519, 5.1 and RFC 9068, 2.1: a media type without "application/", in either case. */
static bool typ_ok(const struct members *m)
{
    struct slice raw = members_get(m, "typ"), typ;
    struct buf text = {0};
    bool ok;

    if (raw.p == NULL)
        return true;
    if (!members_text(m, "typ", &text))
        return false;
    typ = buf_slice(&text);
    ok = slice_eq_nocase(typ, SLICE("JWT")) || slice_eq_nocase(typ, SLICE("at+jwt")) ||
         slice_eq_nocase(typ, SLICE("application/jwt")) ||
         slice_eq_nocase(typ, SLICE("application/at+jwt"));
    buf_free(&text);
    return ok;
}

static const struct jwa *alg_of(const struct members *m)
{
    struct buf text = {0};
    const struct jwa *alg = NULL;

    if (members_text(m, "alg", &text))
        alg = jwa_find(buf_slice(&text));
    buf_free(&text);
    return alg;
}

/* NULL: fine. */
static const char *header_wrong(struct jwt *t, const struct members *m)
{
    t->alg = alg_of(m);
    if (t->alg == NULL)
        return "an algorithm that is not known";
    if (members_get(m, "crit").p != NULL)
        return "an extension that is not known (crit)";
    if (!typ_ok(m))
        return "a token of another type";
    if (members_get(m, "kid").p == NULL)
        return NULL;
    t->kid = members_string(m, "kid");
    return t->kid != NULL ? NULL : "a kid that is no name";
}

static const char *read_wrong(struct jwt *t, struct slice token)
{
    struct parts p;
    struct members m;
    const char *why;

    if (!split(token, &p) || !base64_url_get(p.header, &t->header) ||
        !base64_url_get(p.payload, &t->payload) || !base64_url_get(p.signature, &t->signature))
        return "not a signed token";
    t->signed_text = (struct slice){token.p, p.header.len + 1 + p.payload.len};
    if (!members_read(&m, buf_slice(&t->header)))
        return "a header that is no JSON object, or a member twice";
    why = header_wrong(t, &m);
    members_free(&m);
    return why;
}

bool jwt_read(struct jwt *t, struct slice token, const char **why)
{
    *t = (struct jwt){0};
    *why = read_wrong(t, token);
    if (*why != NULL)
        jwt_free(t);
    return *why == NULL;
}

void jwt_free(struct jwt *t)
{
    free(t->kid);
    buf_free(&t->header);
    buf_free(&t->payload);
    buf_free(&t->signature);
    *t = (struct jwt){0};
}

enum jwt_verdict jwt_verify(const struct jwt *t, const struct jwks *s, const struct jwk **by)
{
    struct slice kid = t->kid != NULL ? slice_of(t->kid) : (struct slice){0};
    size_t at = 0, tried = 0;

    while (s != NULL && tried < KEYS_TRIED_MAX && (*by = jwks_next(s, t->alg, kid, &at)) != NULL) {
        if (jwa_verify(t->alg, &(*by)->key, t->signed_text, buf_slice(&t->signature)))
            return JWT_GOOD;
        tried++;
    }
    *by = NULL;
    return tried > 0 ? JWT_FORGED : JWT_NO_KEY;
}

bool jwt_sign(const struct jwk *k, struct slice claims, struct buf *token)
{
    const struct jwa *alg = k->alg != NULL ? k->alg : jwa_default(k->key.kind);
    struct buf header = {0}, signature = {0};
    size_t at = token->len;
    bool ok;

    buf_printf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"", jwa_name(alg));
    if (k->kid != NULL) {
        buf_puts(&header, ",\"kid\":");
        json_put_string(&header, slice_of(k->kid));
    }
    buf_u8(&header, '}');
    base64_url_put(token, buf_slice(&header));
    buf_u8(token, '.');
    base64_url_put(token, claims);
    ok = jwa_sign(alg, &k->key, (struct slice){(const char *)token->p + at, token->len - at},
                  &signature);
    buf_u8(token, '.');
    base64_url_put(token, buf_slice(&signature));
    buf_free(&header);
    buf_free(&signature);
    return ok;
}
