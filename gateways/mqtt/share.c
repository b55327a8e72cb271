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

#define CREDIT_MAX 1024u         /* events that may wait here for one client */
#define FRAME_MAX (256u * 1024u) /* a frame of DONEs ends above this */

/* An assigned event that the client has no room for yet. */
struct share_assigned {
    struct share_assigned *prev, *next;
    struct sub *sub;
    struct block *block; /* of this one event */
};

struct share_member {
    struct share_member *prev, *next;           /* all of the process */
    struct share_member *turn_prev, *turn_next; /* those whose credit may have changed */
    bool in_turn;
    struct session *session;
    uint32_t groups;
    uint32_t believed; /* credit that the broker still counts on */
    struct share_assigned *queue;
    uint32_t queued;
};

struct share_out {
    struct share_member *members, *turn;
    struct buf done;   /* entries of DONE, not yet told */
    struct buf record; /* of the ASSIGN before: one without a record means it */
};

static struct share_out *share_out_of(struct mqttd *m)
{
    if (m->share == NULL)
        m->share = mem_zalloc(sizeof *m->share);
    return m->share;
}

static void share_touch(struct share_member *sm)
{
    struct share_out *out = share_out_of(sm->session->mqtt);

    if (sm->in_turn)
        return;
    sm->in_turn = true;
    DL_APPEND2(out->turn, sm, turn_prev, turn_next);
}

/* --- what is told ------------------------------------------------------------------- */

static void share_tell_done(struct mqttd *m, struct wire_done d)
{
    wire_done_put(&share_out_of(m)->done, &d);
}

void share_done(struct session *s, const struct group_name *group, uint64_t id, bool returned)
{
    share_tell_done(s->mqtt, (struct wire_done){.client = slice_of(s->id),
                                                .epoch = s->epoch,
                                                .group = {group->text, group->len},
                                                .id = id,
                                                .returned = returned});
    if (s->share != NULL)
        share_touch(s->share);
}

static void share_flush_done(struct mqttd *m)
{
    struct reader entries = reader_of(m->share->done.p, m->share->done.len);
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
    buf_free(&m->share->done);
}

static uint32_t share_credit_now(const struct share_member *sm)
{
    uint32_t room = deliver_room(sm->session);

    room = room < CREDIT_MAX ? room : CREDIT_MAX;
    return sm->groups > 0 && room > sm->queued ? room - sm->queued : 0;
}

/* What is told halves, or doubles. */
static bool share_is_notable(uint32_t believed, uint32_t now)
{
    return now > believed ? now - believed >= believed : believed - now > now;
}

static void share_put_credit(struct share_member *sm, struct buf *frame)
{
    struct session *s = sm->session;
    uint32_t now = share_credit_now(sm);

    if (!share_is_notable(sm->believed, now))
        return;
    if (frame->len == 0)
        wire_tell_begin(frame, WIRE_TELL_CREDIT);
    wire_credit_put(frame, &(struct wire_credit){slice_of(s->id), s->epoch, now});
    sm->believed = now;
}

static void share_flush_credit(struct mqttd *m)
{
    struct share_member *sm;
    struct buf frame = {0};

    while ((sm = m->share->turn) != NULL) {
        DL_DELETE2(m->share->turn, sm, turn_prev, turn_next);
        sm->in_turn = false;
        share_put_credit(sm, &frame);
    }
    if (frame.len > 0)
        link_tell(m->gateway->link, &frame);
}

void share_turn(struct mqttd *m)
{
    if (m->share == NULL || !link_is_up(m->gateway->link))
        return;
    share_flush_done(m);
    share_flush_credit(m);
}

/* The broker has forgotten what it was told. */
void share_up(struct mqttd *m)
{
    struct share_member *sm;

    if (m->share == NULL)
        return;
    buf_free(&m->share->record);
    DL_FOREACH (m->share->members, sm) {
        sm->believed = 0;
        share_touch(sm);
    }
}

/* --- what is assigned ------------------------------------------------------------------- */

static struct entry *share_entry_of(const struct share_assigned *a)
{
    return &a->block->entries[0];
}

static void share_assigned_free(struct share_member *sm, struct share_assigned *a)
{
    DL_DELETE(sm->queue, a);
    sm->queued--;
    block_evict(a->block);
    free(a);
}

static void share_give_back(struct share_member *sm, struct share_assigned *a)
{
    share_done(sm->session, a->sub->group, share_entry_of(a)->e.id, true);
    share_assigned_free(sm, a);
}

/* False: there is none. */
static bool share_record_get(struct share_out *out, struct slice *record)
{
    if (record->len > 0) {
        buf_clear(&out->record);
        buf_put_slice(&out->record, *record);
    }
    *record = buf_slice(&out->record);
    return record->len > 0;
}

/* The block gets bytes of its own: the frame goes. */
static struct block *share_block_of(struct mqttd *m, struct slice record)
{
    struct buf copy = {0};
    struct block *b;
    struct zmsg z;

    buf_put_slice(&copy, record);
    zmsg_init_buf(&z, &copy);
    b = block_new(hub_blocks(m->gateway->hub), &z, reader_of(zmsg_data(&z), zmsg_size(&z)));
    zmsg_close(&z);
    if (b == NULL || b->count == 1)
        return b;
    block_unref(b);
    return NULL;
}

