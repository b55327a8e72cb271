/*
 * session_subscribe.c - SUBSCRIBE and UNSUBSCRIBE, one at a time for each session.
 *
 *   PROBING   new filters: a subscription of their own finds where they are live from;
 *             main runs on until then, and is closed at that very moment
 *   WRITING   the items are written, and replays learn where they start
 *   RETAINED  SUBACK is said; retained messages go out
 *   done      main opens again, over all filters, where it stood
 *
 * So main hands over nothing of a new filter before its SUBACK and its retained messages,
 * and everything of it above `from`.
 *
 * How it fails: what is wrong with one filter is its code in the SUBACK.  Filters that the
 * broker refuses get 0x97 or 0x80 there, also those that it has no room to store.  Another
 * write that the broker refuses is tried again (session_commit.h), and the SUBACK waits for
 * it.
 */
#include "session_subscribe.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "log.h"
#include "main_cursor.h"
#include "mem.h"
#include "packets.h"
#include "replay.h"
#include "retained.h"
#include "share.h"
#include "sub_index.h"
#include "sys_topics.h"
#include "topic.h"

/* One filter of the packet. */
struct asked {
    struct sub *sub; /* NULL: refused, or unsubscribed */
    bool fresh;      /* the session did not have it before */
    bool probe;      /* new, from now on */
    bool retained;
};

struct subscribing {
    struct reaped reaped; /* first: its probe may be in a callback of its own when it ends */
    struct session *session;
    enum { PROBING, WRITING, RETAINED } stage;
    bool unsubscribe;
    bool main_changed; /* its filters are others now */
    uint16_t packet_id;
    const char *why; /* a reason string for the answer; NULL: nothing was refused */
    bool probing;
    struct subscription probe;
    struct sub_index *index; /* while the packet is looked at */
    uint8_t *codes;
    size_t count;
    struct asked asked[];
};

static const char subscribe_no_room[] = "the server has no room for a filter more";

/* --- a filter's end --------------------------------------------------------------------- */

/* Nobody hands it events any more. */
static void subscribe_close(struct sub *sub)
{
    replay_end(sub);
    if (sub->kind == SUB_SHARED && !sub->session->ended)
        share_left(sub);
    if (sub->kind == SUB_SYS)
        sys_topics_left(sub);
}

static void subscribe_remove(struct sub *sub)
{
    subscribe_close(sub);
    sub_remove(sub);
}

void session_subscribe_free(struct session *s)
{
    struct sub *sub, *next;

    DL_FOREACH_SAFE (s->subs, sub, next) {
        subscribe_close(sub);
        sub_free(sub);
    }
    tombstones_free(&s->sub_tombstones);
}

bool session_subscribe_awaits_client(const struct session *s)
{
    return s->subscribing != NULL && s->subscribing->stage == RETAINED && retained_waits(s);
}

/* --- the last steps --------------------------------------------------------------------- */

void session_subscribe_end(struct session *s)
{
    struct subscribing *g = s->subscribing;

    if (g == NULL)
        return;
    s->subscribing = NULL;
    s->main_held = false;
    if (g->probing)
        subscription_close(&g->probe);
    free(g->codes);
    reaper_take(&s->mqtt->gateway->reaper, &g->reaped);
}

static void subscribe_finish(struct session *s)
{
    if (s->subscribing->main_changed)
        main_cursor_close(s);
    session_subscribe_end(s);
    main_cursor_open(s);
    client_pump(s->client);
}

static void subscribe_retained_or_finish(struct session *s, struct subscribing *g)
{
    struct sub **subs = mem_array(g->count, sizeof(struct sub *));
    size_t n = 0;

    g->stage = RETAINED;
    for (size_t i = 0; i < g->count; i++) {
        struct sub *sub = g->asked[i].sub;

        if (sub == NULL)
            continue;
        if (sub->kind == SUB_SHARED)
            share_joined(sub);
        if (sub->kind == SUB_SYS)
            sys_topics_joined(sub);
        if (g->asked[i].retained && sub->kind == SUB_SYS)
            sys_topics_retained(sub);
        else if (g->asked[i].retained)
            subs[n++] = sub;
    }
    if (n > 0) {
        s->main_held = true; /* they come before what is live, of old filters too */
        main_cursor_close(s);
        retained_begin(s, subs, n, subscribe_finish);
    } else {
        subscribe_finish(s);
    }
    free(subs);
}

