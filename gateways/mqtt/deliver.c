/*
 * deliver.c - what one event is for one client, and its way to the socket.
 *
 *   whose ──▶ QoS, RETAIN, identifiers ──▶ leave it out │ a piece │ wait for its write
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

#include "aliases.h"
#include "clock.h"
#include "commit.h"
#include "event_json.h"
#include "failpoint.h"
#include "filter_tree.h"
#include "log.h"
#include "mem.h"
#include "packets.h"
#include "replay.h"
#include "retained.h"
#include "share.h"
#include "subscribe.h"
#include "topic.h"

#define OWN_MAX (256u * 1024) /* of the heads' buffer, kept from run to run */
#define PACKET_SLACK 128u     /* what a packet may have beyond its record's size */

/* What one event is for the session. */
struct share {
    uint8_t qos;
    bool any, retain;
    uint32_t ids[WIRE_FILTERS_MAX];
    size_t id_count;
};

/* The pieces of one writing.  One at a time in the process, too large for the stack. */
struct writing {
    struct session *session;
    struct conn_piece pieces[CONN_PIECES_MAX];
    size_t heads[CONN_PIECES_MAX];
    struct undo {
        uint16_t packet_id; /* 0: none */
        uint16_t alias;     /* 0: none was told */
    } undo[CONN_PIECES_MAX];
    uint16_t waited[CONN_PIECES_MAX]; /* what was waiting in flight */
    size_t count;
    size_t gap_at; /* the piece that tells the gap; SIZE_MAX: none */
    struct buf own;
};
static struct writing writing;

/* --- whose ---------------------------------------------------------------------------- */

static bool is_own(const struct session *s, const struct event *e)
{
    struct event_props p;

    return event_props_get(e->props, &p) == EVENT_OK && p.origin.p != NULL &&
           slice_eq(p.origin, client_id(s->client));
}

static void share_add(struct share *share, const struct sub *sub, const struct event *e)
{
    if (sub->no_local && is_own(sub->session, e))
        return;
    share->any = true;
    if (share->qos < sub->qos)
        share->qos = sub->qos;
    share->retain = share->retain || sub->retain_as_published;
    if (sub->id != 0 && share->id_count < WIRE_FILTERS_MAX)
        share->ids[share->id_count++] = sub->id;
}

/* One of main's filters matches. */
struct match {
    struct share *share;
    const struct event *event;
};

static void share_match(void *value, void *arg)
{
    const struct sub *sub = value;
    const struct match *m = arg;

    if (sub_is_mains(sub) && m->event->id > sub->from)
        share_add(m->share, sub, m->event);
}

static void share_all(const struct session *s, struct share *share, const struct event *e)
{
    struct match m = {share, e};
    const struct sub *sub;

    if (s->tree != NULL) {
        filter_tree_match(s->tree, e->topic, share_match, &m);
        return;
    }
    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (sub_is_mains(sub) && e->id > sub->from && filter_match(sub_name(sub), e->topic))
            share_add(share, sub, e);
}

/* Filters that replay together. */
static void share_replay(struct share *share, const struct sub *one, const struct event *e)
{
    const struct sub *sub;

    for (sub = one->session->subs; sub != NULL; sub = sub->next)
        if (sub->replay == one->replay && filter_match(sub_name(sub), e->topic))
            share_add(share, sub, e);
}

static bool share_get(const struct session *s, const struct sub *only, enum deliver_kind kind,
                      const struct event *e, struct share *share)
{
    uint8_t published = (uint8_t)event_qos(e);

    share->qos = 0;
    share->any = share->retain = false;
    share->id_count = 0;
    if (kind == DELIVER_REPLAYED)
        share_replay(share, only, e);
    else if (only != NULL)
        share_add(share, only, e);
    else if (s->one == NULL)
        share_all(s, share, e);
    else if (e->id > s->one->from)
        share_add(share, s->one, e);
    if ((e->flags & EVENT_VOLATILE) != 0)
        published = 0; /* there is nothing to send again from */
    if (share->qos > published)
        share->qos = published;
    if (kind == DELIVER_RETAINED)
        share->retain = true;
    else
        share->retain = share->retain && (e->flags & EVENT_RETAIN) != 0;
    return share->any && (share->qos > 0 || only != NULL || e->id > s->skip_qos0_to);
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
static bool may_pass(const struct session *s, uint8_t qos)
{
    if (s->flight.waiting > 0 && (qos < 2 || !s->stored))
        return false;
    return deliver_room(s) > 0;
}

/* A group's credit depends on the room, whoever had used it up. */
void deliver_open(struct session *s)
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
    shared_resume(s);
}

