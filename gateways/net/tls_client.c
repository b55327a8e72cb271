/*
 * tls_client.c - the client's side, over a socket that the caller waits for.
 *
 * The handshake is part of the first send.  What OpenSSL sends goes out with
 * MSG_NOSIGNAL, for a command line has not told the kernel to ignore SIGPIPE.
 */
#include "tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "config.h"
#include "mem.h"

struct tls_client {
    SSL_CTX *context;
    SSL *ssl;
    BIO_METHOD *socket;
    const char *certificates;
    int fd;
    short events;
    const char *error;
};

/* --- the socket -------------------------------------------------------------------- */

static int outcome(BIO *bio, ssize_t n, int retry)
{
    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    return (int)n;
}

static int socket_write(BIO *bio, const char *p, int len)
{
    const struct tls_client *t = BIO_get_data(bio);

    return outcome(bio, send(t->fd, p, (size_t)len, MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}

static int socket_read(BIO *bio, char *p, int len)
{
    const struct tls_client *t = BIO_get_data(bio);

    return outcome(bio, recv(t->fd, p, (size_t)len, 0), BIO_FLAGS_READ);
}

static long socket_control(BIO *bio, int what, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return what == BIO_CTRL_FLUSH;
}

static BIO *make_bio(struct tls_client *t)
{
    BIO *bio;

    t->socket = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice");
    if (t->socket == NULL)
        abort();
    BIO_meth_set_write(t->socket, socket_write);
    BIO_meth_set_read(t->socket, socket_read);
    BIO_meth_set_ctrl(t->socket, socket_control);
    bio = BIO_new(t->socket);
    if (bio == NULL)
        abort();
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- whom it believes ---------------------------------------------------------------- */

static bool is_in(const X509 *shown, struct slice file)
{
    char *name = mem_strndup(file.p, file.len);
    FILE *f = fopen(name, "re");
    X509 *known = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
    bool same = known != NULL && X509_cmp(known, shown) == 0;

    X509_free(known);
    if (f != NULL)
        (void)fclose(f);
    free(name);
    return same;
}

static int verify(X509_STORE_CTX *store, void *arg)
{
    const struct tls_client *t = arg;
    struct slice rest = slice_of(t->certificates), file;

    while (config_list_next(&rest, &file))
        if (is_in(X509_STORE_CTX_get0_cert(store), file))
            return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

/* --- bytes ----------------------------------------------------------------------------- */

/* What to do after a call that has not done it all. */
static void look(struct tls_client *t)
{
    int error = SSL_get_error(t->ssl, 0);
    unsigned long why = ERR_peek_last_error();

    t->events = 0;
    if (error == SSL_ERROR_WANT_READ)
        t->events = POLLIN;
    else if (error == SSL_ERROR_WANT_WRITE)
        t->events = POLLOUT;
    else if (ERR_GET_REASON(why) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        t->error = "the server's certificate is none of those that [tls] certificate names";
    else if (why != 0 && ERR_reason_error_string(why) != NULL)
        t->error = ERR_reason_error_string(why);
    else
        t->error = "the connection was lost";
}

ssize_t tls_client_send(struct tls_client *t, const void *p, size_t len)
{
    size_t n;

    ERR_clear_error();
    if (SSL_write_ex(t->ssl, p, len, &n) == 1)
        return (ssize_t)n;
    look(t);
    return -1;
}

ssize_t tls_client_recv(struct tls_client *t, void *p, size_t len)
{
    size_t n;

    ERR_clear_error();
    if (SSL_read_ex(t->ssl, p, len, &n) == 1)
        return (ssize_t)n;
    if (SSL_get_error(t->ssl, 0) == SSL_ERROR_ZERO_RETURN)
        return 0;
    look(t);
    return -1;
}

short tls_client_events(const struct tls_client *t)
{
    return t->events;
}

const char *tls_client_error(const struct tls_client *t)
{
    return t->error;
}

/* --- life ------------------------------------------------------------------------------ */

struct tls_client *tls_client_new(int fd, const char *certificates)
{
    struct tls_client *t = mem_zalloc(sizeof *t);
    BIO *bio = make_bio(t);

    t->fd = fd;
    t->certificates = certificates;
    t->context = SSL_CTX_new(TLS_client_method());
    if (t->context == NULL)
        abort();
    (void)SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
    (void)SSL_CTX_set_mode(t->context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(t->context, verify, t);
    t->ssl = SSL_new(t->context);
    if (t->ssl == NULL)
        abort();
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_connect_state(t->ssl);
    return t;
}

void tls_client_free(struct tls_client *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    SSL_CTX_free(t->context);
    BIO_meth_free(t->socket);
    free(t);
}