/* Above it all of them match; 0: there is no such ID. */
static uint64_t subscribe_latest_from(const struct subscribing *g)
{
    uint64_t from = 0;

    for (size_t i = 0; i < g->count; i++) {
        const struct sub *sub = g->asked[i].sub;

        if (sub != NULL && sub_is_mains(sub) && from < sub->from)
            from = sub->from;
    }
    return from;
}

static void subscribe_say_suback(struct session *s, const struct subscribing *g)
{
    struct mqttd *m = s->mqtt;
    enum mqtt_type type = g->unsubscribe ? MQTT_UNSUBACK : MQTT_SUBACK;
    struct slice props = {NULL, 0};
    uint64_t from = subscribe_latest_from(g);

    buf_clear(&m->props);
    buf_clear(&m->packet);
    if (client_hears_ours(s->client) && s->client->problem_info && from > 0)
        packets_put_id(&m->props, from);
    if (client_is_5(s->client) && s->client->problem_info && g->why != NULL)
        mqtt_prop_put_text(&m->props, MQTT_PROP_REASON_STRING, slice_of(g->why));
    if (client_takes(s->client, MQTT_HEAD_MAX + 4 + m->props.len + g->count))
        props = buf_slice(&m->props);
    mqtt_suback_put(&m->packet, s->client->version, type, g->packet_id, g->codes, g->count, props);
    client_write(s->client, buf_slice(&m->packet));
}

/* --- writing -------------------------------------------------------------------------------- */

/* Sessions that live here alone write no more than their membership of groups. */
static bool subscribe_is_written(const struct session *s, const struct sub *sub)
{
    return (!sub->unacked && !sub->acking) || (!s->stored && sub->kind != SUB_SHARED);
}

static bool subscribe_all_written(const struct session *s, const struct subscribing *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->asked[i].sub != NULL && !subscribe_is_written(s, g->asked[i].sub))
            return false;
    return tombstones_none(s->sub_tombstones);
}

static bool subscribe_all_begun(const struct subscribing *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->asked[i].sub != NULL && !replay_has_begun(g->asked[i].sub))
            return false;
    return true;
}

void session_subscribe_go_on(struct session *s)
{
    struct subscribing *g = s->subscribing;

    if (g == NULL || g->stage != WRITING || !subscribe_all_written(s, g) || !subscribe_all_begun(g))
        return;
    subscribe_say_suback(s, g);
    subscribe_retained_or_finish(s, g);
}

static void subscribe_write_items(struct session *s, struct subscribing *g)
{
    g->stage = WRITING;
    if (!subscribe_all_written(s, g))
        session_commit_soon(s);
    session_subscribe_go_on(s);
}

/* --- probing ---------------------------------------------------------------------- */

static bool subscribe_has_old_mains(const struct session *s, const struct subscribing *g)
{
    const struct sub *sub;
    size_t mains = 0, fresh = 0;

    DL_FOREACH (s->subs, sub)
        mains += sub_is_mains(sub);
    for (size_t i = 0; i < g->count; i++)
        fresh += g->asked[i].probe;
    return mains > fresh;
}

/* The old filters have had what is up to main's cursor. */
static void subscribe_set_back(struct session *s, uint64_t to)
{
    struct sub *sub;

    DL_FOREACH (s->subs, sub) {
        if (!sub_is_mains(sub) || sub->from >= s->cursor)
            continue;
        sub->from = s->cursor;
        sub->dirty = true;
    }
    s->cursor = to;
    session_commit_later(s);
}

