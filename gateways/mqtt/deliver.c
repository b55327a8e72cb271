/*
 * deliver.c - what one event is for one client, and its way to the socket.
 *
 *   whose (delivery.c) ──▶ QoS, RETAIN, identifiers ──▶ leave it out │ a piece │ wait for its write
 *
 * Happy path of QoS 0 with one filter: the run goes out whole, in the form that all
 * clients share, in one system call (is_plain says when).  Otherwise each event is a
 * piece: a head of the client's own and what is shared; pieces go out together.
 *
 * QoS 1 leaves at once and is in flight from then on.  QoS 2 of a stored session is put
 * in flight WAITING, its block held, and leaves when its item is written: only other
 * such events may join those that wait, anything else stops until they have left.
 *
 * How it fails: the socket takes less than all.  Pieces that it has not begun are taken
 * back, with their packet identifiers, and the source is told how many were taken.
 */
#include "deliver.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "aliases.h"
#include "clock.h"
#include "event_json.h"
#include "failpoint.h"
#include "log.h"
#include "mem.h"
#include "packets.h"
#include "topic.h"

#define OWN_MAX (256u * 1024) /* of the heads' buffer, kept from run to run */
#define PACKET_SLACK 128u     /* what a packet may have beyond its record's size */

/* The pieces of one writing, and what is looked at on the way.  One at a time in the
 * process, too large for the stack. */
struct deliver_writing {
    struct session *session;
    struct delivery delivery; /* of the event at hand */
    struct conn_piece pieces[CONN_PIECES_MAX];
    size_t heads[CONN_PIECES_MAX];
    struct deliver_undo {
        uint16_t packet_id; /* 0: none */
        uint16_t alias;     /* 0: none was told */
    } undo[CONN_PIECES_MAX];
    uint16_t waited[CONN_PIECES_MAX]; /* what was waiting in flight */
    size_t at[CONN_PIECES_MAX + 1];   /* of a run: the entry of each piece */
    size_t count;
    size_t gap_at; /* the piece that tells the gap; SIZE_MAX: none */
    struct buf own, gap, message;
};

struct deliver_writing *deliver_writing_new(void)
{
    return mem_zalloc(sizeof(struct deliver_writing));
}

void deliver_writing_free(struct deliver_writing *w)
{
    buf_free(&w->own);
    buf_free(&w->gap);
    buf_free(&w->message);
    free(w);
}

/* --- room -------------------------------------------------------------------------------- */

uint32_t deliver_quota(const struct session *s)
{
    uint32_t ours = s->mqtt->settings.max_inflight, theirs = s->client->receive_maximum;

    return ours < theirs ? ours : theirs;
}

uint32_t deliver_room(const struct session *s)
{
    uint32_t most = deliver_quota(s);

    return s->resume == NULL && s->checked == NULL && s->flight.sent < most ? most - s->flight.sent
                                                                            : 0;
}

/* May an event leave, or be put in flight, at that QoS? */
static bool deliver_may_pass(const struct session *s, uint8_t qos)
{
    if (s->flight.waiting > 0 && (qos < 2 || !s->stored))
        return false;
    return deliver_room(s) > 0;
}

/* --- pieces --------------------------------------------------------------------------------- */

static struct deliver_writing *writing_begin(struct session *s)
{
    struct deliver_writing *w = s->mqtt->writing;

    w->session = s;
    w->count = 0;
    w->gap_at = SIZE_MAX;
    if (w->own.cap > OWN_MAX)
        buf_free(&w->own);
    buf_clear(&w->own);
    return w;
}

static void writing_take_back(struct session *s, const struct deliver_undo *u)
{
    if (u->packet_id != 0)
        flight_remove(&s->flight, u->packet_id);
    if (u->alias != 0)
        aliases_untell(s->aliases, u->alias);
}

/* Sends what has gathered; how many pieces were taken. */
static size_t writing_flush(struct deliver_writing *w)
{
    struct session *s = w->session;
    size_t n = w->count, taken;

    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        w->pieces[i].head.p = (char *)w->own.p + w->heads[i];
    client_flush(s->client);
    taken = transport_pieces(&s->client->transport, w->pieces, n);
    for (size_t i = n; i > taken; i--)
        writing_take_back(s, &w->undo[i - 1]);
    if (w->gap_at < taken) {
        free(s->gap);
        s->gap = NULL;
    }
    s->mqtt->report.messages_sent += taken;
    s->mqtt->report.publish_sent += taken;
    (void)writing_begin(s);
    return taken;
}

