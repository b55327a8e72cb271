/*
 * query_param.h - parameters of a request's query; pure.
 */
#ifndef HTTP_QUERY_PARAM_H
#define HTTP_QUERY_PARAM_H

#include "http_request.h"
#include "problem.h"

/* A parameter of the request's query, decoded into out; false when it is not
 * there.  A malformed escape or a repeat is a problem. */
MUST_CHECK bool query_param(const struct http_request *r, const char *name, struct buf *out,
                            struct problem *p);
/* The same for 0 or 1; *out stays when it is not there. */
MUST_CHECK bool query_param_flag(const struct http_request *r, const char *name, bool *out,
                                 struct problem *p);
/* The same for a number between min and max; *out stays when it is not there. */
MUST_CHECK bool query_param_number(const struct http_request *r, const char *name, uint64_t min,
                                   uint64_t max, uint64_t *out, struct problem *p);

#endif
