/*
 * session_units.c - what gateways send about sessions: frame to unit to answer.
 *
 * A frame that cannot be taken apart is refused whole, before any of it is taken.
 * Each unit in it stands for itself: a malformed body, or one unit more than a
 * gateway may have under way, is an answer with an error.
 *
 *   ATTACH, DETACH   become ops of their session (session_attach.c, session_end.c)
 *   WRITE            is submitted at once: changes, and at most one event
 *   POSITION         likewise: how far all that follow have got
 *
 * The frame stays where it was received until its last unit is answered.  A unit
 * keeps its holder; the gateway's link may have ended by the time it is answered,
 * or be another one: then the gateway has sent it again, and takes either answer.
 */
#include <assert.h>
#include <stdlib.h>

#include "failpoint.h"
#include "mem.h"
#include "publish_check.h"
#include "session_impl.h"

/* --- answers ------------------------------------------------------------------- */

static void parcel_release(struct parcel *p)
{
    if (--p->references > 0)
        return;
    zmsg_close(&p->m);
    free(p);
}

static void unit_end(struct unit *u, const struct wire_session_ack *a)
{
    struct holder *h = u->by;

    assert(h != NULL && h->units > 0);
    if (h->peer != NULL)
        h->all->ops->acknowledge(h->peer, a);
    h->units--;
    h->bytes -= u->bytes;
    parcel_release(u->parcel);
    *u = (struct unit){0};
}

void unit_answer(struct unit *u, struct slice answer)
{
    unit_end(u, &(struct wire_session_ack){.seq = u->seq, .data = answer});
}

void unit_refuse(struct unit *u, enum sluice_error error, const char *text)
{
    unit_end(u, &(struct wire_session_ack){u->seq, (uint16_t)error, slice_of(text)});
}

/* --- WRITE ------------------------------------------------------------------------ */

struct write {
    struct unit unit;
    struct store_event event;
    struct wire_write m;
};

static void write_done(struct commit *c)
{
    struct write *w = c->data;
    struct buf answer = {0};

    FAILPOINT(broker_written);
    groups_written(w->unit.by->all->groups, &w->m, w->unit.seq, c->error == ERR_NONE);
    if (c->error == ERR_NONE) {
        buf_u64(&answer, c->id);
        unit_answer(&w->unit, (struct slice){(const char *)answer.p, answer.len});
        buf_free(&answer);
    } else {
        unit_refuse(&w->unit, c->error, c->text);
    }
    free(w);
}

/* *filters: how many more filters there are then, at most. */
static enum sluice_error items_check(struct slice items, uint32_t *filters, const char **text)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;

    while (wire_item_get(&r, &item)) {
        if (!item_is_well_formed(&item)) {
            *text = "An item is not well formed";
            return ERR_BAD_REQUEST;
        }
        if (item.key.p[0] == WIRE_ITEM_FILTER && !item.drop)
            *filters += 1;
        else if (item.key.p[0] == WIRE_ITEM_FILTER && *filters > 0)
            *filters -= 1;
    }
    *text = "Too many filters";
    return *filters > SESSION_FILTERS_MAX ? ERR_TOO_MANY : ERR_NONE;
}

static enum sluice_error write_check(struct write *w, struct session *s, const char **text)
{
    struct reader r = reader_of(w->m.record.p, w->m.record.len);
    enum sluice_error error = ERR_BAD_EVENT;
    uint32_t filters;

    if (s == NULL || s->holder != w->unit.by || s->head.epoch != w->m.epoch || s->closing) {
        *text = "Another connection holds the session";
        return ERR_FENCED;
    }
    if (w->m.record.len != 0) {
        *text = "The event is malformed";
        if (event_record_get(&r, &w->event.e))
            error = publish_check(&w->event, s->all->options.max_payload, text);
        if (error != ERR_NONE)
            return error;
    }
    filters = s->filters;
    error = items_check(w->m.items, &filters, text);
    if (error == ERR_NONE)
        s->filters = filters;
    return error;
}

void commit_items(struct commit *c, struct slice client, struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;

    while (wire_item_get(&r, &item)) {
        if (item.drop)
            commit_drop(c, SPACE_ITEM, client, item.key);
        else
            commit_put(c, SPACE_ITEM, client, item.key, item.value);
    }
}

static void write_refuse(struct write *w, enum sluice_error error, uint64_t conflict)
{
    struct buf text = {0};

    if (error == ERR_CONFLICT)
        buf_dec(&text, conflict);
    else
        buf_puts(&text, error_text(error));
    buf_u8(&text, 0);
    unit_refuse(&w->unit, error, (const char *)text.p);
    buf_free(&text);
    free(w);
}

