/*
 * filters.c - the filters of a session, and its main cursor.
 *
 * main is one subscription of the hub's over all plain filters that do not replay.  When
 * they change it is closed, keeping its cursor, and opened again over the new ones; at
 * the head that costs no read, because the new filters are live by then (subscribe.c).
 *
 * How it fails: the broker refuses a filter or a read: the client is ended, and finds its
 * session as it was when it comes back.
 */
#include <stdlib.h>

#include <utlist.h>

#include "commit.h"
#include "deliver.h"
#include "filter_tree.h"
#include "log.h"
#include "mem.h"
#include "replay.h"
#include "share.h"
#include "subscribe.h"
#include "sys.h"

#define TREE_MIN 16 /* filters; below it they are matched one by one */

static const struct slice share_prefix = {"$share/", 7};
static const struct slice sys_prefix = {"$SYS/", 5};

/* --- names ----------------------------------------------------------------------------- */

bool subscribe_share_parse(struct slice text, struct slice *name, struct slice *filter)
{
    struct slice rest = text;
    const char *slash;

    if (!slice_starts(text, share_prefix))
        return false;
    rest = (struct slice){text.p + share_prefix.len, text.len - share_prefix.len};
    slash = rest.len > 0 ? memchr(rest.p, '/', rest.len) : NULL;
    if (slash == NULL || slash == rest.p)
        return false;
    *name = (struct slice){rest.p, (size_t)(slash - rest.p)};
    *filter = (struct slice){slash + 1, rest.len - name->len - 1};
    return memchr(name->p, '+', name->len) == NULL && memchr(name->p, '#', name->len) == NULL &&
           filter->len > 0;
}

struct slice sub_topic_filter(const struct sub *s)
{
    struct slice name, filter = sub_name(s);

    if (s->kind == SUB_SHARED)
        (void)subscribe_share_parse(sub_name(s), &name, &filter);
    return filter;
}

/* --- the list ---------------------------------------------------------------------------- */

struct sub *session_sub_find(const struct session *s, struct slice filter)
{
    struct sub *sub;

    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (slice_eq(sub_name(sub), filter))
            return sub;
    return NULL;
}

struct sub *session_sub_add(struct session *s, struct slice filter)
{
    struct sub *sub = mem_zalloc(sizeof *sub + filter.len + 1);

    sub->session = s;
    sub->filter_len = (uint16_t)filter.len;
    memcpy(sub->filter, filter.p, filter.len);
    if (slice_starts(filter, share_prefix)) {
        sub->kind = SUB_SHARED;
        sub->group = group_name_new(filter);
    } else if (slice_starts(filter, sys_prefix)) {
        sub->kind = SUB_SYS;
    }
    DL_APPEND(s->subs, sub);
    s->mqtt->report.subscriptions++;
    return sub;
}

static void sub_free(struct sub *sub)
{
    struct session *s = sub->session;

    replay_end(sub);
    if (sub->kind == SUB_SHARED && !s->ended)
        shared_left(sub);
    if (sub->kind == SUB_SYS)
        sys_left(sub);
    if (s->one == sub)
        s->one = NULL;
    if (s->tree != NULL)
        (void)filter_tree_remove(s->tree, sub_name(sub));
    DL_DELETE(s->subs, sub);
    s->mqtt->report.subscriptions--;
    group_name_unref(sub->group);
    free(sub);
}

void session_sub_remove(struct sub *sub)
{
    struct session *s = sub->session;

    if (s->stored || sub->kind == SUB_SHARED)
        buf_str16(drops_add(&s->gone_subs), sub_name(sub));
    commit_later(s);
    sub_free(sub);
}

void session_subs_free(struct session *s)
{
    while (s->subs != NULL)
        sub_free(s->subs);
    drops_free(&s->gone_subs);
}

/* --- main ---------------------------------------------------------------------------------- */

