/*
 * tombstones.c - gone ──WRITE──▶ going ──written──▶ forgotten; refused, they are gone again.
 */
#include "tombstones.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"

struct buf *tombstones_add(struct tombstones **d)
{
    if (*d == NULL)
        *d = mem_zalloc(sizeof **d);
    return &(*d)->gone;
}

/* One write at a time. */
struct reader tombstones_begin(struct tombstones *d)
{
    if (d == NULL)
        return reader_of(NULL, 0);
    assert(d->going.len == 0);
    buf_free(&d->going);
    d->going = d->gone;
    d->gone = (struct buf){0};
    return reader_of(d->going.p, d->going.len);
}

void tombstones_written(struct tombstones **d, bool ok)
{
    struct tombstones *all = *d;

    if (all == NULL)
        return;
    if (!ok)
        buf_put(&all->gone, all->going.p, all->going.len);
    buf_free(&all->going);
    if (all->gone.len == 0)
        tombstones_free(d);
}

void tombstones_free(struct tombstones **d)
{
    if (*d == NULL)
        return;
    buf_free(&(*d)->gone);
    buf_free(&(*d)->going);
    free(*d);
    *d = NULL;
}
