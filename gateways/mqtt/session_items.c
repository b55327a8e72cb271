/*
 * session_items.c - keys and values of a session's items, both ways.
 *
 * What is dropped is said before what is put: a filter or an identifier may have come
 * again meanwhile.  A session that lives here alone has but the items of its shared
 * filters, by which the broker knows the members of groups.
 *
 * How it fails: a value that cannot be read is another version's, and the session is not
 * taken up; a filter that its client may no longer subscribe to is dropped and logged.
 */
#include "session_items.h"

#include <utlist.h>

#include "inbound.h"
#include "log.h"
#include "metrics.h"
#include "replay.h"
#include "session_subscribe.h"

#define SUB_NO_LOCAL 1
#define SUB_RETAIN 2
#define SUB_WANTS_OURS 4
#define GROUP_FROM_NOW UINT64_MAX /* start of a group: where the log is when it is made */

static struct slice items_filter_key(struct buf *key, struct slice filter)
{
    buf_clear(key);
    buf_u8(key, WIRE_ITEM_FILTER);
    buf_put_slice(key, filter);
    return buf_slice(key);
}

/* --- written ------------------------------------------------------------------------------ */

void session_items_put_progress(struct buf *items, uint64_t cursor, bool follows)
{
    uint8_t bytes[WIRE_PROGRESS_HEAD];
    struct buf value = {bytes, 0, sizeof bytes};
    struct wire_item i = {.key = SLICE("P")};

    buf_u64(&value, cursor);
    buf_u8(&value, follows);
    i.value = buf_slice(&value);
    wire_item_put(items, &i);
}

static uint8_t items_options_of(const struct sub *sub)
{
    return (sub->no_local ? SUB_NO_LOCAL : 0) | (sub->retain_as_published ? SUB_RETAIN : 0) |
           (sub->wants_ours ? SUB_WANTS_OURS : 0);
}

static void items_put_sub(const struct sub *sub, struct buf *items)
{
    struct buf *key = &sub->session->mqtt->item_key, *value = &sub->session->mqtt->item_value;
    struct wire_item i = {.key = items_filter_key(key, sub_name(sub))};

    buf_clear(value);
    buf_u8(value, sub->qos);
    if (sub->kind == SUB_SHARED)
        buf_u64(value, sub->start.kind == START_AFTER ? sub->start.arg : GROUP_FROM_NOW);
    buf_u8(value, items_options_of(sub));
    buf_u32(value, sub->id);
    buf_u64(value, sub->from);
    buf_u8(value, (uint8_t)sub->start.kind);
    buf_u64(value, sub->start.arg);
    replay_state_put(sub, value);
    i.value = buf_slice(value);
    wire_item_put(items, &i);
}

static void items_put_sub_tombstones(struct session *s, struct buf *items)
{
    struct buf *key = &s->mqtt->item_key;
    struct reader r = tombstones_begin(s->sub_tombstones);
    struct wire_item i = {.drop = true};

    while (r.left > 0) {
        i.key = items_filter_key(key, reader_str16(&r));
        wire_item_put(items, &i);
    }
}

/* A replay moves on all the time. */
static bool items_sub_changed(const struct sub *sub)
{
    if (!sub->session->stored)
        return sub->dirty && sub->kind == SUB_SHARED;
    return sub->dirty || sub->replay != NULL;
}

void session_items_put_changes(struct session *s, struct buf *items, struct buf *groups)
{
    struct sub *sub;

    items_put_sub_tombstones(s, items);
    DL_FOREACH (s->subs, sub) {
        if (!items_sub_changed(sub))
            continue;
        items_put_sub(sub, items);
        sub->dirty = false;
        sub->writing = true;
        sub->acking = sub->unacked;
        sub->unacked = false;
    }
    if (!s->stored)
        return;
    flight_items_put(&s->flight, items, groups);
    inbound_items_put(s, items);
}

