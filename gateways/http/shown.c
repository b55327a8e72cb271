/*
 * shown.c - Authorization, access_token and cookies, taken apart.
 */
#include "shown.h"

#include "base64.h"
#include "http_chars.h"
#include "url.h"

/* --- which of them ------------------------------------------------------------------ */

static bool is_access_token(struct slice name)
{
    struct buf text = {0};
    bool is = slice_eq(name, SLICE("access_token"));

    if (!is && name.len > 0 && memchr(name.p, '%', name.len) != NULL)
        is = url_decode(name, &text) && slice_eq(buf_slice(&text), SLICE("access_token"));
    buf_free(&text);
    return is;
}

static void find_in_query(struct shown *s, struct slice query)
{
    struct slice name, value;

    while (url_query_next(&query, &name, &value)) {
        if (!is_access_token(name))
            continue;
        s->repeated = s->way == SHOWN_ACCESS_TOKEN;
        s->way = SHOWN_ACCESS_TOKEN;
        s->raw = value;
    }
}

/* A value may stand between quotes, which are not part of it for us. */
static struct slice cookie_value(struct slice v)
{
    if (v.len >= 2 && v.p[0] == '"' && v.p[v.len - 1] == '"')
        return (struct slice){v.p + 1, v.len - 2};
    return v;
}

static bool cookie_in(struct slice list, struct slice wanted, struct slice *value)
{
    while (list.len > 0) {
        const char *end = memchr(list.p, ';', list.len);
        size_t len = end != NULL ? (size_t)(end - list.p) : list.len;
        struct slice pair = http_trim((struct slice){list.p, len});
        const char *mark = pair.len > 0 ? memchr(pair.p, '=', pair.len) : NULL;
        size_t name = mark != NULL ? (size_t)(mark - pair.p) : 0;

        list.p += len + (end != NULL);
        list.len -= len + (end != NULL);
        if (mark == NULL || !slice_eq((struct slice){pair.p, name}, wanted))
            continue;
        *value = cookie_value((struct slice){mark + 1, pair.len - name - 1});
        return true;
    }
    return false;
}

/* HTTP/2 sends each in a field of its own.  One that was emptied is none any more. */
static void find_cookie(struct shown *s, const struct http_request *r, struct slice cookie)
{
    struct slice value;

    for (size_t i = 0; cookie.len > 0 && i < r->header_count; i++) {
        if (!slice_eq_nocase(r->headers[i].name, SLICE("cookie")) ||
            !cookie_in(r->headers[i].value, cookie, &value))
            continue;
        if (value.len > 0)
            *s = (struct shown){.way = SHOWN_COOKIE, .raw = value};
        return;
    }
}

struct shown shown_find(const struct http_request *r, struct slice cookie)
{
    struct shown s = {.way = SHOWN_AUTHORIZATION};

    s.raw = http_request_header(r, "authorization", &s.repeated);
    if (s.raw.p != NULL)
        return s;
    s = (struct shown){.way = SHOWN_NOTHING};
    if (r->query.len > 0)
        find_in_query(&s, r->query);
    if (s.way == SHOWN_NOTHING)
        find_cookie(&s, r, cookie);
    return s;
}

/* --- what it says ------------------------------------------------------------------- */

static bool shown_malformed(struct problem *p, const char *detail)
{
    p->challenge = "Bearer realm=\"sluice\", error=\"invalid_request\"";
    return problem_set(p, ERR_UNAUTHORIZED, "Authorization", detail);
}

/* token68 of RFC 9110, 11.2; padding at its end only. */
static bool is_token68(struct slice s)
{
    size_t i = 0;

    while (i < s.len && (http_char_is(s.p[i], CHAR_UNRESERVED) || s.p[i] == '+' || s.p[i] == '/'))
        i++;
    if (i == 0)
        return false;
    while (i < s.len && s.p[i] == '=')
        i++;
    return i == s.len;
}

static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((uint8_t)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return utf8_valid(s.p, s.len);
}

static bool read_basic(struct slice value, struct credentials *c, struct buf *text,
                       struct problem *p)
{
    struct slice pair;
    const char *mark;

    if (value.len == 0 || !base64_get(value, text))
        return shown_malformed(p, "Basic must be followed by base64 with padding");
    pair = buf_slice(text);
    mark = pair.len > 0 ? memchr(pair.p, ':', pair.len) : NULL;
    if (mark == NULL || !is_text(pair))
        return shown_malformed(p, "Basic must hold a name, a colon and a password in UTF-8");
    c->kind = CREDENTIALS_PASSWORD;
    c->user = (struct slice){pair.p, (size_t)(mark - pair.p)};
    c->password = (struct slice){mark + 1, pair.len - c->user.len - 1};
    return true;
}

static bool read_bearer(struct slice value, struct credentials *c, struct problem *p)
{
    if (!is_token68(value))
        return shown_malformed(p, "Bearer must be followed by one token");
    c->kind = CREDENTIALS_TOKEN;
    c->token = value;
    return true;
}

static bool read_authorization(struct slice value, struct credentials *c, struct buf *text,
                               struct problem *p)
{
    const char *blank = value.len > 0 ? memchr(value.p, ' ', value.len) : NULL;
    struct slice scheme = {value.p, blank != NULL ? (size_t)(blank - value.p) : value.len};
    struct slice rest = http_trim((struct slice){value.p + scheme.len, value.len - scheme.len});

    if (slice_eq_nocase(scheme, SLICE("bearer")))
        return read_bearer(rest, c, p);
    if (slice_eq_nocase(scheme, SLICE("basic")))
        return read_basic(rest, c, text, p);
    return shown_malformed(p, "Bearer and Basic are understood");
}

static bool read_access_token(struct slice value, struct credentials *c, struct buf *text,
                              struct problem *p)
{
    if (!url_decode(value, text) || !is_text(buf_slice(text)))
        return problem_set(p, ERR_BAD_REQUEST, "access_token", "access_token is malformed");
    c->kind = CREDENTIALS_TOKEN;
    c->token = buf_slice(text);
    return true;
}

bool shown_read(const struct shown *s, struct credentials *c, struct buf *text, struct problem *p)
{
    switch (s->way) {
    case SHOWN_NOTHING:
        break;
    case SHOWN_AUTHORIZATION:
        return s->repeated ? shown_malformed(p, "Authorization comes twice")
                           : read_authorization(s->raw, c, text, p);
    case SHOWN_ACCESS_TOKEN:
        if (s->repeated)
            return problem_set(p, ERR_BAD_REQUEST, "access_token", "access_token comes twice");
        return read_access_token(s->raw, c, text, p);
    case SHOWN_COOKIE:
        c->kind = CREDENTIALS_TOKEN;
        c->token = s->raw;
        break;
    }
    return true;
}
