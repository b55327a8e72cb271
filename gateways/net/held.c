/*
 * held.c - a list in order of the last move.
 */
#include "held.h"

#include <assert.h>

#include <utlist.h>

static bool holds(const struct held *h)
{
    return h->bytes > 0 || h->body != NULL;
}

/* What it holds has changed. */
static void list_update(struct held_list *l, struct held *h, bool held)
{
    if (holds(h) && !held)
        DL_APPEND(l->first, h);
    else if (!holds(h) && held)
        DL_DELETE(l->first, h);
}

void held_set(struct held_list *l, struct held *h, size_t bytes)
{
    bool held = holds(h);

    l->bytes += bytes - h->bytes;
    h->bytes = bytes;
    list_update(l, h, held);
}

static void body_drop(struct held_list *l, struct shared *body)
{
    if (body == NULL)
        return;
    if (--body->holders == 0)
        l->bytes -= body->bytes.len;
    shared_unref(body);
}

void held_set_body(struct held_list *l, struct held *h, struct shared *body)
{
    struct shared *old = h->body;
    bool held = holds(h);

    if (body != NULL) {
        shared_ref(body);
        if (body->holders++ == 0)
            l->bytes += body->bytes.len;
    }
    h->body = body;
    list_update(l, h, held);
    body_drop(l, old);
}

void held_moved(struct held_list *l, struct held *h)
{
    if (!holds(h))
        return;
    DL_DELETE(l->first, h);
    DL_APPEND(l->first, h);
}

void held_relieve(struct held_list *l)
{
    while (l->bytes > l->max) {
        struct held *h = l->first;

        assert(h != NULL);
        l->cut(h);
        assert(!holds(h));
    }
}
