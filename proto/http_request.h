/*
 * http_request.h - the head of an HTTP request, whatever brought it: http1.h reads one,
 * and so does HTTP/2.
 */
#ifndef PROTO_HTTP_REQUEST_H
#define PROTO_HTTP_REQUEST_H

#include "bytes.h"

#define HTTP_HEADERS_MAX 64

struct http_header {
    struct slice name;  /* as sent */
    struct slice value; /* trimmed */
};

/* Slices point into the bytes that it was read from, or at "/" for `http://host`. */
struct http_request {
    struct slice method;
    struct slice path;      /* still %-encoded; begins with '/', or "*" for OPTIONS */
    struct slice query;     /* after '?', still encoded; empty when none */
    struct slice authority; /* of an absolute target; p == NULL: it was none */
    unsigned minor;         /* HTTP/1.minor; 1 in HTTP/2 */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    uint64_t content_length; /* 0 when none was given */
    bool has_length;
    bool chunked; /* HTTP/2: a body follows whose length is not told */
    bool keep_alive;
    bool expect_continue; /* any other expectation is for the caller to look up */
    bool upgrade;         /* Connection: upgrade with an Upgrade header */
};

/* Path, query and authority out of a target; r->method is there already.  False when it
 * is none. */
MUST_CHECK bool http_request_target_set(struct http_request *r, struct slice target);
/* The same for a target whose characters are known to be those of one. */
MUST_CHECK bool http_request_target_split(struct http_request *r, struct slice target);
/* The value of the header of that name; p == NULL when absent.  A header that
 * comes more than once is joined nowhere: the first value, and *repeated (may be
 * NULL) says so. */
struct slice http_request_header(const struct http_request *r, const char *name, bool *repeated);
/* True when a comma-separated list header holds the token (ASCII case folded). */
bool http_request_has_token(const struct http_request *r, const char *name, const char *token);

/* The Accept header names the media type (without wildcards, whatever its q). */
bool http_request_accepts(const struct http_request *r, const char *media_type);

/* Who is asked: an absolute target says it, else Host (RFC 9112, 3.2.2); empty: nobody said. */
struct slice http_request_host(const struct http_request *r);
/* "name", "name:80", "[::1]:80" into its parts, the brackets with the name; either may be
 * empty, the name only with the port.  False when it is none. */
MUST_CHECK bool http_host_split(struct slice host, struct slice *name, struct slice *port);

/* The media type of a Content-Type value, without its parameters. */
struct slice http_media_type(struct slice content_type);
/* Without blanks around it. */
struct slice http_trim(struct slice s);
/* Takes the next item off a comma-separated list, trimmed, maybe empty; false at the end. */
bool http_list_next(struct slice *list, struct slice *item);

#endif
