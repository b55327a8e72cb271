/*
 * session_impl.h - what the files of the sessions share.  Each calls only those above it.
 *
 *   session_rows.c     rows of the map, as bytes
 *   session_owner.c    who may have a session
 *   session.c          sessions by client, gateways by instance, and who holds what
 *   session_unit.c     units of gateways and the frames they lie in, until answered
 *   session_commit.c   what becomes of a session, as changes of a commit
 *   session_op.c       one thing after the other for each client
 *   session_due.c      the ends of wills' delays and of sessions
 *   session_detach.c   the ends of connections
 *   session_attach.c   ATTACH
 *   session_write.c    WRITE
 *   session_withdraw.c WITHDRAW
 *   session_sys.c      reports of gateways, and $SYS
 *   session_peer.c     gateways that come and go: hello, HOLD, grace, POSITION
 *   sessions.c         frames taken apart, the tick, begin and end
 *   session_load.c     what a start finds
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

#define SESSIONS_MAX 1000000u     /* in memory; then attaching is refused */
#define SESSION_OPS_MAX 8u        /* of one client, waiting; then attaching is refused */
#define WRITE_FILTERS_MAX 100000u /* in one write; all of them are the map's to bound */
#define PEER_UNITS_MAX 65536u     /* of one gateway, under way; then its units are refused */
#define FENCE_MS 500u             /* for whoever held the session to let go of it */
#define GRACE_LINK_MS 3000u       /* for a gateway to come back after its link was lost */
#define GRACE_START_MS 10000u     /* the same after a start of the broker */
#define GRACE_HOLD_MS 1000u       /* after HOLD, for an ATTACH that is sent again */
#define GIVEN_UP_MS 600000u       /* a gateway whose sessions were ended is remembered so long */
#define RETRY_MS 1000u            /* between tries while the store refuses */
#define SESSION_TICK_MS 100u

/* A gateway process, from its first hello until nothing is left of it. */
struct session_peer {
    struct sessions *all;
    struct groups_peer shared; /* with groups: its instance, its link */
    uint64_t position;         /* of its sessions that follow */
    uint64_t generation;       /* rises when its link ends: what it holds is then in doubt */
    uint64_t deadline;         /* monotonic ms: then what is in doubt ends; 0: nothing is */
    uint64_t given_up;         /* monotonic ms: when its sessions were ended for it; 0: never */
    bool wants_sys;            /* it serves MQTT: $SYS is told to it */
    struct wire_report report; /* its last */
    uint32_t units;            /* under way; they keep this struct */
    uint64_t bytes;
    struct session *sessions; /* a list */
    UT_hash_handle hh;
};

/* A client's session while it is attached or something is done about it. */
struct session {
    struct sessions *all;
    struct groups_session shared; /* with groups: its client, and `closing`: its end has
                                     begun, its gateway's units are refused */
    struct session_peer *peer;    /* who holds it; NULL: nobody */
    struct session *next, *prev;  /* of the peer's list */
    struct session_head head;     /* while held; its principal is owned */
    uint64_t generation;          /* the peer's, when it last said that it holds it */
    bool stored;                  /* it has rows */
    struct session_op *running;   /* NULL: none */
    struct session_op *waiting;   /* in order */
    unsigned waiting_count;
    uint64_t wake_at; /* monotonic ms: `waiting` sleeps until then; 0: it does not */
    struct session *sleep_next, *sleep_prev;
    UT_hash_handle hh;
    char client[];
};

/* A frame of units, where it was received, until the last of them is answered. */
struct session_frame {
    unsigned references;
    struct zmsg m;
};

/* A unit of a gateway, until it is answered. */
struct session_unit {
    struct session_peer *by; /* NULL: the broker's own act, nobody to answer */
    uint64_t seq;
    size_t bytes;
    struct session_frame *frame;
};

struct session_op;
enum session_step {
    STEP_STARTED, /* it runs, or is over already */
    STEP_WAITS,
    STEP_AGAIN, /* another op is first now */
};
/* What an op of a kind does; its file says so. */
struct session_op_kind {
    enum session_step (*begin)(struct session_op *op);
    void (*over)(struct session_op *op); /* before it is freed; NULL: nothing */
};

struct session_op {
    const struct session_op_kind *kind;
    struct session *session;
    struct session_unit unit;
    struct wire_attach attach;
    struct wire_detach detach;
    uint64_t due_at;
    char due;                  /* DUE_… */
    bool fenced;               /* whoever holds the session has been told to let go */
    bool will_refused;         /* the store does not take it: go on without */
    bool damaged;              /* there is something stored that is no head */
    struct session_head found; /* what is stored; version 0: nothing */
    struct slice will;         /* what is stored: a record */
    struct session_head made;  /* what is to be stored */
    struct buf items;          /* of the answer */
    struct store_request heads, rows;
    unsigned scans; /* of the two, under way */
    enum sluice_error scan_error;
    void (*scanned)(struct session_op *op);
    struct session_op *next;
};

