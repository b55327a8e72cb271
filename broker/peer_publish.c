/*
 * peer_publish.c - publishes and deletes of gateways: frame to store to ack.
 *
 * A PUBLISH frame holds several units, each stored whole or not at all and
 * acknowledged by its seq.  It is read once, from front to back: every record becomes
 * a view and is checked, every unit a request, and when the frame's end is reached
 * they go to the store.  The frame stays where ZeroMQ received it; views, and the
 * store's followers, point into it:
 *
 *   struct publish_frame ─▶ units[] ─▶ events[] ─▶ m: the bytes
 *
 * It is done with when the last of its units has been answered, and waits to be used
 * again.  The gateway may be gone by then: its peer struct waits for us, and the
 * acknowledgement is dropped (the gateway resends, and the store recognises the repeat).
 *
 * A bad event, a unit too many for the window: an acknowledgement with an error.
 * A frame that cannot be taken apart: false, and the peer is lost.
 */
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "log.h"
#include "mem.h"
#include "peer.h"
#include "publish_check.h"
#include "topic.h"

#define FRAMES_SPARE 8u /* kept for the next ones, if they have room for no more … */
#define FRAME_EVENTS 2048u

struct publish_unit {
    struct store_request request;
    struct publish_frame *frame;
    size_t first;            /* of its events */
    uint64_t bytes;          /* of its records */
    enum sluice_error error; /* it is refused */
    uint32_t index;          /* because of this event */
    const char *text;
};

struct publish_frame {
    struct peer *peer;
    struct zmsg m;
    struct wire_uuid instance; /* the peer's, at the time of sending */
    uint32_t pending;          /* units with the store, and 1 while submitting */
    struct publish_unit *units;
    struct store_event *events;
    size_t unit_count, unit_room, event_count, event_room;
    struct publish_frame *next; /* spare */
};

/* --- frames ----------------------------------------------------------------- */

static struct publish_frame *frame_new(struct peer *p, struct zmsg *m)
{
    struct peers *all = p->all;
    struct publish_frame *f = all->spare_frames;

    if (f != NULL) {
        LL_DELETE(all->spare_frames, f);
        all->spare_count--;
    } else {
        f = mem_zalloc(sizeof *f);
    }
    f->peer = p;
    f->instance = p->instance;
    f->pending = 1;
    f->unit_count = f->event_count = 0;
    zmsg_init(&f->m);
    zmsg_move(&f->m, m);
    peer_frame_begin(p);
    return f;
}

static void frame_free(struct publish_frame *f)
{
    free(f->units);
    free(f->events);
    free(f);
}

static void frame_release(struct publish_frame *f)
{
    struct peer *p = f->peer;
    struct peers *all = p->all;

    if (--f->pending > 0)
        return;
    zmsg_close(&f->m);
    if (all->spare_count < FRAMES_SPARE && f->unit_room <= FRAME_EVENTS &&
        f->event_room <= FRAME_EVENTS) {
        LL_PREPEND(all->spare_frames, f);
        all->spare_count++;
    } else {
        frame_free(f);
    }
    peer_frame_end(p);
}

void peer_frames_free(struct peers *all)
{
    struct publish_frame *f, *next;

    LL_FOREACH_SAFE (all->spare_frames, f, next)
        frame_free(f);
    all->spare_frames = NULL;
    all->spare_count = 0;
}

/* room for `more` of them behind `count`; the first time for few */
static void *grow(void *list, size_t count, size_t more, size_t *room, size_t size)
{
    if (count + more <= *room)
        return list;
    *room = *room == 0 ? 4 : *room * 2;
    if (*room < count + more)
        *room = count + more;
    return mem_resize(list, *room, size);
}

/* --- after the commit -------------------------------------------------------- */

static void unit_ack_error(struct peer *p, const struct store_request *r)
{
    const struct store_result *res = &r->result;
    struct wire_ack a = {
        .seq = r->link_seq,
        .error = (uint16_t)res->error,
        .index = res->index,
        .expected_seq = res->expected_seq,
        .received_seq = res->received_seq,
        .epoch = res->epoch,
        .text = slice_of(res->text != NULL ? res->text : error_text(res->error)),
    };

    peer_ack_error(p, &a);
}

static void unit_ack_ids(struct peer *p, const struct store_request *r)
{
    uint64_t few[8];
    uint64_t *ids = r->count <= 8 ? few : mem_array(r->count, sizeof *ids);

    for (uint32_t i = 0; i < r->count; i++) {
        const struct store_event *se = &r->events[i];

        ids[i] = se->id | (se->repeat ? WIRE_ACK_REPEAT : 0);
    }
    peer_ack_ok(p, r->link_seq, ids, r->count);
    if (ids != few)
        free(ids);
}

