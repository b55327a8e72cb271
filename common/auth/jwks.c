/*
 * jwks.c - {"keys":[…]} into a list.
 */
#include "jwks.h"

#include <stdlib.h>

#include "json.h"
#include "mem.h"
#include "members.h"

struct jwks {
    uint32_t references;
    size_t count;
    struct jwk *list;
};

static struct jwks *jwks_new(size_t room)
{
    struct jwks *s = mem_zalloc(sizeof *s);

    s->references = 1;
    s->list = mem_array(room, sizeof *s->list);
    return s;
}

struct jwks *jwks_ref(struct jwks *s)
{
    s->references++;
    return s;
}

void jwks_unref(struct jwks *s)
{
    if (s == NULL || --s->references > 0)
        return;
    for (size_t i = 0; i < s->count; i++)
        jwk_free(&s->list[i]);
    free(s->list);
    free(s);
}

static void add_key(struct jwks *s, struct slice json, enum jwks_from from, const char **left_out)
{
    struct jwk *k = &s->list[s->count];

    if (!jwk_read(k, json, JWK_PUBLIC, left_out))
        return;
    if (k->key.kind == JWA_SECRET && from == JWKS_OF_WEB) {
        *left_out = "a secret that anybody can fetch";
        jwk_free(k);
        return;
    }
    s->count++;
}

static bool add_all(struct jwks *s, struct slice keys, enum jwks_from from, const char **left_out)
{
    struct json_iter it = json_iter_of(keys);
    struct slice one;

    for (size_t seen = 0; json_element(&it, &one); seen++) {
        if (seen == JWKS_KEYS_MAX)
            return false;
        add_key(s, one, from, left_out);
    }
    return true;
}

static struct slice keys_of(struct slice text, struct members *m)
{
    struct slice keys = {0};

    if (text.len <= JWKS_SIZE_MAX && members_read(m, text))
        keys = members_get(m, "keys");
    return keys.p != NULL && json_kind_of(keys) == JSON_ARRAY ? keys : (struct slice){0};
}

struct jwks *jwks_read(struct slice text, enum jwks_from from, const char **why,
                       const char **left_out)
{
    struct members m = {0};
    struct slice keys = keys_of(text, &m);
    struct jwks *s = jwks_new(JWKS_KEYS_MAX);

    *left_out = NULL;
    *why = NULL;
    if (keys.p == NULL)
        *why = "it is no JWKS: an object with \"keys\", each member once";
    else if (!add_all(s, keys, from, left_out))
        *why = "it has more than 100 keys";
    else if (s->count == 0)
        *why = "it has no key that is of use";
    members_free(&m);
    if (*why == NULL)
        return s;
    jwks_unref(s);
    return NULL;
}

struct jwks *jwks_of_secret(struct slice secret, const char **why)
{
    struct jwks *s = jwks_new(1);

    if (jwk_read_secret(&s->list[0], secret, why)) {
        s->count = 1;
        return s;
    }
    jwks_unref(s);
    return NULL;
}

size_t jwks_count(const struct jwks *s)
{
    return s->count;
}

const struct jwk *jwks_next(const struct jwks *s, const struct jwa *alg, struct slice kid,
                            size_t *at)
{
    while (*at < s->count) {
        const struct jwk *k = &s->list[(*at)++];

        if (jwk_may(k, alg) && (kid.p == NULL || k->kid == NULL || slice_eq(kid, slice_of(k->kid))))
            return k;
    }
    return NULL;
}

bool jwks_has(const struct jwks *s, const uint8_t thumbprint[JWK_THUMBPRINT])
{
    for (size_t i = 0; i < s->count; i++)
        if (memcmp(s->list[i].thumbprint, thumbprint, JWK_THUMBPRINT) == 0)
            return true;
    return false;
}
