/*
 * delivery.c - whose an event is.
 *
 * main's filters match by a tree when they are many; a session with one filter asks the
 * hub's word alone, which has matched it already.
 */
#include "delivery.h"

#include <utlist.h>

#include "filter_tree.h"
#include "topic.h"

/* Beside a producer the origin is a principal, and no client of MQTT is one. */
bool delivery_is_own(const struct session *s, const struct event *e)
{
    struct event_props p;

    return event_props_get(e->props, &p) == EVENT_OK && p.origin.p != NULL &&
           p.producer.id.len == 0 && slice_eq(p.origin, client_id(s->client));
}

static void delivery_add(struct delivery *d, const struct sub *sub, const struct event *e)
{
    if (sub->no_local && delivery_is_own(sub->session, e))
        return;
    d->any = true;
    if (d->qos < sub->qos)
        d->qos = sub->qos;
    d->retain = d->retain || sub->retain_as_published;
    if (sub->id != 0 && d->id_count < WIRE_FILTERS_MAX)
        d->ids[d->id_count++] = sub->id;
}

/* One of main's filters matches. */
struct delivery_match {
    struct delivery *delivery;
    const struct event *event;
};

static void delivery_match(void *value, void *arg)
{
    const struct sub *sub = value;
    const struct delivery_match *m = arg;

    if (sub_is_mains(sub) && m->event->id > sub->from)
        delivery_add(m->delivery, sub, m->event);
}

static void delivery_all(const struct session *s, struct delivery *d, const struct event *e)
{
    struct delivery_match m = {d, e};
    const struct sub *sub;

    if (s->tree != NULL) {
        filter_tree_match(s->tree, e->topic, delivery_match, &m);
        return;
    }
    DL_FOREACH (s->subs, sub)
        if (sub_is_mains(sub) && e->id > sub->from && filter_match(sub_name(sub), e->topic))
            delivery_add(d, sub, e);
}

/* Filters that replay together. */
static void delivery_replay(struct delivery *d, const struct sub *one, const struct event *e)
{
    const struct sub *sub;

    DL_FOREACH (one->session->subs, sub)
        if (sub->replay == one->replay && filter_match(sub_name(sub), e->topic))
            delivery_add(d, sub, e);
}

bool delivery_get(const struct session *s, const struct sub *only, enum deliver_kind kind,
                  const struct event *e, struct delivery *d)
{
    uint8_t published = (uint8_t)event_qos(e);

    d->qos = 0;
    d->any = d->retain = false;
    d->id_count = 0;
    if (kind == DELIVER_REPLAYED)
        delivery_replay(d, only, e);
    else if (only != NULL)
        delivery_add(d, only, e);
    else if (s->one == NULL)
        delivery_all(s, d, e);
    else if (e->id > s->one->from)
        delivery_add(d, s->one, e);
    if ((e->flags & EVENT_VOLATILE) != 0)
        published = 0; /* there is nothing to send again from */
    if (d->qos > published)
        d->qos = published;
    if (kind == DELIVER_RETAINED)
        d->retain = true;
    else
        d->retain = d->retain && (e->flags & EVENT_RETAIN) != 0;
    return d->any && (d->qos > 0 || only != NULL || e->id > s->skip_qos0_to);
}

void delivery_get_again(const struct session *s, const struct event *e, uint8_t qos, bool retain,
                        struct delivery *d)
{
    const struct sub *sub;

    d->any = false;
    d->id_count = 0;
    DL_FOREACH (s->subs, sub)
        if (sub->kind == SUB_PLAIN && (e->id > sub->from || sub->start.kind != START_NOW) &&
            filter_match(sub_name(sub), e->topic))
            delivery_add(d, sub, e);
    for (sub = s->subs; sub != NULL && !d->any; sub = sub->next)
        if (sub->kind == SUB_SHARED && filter_match(sub_topic_filter(sub), e->topic))
            delivery_add(d, sub, e);
    d->qos = qos;
    d->retain = retain;
}
