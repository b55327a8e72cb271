/*
 * conn_internal.h - what conn.c and conn_write.c share; nobody else includes it.
 *
 *   conn.c         polling, reading, TLS's handshake, the end
 *   conn_write.c   writing, what is left of it, and what that costs
 */
#ifndef NET_CONN_INTERNAL_H
#define NET_CONN_INTERNAL_H

#include "conn.h"

enum conn_state {
    CONN_OPEN,
    CONN_LOST,
    CONN_FLUSHING,
    CONN_LINGERING,
    CONN_CLOSED,
    CONN_HANDSHAKE
};

/* Asks the loop for what matters now; a system call only when that changes. */
void conn_poll_update(struct conn *c);
/* After anything that TLS may have written. */
void conn_unsent_count(struct conn *c);
/* For held_list: the client is cut off for what it holds. */
void conn_cut_off(struct held *h);
/* Nothing of what is half written will be. */
void conn_let_go(struct conn *c);
/* Writes what is left as far as the socket takes it; false: the peer is lost. */
bool conn_flush(struct conn *c) MUST_CHECK;

#endif