static struct slice writing_gap_text(struct deliver_writing *w)
{
    const struct session *s = w->session;

    buf_clear(&w->gap);
    if (s->gap == NULL || w->gap_at < SIZE_MAX)
        return (struct slice){NULL, 0};
    event_json_put_gap(&w->gap, s->gap);
    return buf_slice(&w->gap);
}

/* None at QoS 2: clients are about (MQTT.js) that hand a message on at PUBREL, and have
 * forgotten by then which topic the alias stood for. */
static void writing_alias(const struct session *s, struct slice topic, struct packet_own *o,
                          uint16_t *told)
{
    uint16_t number;

    *told = 0;
    if (o->qos == 2)
        return;
    switch (aliases_use(s->aliases, topic, &number)) {
    case ALIAS_NONE:
        return;
    case ALIAS_NEW:
        *told = number;
        break;
    case ALIAS_TOLD:
        o->topic_known = true;
        break;
    }
    o->alias = number;
}

/* A packet more of w->delivery.  False: it is too large for the client; nothing was done. */
static bool writing_add(struct deliver_writing *w, struct entry *e, uint16_t packet_id, bool dup)
{
    const struct session *s = w->session;
    const struct delivery *d = &w->delivery;
    size_t i = w->count;
    struct packet_own o = {.version = s->client->version,
                           .qos = d->qos,
                           .dup = dup,
                           .retain = d->retain,
                           .packet_id = packet_id,
                           .ours = client_hears_ours(s->client),
                           .sub_ids = d->ids,
                           .sub_id_count = d->id_count,
                           .gap = writing_gap_text(w),
                           .now_ms = clock_ms(),
                           .max_size = s->client->max_packet};
    uint16_t alias;

    assert(i < CONN_PIECES_MAX);
    writing_alias(s, e->e.topic, &o, &alias);
    if (!packets_make(&w->own, TRANSPORT_ROOM, &w->pieces[i], &w->heads[i], e, &o)) {
        if (alias != 0)
            aliases_untell(s->aliases, alias);
        return false;
    }
    w->undo[i] = (struct deliver_undo){packet_id, alias};
    if (o.gap_told)
        w->gap_at = i;
    w->count++;
    return true;
}

static void deliver_dropped(struct session *s)
{
    s->mqtt->report.publish_dropped++;
}

/* --- one event ----------------------------------------------------------------------------- */

/* QoS 2 of a stored session: it leaves when its item is written. */
static uint16_t deliver_wait_for_write(struct session *s, struct entry *e, bool retain)
{
    uint16_t id = flight_add(&s->flight, e->e.id, 2, e);

    assert(id != 0); /* the quota is below the number of identifiers */
    flight_get(&s->flight, id)->retain = retain;
    session_commit_soon(s);
    FAILPOINT(mqtt_out_gathered);
    return id;
}

static bool deliver_now(struct deliver_writing *w, struct entry *e)
{
    struct session *s = w->session;
    uint16_t id = 0;

    if (w->delivery.qos > 0) {
        id = flight_add(&s->flight, e->e.id, w->delivery.qos, NULL);
        flight_get(&s->flight, id)->retain = w->delivery.retain;
        session_commit_later(s);
    }
    if (writing_add(w, e, id, false))
        return true;
    if (id != 0)
        flight_remove(&s->flight, id);
    deliver_dropped(s);
    return false;
}

enum deliver_step { STEP_TAKEN, STEP_SKIPPED, STEP_WAITS, STEP_FULL };

static enum deliver_step deliver_step(struct deliver_writing *w, struct sub *only,
                                      enum deliver_kind kind, struct entry *e, uint64_t now)
{
    struct session *s = w->session;
    const struct delivery *d = &w->delivery;

    if (!delivery_get(s, only, kind, &e->e, &w->delivery) || event_expired(&e->e, now))
        return STEP_SKIPPED;
    if (!deliver_may_pass(s, d->qos) || flight_is_full(&s->flight))
        return STEP_FULL;
    if (d->qos == 2 && s->stored) {
        if (w->count > 0)
            return STEP_FULL; /* what is before it goes first */
        (void)deliver_wait_for_write(s, e, d->retain);
        return STEP_WAITS;
    }
    return deliver_now(w, e) ? STEP_TAKEN : STEP_SKIPPED;
}

/* --- runs ------------------------------------------------------------------------- */

