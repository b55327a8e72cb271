/*
 * handshakes.h - TLS handshakes under way, and which makes room when there are too many.
 *
 * A connection is *silent* until its first byte, then *begun*, until its handshake is over.
 * When as many are under way as are allowed, a new client takes the place of one that
 * stands still by its own doing:
 *
 *   1. the silent one that came first
 *   2. the begun one that has sent nothing for the longest time, a second at least
 *
 * in both cases of an address with more than its share, when there is one near.  One whose
 * bytes wait to be read here stands still by our doing and is left alone: when all are of
 * that kind, new clients wait in the kernel's queue, and a crowd that comes back at once is
 * served in the order in which it came.
 */
#ifndef NET_HANDSHAKES_H
#define NET_HANDSHAKES_H

#include <sys/socket.h>

#include "bytes.h"

struct address_count;
struct conn;
struct handshake;

/* Of a process; zeroed at first. */
struct handshakes {
    struct handshake *silent, *begun; /* longest still first */
    struct address_count *addresses;
};

struct handshake *handshakes_add(struct handshakes *hs, struct conn *c, int fd,
                                 const struct sockaddr *peer);
void handshake_moved(struct handshakes *hs, struct handshake *h); /* bytes have come */
/* Over, well or not; NULL does nothing. */
void handshake_over(struct handshakes *hs, struct handshake *h);
/* Who is to be closed for a new one; NULL: nobody.  share: of one address. */
struct conn *handshakes_victim(const struct handshakes *hs, size_t share);

#endif
