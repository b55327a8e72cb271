/*
 * session_write.c - WRITE: items of a session that change, shared events that it takes
 * over, at most one event of its client; all of it or nothing.
 *
 * It is checked against who holds the session and submitted at once, so that writes
 * stand in the store's queue in the order in which they came.
 */
#include <stdlib.h>

#include "failpoint.h"
#include "mem.h"
#include "publish_check.h"
#include "session_impl.h"

struct session_write {
    struct session_unit unit;
    struct store_event event;
    struct wire_write m;
};

static void write_on_done(struct commit *c)
{
    struct session_write *w = c->data;
    struct buf answer = {0};

    FAILPOINT(broker_written);
    groups_written(w->unit.by->all->groups, &w->m, w->unit.seq, c->error == ERR_NONE);
    if (c->error == ERR_NONE) {
        buf_u64(&answer, c->id);
        session_unit_answer(&w->unit, buf_slice(&answer));
        buf_free(&answer);
    } else {
        session_unit_refuse(&w->unit, c->error, c->text);
    }
    free(w);
}

static enum sluice_error items_check(struct slice items, const char **text)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;
    uint32_t filters = 0;

    while (wire_item_get(&r, &item)) {
        if (!session_item_ok(&item)) {
            *text = "An item is not well formed";
            return ERR_BAD_REQUEST;
        }
        filters += item.key.p[0] == WIRE_ITEM_FILTER && !item.drop;
    }
    *text = "Too many filters";
    return filters > WRITE_FILTERS_MAX ? ERR_TOO_MANY : ERR_NONE;
}

/* The record lies in the unit's frame, where the store may write into it. */
static enum sluice_error event_take(struct session_write *w, uint64_t max_payload,
                                    const char **text)
{
    struct reader r = reader_of(w->m.record.p, w->m.record.len);
    uint8_t *frame = zmsg_bytes(&w->unit.frame->m);

    *text = "The event is malformed";
    if (!event_record_get(&r, &w->event.e))
        return ERR_BAD_EVENT;
    w->event.record = frame + (w->m.record.p - (const char *)frame);
    return publish_check(&w->event, max_payload, text);
}

static enum sluice_error write_check(struct session_write *w, struct session *s, const char **text)
{
    enum sluice_error error;

    if (!session_is_held_by(s, w->unit.by, w->m.epoch) || s->shared.closing) {
        *text = "Another connection holds the session";
        return ERR_FENCED;
    }
    if (w->m.record.len != 0) {
        error = event_take(w, s->all->options.max_payload, text);
        if (error != ERR_NONE)
            return error;
    }
    return items_check(w->m.items, text);
}

static void write_refuse(struct session_write *w, enum sluice_error error, uint64_t conflict)
{
    struct buf text = {0};

    if (error == ERR_CONFLICT)
        buf_dec(&text, conflict);
    else
        buf_puts(&text, error_text(error));
    buf_u8(&text, 0);
    session_unit_refuse(&w->unit, error, (const char *)text.p);
    buf_free(&text);
    free(w);
}

/* Of a session that ends with its connection nothing is kept but its events. */
static void write_submit(struct session_write *w, struct session *s)
{
    struct commit *c = commit_new(w);
    uint64_t conflict;
    enum sluice_error error =
        groups_write(s->all->groups, &s->shared, &w->m, w->unit.seq, c, &conflict);

    if (error != ERR_NONE) {
        write_refuse(w, error, conflict);
        commit_free(c);
        return;
    }
    if (w->m.record.len != 0) {
        commit_event(c, &w->event);
        commit_link(c, &w->unit.by->shared.instance, w->unit.seq);
    }
    if (s->head.expiry != 0)
        session_commit_changes(c, w->m.client, w->m.items);
    if (!commit_is_empty(c)) {
        commit_submit(c, s->all->store, write_on_done);
        return;
    }
    write_on_done(c);
    commit_free(c);
}

void session_write_take(struct session_unit *u, struct slice body)
{
    struct session_write *w = mem_zalloc(sizeof *w);
    const char *text = "The unit is malformed";
    enum sluice_error error = ERR_BAD_REQUEST;
    struct session *s = NULL;

    w->unit = *u;
    if (wire_write_get(body, &w->m)) {
        s = session_find(u->by->all, w->m.client);
        error = write_check(w, s, &text);
    }
    if (error == ERR_NONE) {
        FAILPOINT(broker_write);
        write_submit(w, s);
        return;
    }
    session_unit_refuse(&w->unit, error, text);
    free(w);
}
