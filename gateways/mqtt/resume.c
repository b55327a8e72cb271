/*
 * resume.c - PUBREL for what was released, then PUBLISH, DUP set, one after the other.
 *
 *   next that waits ──▶ its event is read by ID ──▶ deliver_again ──▶ the next
 *
 * Within the client's new receive maximum: the rest waits for acknowledgements.
 *
 * What the client may no longer see is not sent, as if it were gone.
 *
 * How it fails: the event is gone from the log: that is a gap.  At QoS 1 it is over; at
 * QoS 2 the client may have seen it, so its identifier stays reserved until the session
 * ends.  A read that fails otherwise ends the client, which finds its session as it was.
 */
#include "resume.h"

#include <stdlib.h>

#include "block.h"
#include "deliver.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"

struct resume {
    struct session *session;
    resume_done_cb done;
    struct link_read read;
    bool reading;
    uint16_t id;         /* of the event that is read; 0: none */
    struct block *block; /* it, read, while the socket is full */
};

/* --- packets ----------------------------------------------------------------------------- */

static void resume_send_releases(struct session *s)
{
    uint16_t id;

    for (id = flight_next(&s->flight, 0); id != 0; id = flight_next(&s->flight, id))
        if (flight_get(&s->flight, id)->phase == FLIGHT_RELEASED)
            client_write_ack(s->client, MQTT_PUBREL, id, MQTT_OK);
}

static uint16_t resume_next_waiting(const struct session *s)
{
    uint16_t id;

    for (id = flight_next(&s->flight, 0); id != 0; id = flight_next(&s->flight, id))
        if (flight_get(&s->flight, id)->phase == FLIGHT_WAITING)
            return id;
    return 0;
}

/* It has not been acknowledged meanwhile: it may have arrived before. */
static bool resume_still_waits(const struct resume *r)
{
    const struct flight_entry *e = flight_get(&r->session->flight, r->id);

    return e != NULL && e->phase == FLIGHT_WAITING;
}

static void resume_let_go(struct resume *r)
{
    if (r->block != NULL)
        block_evict(r->block); /* a half-written packet copies what is left */
    r->block = NULL;
    r->id = 0;
}

/* --- events ---------------------------------------------------------------------------------- */

static void resume_lost(struct session *s, uint16_t id)
{
    const struct flight_entry *e = flight_get(&s->flight, id);
    struct gap gap = {e->event - 1, e->event, e->event, GAP_EXPIRED};

    deliver_gap(s, &gap);
    if (e->qos == 2)
        flight_phase_set(&s->flight, id, FLIGHT_LOST);
    else
        flight_remove(&s->flight, id);
    session_commit_later(s);
}

static bool resume_take_page(struct resume *r, struct zmsg *reply)
{
    struct wire_page m;

    if (!wire_page_get(zmsg_data(reply), zmsg_size(reply), &m) || m.error != 0)
        return false;
    r->block = block_new(hub_blocks(r->session->mqtt->gateway->hub), reply,
                         reader_of(m.records.p, m.records.len));
    if (r->block == NULL)
        return false;
    if (r->block->count == 1)
        return true;
    resume_let_go(r);
    return false;
}

static void resume_on_read(struct link_read *read, enum sluice_error error, struct slice text,
                           struct zmsg *reply)
{
    struct resume *r = read->data;
    struct session *s = r->session;

    r->reading = false;
    if (!resume_still_waits(r)) {
        r->id = 0;
    } else if (error == ERR_NOT_FOUND) {
        resume_lost(s, r->id);
        r->id = 0;
    } else if (error != ERR_NONE || !resume_take_page(r, reply)) {
        log_warn("an event in flight cannot be read", LOG_S("client", s->id),
                 LOG_SLICE("text", text));
        client_end(s->client, MQTT_UNAVAILABLE, "events cannot be read");
        return;
    }
    resume_go(s);
}

static void resume_read_event(struct resume *r, uint16_t id)
{
    r->id = id;
    r->reading = true;
    r->read = (struct link_read){.cb = resume_on_read, .data = r, .asker = r->session};
    wire_event_req_put(&r->read.frame, 0, flight_get(&r->session->flight, id)->event);
    link_read(r->session->mqtt->gateway->link, &r->read);
}

/* It was put in flight when more was granted.  At QoS 2 the client may have seen it. */
static void resume_withhold(struct session *s, uint16_t id)
{
    metric_add(M_MQTT_EVENTS_WITHHELD, 1);
    if (flight_get(&s->flight, id)->qos == 2)
        flight_phase_set(&s->flight, id, FLIGHT_LOST);
    else
        flight_remove(&s->flight, id);
    session_commit_later(s);
}

static bool resume_may(const struct resume *r)
{
    return caller_may(&r->session->client->caller, AUTH_SUBSCRIBE, r->block->entries->e.topic);
}

/* The event that was read goes out; false: the socket is full. */
static bool resume_send_read(struct resume *r)
{
    struct session *s = r->session;

    if (resume_still_waits(r) && !resume_may(r))
        resume_withhold(s, r->id);
    if (resume_still_waits(r) && !deliver_again(s, r->id, r->block->entries))
        return false;
    resume_let_go(r);
    return true;
}

/* --- one after the other ---------------------------------------------------------- */

static void resume_finish(struct session *s)
{
    resume_done_cb done = s->resume->done;

    resume_end(s);
    done(s);
}

void resume_go(struct session *s)
{
    struct resume *r = s->resume;
    uint16_t id;

    if (r == NULL || r->reading || s->ended)
        return;
    if (r->block != NULL && !resume_send_read(r))
        return;
    id = resume_next_waiting(s);
    if (id == 0)
        resume_finish(s);
    else if (s->flight.sent < deliver_quota(s))
        resume_read_event(r, id);
}

void resume_begin(struct session *s, resume_done_cb done)
{
    struct resume *r = mem_zalloc(sizeof *r);

    r->session = s;
    r->done = done;
    s->resume = r;
    resume_send_releases(s);
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
    resume_let_go(r);
    free(r);
}
