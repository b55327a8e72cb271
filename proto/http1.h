/*
 * http1.h - HTTP/1.1 requests, strictly (RFC 9112), as pure functions.
 *
 * One meaning per byte string: CRLF only, no obs-fold, no white space before a
 * colon, one Host in 1.1, one Content-Length or chunked alone, strict chunk
 * sizes.  Whatever is doubtful is an error, never a guess.
 */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include "http_request.h"

enum http1_error {
    HTTP1_BAD = -400, /* malformed: 400 and close */
    HTTP1_URI_TOO_LONG = -414,
    HTTP1_HEAD_TOO_LARGE = -431,
    HTTP1_BODY_TOO_LARGE = -413,
    HTTP1_NOT_IMPLEMENTED = -501, /* a transfer coding that is not chunked, an endless method */
    HTTP1_VERSION = -505,
};

struct http1_limits {
    size_t head_max;   /* request line and headers, bytes */
    size_t target_max; /* request target, bytes */
};

/* Returns the size of the head in bytes, 0 when more input is needed, or an
 * http1_error; refuses as soon as the bytes prove it wrong.  One empty line may
 * come first; an absolute target's authority is passed over.  *r is whole only on
 * success.  Remembers nothing: call again with the same bytes and more. */
MUST_CHECK int http1_request_parse(struct http_request *r, const char *p, size_t len,
                                   const struct http1_limits *limits);

/* Chunked bodies (RFC 9112, 7.1).  Zero-initialised is the start. */
struct http1_chunked {
    uint64_t left; /* of the present chunk */
    uint8_t state;
    uint8_t digits;
    uint32_t trailer; /* bytes of trailers and extensions read, bounded */
};
/* Decodes from p: *data is the next run of body bytes (may be empty).  Returns
 * the bytes consumed, or HTTP1_BAD, then and ever after; *done is set after the
 * last one.  Returns 0 with an empty run when more input is needed. */
MUST_CHECK int http1_chunked_decode(struct http1_chunked *c, const char *p, size_t len,
                                    struct slice *data, bool *done);

#endif
