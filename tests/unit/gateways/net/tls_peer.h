/*
 * tls_peer.h - a TLS client on one end of a socket pair, for the core's unit tests.
 *
 * It talks when told to: client_send puts records on the wire, as many bytes of them as
 * the test says; client_receive takes so many from it.
 */
#ifndef TEST_TLS_PEER_H
#define TEST_TLS_PEER_H

#include <check.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"

struct tls_client {
    SSL *ssl;
    int fd;
    struct buf got;  /* decrypted */
    struct buf wire; /* to be sent */
    bool closed;     /* close_notify came */
    bool ended;      /* FIN came */
};

/* trust: the server's certificate. */
static inline SSL_CTX *client_context(const char *trust)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    ck_assert_int_eq(SSL_CTX_load_verify_file(ctx, trust), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return ctx;
}

static inline void client_open(struct tls_client *c, SSL_CTX *ctx, int fd)
{
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->ssl = SSL_new(ctx);
    SSL_set_bio(c->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(c->ssl);
}

static inline void client_close(struct tls_client *c)
{
    if (c->ssl == NULL)
        return;
    SSL_free(c->ssl);
    if (c->fd >= 0)
        (void)close(c->fd);
    buf_free(&c->got);
    buf_free(&c->wire);
    c->ssl = NULL;
}

/* What OpenSSL has to say moves to `wire`. */
static inline void client_gather(struct tls_client *c)
{
    char bytes[4096];
    int n;

    while ((n = BIO_read(SSL_get_wbio(c->ssl), bytes, sizeof bytes)) > 0)
        buf_put(&c->wire, bytes, (size_t)n);
}

/* Sends up to max bytes of it. */
static inline void client_send(struct tls_client *c, size_t max)
{
    ssize_t n;

    client_gather(c);
    max = max < c->wire.len ? max : c->wire.len;
    n = max == 0 ? 0 : send(c->fd, c->wire.p, max, MSG_NOSIGNAL);
    if (n > 0)
        buf_consume(&c->wire, (size_t)n);
}

/* Takes up to max bytes from the wire and decrypts what is whole. */
static inline void client_receive(struct tls_client *c, size_t max)
{
    char bytes[65536];
    ssize_t n = recv(c->fd, bytes, max < sizeof bytes ? max : sizeof bytes, MSG_DONTWAIT);
    size_t len;

    c->ended |= n == 0;
    if (n > 0)
        ck_assert_int_eq(BIO_write(SSL_get_rbio(c->ssl), bytes, (int)n), n);
    ERR_clear_error();
    if (!SSL_is_init_finished(c->ssl) && SSL_do_handshake(c->ssl) != 1)
        return;
    while (SSL_read_ex(c->ssl, buf_reserve(&c->got, 16384), 16384, &len) == 1)
        c->got.len += len;
    c->closed |= SSL_get_error(c->ssl, 0) == SSL_ERROR_ZERO_RETURN;
}

static inline void client_write(struct tls_client *c, const char *text)
{
    ck_assert_int_eq(SSL_write(c->ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* One exchange: all that there is goes out, what has come is taken. */
static inline void client_talk(struct tls_client *c)
{
    ERR_clear_error();
    if (!SSL_is_init_finished(c->ssl))
        (void)SSL_do_handshake(c->ssl);
    client_send(c, SIZE_MAX);
    client_receive(c, SIZE_MAX);
    client_send(c, SIZE_MAX);
}

/* CN=device-7,O=Büro\, Ltd: signed by itself, and its own authority. */
static inline X509 *client_certificate(EVP_PKEY *pair)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);

    (void)X509_set_version(x, X509_VERSION_3);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    (void)X509_set_pubkey(x, pair);
    (void)X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"Büro, Ltd", -1, -1,
                                     0);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)"device-7", -1, -1,
                                     0);
    (void)X509_set_issuer_name(x, name);
    ck_assert_int_gt(X509_sign(x, pair, EVP_sha256()), 0);
    return x;
}

#endif