/* Where the new filters begin.  Main may have passed that, in this very turn, or at the
 * gateway where its session was before: then it goes back there, so that who publishes
 * behind its SUBSCRIBE finds that.  Not while others replay, who go by main's cursor. */
static uint64_t subscribe_settle_main(struct session *s, struct subscribing *g, uint64_t from)
{
    s->main_held = true;
    main_cursor_close(s);
    if (!subscribe_has_old_mains(s, g))
        s->cursor = from;
    else if (s->cursor > from && s->replays == NULL)
        subscribe_set_back(s, from);
    return from > s->cursor ? from : s->cursor;
}

static void subscribe_on_started(struct subscription *probe, uint64_t cursor, const struct gap *gap)
{
    struct subscribing *g = probe->data;
    struct session *s = g->session;
    uint64_t from;

    (void)gap; /* one that starts now has missed nothing */
    from = subscribe_settle_main(s, g, cursor);
    for (size_t i = 0; i < g->count; i++) {
        struct sub *sub = g->asked[i].sub;

        if (!g->asked[i].probe)
            continue;
        sub->from = from;
        sub->dirty = sub->unacked = true; /* not before: nobody could match it */
    }
    subscribe_write_items(s, g);
}

/* It is there to keep the filters live; main will read them. */
static size_t subscribe_on_events(struct subscription *probe, struct run *r)
{
    (void)probe;
    return r->count;
}

static void subscribe_on_gap(struct subscription *probe, const struct gap *gap)
{
    (void)probe;
    (void)gap;
}

static void subscribe_on_failed(struct subscription *probe, enum sluice_error error,
                                struct slice text)
{
    struct subscribing *g = probe->data;
    struct session *s = g->session;

    log_warn("the broker refuses a filter", LOG_S("client", s->id), LOG_SLICE("text", text));
    subscription_close(probe);
    g->probing = false;
    if (g->stage != PROBING)
        return; /* main will find out */
    for (size_t i = 0; i < g->count; i++) {
        if (!g->asked[i].probe)
            continue;
        subscribe_remove(g->asked[i].sub);
        g->asked[i] = (struct asked){.sub = NULL};
        g->codes[i] = error == ERR_TOO_MANY ? MQTT_QUOTA : MQTT_UNSPECIFIED;
    }
    g->why = subscribe_no_room;
    subscribe_write_items(s, g);
}

bool session_subscribe_refuse(struct session *s)
{
    struct subscribing *g = s->subscribing;
    bool any = false;

    for (size_t i = 0; g != NULL && g->stage == WRITING && i < g->count; i++) {
        if (!g->asked[i].fresh)
            continue;
        subscribe_remove(g->asked[i].sub);
        g->asked[i] = (struct asked){.sub = NULL};
        g->codes[i] = MQTT_QUOTA;
        g->why = subscribe_no_room;
        any = true;
    }
    return any;
}

static const struct subscription_ops subscribe_probe_ops = {.started = subscribe_on_started,
                                                            .events = subscribe_on_events,
                                                            .gap = subscribe_on_gap,
                                                            .failed = subscribe_on_failed};

static void subscribe_begin(struct session *s, struct subscribing *g)
{
    struct slice filters[WIRE_FILTERS_MAX];
    struct start now = {START_NOW, 0};
    size_t n = 0;

    for (size_t i = 0; i < g->count; i++)
        if (g->asked[i].probe)
            filters[n++] = sub_name(g->asked[i].sub);
    if (n == 0) {
        subscribe_write_items(s, g);
        return;
    }
    g->probing = g->main_changed = true;
    subscription_open(&g->probe, s->mqtt->gateway->hub, filters, n, now, &subscribe_probe_ops, g);
}

/* --- SUBSCRIBE -------------------------------------------------------------------- */

static struct subscribing *subscribing_new(struct session *s, uint16_t packet_id, size_t count)
{
    struct subscribing *g = mem_zalloc(sizeof *g + count * sizeof g->asked[0]);

