/*
 * link.h - a gateway's two sockets to the broker (DESIGN 3.2, 3.3).
 *
 * link    hello, filters, publishes, confirmations up; live messages and
 *         acknowledgements down.  A lost broker is reconnected to; what was not
 *         acknowledged is sent again, in order, under the same numbers.
 * reads   requests for history.  Unanswered ones are asked again after a
 *         reconnect; at most [limits] page_requests are on the way at once.
 *
 * To a broker on another machine they speak CURVE ([link], link_keys.h).
 *
 * Loop thread.  Callbacks never run from inside a call into this module.
 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <uv.h>

#include "config.h"
#include "link_read.h"
#include "wire.h"
#include "zsock.h"

struct link;

struct link_ops {
    /* Connected, and the hello is answered.  Register every filter now; publishes follow. */
    void (*up)(void *arg, const struct wire_hello_ok *hello);
    void (*down)(void *arg); /* coverage is void until up() */
    void (*filter_live)(void *arg, uint32_t ref, uint64_t live_from);
    void (*filter_no)(void *arg, uint32_t ref, enum sluice_error error);
    /* Events of (after, upto].  May move m; records reads its bytes. */
    void (*live)(void *arg, uint64_t after, uint64_t upto, struct zmsg *m, struct reader records);
    void (*removed)(void *arg, struct slice topic, uint64_t upto);
    /* The broker calls (enum wire_call_op).  May be NULL. */
    void (*call)(void *arg, uint8_t op, struct reader body);
    /* The end of a turn in which any of the above or any callback ran. */
    void (*turn)(void *arg);
};

struct link *link_new(uv_loop_t *loop, const struct config *c, const char *name,
                      const struct link_ops *ops, void *arg) MUST_CHECK;
void link_close(struct link *l, void (*closed)(void *arg), void *arg);
bool link_is_up(const struct link *l);
/* Why the broker does not take us, for a person; NULL: it does, or is just not there. */
const char *link_trouble(const struct link *l);
/* What hello says; kept up to date by the hub. */
void link_set_seen(struct link *l, uint64_t seen);

/* No-ops while the link is down: up() registers all. */
void link_filter_add(struct link *l, uint32_t ref, struct slice filter);
void link_filter_drop(struct link *l, uint32_t ref);

/* --- reads ---------------------------------------------------------------- */

/* See link_read.h; link_read_cancel: cb will not run. */
void link_read(struct link *l, struct link_read *r);
void link_read_cancel(struct link *l, struct link_read *r);

/* --- publishing ------------------------------------------------------------ */

struct link_publish;
/* a->error == ERR_NONE: stored, a->ids, or a->data, the answer to a session unit;
 * else certainly not stored, but for ERR_UNKNOWN_OUTCOME.  a is valid during the call. */
typedef void (*link_publish_cb)(struct link_publish *p, const struct wire_ack *a);
/* Owned by the caller until cb has run; it runs exactly once. */
struct link_publish {
    enum {
        LINK_EVENTS,  /* records: count event records */
        LINK_REMOVE,  /* a DELETE of a topic's history; records: its name */
        LINK_SESSION, /* a session unit; records: its body */
    } kind;
    uint8_t op;      /* LINK_SESSION: enum wire_session_op */
    bool no_timeout; /* it waits for the broker, however long */
    struct buf records;
    uint32_t count; /* LINK_EVENTS */
    link_publish_cb cb;
    void *data;   /* the caller's */
    uint64_t seq; /* the link's, as all below */
    uint64_t deadline;
    bool sent; /* on any connection: its outcome may be unknown */
    struct link_publish *prev, *next;
};
/* Queue full: cb runs with ERR_BUSY.  After [limits] publish_timeout, or at the
 * link's close: with ERR_UNAVAILABLE when it was never sent, else ERR_UNKNOWN_OUTCOME. */
void link_publish(struct link *l, struct link_publish *p);
bool link_publish_full(const struct link *l); /* the next one would be refused */

/* --- sessions ---------------------------------------------------------------- */

/* A TELL frame, at once; takes the bytes.  Lost while the link is down: what the
 * broker must know is told again by up(). */
void link_tell(struct link *l, struct buf *frame);
/* Units of sessions wait for their answer. */
bool link_sessions_wait(const struct link *l);

#endif