/* What was removed from before a filter begins is no loss. */
static bool is_loss(const struct session *s, const struct gap *gap)
{
    const struct sub *sub;

    if (gap->reason != GAP_EXPIRED && gap->reason != GAP_DELETED)
        return true;
    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (sub_is_mains(sub) && sub->from < gap->removed_to)
            return true;
    return false;
}

static void on_gap(struct subscription *main, const struct gap *gap)
{
    if (is_loss(main->data, gap))
        deliver_gap(main->data, gap);
}

static void on_started(struct subscription *main, uint64_t cursor, const struct gap *gap)
{
    struct session *s = main->data;
    void (*checked)(struct client * c) = s->checked;

    (void)cursor;
    if (gap != NULL)
        on_gap(main, gap);
    s->checked = NULL;
    if (checked != NULL)
        checked(s->client);
}

static size_t on_events(struct subscription *main, struct run *r)
{
    return deliver_run(main->data, r, NULL, DELIVER_PUBLISHED);
}

static void on_failed(struct subscription *main, enum sluice_error error, struct slice text)
{
    struct session *s = main->data;

    log_warn("a session cannot be served", LOG_S("client", s->id),
             LOG_S("error", error_code(error)), LOG_SLICE("text", text));
    session_main_close(s);
    client_end(s->client, MQTT_UNAVAILABLE, "events cannot be read");
}

static const struct subscription_ops main_ops = {
    .started = on_started, .events = on_events, .gap = on_gap, .failed = on_failed};

static size_t mains_filters(const struct session *s, struct slice *filters, struct sub **one)
{
    struct sub *sub;
    size_t n = 0;

    for (sub = s->subs; sub != NULL; sub = sub->next) {
        if (!sub_is_mains(sub) || n == WIRE_FILTERS_MAX)
            continue;
        *one = sub;
        filters[n++] = sub_name(sub);
    }
    if (n != 1)
        *one = NULL;
    return n;
}

static bool has_mains(const struct session *s)
{
    const struct sub *sub;

    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (sub_is_mains(sub))
            return true;
    return false;
}

/* So that an event costs its levels, not the number of filters. */
static struct filter_tree *tree_of(const struct session *s, size_t count)
{
    struct filter_tree *tree;
    struct sub *sub;

    if (count < TREE_MIN)
        return NULL;
    tree = filter_tree_new();
    for (sub = s->subs; sub != NULL; sub = sub->next)
        if (sub_is_mains(sub))
            (void)filter_tree_put(tree, sub_name(sub), sub);
    return tree;
}

void session_main_open(struct session *s)
{
    struct slice filters[WIRE_FILTERS_MAX];
    struct start start = {START_AFTER, s->cursor};
    size_t n;

    if (s->main_open || s->ended || s->resume != NULL || subscribe_holds_main(s))
        return;
    n = mains_filters(s, filters, &s->one);
    if (n == 0)
        return;
    s->main_open = true;
    s->tree = tree_of(s, n);
    subscription_open(&s->main, s->mqtt->gateway->hub, filters, n, start, &main_ops, s);
}

static uint64_t main_cursor(const struct session *s)
{
    return s->main.state == SUB_STARTING ? s->cursor : subscription_cursor(&s->main);
}

void session_main_close(struct session *s)
{
    if (!s->main_open)
        return;
    s->cursor = main_cursor(s);
    s->main_open = false;
    if (s->tree != NULL)
        filter_tree_free(s->tree);
    s->tree = NULL;
    subscription_close(&s->main);
}

uint64_t session_cursor(const struct session *s)
{
    if (s->main_open)
        return main_cursor(s);
    if (s->resume != NULL || has_mains(s))
        return s->cursor;
    return hub_position(s->mqtt->gateway->hub);
}

bool session_at_head(const struct session *s)
{
    if (s->main_open)
        return subscription_at_head(&s->main);
    return s->resume == NULL && !has_mains(s);
}
