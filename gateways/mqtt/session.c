/*
 * session.c - a session from attach to detach, and the acknowledgements of its client.
 *
 *   session_new ──CONNACK──▶ session_start ─▶ resume ─▶ session_resumed: main opens
 *                                                                │
 *                            session_end ◀───────────────────────┘
 *
 * An acknowledgement frees room, so it wakes whoever waits for some.  One that names no
 * packet in flight is answered as the specification says (4.4), and never ends anybody:
 * after a broken connection clients may say such things in good faith.
 */
#include "session.h"

#include <stdlib.h>

#include "aliases.h"
#include "commit.h"
#include "deliver.h"
#include "event_json.h"
#include "failpoint.h"
#include "incoming.h"
#include "items.h"
#include "log.h"
#include "mem.h"
#include "replay.h"
#include "resume.h"
#include "retained.h"
#include "share.h"
#include "subscribe.h"
#include "sys.h"

/* --- the beginning -------------------------------------------------------------------- */

static void session_free_parts(struct session *s)
{
    session_main_close(s);
    resume_end(s);
    subscribe_end(s);
    retained_end(s);
    session_subs_free(s);
    flight_free(&s->flight);
    incoming_free(s);
    aliases_told_free(s->aliases);
    free(s->gap);
}

struct session *session_new(struct client *c, const struct wire_attached *a)
{
    struct mqttd *m = c->mqtt;
    struct session *s = mem_zalloc(sizeof *s);

    s->mqtt = m;
    s->client = c;
    s->id = c->id;
    s->epoch = a->epoch;
    s->stored = c->expiry > 0;
    s->cursor = a->head;
    if (a->present && !m->settings.queue_qos0)
        s->skip_qos0_to = a->head;
    s->aliases = aliases_told_new(m->aliases, c->alias_maximum);
    if (!items_get(s, a->items)) {
        log_error("a session's state cannot be read", LOG_S("client", c->id));
        s->ended = true;
        session_free_parts(s);
        free(s);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, m->sessions, s->id, strlen(s->id), s);
    return s;
}

/* A session that a gap ends does so once it can say it. */
bool session_check(struct session *s, void (*checked)(struct client *c))
{
    if (s->client->version != MQTT_50 || s->mqtt->settings.drop_session_on_gap)
        return false;
    session_main_open(s);
    if (!s->main_open)
        return false;
    s->checked = checked;
    return true;
}

void session_connack_props(const struct session *s, struct buf *props)
{
    struct buf text = {0};

    if (s->gap == NULL)
        return;
    event_json_put_gap(&text, s->gap);
    mqtt_prop_put_user(props, SLICE("sluice-gap"), (struct slice){(char *)text.p, text.len});
    buf_free(&text);
}

static void subs_join(struct session *s)
{
    struct sub *sub;

    for (sub = s->subs; sub != NULL; sub = sub->next) {
        if (sub->kind == SUB_SHARED)
            shared_joined(sub);
        else if (sub->kind == SUB_SYS)
            sys_joined(sub);
    }
}

void session_start(struct session *s)
{
    if (s->flight.count > 0)
        resume_begin(s);
    else
        session_resumed(s);
}

void session_resumed(struct session *s)
{
    FAILPOINT(mqtt_resumed);
    subs_join(s);
    session_main_open(s);
    s->blocked = true; /* whoever tried meanwhile was told so */
    deliver_open(s);
}

/* --- acknowledgements ------------------------------------------------------------------- */

void session_write_ack(struct session *s, enum mqtt_type type, uint16_t packet_id, uint8_t reason)
{
    static struct buf packet;

    buf_clear(&packet);
    mqtt_ack_put(&packet, s->client->version, type, packet_id, reason, (struct slice){NULL, 0});
    client_write(s->client, (struct slice){(char *)packet.p, packet.len});
}

static void group_done(struct session *s, struct flight_entry *e, bool returned)
{
    struct group_name *group = e->group;

    if (group == NULL)
        return;
    FAILPOINT(mqtt_taken);
    e->group = NULL;
    shared_done(s, group, e->event, returned);
    group_name_unref(group);
}

static void flight_over(struct session *s, uint16_t id)
{
    group_done(s, flight_get(&s->flight, id), false);
    flight_remove(&s->flight, id);
    commit_later(s);
    if (s->resume != NULL)
        resume_go(s);
    else
        deliver_open(s);
}

/* It has had the packet, on this connection or an earlier one. */
static bool has_left(const struct flight_entry *e)
{
    return e->phase == FLIGHT_SENT || (e->phase == FLIGHT_WAITING && e->dup);
}

