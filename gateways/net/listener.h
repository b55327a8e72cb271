/*
 * listener.h - a listening socket that makes conns.
 *
 * SO_REUSEPORT, so that several processes of a kind share an address.  A client
 * over a limit is told so, in the protocol's own words, and closed.  When the
 * process has no more descriptors, or as many TLS handshakes under way as are
 * allowed, accepting pauses briefly; those who wait stay in the kernel's queue.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "conn.h"

struct listener;
struct listener_options {
    size_t conn_size; /* of the owner's struct, which begins with a conn */
    const struct conn_ops *ops;
    void *data;           /* the data of every conn at first */
    struct slice refusal; /* said to a client over a limit; may be empty */
    /* What is spoken here, as ALPN names it: see tls_new. */
    const char *const *alpn;
};

/* address: "host:port", or "ipc://path" for a socket in the file system; tls is borrowed,
 * NULL for plain.  NULL, logged, when it cannot be listened on. */
struct listener *listener_open(struct conns *cs, const char *address, struct tls_server *tls,
                               const struct listener_options *o) MUST_CHECK;
void listener_close(struct listener *l); /* frees itself; NULL does nothing */

#endif