bool session_items_changed(const struct session *s)
{
    const struct sub *sub;

    DL_FOREACH (s->subs, sub)
        if (items_sub_changed(sub))
            return true;
    return tombstones_any(s->sub_tombstones) || flight_dirty(&s->flight) || inbound_changed(s);
}

void session_items_written(struct session *s, bool ok)
{
    struct sub *sub;

    DL_FOREACH (s->subs, sub) {
        sub->dirty = sub->dirty || (sub->writing && !ok);
        sub->writing = false;
        sub->unacked = sub->unacked || (sub->acking && !ok);
        sub->acking = false;
    }
    tombstones_written(&s->sub_tombstones, ok);
    flight_written(&s->flight, ok);
    inbound_written(s, ok);
}

/* --- read ------------------------------------------------------------------------- */

static bool items_progress_get(struct session *s, const struct wire_item *i)
{
    struct reader r = reader_of(i->value.p, i->value.len);

    s->cursor = reader_u64(&r);
    s->follows = reader_u8(&r) != 0;
    s->cursor_written = s->cursor;
    return reader_done(&r);
}

/* Grants may be fewer than when it was subscribed: then it is dropped.  Where its principal
 * has too many elsewhere nothing is, but the session cannot be taken up now. */
static bool items_sub_may_stay(struct sub *sub, struct slice filter)
{
    struct client *c = sub->session->client;

    if (caller_may(&c->caller, AUTH_SUBSCRIBE, filter)) {
        c->over_quota = !sub_count(sub) || c->over_quota;
        return true;
    }
    metric_add(M_MQTT_FILTERS_DROPPED, 1);
    if (mqttd_may_log(c->mqtt))
        log_info("a session's filter is no longer permitted: it is dropped",
                 LOG_SLICE("client", client_id(c)), LOG_SLICE("filter", sub_name(sub)));
    return false;
}

static bool items_sub_get(struct session *s, const struct wire_item *i)
{
    struct slice name = {i->key.p + 1, i->key.len - 1};
    struct reader r = reader_of(i->value.p, i->value.len), state;
    struct slice filter;
    struct sub *sub;
    uint8_t options;
    bool replays;

    if (!sub_name_parse(name, &filter))
        return false;
    sub = sub_add(s, name);
    sub->qos = reader_u8(&r);
    if (sub->kind == SUB_SHARED)
        (void)reader_u64(&r);
    options = reader_u8(&r);
    sub->no_local = (options & SUB_NO_LOCAL) != 0;
    sub->retain_as_published = (options & SUB_RETAIN) != 0;
    sub->wants_ours = (options & SUB_WANTS_OURS) != 0;
    if (sub->wants_ours)
        s->client->wants_ours = true;
    sub->id = reader_u32(&r);
    sub->from = reader_u64(&r);
    sub->start.kind = reader_u8(&r);
    sub->start.arg = reader_u64(&r);
    state = r;
    if (!replay_state_skip(&r, &replays) || !reader_done(&r) || sub->qos > 2 ||
        sub->start.kind > START_LAST)
        return false;
    if (!items_sub_may_stay(sub, filter))
        sub_remove(sub);
    else if (replays)
        replay_begin(sub, &state, session_subscribe_go_on);
    return true;
}

static bool items_get_one(struct session *s, const struct wire_item *i)
{
    switch (i->key.len > 0 ? i->key.p[0] : 0) {
    case WIRE_ITEM_PROGRESS:
        return items_progress_get(s, i);
    case WIRE_ITEM_FILTER:
        return items_sub_get(s, i);
    case WIRE_ITEM_OUT:
        return flight_item_get(&s->flight, i);
    case WIRE_ITEM_IN:
        return inbound_item_get(s, i);
    default:
        return false;
    }
}

bool session_items_get(struct session *s, struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item i;

    while (wire_item_get(&r, &i))
        if (!items_get_one(s, &i))
            return false;
    flight_items_done(&s->flight);
    replay_open(s);
    return !r.bad;
}
