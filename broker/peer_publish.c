/*
 * peer_publish.c - publishes and deletes of gateways: frame to store to ack.
 *
 * A PUBLISH frame holds several units, each stored whole or not at all and
 * acknowledged by its seq.  The frame stays where ZeroMQ received it; one
 * allocation holds all its requests and events, which point into it:
 *
 *   struct publish_frame | units[] | events[]        m: the bytes they point into
 *
 * It is freed when the last of its units has been answered.  The gateway may be
 * gone by then: its peer struct waits for us, and the acknowledgement is dropped
 * (the gateway resends, and the store recognises the repeat).
 *
 * A bad event, a unit too many for the window: an acknowledgement with an error.
 * A frame that cannot be taken apart: false, and the peer is lost.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "peer.h"
#include "publish_check.h"
#include "topic.h"

struct publish_frame;
struct publish_unit {
    struct store_request request;
    struct publish_frame *frame;
    uint64_t bytes;
};

struct publish_frame {
    struct peer *peer;
    struct zmsg m;
    struct wire_uuid instance; /* the peer's, at the time of sending */
    uint32_t pending;          /* units with the store, and 1 while submitting */
    struct publish_unit units[];
};

static void frame_release(struct publish_frame *f)
{
    struct peer *p = f->peer;

    if (--f->pending > 0)
        return;
    zmsg_close(&f->m);
    free(f);
    peer_frame_end(p);
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

static struct publish_frame *frame_new(struct peer *p, struct zmsg *m, size_t units, size_t events,
                                       struct store_event **first_event)
{
    size_t head = sizeof(struct publish_frame) + units * sizeof(struct publish_unit);
    struct publish_frame *f = mem_zalloc(head + events * sizeof(struct store_event));

    static_assert(_Alignof(struct store_event) <= _Alignof(struct publish_unit),
                  "events follow units");
    *first_event = (struct store_event *)(void *)((char *)f + head);
    f->peer = p;
    f->instance = p->instance;
    f->pending = 1;
    zmsg_init(&f->m);
    zmsg_move(&f->m, m);
    peer_frame_begin(p);
    return f;
}

static void unit_submit(struct publish_frame *f, struct publish_unit *u, uint64_t seq)
{
    u->frame = f;
    u->request.link = &f->instance;
    u->request.link_seq = seq;
    u->request.cb = unit_done;
    f->pending++;
    f->peer->in_flight += u->bytes;
    store_submit(f->peer->all->store, &u->request);
}

/* Reads the unit's records into `events`; ERR_NONE, or why not and which. */
static enum sluice_error unit_read(const struct peer *p, const struct wire_unit *w,
                                   struct store_event *events, uint32_t *index, const char **text)
{
    struct reader r = reader_of(w->records.p, w->records.len);
    enum sluice_error error;

    *index = 0;
    if (w->count > p->all->options.max_batch) {
        *text = "More events than max_batch";
        return ERR_TOO_LARGE;
    }
    for (uint32_t i = 0; i < w->count; i++) {
        bool whole = event_record_get(&r, &events[i].e);

        assert(whole); /* wire_unit_get has walked them */
        *index = i;
        error =
            whole ? publish_check(&events[i], p->all->options.max_payload, text) : ERR_BAD_EVENT;
        if (error != ERR_NONE)
            return error;
    }
    return ERR_NONE;
}

static void unit_take(struct publish_frame *f, struct publish_unit *u, const struct wire_unit *w,
                      struct store_event *events)
{
    struct peer *p = f->peer;
    const char *text = "";
    uint32_t index;
    enum sluice_error error;

    if (!window_has_room(p, w->records.len)) {
        unit_refuse(p, w->seq, ERR_BUSY, 0, "The publish window is exceeded");
        return;
    }
    error = unit_read(p, w, events, &index, &text);
    if (error != ERR_NONE) {
        unit_refuse(p, w->seq, error, index, text);
        return;
    }
    u->bytes = w->records.len;
    u->request.kind = STORE_APPEND;
    u->request.events = events;
    u->request.count = w->count;
    unit_submit(f, u, w->seq);
}

/* False when the frame is malformed anywhere: then nothing of it is taken. */
static bool frame_count(const struct zmsg *m, size_t *units, size_t *events)
{
    struct reader r = wire_publish_reader(zmsg_data(m), zmsg_size(m));
    struct wire_unit w;

    *units = 0;
    *events = 0;
    while (wire_unit_get(&r, &w)) {
        *units += 1;
        *events += w.count;
    }
    return !r.bad;
}

bool peer_publish(struct peer *p, struct zmsg *m)
{
    size_t units, event_count;
    struct store_event *events;
    struct publish_frame *f;
    struct reader r;
    struct wire_unit w;

    if (!frame_count(m, &units, &event_count))
        return false;
    f = frame_new(p, m, units, event_count, &events);
    r = wire_publish_reader(zmsg_data(&f->m), zmsg_size(&f->m));
    for (size_t i = 0; wire_unit_get(&r, &w); i++) {
        unit_take(f, &f->units[i], &w, events);
        events += w.count;
    }
    frame_release(f);
    return true;
}

bool peer_delete(struct peer *p, struct zmsg *m)
{
    struct store_event *none;
    struct slice topic;
    struct publish_frame *f;
    uint64_t seq;

    if (!wire_delete_get(zmsg_data(m), zmsg_size(m), &seq, &topic))
        return false;
    if (topic_check(topic) != TOPIC_OK) {
        unit_refuse(p, seq, ERR_BAD_TOPIC, 0, topic_verdict_text(topic_check(topic)));
        return true;
    }
    f = frame_new(p, m, 1, 0, &none);
    (void)wire_delete_get(zmsg_data(&f->m), zmsg_size(&f->m), &seq, &f->units[0].request.topic);
    f->units[0].request.kind = STORE_DELETE;
    unit_submit(f, &f->units[0], seq);
    frame_release(f);
    return true;
}
