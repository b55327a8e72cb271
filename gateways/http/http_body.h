/*
 * http_body.h - a request whose body comes in pieces: its head, and what is
 * there so far.  All bodies of a process together are bounded.
 */
#ifndef HTTP_HTTP_BODY_H
#define HTTP_HTTP_BODY_H

#include "config.h"
#include "http1.h"

struct http_bodies {
    size_t bytes, bytes_max; /* of all that are being collected */
};

/* bytes_max: what the configuration says, and never less than one body may hold. */
size_t http_bodies_max(const struct config *c);

enum http_body_state { BODY_MORE, BODY_WHOLE, BODY_MALFORMED, BODY_TOO_LARGE, BODY_NO_ROOM };

struct http_body {
    struct http_bodies *all;
    struct buf head, data;
    uint64_t left; /* with Content-Length */
    size_t max;
    struct http1_chunked chunked;
    bool is_chunked;
};

struct http_body *http_body_new(struct http_bodies *all, const struct http_request *r,
                                struct slice head, size_t max);
void http_body_free(struct http_body *b); /* NULL does nothing */
/* Takes from `in` what belongs to the body, and returns how much that is. */
MUST_CHECK size_t http_body_take(struct http_body *b, struct slice in, enum http_body_state *state);

#endif
