/*
 * session_state.h - an MQTT session while it is attached here: subscriptions, a cursor,
 * what is in flight.
 *
 * One hub subscription, `main`, carries all plain filters of the session at one
 * cursor, so that its client sees every event once and in order.  Each filter
 * matches only IDs above its `from`.  A filter that replays has a cursor of its
 * own until it meets main's, then it joins (replay.c).
 *
 *   SUBSCRIBE  main is closed, keeping its cursor; a probe finds where the filter is
 *              live from; the item is written; SUBACK; retained messages; main opens
 *              again with the filter among its own
 *
 * What is in flight is an ordered list of (packet identifier, event ID, QoS, phase);
 * the payload stays in the log.  Changes are gathered as items and written
 *
 *   QoS 2     before the packet that they precede leaves: one write a loop turn
 *   QoS 1     once a second, and only if something is in flight at that moment:
 *             sessions with nothing in flight follow the gateway's position
 *
 * A session with expiry 0 lives here alone: it writes nothing (but for membership of
 * shared groups).
 *
 * This header holds the state, what it says of itself, and the marks that it has changed;
 * session_state.c calls nobody.  Its life is session_life.h, its writes are
 * session_commit.h.  Loop thread.
 */
#ifndef MQTT_SESSION_STATE_H
#define MQTT_SESSION_STATE_H

#include "client.h"
#include "flight.h"
#include "sub.h"

struct session {
    struct reaped reaped; /* first */
    UT_hash_handle hh;    /* in mqttd.sessions, by id */
    struct mqttd *mqtt;
    struct client *client;
    const char *id; /* the client's */
    uint64_t epoch;
    bool stored; /* expiry > 0: it has items at the broker */
    bool ended;

    struct sub *subs;
    uint32_t sub_count, shared_count;  /* of them; those of groups */
    struct quota held;                 /* of filters: those of subs */
    struct tombstones *sub_tombstones; /* filters, str16 each */
    struct subscription main;
    bool main_open;
    bool main_held;                    /* it is not to be opened now: a SUBSCRIBE is at hand */
    struct sub *one;                   /* main has no filter but this; NULL: several, or none */
    struct filter_tree *tree;          /* main's filters, when they are many; NULL: few */
    bool blocked;                      /* a source was told that the client is full */
    uint64_t cursor;                   /* of main while it is closed */
    uint64_t skip_qos0_to;             /* resumed: events of QoS 0 up to here are not wanted */
    struct flight flight;              /* QoS 1 and 2 to the client */
    struct received *received;         /* inbound.c: QoS 2 of the client's, not released */
    void (*checked)(struct client *c); /* session_check's; nothing is sent before */
    struct resume *resume;             /* what is in flight is being sent again; NULL: done */
    struct gap *gap;                   /* to be told with the next PUBLISH; NULL: none */
    struct aliases_told *aliases;      /* NULL: the client takes none */
    struct subscribing *subscribing;   /* the SUBSCRIBE or UNSUBSCRIBE at hand; NULL: none */
    struct retained_walk *retained;    /* retained.c: messages still to be sent; NULL: none */
    struct replay *replays;            /* replay.c: those of its filters that replay */
    struct share_member *share;        /* share.c: its part in groups; NULL: none */

    /* session_commit.c's */
    struct commit *commit;                     /* the WRITE under way; NULL: none */
    struct session *commit_prev, *commit_next; /* in mqttd.committing */
    bool committing;                           /* it is there */
    bool urgent, later;      /* something for the turn's end, for the next checkpoint */
    bool retry;              /* a write was refused: all of it, at the next checkpoint */
    bool fenced;             /* it is another's */
    bool follows;            /* at the broker: its cursor moves with our position */
    uint64_t cursor_written; /* at the broker, while it does not follow */
};

/* --- marks -------------------------------------------------------------------------- */

/* Something must be written before something can leave: at the end of this turn. */
void session_commit_soon(struct session *s);
/* Something has changed that may wait for the next checkpoint. */
void session_commit_later(struct session *s);

/* --- what it says of itself ------------------------------------------------------------ */

/* Where main stands; without a filter of main's, with the gateway. */
uint64_t session_cursor(const struct session *s);
/* Nothing of main's filters is between its cursor and the gateway's position. */
bool session_at_head(const struct session *s);
bool session_has_mains(const struct session *s); /* filters that main serves */

#endif
