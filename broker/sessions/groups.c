/*
 * groups.c - see groups.h: what sessions do to groups, what a start finds, the tick.
 *
 * Joining, leaving and taking over are part of a WRITE: what they mean for the map
 * goes into its commit (groups_write), what they mean here becomes true when that has
 * succeeded (groups_written).  Between the two an event is TAKING: nobody else gets it.
 *
 * The same WRITE may come twice, when the broker or the link died before its answer got
 * through.  So an event that was taken over is known for a minute by the unit that did
 * it, in the map too.
 */
#include "groups.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "failpoint.h"
#include "group_impl.h"
#include "log.h"
#include "mem.h"

/* --- taking over ----------------------------------------------------------------------- */

static struct group_event *find_taken(const struct groups *all, const struct wire_taken *t)
{
    const struct group *g = group_find(all, t->group);

    return g != NULL ? group_event_find(g, t->id) : NULL;
}

static bool is_this_unit(const struct group_event *ev, const struct groups_session *s, uint64_t seq)
{
    return (ev->state == EVENT_TAKING || ev->state == EVENT_TAKEN) && ev->seq == seq &&
           memcmp(&ev->by, &s->peer->instance, sizeof ev->by) == 0;
}

static bool may_take(const struct group_event *ev, const struct groups_session *s, uint64_t seq)
{
    if (ev == NULL)
        return false;
    return (ev->state == EVENT_ASSIGNED && ev->member->client->session == s) ||
           is_this_unit(ev, s, seq);
}

static bool takens_check(const struct groups *all, const struct groups_session *s,
                         struct slice list, uint64_t seq, uint64_t *conflict)
{
    struct reader r = reader_of(list.p, list.len);
    struct wire_taken t;

    while (wire_taken_get(&r, &t)) {
        *conflict = t.id;
        if (!may_take(find_taken(all, &t), s, seq))
            return false;
    }
    return true;
}

static void taken_add(struct group *g, struct group_event *ev, const struct groups_session *s,
                      uint64_t seq, struct commit *c)
{
    struct buf value = {0};

    FAILPOINT(broker_take);
    if (ev->state == EVENT_ASSIGNED)
        ev->state = EVENT_TAKING;
    ev->by = s->peer->instance;
    ev->seq = seq;
    group_event_row_put(g, ev);
    buf_put(&value, ev->by.b, sizeof ev->by.b);
    buf_u64(&value, ev->seq);
    commit_put(c, SPACE_GROUP, commit_copy(c, g->name, g->name_len), group_event_key(c, ev->id),
               commit_copy(c, value.p, value.len));
    buf_free(&value);
}

static void takens_add(struct groups *all, const struct groups_session *s, struct slice list,
                       uint64_t seq, struct commit *c)
{
    struct reader r = reader_of(list.p, list.len);
    struct wire_taken t;

    while (wire_taken_get(&r, &t)) {
        struct group *g = group_find(all, t.group);

        taken_add(g, group_event_find(g, t.id), s, seq, c);
    }
}

static void taken_settle(struct group *g, struct group_event *ev, bool stored)
{
    if (ev->state != EVENT_TAKING)
        return;
    FAILPOINT(broker_taken);
    if (stored) {
        group_event_taken(g, ev);
        return;
    }
    group_event_row_failed(g, ev);
    if (ev->member == NULL)
        group_event_release(g, ev);
    else
        ev->state = EVENT_ASSIGNED;
}

static void takens_settle(struct groups *all, struct slice list, uint64_t seq, bool stored)
{
    struct reader r = reader_of(list.p, list.len);
    struct wire_taken t;

    while (wire_taken_get(&r, &t)) {
        struct group_event *ev = find_taken(all, &t);

        if (ev != NULL && ev->seq == seq)
            taken_settle(group_find(all, t.group), ev, stored);
    }
}

/* --- joining and leaving ------------------------------------------------------------------ */

/* The value of an item "F$share/…". */
static void shared_value(struct slice value, uint8_t *qos, uint64_t *start)
{
    struct reader r = reader_of(value.p, value.len);

    *qos = reader_u8(&r);
    *start = reader_u64(&r);
    if (r.bad)
        *start = UINT64_MAX;
}

static struct group_member *member_of(const struct groups *all, struct slice client,
                                      struct slice group)
{
    struct group_client *c = group_client_find(all, client);
    struct group *g = group_find(all, group);

    return c != NULL && g != NULL ? group_member_find(g, c) : NULL;
}

