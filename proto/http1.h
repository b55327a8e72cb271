/*
 * http1.h - HTTP/1.1 requests, strictly (RFC 9112), as pure functions.
 *
 * One meaning per byte string: CRLF only, no obs-fold, no white space before a
 * colon, one Host in 1.1, one Content-Length or chunked alone, strict chunk
 * sizes.  Whatever is doubtful is an error, never a guess.
 */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include "bytes.h"

#define HTTP1_HEADERS_MAX 64

enum http1_error {
    HTTP1_BAD = -400, /* malformed: 400 and close */
    HTTP1_URI_TOO_LONG = -414,
    HTTP1_HEAD_TOO_LARGE = -431,
    HTTP1_BODY_TOO_LARGE = -413,
    HTTP1_NOT_IMPLEMENTED = -501, /* a transfer coding that is not chunked, an endless method */
    HTTP1_VERSION = -505,
};

struct http1_header {
    struct slice name;  /* as sent */
    struct slice value; /* trimmed */
};

/* Slices point into the caller's bytes, or at "/" for `http://host`. */
struct http1_request {
    struct slice method;
    struct slice path;  /* still %-encoded; begins with '/', or "*" for OPTIONS */
    struct slice query; /* after '?', still encoded; empty when none */
    unsigned minor;     /* HTTP/1.minor */
    struct http1_header headers[HTTP1_HEADERS_MAX];
    size_t header_count;
    uint64_t content_length; /* 0 when none was given */
    bool has_length;
    bool chunked;
    bool keep_alive;
    bool expect_continue; /* any other expectation is for the caller to look up */
    bool upgrade;         /* Connection: upgrade with an Upgrade header */
};

struct http1_limits {
    size_t head_max;   /* request line and headers, bytes */
    size_t target_max; /* request target, bytes */
};

/* Returns the size of the head in bytes, 0 when more input is needed, or an
 * http1_error; refuses as soon as the bytes prove it wrong.  One empty line may
 * come first; an absolute target's authority is passed over.  *r is whole only on
 * success.  Remembers nothing: call again with the same bytes and more. */
int http1_request_parse(struct http1_request *r, const char *p, size_t len,
                        const struct http1_limits *limits);
/* Path and query out of a target that came by itself (HTTP/2's :path); r->method is
 * there already.  False when it is none. */
bool http1_target_set(struct http1_request *r, struct slice target);
/* The value of the header of that name; p == NULL when absent.  A header that
 * comes more than once is joined nowhere: the first value, and *repeated (may be
 * NULL) says so. */
struct slice http1_header(const struct http1_request *r, const char *name, bool *repeated);
/* True when a comma-separated list header holds the token (ASCII case folded). */
bool http1_has_token(const struct http1_request *r, const char *name, const char *token);

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
int http1_chunked_decode(struct http1_chunked *c, const char *p, size_t len, struct slice *data,
                         bool *done);

/* %-decoding only: '+' stays a plus, dot segments stay as they are.  Appends to
 * out; false on a bad escape. */
bool url_decode(struct slice s, struct buf *out);
/* Takes the next name=value off *query, still encoded; false at the end. */
bool url_query_next(struct slice *query, struct slice *name, struct slice *value);
/* %-encodes all but unreserved characters and '/'. */
void url_encode(struct slice s, struct buf *out);

#endif
