/*
 * drops.c - gone ──WRITE──▶ going ──written──▶ forgotten; refused, they are gone again.
 */
#include "drops.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"

struct buf *drops_add(struct drops **d)
{
    if (*d == NULL)
        *d = mem_zalloc(sizeof **d);
    return &(*d)->gone;
}

/* One write at a time. */
struct reader drops_begin(struct drops *d)
{
    if (d == NULL)
        return reader_of(NULL, 0);
    assert(d->going.len == 0);
    buf_free(&d->going);
    d->going = d->gone;
    d->gone = (struct buf){0};
    return reader_of(d->going.p, d->going.len);
}

void drops_written(struct drops **d, bool ok)
{
    struct drops *all = *d;

    if (all == NULL)
        return;
    if (!ok)
        buf_put(&all->gone, all->going.p, all->going.len);
    buf_free(&all->going);
    if (all->gone.len == 0)
        drops_free(d);
}

void drops_free(struct drops **d)
{
    if (*d == NULL)
        return;
    buf_free(&(*d)->gone);
    buf_free(&(*d)->going);
    free(*d);
    *d = NULL;
}
