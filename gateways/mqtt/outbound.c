/*
 * outbound.c - the client's acknowledgements, and who goes on when there is room.
 *
 * An acknowledgement frees room, so it wakes whoever waits for some.  One that names no
 * packet in flight is answered as the specification says (4.4), and never ends anybody:
 * after a broken connection clients may say such things in good faith.
 *
 * How it fails: what the socket does not take stays in flight, or with its source, which
 * is told so and woken when the socket has room.
 */
#include "outbound.h"

#include "deliver.h"
#include "failpoint.h"
#include "replay.h"
#include "resume.h"
#include "retained.h"
#include "share.h"

/* --- room ------------------------------------------------------------------------------- */

/* A group's credit depends on the room, whoever had used it up. */
void outbound_open(struct session *s)
{
    if (s->resume != NULL || s->checked != NULL)
        return;
    if (s->blocked) {
        s->blocked = false;
        if (s->main_open)
            subscription_resume(&s->main);
        replay_resume(s);
        retained_resume(s);
    }
    share_resume(s);
}

void outbound_writable(struct session *s)
{
    if (s->resume != NULL)
        resume_go(s);
    else if (deliver_waiting(s))
        outbound_open(s);
}

/* --- acknowledgements ------------------------------------------------------------------- */

static void outbound_group_done(struct session *s, struct flight_entry *e, bool returned)
{
    struct group_name *group = e->group;

    if (group == NULL)
        return;
    FAILPOINT(mqtt_taken);
    e->group = NULL;
    share_done(s, group, e->event, returned);
    group_name_unref(group);
}

static void outbound_flight_over(struct session *s, uint16_t id)
{
    outbound_group_done(s, flight_get(&s->flight, id), false);
    flight_remove(&s->flight, id);
    session_commit_later(s);
    if (s->resume != NULL)
        resume_go(s);
    else
        outbound_open(s);
}

/* It has had the packet, on this connection or an earlier one. */
static bool outbound_has_left(const struct flight_entry *e)
{
    return e->phase == FLIGHT_SENT || (e->phase == FLIGHT_WAITING && e->dup);
}

static void outbound_puback(struct session *s, uint16_t id)
{
    const struct flight_entry *e = flight_get(&s->flight, id);

    if (e != NULL && e->qos == 1 && outbound_has_left(e))
        outbound_flight_over(s, id);
}

static void outbound_release(struct session *s, uint16_t id)
{
    FAILPOINT(mqtt_pubrec_written);
    client_write_ack(s->client, MQTT_PUBREL, id, MQTT_OK);
    flight_phase_set(&s->flight, id, FLIGHT_RELEASED);
    FAILPOINT_AFTER(mqtt_pubrel_left, client_flush(s->client));
}

static void outbound_received(struct session *s, uint16_t id)
{
    flight_phase_set(&s->flight, id, FLIGHT_RECEIVED);
    if (s->stored) {
        session_commit_soon(s); /* outbound_committed releases it */
        return;
    }
    outbound_group_done(s, flight_get(&s->flight, id), false);
    outbound_release(s, id);
}

static void outbound_pubrec(struct session *s, uint16_t id, uint8_t reason)
{
    const struct flight_entry *e = flight_get(&s->flight, id);

    FAILPOINT(mqtt_pubrec_come);
    if (e == NULL || e->qos != 2)
        client_write_ack(s->client, MQTT_PUBREL, id, MQTT_ID_NOT_FOUND);
    else if (e->phase == FLIGHT_RELEASED)
        client_write_ack(s->client, MQTT_PUBREL, id, MQTT_OK);
    else if (outbound_has_left(e) && reason >= MQTT_UNSPECIFIED)
        outbound_flight_over(s, id);
    else if (outbound_has_left(e))
        outbound_received(s, id);
}

static void outbound_pubcomp(struct session *s, uint16_t id)
{
    const struct flight_entry *e = flight_get(&s->flight, id);

    FAILPOINT(mqtt_pubcomp_come);
    if (e != NULL && e->phase == FLIGHT_RELEASED)
        outbound_flight_over(s, id);
}

void outbound_ack(struct session *s, enum mqtt_type type, const struct mqtt_ack *m)
{
    if (type == MQTT_PUBACK)
        outbound_puback(s, m->packet_id);
    else if (type == MQTT_PUBREC)
        outbound_pubrec(s, m->packet_id, m->reason);
    else if (type == MQTT_PUBCOMP)
        outbound_pubcomp(s, m->packet_id);
}

/* --- what is written ---------------------------------------------------------------------- */

/* What hung on the write: PUBRELs, and events that were taken over. */
static void outbound_flight_committed(struct session *s)
{
    struct flight *f = &s->flight;
    uint16_t id;

    for (id = flight_next(f, 0); id != 0; id = flight_next(f, id)) {
        struct flight_entry *e = flight_get(f, id);

        if (!e->stored || e->dirty || e->writing)
            continue;
        outbound_group_done(s, e, false);
        if (e->phase == FLIGHT_RECEIVED)
            outbound_release(s, id);
    }
}

void outbound_committed(struct session *s)
{
    outbound_flight_committed(s);
    if (s->resume == NULL && deliver_waiting(s))
        outbound_open(s);
}

/* --- the end ---------------------------------------------------------------------------- */

void outbound_return_assigned(struct session *s)
{
    uint16_t id;

    for (id = flight_next(&s->flight, 0); id != 0; id = flight_next(&s->flight, id))
        outbound_group_done(s, flight_get(&s->flight, id), true);
}
