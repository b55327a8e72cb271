/*
 * cors.c - an origin looked up, and the fields that follow from it.
 */
#include "cors.h"

#include <stdlib.h>

#include "http_gate.h"
#include "mem.h"

/* Where there are credentials browsers do not take "*" (3.2.5). */
void cors_read(struct cors *c, const struct cors_rules *rules, const struct http_request *r)
{
    struct slice origin = http_request_header(r, "origin", NULL);
    bool any = false;

    *c = (struct cors){.rules = rules};
    if (origin.p == NULL || !http_gate_lists(rules->origins, origin, &any))
        return;
    if (any && !rules->credentials) {
        c->origin = SLICE("*");
        return;
    }
    c->text = mem_strndup(origin.p, origin.len);
    c->origin = (struct slice){c->text, origin.len};
}

void cors_clear(struct cors *c)
{
    free(c->text);
    *c = (struct cors){.text = NULL};
}

bool cors_is_preflight(const struct http_request *r)
{
    return slice_eq(r->method, SLICE("OPTIONS")) &&
           http_request_header(r, "access-control-request-method", NULL).p != NULL;
}

/* Vary stands in answers to other origins too, for caches keep those as well. */
size_t cors_fields(const struct cors *c, struct answer_field out[CORS_FIELDS])
{
    size_t n = 0;

    if (c->rules != NULL && c->rules->origins.len > 0)
        out[n++] = (struct answer_field){"Vary", SLICE("Origin")};
    if (c->origin.p == NULL)
        return n;
    out[n++] = (struct answer_field){"Access-Control-Allow-Origin", c->origin};
    out[n++] = (struct answer_field){"Access-Control-Expose-Headers", SLICE(CORS_EXPOSED)};
    if (c->rules->credentials)
        out[n++] = (struct answer_field){"Access-Control-Allow-Credentials", SLICE("true")};
    return n;
}
