/*
 * zauth.h - who a ZeroMQ peer is: which mechanisms are served, what a handshake shows, and
 * what a peer that is not believed is told.
 *
 *   [zmq] mechanism     says which; empty: NULL; CURVE with a key of ours; PLAIN where names
 *                       mean something ([auth]) and all addresses are on this machine, for it
 *                       sends passwords in the clear
 *
 * A mechanism that is not served is answered with one that is, so that the peer ends by itself
 * before it has sent a password.  A stranger who must not come hears so in the handshake.
 */
#ifndef ZMQ_ZAUTH_H
#define ZMQ_ZAUTH_H

#include "authority.h"
#include "zmqd.h"

/* False, logged: the configuration does not do. */
bool zauth_read(struct zmqd *d, const struct config *c);
/* Which to greet with one that says it speaks `theirs`; false: it will not come in, and
 * *greet_as is for its own eyes. */
bool zauth_choose(const struct zmqd *d, struct slice theirs, enum zmtp_mechanism *greet_as);

/* As authority_ask, of what the handshake has shown (ZMTP_ASK). */
struct auth_ask *zauth_ask(struct zmqd *d, const struct conn *c, const struct zmtp_handshake *h,
                           struct auth_answer *now, auth_done done, void *arg) MUST_CHECK;
/* What ERROR says of it: ZAP's status (RFC 27), which libzmq tells its application of.  NULL:
 * nothing is said, for libzmq comes again after an end without a word, and not after ERROR. */
const char *zauth_error(enum auth_outcome o);
/* For the audit log.  verb NULL: it was about who it is, and filter is empty. */
void zauth_refused(const struct conn *c, const struct caller *who, const char *verb,
                   struct slice filter, const char *reason);

#endif