static void unit_done(struct store_request *r)
{
    struct publish_unit *u = CONTAINER_OF(r, struct publish_unit, request);
    struct peer *p = u->frame->peer;

    p->in_flight -= u->bytes;
    if (r->result.error != ERR_NONE)
        unit_ack_error(p, r);
    else if (r->kind == STORE_DELETE)
        peer_ack_ok(p, r->link_seq, &r->removed_to, 1);
    else
        unit_ack_ids(p, r);
    frame_release(u->frame);
}

/* --- before it ------------------------------------------------------------------ */

static void unit_refuse(struct peer *p, uint64_t seq, enum sluice_error error, uint32_t index,
                        const char *text)
{
    struct wire_ack a = {
        .seq = seq,
        .error = (uint16_t)error,
        .index = index,
        .text = slice_of(text),
    };

    peer_ack_error(p, &a);
}

/* A single unit larger than the window may pass when it is alone. */
static bool window_has_room(const struct peer *p, uint64_t bytes)
{
    return p->in_flight == 0 || p->in_flight + bytes <= p->all->options.window;
}

static void unit_submit(struct publish_frame *f, struct publish_unit *u)
{
    u->request.link = &f->instance;
    u->request.cb = unit_done;
    f->pending++;
    f->peer->in_flight += u->bytes;
    store_submit(f->peer->all->store, &u->request);
}

static struct publish_unit *unit_add(struct publish_frame *f, uint64_t seq)
{
    struct publish_unit *u;

    f->units = grow(f->units, f->unit_count, 1, &f->unit_room, sizeof *f->units);
    u = &f->units[f->unit_count++];
    *u = (struct publish_unit){.frame = f, .first = f->event_count};
    u->request.link_seq = seq;
    return u;
}

/* What the events of a unit say is looked at until one of them is wrong. */
static void unit_check(struct publish_unit *u, struct store_event *ev, uint32_t index)
{
    const struct peers_options *o = &u->frame->peer->all->options;

    if (u->error != ERR_NONE)
        return;
    u->error = publish_check(ev, o->max_payload, &u->text);
    u->index = index;
}

static void unit_read(struct publish_frame *f, const struct wire_unit *w, struct reader *r)
{
    struct publish_unit *u = unit_add(f, w->seq);
    uint8_t *bytes = zmsg_bytes(&f->m);
    const uint8_t *start = r->p;

    if (w->count > f->peer->all->options.max_batch) {
        u->error = ERR_TOO_LARGE;
        u->text = "More events than max_batch";
    }
    f->events = grow(f->events, f->event_count, w->count, &f->event_room, sizeof *f->events);
    for (uint32_t i = 0; i < w->count; i++) {
        struct store_event *ev = &f->events[f->event_count];

        ev->record = bytes + (r->p - bytes);
        if (!event_record_get(r, &ev->e))
            return; /* so the whole frame is wrong */
        f->event_count++;
        unit_check(u, ev, i);
    }
    u->bytes = (uint64_t)(r->p - start);
    u->request.count = w->count;
}

/* False when the frame is malformed anywhere: then nothing of it is taken. */
static bool frame_read(struct publish_frame *f)
{
    struct reader r = wire_publish_reader(zmsg_data(&f->m), zmsg_size(&f->m));
    struct wire_unit w;

    while (wire_unit_get(&r, &w))
        unit_read(f, &w, &r);
    return !r.bad;
}

static void unit_take(struct publish_frame *f, struct publish_unit *u)
{
    if (!window_has_room(f->peer, u->bytes)) {
        unit_refuse(f->peer, u->request.link_seq, ERR_BUSY, 0, "The publish window is exceeded");
    } else if (u->error != ERR_NONE) {
        unit_refuse(f->peer, u->request.link_seq, u->error, u->index, u->text);
    } else {
        u->request.kind = STORE_APPEND;
        u->request.events = f->events + u->first;
        unit_submit(f, u);
    }
}

bool peer_publish(struct peer *p, struct zmsg *m)
{
    struct publish_frame *f = frame_new(p, m);
    bool whole = frame_read(f);

    for (size_t i = 0; whole && i < f->unit_count; i++)
        unit_take(f, &f->units[i]);
    frame_release(f);
    return whole;
}

bool peer_delete(struct peer *p, struct zmsg *m)
{
    struct publish_frame *f = frame_new(p, m);
    struct publish_unit *u;
    struct slice topic;
    uint64_t seq;
    bool whole = wire_delete_get(zmsg_data(&f->m), zmsg_size(&f->m), &seq, &topic);
    enum topic_verdict v = whole ? topic_check(topic) : TOPIC_OK;

    if (whole && v != TOPIC_OK) {
        unit_refuse(p, seq, ERR_BAD_TOPIC, 0, topic_verdict_text(v));
    } else if (whole) {
        u = unit_add(f, seq);
        u->request.kind = STORE_DELETE;
        u->request.topic = topic;
        unit_submit(f, u);
    }
    frame_release(f);
    return whole;
}
