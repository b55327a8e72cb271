/*
 * request.h - a request's head as HTTP/2 brings it, field by field, and as handlers
 * know it.
 *
 * nghttp2 has checked what RFC 9113, 8 demands of a message: which pseudo fields there
 * are, in which order, which fields may not be, what characters stand in them.
 */
#ifndef H2_REQUEST_H
#define H2_REQUEST_H

#include "errors.h"
#include "http_request.h"

struct request;

struct request *request_new(void);
void request_free(struct request *q); /* NULL does nothing */
size_t request_size(const struct request *q);
void request_add(struct request *q, struct slice name, struct slice value);
/* Fills *r, whose slices point into q, and method, path and query with it.  `ended`: no
 * body follows.  ERR_NONE, or what to answer. */
enum sluice_error request_read(struct request *q, bool ended, struct http_request *r);
/* Extended CONNECT (RFC 8441): what it wants to connect to; p == NULL: it is none. */
struct slice request_protocol(const struct request *q);

#endif
