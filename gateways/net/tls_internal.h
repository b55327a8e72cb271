/*
 * tls_internal.h - what the files tls*.c share; nobody else includes it.
 *
 *   tls.c            one connection: handshake, records in, records out
 *   tls_server.c     certificates, rules, which certificate for which name
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "tls.h"

#define TLS_RECORD_MAX (16u * 1024) /* RFC 8446, 5.1 */
/* With a record that was cut before it, not more than TLS_READ_MAX. */
#define TLS_WIRE_MAX (TLS_READ_MAX - TLS_RECORD_MAX - 1024)

struct tls_server {
    SSL_CTX **contexts; /* one per certificate; the first is for names that none has */
    size_t count;
    BIO_METHOD *socket; /* what OpenSSL reads from and writes to */
    size_t handshakes, handshakes_max;
    uint64_t handshake_ms;
    uint64_t failures, logged_at;
    /* What was received and OpenSSL has yet to take; empty between two calls. */
    size_t wire_at, wire_len;
    char wire[TLS_WIRE_MAX];
    char record[TLS_RECORD_MAX]; /* a write is gathered here */
};

struct tls {
    struct tls_server *server;
    SSL *ssl;
    const char *const *alpn;
    char *peer_name; /* of the client's certificate; NULL: none */
    struct buf unsent;
    size_t unsent_at; /* bytes of it already sent */
    int fd;
    uint8_t state;    /* enum tls_state */
    bool handshaking; /* counted in the server's handshakes */
    bool finished;    /* close_notify was said */
};

/* tls.c's for tls_server.c: the connection that ssl is of. */
struct tls *tls_of(const SSL *ssl);
BIO_METHOD *tls_socket_method(void);

#endif
