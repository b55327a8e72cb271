/*
 * claim.h - who serves an address: processes of one kind share it, others may not.
 *
 * SO_REUSEPORT lets any processes of one user listen on one port, and gives each some of
 * the clients: two gateways of different kinds there would each answer half of them
 * wrongly, and both be ready.  So a file in <data>/run stands for each address, holds the
 * kind that serves it, and is locked as long as somebody does; the lock ends with its
 * process, however that ends.
 *
 *   claim_take ─▶ first: alone while it looks whether anything else listens there
 *             └─▶ not first: beside others of its kind
 *   claim_settle  others of its kind may come
 *
 * May block briefly, while another process is between take and settle.
 */
#ifndef NET_CLAIM_H
#define NET_CLAIM_H

#include <sys/socket.h>

#include "bytes.h"

#define CLAIM_KIND_MAX 64

struct claim {
    int fd;                      /* -1: there is no folder to claim in */
    bool first;                  /* nobody has claimed it yet */
    char holder[CLAIM_KIND_MAX]; /* with -EADDRINUSE: the kind that is there */
};

/* kind: shorter than CLAIM_KIND_MAX.  0, or -EADDRINUSE. */
int claim_take(struct claim *c, const char *folder, const struct sockaddr *address,
               const char *kind) MUST_CHECK;
void claim_settle(struct claim *c);
void claim_drop(struct claim *c); /* idempotent */

#endif