/* --- pieces --------------------------------------------------------------------------------- */

static void writing_begin(struct session *s)
{
    writing.session = s;
    writing.count = 0;
    writing.gap_at = SIZE_MAX;
    if (writing.own.cap > OWN_MAX)
        buf_free(&writing.own);
    buf_clear(&writing.own);
}

static void take_back(struct session *s, const struct undo *u)
{
    if (u->packet_id != 0)
        flight_remove(&s->flight, u->packet_id);
    if (u->alias != 0)
        aliases_untell(s->aliases, u->alias);
}

/* Sends what has gathered; how many pieces were taken. */
static size_t writing_flush(void)
{
    struct session *s = writing.session;
    size_t n = writing.count, taken;

    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        writing.pieces[i].head.p = (char *)writing.own.p + writing.heads[i];
    client_flush(s->client);
    taken = transport_pieces(&s->client->transport, writing.pieces, n);
    for (size_t i = n; i > taken; i--)
        take_back(s, &writing.undo[i - 1]);
    if (writing.gap_at < taken) {
        free(s->gap);
        s->gap = NULL;
    }
    s->mqtt->report.messages_sent += taken;
    s->mqtt->report.publish_sent += taken;
    writing_begin(s);
    return taken;
}

static struct slice gap_text(const struct session *s)
{
    static struct buf text;

    buf_clear(&text);
    if (s->gap == NULL || writing.gap_at < SIZE_MAX)
        return (struct slice){NULL, 0};
    event_json_put_gap(&text, s->gap);
    return (struct slice){(char *)text.p, text.len};
}

/* None at QoS 2: clients are about (MQTT.js) that hand a message on at PUBREL, and have
 * forgotten by then which topic the alias stood for. */
