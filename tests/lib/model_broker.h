/*
 * model_broker.h - a broker in a hundred lines of memory, for test_handover.c.
 *
 * It keeps every event ever published and what became of it, speaks to a hub
 * through the same messages as the real one (ranges, live_from, pages with
 * removed_to), and does at random whatever a broker, a network or an operator
 * may do: late and lost replies, a dropped or a paused link, retention, DELETE,
 * volatile topics, a restart, a restore from an older copy.
 */
#ifndef MODEL_BROKER_H
#define MODEL_BROKER_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "feed.h"
#include "mem.h"
#include "topic.h"

/* --- chance ------------------------------------------------------------------- */

static uint64_t chance_state;

static uint64_t chance(uint64_t n) /* 0 … n-1 */
{
    uint64_t z = (chance_state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

static bool one_in(uint64_t n)
{
    return chance(n) == 0;
}

/* --- the log ------------------------------------------------------------------- */

#define TOPICS 6
#define EVENTS_MAX 8192
#define HOLES_MAX 64
#define PIPE_MAX 4096

static const char *const topic_names[TOPICS] = {"a", "a/b", "a/c", "b/x", "b/x/y", "v/1"};
#define VOLATILE_TOPIC 5

enum fate { KEPT, REMOVED, NEVER_STORED, LOST };

struct model_event {
    uint64_t id;
    int topic;
    enum fate fate;
};

struct pipe_message {
    enum { PIPE_LIVE, PIPE_FILTER, PIPE_REMOVED } kind;
    uint64_t after, upto;
    uint32_t ref;
    int topic;
    struct buf records;
};

struct model_filter {
    uint32_t ref;
    bool on;
    char name[64];
};

struct model {
    struct hub *hub;
    struct model_event events[EVENTS_MAX];
    size_t count;
    uint64_t head;
    uint64_t removed_to[TOPICS];
    enum gap_reason removed_why[TOPICS];
    uint64_t volatile_last;
    uint64_t purged[TOPICS]; /* the gateway knows that these are deleted */
    struct {
        uint64_t low, high;
    } holes[HOLES_MAX];
    size_t hole_count;
    struct wire_uuid log;
    bool up, paused;
    uint64_t sent_upto; /* on this link */
    struct model_filter filters[256];
    size_t filter_count;
    struct pipe_message pipe[PIPE_MAX];
    size_t pipe_first, pipe_end;
    struct link_read *reads; /* asked, in order */
    struct {
        struct link_read *read;
        struct buf reply;
    } served[64];
    size_t served_count;
};

static bool model_matches(const struct model *m, const struct model_event *e)
{
    size_t i;

    for (i = 0; i < m->filter_count; i++) {
        if (m->filters[i].on &&
            filter_match(slice_of(m->filters[i].name), slice_of(topic_names[e->topic])))
            return true;
    }
    return false;
}

static void record_put(struct buf *b, const struct model_event *e)
{
    struct event ev = {.id = e->id,
                       .time = 1,
                       .topic = slice_of(topic_names[e->topic]),
                       .payload = SLICE("payload")};

    event_record_put(b, &ev);
}

/* --- the pipe to the gateway ------------------------------------------------------ */

static struct pipe_message *pipe_add(struct model *m, int kind)
{
    struct pipe_message *p = &m->pipe[m->pipe_end++ % PIPE_MAX];

    assert(m->pipe_end - m->pipe_first < PIPE_MAX);
    memset(p, 0, sizeof *p);
    p->kind = kind;
    return p;
}

static void pipe_clear(struct model *m)
{
    while (m->pipe_first < m->pipe_end)
        buf_free(&m->pipe[m->pipe_first++ % PIPE_MAX].records);
}

/* One live message over events [from, to). */
static void send_live(struct model *m, size_t from, size_t to, uint64_t upto)
{
    struct pipe_message *p;
    size_t i;

    if (!m->up || m->paused)
        return;
    p = pipe_add(m, PIPE_LIVE);
    p->after = m->sent_upto;
    p->upto = upto;
    for (i = from; i < to; i++) {
        if (m->events[i].fate != LOST && model_matches(m, &m->events[i]))
            record_put(&p->records, &m->events[i]);
    }
    m->sent_upto = upto;
}

static void pipe_deliver(struct model *m)
{
    struct pipe_message *p = &m->pipe[m->pipe_first % PIPE_MAX];
    struct zmsg z;

    if (m->pipe_first == m->pipe_end)
        return;
    m->pipe_first++;
    switch (p->kind) {
    case PIPE_FILTER:
        hub_filter_live(m->hub, p->ref, p->upto);
        break;
    case PIPE_REMOVED:
        hub_removed(m->hub, slice_of(topic_names[p->topic]), p->upto);
        if (m->served_count == 0) /* else a page may still be on its way */
            m->purged[p->topic] = p->upto;
        break;
    case PIPE_LIVE:
        zmsg_init_copy(&z, p->records.p, p->records.len);
        hub_live(m->hub, p->after, p->upto, &z, reader_of(zmsg_data(&z), zmsg_size(&z)));
        zmsg_close(&z);
        break;
    }
    buf_free(&p->records);
}

/* --- what the hub asks -------------------------------------------------------------- */

static void model_filter_add(void *arg, uint32_t ref, struct slice name)
{
    struct model *m = arg;
    struct model_filter *f = &m->filters[m->filter_count++];
    struct pipe_message *p;

    assert(m->up && m->filter_count < ARRAY_LEN(m->filters));
    f->ref = ref;
    f->on = true;
    memcpy(f->name, name.p, name.len);
    f->name[name.len] = 0;
    p = pipe_add(m, PIPE_FILTER);
    p->ref = ref;
    p->upto = m->head;
}

static void model_filter_drop(void *arg, uint32_t ref)
{
    struct model *m = arg;
    size_t i;

    for (i = 0; i < m->filter_count; i++) {
        if (m->filters[i].ref == ref)
            m->filters[i].on = false;
    }
}

static void model_read(void *arg, struct link_read *r)
{
    struct model *m = arg;
    struct link_read **last = &m->reads;

    while (*last != NULL)
        last = &(*last)->next;
    *last = r;
    r->next = NULL;
}

static void model_read_cancel(void *arg, struct link_read *r)
{
    struct model *m = arg;
    struct link_read **p = &m->reads;
    size_t i;

    while (*p != NULL && *p != r)
        p = &(*p)->next;
    if (*p == r)
        *p = r->next;
    for (i = 0; i < m->served_count; i++) {
        if (m->served[i].read == r) {
            buf_free(&m->served[i].reply);
            m->served[i] = m->served[--m->served_count];
        }
    }
    buf_free(&r->frame);
}

/* --- pages ---------------------------------------------------------------------------- */

static bool page_matches(const struct wire_page_req *q, const struct model_event *e)
{
    size_t i;

    for (i = 0; i < q->filter_count; i++) {
        if (e->id > q->filters[i].from &&
            filter_match(q->filters[i].filter, slice_of(topic_names[e->topic])))
            return true;
    }
    return false;
}

static void removed_for(const struct model *m, const struct wire_page_req *q, uint64_t upto,
                        struct wire_page *page)
{
    size_t t, i;

    for (t = 0; t < TOPICS; t++) {
        uint64_t removed = m->removed_to[t];
        enum gap_reason why = m->removed_why[t];
        struct model_event e = {UINT64_MAX, (int)t, KEPT};

        if (t == VOLATILE_TOPIC && m->volatile_last > removed) {
            removed = m->volatile_last < upto ? m->volatile_last : upto;
            why = GAP_VOLATILE;
        }
        if (removed > page->removed_to && page_matches(q, &e)) {
            page->removed_to = removed;
            page->reason = (uint8_t)why;
        }
    }
    for (i = 0; i < m->hole_count; i++) {
        if (q->after > m->holes[i].low && q->after < m->holes[i].high) {
            page->reason = GAP_RESET; /* whatever else is gone */
            if (page->removed_to < m->holes[i].high)
                page->removed_to = m->holes[i].high;
        }
    }
}

static void serve_page(struct model *m, struct link_read *r, struct buf *reply)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_page_req q;
    struct buf records = {0};
    uint64_t upto = m->head;
    uint32_t n = 0, scanned = 0, rows = 1 + (uint32_t)chance(8);
    size_t i;
    bool ok = wire_page_req_get(r->frame.p, r->frame.len, &q, filters, WIRE_FILTERS_MAX);

    assert(ok);
    struct wire_page page = {.head = m->head};
    if (q.after > m->head) {
        page.reason = GAP_FUTURE;
    } else {
        for (i = 0; i < m->count; i++) {
            const struct model_event *e = &m->events[i];
            if (e->id <= q.after || e->fate != KEPT)
                continue;
            if (page_matches(&q, e)) {
                record_put(&records, e);
                n++;
            }
            if (n == rows || ++scanned == 40) {
                upto = e->id;
                break;
            }
        }
        removed_for(m, &q, upto, &page);
    }
    wire_page_begin(reply, &page);
    buf_put(reply, records.p, records.len);
    wire_page_finish(reply, 0, upto, n);
    buf_free(&records);
}

static uint64_t nth_newest(const struct model *m, struct slice filter, uint64_t n)
{
    size_t i;

    for (i = m->count; i-- > 0;) {
        const struct model_event *e = &m->events[i];
        if (e->fate == KEPT && filter_match(filter, slice_of(topic_names[e->topic])) && n-- == 0)
            return e->id;
    }
    return 0;
}

static void serve_start(struct model *m, struct link_read *r, struct buf *reply)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_start_req q;
    uint64_t froms[WIRE_FILTERS_MAX];
    size_t i;
    bool ok = wire_start_req_get(r->frame.p, r->frame.len, &q, filters, WIRE_FILTERS_MAX);

    assert(ok);
    for (i = 0; i < q.filter_count; i++)
        froms[i] = q.mode == WIRE_LAST ? nth_newest(m, filters[i].filter, q.arg) : q.arg;
    wire_start_put(reply, 0, m->head, froms, q.filter_count);
}

