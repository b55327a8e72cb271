/*
 * claims.c - members into findings.
 *
 * Issuer and audience stay in the findings, for rules that are read anew.
 */
#include "claims.h"

#include <math.h>
#include <stdlib.h>

#include "config.h"
#include "granted.h"
#include "json.h"
#include "mem.h"

#define NUMBER_MAX 32u   /* digits of a date */
#define SECONDS_MAX 1e12 /* whoever writes ms for seconds is not believed for 30,000 years */
#define AUDIENCES_MAX 64u

/* --- names ------------------------------------------------------------------------------- */

static const char *names_read(const struct members *m, struct findings *f)
{
    f->kind = PRINCIPAL_TOKEN;
    f->name = members_string(m, "sub");
    if (f->name == NULL || !findings_name_ok(f->name))
        return "it names nobody (sub)";
    if (members_get(m, "jti").p == NULL)
        return NULL;
    f->jti = members_string(m, "jti");
    return f->jti != NULL && findings_name_ok(f->jti) ? NULL : "a jti that is no name";
}

/* --- time -------------------------------------------------------------------------------- */

/* A NumericDate (RFC 7519, 2): seconds, perhaps with a fraction.  0 when there is none. */
static bool date_read(const struct members *m, const char *name, uint64_t *ms)
{
    struct slice raw = members_get(m, name);
    char text[NUMBER_MAX + 1];
    double seconds;

    *ms = 0;
    if (raw.p == NULL)
        return true;
    if (json_kind_of(raw) != JSON_NUMBER || raw.len > NUMBER_MAX)
        return false;
    memcpy(text, raw.p, raw.len);
    text[raw.len] = '\0';
    seconds = strtod(text, NULL);
    if (!(seconds >= 0 && seconds <= SECONDS_MAX))
        return false;
    *ms = (uint64_t)(seconds * 1000) + (seconds == 0); /* 1970 is a date, too */
    return true;
}

static enum claims_verdict time_verdict(const struct members *m, const struct claims_rules *r,
                                        uint64_t now, struct findings *f, const char **why)
{
    uint64_t exp, nbf, iat;

    *why = "a time that is no number of seconds since 1970";
    if (!date_read(m, "exp", &exp) || !date_read(m, "nbf", &nbf) || !date_read(m, "iat", &iat))
        return CLAIMS_WRONG;
    *why = "it has run out (exp)";
    f->expires_ms = exp != 0 ? exp + r->leeway_ms : 0;
    if (f->expires_ms != 0 && f->expires_ms <= now)
        return CLAIMS_EXPIRED;
    *why = nbf > now + r->leeway_ms ? "its time has not come (nbf)" : "made in the future (iat)";
    if (nbf > now + r->leeway_ms || iat > now + r->leeway_ms)
        return CLAIMS_NOT_YET;
    return CLAIMS_GOOD;
}

/* --- from whom, for whom ----------------------------------------------------------------- */

static bool put_party(struct buf *out, struct slice raw)
{
    struct buf text = {0};
    bool ok = json_kind_of(raw) == JSON_STRING;

    if (ok)
        json_string_get(raw, &text);
    ok = ok && text.len <= UINT16_MAX;
    if (ok)
        buf_str16(out, buf_slice(&text));
    buf_free(&text);
    return ok;
}

static bool put_audience(struct buf *out, struct slice aud)
{
    struct json_iter it;
    struct slice one;
    size_t count = 0;

    if (aud.p == NULL)
        return true;
    if (json_kind_of(aud) != JSON_ARRAY)
        return put_party(out, aud);
    for (it = json_iter_of(aud); json_element(&it, &one);)
        if (++count > AUDIENCES_MAX || !put_party(out, one))
            return false;
    return true;
}

/* str16 each: the issuer, empty when there is none, and the audiences. */
static bool parties_read(const struct members *m, struct buf *out)
{
    struct slice iss = members_get(m, "iss");

    if (iss.p == NULL)
        buf_str16(out, SLICE(""));
    else if (!put_party(out, iss))
        return false;
    return put_audience(out, members_get(m, "aud"));
}

static bool is_listed(const char *list, struct slice name)
{
    struct slice rest = slice_of(list), one;

    while (config_list_next(&rest, &one))
        if (slice_eq(one, name))
            return true;
    return false;
}

/* NULL: fine. */
static const char *parties_wrong(const struct buf *parties, const struct claims_rules *r)
{
    struct reader in = reader_of(parties->p, parties->len);
    struct slice issuer = reader_str16(&in);

    if (r->issuer[0] != '\0' && !slice_eq(issuer, slice_of(r->issuer)))
        return "another issuer (iss)";
    if (r->audience[0] == '\0')
        return NULL;
    while (in.left > 0)
        if (is_listed(r->audience, reader_str16(&in)))
            return NULL;
    return "for another audience (aud)";
}

bool claims_stand(const struct findings *f, const struct claims_rules *r)
{
    return parties_wrong(&f->parties, r) == NULL;
}

/* --- {"sluice":{…}} ---------------------------------------------------------------------- */

static bool grants_read(const struct members *m, const struct claims_rules *r, struct findings *f)
{
    struct slice own = members_get(m, "sluice");
    struct members lists;
    bool ok;

    if (own.p == NULL)
        return true;
    if (!members_of(&lists, own))
        return false;
    ok = granted_read(&lists, r->grants_max, f);
    members_free(&lists);
    return ok;
}

/* --- all of it
 * ------------------------------------------------------------------------------------- */

static enum claims_verdict verdict(const struct members *m, const struct claims_rules *r,
                                   uint64_t now, struct findings *f, const char **why)
{
    *why = names_read(m, f);
    if (*why == NULL && !parties_read(m, &f->parties))
        *why = "an issuer or audience that is no text";
    if (*why == NULL)
        *why = parties_wrong(&f->parties, r);
    if (*why == NULL && !grants_read(m, r, f))
        *why = "grants that are no lists of filters and roles, or are too many";
    return *why != NULL ? CLAIMS_WRONG : time_verdict(m, r, now, f, why);
}

enum claims_verdict claims_read(struct slice payload, const struct claims_rules *r, uint64_t now_ms,
                                struct findings *f, const char **why)
{
    enum claims_verdict v;
    struct members m;

    *f = (struct findings){0};
    if (!members_read(&m, payload)) {
        *why = "claims that are no JSON object, or one twice";
        return CLAIMS_WRONG;
    }
    v = verdict(&m, r, now_ms, f, why);
    members_free(&m);
    if (v != CLAIMS_GOOD)
        findings_free(f);
    return v;
}
