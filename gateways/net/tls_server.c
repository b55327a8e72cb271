/*
 * tls_server.c - which certificates there are, which of them a client gets, and by
 * which rules.
 *
 * One SSL_CTX per certificate, all by the same rules.  A connection begins with the
 * first; when the client names a server (SNI) that another certificate is for, that
 * one takes over.  Tickets of resumption are sealed with keys that live as long as
 * the contexts, so a reload ends them.
 *
 * How it fails: loading makes all contexts or none.  Every file that is no good is
 * logged with OpenSSL's reason.  On reload the old contexts stay, and connections
 * hold on to theirs either way.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "tls_internal.h"

/* Of TLS 1.2, those with forward secrecy and authenticated encryption; of 1.3, all. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CERTIFICATES_MAX 64
#define SOON_S (7 * 24 * 3600)

/* --- what OpenSSL asks ------------------------------------------------------------ */

/* The client's list: each name with its length before it.  Ours decides the order. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    const char *const *ours = tls_of(ssl)->alpn;

    (void)arg;
    if (ours == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (; *ours != NULL; ours++) {
        for (unsigned at = 0; at < in_len; at += 1u + in[at]) {
            struct slice name = {(const char *)in + at + 1, in[at]};

            if (!slice_eq(name, slice_of(*ours)))
                continue;
            *out = in + at + 1;
            *out_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2 */
}

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct tls_server *s = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    for (size_t i = 0; name != NULL && i < s->count; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(s->contexts[i]), name, 0, 0, NULL) != 1)
            continue;
        (void)SSL_set_SSL_CTX(ssl, s->contexts[i]);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK; /* the first: the client will see whether it likes it */
}

/* Nobody is there to be asked. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* --- one context ------------------------------------------------------------------- */

/* The first error is the cause ("No such file or directory"); those behind it only say through
 * which of OpenSSL's parts it came ("system lib"). */
static bool bad_file(const char *what, const char *file, const char *where)
{
    unsigned long error = ERR_peek_error();
    const char *reason =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);

    log_error(what, LOG_S("file", file), LOG_S("reason", reason != NULL ? reason : "unknown"),
              LOG_S("where", where));
    return false;
}

static bool load_certificate(SSL_CTX *ctx, const struct config *c, const char *certificate,
                             const char *key)
{
    enum config_key own = config_is_set(c, CFG_TLS_KEY) ? CFG_TLS_KEY : CFG_TLS_CERTIFICATE;

    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
        return bad_file("a TLS certificate cannot be used", certificate,
                        config_where(c, CFG_TLS_CERTIFICATE));
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return bad_file("a TLS key cannot be used", key, config_where(c, own));
    return true;
}

/* The names of the authorities are sent to clients, which choose a certificate by them. */
static bool load_client_ca(SSL_CTX *ctx, const struct config *c)
{
    static const int modes[] = {SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_PEER};
    const char *file = config_text(c, CFG_TLS_CLIENT_CA);
    STACK_OF(X509_NAME) * names;

    if (*file == '\0')
        return true;
    ERR_clear_error();
    names = SSL_load_client_CA_file(file);
    if (names == NULL || SSL_CTX_load_verify_file(ctx, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return bad_file("the authorities of TLS clients cannot be used", file,
                        config_where(c, CFG_TLS_CLIENT_CA));
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, modes[config_num(c, CFG_TLS_VERIFY)], NULL);
    return true;
}

static void set_rules(SSL_CTX *ctx, const struct config *c)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)SSL_CTX_set_min_proto_version(ctx, versions[config_num(c, CFG_TLS_MIN_VERSION)]);
    (void)SSL_CTX_set_cipher_list(ctx, CIPHERS);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need none */
    (void)SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"sluice", 6);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
}