/* Nothing in it is for this client alone, so that it goes out in the shared form. */
static bool deliver_is_plain(const struct session *s, const struct run *r)
{
    const struct sub *sub = s->one;
    const struct client *c = s->client;
    unsigned flags = 0;

    if (sub == NULL || sub->qos > 0 || sub->id != 0 || sub->no_local || s->gap != NULL ||
        s->aliases != NULL || s->flight.waiting > 0 || deliver_room(s) == 0)
        return false;
    if (r->entries[0]->e.id <= sub->from || r->entries[0]->e.id <= s->skip_qos0_to)
        return false;
    if (c->max_packet < r->bytes + PACKET_SLACK)
        return false;
    for (size_t i = 0; i < r->count; i++)
        flags |= r->entries[i]->e.flags;
    return (flags & (EVENT_HAS_EXPIRY | (sub->retain_as_published ? EVENT_RETAIN : 0u))) == 0;
}

static unsigned deliver_form_of(const struct client *c)
{
    if (!client_is_5(c))
        return PACKET_311;
    return c->wants_ours ? PACKET_50 : PACKET_50_BARE;
}

static size_t deliver_plain(struct session *s, struct run *r)
{
    unsigned form = deliver_form_of(s->client);
    size_t n;

    client_flush(s->client);
    n = transport_run(&s->client->transport, r, form, packets_encoders[form],
                      packets_encoders[form + 1]);
    s->mqtt->report.messages_sent += n;
    s->mqtt->report.publish_sent += n;
    return n;
}

/* False: the socket is full; *done stands at the first entry that it did not take. */
static bool deliver_flush(struct deliver_writing *w, size_t next, size_t *done)
{
    size_t n = w->count, taken = writing_flush(w);

    *done = taken < n ? w->at[taken] : next;
    return taken == n;
}

static size_t deliver_pieces(struct session *s, struct run *r, struct sub *only,
                             enum deliver_kind kind)
{
    struct deliver_writing *w = writing_begin(s);
    uint64_t now = clock_ms();
    size_t i = 0, done = 0;
    enum deliver_step got;

    while (i < r->count) {
        w->at[w->count] = i;
        got = deliver_step(w, only, kind, r->entries[i], now);
        if (got == STEP_FULL && w->count == 0)
            break;
        if (got != STEP_FULL)
            i++;
        if ((got == STEP_FULL || w->count == CONN_PIECES_MAX) && !deliver_flush(w, i, &done))
            return done;
    }
    (void)deliver_flush(w, i, &done);
    return done;
}

size_t deliver_run(struct session *s, struct run *r, struct sub *only, enum deliver_kind kind)
{
    size_t n = 0;

    if (s->ended || r->count == 0)
        return r->count;
    if (s->resume == NULL && s->checked == NULL) {
        if (only == NULL && kind == DELIVER_PUBLISHED && deliver_is_plain(s, r))
            n = deliver_plain(s, r);
        else
            n = deliver_pieces(s, r, only, kind);
    }
    s->blocked = s->blocked || n < r->count;
    return n;
}

/* --- one at a time ---------------------------------------------------------------- */

static enum deliver_outcome deliver_assigned_now(struct deliver_writing *w, struct sub *sub,
                                                 struct entry *e)
{
    struct session *s = w->session;
    uint16_t id;

    if (!deliver_now(w, e))
        return DELIVER_IS_OVER;
    id = w->undo[0].packet_id;
    if (writing_flush(w) == 0)
        return DELIVER_FULL;
    if (id == 0)
        return DELIVER_IS_OVER;
    flight_get(&s->flight, id)->group = group_name_ref(sub->group);
    return DELIVER_FLIES;
}

static enum deliver_outcome deliver_assigned_one(struct deliver_writing *w, struct sub *sub,
                                                 struct entry *e)
{
    struct session *s = w->session;
    const struct delivery *d = &w->delivery;
    uint16_t id;

    if (!delivery_get(s, sub, DELIVER_PUBLISHED, &e->e, &w->delivery) ||
        event_expired(&e->e, clock_ms()))
        return DELIVER_IS_OVER;
    if (!deliver_may_pass(s, d->qos) || flight_is_full(&s->flight))
        return DELIVER_FULL;
    if (d->qos < 2 || !s->stored)
        return deliver_assigned_now(w, sub, e);
    id = deliver_wait_for_write(s, e, d->retain);
    flight_get(&s->flight, id)->group = group_name_ref(sub->group);
    return DELIVER_FLIES;
}

enum deliver_outcome deliver_assigned(struct session *s, struct sub *sub, struct entry *e)
{
    enum deliver_outcome got = deliver_assigned_one(writing_begin(s), sub, e);

