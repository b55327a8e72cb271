/*
 * http1.c - the head of an HTTP/1.1 request.
 *
 * Happy path: one pass over the bytes, line by line, each run of characters
 * found by a table (http_chars.h); then the fields that frame the message are
 * looked up and must agree.  A request is refused at the first byte that proves
 * it wrong, whole or not, and the answer never depends on how the bytes were cut:
 * a longer buffer gives the same head or the same error.
 *
 * Every step returns OK, MORE (the bytes end too early) or an http1_error.
 */
#include "http1.h"

#include <assert.h>
#include <limits.h>

#include "http_chars.h"

#define METHOD_MAX 32 /* longer than any that exists */

enum { MORE = 0, OK = 1 };

struct http1_cursor {
    const char *p;
    const char *end;
};

static struct slice take_run(struct http1_cursor *c, enum http_char set)
{
    const char *start = c->p;

    while (c->p < c->end && http_char_is(*c->p, set))
        c->p++;
    return (struct slice){start, (size_t)(c->p - start)};
}

static int take_char(struct http1_cursor *c, char expected)
{
    if (c->p == c->end)
        return MORE;
    if (*c->p != expected)
        return HTTP1_BAD;
    c->p++;
    return OK;
}

static int take_crlf(struct http1_cursor *c)
{
    int rc = take_char(c, '\r');

    return rc == OK ? take_char(c, '\n') : rc;
}

/* --- the request line --------------------------------------------------------- */

static int parse_method(struct http_request *r, struct http1_cursor *c)
{
    r->method = take_run(c, CHAR_TOKEN);
    if (r->method.len > METHOD_MAX)
        return HTTP1_NOT_IMPLEMENTED;
    if (r->method.len == 0 && c->p < c->end)
        return HTTP1_BAD;
    return take_char(c, ' ');
}

static int parse_target(struct slice *target, struct http1_cursor *c, size_t max)
{
    *target = take_run(c, CHAR_TARGET);
    if (target->len > max)
        return HTTP1_URI_TOO_LONG;
    if (target->len == 0 && c->p < c->end)
        return HTTP1_BAD;
    return take_char(c, ' ');
}

static int parse_version(struct http_request *r, struct http1_cursor *c)
{
    static const char form[] = "HTTP/0.0"; /* 0 stands for a digit */
    const char *p = c->p;
    int rc;

    for (const char *f = form; *f != '\0'; f++, c->p++) {
        if (c->p == c->end)
            return MORE;
        if (*f == '0' ? *c->p < '0' || *c->p > '9' : *c->p != *f)
            return HTTP1_BAD;
    }
    rc = take_crlf(c);
    if (rc == OK && (p[5] != '1' || p[7] > '1'))
        return HTTP1_VERSION;
    r->minor = (unsigned)(p[7] - '0');
    return rc;
}

static int parse_request_line(struct http_request *r, struct http1_cursor *c, size_t target_max)
{
    struct slice target;
    int rc = parse_method(r, c);

    if (rc == OK)
        rc = parse_target(&target, c, target_max);
    if (rc == OK)
        rc = parse_version(r, c);
    if (rc == OK && !http_request_target_split(r, target))
        rc = HTTP1_BAD;
    return rc;
}

/* --- header fields -------------------------------------------------------------- */

static int parse_header(struct http_request *r, struct http1_cursor *c)
{
    struct slice name = take_run(c, CHAR_TOKEN), value;
    int rc;

    if (name.len == 0 && c->p < c->end)
        return HTTP1_BAD; /* obs-fold is seen here */
    rc = take_char(c, ':');
    if (rc != OK)
        return rc;
    value = take_run(c, CHAR_FIELD);
    rc = take_crlf(c);
    if (rc != OK)
        return rc;
    if (r->header_count == HTTP_HEADERS_MAX)
        return HTTP1_HEAD_TOO_LARGE;
    r->headers[r->header_count++] = (struct http_header){name, http_trim(value)};
    return OK;
}

static int parse_headers(struct http_request *r, struct http1_cursor *c)
{
    while (c->p == c->end || *c->p != '\r') {
        int rc = parse_header(r, c);

        if (rc != OK)
            return rc;
    }
    return take_crlf(c);
}

/* --- what the fields say ---------------------------------------------------------- */

static int check_host(const struct http_request *r)
{
    bool repeated;
    struct slice host = http_request_header(r, "host", &repeated), name, port;

    if (repeated || (host.p == NULL && r->minor > 0))
        return HTTP1_BAD;
    return host.p == NULL || http_host_split(host, &name, &port) ? OK : HTTP1_BAD;
}

/* How often the lines of codings, as one list, say chunked (which may be once). */
static unsigned count_chunked(const struct http_request *r)
{
    unsigned n = 0;

    for (size_t i = 0; i < r->header_count; i++) {
        struct slice list = r->headers[i].value, item;

        if (!slice_eq_nocase(r->headers[i].name, SLICE("transfer-encoding")))
            continue;
        while (http_list_next(&list, &item))
            n += slice_eq_nocase(item, SLICE("chunked"));
    }
    return n;
}

/* RFC 9112, 6.3, less every case that has more than one reading.  Several lines of codings
 * are one list, and of those only "chunked" alone is understood. */
static int check_framing(struct http_request *r)
{
    bool lengths, codings;
    struct slice length = http_request_header(r, "content-length", &lengths);
    struct slice coding = http_request_header(r, "transfer-encoding", &codings);

    if (lengths || count_chunked(r) > 1)
        return HTTP1_BAD;
    if (coding.p != NULL && (length.p != NULL || r->minor == 0))
        return HTTP1_BAD;
    if (coding.p != NULL && (codings || !slice_eq_nocase(coding, SLICE("chunked"))))
        return HTTP1_NOT_IMPLEMENTED;
    if (length.p != NULL && !slice_u64(length, &r->content_length))
        return HTTP1_BAD;
    r->chunked = coding.p != NULL;
    r->has_length = length.p != NULL;
    return OK;
}

static void read_connection(struct http_request *r)
{
    r->keep_alive = !http_request_has_token(r, "connection", "close") &&
                    (r->minor > 0 || http_request_has_token(r, "connection", "keep-alive"));
    r->expect_continue = r->minor > 0 && http_request_has_token(r, "expect", "100-continue");
    r->upgrade = http_request_has_token(r, "connection", "upgrade") &&
                 http_request_header(r, "upgrade", NULL).p != NULL;
}

static int parse_head(struct http_request *r, struct http1_cursor *c, size_t target_max)
{
    int rc = OK;

    if (c->p < c->end && *c->p == '\r')
        rc = take_crlf(c); /* RFC 9112, 2.2: one empty line, left over by a client */
    if (rc == OK)
        rc = parse_request_line(r, c, target_max);
    if (rc == OK)
        rc = parse_headers(r, c);
    if (rc == OK)
        rc = check_host(r);
    if (rc == OK)
        rc = check_framing(r);
    return rc;
}

int http1_request_parse(struct http_request *r, const char *p, size_t len,
                        const struct http1_limits *limits)
{
    bool full = len >= limits->head_max;
    struct http1_cursor c;
    int rc;

    assert(limits->head_max <= INT_MAX);
    if (len == 0)
        return 0;
    c = (struct http1_cursor){p, p + (full ? limits->head_max : len)};
    r->header_count = 0;
    r->content_length = 0;
    rc = parse_head(r, &c, limits->target_max);
    if (rc == MORE && full)
        return HTTP1_HEAD_TOO_LARGE;
    if (rc != OK)
        return rc;
    read_connection(r);
    return (int)(c.p - p);
}
