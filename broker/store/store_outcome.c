/*
 * store_outcome.c - from the writer to the loop: what is finished, in order.
 *
 *   outcome_open ─▶ filled by the writer ─▶ outcome_deliver ─▶ outcome_take_all ─▶ outcome_recycle
 *                                           (wakes the loop)   (loop thread)
 *
 * One is filled at a time; one that was announced waits to be filled again, so that
 * the usual batch makes no allocation.
 */
#include <stdlib.h>

#include <utlist.h>

#include "mem.h"
#include "store_impl.h"

#define SPARE_ITEMS 65536u /* more room than for so many is not kept */

struct outcome *outcome_open(struct store *s)
{
    struct outcome *o = s->current;

    if (o != NULL)
        return o;
    uv_mutex_lock(&s->lock);
    o = s->spare;
    s->spare = NULL;
    uv_mutex_unlock(&s->lock);
    s->current = o != NULL ? o : mem_zalloc(sizeof *o);
    return s->current;
}

void outcome_answer(struct store *s, struct store_request *r)
{
    DL_APPEND(outcome_open(s)->requests, r);
}

void outcome_forget(struct store *s, struct topic *t)
{
    topics_forget(&s->topics, t);
    buf_u32(&outcome_open(s)->forgotten, t->number);
    t->let_go = s->delivered + 1;
}

void outcome_deliver(struct store *s)
{
    struct outcome *o = s->current;

    if (o == NULL)
        return;
    s->current = NULL;
    s->delivered++;
    uv_mutex_lock(&s->lock);
    DL_APPEND(s->outcomes, o);
    uv_mutex_unlock(&s->lock);
    uv_async_send(&s->async);
}

struct outcome *outcome_take_all(struct store *s)
{
    struct outcome *all;

    uv_mutex_lock(&s->lock);
    all = s->outcomes;
    s->outcomes = NULL;
    uv_mutex_unlock(&s->lock);
    return all;
}

void outcome_free(struct outcome *o)
{
    if (o == NULL)
        return;
    buf_free(&o->forgotten);
    free(o->items);
    free(o);
}

void outcome_recycle(struct store *s, struct outcome *o)
{
    struct buf forgotten = o->forgotten;
    struct store_item *items = o->items;
    size_t room = o->item_room;

    if (room > SPARE_ITEMS) {
        outcome_free(o);
        return;
    }
    buf_clear(&forgotten);
    *o = (struct outcome){.forgotten = forgotten, .items = items, .item_room = room};
    uv_mutex_lock(&s->lock);
    if (s->spare == NULL) {
        s->spare = o;
        o = NULL;
    }
    uv_mutex_unlock(&s->lock);
    outcome_free(o);
}
