/*
 * groups.c - see groups.h: groups, members, events.
 *
 * Everything hangs on three tables: groups by name, clients by name, and in each
 * group its events by ID.  A group lives while it has members or something of it is
 * under way; then its rows go.  After a start it waits a while for members that live
 * in their gateways' memory alone.
 */
#include "groups.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "group_impl.h"
#include "log.h"
#include "mem.h"
#include "topic.h"

/* --- groups ---------------------------------------------------------------------- */

struct slice group_name(const struct group *g)
{
    return (struct slice){g->name, g->name_len};
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

static void sibling_add(struct group *g)
{
    struct filter_tree *t = g->all->filters;

    g->sibling = filter_tree_get(t, g->filter);
    (void)filter_tree_put(t, g->filter, g);
}

static void sibling_remove(struct group *g)
{
    struct filter_tree *t = g->all->filters;
    struct group *first = filter_tree_get(t, g->filter);

    if (first == g) {
        (void)filter_tree_remove(t, g->filter);
        if (g->sibling != NULL)
            (void)filter_tree_put(t, g->sibling->filter, g->sibling);
        return;
    }
    while (first->sibling != g)
        first = first->sibling;
    first->sibling = g->sibling;
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
    sibling_add(g);
    return g;
}

static void events_free(struct group *g)
{
    struct group_event *ev, *next;

    HASH_ITER (hh, g->by_id, ev, next) {
        HASH_DEL(g->by_id, ev);
        free(ev);
    }
}

static void group_free(struct group *g)
{
    assert(!g->in_line);
    sibling_remove(g);
    HASH_DEL(g->all->groups, g);
    events_free(g);
    buf_free(&g->gone);
    free(g);
}

static void on_dropped(struct commit *c)
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
    commit_submit(c, g->all->store, on_dropped);
    group_free(g);
}

/* --- clients and members ------------------------------------------------------------ */

struct slice client_name(const struct group_client *c)
{
    return (struct slice){c->name, c->name_len};
}

struct group_client *client_find(const struct groups *all, struct slice name)
{
    struct group_client *c;

    HASH_FIND(hh, all->clients, name.p, name.len, c);
    return c;
}

struct group_client *client_of(struct groups *all, struct slice name)
{
    struct group_client *c = client_find(all, name);

    if (c != NULL)
        return c;
    c = mem_zalloc(sizeof *c + name.len);
    c->name_len = name.len;
    memcpy(c->name, name.p, name.len);
    HASH_ADD(hh, all->clients, name, c->name_len, c);
    return c;
}

void client_maybe_free(struct groups *all, struct group_client *c)
{
    if (c->members != NULL)
        return;
    HASH_DEL(all->clients, c);
    free(c);
}

struct member *member_find(const struct group *g, const struct group_client *c)
{
    struct member *m;

    DL_FOREACH2 (c->members, m, cnext) {
        if (m->group == g)
            return m;
    }
    return NULL;
}

struct member *member_add(struct group *g, struct group_client *c)
{
    struct member *m = member_find(g, c);

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

void member_free(struct member *m)
{
    struct group *g = m->group;
    struct group_event *ev, *next;

    DL_FOREACH_SAFE2 (m->events, ev, next, mnext) {
        event_unassign(g, ev);
    }
    DL_DELETE(g->members, m);
    DL_DELETE2(m->client->members, m, cprev, cnext);
    g->all->member_count--;
    free(m);
}

/* --- events -------------------------------------------------------------------------- */

struct group_event *event_find(const struct group *g, uint64_t id)
{
    struct group_event *ev;