    g->session = s;
    g->packet_id = packet_id;
    g->count = count;
    g->codes = mem_zalloc(count);
    g->index = sub_index_new(s, count);
    s->subscribing = g;
    return g;
}

/* Its filters are known: the cursors that they need are opened, each once. */
static void subscribing_looked_at(struct subscribing *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->asked[i].sub != NULL)
            g->asked[i].sub->asked = 0;
    sub_index_free(g->index);
    g->index = NULL;
    replay_open(g->session);
}

static uint32_t subscribe_max_subscriptions(const struct mqttd *m)
{
    uint32_t n = m->settings.max_subscriptions;

    return n < WIRE_FILTERS_MAX ? n : WIRE_FILTERS_MAX;
}

/* What a rule says of everything that the filter matches: the last rule that covers it
 * counts, unless a later one may say otherwise of a part. */
static bool subscribe_is_volatile(const struct mqttd *m, struct slice filter)
{
    size_t count;
    const struct retention_rule *rules = config_retention(m->gateway->config, &count);
    bool is = false;

    for (size_t i = 0; i < count; i++) {
        if (!rules[i].has_history)
            continue;
        if (!rules[i].volatile_)
            is = false;
        else if (filter_covers(slice_of(rules[i].filter), filter))
            is = true;
    }
    return is;
}

static uint8_t subscribe_grant(const struct mqttd *m, const struct sub *sub, uint8_t asked)
{
    if (sub->kind == SUB_SYS || subscribe_is_volatile(m, sub_topic_filter(sub)))
        return 0;
    return asked < m->settings.max_qos ? asked : m->settings.max_qos;
}

/* A start that this kind of filter cannot have. */
static bool subscribe_is_misplaced(struct slice key, struct start start)
{
    switch (sub_kind_of(key)) {
    case SUB_SYS:
        return start.kind != START_NOW;
    case SUB_SHARED:
        return start.kind != START_NOW && start.kind != START_AFTER;
    default:
        return false;
    }
}

/* MQTT_OK, or the code of a filter that is refused. */
static enum mqtt_reason subscribe_check(const struct session *s, struct slice key,
                                        struct start start)
{
    struct slice filter;

    if (!sub_name_parse(key, &filter) || subscribe_is_misplaced(key, start))
        return MQTT_BAD_FILTER;
    if (caller_may(&s->client->caller, AUTH_SUBSCRIBE, filter))
        return MQTT_OK;
    client_audit(s->client, auth_verb_names[AUTH_SUBSCRIBE], filter, "not permitted");
    return MQTT_NOT_AUTHORIZED;
}

/* A start that was not asked for before begins anew; the same again does not rewind. */
static void subscribe_take_start(struct subscribing *g, struct sub *sub, struct start start,
                                 bool is_new)
{
    struct session *s = sub->session;

    if (start.kind == START_NOW || (!is_new && replay_same_start(sub->start, start)))
        return;
    if (sub->kind == SUB_SHARED) {
        if (is_new)
            sub->start = start;
        return;
    }
    replay_end(sub);
    sub->start = start;
    replay_begin(sub, NULL, session_subscribe_go_on);
    if (s->one == sub)
        s->one = NULL;
    g->main_changed = true;
}

static bool subscribe_wants_retained(const struct session *s, const struct sub *sub,
                                     const struct mqtt_topic_option *o, struct start start,
                                     bool is_new)
{
    if (sub->kind == SUB_SHARED || start.kind != START_NOW)
        return false;
    if (sub->kind == SUB_PLAIN && !s->mqtt->settings.retain_available)
        return false;
    return o->retain_handling == 0 || (o->retain_handling == 1 && is_new);
}

