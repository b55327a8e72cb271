/*
 * routes.c - a short table, searched from the top.
 */
#include "routes.h"

#include <string.h>

#include "hex.h"
#include "http_chars.h"
#include "mem.h"
#include "metrics.h"
#include "site.h"
#include "url.h"

/* The characters of a path, one by one; an escaped one is the same where it needs none
 * (RFC 3986, 6.2.2.2), and -1 where it does: %2F is no slash. */
static int take_path_char(struct slice *path)
{
    int c = (unsigned char)path->p[0];
    size_t used = 1;

    if (c == '%' && path->len >= 3 && hex_value(path->p[1]) >= 0 && hex_value(path->p[2]) >= 0) {
        c = hex_value(path->p[1]) << 4 | hex_value(path->p[2]);
        used = 3;
        if (!http_char_is((char)c, CHAR_UNRESERVED))
            c = -1;
    }
    *path = (struct slice){path->p + used, path->len - used};
    return c;
}

static bool path_matches(const struct route *route, struct slice path, struct slice *rest)
{
    struct slice own = slice_of(route->path);

    *rest = (struct slice){NULL, 0};
    for (size_t i = 0; i < own.len; i++)
        if (path.len == 0 || take_path_char(&path) != (unsigned char)own.p[i])
            return false;
    if (own.p[own.len - 1] != '/')
        return path.len == 0;
    *rest = path;
    return true;
}

static bool method_is_known(struct slice method)
{
    static const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH"};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (slice_eq(method, slice_of(known[i])))
            return true;
    return false;
}

static bool method_matches(const struct route *route, struct slice method)
{
    struct slice own = slice_of(route->method);

    return slice_eq(own, method) ||
           (slice_eq(own, SLICE("GET")) && slice_eq(method, SLICE("HEAD")));
}

bool route_allow(const struct routes *rs, struct slice path, struct buf *allow)
{
    struct slice rest;

    for (size_t i = 0; i < rs->count; i++) {
        if (!path_matches(&rs->list[i], path, &rest))
            continue;
        buf_puts(allow, rs->list[i].method);
        buf_puts(allow, strcmp(rs->list[i].method, "GET") == 0 ? ", HEAD, " : ", ");
    }
    if (allow->len == 0)
        return false;
    buf_puts(allow, "OPTIONS");
    return true;
}

const struct route *route_find(const struct routes *rs, const struct http_request *r,
                               struct slice *rest, struct buf *allow, struct problem *p)
{
    for (size_t i = 0; i < rs->count; i++)
        if (path_matches(&rs->list[i], r->path, rest) && method_matches(&rs->list[i], r->method))
            return &rs->list[i];
    if (!method_is_known(r->method))
        (void)problem_set(p, ERR_NOT_IMPLEMENTED, NULL, "There is no such method here");
    else if (route_allow(rs, r->path, allow))
        (void)problem_set(p, ERR_METHOD, NULL, "");
    else
        (void)problem_set(p, ERR_NOT_FOUND, NULL, "");
    return NULL;
}

bool route_is_guarded(const struct http_request *r, const struct route *route,
                      const struct buf *allow)
{
    static const char *const below[] = {"/events/", "/history/", "/topics/"};

    if (route != NULL)
        return true;
    if (slice_eq(r->method, SLICE("OPTIONS")))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(below); i++)
        if (slice_starts(r->path, slice_of(below[i])))
            return true;
    return allow->len > 0;
}

/* --- the gate ---------------------------------------------------------------- */

bool route_admits(const struct routes *rs, const struct http_request *r, bool secure,
                  struct problem *p)
{
    enum http_gate_verdict v = http_gate_check(&rs->gate, r, secure);

    if (v == HTTP_GATE_PASSES)
        return true;
    metric_add(M_HTTP_FORBIDDEN, 1);
    return problem_set(p, ERR_FORBIDDEN, http_gate_field(v), http_gate_text(v));
}

/* --- bodies ------------------------------------------------------------------ */

