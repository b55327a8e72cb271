/*
 * cors.c - an origin looked up, and the fields that follow from it.
 */
#include "cors.h"

#include "config.h"

struct slice cors_origin(struct slice allow_origin, const struct http_request *r)
{
    struct slice one, origin;

    if (allow_origin.len == 0)
        return (struct slice){NULL, 0};
    origin = http_request_header(r, "origin", NULL);
    while (origin.p != NULL && config_list_next(&allow_origin, &one))
        if (slice_eq(one, SLICE("*")) || slice_eq(one, origin))
            return one;
    return (struct slice){NULL, 0};
}

bool cors_is_preflight(const struct http_request *r)
{
    return slice_eq(r->method, SLICE("OPTIONS")) &&
           http_request_header(r, "access-control-request-method", NULL).p != NULL;
}

/* Vary stands in answers to other origins too, for caches keep those as well. */
size_t cors_fields(struct slice allow_origin, struct slice origin,
                   struct answer_field out[CORS_FIELDS])
{
    size_t n = 0;

    if (allow_origin.len > 0)
        out[n++] = (struct answer_field){"Vary", SLICE("Origin")};
    if (origin.p == NULL)
        return n;
    out[n++] = (struct answer_field){"Access-Control-Allow-Origin", origin};
    out[n++] = (struct answer_field){"Access-Control-Expose-Headers", SLICE(CORS_EXPOSED)};
    return n;
}
