/*
 * zsock.h - ZeroMQ sockets on a libuv loop; the only module that knows zmq.h.
 *
 * ZMQ_FD is edge-triggered, and any send, receive or option call may consume
 * the edge, so: uv_poll only wakes the loop, uv_check drains with a budget, and
 * uv_prepare keeps the loop turning while something is pending.
 *
 * One loop, one thread.  All sockets of a loop share one ZeroMQ context.
 * Callbacks never run from inside a call into this module.
 */
#ifndef COMMON_ZSOCK_H
#define COMMON_ZSOCK_H

#include <uv.h>

#include "bytes.h"

/* A message's bytes, reference counted by ZeroMQ.  Large enough for a zmq_msg_t. */
struct zmsg {
    union {
        unsigned char opaque[64];
        void *align;
    } u;
};

void zmsg_init(struct zmsg *m); /* empty */
void zmsg_init_copy(struct zmsg *m, const void *p, size_t len);
/* Takes b's bytes without copying; b is empty after. */
void zmsg_init_buf(struct zmsg *m, struct buf *b);
void zmsg_share(struct zmsg *dst, struct zmsg *src); /* dst: initialised; shares bytes */
void zmsg_move(struct zmsg *dst, struct zmsg *src);  /* dst: initialised; src is empty after */
/* The same for bytes that stay for long: what was received may be a slice of
 * ZeroMQ's receive buffer, all of which it keeps in memory, so it is copied. */
void zmsg_keep(struct zmsg *dst, struct zmsg *src);
void zmsg_close(struct zmsg *m);
const void *zmsg_data(const struct zmsg *m);
/* The same, to be written to: by who received it and shares it with nobody. */
void *zmsg_bytes(struct zmsg *m);
size_t zmsg_size(const struct zmsg *m);

#define ZSOCK_KEY_TEXT 41 /* a CURVE key in Z85, and NUL */
/* A new pair of them.  False: ZeroMQ has no CURVE here. */
bool zsock_keypair(char public_key[ZSOCK_KEY_TEXT], char secret_key[ZSOCK_KEY_TEXT]);
/* The key that its sender has proven to have, in Z85, of what came over a connection that a
 * handler of ZSOCK_ZAP let in; NULL: it came over another. */
const char *zmsg_key(struct zmsg *m);

enum zsock_type { ZSOCK_ROUTER, ZSOCK_DEALER };

/* What a message holds beyond so many parts (a ROUTER's routing ID included) is
 * discarded; none of ours has as many. */
#define ZSOCK_PARTS_MAX 16

struct zsock;
struct zsock_ops {
    /* One whole message.  Parts are the callee's to move from or share; those it
     * leaves are closed after.  routing_id: a ROUTER's name for the sender, at most 255
     * bytes, else empty. */
    void (*message)(void *arg, struct slice routing_id, struct zmsg *parts, size_t count);
    /* After a drain that delivered something; the end of the loop's turn. */
    void (*drained)(void *arg);
    /* DEALER: the peer's handshake has succeeded / that connection is gone, and all
     * that it delivered has been read (unless paused).  May be NULL. */
    void (*connected)(void *arg);
    void (*disconnected)(void *arg);
    /* DEALER with a monitor: a handshake has failed.  Some failures are for good: ZeroMQ
     * tries no more.  May be NULL. */
    void (*refused)(void *arg, const char *why);
};
struct zsock_options {
    /* Messages; 0: ZeroMQ's default, but with heartbeats nothing limits what is received: 4.3.4
     * aborts when a peer goes whose messages have filled their queue and its heartbeat is due
     * before they are read.  What peers may have under way bounds it then. */
    int send_hwm, recv_hwm;
    unsigned heartbeat_ms; /* 0: none; timeout is three of them */
    unsigned reconnect_ms; /* DEALER; 0: 20, up to 1 s */
    uint64_t max_message;  /* bytes, larger ones end the connection; 0: none */
    bool mandatory;        /* ROUTER: sending to nobody is an error */
    bool monitor;          /* connected/disconnected are wanted */
};

/* Returns NULL only when ZeroMQ has no more sockets. */
struct zsock *zsock_new(uv_loop_t *loop, enum zsock_type type, const struct zsock_options *o,
                        const struct zsock_ops *ops, void *arg) MUST_CHECK;
/* 0, or a negative errno (uv_strerror knows it).  An ipc path is removed first
 * when nobody listens on it; the caller holds the lock that makes it so. */
int zsock_bind(struct zsock *z, const char *endpoint) MUST_CHECK;
int zsock_connect(struct zsock *z, const char *endpoint) MUST_CHECK;
/* What is bound or connected from now on speaks CURVE (RFC 26).  A server lets in whom the
 * handler says (ZAP, RFC 27): a ROUTER of the same process, bound to ZSOCK_ZAP before.  Without
 * one ZeroMQ would let in everybody. */
#define ZSOCK_KEY 32
#define ZSOCK_ZAP "inproc://zeromq.zap.01"
struct zsock_curve {
    uint8_t public[ZSOCK_KEY], secret[ZSOCK_KEY]; /* ours */
    uint8_t server_key[ZSOCK_KEY];                /* a client's: of whom it connects to */
};
void zsock_secure_server(struct zsock *z, const struct zsock_curve *c);
void zsock_secure_client(struct zsock *z, const struct zsock_curve *c);
/* Finds the public key; false: this ZeroMQ has no CURVE. */
bool zsock_curve_public(struct zsock_curve *c) MUST_CHECK;
/* Moves from *m on success.  -EAGAIN: the peer's queue is full.  -EHOSTUNREACH:
 * a mandatory ROUTER knows no such peer.  routing_id is for ROUTERs. */
int zsock_send(struct zsock *z, struct slice routing_id, struct zmsg *m);
int zsock_send_parts(struct zsock *z, struct slice routing_id, struct zmsg *parts, size_t count);
/* Stops or starts reading: back-pressure reaches the peers' own queues. */
void zsock_pause(struct zsock *z, bool paused);
void zsock_budget(struct zsock *z, unsigned messages); /* per turn; 1,000 by default */
/* Ends it: unsent messages get `linger_ms`; closed() runs later, once. */
void zsock_close(struct zsock *z, unsigned linger_ms, void (*closed)(void *arg));
/* After the last socket of the process is closed. */
void zsock_shutdown(void);

#endif
