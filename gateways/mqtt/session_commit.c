/*
 * session_commit.c - WRITE, DETACH and POSITION of sessions.
 *
 *   session_commit_soon ──▶ mqttd.committing ──turn's end──▶ WRITE ──ack──▶
 *                                     outbound_committed, session_subscribe_go_on
 *
 * A unit's request outlives its session when that ends first; its answer then only
 * frees it.  What it carried is in the DETACH again, so nothing hangs on its outcome.
 */
#include "session_commit.h"

#include <stdlib.h>

#include <utlist.h>

#include "failpoint.h"
#include "log.h"
#include "mem.h"
#include "outbound.h"
#include "session_items.h"
#include "session_subscribe.h"

struct commit {
    struct link_publish link;
    struct mqttd *mqtt;
    struct session *session; /* NULL: it has ended, or it is none's */
    bool checkpoint;         /* POSITION waits for it */
    bool follows;            /* what P says */
    uint64_t cursor;
};

/* --- units --------------------------------------------------------------------------- */

static struct commit *commit_new(struct mqttd *m, struct session *s, uint8_t op, link_publish_cb cb)
{
    struct commit *c = mem_zalloc(sizeof *c);

    c->mqtt = m;
    c->session = s;
    c->link.kind = LINK_SESSION;
    c->link.op = op;
    c->link.no_timeout = true;
    c->link.cb = cb;
    c->link.data = c;
    return c;
}

static void commit_free(struct commit *c)
{
    buf_free(&c->link.records);
    free(c);
}

static void commit_send(struct commit *c)
{
    link_publish(c->mqtt->gateway->link, &c->link);
}

/* --- POSITION --------------------------------------------------------------------------- */

static void commit_on_position(struct link_publish *p, const struct wire_ack *a)
{
    struct commit *c = p->data;

    FAILPOINT(mqtt_positioned);
    if (a->error == ERR_NONE)
        c->mqtt->checkpoint.said = c->cursor;
    c->mqtt->checkpoint.writes--;
    commit_free(c);
}

static void commit_position_send(struct mqttd *m)
{
    struct commit *c;

    if (m->checkpoint.failed || m->checkpoint.position == m->checkpoint.said)
        return;
    c = commit_new(m, NULL, WIRE_POSITION, commit_on_position);
    c->cursor = m->checkpoint.position;
    wire_position_put(&c->link.records, c->cursor);
    m->checkpoint.writes++;
    FAILPOINT(mqtt_position);
    commit_send(c);
}

static void commit_checkpoint_part_done(struct mqttd *m, bool ok)
{
    struct checkpoint *k = &m->checkpoint;

    k->failed = k->failed || !ok;
    if (--k->writes == 0)
        commit_position_send(m);
}

/* --- WRITE ------------------------------------------------------------------------------ */

/* The event is another member's: it leaves this session.  False: there is none. */
static bool commit_conflict(struct session *s, struct slice text)
{
    uint32_t before = s->flight.count;
    uint64_t event;
    uint16_t id, next;

    if (!slice_u64(text, &event))
        return false;
    for (id = flight_next(&s->flight, 0); id != 0; id = next) {
        const struct flight_entry *e = flight_get(&s->flight, id);

        next = flight_next(&s->flight, id);
        if (e->event == event && e->group != NULL)
            flight_remove(&s->flight, id);
    }
    return s->flight.count < before;
}

static void commit_refused(struct session *s, const struct wire_ack *a)
{
    session_items_written(s, false);
    if (a->error == ERR_FENCED) {
        s->fenced = true;
        client_end(s->client, MQTT_TAKEN_OVER, NULL);
        return;
    }
    if (a->error == ERR_CONFLICT && commit_conflict(s, a->text)) {
        session_commit_soon(s);
        return;
    }
    if (a->error == ERR_TOO_MANY && session_subscribe_refuse(s)) {
        session_commit_soon(s);
        return;
    }
    s->retry = true;
    if (mqttd_may_log(s->mqtt))
        log_warn("a session's state was not written, it is tried again", LOG_S("client", s->id),
                 LOG_S("error", error_code((enum sluice_error)a->error)));
}

/* What hung on it leaves. */
static void commit_written(struct session *s)
{
    if (s->ended)
        return;
    outbound_committed(s);
    session_subscribe_go_on(s);
}

