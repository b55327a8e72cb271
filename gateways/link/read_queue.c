/*
 * read_queue.c - see read_queue.h.
 *
 * An asker is here while it has a request here.  One with requests that wait stands in the
 * ring of turns and goes to its end with each that is sent; of those who stand before the
 * next that may send no more than twice `max` have some on the way, so looking for it is
 * bounded.
 */
#include "read_queue.h"

#include <assert.h>
#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include "mem.h"

struct read_asker {
    const void *key;
    struct link_read *waiting;
    unsigned on_the_way;
    bool in_turns;
    struct read_asker *prev, *next; /* of the turns */
    UT_hash_handle hh;
};

void read_queue_init(struct read_queue *q, unsigned max)
{
    *q = (struct read_queue){.max = max > 0 ? max : 1};
}

static struct read_asker *asker_of(struct read_queue *q, const void *key)
{
    struct read_asker *a;

    HASH_FIND_PTR(q->all, &key, a);
    if (a != NULL)
        return a;
    a = mem_zalloc(sizeof *a);
    a->key = key;
    HASH_ADD_PTR(q->all, key, a);
    return a;
}

/* In the turns while something of it waits; gone when it has nothing here. */
static void asker_settle(struct read_queue *q, struct read_asker *a)
{
    bool waits = a->waiting != NULL;

    if (waits && !a->in_turns)
        DL_APPEND(q->turn, a);
    else if (!waits && a->in_turns)
        DL_DELETE(q->turn, a);
    a->in_turns = waits;
    if (waits || a->on_the_way > 0)
        return;
    HASH_DEL(q->all, a);
    free(a);
}

void read_queue_add(struct read_queue *q, struct link_read *r)
{
    struct read_asker *a = asker_of(q, r->asker);

    r->sent = false;
    DL_APPEND(a->waiting, r);
    asker_settle(q, a);
}

static bool asker_may(const struct read_queue *q, const struct read_asker *a)
{
    return q->on_the_way < (a->on_the_way == 0 ? 2 * q->max : q->max);
}

struct link_read *read_queue_next(const struct read_queue *q)
{
    struct read_asker *a;

    if (q->on_the_way >= 2 * q->max)
        return NULL;
    DL_FOREACH (q->turn, a)
        if (asker_may(q, a))
            return a->waiting;
    return NULL;
}

void read_queue_send(struct read_queue *q, struct link_read *r)
{
    struct read_asker *a = asker_of(q, r->asker);

    assert(a->waiting == r && a->in_turns);
    DL_DELETE(a->waiting, r);
    DL_APPEND(q->sent, r);
    r->sent = true;
    q->on_the_way++;
    a->on_the_way++;
    DL_DELETE(q->turn, a); /* behind the others */
    a->in_turns = false;
    asker_settle(q, a);
}

static struct read_asker *unsend(struct read_queue *q, struct link_read *r)
{
    struct read_asker *a = asker_of(q, r->asker);

    assert(r->sent && a->on_the_way > 0);
    DL_DELETE(q->sent, r);
    r->sent = false;
    q->on_the_way--;
    a->on_the_way--;
    return a;
}

void read_queue_back(struct read_queue *q, struct link_read *r)
{
    struct read_asker *a = unsend(q, r);

    DL_PREPEND(a->waiting, r);
    asker_settle(q, a);
}

void read_queue_back_all(struct read_queue *q)
{
    while (q->sent != NULL)
        read_queue_back(q, q->sent->prev); /* the last one first */
}

void read_queue_again(struct read_queue *q, struct link_read *r)
{
    DL_DELETE(q->sent, r);
    DL_APPEND(q->sent, r);
}

void read_queue_remove(struct read_queue *q, struct link_read *r)
{
    struct read_asker *a;

    if (r->sent) {
        a = unsend(q, r);
    } else {
        a = asker_of(q, r->asker);
        DL_DELETE(a->waiting, r);
    }
    asker_settle(q, a);
}

struct link_read *read_queue_find(const struct read_queue *q, uint64_t ref)
{
    struct link_read *r;

    DL_SEARCH_SCALAR(q->sent, r, ref, ref);
    return r;
}

bool read_queue_is_empty(const struct read_queue *q)
{
    return q->all == NULL;
}
