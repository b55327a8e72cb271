/*
 * pin.c - a list that either end can leave.
 */
#include "pin.h"

#include <assert.h>
#include <stddef.h>

void pin_set(struct pin *p, struct pins *of)
{
    assert(p->of == NULL && !of->evicted);
    p->of = of;
    p->prev = NULL;
    p->next = of->first;
    if (p->next != NULL)
        p->next->prev = p;
    of->first = p;
}

void pin_clear(struct pin *p)
{
    if (p->of == NULL)
        return;
    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        p->of->first = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    p->of = NULL;
}

void pins_evict(struct pins *of)
{
    struct pin *p;

    assert(!of->evicted);
    of->evicted = true;
    while ((p = of->first) != NULL) {
        pin_clear(p);
        p->evicted(p);
    }
}
