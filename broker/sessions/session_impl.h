/*
 * session_impl.h - what the files of the sessions share.
 *
 *   sessions.c         holders and sessions: hello, HOLD, FENCE, grace; begin and end
 *   session_units.c    frames taken apart; WRITE and POSITION
 *   session_ops.c      one thing after the other for each client
 *   session_attach.c   ATTACH
 *   session_end.c      the ends of connections
 *   session_due.c      the ends of wills' delays and of sessions
 *   session_rows.c     rows of the map, as bytes
 *   session_load.c     what a start finds
 *   session_sys.c      reports of gateways, and $SYS
 *   commit.c           one request to the store, gathered
 *
 * What attaches or ends a session is an *op*, and the ops of one client run one
 * after the other, each from its first look into the store to its commit.  Writes
 * are none: they are submitted as they come, and the store keeps their order.
 */
#ifndef SESSIONS_SESSION_IMPL_H
#define SESSIONS_SESSION_IMPL_H

#include <uthash.h>
#include <utlist.h>

#include "commit.h"
#include "groups.h"
#include "session_rows.h"
#include "sessions.h"
#include "sys.h"

#define SESSIONS_MAX 1000000u /* in memory; then attaching is refused */
#define SESSION_OPS_MAX 8u    /* of one client, waiting; then attaching is refused */
#define SESSION_FILTERS_MAX 100000u
#define HOLDER_UNITS_MAX 65536u /* of one gateway, under way; then its units are refused */
#define FENCE_MS 500u           /* for whoever held the session to let go of it */
#define GRACE_LINK_MS 3000u     /* for a gateway to come back after its link was lost */
#define GRACE_START_MS 10000u   /* the same after a start of the broker */
#define GRACE_HOLD_MS 1000u     /* after HOLD, for an ATTACH that is sent again */
#define GIVEN_UP_MS 600000u     /* a gateway whose sessions were ended is remembered so long */
#define RETRY_MS 1000u          /* between tries while the store refuses */
#define SESSION_TICK_MS 100u

struct holder {
    struct sessions *all;
    struct wire_uuid instance;
    void *peer;                /* NULL: its link has ended */
    uint64_t position;         /* of its sessions that follow */
    uint64_t generation;       /* rises when its link ends: what it holds is then in doubt */
    uint64_t deadline;         /* monotonic ms: then what is in doubt ends; 0: nothing is */
    uint64_t given_up;         /* monotonic ms: when its sessions were ended for it; 0: never */
    bool wants_sys;            /* it serves MQTT: $SYS is told to it */
    struct wire_report report; /* its last */
    uint32_t units;            /* under way; they keep this struct */
    uint64_t bytes;
    uint64_t assigned;        /* bytes of shared events that it has and is not done with */
    struct session *sessions; /* a list */
    UT_hash_handle hh;
};

/* A client's session while it is attached or something is done about it. */
struct session {
    struct sessions *all;
    struct holder *holder;       /* NULL: nobody's */
    struct session *next, *prev; /* of the holder's list */
    struct session_head head;    /* while held; its principal is owned */
    uint64_t generation;         /* the holder's, when it last said that it holds it */
    bool stored;                 /* it has rows */
    bool principal_unknown;      /* HOLD does not say it */
    uint32_t filters;            /* items that were put, less those dropped: at least as many
                                    as there are */
    bool closing;                /* its end has begun: the holder's units are refused */
    struct op *running;          /* NULL: none */
    struct op *waiting;          /* in order */
    unsigned waiting_count;
    uint64_t wake_at; /* monotonic ms: `waiting` sleeps until then; 0: it does not */
    struct session *sleep_next, *sleep_prev;
    UT_hash_handle hh;
    size_t client_len;
    char client[];
};

/* A frame of units, until the last of them is answered. */
struct parcel {
    unsigned references;
    struct zmsg m;
};

/* A unit of a gateway, until it is answered. */
struct unit {
    struct holder *by; /* NULL: the broker's own act, nobody to answer */
    uint64_t seq;
    size_t bytes;
    struct parcel *parcel;
};

enum op_kind { OP_ATTACH, OP_DETACH, OP_DUE };

struct op {
    enum op_kind kind;
    struct session *session;
    struct unit unit;
    struct wire_attach attach;
    struct wire_detach detach;
    uint64_t due_at;
    char due;                  /* DUE_… */
    bool fenced;               /* the holder has been told to let go */
    bool repeated;             /* answered before, the answer was lost */
    bool will_refused;         /* the store does not take it: go on without */
    bool damaged;              /* there is something stored that is no head */
    struct session_head found; /* what is stored; version 0: nothing */
    struct slice will;         /* what is stored: a record */
    struct session_head made;  /* what is to be stored */
    struct buf items;          /* of the answer */
    uint32_t filters;          /* of them */
    struct store_request heads, rows;
    unsigned scans; /* of the two, under way */
    enum sluice_error scan_error;
    void (*scanned)(struct op *op);
    struct op *next;
};

