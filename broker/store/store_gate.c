/*
 * store_gate.c - a closing reader count.
 *
 * A reader holds the gate for some milliseconds at most (a page is bounded), so
 * closing waits no longer than that; new readers wait outside meanwhile, so a
 * steady stream of them cannot keep the writer out.
 */
#include "store_gate.h"

#include <assert.h>

void gate_init(struct gate *g)
{
    int rc = uv_mutex_init(&g->lock);

    assert(rc == 0);
    rc = uv_cond_init(&g->changed);
    assert(rc == 0);
    (void)rc;
    g->inside = 0;
    g->closed = false;
}

void gate_destroy(struct gate *g)
{
    assert(g->inside == 0);
    uv_cond_destroy(&g->changed);
    uv_mutex_destroy(&g->lock);
}

void gate_enter(struct gate *g)
{
    uv_mutex_lock(&g->lock);
    while (g->closed)
        uv_cond_wait(&g->changed, &g->lock);
    g->inside++;
    uv_mutex_unlock(&g->lock);
}

void gate_leave(struct gate *g)
{
    uv_mutex_lock(&g->lock);
    assert(g->inside > 0);
    if (--g->inside == 0 && g->closed)
        uv_cond_broadcast(&g->changed);
    uv_mutex_unlock(&g->lock);
}

void gate_close(struct gate *g)
{
    uv_mutex_lock(&g->lock);
    g->closed = true;
    while (g->inside > 0)
        uv_cond_wait(&g->changed, &g->lock);
    uv_mutex_unlock(&g->lock);
}

void gate_open(struct gate *g)
{
    uv_mutex_lock(&g->lock);
    g->closed = false;
    uv_cond_broadcast(&g->changed);
    uv_mutex_unlock(&g->lock);
}
