/*
 * sub.c - filters of a session.
 */
#include "sub.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "filter_tree.h"
#include "mem.h"
#include "session_state.h"
#include "topic.h"

/* --- names ----------------------------------------------------------------------------- */

static const struct slice sub_share_prefix = {"$share/", 7};
static const struct slice sub_sys_prefix = {"$SYS/", 5};

enum sub_kind sub_kind_of(struct slice filter)
{
    if (slice_starts(filter, sub_share_prefix))
        return SUB_SHARED;
    return slice_starts(filter, sub_sys_prefix) ? SUB_SYS : SUB_PLAIN;
}

/* "$share/{name}/{filter}": the filter.  False: not of that form. */
static bool sub_share_parse(struct slice text, struct slice *filter)
{
    struct slice rest = {text.p + sub_share_prefix.len, text.len - sub_share_prefix.len}, name;
    const char *slash = rest.len > 0 ? memchr(rest.p, '/', rest.len) : NULL;

    if (slash == NULL || slash == rest.p)
        return false;
    name = (struct slice){rest.p, (size_t)(slash - rest.p)};
    *filter = (struct slice){slash + 1, rest.len - name.len - 1};
    return memchr(name.p, '+', name.len) == NULL && memchr(name.p, '#', name.len) == NULL;
}

bool sub_name_parse(struct slice name, struct slice *filter)
{
    *filter = name;
    if (name.len >= WIRE_ITEM_KEY_MAX)
        return false; /* of a share name that nobody could mean */
    if (sub_kind_of(name) != SUB_SHARED)
        return filter_check(name) == TOPIC_OK;
    return sub_share_parse(name, filter) && filter_check(*filter) == TOPIC_OK &&
           sub_kind_of(*filter) != SUB_SYS;
}

struct slice sub_topic_filter(const struct sub *s)
{
    struct slice filter = sub_name(s);

    if (s->kind == SUB_SHARED) {
        bool ok = sub_share_parse(sub_name(s), &filter);

        assert(ok); /* it was parsed when it came */
    }
    return filter;
}

/* --- the list ---------------------------------------------------------------------------- */

struct sub *sub_find(const struct session *s, struct slice filter)
{
    struct sub *sub;

    DL_FOREACH (s->subs, sub)
        if (slice_eq(sub_name(sub), filter))
            return sub;
    return NULL;
}

struct sub *sub_add(struct session *s, struct slice filter)
{
    struct sub *sub = mem_zalloc(sizeof *sub + filter.len + 1);

    sub->session = s;
    sub->filter_len = (uint16_t)filter.len;
    memcpy(sub->filter, filter.p, filter.len);
    sub->kind = (uint8_t)sub_kind_of(filter);
    if (sub->kind == SUB_SHARED)
        sub->group = group_name_new(filter);
    DL_APPEND(s->subs, sub);
    s->sub_count++;
    s->shared_count += sub->kind == SUB_SHARED;
    s->held.filters++;
    s->held.levels += quota_levels(sub_name(sub));
    s->mqtt->report.subscriptions++;
    return sub;
}

static struct account *sub_account(const struct sub *sub)
{
    const struct principal *p = sub->session->client->caller.principal;

    return p != NULL ? p->account : NULL;
}

bool sub_count(struct sub *sub)
{
    sub->counted = sub->counted || account_subscribe(sub_account(sub), 1);
    return sub->counted;
}

void sub_free(struct sub *sub)
{
    struct session *s = sub->session;

    if (sub->counted)
        account_unsubscribe(sub_account(sub), 1);

    assert(sub->replay == NULL);
    if (s->one == sub)
        s->one = NULL;
    if (s->tree != NULL)
        (void)filter_tree_remove(s->tree, sub_name(sub));
    DL_DELETE(s->subs, sub);
    s->sub_count--;
    s->shared_count -= sub->kind == SUB_SHARED;
    s->held.filters--;
    s->held.levels -= quota_levels(sub_name(sub));
    s->mqtt->report.subscriptions--;
    group_name_unref(sub->group);
    free(sub);
}

void sub_remove(struct sub *sub)
{
    struct session *s = sub->session;

    if (s->stored || sub->kind == SUB_SHARED)
        buf_str16(tombstones_add(&s->sub_tombstones), sub_name(sub));
    session_commit_later(s);
    sub_free(sub);
}
