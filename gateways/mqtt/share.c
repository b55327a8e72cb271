/*
 * share.c - a member of shared groups: what it is assigned, and how much more it takes.
 *
 * Happy path: ASSIGN comes, the event is handed over at once; when the client has
 * acknowledged it (or the session has taken it over) DONE goes at the end of the turn,
 * and CREDIT when what the broker believes is far from the truth: half of it, or less.
 * So a steady stream costs a CREDIT for some events, not for each.
 *
 * How it fails: an event for a session, an epoch or a group that is not here goes back
 * at once, for another member.  With the link down what is to be told gathers, which is
 * bounded by what was assigned; the next link hears of it behind HOLD.
 */
#include "share.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "deliver.h"
#include "failpoint.h"
#include "log.h"
#include "mem.h"
#include "subscribe.h"

#define CREDIT_MAX 1024u         /* events that may wait here for one client */
#define FRAME_MAX (256u * 1024u) /* a frame of DONEs ends above this */

/* An assigned event that the client has no room for yet. */
struct assigned {
    struct assigned *prev, *next;
    struct sub *sub;
    struct block *block; /* of this one event */
};

struct shared_member {
    struct shared_member *prev, *next;           /* all of the process */
    struct shared_member *turn_prev, *turn_next; /* those whose credit may have changed */
    bool in_turn;
    struct session *session;
    uint32_t groups;
    uint32_t believed; /* credit that the broker still counts on */
    struct assigned *queue;
    uint32_t queued;
};

struct shared_out {
    struct shared_member *members, *turn;
    struct buf done; /* entries of DONE, not yet told */
};

static struct shared_out *out_of(struct mqttd *m)
{
    if (m->shared == NULL)
        m->shared = mem_zalloc(sizeof *m->shared);
    return m->shared;
}

static void touch(struct shared_member *sm)
{
    struct shared_out *out = out_of(sm->session->mqtt);

    if (sm->in_turn)
        return;
    sm->in_turn = true;
    DL_APPEND2(out->turn, sm, turn_prev, turn_next);
}

/* --- what is told ------------------------------------------------------------------- */

static void tell_done(struct mqttd *m, struct wire_done d)
{
    wire_done_put(&out_of(m)->done, &d);
}

void shared_done(struct session *s, const struct group_name *group, uint64_t id, bool returned)
{
    tell_done(s->mqtt, (struct wire_done){.client = slice_of(s->id),
                                          .epoch = s->epoch,
                                          .group = {group->text, group->len},
                                          .id = id,
                                          .returned = returned});
    if (s->shared != NULL)
        touch(s->shared);
}

static void flush_done(struct mqttd *m)
{
    struct reader entries = reader_of(m->shared->done.p, m->shared->done.len);
    struct buf frame = {0};
    struct wire_done d;

    while (wire_done_get(&entries, &d)) {
        if (frame.len == 0)
            wire_tell_begin(&frame, WIRE_TELL_DONE);
        wire_done_put(&frame, &d);
        if (frame.len > FRAME_MAX)
            link_tell(m->gateway->link, &frame);
    }
    if (frame.len > 0)
        link_tell(m->gateway->link, &frame);
    buf_free(&m->shared->done);
}

static uint32_t credit_now(const struct shared_member *sm)
{
    uint32_t room = deliver_room(sm->session);

    room = room < CREDIT_MAX ? room : CREDIT_MAX;
    return sm->groups > 0 && room > sm->queued ? room - sm->queued : 0;
}

/* What is told halves, or doubles. */
static bool is_notable(uint32_t believed, uint32_t now)
{
    return now > believed ? now - believed >= believed : believed - now > now;
}

static void put_credit(struct shared_member *sm, struct buf *frame)
{
    struct session *s = sm->session;
    uint32_t now = credit_now(sm);

    if (!is_notable(sm->believed, now))
        return;
    if (frame->len == 0)
        wire_tell_begin(frame, WIRE_TELL_CREDIT);
    wire_credit_put(frame, &(struct wire_credit){slice_of(s->id), s->epoch, now});
    sm->believed = now;
}

static void flush_credit(struct mqttd *m)
{
    struct shared_member *sm;
    struct buf frame = {0};

    while ((sm = m->shared->turn) != NULL) {
        DL_DELETE2(m->shared->turn, sm, turn_prev, turn_next);
        sm->in_turn = false;
        put_credit(sm, &frame);
    }
    if (frame.len > 0)
        link_tell(m->gateway->link, &frame);
}

void shared_turn(struct mqttd *m)
{
    if (m->shared == NULL || !link_is_up(m->gateway->link))
        return;
    flush_done(m);
    flush_credit(m);
}

/* The broker has forgotten what it was told. */
void shared_up(struct mqttd *m)
{
    struct shared_member *sm;

    if (m->shared == NULL)
        return;
    DL_FOREACH (m->shared->members, sm) {
        sm->believed = 0;
        touch(sm);
    }
}

/* --- what is assigned ------------------------------------------------------------------- */

