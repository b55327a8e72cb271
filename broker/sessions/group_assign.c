/*
 * group_assign.c - which event to whom.
 *
 *   the head   what a batch brings goes to the member with the most credit, at once;
 *              when nobody has any, the group falls behind from that event on
 *   behind     pages of the log, no more than the credit there is; at their end the
 *              group is live again
 *   once more  what a member did not get done with is read again by its ID, lowest
 *              first, and goes before anything new
 *
 * Of each group one read is under way at most.  An event past its expiry is passed
 * over; one that retention has removed meanwhile is gone.  At QoS 0 nothing is
 * remembered: it was handed over.
 */
#include <assert.h>

#include "failpoint.h"
#include "group_impl.h"
#include "log.h"
#include "metrics.h"
#include "wall.h"

/* --- to whom -------------------------------------------------------------------------- */

static bool takes_more(const struct group_member *m)
{
    const struct groups_session *s = m->client->session;

    return m->active && m->client->credit > 0 && s != NULL && !s->closing &&
           s->peer->link != NULL && s->peer->assigned < GATEWAY_ASSIGNED_MAX;
}

/* The one with the most credit; among equals, who has waited longest. */
static struct group_member *pick(struct group *g)
{
    struct group_member *m, *best = NULL;

    DL_FOREACH (g->members, m) {
        if (takes_more(m) && (best == NULL || m->client->credit > best->client->credit))
            best = m;
    }
    return best;
}

/* As much as a page may ask for. */
static uint32_t credit_of(const struct group *g)
{
    const struct group_member *m;
    uint32_t sum = 0;

    DL_FOREACH (g->members, m) {
        if (takes_more(m))
            sum += m->client->credit < GROUP_PAGE_ROWS ? m->client->credit : GROUP_PAGE_ROWS;
        if (sum >= GROUP_PAGE_ROWS)
            return GROUP_PAGE_ROWS;
    }
    return sum;
}

static unsigned qos_for(const struct group_member *m, const struct event *e)
{
    unsigned qos = event_qos(e);

    if ((e->flags & EVENT_VOLATILE) != 0)
        return 0;
    return m->qos < qos ? m->qos : qos;
}

/* Takes its place behind the others. */
static void credit_use(struct group *g, struct group_member *m)
{
    m->client->credit--;
    DL_DELETE(g->members, m);
    DL_APPEND(g->members, m);
}

static void send_when_stored(struct group *g, struct group_event *ev, struct slice record)
{
    if (g->save == NULL)
        g->save = group_save_new(g);
    group_save_send(g->save, ev, record);
}

/* ev: what it was before, FREE; NULL: it is new.  False: nobody takes it. */
static bool assign(struct group *g, struct group_event *ev, const struct event *e,
                   struct slice record)
{
    struct group_member *m = pick(g);
    unsigned qos;

    if (m == NULL || (ev == NULL && HASH_COUNT(g->by_id) >= GROUP_EVENTS_MAX))
        return false;
    credit_use(g, m);
    qos = qos_for(m, e);
    if (qos == 0) {
        if (ev != NULL)
            group_event_gone(g, ev);
        group_member_send(m, record);
        return true;
    }
    if (ev == NULL)
        ev = group_event_add(g, e->id);
    group_event_assign(ev, m, (uint32_t)record.len);
    g->dirty = true;
    if (qos == 2 && ev->row != ROW_THERE)
        send_when_stored(g, ev, record);
    else
        group_member_send(m, record);
    return true;
}

static void save_leaves(struct group *g)
{
    struct group_save *s = g->save;

    g->save = NULL;
    if (s == NULL)
        return;
    FAILPOINT(broker_group_save);
    group_save_submit(s);
}

/* --- at the head ------------------------------------------------------------------------- */

struct arrival {
    const struct event *e;
    struct slice record;
    struct groups *all;
};

static void group_take(struct group *g, const struct arrival *a)
{
    bool touched = g->save != NULL;

    if (!g->live || a->e->id <= g->cursor)
        return;
    if (g->free != NULL || !assign(g, NULL, a->e, a->record)) {
        g->live = false;
        g->cursor = a->e->id - 1;
        g->dirty = true;
    }
    if (g->save != NULL && !touched)
        LL_PREPEND2(a->all->touched, g, touched_next);
}

static void assign_on_match(void *value, void *arg)
{
    struct group *g;

    LL_FOREACH2 (value, g, sibling) {
        group_take(g, arg);
    }
}

static void touched_submit(struct groups *all)
{
    struct group *g, *next;

    LL_FOREACH_SAFE2 (all->touched, g, next, touched_next)
        save_leaves(g);
    all->touched = NULL;
}