/* The broker reads at one moment, the reply arrives at another. */
static void reads_serve(struct model *m)
{
    struct link_read *r = m->reads;

    if (!m->up || r == NULL || m->served_count == ARRAY_LEN(m->served))
        return;
    m->reads = r->next;
    m->served[m->served_count].read = r;
    m->served[m->served_count].reply = (struct buf){0};
    if (r->frame.p[0] == WIRE_PAGE)
        serve_page(m, r, &m->served[m->served_count].reply);
    else
        serve_start(m, r, &m->served[m->served_count].reply);
    m->served_count++;
}

static void reads_reply(struct model *m)
{
    struct link_read *r;
    struct zmsg z;
    struct buf b;
    size_t i;

    if (m->served_count == 0)
        return;
    i = chance(m->served_count);
    r = m->served[i].read;
    b = m->served[i].reply;
    m->served[i] = m->served[--m->served_count];
    zmsg_init_copy(&z, b.p, b.len);
    buf_free(&b);
    buf_free(&r->frame);
    r->cb(r, ERR_NONE, SLICE(""), &z);
    zmsg_close(&z);
}

/* --- what happens to it ------------------------------------------------------------------ */

static void model_publish(struct model *m, size_t n)
{
    size_t first = m->count, i;

    for (i = 0; i < n; i++) {
        struct model_event *e = &m->events[m->count++];
        assert(m->count < EVENTS_MAX);
        m->head += 1 + chance(3);
        e->id = m->head;
        e->topic = (int)chance(TOPICS);
        e->fate = e->topic == VOLATILE_TOPIC ? NEVER_STORED : KEPT;
        if (e->fate == NEVER_STORED)
            m->volatile_last = e->id;
    }
    for (i = first + 1; i < m->count; i++) { /* a commit may be several messages */
        if (one_in(3)) {
            send_live(m, first, i, m->events[i - 1].id);
            first = i;
        }
    }
    send_live(m, first, m->count, m->head);
}

