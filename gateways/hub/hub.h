/*
 * hub.h - who gets which event: filters, feeds, subscriptions.
 *
 * A subscription is (filters, cursor).  It is served from one of three places,
 * by one code path, and moves between them by itself:
 *
 *   store pages ──▶ ring ──▶ head
 *
 *   head    its cursor is the gateway's upto; new events are handed to it at the
 *           end of the loop's turn, together with all others of its feed
 *   ring    it was full for a while; it pulls from the ring when it is not
 *   store   the ring does not cover (cursor, now]: the ring has evicted past
 *           its cursor, or a filter became live later (coverage, DESIGN 3.2)
 *
 * A feed is a set of filters and everybody who subscribes to just that set.
 * The hub knows no protocol and no socket: a subscription's ops take events,
 * and say how many they took.
 *
 * Loop thread.  ops run only from inside hub_turn, but for nothing: a new
 * subscription's first callback comes later, never from subscription_open.
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include "errors.h"
#include "link_read.h"
#include "run.h"
#include "wire.h"

struct hub;
struct feed;
struct subscription;

/* A subscription's start (DESIGN 2.5). */
enum start_kind { START_NOW, START_AFTER, START_SINCE, START_LAST };
struct start {
    enum start_kind kind;
    uint64_t arg; /* ID (0: all that is kept), ms since 1970, how many */
};

struct subscription_ops {
    /* Live, or its replay has begun, after `cursor` (exclusive).  gap: what it
     * missed before that, or NULL.  Once, before anything else but failed(). */
    void (*started)(struct subscription *s, uint64_t cursor, const struct gap *gap);
    /* Takes the first n of the run's entries and returns n; fewer than all: it is
     * full until subscription_resume. */
    size_t (*events)(struct subscription *s, struct run *r);
    /* A gap in mid-stream, before the events that follow it. */
    void (*gap)(struct subscription *s, const struct gap *gap);
    /* It cannot be served (an error of the broker's).  Close it. */
    void (*failed)(struct subscription *s, enum sluice_error error, struct slice text);
    /* It has been handed everything that was there, and waits for what comes.
     * Again whenever it has caught up again.  May be NULL. */
    void (*caught_up)(struct subscription *s);
};

enum subscription_state {
    SUB_CLOSED,
    SUB_STARTING, /* waits for its filters to be live, or for the broker's word */
    SUB_STORE,    /* pulls pages */
    SUB_RING,     /* pulls from the ring */
    SUB_HEAD,     /* among its feed's heads */
    SUB_AHEAD,    /* its cursor is past the gateway's upto: waits */
};

/* Embedded by its owner; fields are the hub's own, but for `ops` and `data`. */
struct subscription {
    const struct subscription_ops *ops;
    void *data;
    struct hub *hub;
    struct feed *feed;
    uint64_t cursor;      /* use subscription_cursor */
    uint64_t seq;         /* hint: ring place of the last event taken */
    uint64_t announced;   /* removed IDs up to here were told of */
    uint64_t store_until; /* not from the ring before this cursor (last=N) */
    uint64_t *froms;      /* last=N: per filter of the feed; else NULL */
    struct start start;
    struct start_read *asking;        /* since, last: the broker is asked */
    struct subscription *prev, *next; /* in its feed: the heads, or the others */
    struct subscription **waiting;    /* the list that the next pair is of */
    struct subscription *wait_prev, *wait_next;
    struct quota *quota;           /* it is charged to, or NULL */
    struct bundle *bundle;         /* NULL: it is alone */
    struct subscription *due_next; /* in the bundle: those with events of this turn */
    size_t due_at;                 /* of its feed's turn, how far it was handed on */
    uint32_t joined;               /* its number in the bundle */
    uint32_t pumped;               /* the turn in which it was pumped last */
    uint8_t state;
    bool started; /* started() has run */
    bool full;    /* took less than it was given */
    bool checked; /* the broker has seen the cursor: it is not from the future */
    bool quiet;   /* the first page's gap is not announced */
    bool due;
};

