/*
 * tls.h - TLS 1.2 and 1.3 under a connection (RFC 5246, 8446).
 *
 * tls_server   what the TLS listeners of a process share: certificates, rules,
 *              how many handshakes are under way
 * tls          one connection's, between its socket and whoever reads and writes
 *
 *     socket ──recv──▶ wire ──────decrypt──────▶ tls_read's caller
 *     socket ◀──send── a record ◀──encrypt────── tls_write's iovecs
 *                         └─ what the socket does not take of it: unsent
 *
 * Bounded: writing stops at the first record (16 KiB) that the socket does not take
 * whole, so a client that does not read costs one record.  What is read is handed on
 * at once; nothing lies decrypted in here.  An idle connection holds no buffers.
 *
 * The client may end its side with a close_notify or with just a FIN: the protocols
 * above know by themselves when a message is whole.  No renegotiation, no
 * compression, no early data.
 *
 * Loop thread.  Includes no OpenSSL: that stays in tls*.c.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <sys/uio.h>

#include "bytes.h"
#include "config.h"

/* --- what all share ------------------------------------------------------------ */

struct tls_server;

/* From [tls].  NULL, logged, when that holds nothing to serve with. */
struct tls_server *tls_server_new(const struct config *c) MUST_CHECK;
/* For handshakes from now on; false, logged: all stays as it was. */
bool tls_server_reload(struct tls_server *s, const struct config *c);
void tls_server_free(struct tls_server *s); /* after the last connection; NULL does nothing */
/* As many handshakes are under way as are allowed. */
bool tls_server_busy(const struct tls_server *s);
/* So many of them may be of one address when there are too many. */
size_t tls_server_share(const struct tls_server *s);
/* Said to a client over a limit, before any handshake: an alert in the clear. */
struct slice tls_server_refusal(void);

/* --- one connection ------------------------------------------------------------ */

struct tls;

enum tls_state {
    TLS_HANDSHAKE,
    TLS_OPEN,
    TLS_EOF,  /* the client sends no more; it may still be written to */
    TLS_LOST, /* refused, broken, or gone; the client was told if it could be */
};

/* fd is borrowed, connected and non-blocking.  alpn: the protocols that are spoken
 * here, best first, NULL at the end; a client that names only others is refused. */
struct tls *tls_new(struct tls_server *s, int fd, const char *const *alpn);
void tls_free(struct tls *t); /* NULL does nothing */
enum tls_state tls_state(const struct tls *t);
uint64_t tls_handshake_ms(const struct tls *t); /* how long it may take */

/* The handshake fails: logged and counted, then abandoned. */
void tls_refuse(struct tls *t, const char *reason);

/* Receives once, goes on with the handshake, decrypts all that came.  Returns how
 * many bytes are in out; look at the state behind it. */
#define TLS_READ_MAX (64u * 1024)
size_t tls_read(struct tls *t, char out[TLS_READ_MAX]);

/* Bytes taken, less than all when the socket is full; -1: lost.  Nothing may be
 * unsent. */
ssize_t tls_write(struct tls *t, const struct iovec *iov, int iovcnt) MUST_CHECK;
/* Encrypted bytes that the socket did not take; they go before all others. */
size_t tls_unsent(const struct tls *t);
bool tls_flush(struct tls *t) MUST_CHECK; /* false: lost */
void tls_finish(struct tls *t); /* says close_notify, once; nothing is written behind it */
/* Ends it: what is unsent is let go of, writing fails.  What is borrowed from it stays. */
void tls_abandon(struct tls *t);

/* As the handshake settled it; empty: nothing was.  They live as long as t. */
struct slice tls_alpn(const struct tls *t);
/* The common name in the subject of the client's certificate, which was verified: "device-7".
 * Empty without a certificate, and when it has no common name or several. */
struct slice tls_peer_subject(const struct tls *t);

#endif