static void own_alias(const struct session *s, struct slice topic, struct packet_own *o,
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

/* A packet more.  False: it is too large for the client; nothing was done. */
static bool writing_add(struct entry *e, const struct share *share, uint16_t packet_id, bool dup)
{
    struct session *s = writing.session;
    size_t i = writing.count;
    struct packet_own o = {.version = s->client->version,
                           .qos = share->qos,
                           .dup = dup,
                           .retain = share->retain,
                           .packet_id = packet_id,
                           .sub_ids = share->ids,
                           .sub_id_count = share->id_count,
                           .gap = gap_text(s),
                           .now_ms = clock_ms(),
                           .max_size = s->client->max_packet};
    uint16_t alias;

    assert(i < CONN_PIECES_MAX);
    own_alias(s, e->e.topic, &o, &alias);
    if (!packet_make(&writing.own, TRANSPORT_ROOM, &writing.pieces[i], &writing.heads[i], e, &o)) {
        if (alias != 0)
            aliases_untell(s->aliases, alias);
        return false;
    }
    writing.undo[i] = (struct undo){packet_id, alias};
    if (o.gap_told)
        writing.gap_at = i;
    writing.count++;
    return true;
}

static void dropped(struct session *s)
{
    s->mqtt->report.publish_dropped++;
}

/* --- one event ----------------------------------------------------------------------------- */

/* QoS 2 of a stored session: it leaves when its item is written. */
static void wait_for_write(struct session *s, struct entry *e, const struct share *share)
{
    uint16_t id = flight_add(&s->flight, e->e.id, share->qos, e);

    assert(id != 0); /* the quota is below the number of identifiers */
    flight_get(&s->flight, id)->retain = share->retain;
    commit_soon(s);
    FAILPOINT(mqtt_out_gathered);
}

static bool leave_now(struct session *s, struct entry *e, const struct share *share)
{
    uint16_t id = 0;

    if (share->qos > 0) {
        id = flight_add(&s->flight, e->e.id, share->qos, NULL);
        flight_get(&s->flight, id)->retain = share->retain;
        commit_later(s);
    }
    if (writing_add(e, share, id, false))
        return true;
    if (id != 0)
        flight_remove(&s->flight, id);
    return false;
}

enum step { STEP_TAKEN, STEP_SKIPPED, STEP_WAITS, STEP_FULL };

static enum step step(struct session *s, struct sub *only, enum deliver_kind kind, struct entry *e,
                      uint64_t now)
{
    static struct share share;

    if (!share_get(s, only, kind, &e->e, &share) || event_expired(&e->e, now))
        return STEP_SKIPPED;
    if (!may_pass(s, share.qos) || flight_is_full(&s->flight))
        return STEP_FULL;
    if (share.qos == 2 && s->stored) {
        if (writing.count > 0)
            return STEP_FULL; /* what is before it goes first */
        wait_for_write(s, e, &share);
        return STEP_WAITS;
    }
    if (leave_now(s, e, &share))
        return STEP_TAKEN;
    dropped(s);
    return STEP_SKIPPED;
}

/* --- runs ------------------------------------------------------------------------- */

/* Nothing in it is for this client alone, so that it goes out in the shared form. */
static bool is_plain(const struct session *s, const struct run *r)
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

static size_t run_plain(struct session *s, struct run *r)
{
    unsigned form = s->client->version == MQTT_50 ? PACKET_50 : PACKET_311;
    size_t n;

    client_flush(s->client);
    n = transport_run(&s->client->transport, r, form, packet_encoders[form],
                      packet_encoders[form + 1]);
    s->mqtt->report.messages_sent += n;
    s->mqtt->report.publish_sent += n;
    return n;
}

/* The entries of a run, and which of them are pieces not yet out. */
struct progress {
    size_t done;                    /* of the run, sent or not wanted */
    size_t at[CONN_PIECES_MAX + 1]; /* entry of each piece */
};

/* False: the socket is full; done stands at the first piece that it did not take. */
static bool progress_flush(struct progress *p, size_t next)
{
    size_t n = writing.count, taken = writing_flush();

    p->done = taken < n ? p->at[taken] : next;
    return taken == n;
}

static size_t run_pieces(struct session *s, struct run *r, struct sub *only, enum deliver_kind kind)
{
    static struct progress p;
    uint64_t now = clock_ms();
    size_t i = 0;
    enum step got;

    writing_begin(s);
    p.done = 0;
    while (i < r->count) {
        p.at[writing.count] = i;
        got = step(s, only, kind, r->entries[i], now);
        if (got == STEP_FULL && writing.count == 0)
            break;
        if (got != STEP_FULL)
            i++;
        if ((got == STEP_FULL || writing.count == CONN_PIECES_MAX) && !progress_flush(&p, i))
            return p.done;
    }
    (void)progress_flush(&p, i);
    return p.done;
}

size_t deliver_run(struct session *s, struct run *r, struct sub *only, enum deliver_kind kind)
{
    size_t n = 0;

    if (s->ended || r->count == 0)
        return r->count;
    if (s->resume == NULL && s->checked == NULL) {
        if (only == NULL && kind == DELIVER_PUBLISHED && is_plain(s, r))
            n = run_plain(s, r);
        else
            n = run_pieces(s, r, only, kind);
    }
    s->blocked = s->blocked || n < r->count;
    return n;
}

/* --- one at a time ---------------------------------------------------------------- */

static bool assigned_waits(struct session *s, struct sub *sub, struct entry *e,
                           const struct share *share)
{
    uint16_t id = flight_add(&s->flight, e->e.id, 2, e);

    flight_get(&s->flight, id)->retain = share->retain;
    flight_get(&s->flight, id)->group = group_name_ref(sub->group);
    commit_soon(s);
    return true;
}

static bool assigned_leaves(struct session *s, struct sub *sub, struct entry *e,
                            const struct share *share)
{
    uint64_t event = e->e.id;
    uint16_t id;

    writing_begin(s);
    if (!leave_now(s, e, share)) {
        dropped(s);
        shared_done(s, sub->group, event, false);
        return true;
    }
    id = writing.undo[0].packet_id;
    if (writing_flush() == 0)
        return false;
    if (id == 0)
        shared_done(s, sub->group, event, false);
    else
        flight_get(&s->flight, id)->group = group_name_ref(sub->group);
    return true;
}

bool deliver_assigned(struct session *s, struct sub *sub, struct entry *e)
{
    static struct share share;
    bool taken;

    if (!share_get(s, sub, DELIVER_PUBLISHED, &e->e, &share) || event_expired(&e->e, clock_ms())) {
        shared_done(s, sub->group, e->e.id, false);
        return true;
    }
    if (!may_pass(s, share.qos) || flight_is_full(&s->flight))
        taken = false;
    else if (share.qos == 2 && s->stored)
        taken = assigned_waits(s, sub, e, &share);
    else
        taken = assigned_leaves(s, sub, e, &share);
    s->blocked = s->blocked || !taken;
    return taken;
}

void deliver_message(struct session *s, const struct sub *sub, struct slice topic,
                     struct slice payload, bool retain)
{
    static struct buf packet;

    buf_clear(&packet);
    packet_message_put(&packet, s->client->version, topic, payload, retain, &sub->id,
                       sub->id != 0 ? 1 : 0);
    if (!client_takes(s->client, packet.len)) {
        dropped(s);
        return;
    }
    s->mqtt->report.publish_sent++;
    client_write(s->client, (struct slice){(char *)packet.p, packet.len});
}

/* --- what waits in flight --------------------------------------------------------- */

/* Whose it is, by the filters as they are now: plain ones, replayed or not, else those of
 * groups. */
static void share_waited(const struct session *s, const struct event *e, struct share *share)
{
    const struct sub *sub;

    share->any = false;
    share->id_count = 0;
    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (sub->kind == SUB_PLAIN && (e->id > sub->from || sub->start.kind != START_NOW) &&
            filter_match(sub_name(sub), e->topic))
            share_add(share, sub, e);
    for (sub = s->subs; sub != NULL && !share->any; sub = sub->next)
        if (sub->kind == SUB_SHARED && filter_match(sub_topic_filter(sub), e->topic))
            share_add(share, sub, e);
}

static bool waited_add(struct session *s, uint16_t id, struct entry *e)
{
    static struct share share;
    const struct flight_entry *f = flight_get(&s->flight, id);

    FAILPOINT(mqtt_out_written);
    share_waited(s, &e->e, &share);
    share.qos = f->qos;
    share.retain = f->retain;
    if (!writing_add(e, &share, id, f->dup)) {
        dropped(s);
        flight_remove(&s->flight, id);
        return false;
    }
    writing.waited[writing.count - 1] = id;
    writing.undo[writing.count - 1].packet_id = 0; /* it stays in flight, sent or not */
    return true;
}

static bool waited_flush(struct session *s)
{
    size_t n = writing.count, taken = writing_flush();

    for (size_t i = 0; i < taken; i++) {
        flight_release(&s->flight, writing.waited[i]);
        flight_phase_set(&s->flight, writing.waited[i], FLIGHT_SENT);
        flight_count_sent(&s->flight, writing.waited[i], true);
        FAILPOINT(mqtt_publish_left);
    }
    s->blocked = s->blocked || taken < n;
    return taken == n;
}

bool deliver_again(struct session *s, uint16_t id, struct entry *e)
{
    writing_begin(s);
    return !waited_add(s, id, e) || waited_flush(s);
}

bool deliver_waiting(struct session *s)
{
    uint16_t id, next;

    writing_begin(s);
    for (id = flight_next(&s->flight, 0); id != 0 && s->flight.waiting > 0; id = next) {
        const struct flight_entry *f = flight_get(&s->flight, id);

        next = flight_next(&s->flight, id);
        if (f->phase != FLIGHT_WAITING)
            continue;
        if (f->held == NULL || f->dirty || f->writing)
            break;
        (void)waited_add(s, id, f->held);
        if (writing.count == CONN_PIECES_MAX && !waited_flush(s))
            return false;
    }
    return waited_flush(s);
}

/* --- gaps ------------------------------------------------------------------------- */

static void gap_remember(struct session *s, const struct gap *gap)
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

/* 3.1.1 has no properties. */
static void gap_message(struct session *s, const struct gap *gap)
{
    static const struct slice topic = {"$SYS/sluice/gap", 15};
    struct buf text = {0};
    const struct sub *sub;

    event_json_put_gap(&text, gap);
    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (sub->kind == SUB_SYS && filter_match(sub_name(sub), topic))
            deliver_message(s, sub, topic, (struct slice){(char *)text.p, text.len}, false);
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
    } else if (s->client->version == MQTT_50) {
        gap_remember(s, gap);
    } else {
        gap_message(s, gap);
    }
}
