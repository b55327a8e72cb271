/*
 * group_impl.h - what the files of the groups share.  Each calls only those above it.
 *
 *   group_event.c    events that a group has passed and is not done with
 *   group.c          groups, clients and members, by name
 *   group_save.c     checkpoints, and what must be stored before it leaves
 *   group_assign.c   which event to whom; from the head, from pages, once more
 *   groups.c         what sessions do; rows at the start, the tick
 *
 * Rows of a group (space GROUP, owner its name):
 *   "C"            cursor u64
 *   "M" client     granted QoS u8: a member whose session has rows
 *   "E" id (big-endian)   assigned and not done with: empty; taken over: the unit that
 *                  did it (instance, seq), so that the same unit again is no conflict
 */
#ifndef SESSIONS_GROUP_IMPL_H
#define SESSIONS_GROUP_IMPL_H

#include <uthash.h>
#include <utlist.h>

#include "filter_tree.h"
#include "groups.h"
#include "session_rows.h"

#define GROUPS_MAX 100000u
#define GROUP_MEMBERS_MAX 1000000u /* of all groups together */
#define GROUP_EVENTS_MAX 65536u    /* of one group, assigned and not done with */
#define GROUP_TAKEN_MS 60000u      /* a unit that took an event over may come again */
#define GROUP_START_MS 30000u      /* after a start, a group waits for its members so long */
#define GROUP_TAKEN_MAX 8192u      /* of one group; then the oldest is forgotten sooner */
#define GROUP_REFRESH_MS 60000u
#define GROUP_PAGE_ROWS 200u
#define GROUP_READS_MAX 64u             /* of all groups at once; the rest wait in line */
#define GATEWAY_ASSIGNED_MAX (8u << 20) /* bytes with one gateway; then it gets no more */

/* An event that a group has passed and is not done with.
 *
 *   FREE ⇄ ASSIGNED ⇄ TAKING ─▶ TAKEN ─▶ gone     acknowledged at QoS 0, 1: gone
 */
struct group_event {
    uint64_t id;
    enum { EVENT_FREE, EVENT_ASSIGNED, EVENT_TAKING, EVENT_TAKEN } state;
    enum { ROW_NONE, ROW_SUBMITTED, ROW_THERE } row;
    struct group_member *member;       /* ASSIGNED, TAKING */
    struct groups_peer *peer;          /* of the member's session, whose bytes they are */
    uint32_t size;                     /* of the record */
    struct group_event *next, *prev;   /* of group.events, rising; TAKEN: of group.taken */
    struct group_event *mnext, *mprev; /* of member.events */
    struct group_event *unext, *uprev; /* of group.unsaved: ROW_NONE */
    struct group_save *sender;         /* it leaves when this is stored; NULL: has left */
    struct wire_uuid by;               /* TAKING, TAKEN: the unit … */
    uint64_t seq;
    uint64_t until; /* TAKEN: … is known so long; monotonic ms */
    UT_hash_handle hh;
};

struct group_member {
    struct group *group;
    struct group_client *client;
    uint8_t qos;
    bool active;      /* its subscription is committed */
    bool stored;      /* "M" is there, or will be */
    unsigned joining; /* writes under way that subscribe */
    struct group_event *events;
    struct group_member *next, *prev;   /* of group.members; who got one is last */
    struct group_member *cnext, *cprev; /* of client.members */
};

/* A session by its name, connected or not. */
struct group_client {
    struct groups_session *session; /* NULL: not connected */
    uint32_t credit;
    struct group_member *members;
    UT_hash_handle hh;
    size_t name_len;
    char name[];
};

