/*
 * subscription_place.c - where a subscription stands: in a list that it waits in, at
 * its feed's head or not.  What moves one calls this; it calls nobody back but the
 * owner.
 */
#include <assert.h>

#include <utlist.h>

#include "feed.h"

void subscription_wait(struct subscription *s, struct subscription **list)
{
    subscription_unwait(s);
    DL_APPEND2(*list, s, wait_prev, wait_next);
    s->waiting = list;
}

void subscription_unwait(struct subscription *s)
{
    if (s->waiting == NULL)
        return;
    DL_DELETE2(*s->waiting, s, wait_prev, wait_next);
    s->waiting = NULL;
}

void subscription_queue(struct subscription *s)
{
    if (s->waiting != &s->hub->queue)
        subscription_wait(s, &s->hub->queue);
}

void subscription_join_head(struct subscription *s)
{
    DL_DELETE2(s->feed->others, s, prev, next);
    DL_APPEND2(s->feed->heads, s, prev, next);
    s->state = SUB_HEAD;
}

void subscription_leave_head(struct subscription *s, uint64_t cursor, uint8_t state)
{
    assert(s->state == SUB_HEAD);
    if (s->hub->next_head == s)
        s->hub->next_head = s->next;
    DL_DELETE2(s->feed->heads, s, prev, next);
    DL_APPEND2(s->feed->others, s, prev, next);
    s->cursor = cursor;
    s->state = state;
    if (!s->full)
        subscription_queue(s);
}

size_t subscription_hand(struct subscription *s, struct run *r)
{
    struct hub *h = s->hub;
    size_t n = s->ops->events(s, r);

    assert(n <= r->count);
    h->delivered += n;
    h->handed += r->bytes * n / r->count;
    return n;
}
