/*
 * h2_request.h - a request's head as HTTP/2 brings it, field by field, and as handlers
 * know it.
 *
 * nghttp2 has checked what RFC 9113, 8 demands of a message: which pseudo fields there
 * are, in which order, which fields may not be, what characters stand in them.
 */
#ifndef H2_H2_REQUEST_H
#define H2_H2_REQUEST_H

#include "errors.h"
#include "http_request.h"

struct h2_request;

struct h2_request *h2_request_new(void);
void h2_request_free(struct h2_request *q); /* NULL does nothing */
size_t h2_request_size(const struct h2_request *q);
void h2_request_add(struct h2_request *q, struct slice name, struct slice value);
/* :authority and host are each a name and perhaps a port, without userinfo, and they are the
 * same (RFC 9113, 8.3.1). */
bool h2_request_host_ok(const struct h2_request *q);
/* Fills *r, whose slices point into q, and method, path and query with it.  `ended`: no
 * body follows.  ERR_NONE, or what to answer. */
MUST_CHECK enum sluice_error h2_request_read(struct h2_request *q, bool ended,
                                             struct http_request *r);
/* Extended CONNECT (RFC 8441): what it wants to connect to; p == NULL: it is none. */
struct slice h2_request_protocol(const struct h2_request *q);

#endif
