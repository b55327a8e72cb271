/*
 * played_link.h - the link to a broker that a fuzz target plays: what the gateway asks is
 * gathered, and answered when the input says so.  Included once.
 */
#ifndef FUZZ_PLAYED_LINK_H
#define FUZZ_PLAYED_LINK_H

#include <assert.h>

#include <utlist.h>

#include "hub.h"
#include "link.h"

static struct played_link {
    struct link_publish *publishes;
    struct link_read *reads;
    struct buf filters; /* refs that are not live yet */
    bool full;
} played;

void link_publish(struct link *l, struct link_publish *p)
{
    (void)l;
    assert(p->records.len > 0);
    DL_APPEND(played.publishes, p);
}

bool link_publish_full(const struct link *l)
{
    (void)l;
    return played.full;
}

bool link_is_up(const struct link *l)
{
    (void)l;
    return true;
}

void link_read(struct link *l, struct link_read *r)
{
    (void)l;
    DL_APPEND(played.reads, r);
}

void link_read_cancel(struct link *l, struct link_read *r)
{
    (void)l;
    DL_DELETE(played.reads, r);
    buf_free(&r->frame);
}

static void played_read(void *link, struct link_read *r)
{
    link_read(link, r);
}

static void played_read_cancel(void *link, struct link_read *r)
{
    link_read_cancel(link, r);
}

static void played_filter_add(void *link, uint32_t ref, struct slice filter)
{
    (void)link;
    (void)filter;
    buf_u32(&played.filters, ref);
}

static void played_filter_drop(void *link, uint32_t ref)
{
    (void)link;
    (void)ref;
}

static const struct hub_link played_hub_link = {played_filter_add, played_filter_drop, played_read,
                                                played_read_cancel, NULL};

static void played_filters_live(struct hub *h, uint64_t head)
{
    struct reader r = reader_of(played.filters.p, played.filters.len);

    while (r.left > 0)
        hub_filter_live(h, reader_u32(&r), head);
    buf_clear(&played.filters);
}

/* The oldest request; NULL: there is none.  The caller frees its frame. */
static struct link_read *played_next_read(void)
{
    struct link_read *r = played.reads;

    if (r != NULL)
        DL_DELETE(played.reads, r);
    return r;
}

/* Takes the reply; when it is empty the broker refuses, for that reason. */
static void played_answer(struct link_read *r, struct buf *reply, enum sluice_error refusal)
{
    struct zmsg z;

    buf_free(&r->frame);
    if (reply->len == 0) {
        r->cb(r, refusal, SLICE("refused"), NULL);
        return;
    }
    zmsg_init_buf(&z, reply);
    r->cb(r, ERR_NONE, SLICE(""), &z);
    zmsg_close(&z);
}

/* At the end of an input. */
static void played_end(void)
{
    assert(played.publishes == NULL && played.reads == NULL);
    buf_free(&played.filters);
    played.full = false;
}

#endif