size_t route_body_max(const struct route *route, const struct route_limits *l)
{
    switch (route->body) {
    case ROUTE_PAYLOAD:
        return l->max_payload;
    case ROUTE_BATCH:
        return l->max_body;
    case ROUTE_NO_BODY:
    case ROUTE_TUNNEL:
        break;
    }
    return 0;
}

/* Those that begin with "_" are an intermediary's (to get past a cache, say). */
static bool param_is_known(const struct route *route, struct slice name)
{
    const char *p = route->params != NULL ? route->params : "";
    size_t len;

    if (slice_starts(name, SLICE("_")) || slice_eq(name, SLICE("access_token")) ||
        strcmp(p, "*") == 0)
        return true;
    for (; *p != '\0'; p += len + (p[len] != '\0')) {
        len = strcspn(p, " ");
        if (slice_eq(name, (struct slice){p, len}))
            return true;
    }
    return false;
}

/* A parameter that is misspelt would be believed to be in force. */
static bool query_ok(const struct route *route, const struct http_request *r, struct problem *p)
{
    struct slice query = r->query, name, value;
    struct buf text = {0};

    while (p->error == ERR_NONE && url_query_next(&query, &name, &value)) {
        buf_clear(&text);
        if (!url_decode(name, &text)) {
            (void)problem_set(p, ERR_BAD_REQUEST, NULL, "A %-escape in the query is malformed");
        } else if (!param_is_known(route, buf_slice(&text))) {
            buf_u8(&text, '\0');
            (void)problem_setf(p, ERR_BAD_REQUEST, (char *)text.p, "There is no parameter %s here",
                               (char *)text.p);
        }
    }
    buf_free(&text);
    return p->error == ERR_NONE;
}

bool route_body_ok(const struct route *route, const struct route_limits *l,
                   const struct http_request *r, struct problem *p)
{
    size_t max = route_body_max(route, l);

    if (!query_ok(route, r, p))
        return false;
    if (r->content_length > max || (r->chunked && max == 0))
        return problem_setf(p, ERR_TOO_LARGE, "Content-Length",
                            "The body may hold %zu bytes at most here", max);
    if (r->minor > 0 && http_request_header(r, "expect", NULL).p != NULL && !r->expect_continue)
        return problem_set(p, ERR_EXPECTATION, "Expect", "Only 100-continue is understood");
    return true;
}

/* --- no handler -------------------------------------------------------------- */

/* "*" does not stand for Authorization, nor for anything once there are credentials. */
static struct slice allowed_headers(const struct cors *c, const struct http_request *r)
{
    struct slice list = c->rules->headers;
    struct slice asked = http_request_header(r, "access-control-request-headers", NULL);

    return slice_eq(list, SLICE("*")) && asked.len > 0 ? asked : list;
}

static void answer_options(struct exchange *x, const struct cors *c, struct slice methods)
{
    struct answer a = {.status = 204};
    struct buf none = {0};

    if (methods.len > 0) /* OPTIONS * names no resource */
        answer_field(&a, "Allow", methods);
    if (c->origin.p != NULL && cors_is_preflight(x->request)) {
        answer_field(&a, "Access-Control-Allow-Methods", methods);
        answer_field(&a, "Access-Control-Allow-Headers", allowed_headers(c, x->request));
        answer_field(&a, "Access-Control-Max-Age", SLICE("86400"));
    }
    exchange_answer(x, &a, &none);
}

static void answer_method(struct exchange *x, const struct problem *p, struct slice methods)
{
    struct answer a = {.status = error_status(p->error),
                       .content_type = "application/problem+json"};
    struct buf body = {0};

    if (methods.len > 0)
        answer_field(&a, "Allow", methods);
    problem_put(&body, p);
    exchange_answer(x, &a, &body);
}

void route_answer_none(struct exchange *x, const struct cors *c, const struct problem *p,
                       const struct buf *allow)
{
    struct slice methods = buf_slice(allow);
    bool any = slice_eq(x->request->path, SLICE("*"));

    if (slice_eq(x->request->method, SLICE("OPTIONS")) && (any || methods.len > 0))
        answer_options(x, c, methods);
    else
        answer_method(x, p, methods);
}
