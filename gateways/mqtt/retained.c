/*
 * retained.c - one SUBSCRIBE's retained messages, filter after filter, page after page.
 *
 *   ask ──reply──▶ retained_hand_page ──all taken──▶ ask (next page, next filter) … ──▶ done
 *                      └──client full──▶ waiting ──retained_resume──▶ ask
 *
 * A page is small, and let go of when the client is full: what it took last is where
 * the next page begins.  So a client that does not read costs a topic's name.
 *
 * How it fails: a page that cannot be had (the broker's error, a malformed answer) is
 * logged, and the filter goes without the rest.  With the broker away the read waits
 * for it.
 */
#include "retained.h"

#include <assert.h>
#include <stdlib.h>

#include "deliver.h"
#include "log.h"
#include "mem.h"

#define PAGE_ROWS 64 /* what a socket takes at once, of small ones */

struct retained_walk {
    struct session *session;
    retained_done_cb done;
    struct link_read read;
    bool asking;
    bool waiting;     /* the client is full */
    struct buf after; /* the topic looked at last */
    size_t at, count;
    struct sub *subs[];
};

static void retained_ask(struct retained_walk *w);

/* --- handing over ------------------------------------------------------------------- */

static void retained_after_set(struct retained_walk *w, struct slice topic)
{
    buf_clear(&w->after);
    buf_put_slice(&w->after, topic);
}

/* False: the client is full. */
static bool retained_hand_run(struct retained_walk *w, struct run *r)
{
    size_t n = 0;

    if (r->count > 0)
        n = deliver_run(w->session, r, w->subs[w->at], DELIVER_RETAINED);
    if (n > 0)
        retained_after_set(w, r->entries[n - 1]->e.topic);
    w->waiting = n < r->count;
    if (w->waiting)
        client_unblock(w->session->client); /* it is read on for its acknowledgements */
    run_clear(r);
    return !w->waiting;
}

/* Events above this come live. */
static uint64_t retained_newest(const struct retained_walk *w)
{
    uint64_t from = w->subs[w->at]->from, cursor = session_cursor(w->session);

    return from > cursor ? from : cursor;
}

static bool retained_hand_block(struct retained_walk *w, struct block *b)
{
    struct run *run = &w->session->mqtt->run;
    uint64_t upto = retained_newest(w);

    run_clear(run);
    for (size_t i = 0; i < b->count; i++) {
        if (b->entries[i].e.id > upto || run_add(run, &b->entries[i]))
            continue;
        if (!retained_hand_run(w, run))
            return false;
        (void)run_add(run, &b->entries[i]);
    }
    return retained_hand_run(w, run);
}

/* The records lie in the middle of the reply, so the block gets bytes of its own. */
static struct block *retained_block_of(struct hub *h, const struct wire_retained *m)
{
    struct buf copy = {0};
    struct block *b;
    struct zmsg z;

    buf_put_slice(&copy, m->records);
    zmsg_init_buf(&z, &copy);
    b = block_new_unordered(hub_blocks(h), &z, reader_of(zmsg_data(&z), zmsg_size(&z)));
    zmsg_close(&z);
    return b;
}

/* False: it is malformed. */
static bool retained_hand_page(struct retained_walk *w, const struct wire_retained *m)
{
    struct block *b = retained_block_of(w->session->mqtt->gateway->hub, m);

    if (b == NULL)
        return false;
    if (retained_hand_block(w, b))
        retained_after_set(w, m->upto);
    block_evict(b);
    return true;
}

/* --- asking --------------------------------------------------------------------------- */

static void retained_finish(struct retained_walk *w)
{
    struct session *s = w->session;
    retained_done_cb done = w->done;

    retained_end(s);
    done(s);
}

static void retained_next_filter(struct retained_walk *w)
{
    buf_clear(&w->after);
    if (++w->at < w->count)
        retained_ask(w);
    else
        retained_finish(w);
}

static void retained_give_up(struct retained_walk *w, struct slice why)
{
    log_warn("retained messages cannot be read", LOG_S("client", w->session->id),
             LOG_S("filter", w->subs[w->at]->filter), LOG_SLICE("why", why));
    retained_next_filter(w);
}

static void retained_on_reply(struct link_read *r, enum sluice_error error, struct slice text,
                              struct zmsg *reply)
{
    struct retained_walk *w = r->data;
    struct wire_retained m;

    w->asking = false;
    if (error != ERR_NONE)
        retained_give_up(w, text);
    else if (!wire_retained_get(zmsg_data(reply), zmsg_size(reply), &m) ||
             !retained_hand_page(w, &m))
        retained_give_up(w, SLICE("the broker's answer is malformed"));
    else if (w->waiting)
        return;
    else if (m.more)
        retained_ask(w);
    else
        retained_next_filter(w);
}

/* No more than the client takes now, if it acknowledges. */
static uint32_t retained_page_rows(const struct retained_walk *w)
{
    uint32_t room = deliver_room(w->session);

    if (w->subs[w->at]->qos == 0 || room > PAGE_ROWS)
        return PAGE_ROWS;
    return room > 0 ? room : 1;
}

static void retained_ask(struct retained_walk *w)
{
    struct wire_retained_req q = {.filter = sub_topic_filter(w->subs[w->at]),
                                  .after = {(char *)w->after.p, w->after.len},
                                  .limit = retained_page_rows(w)};

    assert(!w->asking);
    w->asking = true;
    w->read = (struct link_read){.cb = retained_on_reply, .data = w, .asker = w->session};
    wire_retained_req_put(&w->read.frame, &q);
    link_read(w->session->mqtt->gateway->link, &w->read);
}

/* --- for the session ------------------------------------------------------------------ */

void retained_begin(struct session *s, struct sub *const *subs, size_t count, retained_done_cb done)
{
    struct retained_walk *w;

    assert(s->retained == NULL && count > 0);
    w = mem_zalloc(sizeof *w + count * sizeof *w->subs);
    w->session = s;
    w->done = done;
    w->count = count;
    memcpy(w->subs, subs, count * sizeof *w->subs);
    s->retained = w;
    retained_ask(w);
}

bool retained_waits(const struct session *s)
{
    return s->retained != NULL && s->retained->waiting;
}

void retained_resume(struct session *s)
{
    struct retained_walk *w = s->retained;

    if (w == NULL || !w->waiting)
        return;
    w->waiting = false;
    retained_ask(w);
}

void retained_end(struct session *s)
{
    struct retained_walk *w = s->retained;

    if (w == NULL)
        return;
    s->retained = NULL;
    if (w->asking)
        link_read_cancel(s->mqtt->gateway->link, &w->read);
    buf_free(&w->after);
    free(w);
}