static void join(struct groups *all, struct groups_session *s, struct slice name,
                 const struct wire_item *item, struct commit *c)
{
    struct group *g = group_find(all, name);
    struct group_client *client = group_client_of(all, s->client);
    struct group_member *m = group_member_add(g, client);
    struct slice owner = commit_copy(c, g->name, g->name_len);
    uint8_t qos, value[8];
    uint64_t start;

    if (m == NULL) { /* too many: it gets nothing */
        group_client_maybe_free(all, client);
        return;
    }
    client->session = s;
    m->joining++;
    m->stored = s->stored;
    shared_value(item->value, &qos, &start);
    if (m->stored)
        commit_put(c, SPACE_GROUP, owner, group_member_key(c, group_client_name(client)),
                   commit_copy(c, &qos, 1));
    if (g->placed)
        return;
    le64_put(value, start != UINT64_MAX ? start : store_head(all->store));
    commit_put(c, SPACE_GROUP, owner, SLICE("C"), commit_copy(c, value, sizeof value));
}

static void leave(struct groups *all, struct groups_session *s, struct slice name, struct commit *c)
{
    struct group_member *m = member_of(all, s->client, name);

    if (m != NULL && m->stored)
        commit_drop(c, SPACE_GROUP, commit_copy(c, m->group->name, m->group->name_len),
                    group_member_key(c, group_client_name(m->client)));
}

static void joined(struct group_member *m, const struct wire_item *item)
{
    struct group *g = m->group;
    uint64_t start;

    shared_value(item->value, &m->qos, &start);
    m->active = true;
    if (!g->placed) {
        g->placed = true;
        g->live = start >= store_head(g->all->store);
        g->cursor = g->live ? store_head(g->all->store) : start;
        g->dirty = true;
    }
    group_assign_serve(g);
}

static void member_leaves(struct groups *all, struct group_member *m)
{
    struct group_client *client = m->client;
    struct group *g = m->group;

    group_member_free(m);
    group_client_maybe_free(all, client);
    group_assign_serve(g);
    group_maybe_free(g);
}

static void item_settle(struct groups *all, struct slice client, const struct wire_item *item,
                        bool stored)
{
    struct group_member *m = member_of(all, client, session_item_group(item->key));

    if (m == NULL)
        return;
    if (item->drop) {
        if (stored && m->joining == 0)
            member_leaves(all, m);
        return;
    }
    if (m->joining > 0)
        m->joining--;
    if (stored)
        joined(m, item);
    else if (!m->active && m->joining == 0)
        member_leaves(all, m);
}

static bool groups_there(struct groups *all, struct slice items, enum sluice_error *error)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;

    while (wire_item_get(&r, &item)) {
        struct slice name = session_item_group(item.key);

        if (name.len == 0 || item.drop || group_of(all, name) != NULL)
            continue;
        *error = HASH_COUNT(all->groups) >= GROUPS_MAX ? ERR_TOO_MANY : ERR_BAD_FILTER;
        return false;
    }
    return true;
}

/* --- a WRITE ---------------------------------------------------------------------------------- */

enum sluice_error groups_write(struct groups *all, struct groups_session *s,
                               const struct wire_write *m, uint64_t seq, struct commit *c,
                               uint64_t *conflict)
{
    struct reader r = reader_of(m->items.p, m->items.len);
    enum sluice_error error = ERR_NONE;
    struct wire_item item;

    if (!takens_check(all, s, m->groups, seq, conflict))
        return ERR_CONFLICT;
    if (!groups_there(all, m->items, &error))
        return error; /* groups that were made go with the next tick */
    takens_add(all, s, m->groups, seq, c);
    while (wire_item_get(&r, &item)) {
        struct slice name = session_item_group(item.key);

        if (name.len > 0 && item.drop)
            leave(all, s, name, c);
        else if (name.len > 0)
            join(all, s, name, &item, c);
    }
    return ERR_NONE;
}

void groups_written(struct groups *all, const struct wire_write *m, uint64_t seq, bool stored)
{
    struct reader r = reader_of(m->items.p, m->items.len);
    struct wire_item item;

    takens_settle(all, m->groups, seq, stored);
    while (wire_item_get(&r, &item)) {
        if (session_item_group(item.key).len > 0)
            item_settle(all, m->client, &item, stored);
    }
}

/* --- coming and going ------------------------------------------------------------- */

void groups_attached(struct groups *all, struct groups_session *s)
{
    struct group_client *c = group_client_find(all, s->client);

    if (c == NULL)
        return;
    c->session = s;
    c->credit = 0;
}

