/*
 * tls.c - one connection: handshake, decrypting, encrypting.
 *
 * OpenSSL is given a BIO of ours instead of the socket.  Reading, it takes what
 * tls_read has just received; it always takes all.  Writing, a record goes to the
 * socket, and what the socket does not take of it stays here as unsent bytes: for
 * OpenSSL a write is always whole, so that nothing ever has to be written again.
 *
 * Happy path: a client's bytes are received into the server's buffer, OpenSSL moves
 * what it finds in them into the caller's, and its own buffers are let go of.  A
 * write that lies in one piece is encrypted from where it lies; one in many pieces is
 * gathered first, for a record each would cost more than the copy.
 *
 * How it fails: whatever OpenSSL refuses ends the connection; its alert has been
 * written by then.  A client that speaks HTTP without TLS is told so in HTTP.  A
 * client that provokes answers without reading them (alerts, key updates) is lost
 * when UNSENT_MAX bytes of them have piled up.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "address.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "tls_internal.h"

#define UNSENT_MAX (64u * 1024) /* a record, or what a handshake says in one go */
#define LOG_EVERY_MS 5000

static const char https_here[] = "HTTP/1.1 400 Bad Request\r\n"
                                 "Content-Type: text/plain\r\n"
                                 "Connection: close\r\n\r\n"
                                 "This port speaks TLS: use https.\n";

/* --- the socket, as OpenSSL sees it --------------------------------------------- */

/* How many bytes the socket took, none when it is full; -1: it is broken. */
static ssize_t tls_send(struct tls *t, const void *p, size_t len)
{
    ssize_t n;

    do
        n = send(t->fd, p, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
        return 0;
    return n;
}

static int tls_bio_write(BIO *bio, const char *p, int len)
{
    struct tls *t = BIO_get_data(bio);
    ssize_t sent = 0;

    if (t->unsent.len == 0)
        sent = tls_send(t, p, (size_t)len);
    if (sent < 0 || t->unsent.len + (size_t)(len - sent) > UNSENT_MAX)
        return -1;
    buf_put(&t->unsent, p + sent, (size_t)(len - sent));
    return len;
}

static int tls_bio_read(BIO *bio, char *p, int len)
{
    struct tls_server *s = ((struct tls *)BIO_get_data(bio))->server;
    size_t n = s->wire_len - s->wire_at;

    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    n = n < (size_t)len ? n : (size_t)len;
    memcpy(p, s->wire + s->wire_at, n);
    s->wire_at += n;
    return (int)n;
}

static long tls_bio_control(BIO *bio, int what, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return what == BIO_CTRL_FLUSH; /* there is nothing to it */
}

BIO_METHOD *tls_socket_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice");

    if (m == NULL)
        abort();
    BIO_meth_set_write(m, tls_bio_write);
    BIO_meth_set_read(m, tls_bio_read);
    BIO_meth_set_ctrl(m, tls_bio_control);
    return m;
}

/* --- the handshake --------------------------------------------------------------- */

static void tls_handshake_over(struct tls *t)
{
    t->server->handshakes -= t->handshaking;
    t->handshaking = false;
}

/* At most one line per LOG_EVERY_MS: anybody can make handshakes fail. */
static void tls_log_failure(const struct tls *t, const char *reason)
{
    struct tls_server *s = t->server;
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    uint64_t now = clock_mono_ms();
    char address[80];

    s->failures++;
    if (s->logged_at != 0 && now - s->logged_at < LOG_EVERY_MS)
        return;
    s->logged_at = now;
    (void)getpeername(t->fd, (struct sockaddr *)&peer, &len);
    address_format((struct sockaddr *)&peer, address, sizeof address);
    log_info("a TLS handshake failed", LOG_S("reason", reason), LOG_S("client", address),
             LOG_U("failures", s->failures));
}

void tls_refuse(struct tls *t, const char *reason)
{
    metric_add(M_TLS_FAILED, 1);
    tls_log_failure(t, reason);
    tls_abandon(t);
}

/* OpenSSL has given up, and has said so to the client if the client speaks TLS. */
static void tls_refused(struct tls *t)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(error);

    if (ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST)
        (void)tls_send(t, https_here, sizeof https_here - 1);
    else if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        reason = X509_verify_cert_error_string(SSL_get_verify_result(t->ssl));
    tls_refuse(t, reason != NULL ? reason : "the connection broke");
}

/* Of one that has several nobody could say which counts; NULL then, as when it has none. */
static char *common_name_of(X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;
    char *name = NULL;
    int len;

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return NULL;
    len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len > 0 && memchr(text, '\0', (size_t)len) == NULL)
        name = mem_strndup((const char *)text, (size_t)len);
    OPENSSL_free(text);
    return name;
}

/* A certificate that is here was verified: a bad one ends the handshake. */
static void tls_opened(struct tls *t)
{
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);

    tls_handshake_over(t);
    t->state = TLS_OPEN;
    metric_add(M_TLS_HANDSHAKES, 1);
    metric_add(M_TLS_RESUMED, (uint64_t)SSL_session_reused(t->ssl));
    if (certificate != NULL)
        t->peer_name = common_name_of(certificate);
}

static void tls_handshake(struct tls *t)
{
    int rc;

    ERR_clear_error();
    rc = SSL_do_handshake(t->ssl);
    if (rc == 1)
        tls_opened(t);
    else if (SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ)
        tls_refused(t);
}

/* --- reading ----------------------------------------------------------------------- */