/* The same filter earlier in this packet: the later one decides. */
static bool subscribe_take_over(struct subscribing *g, size_t i)
{
    struct sub *sub = g->asked[i].sub;
    size_t k = sub->asked;

    sub->asked = (uint16_t)(i + 1);
    if (k == 0)
        return false;
    g->asked[i].probe = g->asked[k - 1].probe && sub_is_mains(sub);
    g->asked[i].fresh = g->asked[k - 1].fresh;
    g->asked[k - 1] = (struct asked){.sub = NULL};
    return true;
}

/* What one session may have at a time; else it is said why. */
static bool subscribe_has_room(struct subscribing *g, struct slice key, struct start start,
                               bool is_new)
{
    const struct session *s = g->session;
    enum sub_kind kind = sub_kind_of(key);
    const char *why = NULL;

    if (is_new && s->sub_count >= subscribe_max_subscriptions(s->mqtt))
        why = "the session has as many subscriptions as it may have";
    else if (is_new && kind == SUB_SHARED && s->shared_count >= s->mqtt->settings.max_shared)
        why = "the session is in as many groups as it may be in";
    else if (start.kind != START_NOW && kind == SUB_PLAIN &&
             replay_count(s) >= REPLAY_CURSORS_MAX && replay_is_another(s, start))
        why = "the session replays from as many places as it may";
    if (why != NULL)
        g->why = why;
    return why == NULL;
}

/* NULL: the principal has as many as it may. */
static struct sub *subscribe_add(struct subscribing *g, struct slice key)
{
    struct sub *sub = sub_add(g->session, key);

    if (!sub_count(sub)) {
        sub_free(sub);
        g->why = "all connections of this principal have as many subscriptions as they may have";
        return NULL;
    }
    sub->from = UINT64_MAX; /* until it is known */
    sub_index_put(g->index, sub);
    return sub;
}

static uint8_t subscribe_take_filter(struct subscribing *g, size_t i,
                                     const struct mqtt_topic_option *o, struct slice key,
                                     struct start start, uint32_t id)
{
    struct session *s = g->session;
    enum mqtt_reason code = subscribe_check(s, key, start);
    struct sub *sub = sub_index_find(g->index, key);
    bool is_new = sub == NULL, bridge = s->client->bridge;

    if (code == MQTT_OK && (!subscribe_has_room(g, key, start, is_new) ||
                            (is_new && !quota_allows(s->mqtt->gateway->hub, &s->held, &key, 1))))
        code = MQTT_QUOTA;
    if (code != MQTT_OK)
        return (uint8_t)code;
    if (is_new) {
        sub = subscribe_add(g, key);
        if (sub == NULL)
            return MQTT_QUOTA;
    }
    sub->qos = subscribe_grant(s->mqtt, sub, o->qos);
    sub->no_local = o->no_local || (bridge && sub->kind != SUB_SHARED);
    sub->retain_as_published = o->retain_as_published || bridge;
    sub->wants_ours = s->client->wants_ours;
    sub->id = id;
    subscribe_take_start(g, sub, start, is_new);
    g->asked[i].sub = sub;
    g->asked[i].fresh = is_new;
    g->asked[i].probe = is_new && sub_is_mains(sub);
    is_new = subscribe_take_over(g, i) ? g->asked[i].probe : is_new;
    if (!g->asked[i].probe)
        sub->dirty = sub->unacked = true;
    g->asked[i].retained = subscribe_wants_retained(s, sub, o, start, is_new);
    return sub->qos;
}

/* No-local on a shared subscription is the one thing that ends the client (3.8.3-4). */
static enum mqtt_reason subscribe_check_all(const struct mqtt_subscribe *m)
{
    struct slice topics = m->topics;
    struct mqtt_topic_option o;

    while (mqtt_subscribe_next(&topics, &o))
        if (o.no_local && sub_kind_of(o.filter) == SUB_SHARED)
            return MQTT_PROTOCOL_ERROR;
    return MQTT_OK;
}

/* Who says a word of ours understands them. */
static bool subscribe_knows_ours(const struct mqtt_subscribe *m)
{
    struct slice rest = m->props.bytes;
    struct mqtt_prop p;

    while (mqtt_prop_next(&rest, &p))
        if (p.id == MQTT_PROP_USER_PROPERTY && event_user_is_ours(p.text))
            return true;
    return false;
}

