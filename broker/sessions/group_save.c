/*
 * group_save.c - what of a group is on disk.
 *
 * A save is one commit: the cursor, a row for each event that the cursor has passed
 * and nobody is done with, and no row any more for those that are.  So after a kill
 * every event is either above the stored cursor, or has a row and is assigned anew,
 * or was done with.
 *
 *   QoS 2   the save precedes the assignment's departure, one for what a batch or a
 *           page brought: taking over (WRITE) finds the row, and only once;
 *   QoS 1   at most one save a second: what was acknowledged since is assigned again
 *           after a kill.
 *
 * A save that fails takes nothing for written, and what waited for it is assigned
 * again when the tick comes round.
 */
#include <assert.h>
#include <stdlib.h>

#include "failpoint.h"
#include "group_impl.h"
#include "mem.h"

struct group_save {
    struct group *group;
    struct buf rows;  /* IDs put, u64 each */
    struct buf gone;  /* IDs dropped, u64 each */
    struct buf sends; /* id u64, size u32, record */
};

struct group_save *group_save_new(struct group *g)
{
    struct group_save *s = mem_zalloc(sizeof *s);

    s->group = g;
    g->saves++;
    return s;
}

static void save_free(struct group_save *s)
{
    s->group->saves--;
    buf_free(&s->rows);
    buf_free(&s->gone);
    buf_free(&s->sends);
    free(s);
}

void group_save_send(struct group_save *s, struct group_event *ev, struct slice record)
{
    ev->sender = s;
    buf_u64(&s->sends, ev->id);
    buf_u32(&s->sends, (uint32_t)record.len);
    buf_put_slice(&s->sends, record);
}

/* --- afterwards ---------------------------------------------------------------------- */

static void rows_settle(struct group_save *s, bool stored)
{
    struct reader r = reader_of(s->rows.p, s->rows.len);

    while (r.left > 0) {
        struct group_event *ev = group_event_find(s->group, reader_u64(&r));

        if (ev == NULL)
            continue;
        if (!stored)
            group_event_row_failed(s->group, ev);
        else if (ev->row == ROW_SUBMITTED)
            ev->row = ROW_THERE;
    }
}

/* Once more: nothing has left. */
static void send_take_back(struct group *g, struct group_event *ev)
{
    ev->member->client->credit++;
    group_event_unassign(g, ev);
}

static void sends_settle(struct group_save *s, bool stored)
{
    struct reader r = reader_of(s->sends.p, s->sends.len);

    while (r.left > 0) {
        struct group_event *ev = group_event_find(s->group, reader_u64(&r));
        struct slice record = reader_bytes(&r, reader_u32(&r));

        if (ev == NULL || ev->sender != s || ev->state != EVENT_ASSIGNED)
            continue;
        ev->sender = NULL;
        FAILPOINT(broker_group_saved);
        if (stored && ev->row == ROW_THERE)
            group_member_send(ev->member, record);
        else
            send_take_back(s->group, ev);
    }
}

static void save_on_stored(struct commit *c)
{
    struct group_save *s = c->data;
    struct group *g = s->group;
    bool stored = c->error == ERR_NONE;

    rows_settle(s, stored);
    sends_settle(s, stored);
    if (!stored) {
        buf_put(&g->gone, s->gone.p, s->gone.len);
        g->dirty = true;
    }
    save_free(s);
}

/* --- before --------------------------------------------------------------------------- */

static void put_cursor(struct commit *c, struct group *g)
{
    uint8_t value[8];

    g->saved_cursor = group_cursor(g);
    le64_put(value, g->saved_cursor);
    commit_put(c, SPACE_GROUP, commit_copy(c, g->name, g->name_len), SLICE("C"),
               commit_copy(c, value, sizeof value));
}

static void put_rows(struct commit *c, struct group_save *s, struct slice owner)
{
    struct group *g = s->group;
    struct group_event *ev, *next;

    DL_FOREACH_SAFE2 (g->unsaved, ev, next, unext) {
        commit_put(c, SPACE_GROUP, owner, group_event_key(c, ev->id), SLICE(""));
        buf_u64(&s->rows, ev->id);
        group_event_row_put(g, ev);
    }
}

static void drop_rows(struct commit *c, struct group_save *s, struct slice owner)
{
    struct reader r;

    s->gone = s->group->gone;
    s->group->gone = (struct buf){0};
    r = reader_of(s->gone.p, s->gone.len);
    while (r.left > 0)
        commit_drop(c, SPACE_GROUP, owner, group_event_key(c, reader_u64(&r)));
}

void group_save_submit(struct group_save *s)
{
    struct group *g = s->group;
    struct commit *c = commit_new(s);
    struct slice owner = commit_copy(c, g->name, g->name_len);

    put_cursor(c, g);
    put_rows(c, s, owner);
    drop_rows(c, s, owner);
    g->dirty = false;
    commit_submit(c, g->all->store, save_on_stored);
}

void group_save_checkpoint(struct group *g)
{
    if (g->dirty && g->placed && g->members != NULL && !g->all->stopping)
        group_save_submit(group_save_new(g));
}
