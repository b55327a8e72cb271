/*
 * gather.c - pieces, and the iovecs that they become.
 */
#include "gather.h"

#include <stdlib.h>

#include <utlist.h>

#include "mem.h"

#define POOL_MAX 64
#define OWN_KEPT (16u * 1024) /* of a buffer that goes back to the pool */

bool gather_full(const struct gather *g)
{
    return g != NULL && (g->count == GATHER_PIECES || g->own.len + g->shared >= GATHER_BYTES);
}

static struct gather *get(struct gather **g, struct gather_pool *p)
{
    if (*g != NULL)
        return *g;
    p->out++;
    if (p->first != NULL) {
        *g = p->first;
        LL_DELETE(p->first, *g);
        p->count--;
    } else {
        *g = mem_alloc(sizeof **g);
        (*g)->own = (struct buf){0};
    }
    (*g)->count = 0;
    (*g)->shared = 0;
    return *g;
}

void gather_drop(struct gather **gp, struct gather_pool *p)
{
    struct gather *g = *gp;

    if (g == NULL)
        return;
    *gp = NULL;
    p->out--;
    for (size_t i = 0; i < g->count; i++)
        block_unref(g->pieces[i].block);
    buf_clear(&g->own);
    if (g->own.cap > OWN_KEPT || p->count >= POOL_MAX)
        buf_free(&g->own);
    if (p->count >= POOL_MAX) {
        free(g);
        return;
    }
    LL_PREPEND(p->first, g);
    p->count++;
}

void gather_pool_free(struct gather_pool *p)
{
    struct gather *g;

    while ((g = p->first) != NULL) {
        LL_DELETE(p->first, g);
        buf_free(&g->own);
        free(g);
    }
    p->count = 0;
}

void gather_own(struct gather **g, struct gather_pool *p, const void *bytes, size_t len)
{
    buf_put(&get(g, p)->own, bytes, len);
}

/* Events of a run lie one behind the other: then they are one piece. */
static bool extends(const struct gather *g, struct slice bytes, const struct block *block)
{
    const struct gather_piece *last;

    if (g->count == 0)
        return false;
    last = &g->pieces[g->count - 1];
    return last->block == block && last->own_end == g->own.len &&
           last->shared.p + last->shared.len == bytes.p;
}

void gather_shared(struct gather **gp, struct gather_pool *p, struct slice bytes,
                   struct block *block)
{
    struct gather *g = get(gp, p);

    if (extends(g, bytes, block)) {
        g->shared += bytes.len;
        g->pieces[g->count - 1].shared.len += bytes.len;
        return;
    }
    if (g->count == GATHER_PIECES) { /* a frame of very many very small events */
        buf_put_slice(&g->own, bytes);
        return;
    }
    g->shared += bytes.len;
    block_ref(block);
    g->pieces[g->count++] = (struct gather_piece){g->own.len, bytes, block};
}

static struct iovec iovec_of(const void *p, size_t len)
{
    return (struct iovec){(void *)(uintptr_t)p, len};
}

void gather_write(struct gather **gp, struct gather_pool *p, struct conn *c)
{
    struct iovec iov[2 * GATHER_PIECES + 1];
    struct gather *g = *gp;
    size_t own = 0;
    int n = 0;

    if (g == NULL)
        return;
    for (size_t i = 0; i < g->count; i++) {
        if (g->pieces[i].own_end > own)
            iov[n++] = iovec_of(g->own.p + own, g->pieces[i].own_end - own);
        own = g->pieces[i].own_end;
        iov[n++] = iovec_of(g->pieces[i].shared.p, g->pieces[i].shared.len);
    }
    if (g->own.len > own)
        iov[n++] = iovec_of(g->own.p + own, g->own.len - own);
    if (n > 0)
        conn_write_whole(c, iov, n);
    gather_drop(gp, p);
}