struct sessions {
    uv_loop_t *loop;
    struct store *store;
    const struct sessions_ops *ops;
    struct sessions_options options;
    struct groups *groups;
    struct holder *holders;   /* by instance */
    struct session *sessions; /* by client */
    struct session *asleep;   /* those with wake_at */
    uint64_t epoch;           /* the last one given */
    uint64_t held;            /* sessions */
    uint64_t held_stored;     /* those of them that have rows */
    uint64_t stored;          /* sessions with rows, held or not */
    uint64_t attaches;        /* since the start */
    uint64_t expired;         /* the same */
    bool stopping;
    uv_timer_t tick;
    uint64_t second_at; /* the next look at what goes by seconds */
    uint64_t due_at;    /* UTC ms; nothing in the map is due before */
    unsigned due_ops;   /* of the last look, under way */
    bool due_scanning;
    struct store_request due_scan;
    struct sys *sys;
    struct wire_report reports_gone; /* of holders that have gone */
    uint64_t sys_at;                 /* monotonic ms */
    struct store_request load;
    struct buf load_page; /* what load's owner and key point into */
    size_t load_at;       /* of the spaces that are read */
    void (*loaded)(void *arg, bool ok);
    void *loaded_arg;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- sessions.c ------------------------------------------------------------- */
void sessions_start_clock(struct sessions *all);
struct holder *holder_of(struct sessions *all, const struct wire_uuid *instance);
bool holder_is_nobody(const struct wire_uuid *instance);
struct session *session_find(const struct sessions *all, struct slice client);
struct session *session_of(struct sessions *all, struct slice client); /* NULL: too many */
struct slice session_client(const struct session *s);
/* It is h's from now on, as `head` says; copies the principal. */
void session_hold(struct session *s, struct holder *h, const struct session_head *head,
                  bool stored);
void session_unhold(struct session *s);
void session_maybe_free(struct session *s);
void session_fence(const struct session *s);
void session_call(const struct session *s, struct buf *frame); /* to its holder; takes the bytes */

/* --- session_sys.c ---------------------------------------------------------- */
void sys_tick(struct sessions *all, uint64_t now);
void sys_holder_gone(struct sessions *all, const struct wire_report *last);

/* --- session_units.c ---------------------------------------------------------- */
void position_forget(struct sessions *all, struct slice instance);
void unit_answer(struct unit *u, struct slice answer);
void unit_refuse(struct unit *u, enum sluice_error error, const char *text);

/* --- session_ops.c ------------------------------------------------------------ */
struct op *op_new(enum op_kind kind, struct session *s);
void op_queue(struct op *op);       /* after what waits */
void op_queue_first(struct op *op); /* before it */
/* Begins what can be; may free s. */
void session_go(struct session *s);
void session_sleep(struct session *s, uint64_t ms);
void session_wake(struct session *s); /* if it sleeps; and goes on */
void sessions_wake_due(struct sessions *all, uint64_t now);
/* Reads the session's head and will, and with `rows` its items; then scanned(op). */
void op_scan(struct op *op, bool rows, void (*scanned)(struct op *op));
void op_again(struct op *op); /* the running op waits once more, for RETRY_MS */
/* The running op is over; frees it and goes on. */
void op_end(struct op *op);
void ops_drop(struct session *s); /* all that wait; the broker ends */

enum op_step {
    OP_STARTED, /* it runs, or is over already */
    OP_WAITS,
    OP_AGAIN, /* another op is first now */
};
void op_start(struct op *op);
enum op_step attach_begin(struct op *op);
enum op_step detach_begin(struct op *op);
enum op_step due_begin(struct op *op);

/* --- session_attach.c, session_end.c, session_due.c ------------------------------- */
void attach_take(struct unit *u, struct sessions *all, struct slice body);
void detach_take(struct unit *u, struct sessions *all, struct slice body);
/* Its connection has ended, though nobody has said so; session_wake is to follow. */
void session_lose(struct session *s);
void commit_items(struct commit *c, struct slice client, struct slice items);
void commit_head(struct commit *c, struct slice client, const struct session_head *head);
/* Nothing is left of it; when that is stored, groups_ended. */
void commit_end(struct commit *c, const struct session *s);
/* The stored will, unless the store has refused it; false: there is nothing to send. */
bool commit_will(struct commit *c, struct op *op);
void will_count(const struct commit *c); /* afterwards */
/* The commit of op has failed because of its will: it goes on without. */
bool op_drops_will(struct op *op, const struct commit *c);
void due_put(struct sessions *all, struct commit *c, uint64_t at, struct slice client, char what);
void due_drop(struct commit *c, uint64_t at, struct slice client, char what);
void due_look(struct sessions *all);

#endif