static void commit_on_write(struct link_publish *p, const struct wire_ack *a)
{
    struct commit *c = p->data;
    struct session *s = c->session;
    bool ok = a->error == ERR_NONE;

    if (c->checkpoint)
        commit_checkpoint_part_done(c->mqtt, ok);
    if (s != NULL) {
        s->commit = NULL;
        if (ok) {
            s->follows = c->follows;
            s->cursor_written = c->cursor;
            session_items_written(s, true);
            commit_written(s);
        } else {
            commit_refused(s, a);
        }
        if (s->urgent && !s->retry)
            session_commit_soon(s);
    }
    commit_free(c);
}

static void commit_write_session(struct session *s, bool checkpoint)
{
    struct commit *c = commit_new(s->mqtt, s, WIRE_WRITE, commit_on_write);
    struct buf items = {0}, groups = {0};
    struct wire_write w = {.client = slice_of(s->id), .epoch = s->epoch};

    c->checkpoint = checkpoint;
    c->follows = checkpoint && session_at_head(s);
    c->cursor = session_cursor(s);
    if (s->stored)
        session_items_put_progress(&items, c->cursor, c->follows);
    session_items_put_changes(s, &items, &groups);
    w.items = buf_slice(&items);
    w.groups = buf_slice(&groups);
    wire_write_put(&c->link.records, &w);
    buf_free(&items);
    buf_free(&groups);
    s->commit = c;
    s->urgent = s->later = s->retry = false;
    FAILPOINT(mqtt_write);
    commit_send(c);
}

static void commit_leave_turn(struct session *s)
{
    if (!s->committing)
        return;
    s->committing = false;
    DL_DELETE2(s->mqtt->committing, s, commit_prev, commit_next);
}

void session_commit_turn(struct mqttd *m)
{
    struct session *s;

    while ((s = m->committing) != NULL) {
        commit_leave_turn(s);
        if (s->urgent && s->commit == NULL && !s->ended)
            commit_write_session(s, false);
    }
}

/* --- DETACH -------------------------------------------------------------------------------- */

static void commit_on_detached(struct link_publish *p, const struct wire_ack *a)
{
    struct commit *c = p->data;

    if (a->error != ERR_NONE && a->error != ERR_FENCED && mqttd_may_log(c->mqtt))
        log_warn("a session's end was not taken",
                 LOG_S("error", error_code((enum sluice_error)a->error)));
    commit_free(c);
}

void session_commit_detach(struct session *s, bool will, uint32_t expiry)
{
    struct wire_detach d = {
        .client = slice_of(s->id), .epoch = s->epoch, .will = will, .expiry = expiry};
    struct buf items = {0};
    struct commit *c;

    commit_leave_turn(s);
    if (s->commit != NULL) {
        s->commit->session = NULL;
        s->commit = NULL;
        session_items_written(s, false);
    }
    if (s->fenced)
        return;
    if (s->stored && expiry > 0) {
        session_items_put_progress(&items, session_cursor(s), false);
        session_items_put_changes(s, &items, NULL);
    }
    d.items = buf_slice(&items);
    c = commit_new(s->mqtt, NULL, WIRE_DETACH, commit_on_detached);
    wire_detach_put(&c->link.records, &d);
    buf_free(&items);
    commit_send(c);
}

/* --- once a second --------------------------------------------------------------------------- */

/* What the broker has of it is no longer true. */
static bool commit_is_due(struct session *s)
{
    bool follows = session_at_head(s);

    if (s->retry || (s->later && session_items_changed(s)))
        return true;
    s->later = false;
    if (s->subs == NULL)
        return false;
    return follows != s->follows || (!follows && session_cursor(s) != s->cursor_written);
}

/* A session that follows moves with the position, so its WRITE must have succeeded before
 * that passes what the WRITE puts in flight. */
static void commit_await_write(struct session *s)
{
    if (!s->follows || s->commit->checkpoint)
        return;
    s->commit->checkpoint = true;
    s->mqtt->checkpoint.writes++;
}

void session_commit_checkpoint(struct mqttd *m)
{
    struct checkpoint *k = &m->checkpoint;
    struct session *s;
    bool any = false;

    if (k->writes > 0)
        return; /* the broker is behind, or away */
    k->failed = false;
    k->position = hub_position(m->gateway->hub);
    for (s = m->sessions; s != NULL; s = s->hh.next) {
        flight_rest(&s->flight);
        any = any || s->stored;
        if (!s->stored || s->ended)
            continue;
        if (s->commit != NULL) {
            commit_await_write(s);
        } else if (commit_is_due(s)) {
            k->writes++;
            commit_write_session(s, true);
        }
    }
    if (any && k->writes == 0)
        commit_position_send(m);
}
