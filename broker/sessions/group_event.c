/*
 * group_event.c - the events that a group has passed and is not done with: whose each
 * is, and whether it has a row.
 *
 *   FREE       somebody is to get it: read again by its ID, the lowest first
 *   ASSIGNED   a member has it; its bytes count for that member's gateway
 *   TAKING     the member's WRITE takes it over, and is under way
 *   TAKEN      it is the session's own; the unit that did it is remembered
 *
 * `free` is the lowest that is FREE: what changes a state keeps it so.
 */
#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "group_impl.h"
#include "mem.h"

struct group_event *group_event_find(const struct group *g, uint64_t id)
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
    ev->peer->assigned -= ev->size;
    ev->member = NULL;
    ev->peer = NULL;
}

void group_event_release(struct group *g, struct group_event *ev)
{
    ev->state = EVENT_FREE;
    ev->sender = NULL;
    event_leaves_member(ev);
    if (g->free == NULL || ev->id < g->free->id)
        g->free = ev;
}

struct group_event *group_event_add(struct group *g, uint64_t id)
{
    struct group_event *ev = mem_zalloc(sizeof *ev);

    assert(g->events == NULL || g->events->prev->id < id);
    ev->id = id;
    DL_APPEND(g->events, ev);
    DL_APPEND2(g->unsaved, ev, uprev, unext);
    HASH_ADD(hh, g->by_id, id, sizeof ev->id, ev);
    group_event_release(g, ev);
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

void group_event_assign(struct group_event *ev, struct group_member *m, uint32_t size)
{
    assert(ev->state == EVENT_FREE);
    free_moves(m->group, ev);
    ev->state = EVENT_ASSIGNED;
    ev->member = m;
    ev->peer = m->client->session->peer;
    ev->size = size;
    ev->peer->assigned += size;
    DL_APPEND2(m->events, ev, mprev, mnext);
}

void group_event_unassign(struct group *g, struct group_event *ev)
{
    if (ev->state == EVENT_ASSIGNED) {
        group_event_release(g, ev);
        return;
    }
    event_leaves_member(ev);
}

void group_event_row_put(struct group *g, struct group_event *ev)
{
    if (ev->row != ROW_NONE)
        return;
    DL_DELETE2(g->unsaved, ev, uprev, unext);
    ev->row = ROW_SUBMITTED;
}

void group_event_row_failed(struct group *g, struct group_event *ev)
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

void group_event_taken(struct group *g, struct group_event *ev)
{
    event_leaves(g, ev);
    ev->state = EVENT_TAKEN;
    ev->row = ROW_THERE;
    ev->until = clock_mono_ms() + GROUP_TAKEN_MS;
    DL_APPEND(g->taken, ev);
    g->taken_count++;
}

void group_event_gone(struct group *g, struct group_event *ev)
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

void group_event_free_all(struct group *g)
{
    struct group_event *ev, *next;

    HASH_ITER (hh, g->by_id, ev, next) {
        HASH_DEL(g->by_id, ev);
        free(ev);
    }
}

/* --- its row's key --------------------------------------------------------------- */

struct slice group_event_key(struct commit *c, uint64_t id)
{
    char key[9] = {'E'};

    for (int i = 0; i < 8; i++)
        key[1 + i] = (char)(uint8_t)(id >> (56 - 8 * i));
    return commit_copy(c, key, sizeof key);
}

bool group_event_key_get(struct slice key, uint64_t *id)
{
    if (key.len != 9 || key.p[0] != 'E')
        return false;
    *id = 0;
    for (size_t i = 1; i < key.len; i++)
        *id = *id << 8 | (uint8_t)key.p[i];
    return true;
}
