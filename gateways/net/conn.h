/*
 * conn.h - one client connection: bytes in, bytes out, limits, its end.
 *
 * Knows no protocol: its owner, a struct that begins with a struct conn, is the
 * protocol's.  It is made by a listener and lives in one allocation.
 *
 * Out goes, in this order:  unsent, tail, then out
 *   unsent the rest of a TLS record (tls.h): held.bytes.  Counts as written for the
 *          owner.
 *   tail   the rest of what is half written: of one event, or of an answer's
 *          body, held.body.  An event stays where it is encoded, shared with all,
 *          held by a pin; when its block leaves memory it is copied, to held.body.
 *   out    control bytes: heads, comments, small answers.  Freed when empty.
 * What is held counts against [limits] ring_pinned (held.h).
 * Events are only taken when all are empty, so control bytes that are written
 * after events come after them on the wire.
 *
 * With TLS the owner first hears of the connection when the handshake is over; then
 * all is as without.
 *
 * Nothing is allocated and no timer is touched per delivery.  POLLOUT is asked
 * for only while something is left to write.
 *
 * Loop thread.  Writing never calls back.  When the peer is lost, writes are
 * swallowed until gone() runs, later.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <uv.h>

#include "handshakes.h"
#include "held.h"
#include "pin.h"
#include "tls.h"
#include "wheel.h"

#define CONN_IN_MAX (64u * 1024)   /* unread bytes of one client, then reading pauses */
#define CONN_OUT_MAX (256u * 1024) /* control bytes that a stream may leave unread */

struct conn;
struct conns;
struct address_count;

struct conn_ops {
    void (*opened)(struct conn *c);
    /* All unread bytes; returns how many it is done with.  The rest is shown
     * again, with more behind it. */
    size_t (*input)(struct conn *c, struct slice bytes);
    /* Everything is written, after something was left over. */
    void (*writable)(struct conn *c);
    /* The client has shut down its sending side.  No input comes after. */
    void (*eof)(struct conn *c);
    /* The process ends: finish what is begun, then conn_finish. */
    void (*drain)(struct conn *c);
    /* The peer is lost or was cut off.  The last callback. */
    void (*gone)(struct conn *c);
    /* Its memory goes, whoever ended it.  May be NULL. */
    void (*over)(struct conn *c);
};

struct conn {
    const struct conn_ops *ops;
    struct conns *conns;
    void *data;               /* the protocol's; at first what the listener was given */
    struct conn *prev, *next; /* all of the process */
    struct address_count *address;
    struct tls *tls;             /* NULL: plain */
    struct handshake *handshake; /* while that is under way */
    struct buf in;               /* unread bytes, only while a request is cut in two */
    struct buf out;
    size_t out_at; /* bytes of out already written */
    struct slice tail;
    struct pin pin; /* of tail, unless it lies in held.body */
    struct held held;
    struct wheel_timer timer;
    uv_poll_t poll;
    int fd;
    uint8_t state;  /* enum conn_state */
    uint8_t events; /* polled for */
    bool wanted;    /* writable() is owed */
    bool eof_seen, paused, offering;
    uint32_t discarded;  /* bytes read while lingering */
    uint64_t wrote_tick; /* of the wheel */
};

/* What all connections of a process share. */
struct conns {
    uv_loop_t *loop;
    struct wheel *wheel;
    struct conn *first;
    size_t count;
    size_t max, max_per_address; /* 0: no limit */
    struct address_count *addresses;
    const char *claims; /* the folder for claim.h; NULL: none are made */
    const char *kind;   /* of gateway that this process is */
    struct held_list held;
    uint64_t handshakes_at;  /* the loop's time of the turn */
    unsigned handshakes_now; /* gone on with in this turn */
    struct handshakes handshakes;
    uint64_t sent; /* bytes, not yet in the metric */
    bool draining;
    void (*empty)(void *arg); /* draining, and the last one is closed */
    void *empty_arg;
    char scratch[64 * 1024]; /* what is read lands here first */
};

void conns_init(struct conns *cs, uv_loop_t *loop, struct wheel *wheel);
/* Calls drain() of each; empty(arg) once none is left, maybe at once. */
void conns_drain(struct conns *cs, void (*empty)(void *arg), void *arg);
void conns_close_all(struct conns *cs); /* now */
void conns_refresh(struct conns *cs);   /* brings the metrics up to date */

