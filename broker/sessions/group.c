/*
 * group.c - groups by name, clients by name, and who is a member of what.
 *
 * A group lives while it has members or something of it is under way; then its rows go.
 * After a start it waits a while for members that live in their gateways' memory alone.
 * A client is here as long as it is a member of some group.
 */
#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "group_impl.h"
#include "mem.h"
#include "metrics.h"
#include "topic.h"

/* --- groups ---------------------------------------------------------------------- */

struct slice group_name(const struct group *g)
{
    return (struct slice){g->name, g->name_len};
}

uint64_t group_cursor(const struct group *g)
{
    uint64_t head = store_head(g->all->store);

    return g->live && head > g->cursor ? head : g->cursor;
}

struct group *group_find(const struct groups *all, struct slice name)
{
    struct group *g;

    HASH_FIND(hh, all->groups, name.p, name.len, g);
    return g;
}

/* "a/#" of "$share/g/a/#"; empty when it is none. */
static struct slice filter_of(struct slice name)
{
    struct slice rest = name, level;

    if (!topic_level_next(&rest, &level) || !slice_eq(level, SLICE("$share")) ||
        !topic_level_next(&rest, &level) || level.len == 0 || rest.p == NULL ||
        filter_check(rest) != TOPIC_OK)
        return (struct slice){NULL, 0};
    return rest;
}

static void siblings_add(struct group *g)
{
    struct filter_tree *t = g->all->filters;
    struct group *first = filter_tree_get(t, g->filter);

    LL_PREPEND2(first, g, sibling);
    (void)filter_tree_put(t, g->filter, first);
}

static void siblings_remove(struct group *g)
{
    struct filter_tree *t = g->all->filters;
    struct group *first = filter_tree_get(t, g->filter);

    LL_DELETE2(first, g, sibling);
    if (first != NULL)
        (void)filter_tree_put(t, first->filter, first);
    else
        (void)filter_tree_remove(t, g->filter);
}

struct group *group_of(struct groups *all, struct slice name)
{
    struct group *g = group_find(all, name);
    struct slice filter = filter_of(name);

    if (g != NULL || filter.len == 0 || HASH_COUNT(all->groups) >= GROUPS_MAX)
        return g;
    g = mem_zalloc(sizeof *g + name.len);
    g->all = all;
    g->name_len = name.len;
    memcpy(g->name, name.p, name.len);
    g->filter = (struct slice){g->name + (filter.p - name.p), filter.len};
    HASH_ADD(hh, all->groups, name, g->name_len, g);
    siblings_add(g);
    return g;
}

void group_free(struct group *g)
{
    assert(!g->in_line);
    siblings_remove(g);
    HASH_DEL(g->all->groups, g);
    group_event_free_all(g);
    buf_free(&g->gone);
    free(g);
}

static void group_on_dropped(struct commit *c)
{
    (void)c;
}

void group_maybe_free(struct group *g)
{
    struct commit *c;

    if (g->members != NULL || g->saves > 0 || g->reading || g->in_line || g->all->stopping ||
        g->wait_until > clock_mono_ms())
        return;
    c = commit_new(NULL);
    commit_drop_owner(c, SPACE_GROUP, commit_copy(c, g->name, g->name_len));
    commit_submit(c, g->all->store, group_on_dropped);
    group_free(g);
}

/* --- clients ---------------------------------------------------------------------- */

struct slice group_client_name(const struct group_client *c)
{
    return (struct slice){c->name, c->name_len};
}

struct group_client *group_client_find(const struct groups *all, struct slice name)
{
    struct group_client *c;

    HASH_FIND(hh, all->clients, name.p, name.len, c);
    return c;
}

struct group_client *group_client_of(struct groups *all, struct slice name)
{
    struct group_client *c = group_client_find(all, name);

    if (c != NULL)
        return c;
    c = mem_zalloc(sizeof *c + name.len);
    c->name_len = name.len;
    memcpy(c->name, name.p, name.len);
    HASH_ADD(hh, all->clients, name, c->name_len, c);
    return c;
}

void group_client_maybe_free(struct groups *all, struct group_client *c)
{
    if (c->members != NULL)
        return;
    HASH_DEL(all->clients, c);
    free(c);
}

/* --- members ---------------------------------------------------------------------- */

struct group_member *group_member_find(const struct group *g, const struct group_client *c)
{
    struct group_member *m;

    DL_FOREACH2 (c->members, m, cnext) {
        if (m->group == g)
            return m;
    }
    return NULL;
}

struct group_member *group_member_add(struct group *g, struct group_client *c)
{
    struct group_member *m = group_member_find(g, c);

    if (m != NULL || g->all->member_count >= GROUP_MEMBERS_MAX)
        return m;
    m = mem_zalloc(sizeof *m);
    m->group = g;
    m->client = c;
    DL_APPEND(g->members, m);
    DL_APPEND2(c->members, m, cprev, cnext);
    g->all->member_count++;
    return m;
}

void group_member_free(struct group_member *m)
{
    struct group *g = m->group;
    struct group_event *ev, *next;

    DL_FOREACH_SAFE2 (m->events, ev, next, mnext) {
        group_event_unassign(g, ev);
    }
    DL_DELETE(g->members, m);
    DL_DELETE2(m->client->members, m, cprev, cnext);
    g->all->member_count--;
    free(m);
}

struct slice group_member_key(struct commit *c, struct slice client)
{
    struct buf b = {0};
    struct slice key;

    buf_u8(&b, 'M');
    buf_put_slice(&b, client);
    key = commit_copy(c, b.p, b.len);
    buf_free(&b);
    return key;
}

void group_member_send(const struct group_member *m, struct slice record)
{
    const struct groups_session *s = m->client->session;
    struct wire_assign a = {s->client, s->epoch, group_name(m->group), record};
    uint64_t id = event_record_id((const uint8_t *)record.p);
    struct buf frame = {0};

    metric_add(M_ASSIGNED, 1);
    if (s->peer->link == NULL)
        return;
    if (s->peer->said == id)
        a.record = (struct slice){"", 0}; /* its gateway has it: for another group's member */
    s->peer->said = id;
    wire_call_begin(&frame, WIRE_CALL_ASSIGN);
    wire_assign_put(&frame, &a);
    m->group->all->call(s->peer->link, &frame);
}