struct sessions {
    uv_loop_t *loop;
    struct store *store;
    const struct sessions_ops *ops;
    struct sessions_options options;
    struct groups *groups;
    struct session_peer *peers; /* by instance */
    struct session *sessions;   /* by client */
    struct session *asleep;     /* those with wake_at */
    uint64_t epoch;             /* the last one given */
    uint64_t started;           /* no epoch that this broker has given is below */
    uint64_t held;              /* sessions */
    uint64_t held_stored;       /* those of them that have rows */
    uint64_t stored;            /* sessions with rows, held or not */
    uint64_t attaches;          /* since the start */
    uint64_t expired;           /* the same */
    bool stopping;
    uv_timer_t tick;
    uint64_t second_at; /* the next look at what goes by seconds */
    uint64_t due_at;    /* UTC ms; nothing in the map is due before */
    unsigned due_ops;   /* of the last look, under way */
    bool due_scanning;
    struct store_request due_scan;
    struct sys *sys;
    struct wire_report reports_gone; /* of gateways that have gone */
    uint64_t sys_at;                 /* monotonic ms */
    struct store_request load;
    struct buf load_page; /* what load's owner and key point into */
    size_t load_at;       /* of the spaces that are read */
    void (*loaded)(void *arg, bool ok);
    void *loaded_arg;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- session.c ---------------------------------------------------------------- */
struct session *session_find(const struct sessions *all, struct slice client);
struct session *session_of(struct sessions *all, struct slice client); /* NULL: too many */
/* It is p's from now on, as `head` says; copies the principal. */
void session_hold(struct session *s, struct session_peer *p, const struct session_head *head,
                  bool stored);
void session_unhold(struct session *s);
void session_free(struct session *s);
void session_maybe_free(struct session *s); /* nobody holds it, nothing is done about it */
/* Tells whoever holds it to let go. */
void session_fence(const struct session *s);
void session_fence_peer(const struct session_peer *p, struct slice client, uint64_t epoch);
bool session_is_held_by(const struct session *s, const struct session_peer *p, uint64_t epoch);
struct session_peer *session_peer_of(struct sessions *all, const struct wire_uuid *instance);

/* --- session_unit.c ----------------------------------------------------------- */
struct session_frame *session_frame_new(struct zmsg *m); /* moves from m; one reference */
void session_frame_release(struct session_frame *f);
/* It is under way from now on, and will be answered. */
struct session_unit session_unit_new(struct session_peer *by, struct session_frame *f,
                                     const struct wire_session_unit *w);
void session_unit_answer(struct session_unit *u, struct slice answer);
void session_unit_refuse(struct session_unit *u, enum sluice_error error, const char *text);

/* --- session_commit.c ---------------------------------------------------------- */
void session_commit_items(struct commit *c, struct slice client, struct slice items);
/* The same while it goes on: a filter more is refused when there is no room. */
void session_commit_changes(struct commit *c, struct slice client, struct slice items);
void session_commit_head(struct commit *c, struct slice client, const struct session_head *head);
/* Its head and its will, both refused when they are new and there is no room. */
void session_commit_attach(struct commit *c, struct slice client, const struct session_head *head,
                           struct slice will);
/* Nothing is left of it; when that is stored, groups_ended. */
void session_commit_end(struct commit *c, const struct session *s);
void session_commit_due(struct commit *c, struct sessions *all, uint64_t at, struct slice client,
                        char what);
void session_commit_not_due(struct commit *c, uint64_t at, struct slice client, char what);
/* The stored will, unless the store has refused it; nothing when there is none to send. */
void session_commit_will(struct commit *c, const struct session_op *op);
/* Afterwards, of any commit that may have had one: counts what was sent. */
void session_commit_will_done(const struct commit *c);
/* The commit of op has failed because of its will: it goes on without. */
bool session_commit_will_failed(const struct commit *c, struct session_op *op);

/* --- session_op.c --------------------------------------------------------------- */
struct session_op *session_op_new(const struct session_op_kind *kind, struct session *s);
void session_op_queue(struct session_op *op);       /* after what waits */
void session_op_queue_first(struct session_op *op); /* before it */
/* Begins what can be; may free s. */
void session_op_go(struct session *s);
void session_op_sleep(struct session *s, uint64_t ms);
void session_op_wake(struct session *s); /* if it sleeps; and goes on */
void session_op_wake_due(struct sessions *all, uint64_t now);
void session_op_start(struct session_op *op); /* from within begin */
/* Reads the session's head and will, and with `rows` its items; then scanned(op). */
void session_op_scan(struct session_op *op, bool rows, void (*scanned)(struct session_op *op));
void session_op_again(struct session_op *op); /* the running op waits once more, for RETRY_MS */
/* The running op is over; frees it and goes on. */
void session_op_end(struct session_op *op);
void session_op_drop_all(struct session *s); /* that wait; the broker ends */

/* --- the kinds of ops ------------------------------------------------------------- */
void session_due_look(struct sessions *all);
void session_detach_take(struct session_unit *u, struct slice body);
/* Its connection has ended, though nobody has said so; session_op_wake is to follow. */
void session_detach_lost(struct session *s);
void session_attach_take(struct session_unit *u, struct slice body);

/* --- what is no op ---------------------------------------------------------------- */
void session_write_take(struct session_unit *u, struct slice body);
void session_withdraw_take(struct session_unit *u, struct slice body);
void session_sys_tick(struct sessions *all, uint64_t now);
void session_sys_gone(struct sessions *all, const struct wire_report *last);
bool session_peer_hold(struct session_peer *p, struct reader body); /* false: malformed */
void session_peer_position(struct session_unit *u, struct slice body);
void session_peer_forget_position(struct sessions *all, struct slice instance);
void session_peer_second(struct sessions *all, uint64_t now);
void session_peer_free(struct session_peer *p);
void sessions_start_clock(struct sessions *all);

#endif
