/*
 * session_life.c - a session from attach to detach.
 *
 *   session_new ──CONNACK──▶ session_start ─▶ resume ─▶ session_on_resumed: main opens
 *                                                                  │
 *                              session_end ◀───────────────────────┘
 */
#include "session_life.h"

#include <stdlib.h>

#include <utlist.h>

#include "aliases.h"
#include "event_json.h"
#include "failpoint.h"
#include "inbound.h"
#include "log.h"
#include "main_cursor.h"
#include "mem.h"
#include "outbound.h"
#include "resume.h"
#include "retained.h"
#include "session_commit.h"
#include "session_items.h"
#include "session_subscribe.h"
#include "share.h"
#include "sys_topics.h"
#include "tombstones.h"

/* --- the beginning -------------------------------------------------------------------- */

static void session_free_parts(struct session *s)
{
    main_cursor_close(s);
    resume_end(s);
    session_subscribe_end(s);
    retained_end(s);
    session_subscribe_free(s);
    flight_free(&s->flight);
    inbound_free(s);
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
    if (!session_items_get(s, a->items)) {
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
    if (!client_hears_ours(s->client) || s->mqtt->settings.drop_session_on_gap)
        return false;
    main_cursor_open(s);
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
    mqtt_prop_put_user(props, SLICE("sluice-gap"), buf_slice(&text));
    buf_free(&text);
}

static void session_join_groups(struct session *s)
{
    struct sub *sub;

    DL_FOREACH (s->subs, sub) {
        if (sub->kind == SUB_SHARED)
            share_joined(sub);
        else if (sub->kind == SUB_SYS)
            sys_topics_joined(sub);
    }
}

static void session_on_resumed(struct session *s)
{
    FAILPOINT(mqtt_resumed);
    if (tombstones_any(s->sub_tombstones))
        session_commit_soon(s); /* filters were dropped: until then a group counts on it */
    session_join_groups(s);
    main_cursor_open(s);
    s->blocked = true; /* whoever tried meanwhile was told so */
    outbound_open(s);
}

void session_start(struct session *s)
{
    if (s->flight.count > 0)
        resume_begin(s, session_on_resumed);
    else
        session_on_resumed(s);
}

/* --- the end --------------------------------------------------------------------------------- */

void session_end(struct session *s, bool will, uint32_t expiry)
{
    struct mqttd *m = s->mqtt;

    FAILPOINT(mqtt_detach);
    s->ended = true;
    HASH_DELETE(hh, m->sessions, s);
    session_commit_detach(s, will, expiry);
    outbound_return_assigned(s);
    share_end(s);
    session_free_parts(s);
    reaper_take(&m->gateway->reaper, &s->reaped);
}

/* --- all of them ------------------------------------------------------------------ */

/* Members of groups that the broker knows by their items alone. */
static void session_say_again(struct session *s)
{
    struct sub *sub;

    if (s->stored)
        return;
    DL_FOREACH (s->subs, sub) {
        if (sub->kind != SUB_SHARED)
            continue;
        sub->dirty = true;
        session_commit_soon(s);
    }
}

void sessions_hold(struct mqttd *m)
{
    struct buf frame = {0};
    struct session *s;

    wire_tell_begin(&frame, WIRE_TELL_HOLD);
    for (s = m->sessions; s != NULL; s = s->hh.next) {
        struct wire_hold h = {slice_of(s->id), s->epoch, s->client->expiry,
                              client_owner(s->client)};

        wire_hold_put(&frame, &h);
        session_say_again(s);
    }
    link_tell(m->gateway->link, &frame);
}