/* Of a session that ends with its connection nothing is kept but its events. */
static void write_submit(struct write *w, struct session *s)
{
    struct commit *c = commit_new(w);
    uint64_t conflict;
    enum sluice_error error = groups_write(s->all->groups, s, &w->m, w->unit.seq, c, &conflict);

    if (error != ERR_NONE) {
        write_refuse(w, error, conflict);
        commit_free(c);
        return;
    }
    if (w->m.record.len != 0) {
        commit_event(c, &w->event);
        commit_link(c, &w->unit.by->instance, w->unit.seq);
    }
    if (s->head.expiry != 0)
        commit_items(c, w->m.client, w->m.items);
    if (!commit_is_empty(c)) {
        commit_submit(c, s->all->store, write_done);
        return;
    }
    write_done(c);
    commit_free(c);
}

static void write_take(struct unit *u, struct sessions *all, struct slice body)
{
    struct write *w = mem_zalloc(sizeof *w);
    const char *text = "The unit is malformed";
    enum sluice_error error = ERR_BAD_REQUEST;
    struct session *s = NULL;

    w->unit = *u;
    if (wire_write_get(body, &w->m)) {
        s = session_find(all, w->m.client);
        error = write_check(w, s, &text);
    }
    if (error == ERR_NONE) {
        FAILPOINT(broker_write);
        write_submit(w, s);
        return;
    }
    unit_refuse(&w->unit, error, text);
    free(w);
}

/* --- POSITION ----------------------------------------------------------------------- */

static void position_done(struct commit *c)
{
    struct unit *u = c->data;

    FAILPOINT(broker_positioned);
    if (c->error == ERR_NONE)
        unit_answer(u, (struct slice){NULL, 0});
    else
        unit_refuse(u, c->error, c->text);
    free(u);
}

static void position_take(struct unit *u, struct sessions *all, struct slice body)
{
    struct holder *h = u->by;
    struct unit *kept;
    struct commit *c;
    uint8_t value[8];
    uint64_t position;

    if (!wire_position_get(body, &position)) {
        unit_refuse(u, ERR_BAD_REQUEST, "The unit is malformed");
        return;
    }
    if (position > h->position)
        h->position = position;
    kept = mem_alloc(sizeof *kept);
    *kept = *u;
    c = commit_new(kept);
    le64_put(value, h->position);
    commit_put(c, SPACE_GATEWAY, (struct slice){(const char *)h->instance.b, sizeof h->instance.b},
               KEY_POSITION, commit_copy(c, value, sizeof value));
    FAILPOINT(broker_position);
    commit_submit(c, all->store, position_done);
}

static void on_forgotten(struct commit *c)
{
    (void)c;
}

void position_forget(struct sessions *all, struct slice instance)
{
    struct commit *c = commit_new(NULL);

    commit_drop_owner(c, SPACE_GATEWAY, commit_copy(c, instance.p, instance.len));
    commit_submit(c, all->store, on_forgotten);
}

/* --- frames ---------------------------------------------------------------------------- */

static bool frame_is_whole(const struct zmsg *m)
{
    struct reader r = wire_session_reader(zmsg_data(m), zmsg_size(m));
    struct wire_session_unit u;

    while (wire_session_unit_get(&r, &u))
        continue;
    return !r.bad;
}

/* A single unit larger than the window may pass when it is alone. */
static bool holder_has_room(const struct holder *h, size_t bytes)
{
    return h->units == 0 ||
           (h->units < HOLDER_UNITS_MAX && h->bytes + bytes <= h->all->options.window);
}

static void unit_take(struct holder *h, struct parcel *p, const struct wire_session_unit *w)
{
    struct unit u = {.by = h, .seq = w->seq, .bytes = w->body.len, .parcel = p};
    bool room = holder_has_room(h, u.bytes);

    p->references++;
    h->units++;
    h->bytes += u.bytes;
    if (!room)
        unit_refuse(&u, ERR_BUSY, "Too much of this gateway is under way");
    else if (w->op == WIRE_ATTACH)
        attach_take(&u, h->all, w->body);
    else if (w->op == WIRE_WRITE)
        write_take(&u, h->all, w->body);
    else if (w->op == WIRE_DETACH)
        detach_take(&u, h->all, w->body);
    else
        position_take(&u, h->all, w->body);
}

bool sessions_units(struct holder *h, struct zmsg *m)
{
    struct wire_session_unit u;
    struct parcel *p;
    struct reader r;

    if (!frame_is_whole(m))
        return false;
    p = mem_zalloc(sizeof *p);
    p->references = 1;
    zmsg_init(&p->m);
    zmsg_move(&p->m, m);
    r = wire_session_reader(zmsg_data(&p->m), zmsg_size(&p->m));
    while (wire_session_unit_get(&r, &u))
        unit_take(h, p, &u);
    parcel_release(p);
    return true;
}
