/*
 * main_cursor.c - main: opened, closed, and what it hands over.
 *
 * When the filters change it is closed, keeping its cursor, and opened again over the new
 * ones; at the head that costs no read, because the new filters are live by then
 * (session_subscribe.c).
 *
 * How it fails: the broker refuses a filter or a read: the client is ended, and finds its
 * session as it was when it comes back.
 */
#include "main_cursor.h"

#include <utlist.h>

#include "deliver.h"
#include "filter_tree.h"
#include "log.h"

#define TREE_MIN 16 /* filters; below it they are matched one by one */

/* --- what it hands over ---------------------------------------------------------------- */

/* What was removed from before a filter begins is no loss. */
static bool main_cursor_is_loss(const struct session *s, const struct gap *gap)
{
    const struct sub *sub;

    if (gap->reason != GAP_EXPIRED && gap->reason != GAP_DELETED)
        return true;
    DL_FOREACH (s->subs, sub)
        if (sub_is_mains(sub) && sub->from < gap->removed_to)
            return true;
    return false;
}

static void main_cursor_on_gap(struct subscription *main, const struct gap *gap)
{
    if (main_cursor_is_loss(main->data, gap))
        deliver_gap(main->data, gap);
}

static void main_cursor_on_started(struct subscription *main, uint64_t cursor,
                                   const struct gap *gap)
{
    struct session *s = main->data;
    void (*checked)(struct client * c) = s->checked;

    (void)cursor;
    if (gap != NULL)
        main_cursor_on_gap(main, gap);
    s->checked = NULL;
    if (checked != NULL)
        checked(s->client);
}

static size_t main_cursor_on_events(struct subscription *main, struct run *r)
{
    return deliver_run(main->data, r, NULL, DELIVER_PUBLISHED);
}

static void main_cursor_on_failed(struct subscription *main, enum sluice_error error,
                                  struct slice text)
{
    struct session *s = main->data;

    log_warn("a session cannot be served", LOG_S("client", s->id),
             LOG_S("error", error_code(error)), LOG_SLICE("text", text));
    main_cursor_close(s);
    client_end(s->client, MQTT_UNAVAILABLE, "events cannot be read");
}

static const struct subscription_ops main_cursor_ops = {.started = main_cursor_on_started,
                                                        .events = main_cursor_on_events,
                                                        .gap = main_cursor_on_gap,
                                                        .failed = main_cursor_on_failed};

static size_t main_cursor_filters(const struct session *s, struct slice *filters, struct sub **one)
{
    struct sub *sub;
    size_t n = 0;

    DL_FOREACH (s->subs, sub) {
        if (!sub_is_mains(sub) || n == WIRE_FILTERS_MAX)
            continue;
        *one = sub;
        filters[n++] = sub_name(sub);
    }
    if (n != 1)
        *one = NULL;
    return n;
}

/* --- open and closed --------------------------------------------------------------------- */

/* So that an event costs its levels, not the number of filters. */
static struct filter_tree *main_cursor_tree_of(const struct session *s, size_t count)
{
    struct filter_tree *tree;
    struct sub *sub;

    if (count < TREE_MIN)
        return NULL;
    tree = filter_tree_new();
    DL_FOREACH (s->subs, sub)
        if (sub_is_mains(sub))
            (void)filter_tree_put(tree, sub_name(sub), sub);
    return tree;
}

void main_cursor_open(struct session *s)
{
    struct slice filters[WIRE_FILTERS_MAX];
    struct start start = {START_AFTER, s->cursor};
    size_t n;

    if (s->main_open || s->ended || s->main_held || s->resume != NULL)
        return;
    n = main_cursor_filters(s, filters, &s->one);
    if (n == 0)
        return;
    s->main_open = true;
    s->tree = main_cursor_tree_of(s, n);
    subscription_open(&s->main, s->mqtt->gateway->hub, filters, n, start, &main_cursor_ops, s);
}

void main_cursor_close(struct session *s)
{
    if (!s->main_open)
        return;
    s->cursor = session_cursor(s);
    s->main_open = false;
    if (s->tree != NULL)
        filter_tree_free(s->tree);
    s->tree = NULL;
    subscription_close(&s->main);
}

void main_cursor_join(struct session *s, const struct replay *r, uint64_t cursor)
{
    bool others = session_has_mains(s);
    struct sub *sub;

    main_cursor_close(s);
    if (!others)
        s->cursor = cursor;
    DL_FOREACH (s->subs, sub) {
        if (sub->replay != r)
            continue;
        sub->replay = NULL;
        sub->from = cursor;
        sub->dirty = true;
    }
    session_commit_later(s);
    main_cursor_open(s);
}