/* In the order in which they were assigned. */
static void share_hand_over(struct share_member *sm)
{
    struct share_assigned *a;

    while ((a = sm->queue) != NULL) {
        enum deliver_outcome got = deliver_assigned(sm->session, a->sub, share_entry_of(a));

        if (got == DELIVER_FULL)
            return;
        if (got == DELIVER_IS_OVER)
            share_done(sm->session, a->sub->group, share_entry_of(a)->e.id, false);
        share_assigned_free(sm, a);
    }
}

static void share_take(struct sub *sub, struct block *b)
{
    struct share_member *sm = sub->session->share;
    struct share_assigned *a = mem_zalloc(sizeof *a);

    FAILPOINT(mqtt_assigned);
    a->sub = sub;
    a->block = b;
    DL_APPEND(sm->queue, a);
    sm->queued++;
    sm->believed -= sm->believed > 0;
    share_touch(sm);
    if (sm->queue == a)
        share_hand_over(sm);
}

/* NULL: it is in no group here. */
static struct share_member *share_member_of(struct mqttd *m, const struct wire_assign *a)
{
    struct session *s;

    HASH_FIND(hh, m->sessions, a->client.p, a->client.len, s);
    return s == NULL || s->ended || s->epoch != a->epoch ? NULL : s->share;
}

/* NULL: it is not in this one. */
static struct sub *share_sub_of(const struct share_member *sm, struct slice group)
{
    struct sub *sub = sub_find(sm->session, group);

    return sub != NULL && sub->kind == SUB_SHARED && sub->group != NULL ? sub : NULL;
}

/* A broker that has been away may assign what the client has already. */
static bool share_is_known(const struct sub *sub, uint64_t id)
{
    const struct flight *f = &sub->session->flight;
    const struct share_assigned *a;

    DL_FOREACH (sub->session->share->queue, a)
        if (a->sub == sub && share_entry_of(a)->e.id == id)
            return true;
    for (uint16_t at = flight_next(f, 0); at != 0; at = flight_next(f, at))
        if (flight_get(f, at)->event == id && flight_get(f, at)->group == sub->group)
            return true;
    return false;
}

/* It has left the group, or has gone, which the broker does not know yet: its credit was
 * used up all the same. */
static void share_refuse(struct mqttd *m, struct share_member *sm, const struct wire_assign *a,
                         uint64_t id)
{
    share_tell_done(
        m,
        (struct wire_done){
            .client = a->client, .epoch = a->epoch, .group = a->group, .id = id, .returned = true});
    if (sm == NULL)
        return;
    sm->believed -= sm->believed > 0;
    share_touch(sm);
}

void share_assign(struct mqttd *m, struct reader body)
{
    struct share_member *sm;
    struct wire_assign a;
    struct block *b;
    struct sub *sub;

    if (!wire_assign_get(&body, &a) || !share_record_get(share_out_of(m), &a.record) ||
        (b = share_block_of(m, a.record)) == NULL) {
        log_error("an event of a shared group is malformed");
        return;
    }
    sm = share_member_of(m, &a);
    sub = sm != NULL ? share_sub_of(sm, a.group) : NULL;
    if (sub != NULL && !share_is_known(sub, b->entries[0].e.id)) {
        share_take(sub, b);
        return;
    }
    if (sub == NULL)
        share_refuse(m, sm, &a, b->entries[0].e.id);
    block_unref(b);
}

/* --- membership ------------------------------------------------------------------------------ */

void share_joined(struct sub *sub)
{
    struct session *s = sub->session;

    assert(sub->kind == SUB_SHARED);
    if (s->share == NULL) {
        s->share = mem_zalloc(sizeof *s->share);
        s->share->session = s;
        DL_APPEND(share_out_of(s->mqtt)->members, s->share);
    }
    s->share->groups += !sub->joined; /* it may be subscribed again */
    sub->joined = true;
    share_touch(s->share);
}

void share_left(struct sub *sub)
{
    struct share_member *sm = sub->session->share;
    struct share_assigned *a, *next;

    if (sm == NULL)
        return;
    DL_FOREACH_SAFE (sm->queue, a, next)
        if (a->sub == sub)
            share_give_back(sm, a);
    sm->groups -= sub->joined;
    sub->joined = false;
    share_touch(sm);
}

void share_resume(struct session *s)
{
    if (s->share == NULL)
        return;
    share_hand_over(s->share);
    share_touch(s->share);
}

void share_end(struct session *s)
{
    struct share_member *sm = s->share;
    struct share_out *out = s->mqtt->share;

    if (sm == NULL)
        return;
    while (sm->queue != NULL)
        share_give_back(sm, sm->queue);
    if (sm->in_turn)
        DL_DELETE2(out->turn, sm, turn_prev, turn_next);
    DL_DELETE(out->members, sm);
    s->share = NULL;
    free(sm);
}

void share_free(struct mqttd *m)
{
    if (m->share == NULL)
        return;
    assert(m->share->members == NULL);
    buf_free(&m->share->done);
    buf_free(&m->share->record);
    free(m->share);
    m->share = NULL;
}