static void member_lets_go(struct group_member *m)
{
    struct group_event *ev, *next;

    DL_FOREACH_SAFE2 (m->events, ev, next, mnext) {
        group_event_unassign(m->group, ev);
    }
    group_assign_serve(m->group);
}

void groups_detached(struct groups *all, struct groups_session *s)
{
    struct group_client *c = group_client_find(all, s->client);
    struct group_member *m, *next;

    if (c == NULL || c->session != s)
        return;
    c->credit = 0;
    DL_FOREACH_SAFE2 (c->members, m, next, cnext) {
        member_lets_go(m);
    }
    c->session = NULL;
}

void groups_end(struct groups *all, struct commit *c, struct slice client)
{
    struct group_client *gone = group_client_find(all, client);
    struct group_member *m;

    if (gone == NULL)
        return;
    DL_FOREACH2 (gone->members, m, cnext) {
        if (m->stored)
            commit_drop(c, SPACE_GROUP, commit_copy(c, m->group->name, m->group->name_len),
                        group_member_key(c, client));
    }
}

void groups_ended(struct groups *all, struct slice client)
{
    struct group_client *gone = group_client_find(all, client);
    struct group_member *m, *next;

    if (gone == NULL)
        return;
    gone->session = NULL;
    DL_FOREACH_SAFE2 (gone->members, m, next, cnext) {
        struct group *g = m->group;

        group_member_free(m);
        group_assign_serve(g);
        group_maybe_free(g);
    }
    group_client_maybe_free(all, gone);
}

/* --- told ------------------------------------------------------------------------- */

void groups_credit(struct groups *all, const struct groups_session *s, uint32_t credit)
{
    struct group_client *c = group_client_find(all, s->client);
    struct group_member *m;

    if (c == NULL || c->session != s)
        return;
    c->credit = credit;
    DL_FOREACH2 (c->members, m, cnext) {
        group_assign_serve(m->group);
    }
}

void groups_done(struct groups *all, const struct groups_session *s, const struct wire_done *m)
{
    struct group *g = group_find(all, m->group);
    struct group_event *ev = g != NULL ? group_event_find(g, m->id) : NULL;

    if (ev == NULL || ev->state != EVENT_ASSIGNED || ev->member->client->session != s)
        return;
    if (m->returned)
        group_event_unassign(g, ev);
    else
        group_event_gone(g, ev);
    group_assign_serve(g);
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
    struct group_member *m;

    if (client.len == 0)
        return false;
    c = group_client_of(g->all, client);
    m = group_member_add(g, c);
    if (m == NULL) {
        group_client_maybe_free(g->all, c);
        return false;
    }
    m->qos = reader_u8(&value);
    m->active = m->stored = true;
    return reader_done(&value);
}

/* It was taken over, by that unit. */
static bool load_taken(struct group *g, struct group_event *ev, struct reader value)
{
    struct slice by = reader_bytes(&value, sizeof ev->by.b);

    ev->seq = reader_u64(&value);
    if (!reader_done(&value))
        return false;
    memcpy(ev->by.b, by.p, sizeof ev->by.b);
    group_event_taken(g, ev);
    return true;
}

static bool load_event(struct group *g, struct slice key, struct reader value)
{
    struct group_event *ev;
    uint64_t id;

    if (!group_event_key_get(key, &id))
        return false;
    ev = group_event_add(g, id);
    group_event_row_put(g, ev);
    ev->row = ROW_THERE;
    return value.left == 0 || load_taken(g, ev, value);
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
            ok = load_event(g, e->key, value);
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
        group_event_gone(g, g->taken);
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
        group_save_checkpoint(g);
        group_assign_serve(g);
        group_maybe_free(g);
    }
}

/* --- begin and end ---------------------------------------------------------------------------- */

struct groups *groups_new(struct store *store, const struct groups_reads *reads)
{
    struct groups *all = mem_zalloc(sizeof *all);

    all->store = store;
    all->reads = *reads;
    all->filters = filter_tree_new();
    return all;
}

void groups_serve(struct groups *all, void (*call)(void *link, struct buf *frame))
{
    all->call = call;
}

void groups_stop(struct groups *all)
{
    struct group *g, *next;

    HASH_ITER (hh, all->groups, g, next)
        group_save_checkpoint(g);
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

            group_member_free(g->members);
            group_client_maybe_free(all, c);
        }
        group_free(g);
    }
    filter_tree_free(all->filters);
    free(all);
}
