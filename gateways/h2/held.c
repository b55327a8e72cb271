/*
 * held.c - a list in order of the last move.
 */
#include "held.h"

static void unlink_held(struct held_list *l, struct held *h)
{
    if (h->bytes == 0)
        return;
    l->bytes -= h->bytes;
    h->bytes = 0;
    if (h->prev != NULL)
        h->prev->next = h->next;
    else
        l->first = h->next;
    if (h->next != NULL)
        h->next->prev = h->prev;
    else
        l->last = h->prev;
}

static void append(struct held_list *l, struct held *h, size_t bytes)
{
    h->bytes = bytes;
    h->prev = l->last;
    h->next = NULL;
    if (l->last != NULL)
        l->last->next = h;
    else
        l->first = h;
    l->last = h;
    l->bytes += bytes;
}

void held_set(struct held_list *l, struct held *h, size_t bytes)
{
    unlink_held(l, h);
    if (bytes == 0)
        return;
    append(l, h, bytes);
    while (l->bytes > l->max)
        l->cut(l->first);
}
