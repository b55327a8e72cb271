/*
 * routes.c - a short table, searched from the top.
 */
#include "routes.h"

#include "config.h"

static bool path_matches(const struct route *route, struct slice path, struct slice *rest)
{
    struct slice own = slice_of(route->path);

    *rest = (struct slice){NULL, 0};
    if (own.p[own.len - 1] != '/')
        return slice_eq(own, path);
    if (!slice_starts(path, own))
        return false;
    *rest = (struct slice){path.p + own.len, path.len - own.len};
    return true;
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

const struct route *route_find(const struct routes *rs, const struct http1_request *r,
                               struct slice *rest, struct buf *allow, struct problem *p)
{
    for (size_t i = 0; i < rs->count; i++)
        if (path_matches(&rs->list[i], r->path, rest) && method_matches(&rs->list[i], r->method))
            return &rs->list[i];
    if (route_allow(rs, r->path, allow))
        (void)problem_set(p, ERR_METHOD, NULL, "");
    else
        (void)problem_set(p, ERR_NOT_FOUND, NULL, "");
    return NULL;
}

/* --- CORS -------------------------------------------------------------------- */

struct slice cors_origin(const struct routes *rs, const struct http1_request *r)
{
    struct slice left = rs->allow_origin, one, origin;

    if (left.len == 0)
        return (struct slice){NULL, 0};
    origin = http1_header(r, "origin", NULL);
    while (origin.p != NULL && config_list_next(&left, &one))
        if (slice_eq(one, SLICE("*")) || slice_eq(one, origin))
            return one;
    return (struct slice){NULL, 0};
}

bool cors_is_preflight(const struct http1_request *r)
{
    return slice_eq(r->method, SLICE("OPTIONS")) &&
           http1_header(r, "access-control-request-method", NULL).p != NULL;
}