static SSL_CTX *make_context(struct tls_server *s, const struct config *c, const char *certificate,
                             const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (ctx == NULL)
        abort();
    set_rules(ctx, c);
    (void)SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    (void)SSL_CTX_set_tlsext_servername_arg(ctx, s);
    if (load_certificate(ctx, c, certificate, key) && load_client_ca(ctx, c))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

/* --- all of them ------------------------------------------------------------------- */

struct contexts {
    SSL_CTX *list[CERTIFICATES_MAX];
    size_t count;
};

static void contexts_free(SSL_CTX **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        SSL_CTX_free(list[i]);
}

static bool add_context(struct contexts *all, struct tls_server *s, const struct config *c,
                        struct slice certificate, struct slice key)
{
    char *certificate_file = mem_strndup(certificate.p, certificate.len);
    char *key_file = mem_strndup(key.p, key.len);
    SSL_CTX *ctx = make_context(s, c, certificate_file, key_file);

    free(certificate_file);
    free(key_file);
    if (ctx != NULL)
        all->list[all->count++] = ctx;
    return ctx != NULL;
}

static bool mismatch(const struct config *c)
{
    log_error("[tls] certificate and key do not match: as many keys as certificates",
              LOG_U("most", CERTIFICATES_MAX),
              LOG_S("where", config_where(c, CFG_TLS_CERTIFICATE)));
    return false;
}

/* Certificates and keys stand in the same order; without any key each is in its
 * certificate's file. */
static bool tls_server_load_all(struct contexts *all, struct tls_server *s, const struct config *c)
{
    struct slice certificates = slice_of(config_text(c, CFG_TLS_CERTIFICATE));
    struct slice keys = slice_of(config_text(c, CFG_TLS_KEY));
    struct slice certificate, key;
    bool together = keys.len == 0;

    while (config_list_next(&certificates, &certificate)) {
        key = certificate;
        if (all->count == CERTIFICATES_MAX || (!together && !config_list_next(&keys, &key)))
            return mismatch(c);
        if (!add_context(all, s, c, certificate, key))
            return false;
    }
    return config_list_next(&keys, &key) || all->count == 0 ? mismatch(c) : true;
}

/* Seconds since 1970. */
static int64_t expiry_of(SSL_CTX *ctx)
{
    struct tm end = {0};

    (void)ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)), &end);
    return (int64_t)timegm(&end);
}

static void tls_server_note_expiry(const struct contexts *all)
{
    int64_t first = INT64_MAX, now = (int64_t)(clock_ms() / 1000);

    for (size_t i = 0; i < all->count; i++)
        first = expiry_of(all->list[i]) < first ? expiry_of(all->list[i]) : first;
    metric_set(M_TLS_EXPIRY, first > 0 ? (uint64_t)first : 0);
    if (first < now)
        log_warn("a TLS certificate has expired");
    else if (first < now + SOON_S)
        log_warn("a TLS certificate expires soon", LOG_I("hours", (first - now) / 3600));
}

static bool tls_server_load(struct tls_server *s, const struct config *c)
{
    struct contexts all = {.count = 0};

    if (!tls_server_load_all(&all, s, c)) {
        contexts_free(all.list, all.count);
        return false;
    }
    contexts_free(s->contexts, s->count);
    s->contexts = mem_resize(s->contexts, all.count, sizeof(SSL_CTX *));
    memcpy(s->contexts, all.list, all.count * sizeof(SSL_CTX *));
    s->count = all.count;
    s->handshakes_max = config_num(c, CFG_TLS_MAX_HANDSHAKES);
    s->handshake_ms = config_num(c, CFG_TLS_HANDSHAKE_TIMEOUT);
    tls_server_note_expiry(&all);
    return true;
}

struct tls_server *tls_server_new(const struct config *c)
{
    struct tls_server *s = mem_zalloc(sizeof *s);

    s->socket = tls_socket_method();
    if (tls_server_load(s, c))
        return s;
    tls_server_free(s);
    return NULL;
}

bool tls_server_reload(struct tls_server *s, const struct config *c)
{
    if (!tls_server_load(s, c)) {
        log_error("the TLS certificates stay as they were");
        return false;
    }
    log_info("TLS certificates loaded", LOG_U("certificates", s->count));
    return true;
}

void tls_server_free(struct tls_server *s)
{
    if (s == NULL)
        return;
    contexts_free(s->contexts, s->count);
    free(s->contexts);
    BIO_meth_free(s->socket);
    free(s);
}

size_t tls_server_share(const struct tls_server *s)
{
    return s->handshakes_max / 4;
}

bool tls_server_busy(const struct tls_server *s)
{
    return s->handshakes >= s->handshakes_max;
}

struct slice tls_server_refusal(void)
{
    /* A record of TLS 1.2 with a fatal alert, internal_error (RFC 5246, 7.2). */
    return SLICE("\x15\x03\x03\x00\x02\x02\x50");
}
