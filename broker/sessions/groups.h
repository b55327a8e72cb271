/*
 * groups.h - shared subscriptions (MQTT 5.0, 4.8.2): each event to one of a group's
 * members.
 *
 * A group is a share name and a filter, "$share/g/a/#".  It has a cursor in the log,
 * members (sessions, connected or not), and events that were assigned and are not
 * done with.  At the head it takes what the store makes visible; behind it, it reads
 * pages as far as its members' credit goes; with no connected member it waits.
 *
 * Groups know sessions by name, and those that are attached by a struct groups_session
 * that the caller keeps.  The calls come in the order in which things become true: a
 * commit is added to when it is made, and what it changes is told when it has succeeded.
 * Loop thread.
 */
#ifndef SESSIONS_GROUPS_H
#define SESSIONS_GROUPS_H

#include "commit.h"

/* A gateway as groups see it.  The caller's, for as long as it has sessions. */
struct groups_peer {
    struct wire_uuid instance; /* by which it is known what it has taken over */
    void *link;                /* where calls go; NULL: its link has ended */
    uint64_t assigned;         /* groups': bytes of events that it has and is not done with */
    uint64_t said;             /* groups': the event whose record was sent on the link last */
};

/* A session that is attached, as groups see it.  The caller's, from groups_attached
 * until groups_detached. */
struct groups_session {
    struct slice client;
    uint64_t epoch;
    bool stored;  /* what it subscribes to outlives its connection */
    bool closing; /* it gets nothing more */
    struct groups_peer *peer;
};

/* A read of history (a request of proto/wire.h): takes the request's bytes; done runs
 * once, later, with the reply, which it borrows; once reads have stopped never.  The
 * caller bounds how many it has under way. */
struct groups_reads {
    void (*ask)(void *of, struct buf *request, void (*done)(void *arg, struct slice reply),
                void *arg);
    void *of;
};

struct groups;
struct groups *groups_new(struct store *store, const struct groups_reads *reads);
/* How assignments leave: call takes the frame's bytes.  Before any session is attached
 * that has a link. */
void groups_serve(struct groups *all, void (*call)(void *link, struct buf *frame));
void groups_free(struct groups *all);
/* A row of SPACE_GROUP, at the start.  One that cannot be read is logged. */
void groups_load(struct groups *all, const struct store_entry *e);

/* A WRITE of a session that is attached: adds what its shared filters and the events
 * that it takes over mean to the commit.  ERR_CONFLICT: *conflict is not the
 * session's; then nothing was added. */
enum sluice_error groups_write(struct groups *all, struct groups_session *s,
                               const struct wire_write *m, uint64_t seq, struct commit *c,
                               uint64_t *conflict) MUST_CHECK;
/* Its outcome; the session may be gone by then. */
void groups_written(struct groups *all, const struct wire_write *m, uint64_t seq, bool stored);

/* The session is attached: its groups may assign to it, once it has given credit. */
void groups_attached(struct groups *all, struct groups_session *s);
/* Its connection has ended: what it was assigned goes to others. */
void groups_detached(struct groups *all, struct groups_session *s);
/* It ends with this commit; it has ended. */
void groups_end(struct groups *all, struct commit *c, struct slice client);
void groups_ended(struct groups *all, struct slice client);

void groups_credit(struct groups *all, const struct groups_session *s, uint32_t credit);
void groups_done(struct groups *all, const struct groups_session *s, const struct wire_done *m);

uint64_t groups_members(const struct groups *all);
/* Once a second, and what the store makes visible. */
void groups_second(struct groups *all);
void groups_batch(struct groups *all, const struct store_batch *b);
void groups_stop(struct groups *all); /* nothing is begun any more */

#endif