/* The client has left, or the connection is broken. */
static void tls_ended(struct tls *t, bool in_order)
{
    if (t->state == TLS_HANDSHAKE)
        tls_refuse(t, "the client left");
    else
        t->state = in_order ? TLS_EOF : TLS_LOST;
}

/* Fills the server's wire buffer; false: there is nothing to look at. */
static bool tls_receive(struct tls *t)
{
    struct tls_server *s = t->server;
    ssize_t n;

    do
        n = recv(t->fd, s->wire, sizeof s->wire, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            tls_ended(t, n == 0);
        return false;
    }
    s->wire_at = 0;
    s->wire_len = (size_t)n;
    return true;
}

static size_t tls_decrypt(struct tls *t, char *out)
{
    size_t len = 0, n;

    ERR_clear_error();
    while (SSL_read_ex(t->ssl, out + len, TLS_READ_MAX - len, &n) == 1)
        len += n;
    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        t->state = TLS_EOF;
        break;
    default:
        t->state = TLS_LOST;
        break;
    }
    return len;
}

size_t tls_read(struct tls *t, char out[TLS_READ_MAX])
{
    size_t n = 0;

    if (t->state == TLS_LOST || !tls_receive(t))
        return 0;
    if (t->state == TLS_HANDSHAKE)
        tls_handshake(t);
    if (t->state == TLS_OPEN)
        n = tls_decrypt(t, out);
    t->server->wire_at = t->server->wire_len = 0;
    return n;
}

/* --- writing ----------------------------------------------------------------------- */

struct tls_pieces {
    const struct iovec *iov; /* the first of those that are left */
    int count;
    size_t at; /* in the first */
};

/* So many bytes at most, from the first that is left. */
static struct slice tls_pieces_take(struct tls_pieces *p, size_t max)
{
    size_t left = p->iov->iov_len - p->at;
    size_t n = left < max ? left : max;
    struct slice s = {(const char *)p->iov->iov_base + p->at, n};

    p->at += n;
    if (n == left) {
        p->iov++;
        p->count--;
        p->at = 0;
    }
    return s;
}

/* What the next record holds: where it lies, or gathered. */
static struct slice tls_next_record(struct tls_pieces *p, char room[TLS_RECORD_MAX])
{
    struct slice s = tls_pieces_take(p, TLS_RECORD_MAX);
    size_t len = s.len;

    if (len == TLS_RECORD_MAX || p->count == 0)
        return s;
    memcpy(room, s.p, len);
    while (len < TLS_RECORD_MAX && p->count > 0) {
        s = tls_pieces_take(p, TLS_RECORD_MAX - len);
        memcpy(room + len, s.p, s.len);
        len += s.len;
    }
    return (struct slice){room, len};
}

ssize_t tls_write(struct tls *t, const struct iovec *iov, int iovcnt)
{
    struct tls_pieces p = {iov, iovcnt, 0};
    size_t taken = 0, n;

    assert(t->unsent.len == 0);
    if (t->state == TLS_LOST)
        return -1;
    ERR_clear_error();
    while (p.count > 0 && t->unsent.len == 0) {
        struct slice s = tls_next_record(&p, t->server->record);

        if (s.len > 0 && SSL_write_ex(t->ssl, s.p, s.len, &n) != 1)
            return -1;
        taken += s.len;
    }
    return (ssize_t)taken;
}

size_t tls_unsent(const struct tls *t)
{
    return t->unsent.len - t->unsent_at;
}

bool tls_flush(struct tls *t)
{
    ssize_t n;

    if (t->unsent.len == 0)
        return true;
    n = tls_send(t, t->unsent.p + t->unsent_at, tls_unsent(t));
    if (n < 0)
        return false;
    t->unsent_at += (size_t)n;
    if (t->unsent_at == t->unsent.len) {
        buf_free(&t->unsent);
        t->unsent_at = 0;
    }
    return true;
}

void tls_finish(struct tls *t)
{
    if (t->finished || t->state == TLS_HANDSHAKE || t->state == TLS_LOST)
        return;
    t->finished = true;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl); /* that the client answers it is not waited for */
}

/* --- life -------------------------------------------------------------------------- */

struct tls *tls_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

struct tls *tls_new(struct tls_server *s, int fd, const char *const *alpn)
{
    struct tls *t = mem_zalloc(sizeof *t);
    BIO *bio = BIO_new(s->socket);

    t->server = s;
    t->fd = fd;
    t->alpn = alpn;
    t->ssl = SSL_new(s->contexts[0]);
    if (bio == NULL || t->ssl == NULL)
        abort(); /* OpenSSL's way to say that memory is out */
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    SSL_set_accept_state(t->ssl);
    t->handshaking = true;
    s->handshakes++;
    return t;
}

void tls_abandon(struct tls *t)
{
    tls_handshake_over(t);
    t->state = TLS_LOST;
    buf_free(&t->unsent);
    t->unsent_at = 0;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    tls_abandon(t);
    SSL_free(t->ssl);
    free(t->peer_name);
    free(t);
}

enum tls_state tls_state(const struct tls *t)
{
    return (enum tls_state)t->state;
}

uint64_t tls_handshake_ms(const struct tls *t)
{
    return t->server->handshake_ms;
}

struct slice tls_alpn(const struct tls *t)
{
    const unsigned char *p;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &p, &len);
    return (struct slice){(const char *)p, len};
}

struct slice tls_peer_subject(const struct tls *t)
{
    return slice_of(t->peer_name);
}