    HASH_FIND(hh, g->by_id, &id, sizeof id, ev);
    return ev;
}

static void event_leaves_member(struct group_event *ev)
{
    if (ev->member == NULL)
        return;
    DL_DELETE2(ev->member->events, ev, mprev, mnext);
    ev->holder->assigned -= ev->size;
    ev->member = NULL;
    ev->holder = NULL;
}

void event_free_again(struct group *g, struct group_event *ev)
{
    ev->state = EVENT_FREE;
    ev->sender = NULL;
    event_leaves_member(ev);
    if (g->free == NULL || ev->id < g->free->id)
        g->free = ev;
}

struct group_event *event_add(struct group *g, uint64_t id)
{
    struct group_event *ev = mem_zalloc(sizeof *ev);

    assert(g->events == NULL || g->events->prev->id < id);
    ev->id = id;
    DL_APPEND(g->events, ev);
    DL_APPEND2(g->unsaved, ev, uprev, unext);
    HASH_ADD(hh, g->by_id, id, sizeof ev->id, ev);
    event_free_again(g, ev);
    return ev;
}

/* The one place that `free` moves on from: the lowest is no more. */
static void free_moves(struct group *g, struct group_event *ev)
{
    if (g->free != ev)
        return;
    do
        g->free = g->free->next;
    while (g->free != NULL && g->free->state != EVENT_FREE);
}

void event_assign(struct group_event *ev, struct member *m, uint32_t size)
{
    assert(ev->state == EVENT_FREE);
    free_moves(m->group, ev);
    ev->state = EVENT_ASSIGNED;
    ev->member = m;
    ev->holder = m->client->session->holder;
    ev->size = size;
    ev->holder->assigned += size;
    DL_APPEND2(m->events, ev, mprev, mnext);
}

void event_unassign(struct group *g, struct group_event *ev)
{
    if (ev->state == EVENT_ASSIGNED) {
        event_free_again(g, ev);
        return;
    }
    event_leaves_member(ev);
}

void event_row_put(struct group *g, struct group_event *ev)
{
    if (ev->row != ROW_NONE)
        return;
    DL_DELETE2(g->unsaved, ev, uprev, unext);
    ev->row = ROW_SUBMITTED;
}

void event_row_failed(struct group *g, struct group_event *ev)
{
    if (ev->row != ROW_SUBMITTED)
        return;
    ev->row = ROW_NONE;
    DL_APPEND2(g->unsaved, ev, uprev, unext);
}

static void event_leaves(struct group *g, struct group_event *ev)
{
    if (ev->state == EVENT_TAKEN) {
        DL_DELETE(g->taken, ev);
        g->taken_count--;
        return;
    }
    event_leaves_member(ev);
    free_moves(g, ev);
    DL_DELETE(g->events, ev);
}

void event_taken(struct group *g, struct group_event *ev)
{
    event_leaves(g, ev);
    ev->state = EVENT_TAKEN;
    ev->row = ROW_THERE;
    ev->until = clock_mono_ms() + GROUP_TAKEN_MS;
    DL_APPEND(g->taken, ev);
    g->taken_count++;
}

void event_gone(struct group *g, struct group_event *ev)
{
    event_leaves(g, ev);
    if (ev->row == ROW_NONE)
        DL_DELETE2(g->unsaved, ev, uprev, unext);
    else
        buf_u64(&g->gone, ev->id);
    g->dirty = true;
    HASH_DEL(g->by_id, ev);
    free(ev);
}

struct slice event_key(struct commit *c, uint64_t id)
{
    char key[9] = {'E'};

    for (int i = 0; i < 8; i++)
        key[1 + i] = (char)(uint8_t)(id >> (56 - 8 * i));
    return commit_copy(c, key, sizeof key);
}

struct slice member_key(struct commit *c, struct slice client)
{
    struct buf b = {0};
    struct slice key;

