/*
 * http_client.h - a small blocking HTTP/1.1 client for our own servers.
 *
 * One GET a connection, TCP or TLS, every wait bounded by a timeout.  Failures
 * return -1 and leave one sentence in `error`.
 *
 *     http_get → http_read … http_read → http_close
 */
#ifndef CLI_HTTP_CLIENT_H
#define CLI_HTTP_CLIENT_H

#include "http1.h"
#include "http_response.h"

struct http_client {
    int fd;                 /* -1: not connected */
    struct tls_client *tls; /* NULL: plain */
    unsigned timeout_ms;    /* of every wait for the peer */
    struct http_response response;
    char error[256];

    /* private */
    struct buf type; /* what response.content_type points at */
    struct buf in;   /* received, from `used` on not yet handed out */
    size_t used;
    uint64_t left;               /* HTTP_BODY_LENGTH: still to come */
    struct http1_chunked chunks; /* HTTP_BODY_CHUNKED */
    bool ended;
};

/* Connects to "address:port", sends GET target with the given header lines (each
 * ended by CRLF; may be ""), and reads the response's head.  An address of all
 * interfaces means this machine.  certificates: those that the server may show
 * (tls_client.h), borrowed until http_close; NULL: plain.  0 or -1; http_close in
 * either case. */
int http_get(struct http_client *h, const char *address, const char *certificates,
             const char *target, const char *headers, unsigned timeout_ms);
/* The next bytes of the body, valid until the next call: 1; its end: 0; -1. */
int http_read(struct http_client *h, struct slice *data);
/* Appends the whole body; a longer one than max is an error. */
int http_read_all(struct http_client *h, struct buf *out, size_t max);
void http_close(struct http_client *h);

#endif
