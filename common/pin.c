/*
 * pin.c - a list that either end can leave.
 */
#include "pin.h"

#include <assert.h>
#include <stddef.h>

#include <utlist.h>

void pin_set(struct pin *p, struct pins *of)
{
    assert(p->of == NULL && !of->evicted);
    p->of = of;
    DL_PREPEND(of->first, p);
}

void pin_clear(struct pin *p)
{
    if (p->of == NULL)
        return;
    DL_DELETE(p->of->first, p);
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
