/*
 * resume.c - PUBREL for what was released, then PUBLISH, DUP set, one after the other.
 *
 *   next that waits ──▶ its event is read by ID ──▶ deliver_again ──▶ the next
 *
 * Within the client's new receive maximum: the rest waits for acknowledgements.
 *
 * How it fails: the event is gone from the log: that is a gap.  At QoS 1 it is over; at
 * QoS 2 the client may have seen it, so its identifier stays reserved until the session
 * ends.  A read that fails otherwise ends the client, which finds its session as it was.
 */
#include "resume.h"

#include <stdlib.h>

#include "block.h"
#include "commit.h"
#include "deliver.h"
#include "log.h"
#include "mem.h"

struct resume {
    struct session *session;
    struct link_read read;
    bool reading;
    uint16_t id;         /* of the event that is read; 0: none */
    struct block *block; /* it, read, while the socket is full */
};

/* --- packets ----------------------------------------------------------------------------- */

static void send_releases(struct session *s)
{
    uint16_t id;

    for (id = flight_next(&s->flight, 0); id != 0; id = flight_next(&s->flight, id))
        if (flight_get(&s->flight, id)->phase == FLIGHT_RELEASED)
            session_write_ack(s, MQTT_PUBREL, id, MQTT_OK);
}

static uint16_t next_waiting(const struct session *s)
{
    uint16_t id;

    for (id = flight_next(&s->flight, 0); id != 0; id = flight_next(&s->flight, id))
        if (flight_get(&s->flight, id)->phase == FLIGHT_WAITING)
            return id;
    return 0;
}

/* It has not been acknowledged meanwhile: it may have arrived before. */
static bool still_waits(const struct resume *r)
{
    const struct flight_entry *e = flight_get(&r->session->flight, r->id);

    return e != NULL && e->phase == FLIGHT_WAITING;
}

static void let_go(struct resume *r)
{
    if (r->block != NULL)
        block_evict(r->block); /* a half-written packet copies what is left */
    r->block = NULL;
    r->id = 0;
}

/* --- events ---------------------------------------------------------------------------------- */

static void lost(struct session *s, uint16_t id)
{
    const struct flight_entry *e = flight_get(&s->flight, id);
    struct gap gap = {e->event - 1, e->event, e->event, GAP_EXPIRED};

    deliver_gap(s, &gap);
    if (e->qos == 2)
        flight_phase_set(&s->flight, id, FLIGHT_LOST);
    else
        flight_remove(&s->flight, id);
    commit_later(s);
}

static bool page_take(struct resume *r, struct zmsg *reply)
{
    struct wire_page m;

    if (!wire_page_get(zmsg_data(reply), zmsg_size(reply), &m) || m.error != 0)
        return false;
    r->block = block_new(reply, reader_of(m.records.p, m.records.len));
    if (r->block == NULL)
        return false;
    if (r->block->count == 1)
        return true;
    let_go(r);
    return false;
}

static void on_read(struct link_read *read, enum sluice_error error, struct slice text,
                    struct zmsg *reply)
{
    struct resume *r = read->data;
    struct session *s = r->session;

    r->reading = false;
    if (!still_waits(r)) {
        r->id = 0;
    } else if (error == ERR_NOT_FOUND) {
        lost(s, r->id);
        r->id = 0;
    } else if (error != ERR_NONE || !page_take(r, reply)) {
        log_warn("an event in flight cannot be read", LOG_S("client", s->id),
                 LOG_SLICE("text", text));
        client_end(s->client, MQTT_UNAVAILABLE, "events cannot be read");
        return;
    }
    resume_go(s);
}

static void read_event(struct resume *r, uint16_t id)
{
    r->id = id;
    r->reading = true;
    r->read = (struct link_read){.cb = on_read, .data = r};
    wire_event_req_put(&r->read.frame, 0, flight_get(&r->session->flight, id)->event);
    link_read(r->session->mqtt->gateway->link, &r->read);
}

/* The event that was read goes out; false: the socket is full. */
static bool send_read(struct resume *r)
{
    struct session *s = r->session;

    if (still_waits(r) && !deliver_again(s, r->id, r->block->entries))
        return false;
    let_go(r);
    return true;
}

/* --- one after the other ---------------------------------------------------------- */

static void resume_done(struct session *s)
{
    resume_end(s);
    session_resumed(s);
}

void resume_go(struct session *s)
{
    struct resume *r = s->resume;
    uint16_t id;

    if (r == NULL || r->reading || s->ended)
        return;
    if (r->block != NULL && !send_read(r))
        return;
    id = next_waiting(s);
    if (id == 0)
        resume_done(s);
    else if (s->flight.sent < deliver_quota(s))
        read_event(r, id);
}

void resume_begin(struct session *s)
{
    struct resume *r = mem_zalloc(sizeof *r);

    r->session = s;
    s->resume = r;
    send_releases(s);
    resume_go(s);
}

void resume_end(struct session *s)
{
    struct resume *r = s->resume;

    if (r == NULL)
        return;
    s->resume = NULL;
    if (r->reading)
        link_read_cancel(s->mqtt->gateway->link, &r->read);
    let_go(r);
    free(r);
}
