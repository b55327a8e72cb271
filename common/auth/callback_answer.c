/*
 * callback_answer.c - credentials into JSON, JSON into findings.
 */
#include "callback_answer.h"

#include <stdlib.h>

#include "granted.h"
#include "json.h"
#include "mem.h"
#include "z85.h"

#define SECONDS_MAX 1000000000u /* 30 years: no sum of ms overflows */

/* --- the question ----------------------------------------------------------------------- */

/* A member, if there is anything to say: U+FFFD for what is no UTF-8. */
static void put_member(struct buf *out, const char *name, struct slice value)
{
    struct buf whole = {0};

    if (value.len == 0)
        return;
    utf8_put_whole(&whole, value);
    buf_puts(out, out->len > 1 ? ",\"" : "\"");
    buf_puts(out, name);
    buf_puts(out, "\":");
    json_put_string(out, buf_slice(&whole));
    explicit_bzero(whole.p, whole.cap);
    buf_free(&whole);
}

static bool is_text(struct slice s)
{
    return utf8_valid(s.p, s.len);
}

static bool put_shown(const struct credentials *c, struct buf *out)
{
    char key[Z85_TEXT + 1];

    switch (c->kind) {
    case CREDENTIALS_TOKEN:
        put_member(out, "kind", SLICE("token"));
        put_member(out, "token", c->token);
        return is_text(c->token);
    case CREDENTIALS_PASSWORD:
        put_member(out, "kind", SLICE("password"));
        put_member(out, "user", c->user);
        put_member(out, "password", c->password);
        return is_text(c->user) && is_text(c->password);
    case CREDENTIALS_KEY:
        if (c->key.len != Z85_KEY)
            return false;
        z85_put((const uint8_t *)c->key.p, key);
        put_member(out, "kind", SLICE("key"));
        put_member(out, "key", slice_of(key));
        return true;
    case CREDENTIALS_NONE:
        break;
    }
    return false;
}

bool callback_answer_ask(const struct credentials *c, struct buf *out)
{
    buf_puts(out, "{");
    put_member(out, "door", slice_of(c->door));
    if (!put_shown(c, out))
        return false;
    put_member(out, "client", c->client);
    put_member(out, "address", c->address);
    put_member(out, "certificate", c->certificate);
    buf_puts(out, "}");
    return true;
}

/* --- the answer ---------------------------------------------------------------------------- */

static bool seconds_read(const struct members *m, const char *name, uint64_t otherwise,
                         uint64_t *seconds)
{
    struct slice raw = members_get(m, name);

    *seconds = otherwise;
    return raw.p == NULL ||
           (json_kind_of(raw) == JSON_NUMBER && json_u64(raw, seconds) && *seconds <= SECONDS_MAX);
}

static const char *kind_read(const struct members *m, enum credentials_kind asked,
                             struct findings *f)
{
    static const struct {
        const char *name;
        enum principal_kind kind;
    } kinds[] = {
        {"\"user\"", PRINCIPAL_USER}, {"\"token\"", PRINCIPAL_TOKEN}, {"\"key\"", PRINCIPAL_KEY}};
    struct slice raw = members_get(m, "kind");

    f->kind = asked == CREDENTIALS_TOKEN ? PRINCIPAL_TOKEN
              : asked == CREDENTIALS_KEY ? PRINCIPAL_KEY
                                         : PRINCIPAL_USER;
    if (raw.p == NULL)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (slice_eq(raw, slice_of(kinds[i].name))) {
            f->kind = kinds[i].kind;
            return NULL;
        }
    return "its kind is none of user, token, key";
}

static const char *name_read(const struct members *m, enum credentials_kind asked,
                             struct slice user, struct findings *f)
{
    if (members_get(m, "name").p != NULL)
        f->name = members_string(m, "name");
    else if (asked == CREDENTIALS_PASSWORD && memchr(user.p, '\0', user.len) == NULL)
        f->name = mem_strndup(user.p, user.len);
    return f->name != NULL && findings_name_ok(f->name) ? NULL : "it names nobody";
}

static const char *all_read(const struct members *m, enum credentials_kind asked, struct slice user,
                            uint64_t grants_max, uint64_t now_ms, struct findings *f)
{
    const char *why = kind_read(m, asked, f);
    uint64_t cache, expires_in;

    if (why == NULL)
        why = name_read(m, asked, user, f);
    if (why != NULL)
        return why;
    if (!granted_read(m, grants_max, f))
        return "its grants are no lists of filters and roles, or are too many";
    if (!seconds_read(m, "cache", 0, &cache) || !seconds_read(m, "expires_in", 0, &expires_in))
        return "cache or expires_in is no whole number of seconds";
    if (members_get(m, "expires_in").p != NULL)
        f->expires_ms = now_ms + expires_in * 1000;
    f->keep_ms = cache * 1000;
    f->external = true;
    return NULL;
}

const char *callback_answer_read(struct slice body, enum credentials_kind kind, struct slice user,
                                 uint64_t grants_max, uint64_t now_ms, struct findings *f)
{
    struct members m;
    const char *why;

    *f = (struct findings){0};
    if (!members_read(&m, body))
        return "it is no JSON object, or has a member twice";
    why = all_read(&m, kind, user, grants_max, now_ms, f);
    members_free(&m);
    if (why != NULL)
        findings_free(f);
    return why;
}