/* Several subscriptions of one client, to whom an event may be one message however
 * many of them it is for.  Those at the head are handed their events together, in
 * ID order, each once; the others go on for themselves, through their own ops. */
#define BUNDLE_MAX 1024 /* subscriptions in one */
#define BUNDLE_SHARES 4096
struct bundle_run {
    struct run *run;
    /* Entry i is for shares[ends[i - 1] … ends[i] - 1], in the order of their joining. */
    size_t ends[RUN_ENTRIES];
    struct subscription *shares[BUNDLE_SHARES];
};

/* Embedded by its owner, who sets `events`; the rest is the hub's. */
struct bundle {
    /* As in subscription_ops; closes nothing. */
    size_t (*events)(struct bundle *b, struct bundle_run *r);
    struct subscription *due;
    struct bundle *due_next;
    uint32_t joined; /* so many, ever */
    bool is_due;
};

/* What the hub asks of the link; tests bring their own.  read: see link_read.h. */
struct hub_link {
    void (*filter_add)(void *link, uint32_t ref, struct slice filter);
    void (*filter_drop)(void *link, uint32_t ref);
    void (*read)(void *link, struct link_read *r);
    void (*read_cancel)(void *link, struct link_read *r);
    void *link;
};

struct hub_limits {
    size_t ring;          /* bytes */
    size_t page_cache;    /* bytes */
    size_t turn;          /* bytes of events to all who pull, in one turn; at least one pulls */
    size_t filters;       /* different ones; 0: no limit */
    size_t filter_levels; /* of one client, see quota.h; 0: no limit */
    uint64_t linger_ms;   /* a feed stays so long after its last subscription: its filters
                             registered, its pages in the cache */
};

struct hub *hub_new(const struct hub_link *link, const struct hub_limits *limits);
void hub_free(struct hub *h); /* every subscription is closed */

/* --- for clients ---------------------------------------------------------- */

/* Filters: valid, at least one; copied; order and repeats do not matter. */
void subscription_open(struct subscription *s, struct hub *h, const struct slice *filters,
                       size_t count, struct start start, const struct subscription_ops *ops,
                       void *data);
/* Idempotent; no callback after.  May be called from inside ops, its own too; the
 * memory must then stay until the op has returned. */
void subscription_close(struct subscription *s);
/* It was full and takes events again. */
void subscription_resume(struct subscription *s);
/* From now on it is part of the bundle; BUNDLE_MAX at most. */
void bundle_join(struct bundle *b, struct subscription *s);
/* It is alone again; idempotent, and part of subscription_close. */
void bundle_leave(struct subscription *s);
/* Its filters, from 0 on, in any order; false behind the last. */
bool subscription_filter(const struct subscription *s, size_t i, struct slice *filter);
/* Everything up to here was handed over or covered. */
uint64_t subscription_cursor(const struct subscription *s);
bool subscription_at_head(const struct subscription *s);
/* Everything up to here was handed to all who stand at the head. */
uint64_t hub_position(const struct hub *h);
/* Highest ID that this gateway may have shown to anybody: what hello must say,
 * so that a log that lost it answers with a reset. */
uint64_t hub_seen(const struct hub *h);
/* For blocks that a gateway lays over its own reads. */
struct blocks *hub_blocks(struct hub *h);

/* --- from the link ---------------------------------------------------------- */

void hub_up(struct hub *h, const struct wire_hello_ok *hello);
void hub_down(struct hub *h);
void hub_filter_live(struct hub *h, uint32_t ref, uint64_t live_from);
void hub_filter_no(struct hub *h, uint32_t ref, enum sluice_error error);
void hub_live(struct hub *h, uint64_t after, uint64_t upto, struct zmsg *m, struct reader records);
void hub_removed(struct hub *h, struct slice topic, uint64_t upto);

/* --- the loop ----------------------------------------------------------------- */

/* The end of a turn: hands new events to those at the head, lets the others
 * pull.  Cheap when there is nothing to do.  Returns true when somebody could
 * go on at once (call again before sleeping). */
bool hub_turn(struct hub *h);
void hub_tick(struct hub *h); /* about once a second: lingering feeds, gauges */

#endif