/* For listeners.  Takes fd, which is non-blocking, and tls, which is NULL for plain;
 * size is the owner's.  NULL when the loop refuses the descriptor; both are gone then. */
struct conn *conn_new(struct conns *cs, int fd, struct tls *tls, size_t size,
                      const struct conn_ops *ops, void *data, struct address_count *address);
/* Its handshake counts among those of the process; for listeners, behind conn_new with tls. */
void conn_count_handshake(struct conn *c, const struct sockaddr *peer);
/* One whose handshake stands still (handshakes.h), to be closed for another; NULL: none. */
struct conn *conns_still(const struct conns *cs, size_t share);
void conn_make_room(struct conn *c); /* closes such a one */
/* Another protocol goes on with it (an upgrade): unread bytes are shown to it. */
void conn_take_over(struct conn *c, const struct conn_ops *ops, void *data);

/* Copies what the socket does not take at once. */
void conn_write(struct conn *c, const void *p, size_t len);
/* The same for a head and a body behind it in one system call; what the socket
 * does not take of the body stays shared. */
void conn_write_shared(struct conn *c, struct slice head, struct shared *body);
/* May it be given `count` events, or whatever else can wait?  False: *taken says how
 * many to take for written: all, for a client that is lost; none, for one that has yet
 * to take what is pending, and then writable() will run. */
bool conn_accepts(struct conn *c, size_t count, size_t *taken) MUST_CHECK;
/* Events that many clients are sent, one behind the other. */
struct conn_run {
    const struct iovec *iov;
    int iovcnt;
    size_t bytes;
    size_t count;
    const size_t *ends; /* bytes up to the end of each event */
    /* The bytes of event i, and the pins of what they lie in. */
    struct slice (*event)(void *data, size_t i, struct pins **pins);
    void *data;
};
/* As many as the socket takes; one begun counts as taken.  Fewer than all:
 * writable() will run.  conn_accepts has said so. */
size_t conn_write_run(struct conn *c, const struct conn_run *r) MUST_CHECK;
/* An event with bytes of this client's own around those that all share. */
struct conn_piece {
    struct slice head, shared, rest; /* head is short; rest may be empty */
    struct pins *pins;               /* of what `shared` lies in */
};
#define CONN_PIECES_MAX 256
/* The same as conn_write_run, without being asked first, for events that are each client's own: 1
 * to CONN_PIECES_MAX.  What is the client's own is copied if need be. */
size_t conn_write_pieces(struct conn *c, const struct conn_piece *pieces, size_t count) MUST_CHECK;
/* All of it is taken, and what the socket does not take is copied: for a protocol that
 * must say the rest of what it began.  Nothing may be pending. */
void conn_write_whole(struct conn *c, const struct iovec *iov, int count);
bool conn_pending(const struct conn *c); /* something is left to write */
/* What TLS has settled (tls.h); empty when nothing was, and without TLS.  They live as
 * long as the connection's memory. */
struct slice conn_alpn(const struct conn *c);
struct slice conn_peer_subject(const struct conn *c);
/* Where the client is, without a port; empty: not on the network, or gone already. */
#define CONN_ADDRESS_MAX 46
struct slice conn_peer_address(const struct conn *c, char text[CONN_ADDRESS_MAX]);
/* Shows the unread bytes to input() again: the owner is ready for them. */
void conn_pump(struct conn *c);
/* The one timer of a connection; 0 stops it.  fire may do anything. */
void conn_timer(struct conn *c, uint64_t ms, void (*fire)(struct wheel_timer *t));
struct conn *conn_of_timer(struct wheel_timer *t);
/* How long the client has been sent nothing, in ticks of the wheel. */
uint64_t conn_quiet_ms(const struct conn *c);

/* Both end the connection for its owner: no callback after.  The memory stays
 * until the loop's turn is over.  finish writes what is left, then waits briefly
 * for the client to close, so that a reset does not destroy the last answer. */
void conn_finish(struct conn *c);
void conn_close(struct conn *c);

#endif