    s->blocked = s->blocked || got == DELIVER_FULL;
    return got;
}

void deliver_message(struct session *s, const struct sub *sub, struct slice topic,
                     struct slice payload, bool retain)
{
    struct buf *packet = &s->mqtt->writing->message;

    buf_clear(packet);
    packets_message_put(packet, s->client->version, topic, payload, retain, &sub->id,
                        sub->id != 0 ? 1 : 0);
    if (!client_takes(s->client, packet->len)) {
        deliver_dropped(s);
        return;
    }
    s->mqtt->report.publish_sent++;
    client_write(s->client, buf_slice(packet));
}

/* --- what waits in flight --------------------------------------------------------- */

static bool waited_add(struct deliver_writing *w, uint16_t id, struct entry *e)
{
    struct session *s = w->session;
    const struct flight_entry *f = flight_get(&s->flight, id);

    FAILPOINT(mqtt_out_written);
    delivery_get_again(s, &e->e, f->qos, f->retain, &w->delivery);
    if (!writing_add(w, e, id, f->dup)) {
        deliver_dropped(s);
        flight_remove(&s->flight, id);
        return false;
    }
    w->waited[w->count - 1] = id;
    w->undo[w->count - 1].packet_id = 0; /* it stays in flight, sent or not */
    return true;
}

static bool waited_flush(struct deliver_writing *w)
{
    struct session *s = w->session;
    size_t n = w->count, taken = writing_flush(w);

    for (size_t i = 0; i < taken; i++) {
        flight_release(&s->flight, w->waited[i]);
        flight_phase_set(&s->flight, w->waited[i], FLIGHT_SENT);
        flight_count_sent(&s->flight, w->waited[i], true);
        FAILPOINT(mqtt_publish_left);
    }
    s->blocked = s->blocked || taken < n;
    return taken == n;
}

bool deliver_again(struct session *s, uint16_t id, struct entry *e)
{
    struct deliver_writing *w = writing_begin(s);

    return !waited_add(w, id, e) || waited_flush(w);
}

bool deliver_waiting(struct session *s)
{
    struct deliver_writing *w = writing_begin(s);
    uint16_t id, next;

    for (id = flight_next(&s->flight, 0); id != 0 && s->flight.waiting > 0; id = next) {
        const struct flight_entry *f = flight_get(&s->flight, id);

        next = flight_next(&s->flight, id);
        if (f->phase != FLIGHT_WAITING)
            continue;
        if (f->held == NULL || f->dirty || f->writing)
            break;
        (void)waited_add(w, id, f->held);
        if (w->count == CONN_PIECES_MAX && !waited_flush(w))
            return false;
    }
    return waited_flush(w);
}

/* --- gaps ------------------------------------------------------------------------- */

static void deliver_gap_remember(struct session *s, const struct gap *gap)
{
    if (s->gap == NULL) {
        s->gap = mem_alloc(sizeof *s->gap);
        *s->gap = *gap;
        return;
    }
    if (s->gap->resumed_from < gap->resumed_from)
        s->gap->resumed_from = gap->resumed_from;
    if (s->gap->removed_to < gap->removed_to)
        s->gap->removed_to = gap->removed_to;
    s->gap->reason = gap->reason;
}

/* Who hears no properties of ours. */
static void deliver_gap_message(struct session *s, const struct gap *gap)
{
    static const struct slice topic = {"$SYS/sluice/gap", 15};
    struct buf text = {0};
    const struct sub *sub;

    event_json_put_gap(&text, gap);
    DL_FOREACH (s->subs, sub)
        if (sub->kind == SUB_SYS && filter_match(sub_name(sub), topic))
            deliver_message(s, sub, topic, buf_slice(&text), false);
    buf_free(&text);
}

void deliver_gap(struct session *s, const struct gap *gap)
{
    if (mqttd_may_log(s->mqtt))
        log_info("a session has lost events", LOG_S("client", s->id),
                 LOG_S("reason", event_gap_reason_text(gap->reason)),
                 LOG_U("requested", gap->requested), LOG_U("removed_to", gap->removed_to));
    if (s->mqtt->settings.drop_session_on_gap) {
        s->client->expiry = 0;
        client_end(s->client, MQTT_ADMINISTRATIVE, "events of the session are gone");
    } else if (client_hears_ours(s->client)) {
        deliver_gap_remember(s, gap);
    } else {
        deliver_gap_message(s, gap);
    }
}