static void on_puback(struct session *s, uint16_t id)
{
    const struct flight_entry *e = flight_get(&s->flight, id);

    if (e != NULL && e->qos == 1 && has_left(e))
        flight_over(s, id);
}

static void release(struct session *s, uint16_t id)
{
    FAILPOINT(mqtt_pubrec_written);
    session_write_ack(s, MQTT_PUBREL, id, MQTT_OK);
    flight_phase_set(&s->flight, id, FLIGHT_RELEASED);
    FAILPOINT_AFTER(mqtt_pubrel_left, client_flush(s->client));
}

static void received(struct session *s, uint16_t id)
{
    flight_phase_set(&s->flight, id, FLIGHT_RECEIVED);
    if (s->stored) {
        commit_soon(s); /* session_committed releases it */
        return;
    }
    group_done(s, flight_get(&s->flight, id), false);
    release(s, id);
}

static void on_pubrec(struct session *s, uint16_t id, uint8_t reason)
{
    const struct flight_entry *e = flight_get(&s->flight, id);

    FAILPOINT(mqtt_pubrec_come);
    if (e == NULL || e->qos != 2)
        session_write_ack(s, MQTT_PUBREL, id, MQTT_ID_NOT_FOUND);
    else if (e->phase == FLIGHT_RELEASED)
        session_write_ack(s, MQTT_PUBREL, id, MQTT_OK);
    else if (has_left(e) && reason >= MQTT_UNSPECIFIED)
        flight_over(s, id);
    else if (has_left(e))
        received(s, id);
}

static void on_pubcomp(struct session *s, uint16_t id)
{
    const struct flight_entry *e = flight_get(&s->flight, id);

    FAILPOINT(mqtt_pubcomp_come);
    if (e != NULL && e->phase == FLIGHT_RELEASED)
        flight_over(s, id);
}

enum mqtt_reason session_ack(struct session *s, enum mqtt_type type, const struct mqtt_ack *m)
{
    if (type == MQTT_PUBACK)
        on_puback(s, m->packet_id);
    else if (type == MQTT_PUBREC)
        on_pubrec(s, m->packet_id, m->reason);
    else if (type == MQTT_PUBCOMP)
        on_pubcomp(s, m->packet_id);
    return MQTT_OK;
}

/* --- what is written ---------------------------------------------------------------------- */

/* What hung on the write: PUBRELs, and events that were taken over. */
static void flight_committed(struct session *s)
{
    struct flight *f = &s->flight;
    uint16_t id;

    for (id = flight_next(f, 0); id != 0; id = flight_next(f, id)) {
        struct flight_entry *e = flight_get(f, id);

        if (!e->stored || e->dirty || e->writing)
            continue;
        group_done(s, e, false);
        if (e->phase == FLIGHT_RECEIVED)
            release(s, id);
    }
}

void session_committed(struct session *s)
{
    if (s->ended)
        return;
    flight_committed(s);
    if (s->resume == NULL && deliver_waiting(s))
        deliver_open(s);
    subscribe_go_on(s);
}

void session_writable(struct session *s)
{
    if (s->resume != NULL)
        resume_go(s);
    else if (deliver_waiting(s))
        deliver_open(s);
}

/* --- the end --------------------------------------------------------------------------------- */

static void return_assigned(struct session *s)
{
    uint16_t id;

    for (id = flight_next(&s->flight, 0); id != 0; id = flight_next(&s->flight, id))
        group_done(s, flight_get(&s->flight, id), true);
}

void session_end(struct session *s, bool will, uint32_t expiry)
{
    struct mqttd *m = s->mqtt;

    FAILPOINT(mqtt_detach);
    s->ended = true;
    HASH_DELETE(hh, m->sessions, s);
    commit_detach(s, will, expiry);
    return_assigned(s);
    shared_end(s);
    session_free_parts(s);
    reaper_take(&m->gateway->reaper, &s->reaped);
}

/* --- all of them ------------------------------------------------------------------ */

/* Members of groups that the broker knows by their items alone. */
static void say_again(struct session *s)
{
    struct sub *sub;

    if (s->stored)
        return;
    for (sub = s->subs; sub != NULL; sub = sub->next) {
        if (sub->kind != SUB_SHARED)
            continue;
        sub->dirty = true;
        commit_soon(s);
    }
}

void sessions_hold(struct mqttd *m)
{
    struct buf frame = {0};
    struct session *s;

    wire_tell_begin(&frame, WIRE_TELL_HOLD);
    for (s = m->sessions; s != NULL; s = s->hh.next) {
        struct wire_hold h = {slice_of(s->id), s->epoch, s->client->expiry};

        wire_hold_put(&frame, &h);
        say_again(s);
    }
    link_tell(m->gateway->link, &frame);
}
