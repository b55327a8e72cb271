/*
 * fuzz_jwt.c - any bytes as a token, and as the claims of one that was signed: refused or read,
 * and what is read keeps what claims.h promises.
 */
#include <stdlib.h>

#include "base64.h"
#include "claims.h"
#include "jwt.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct jwks *one_key(void)
{
    static struct jwks *keys;
    const char *why;

    if (keys == NULL)
        keys = jwks_of_secret(SLICE("0123456789abcdef0123456789abcdef"), &why);
    return keys;
}

static void check_found(const struct findings *f)
{
    struct reader roles = reader_of(f->roles.p, f->roles.len);
    struct reader grants = reader_of(f->grants.p, f->grants.len);

    if (f->name == NULL || f->name[0] == '\0')
        abort();
    while (roles.left > 0)
        (void)reader_str16(&roles);
    while (grants.left > 0)
        if (reader_u8(&grants) >= AUTH_VERBS || filter_check(reader_str16(&grants)) != TOPIC_OK)
            abort();
    if (roles.bad || grants.bad)
        abort();
}

static void judge(struct slice payload)
{
    static const struct claims_rules rules[] = {
        {.issuer = "", .audience = "", .leeway_ms = 5000, .grants_max = 8},
        {.issuer = "us", .audience = "us, them", .leeway_ms = 0, .grants_max = 1},
    };
    struct findings f;
    const char *why;

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (claims_read(payload, &rules[i], 1700000000000, &f, &why) != CLAIMS_GOOD)
            continue;
        check_found(&f);
        if (!claims_stand(&f, &rules[i]))
            abort();
        findings_free(&f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    const struct jwk *by;
    const char *why;
    struct jwt t;

    judge(text);
    if (!jwt_read(&t, text, &why))
        return 0;
    if (!jwt_looks(text))
        abort();
    if (jwt_verify(&t, one_key(), &by) == JWT_GOOD)
        judge(buf_slice(&t.payload));
    jwt_free(&t);
    return 0;
}
