/*
 * session.h - an MQTT session while it is attached here: subscriptions, a cursor,
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
 * shared groups).  Loop thread.
 */
#ifndef MQTT_SESSION_H
#define MQTT_SESSION_H

#include "client.h"
#include "flight.h"

enum sub_kind { SUB_PLAIN, SUB_SHARED, SUB_SYS };

/* A filter of the session. */
struct sub {
    struct sub *prev, *next; /* of the session; few, so a hash would cost more than it saves */
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
    bool dirty : 1, writing : 1; /* its item: to be written, being written */
    bool unsaid : 1, saying : 1; /* the same of what SUBSCRIBE said, which SUBACK waits for */
    char filter[]; /* "a/#", "$share/g/a/#", "$SYS/#": as UNSUBSCRIBE says it; NUL-terminated */
};

struct session {
    struct reaped reaped; /* first */
    UT_hash_handle hh;    /* in mqtt.sessions, by id */
    struct mqttd *mqtt;
    struct client *client;
    const char *id; /* the client's */
    uint64_t epoch;
    bool stored; /* expiry > 0: it has items at the broker */
    bool ended;

    struct sub *subs;
    struct drops *gone_subs; /* filters, str16 each */
    struct subscription main;
    bool main_open;
    struct sub *one;          /* main has no filter but this; NULL: several, or none */
    struct filter_tree *tree; /* main's filters, when they are many; NULL: few */
    bool blocked;             /* a source was told that the client is full */
    uint64_t cursor;          /* of main while it is closed */
    uint64_t skip_qos0_to;    /* resumed: events of QoS 0 up to here are not wanted */
    struct flight flight;
    void (*checked)(struct client *c); /* session_check's; nothing is sent before */
    struct resume *resume;             /* what is in flight is being sent again; NULL: done */
    struct gap *gap;                   /* to be told with the next PUBLISH; NULL: none */
    struct aliases_told *aliases;      /* NULL: the client takes none */
    struct subscribing *subscribing;   /* the SUBSCRIBE or UNSUBSCRIBE at hand; NULL: none */
    struct retained_walk *retained;    /* retained.c: messages still to be sent; NULL: none */
    struct replay *replays;            /* replay.c: those of its filters that replay */
    struct in_ids *incoming;           /* QoS 2 identifiers of the client's, not released */
    struct shared_member *shared;      /* share.c: its part in groups; NULL: none */

    /* commit.c's */
    struct commit *commit;       /* the WRITE under way; NULL: none */
    struct session *commit_next; /* in mqtt.committing */
    bool committing;             /* it is there */
    bool urgent, later;          /* something for the turn's end, for the next checkpoint */
    bool retry;                  /* a write was refused: all of it, at the next checkpoint */
    bool fenced;                 /* it is another's */
    bool follows;                /* at the broker: its cursor moves with our position */
    uint64_t cursor_written;     /* at the broker, while it does not follow */
};

static inline struct slice sub_name(const struct sub *s)
{
    return (struct slice){s->filter, s->filter_len};
}

/* --- connect.c, inbound.c, client.c call these ------------------------------------- */

/* Attached: items is empty for a new session.  Takes over c->id and so on by copy.
 * NULL: an item cannot be read (another version's); logged. */
struct session *session_new(struct client *c, const struct wire_attached *a);
/* Finds out whether events were lost while the session was away, which CONNACK says (5.0);
 * checked(s->client) comes when that is known, from a turn of the hub.  False: there is
 * nothing to find out, and it does not come. */
bool session_check(struct session *s, void (*checked)(struct client *c));
/* User properties that CONNACK carries of it (sluice-gap), appended to props. */
void session_connack_props(const struct session *s, struct buf *props);
/* After the CONNACK has been written: resends what is in flight, opens the cursor. */
void session_start(struct session *s);

/* The packets that are the session's; a reason that is not MQTT_OK ends the client.
 * session_subscribe and session_unsubscribe may return MQTT_BUSY: one is at hand; show the
 * packet again when client_pump is called (the packets behind it must be
 * read on: the caller keeps a bounded queue of waiting ones). */
enum mqtt_reason session_subscribe(struct session *s, const struct mqtt_subscribe *m);
enum mqtt_reason session_unsubscribe(struct session *s, const struct mqtt_subscribe *m);
enum mqtt_reason session_ack(struct session *s, enum mqtt_type type, const struct mqtt_ack *m);
/* The socket has room again. */
void session_writable(struct session *s);

/* QoS 2 from the client.  known: it was received before and is not released. */
bool session_incoming_known(const struct session *s, uint16_t packet_id);
/* Remembers it, and appends its item to `items` (of a WRITE) when the session is stored. */
void session_incoming_add(struct session *s, uint16_t packet_id, struct buf *items);
/* The write that carried it was refused: forgets it, and writes nothing. */
void session_incoming_refused(struct session *s, uint16_t packet_id);
/* PUBREL: forgets it; client_released once that is committed (maybe at once when it
 * is not stored). */
void session_incoming_release(struct session *s, uint16_t packet_id);

/* commit.c: what was being written is written. */
void session_committed(struct session *s);
/* PUBREL and the like, without properties. */
void session_write_ack(struct session *s, enum mqtt_type type, uint16_t packet_id, uint8_t reason);

/* The connection has ended, or the broker fences: writes what is left, detaches, frees.
 * No callback of it comes after. */
void session_end(struct session *s, bool will, uint32_t expiry);
/* The process ends its turn: writes that must leave; once a second: checkpoints. */
void sessions_turn(struct mqttd *m);
void sessions_checkpoint(struct mqttd *m);
/* After hello-ok: HOLD, and what memory-only sessions must say again. */
void sessions_hold(struct mqttd *m);
/* Calls of the broker. */
void sessions_assign(struct mqttd *m, struct reader body); /* share.c */
void sys_update(struct mqttd *m, struct reader body);      /* sys.c */
void sys_free(struct mqttd *m);

#endif