struct group {
    struct groups *all;
    struct slice filter;   /* of name */
    struct group *sibling; /* another share of the same filter */
    uint64_t cursor;       /* all that matches up to here is among `events`, or done with */
    uint64_t saved_cursor; /* as last written */
    uint64_t refresh_at;   /* monotonic ms */
    bool placed;           /* the cursor is set */
    bool live;             /* and so is all up to the head */
    bool dirty;            /* "C" or an "E" is to be written */
    bool reading;          /* a page, or one event */
    bool in_line;          /* to read: of groups.line */
    struct group *line_next, *line_prev;
    unsigned saves;             /* under way */
    struct group_save *save;    /* of the batch or page at hand */
    struct group *touched_next; /* of groups.touched */
    uint64_t wait_until;        /* for members after a start; monotonic ms */
    struct group_member *members;
    struct group_event *by_id;  /* all */
    struct group_event *events; /* not TAKEN, by rising ID */
    struct group_event *free;   /* none before it is FREE; NULL: none is */
    struct group_event *taken;  /* in the order of their times */
    unsigned taken_count;
    struct group_event *unsaved;
    struct buf gone; /* IDs whose rows are to go, u64 each */
    UT_hash_handle hh;
    size_t name_len;
    char name[];
};

struct groups {
    struct store *store;
    struct groups_reads reads;
    void (*call)(void *link, struct buf *frame);
    struct group *groups;         /* by name */
    struct group_client *clients; /* by name */
    struct filter_tree *filters;  /* filter → the first of its siblings */
    unsigned member_count;
    struct group *touched; /* by the batch at hand: with a save to submit */
    struct group *line;    /* waiting to read */
    unsigned reading;
    bool stopping;
};

/* --- group_event.c ------------------------------------------------------------------ */
struct group_event *group_event_find(const struct group *g, uint64_t id);
struct group_event *group_event_add(struct group *g, uint64_t id); /* FREE; the highest of all */
/* To m, whose session is connected. */
void group_event_assign(struct group_event *ev, struct group_member *m, uint32_t size);
/* Its member is gone: FREE, or still TAKING, for that is under way. */
void group_event_unassign(struct group *g, struct group_event *ev);
void group_event_release(struct group *g, struct group_event *ev); /* TAKING has failed */
void group_event_taken(struct group *g, struct group_event *ev);   /* it has succeeded */
void group_event_row_put(struct group *g, struct group_event *ev); /* its row is in a commit … */
void group_event_row_failed(struct group *g, struct group_event *ev); /* … that was refused */
void group_event_gone(struct group *g, struct group_event *ev); /* and its row, if it has one */
void group_event_free_all(struct group *g);
struct slice group_event_key(struct commit *c, uint64_t id);
bool group_event_key_get(struct slice key, uint64_t *id) MUST_CHECK;

/* --- group.c ------------------------------------------------------------------------ */
struct group *group_find(const struct groups *all, struct slice name);
struct group *group_of(struct groups *all, struct slice name); /* NULL: too many, or no group */
struct slice group_name(const struct group *g);
uint64_t group_cursor(const struct group *g);
void group_maybe_free(struct group *g); /* and its rows, when nobody is a member any more */
void group_free(struct group *g);
struct group_client *group_client_find(const struct groups *all, struct slice name);
struct group_client *group_client_of(struct groups *all, struct slice name);
struct slice group_client_name(const struct group_client *c);
void group_client_maybe_free(struct groups *all, struct group_client *c);
struct group_member *group_member_find(const struct group *g, const struct group_client *c);
/* NULL: too many. */
struct group_member *group_member_add(struct group *g, struct group_client *c);
/* What it has becomes free; its group and client stay. */
void group_member_free(struct group_member *m);
struct slice group_member_key(struct commit *c, struct slice client);
void group_member_send(const struct group_member *m, struct slice record); /* it is connected */

/* --- group_save.c --------------------------------------------------------------------- */
/* One commit: the cursor and the rows of events; then what waits for it leaves. */
struct group_save *group_save_new(struct group *g);
void group_save_send(struct group_save *s, struct group_event *ev,
                     struct slice record); /* copied */
void group_save_submit(struct group_save *s);
void group_save_checkpoint(struct group *g); /* if there is something to write */

/* --- group_assign.c ------------------------------------------------------------------- */
/* Assigns what can be: first what was assigned before, then what is new. */
void group_assign_serve(struct group *g);

#endif