    buf_u8(&b, 'M');
    buf_put_slice(&b, client);
    key = commit_copy(c, b.p, b.len);
    buf_free(&b);
    return key;
}

/* --- rows, at the start ---------------------------------------------------------------- */

static bool load_cursor(struct group *g, struct reader value)
{
    g->cursor = reader_u64(&value);
    g->placed = true;
    return reader_done(&value);
}

static bool load_member(struct group *g, struct slice client, struct reader value)
{
    struct group_client *c;
    struct member *m;

    if (client.len == 0)
        return false;
    c = client_of(g->all, client);
    m = member_add(g, c);
    if (m == NULL) {
        client_maybe_free(g->all, c);
        return false;
    }
    m->qos = reader_u8(&value);
    m->active = m->stored = true;
    return reader_done(&value);
}

static bool load_event(struct group *g, struct slice key, struct reader value)
{
    struct group_event *ev;
    const uint8_t *by;
    uint64_t id = 0;

    if (key.len != 8)
        return false;
    for (size_t i = 0; i < 8; i++)
        id = id << 8 | (uint8_t)key.p[i];
    ev = event_add(g, id);
    event_row_put(g, ev);
    ev->row = ROW_THERE;
    if (value.left == 0)
        return true;
    by = reader_take(&value, sizeof ev->by);
    ev->seq = reader_u64(&value);
    if (!reader_done(&value))
        return false;
    memcpy(ev->by.b, by, sizeof ev->by);
    event_taken(g, ev);
    return true;
}

void groups_load(struct groups *all, const struct store_entry *e)
{
    struct group *g = group_of(all, e->owner);
    struct reader value = reader_of(e->value.p, e->value.len);
    struct slice rest = {e->key.p + 1, e->key.len - 1};
    bool ok = false;

    if (g != NULL) {
        g->wait_until = clock_mono_ms() + GROUP_START_MS;
        if (e->key.p[0] == 'C')
            ok = load_cursor(g, value);
        else if (e->key.p[0] == 'M')
            ok = load_member(g, rest, value);
        else if (e->key.p[0] == 'E')
            ok = load_event(g, rest, value);
    }
    if (!ok)
        log_error("a shared subscription is damaged", LOG_SLICE("group", e->owner));
}

uint64_t groups_members(const struct groups *all)
{
    return all->member_count;
}

/* --- time --------------------------------------------------------------------------------- */

static void taken_expire(struct group *g, uint64_t now)
{
    while (g->taken != NULL && (g->taken->until <= now || g->taken_count > GROUP_TAKEN_MAX))
        event_gone(g, g->taken);
}

/* The cursor of a live group moves with the head, unwritten: now and then it is, so
 * that a start does not read what nobody will get. */
static void cursor_refresh(struct group *g, uint64_t now)
{
    if (now < g->refresh_at)
        return;
    g->refresh_at = now + GROUP_REFRESH_MS;
    g->dirty = g->dirty || group_cursor(g) != g->saved_cursor;
}

void groups_second(struct groups *all)
{
    uint64_t now = clock_mono_ms();
    struct group *g, *next;

    HASH_ITER (hh, all->groups, g, next) {
        taken_expire(g, now);
        cursor_refresh(g, now);
        group_checkpoint(g);
        group_serve(g);
        group_maybe_free(g);
    }
}

/* --- begin and end ---------------------------------------------------------------------------- */

struct groups *groups_new(struct store *store, const struct sessions_reads *reads)
{
    struct groups *all = mem_zalloc(sizeof *all);

    all->store = store;
    all->reads = *reads;
    all->filters = filter_tree_new();
    return all;
}

void groups_stop(struct groups *all)
{
    struct group *g, *next;

    HASH_ITER (hh, all->groups, g, next)
        group_checkpoint(g);
    all->stopping = true;
}

void groups_free(struct groups *all)
{
    struct group *g, *next;

    if (all == NULL)
        return;
    HASH_ITER (hh, all->groups, g, next) {
        g->in_line = false;
        while (g->members != NULL) {
            struct group_client *c = g->members->client;

            member_free(g->members);
            client_maybe_free(all, c);
        }
        group_free(g);
    }
    filter_tree_free(all->filters);
    free(all);
}
