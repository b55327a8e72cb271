/*
 * reads.h - history reads: a ROUTER on the loop, answered by a pool of threads
 * (DESIGN 3.3), so that a long replay never stands in front of live events.
 *
 *   loop: request ──▶ its gateway's queue ──▶ thread, with a store_reader of its own:
 *                       ▲                      one step
 *                       └── not yet answered ◀──┤
 *   loop: reply ◀── done list, uv_async ◀───────┘
 *
 * Each turn of a thread is one step of one request, a few milliseconds.  Gateways take
 * turns, and so do the requests of one: what has just come goes first, then what goes
 * on, which never has all threads.  So a read of one row waits for steps, never for another's whole
 * search.
 *
 * A full queue answers ERR_BUSY.  A requester that has gone misses its reply; what it
 * took back (WIRE_CANCEL), and whatever one asked that the socket no longer
 * knows, is dropped.  One whose search is long is sent an empty sign of life, which
 * shows that.
 */
#ifndef BROKER_READS_H
#define BROKER_READS_H

#include "store.h"
#include "warden.h"

#define READS_QUEUE_MAX                                                                            \
    1024 /* requests waiting for a thread; a gateway without any has one more                      \
          */
#define READS_THREADS_MAX 64

struct reads;

/* NULL: no socket was to be had.  Binds nothing yet. */
struct reads *reads_new(uv_loop_t *loop, struct store *store, const struct warden *warden,
                        unsigned threads) MUST_CHECK;
/* Begins to answer.  False, logged, when a reader or a thread is not to be had;
 * then too the end is reads_stop, reads_close, reads_free. */
bool reads_start(struct reads *r) MUST_CHECK;
/* A read for the broker itself: takes the request's bytes; done runs once, later,
 * with the reply, which it borrows; after reads_stop never.  The caller bounds how
 * many it has under way. */
void reads_ask(struct reads *r, struct buf *request, void (*done)(void *arg, struct slice reply),
               void *arg);
struct zsock *reads_socket(struct reads *r); /* to be bound */
/* Ends the threads, each after the step at hand (the caller waits), and their
 * readers.  What is queued is not answered: the gateway asks the next broker. */
void reads_stop(struct reads *r);
/* After reads_stop.  r may be NULL; then closed is not called. */
void reads_close(struct reads *r, unsigned linger_ms, void (*closed)(void *arg), void *arg);
void reads_free(struct reads *r);

#endif