static void remove_upto(struct model *m, int topic, uint64_t upto, enum gap_reason why)
{
    size_t i;

    for (i = 0; i < m->count; i++) {
        struct model_event *e = &m->events[i];
        if (e->topic != topic || e->id > upto || e->fate != KEPT)
            continue;
        e->fate = REMOVED;
        m->removed_to[topic] = e->id;
        m->removed_why[topic] = why;
    }
}

static void model_retain(struct model *m)
{
    int topic = (int)chance(TOPICS);

    if (m->count > 0)
        remove_upto(m, topic, m->events[chance(m->count)].id, GAP_EXPIRED);
}

static void model_delete(struct model *m)
{
    int topic = (int)chance(TOPICS);
    uint64_t before = m->removed_to[topic];
    struct pipe_message *p;

    remove_upto(m, topic, m->head, GAP_DELETED);
    if (!m->up || m->removed_to[topic] == before)
        return;
    p = pipe_add(m, PIPE_REMOVED);
    p->topic = topic;
    p->upto = m->removed_to[topic];
}

static void model_down(struct model *m)
{
    size_t i;

    if (!m->up)
        return;
    m->up = m->paused = false;
    pipe_clear(m);
    m->filter_count = 0;
    for (i = 0; i < m->served_count; i++) { /* lost replies are asked for again */
        buf_free(&m->served[i].reply);
        model_read(m, m->served[i].read);
    }
    m->served_count = 0;
    hub_down(m->hub);
}

static bool model_knows(const struct model *m, uint64_t seen)
{
    size_t i;

    for (i = 0; i < m->hole_count; i++) {
        if (seen > m->holes[i].low && seen < m->holes[i].high)
            return false;
    }
    return seen <= m->head;
}

static void model_connect(struct model *m)
{
    struct wire_hello_ok ok = {.version = 1, .log = m->log, .head = m->head};

    if (m->up)
        return;
    ok.reset = !model_knows(m, hub_seen(m->hub));
    m->up = true;
    m->sent_upto = m->head;
    hub_up(m->hub, &ok);
}

/* A restart leaves a hole; a restore loses the latest events as well. */
static void model_restart(struct model *m, bool restore)
{
    uint64_t low = m->head;
    size_t i, keep = m->count;

    model_down(m);
    if (m->hole_count == HOLES_MAX)
        return;
    if (restore && m->count > 10) {
        keep = m->count - 1 - chance(10);
        low = keep > 0 ? m->events[keep - 1].id : 0;
        for (i = 0; i < m->hole_count; i++) {
            if (low < m->holes[i].high)
                return; /* older than a hole: another story */
        }
        for (i = keep; i < m->count; i++)
            m->events[i].fate = LOST;
    }
    m->head += 5 + chance(20);
    m->holes[m->hole_count].low = low;
    m->holes[m->hole_count++].high = m->head;
    if (m->volatile_last > 0)
        m->volatile_last = m->head;
}

#endif