static struct entry *entry_of(const struct assigned *a)
{
    return &a->block->entries[0];
}

static void assigned_free(struct shared_member *sm, struct assigned *a)
{
    DL_DELETE(sm->queue, a);
    sm->queued--;
    block_evict(a->block);
    free(a);
}

static void give_back(struct shared_member *sm, struct assigned *a)
{
    shared_done(sm->session, a->sub->group, entry_of(a)->e.id, true);
    assigned_free(sm, a);
}

/* The block gets bytes of its own: the frame goes. */
static struct block *block_of(struct slice record)
{
    struct buf copy = {0};
    struct block *b;
    struct zmsg z;

    buf_put_slice(&copy, record);
    zmsg_init_buf(&z, &copy);
    b = block_new(&z, reader_of(zmsg_data(&z), zmsg_size(&z)));
    zmsg_close(&z);
    if (b == NULL || b->count == 1)
        return b;
    block_unref(b);
    return NULL;
}

/* In the order in which they were assigned. */
static void hand_over(struct shared_member *sm)
{
    struct assigned *a;

    while ((a = sm->queue) != NULL && deliver_assigned(sm->session, a->sub, entry_of(a)))
        assigned_free(sm, a);
}

static void take(struct sub *sub, struct block *b)
{
    struct shared_member *sm = sub->session->shared;
    struct assigned *a = mem_zalloc(sizeof *a);

    FAILPOINT(mqtt_assigned);
    a->sub = sub;
    a->block = b;
    DL_APPEND(sm->queue, a);
    sm->queued++;
    sm->believed -= sm->believed > 0;
    touch(sm);
    if (sm->queue == a)
        hand_over(sm);
}

/* NULL: it is not here. */
static struct sub *sub_of(struct mqttd *m, const struct wire_assign *a)
{
    struct session *s;
    struct sub *sub;

    HASH_FIND(hh, m->sessions, a->client.p, a->client.len, s);
    if (s == NULL || s->ended || s->epoch != a->epoch || s->shared == NULL)
        return NULL;
    sub = session_sub_find(s, a->group);
    return sub != NULL && sub->kind == SUB_SHARED && sub->group != NULL ? sub : NULL;
}

/* A broker that has been away may assign what the client has already. */
static bool is_known(const struct sub *sub, uint64_t id)
{
    const struct flight *f = &sub->session->flight;
    const struct assigned *a;

    DL_FOREACH (sub->session->shared->queue, a)
        if (a->sub == sub && entry_of(a)->e.id == id)
            return true;
    for (uint16_t at = flight_next(f, 0); at != 0; at = flight_next(f, at))
        if (flight_get(f, at)->event == id && flight_get(f, at)->group == sub->group)
            return true;
    return false;
}

void sessions_assign(struct mqttd *m, struct reader body)
{
    struct wire_assign a;
    struct block *b;
    struct sub *sub;

    if (!wire_assign_get(&body, &a) || (b = block_of(a.record)) == NULL) {
        log_error("an event of a shared group is malformed");
        return;
    }
    sub = sub_of(m, &a);
    if (sub != NULL && !is_known(sub, b->entries[0].e.id)) {
        take(sub, b);
        return;
    }
    if (sub == NULL)
        tell_done(m, (struct wire_done){.client = a.client,
                                        .epoch = a.epoch,
                                        .group = a.group,
                                        .id = b->entries[0].e.id,
                                        .returned = true});
    block_unref(b);
}

/* --- membership ------------------------------------------------------------------------------ */

void shared_joined(struct sub *sub)
{
    struct session *s = sub->session;

    assert(sub->kind == SUB_SHARED);
    if (s->shared == NULL) {
        s->shared = mem_zalloc(sizeof *s->shared);
        s->shared->session = s;
        DL_APPEND(out_of(s->mqtt)->members, s->shared);
    }
    s->shared->groups++;
    touch(s->shared);
}

void shared_left(struct sub *sub)
{
    struct shared_member *sm = sub->session->shared;
    struct assigned *a, *next;

    if (sm == NULL)
        return;
    DL_FOREACH_SAFE (sm->queue, a, next)
        if (a->sub == sub)
            give_back(sm, a);
    sm->groups--;
    touch(sm);
}

void shared_resume(struct session *s)
{
    if (s->shared == NULL)
        return;
    hand_over(s->shared);
    touch(s->shared);
}

void shared_end(struct session *s)
{
    struct shared_member *sm = s->shared;
    struct shared_out *out = s->mqtt->shared;

    if (sm == NULL)
        return;
    while (sm->queue != NULL)
        give_back(sm, sm->queue);
    if (sm->in_turn)
        DL_DELETE2(out->turn, sm, turn_prev, turn_next);
    DL_DELETE(out->members, sm);
    s->shared = NULL;
    free(sm);
}

void shared_free(struct mqttd *m)
{
    if (m->shared == NULL)
        return;
    assert(m->shared->members == NULL);
    buf_free(&m->shared->done);
    free(m->shared);
    m->shared = NULL;
}
