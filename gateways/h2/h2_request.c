/*
 * h2_request.c - fields gathered in one buffer, as places in it until it stops growing.
 *
 * Pseudo fields become what they are in HTTP/1.1: a request line, and Host.  Crumbs of
 * a cookie are put together again (RFC 9113, 8.2.3).
 */
#include "h2_request.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct place {
    size_t at, len;
};

enum pseudo { METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL, PSEUDOS };
static const char *const pseudo_names[PSEUDOS] = {
    [METHOD] = ":method", [SCHEME] = ":scheme",     [AUTHORITY] = ":authority",
    [PATH] = ":path",     [PROTOCOL] = ":protocol",
};

struct h2_request {
    struct buf text, cookie;
    struct place pseudo[PSEUDOS];
    bool given[PSEUDOS];
    struct place host;
    bool has_host;
    size_t count; /* one more than fits: too many */
    struct place names[HTTP_HEADERS_MAX], values[HTTP_HEADERS_MAX];
};

struct h2_request *h2_request_new(void)
{
    return mem_zalloc(sizeof(struct h2_request));
}

void h2_request_free(struct h2_request *q)
{
    if (q == NULL)
        return;
    buf_free(&q->text);
    buf_free(&q->cookie);
    free(q);
}

size_t h2_request_size(const struct h2_request *q)
{
    return sizeof *q + q->text.cap + q->cookie.cap;
}

static struct place keep(struct h2_request *q, struct slice s)
{
    struct place p = {q->text.len, s.len};

    buf_put_slice(&q->text, s);
    return p;
}

static struct slice at(const struct h2_request *q, struct place p)
{
    return (struct slice){p.len > 0 ? (const char *)q->text.p + p.at : "", p.len};
}

static void add_pseudo(struct h2_request *q, struct slice name, struct slice value)
{
    for (int i = 0; i < PSEUDOS; i++)
        if (slice_eq(name, slice_of(pseudo_names[i]))) {
            q->pseudo[i] = keep(q, value);
            q->given[i] = true;
        }
}

static void add_cookie(struct h2_request *q, struct slice value)
{
    if (q->cookie.len > 0)
        buf_puts(&q->cookie, "; ");
    buf_put_slice(&q->cookie, value);
}

void h2_request_add(struct h2_request *q, struct slice name, struct slice value)
{
    if (name.p[0] == ':') {
        add_pseudo(q, name, value);
    } else if (slice_eq(name, SLICE("cookie"))) {
        add_cookie(q, value);
    } else if (q->count < HTTP_HEADERS_MAX) {
        q->names[q->count] = keep(q, name);
        q->values[q->count] = keep(q, value);
        if (slice_eq(name, SLICE("host"))) {
            q->host = q->values[q->count];
            q->has_host = true;
        }
        q->count++;
    } else {
        q->count = HTTP_HEADERS_MAX + 1;
    }
}

/* A port that is the scheme's own, or empty, says nothing (RFC 3986, 6.2.3). */
static struct slice without_port(struct slice host, struct slice port)
{
    size_t at = host.len - port.len;

    if (host.len > port.len && host.p[at - 1] == ':' &&
        slice_eq((struct slice){host.p + at, port.len}, port))
        host.len = at - 1;
    return host;
}

static struct slice plain_host(const struct h2_request *q, struct place host)
{
    bool tls = slice_eq_nocase(at(q, q->pseudo[SCHEME]), SLICE("https"));
    struct slice s = without_port(at(q, host), tls ? SLICE("443") : SLICE("80"));

    return without_port(s, SLICE(""));
}

static bool is_host(struct slice s)
{
    struct slice name, port;

    return http_host_split(s, &name, &port);
}

bool h2_request_host_ok(const struct h2_request *q)
{
    struct place authority = q->pseudo[AUTHORITY];

    if ((q->given[AUTHORITY] && !is_host(at(q, authority))) ||
        (q->has_host && !is_host(at(q, q->host))))
        return false;
    return !q->given[AUTHORITY] || !q->has_host ||
           slice_eq_nocase(plain_host(q, authority), plain_host(q, q->host));
}

static bool put(struct http_request *r, struct slice name, struct slice value)
{
    if (r->header_count == HTTP_HEADERS_MAX)
        return false;
    r->headers[r->header_count++] = (struct http_header){name, value};
    return true;
}

static bool put_fields(struct h2_request *q, struct http_request *r)
{
    size_t own = q->count <= HTTP_HEADERS_MAX ? q->count : HTTP_HEADERS_MAX;

    for (size_t i = 0; i < own; i++)
        (void)put(r, at(q, q->names[i]), at(q, q->values[i]));
    if (q->given[AUTHORITY] && !q->has_host && !put(r, SLICE("host"), at(q, q->pseudo[AUTHORITY])))
        return false;
    if (q->cookie.len > 0 && !put(r, SLICE("cookie"), buf_slice(&q->cookie)))
        return false;
    return q->count <= HTTP_HEADERS_MAX;
}

/* A body without a length is what a chunked one is in HTTP/1.1. */
static bool read_framing(struct http_request *r, bool ended, bool connect)
{
    struct slice length = http_request_header(r, "content-length", NULL);

    r->has_length = length.p != NULL;
    r->chunked = !ended && !r->has_length && !connect;
    r->expect_continue = http_request_has_token(r, "expect", "100-continue");
    return !r->has_length || slice_u64(length, &r->content_length);
}

enum sluice_error h2_request_read(struct h2_request *q, bool ended, struct http_request *r)
{
    struct slice path = at(q, q->pseudo[PATH]);

    *r = (struct http_request){.method = at(q, q->pseudo[METHOD]), .minor = 1};
    r->path = SLICE("/");
    if (!put_fields(q, r))
        return ERR_HEAD_TOO_LARGE;
    if (!q->given[PATH] ||
        (q->given[PROTOCOL] && !slice_eq(at(q, q->pseudo[PROTOCOL]), SLICE("websocket"))))
        return ERR_NOT_IMPLEMENTED; /* this is no proxy, and speaks WebSocket alone */
    if (path.len == 0 || (path.p[0] != '/' && !slice_eq(path, SLICE("*"))) ||
        !http_request_target_set(r, path) || !read_framing(r, ended, q->given[PROTOCOL]))
        return ERR_BAD_REQUEST;
    return ERR_NONE;
}

struct slice h2_request_protocol(const struct h2_request *q)
{
    return q->given[PROTOCOL] ? at(q, q->pseudo[PROTOCOL]) : (struct slice){NULL, 0};
}
