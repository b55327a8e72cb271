/*
 * sub.h - a session's filters: the list, and what their names say.
 *
 * How a filter gets its events is others' to know (main_cursor.h, replay.h, share.h,
 * sys_topics.h); who takes one off the list has ended that first (session_subscribe.h).
 *
 * Loop thread.
 */
#ifndef MQTT_SUB_H
#define MQTT_SUB_H

#include "flight.h"
#include "hub.h"

struct session;

enum sub_kind { SUB_PLAIN, SUB_SHARED, SUB_SYS };

/* A filter of the session. */
struct sub {
    struct sub *prev, *next; /* of the session; few, so a lasting hash would cost more than it
                                saves: see sub_index.h */
    struct session *session;
    struct replay *replay;    /* it has a cursor of its own; NULL: main's */
    struct group_name *group; /* SUB_SHARED */
    struct start start;       /* as asked for: the same again does not rewind */
    uint64_t from;            /* matches only later IDs */
    uint32_t id;              /* subscription identifier; 0: none */
    uint16_t filter_len;
    uint8_t kind; /* enum sub_kind */
    uint8_t qos;  /* granted */
    bool no_local : 1, retain_as_published : 1;
    bool dirty : 1, writing : 1;  /* its item: to be written, being written */
    bool unacked : 1, acking : 1; /* the same of what SUBSCRIBE said, which SUBACK waits for */
    bool wants_ours : 1;          /* its SUBSCRIBE had user properties of ours */
    bool joined : 1;              /* SUB_SHARED: share.c counts it */
    bool counted : 1;             /* among its principal's (account.h) */
    uint16_t asked;               /* while a SUBSCRIBE is looked at: its place there, from 1 */
    char filter[]; /* "a/#", "$share/g/a/#", "$SYS/#": as UNSUBSCRIBE says it; NUL-terminated */
};

static inline struct slice sub_name(const struct sub *s)
{
    return (struct slice){s->filter, s->filter_len};
}

/* One of those that the session's main cursor serves. */
static inline bool sub_is_mains(const struct sub *s)
{
    return s->kind == SUB_PLAIN && s->replay == NULL;
}

/* --- names -------------------------------------------------------------------------- */

/* What a filter that a client says would be. */
enum sub_kind sub_kind_of(struct slice filter);
/* Somebody may subscribe to it; *filter: what the hub and retained messages know of it,
 * without "$share/…".  False: it is none. */
MUST_CHECK bool sub_name_parse(struct slice name, struct slice *filter);
/* The same of one that is subscribed. */
struct slice sub_topic_filter(const struct sub *s);

/* --- the list ----------------------------------------------------------------------- */

struct sub *sub_find(const struct session *s, struct slice filter); /* NULL: none */
struct sub *sub_add(struct session *s, struct slice filter);
/* Counts it among those of the client's principal; false: that has as many as it may. */
MUST_CHECK bool sub_count(struct sub *sub);
/* Frees it; its item is dropped with the next WRITE. */
void sub_remove(struct sub *sub);
/* Frees it; its item stays. */
void sub_free(struct sub *sub);

#endif