static void subscribe_refused(struct subscribing *g, uint8_t code)
{
    if (code < MQTT_UNSPECIFIED || g->why != NULL)
        return;
    g->why = code == MQTT_BAD_FILTER ? "a filter, or where it is to start, makes no sense"
                                     : mqtt_reason_text(code);
}

static uint8_t subscribe_ask(struct subscribing *g, size_t i, const struct mqtt_topic_option *o,
                             const struct mqtt_subscribe *m, struct buf *scratch)
{
    struct replay_limits limits = {.max_last =
                                       config_num(g->session->mqtt->gateway->config, CFG_MAX_LAST)};
    struct slice key;
    struct start start;
    enum mqtt_reason code = replay_props_get(&m->props, &limits, &start);

    buf_clear(scratch);
    if (code == MQTT_OK)
        code = replay_filter_get(o->filter, &limits, scratch, &key, &start);
    if (code != MQTT_OK)
        return (uint8_t)code;
    return subscribe_take_filter(g, i, o, key, start,
                                 mqtt_prop_number(&m->props, MQTT_PROP_SUBSCRIPTION_ID, 0));
}

enum mqtt_reason session_subscribe(struct session *s, const struct mqtt_subscribe *m)
{
    struct slice topics = m->topics;
    struct mqtt_topic_option o;
    struct subscribing *g;
    struct buf scratch = {0};
    enum mqtt_reason reason = subscribe_check_all(m);

    assert(s->subscribing == NULL);
    if (reason != MQTT_OK)
        return reason;
    s->client->wants_ours = s->client->wants_ours || subscribe_knows_ours(m);
    g = subscribing_new(s, m->packet_id, m->count);
    for (size_t i = 0; mqtt_subscribe_next(&topics, &o); i++) {
        g->codes[i] = subscribe_ask(g, i, &o, m, &scratch);
        subscribe_refused(g, g->codes[i]);
        if (!client_is_5(s->client) && g->codes[i] > MQTT_GRANTED_2)
            g->codes[i] = MQTT_UNSPECIFIED;
    }
    subscribing_looked_at(g);
    buf_free(&scratch);
    subscribe_begin(s, g);
    return MQTT_OK;
}

/* --- UNSUBSCRIBE ------------------------------------------------------------------ */

static uint8_t subscribe_drop(struct subscribing *g, struct slice filter, struct buf *scratch)
{
    struct replay_limits limits = {.max_last = UINT64_MAX};
    struct start start = {START_NOW, 0};
    struct slice key, inner;
    struct sub *sub;

    buf_clear(scratch);
    if (replay_filter_get(filter, &limits, scratch, &key, &start) != MQTT_OK ||
        !sub_name_parse(key, &inner))
        return MQTT_BAD_FILTER;
    sub = sub_index_find(g->index, key);
    if (sub == NULL)
        return MQTT_NO_SUBSCRIPTION;
    g->main_changed = g->main_changed || sub_is_mains(sub);
    sub_index_drop(g->index, sub);
    subscribe_remove(sub);
    return MQTT_OK;
}

enum mqtt_reason session_unsubscribe(struct session *s, const struct mqtt_subscribe *m)
{
    struct slice topics = m->topics, filter;
    struct subscribing *g;
    struct buf scratch = {0};

    assert(s->subscribing == NULL);
    g = subscribing_new(s, m->packet_id, m->count);
    g->unsubscribe = true;
    for (size_t i = 0; mqtt_unsubscribe_next(&topics, &filter); i++) {
        g->codes[i] = subscribe_drop(g, filter, &scratch);
        subscribe_refused(g, g->codes[i]);
    }
    subscribing_looked_at(g);
    buf_free(&scratch);
    subscribe_write_items(s, g);
    return MQTT_OK;
}
