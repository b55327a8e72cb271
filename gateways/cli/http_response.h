/*
 * http_response.h - the head of an HTTP/1.1 response, strictly (RFC 9112).
 *
 * The counterpart of proto/http1.h for a client of our own servers.  Whatever
 * is doubtful is an error: bare LF, obs-fold, repeated or conflicting lengths,
 * a transfer coding that is not chunked.  Pure; slices point into the caller's
 * bytes.
 */
#ifndef CLI_HTTP_RESPONSE_H
#define CLI_HTTP_RESPONSE_H

#include "bytes.h"

#define HTTP_RESPONSE_HEAD_MAX (32u * 1024)

enum http_body {
    HTTP_BODY_NONE, /* 1xx, 204, 304 */
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
    HTTP_BODY_CLOSE, /* until the connection ends */
};

struct http_response {
    unsigned status;
    enum http_body body;
    uint64_t length;           /* HTTP_BODY_LENGTH */
    struct slice content_type; /* p == NULL when absent */
};

/* Returns the size of the head in bytes, 0 when more input is needed, or -1.
 * *r is whole only on success.  Remembers nothing. */
int http_response_parse(struct http_response *r, const char *p, size_t len);

#endif
