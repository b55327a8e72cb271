/*
 * flight.h - what is in flight to a client: packet identifiers and their events, in
 * the order in which they were sent.
 *
 * A packet identifier is the entry's place in one array, so that an acknowledgement
 * finds it at once; identifiers go round.  Entry 0 is no identifier: it heads the list.
 *
 *             0     1     2     3     4
 *   entries [head] [ 1 ] [   ] [ 3 ] [ 4 ]      order: 3 ⇄ 4 ⇄ 1
 *
 * For a stored session each entry is an item ("O"); what changed is gathered by
 * session_commit.c: `dirty` since the last WRITE, `writing` in the one under way.  Identifiers
 * whose items must go away are tombstones.
 *
 * Knows no client and no broker.
 */
#ifndef MQTT_FLIGHT_H
#define MQTT_FLIGHT_H

#include "block.h"
#include "group_name.h"
#include "tombstones.h"
#include "wire_session.h"

enum flight_phase {
    FLIGHT_FREE,     /* no entry */
    FLIGHT_WAITING,  /* has not left yet: its write is under way, or it is a resend */
    FLIGHT_SENT,     /* PUBLISH has left */
    FLIGHT_RECEIVED, /* QoS 2: PUBREC has come, is being written */
    FLIGHT_RELEASED, /* QoS 2: PUBREL has left */
    FLIGHT_LOST,     /* its event is gone: the identifier stays reserved (QoS 2) */
};

struct flight_entry {
    uint64_t event;           /* ID */
    struct entry *held;       /* WAITING: the event, its block referenced; NULL: to be read */
    struct group_name *group; /* assigned, and still the broker's to give to another; NULL: no */
    uint32_t order;
    uint16_t prev, next;
    uint8_t phase; /* enum flight_phase */
    uint8_t qos;
    bool retain : 1;
    bool dup : 1;     /* has left on an earlier connection */
    bool counted : 1; /* against the client's receive maximum */
    bool stored : 1;  /* there is an item at the broker */
    bool dirty : 1, writing : 1;
    bool taking : 1; /* a WRITE went that takes it over */
};

struct flight {
    struct flight_entry *entries; /* NULL: none yet */
    uint32_t cap;                 /* identifiers below it; a power of two, at most 65,536 */
    uint32_t count;
    uint32_t sent;                 /* counted ones */
    uint32_t waiting;              /* in FLIGHT_WAITING */
    uint32_t order;                /* the last given out */
    uint16_t last;                 /* identifier given out last */
    struct tombstones *tombstones; /* identifiers, u16 each */
};

void flight_free(struct flight *f);
/* A new entry at the end, or 0 when all identifiers are taken.  WAITING with `held`,
 * which is referenced, or SENT and counted without. */
MUST_CHECK uint16_t flight_add(struct flight *f, uint64_t event, uint8_t qos, struct entry *held);
bool flight_is_full(const struct flight *f); /* no identifier is left */
/* NULL: no such. */
struct flight_entry *flight_get(const struct flight *f, uint16_t id);
/* In order; id 0: the first.  0 at the end. */
uint16_t flight_next(const struct flight *f, uint16_t id);
/* Marks it dirty if its item says something else then. */
void flight_phase_set(struct flight *f, uint16_t id, enum flight_phase phase);
void flight_count_sent(struct flight *f, uint16_t id, bool counted);
void flight_release(struct flight *f, uint16_t id); /* lets go of `held` */
/* It is over; its item, if there is one, goes away with the next WRITE. */
void flight_remove(struct flight *f, uint16_t id);
/* Gives its memory back if nothing is in flight. */
void flight_rest(struct flight *f);

/* --- items ------------------------------------------------------------------------ */

bool flight_dirty(const struct flight *f);
/* Appends the changes as items and marks them as being written.  Assigned events at
 * QoS 2 are taken over by it (wire_taken into groups), or left out when groups is NULL:
 * then the drop of an identifier that such an event has got is left out, too, for the
 * WRITE that takes it over may still be under way. */
void flight_items_put(struct flight *f, struct buf *items, struct buf *groups);
/* The outcome of that write. */
void flight_written(struct flight *f, bool ok);
/* Reads one back, WAITING or RELEASED; false: it cannot be. */
MUST_CHECK bool flight_item_get(struct flight *f, const struct wire_item *i);
/* All are read: puts them into their order. */
void flight_items_done(struct flight *f);

#endif
