/*
 * shared.c - a buffer and a counter.
 */
#include "shared.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"

struct shared *shared_of(struct buf *b)
{
    struct shared *s = mem_zalloc(sizeof *s);

    s->refs = 1;
    s->bytes = *b;
    *b = (struct buf){0};
    return s;
}

void shared_charge(struct shared *s, size_t *account, size_t charge)
{
    s->account = account;
    s->charge = charge;
}

void shared_ref(struct shared *s)
{
    s->refs++;
}

void shared_unref(struct shared *s)
{
    if (s == NULL || --s->refs > 0)
        return;
    assert(s->holders == 0);
    if (s->account != NULL)
        *s->account -= s->charge;
    buf_free(&s->bytes);
    free(s);
}