void groups_batch(struct groups *all, const struct store_batch *b)
{
    uint64_t now = wall_ms();

    if (all->groups == NULL || all->stopping)
        return;
    for (uint32_t i = 0; i < b->count; i++) {
        struct slice record = {(const char *)b->items[i].record, b->items[i].size};
        struct reader r = reader_of(record.p, record.len);
        struct event e;
        struct arrival a = {&e, record, all};

        if (event_record_get(&r, &e) && !event_expired(&e, now))
            filter_tree_match(all->filters, e.topic, assign_on_match, &a);
    }
    touched_submit(all);
}

/* --- reading --------------------------------------------------------------------------------- */

static void read_begin(struct group *g, struct buf *request,
                       void (*done)(void *arg, struct slice reply))
{
    g->reading = true;
    g->all->reading++;
    g->all->reads.ask(g->all->reads.of, request, done, g);
}

/* Whoever waits in line is next; this group, if it goes on, is behind it. */
static void read_end(struct group *g)
{
    struct groups *all = g->all;

    g->reading = false;
    all->reading--;
    while (all->line != NULL && all->reading < GROUP_READS_MAX) {
        struct group *next = all->line;

        DL_DELETE2(all->line, next, line_prev, line_next);
        next->in_line = false;
        group_assign_serve(next);
    }
}

/* --- behind -------------------------------------------------------------------------------- */

/* Goes on from the page's end, or from before the event that nobody takes. */
static void page_take(struct group *g, const struct wire_page *page)
{
    struct reader r = reader_of(page->records.p, page->records.len);
    uint64_t now = wall_ms();
    struct event e;
    const uint8_t *start;

    for (start = r.p; event_record_get(&r, &e); start = r.p) {
        struct slice record = {(const char *)start, (size_t)(r.p - start)};

        if (!event_expired(&e, now) && !assign(g, NULL, &e, record)) {
            g->cursor = e.id - 1;
            return;
        }
    }
    g->cursor = page->upto;
    g->live = g->cursor >= store_head(g->all->store);
    g->dirty = true;
}

static void assign_on_page(void *arg, struct slice reply)
{
    struct group *g = arg;
    struct wire_page page;

    read_end(g);
    if (!wire_page_get(reply.p, reply.len, &page) || page.error != ERR_NONE)
        return; /* the tick tries again */
    if (!g->live && g->free == NULL)
        page_take(g, &page);
    save_leaves(g);
    group_assign_serve(g);
}

static void read_page(struct group *g, uint32_t limit)
{
    const struct wire_filter filter = {.filter = g->filter};
    const struct wire_page_req q = {
        .after = g->cursor,
        .limit = limit,
        .filter_count = 1,
        .filters = &filter,
    };
    struct buf request = {0};

    wire_page_req_put(&request, &q);
    read_begin(g, &request, assign_on_page);
}

/* --- once more ------------------------------------------------------------------------------- */

static void event_read(struct group *g, const struct wire_page *page)
{
    struct group_event *ev = group_event_find(g, page->ref);
    struct reader r = reader_of(page->records.p, page->records.len);
    struct event e;

    if (ev == NULL || ev->state != EVENT_FREE)
        return;
    if (page->error == ERR_NONE && event_record_get(&r, &e)) {
        if (event_expired(&e, wall_ms()))
            group_event_gone(g, ev);
        else
            (void)assign(g, ev, &e, page->records);
    } else if (page->error == ERR_NOT_FOUND) {
        log_info("a shared event is gone before it was delivered",
                 LOG_SLICE("group", group_name(g)), LOG_U("id", ev->id));
        group_event_gone(g, ev);
    }
}

static void assign_on_event(void *arg, struct slice reply)
{
    struct group *g = arg;
    struct wire_page page;

    read_end(g);
    if (!wire_page_get(reply.p, reply.len, &page))
        return;
    event_read(g, &page);
    save_leaves(g);
    if (page.error == ERR_NONE || page.error == ERR_NOT_FOUND)
        group_assign_serve(g);
}

static void read_event(struct group *g, uint64_t id)
{
    struct buf request = {0};

    wire_event_req_put(&request, id, id);
    read_begin(g, &request, assign_on_event);
}

static bool has_to_read(const struct group *g)
{
    if (!g->placed || g->reading || g->in_line || g->all->stopping)
        return false;
    return g->free != NULL || (!g->live && HASH_COUNT(g->by_id) < GROUP_EVENTS_MAX);
}

void group_assign_serve(struct group *g)
{
    struct groups *all = g->all;
    uint32_t credit = has_to_read(g) ? credit_of(g) : 0;

    if (credit == 0)
        return;
    if (all->reading >= GROUP_READS_MAX) {
        g->in_line = true;
        DL_APPEND2(all->line, g, line_prev, line_next);
    } else if (g->free != NULL) {
        read_event(g, g->free->id);
    } else {
        read_page(g, credit);
    }
}
