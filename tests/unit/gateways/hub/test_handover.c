/*
 * test_handover.c - the promise itself: whatever happens, every subscriber sees
 * every event once, in order, or is told that something is gone.
 *
 * A seed drives a model broker (model_broker.h), the real hub, and a handful of
 * clients with random filters, starts and patience.  The checker compares each
 * client's stream with the log of all that ever happened:
 *
 *   order      IDs rise strictly
 *   loss       an event that matched and did not come is gone from the store
 *              and was announced before the stream passed it
 *   sharing    subscriptions in one bundle get an event together, if at the head
 *   notices    each announces more than the one before, and what it says was
 *              removed is removed
 *   the end    once everything is quiet, everybody is at the head and has all
 *
 * A failing seed is printed; SEED=n runs it alone.
 */
#include <stdio.h>

#include "model_broker.h"
#include "suite.h"

#define CLIENTS 6
#define BUNDLES 2
#define STEPS 250

static const char *const filter_names[] = {"a",   "a/b", "a/c",   "b/x",   "v/1", "#",
                                           "a/#", "+/+", "b/x/y", "+/x/#", "v/#"};

struct client {
    struct subscription sub;
    struct model *model;
    bool open, begun;
    struct slice filters[3];
    size_t filter_count;
    struct start start;
    uint64_t pos;      /* exclusive: all up to here is accounted for */
    uint64_t told;     /* highest removed ID announced */
    uint64_t quiet_to; /* removed before the start: need not be announced */
    uint64_t last_froms[3], last_head;
    bool last;
    size_t patience; /* events it takes before it is full */
    bool stopped;    /* reads nothing at all */
    bool owed_reset; /* its cursor lies in a hole: it must be told */
};

static uint64_t seed;
#define must(cond, ...)                                                                            \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "seed %llu: ", (unsigned long long)seed);                              \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            ck_abort_msg("%s", #cond);                                                             \
        }                                                                                          \
    } while (0)
#define U(x) ((unsigned long long)(x))

/* --- the checker ---------------------------------------------------------------- */

static bool client_matches(const struct client *c, const struct model_event *e)
{
    size_t i;

    for (i = 0; i < c->filter_count; i++) {
        if ((!c->last || e->id > c->last_froms[i] || e->id > c->last_head) &&
            filter_match(c->filters[i], slice_of(topic_names[e->topic])))
            return true;
    }
    return false;
}

/* Everything that matches in (pos, upto) must be excused. */
static void check_skipped(const struct client *c, uint64_t upto)
{
    const struct model *m = c->model;
    size_t i;

    for (i = 0; i < m->count; i++) {
        const struct model_event *e = &m->events[i];
        if (e->id <= c->pos || e->id >= upto || !client_matches(c, e))
            continue;
        must(e->fate != KEPT, "event %llu of %s was lost; pos %llu, next %llu", U(e->id),
             topic_names[e->topic], U(c->pos), U(upto));
        /* What a restore lost after it was published to nobody is nobody's. */
        must(e->fate == LOST || e->id <= c->told || e->id <= c->quiet_to,
             "event %llu of %s is gone untold; told %llu", U(e->id), topic_names[e->topic],
             U(c->told));
    }
}

static const struct model_event *event_find(const struct model *m, uint64_t id)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (m->events[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < m->count && m->events[low].id == id ? &m->events[low] : NULL;
}

static void check_event(struct client *c, uint64_t id)
{
    const struct model_event *e = event_find(c->model, id);

    must(e != NULL && client_matches(c, e), "event %llu is not for this client (start %d, %llu)",
         U(id), c->start.kind, U(c->last_head));
    must(id > c->pos, "event %llu came after %llu", U(id), U(c->pos));
    must(id > c->model->purged[e->topic], "event %llu was deleted before", U(id));
    /* While the link is down nobody here can know. */
    must(!c->owed_reset || !c->model->up, "event %llu came before the word of a reset", U(id));
    must(e->fate != LOST || !c->model->up, "event %llu is of a history that was lost", U(id));
    check_skipped(c, id);
    c->pos = id;
}

static void check_gap(struct client *c, const struct gap *g)
{
    must(g->requested == c->pos || g->requested >= c->pos, "gap asks for %llu at %llu",
         U(g->requested), U(c->pos));
    if (g->reason == GAP_FUTURE || g->reason == GAP_RESET)
        c->owed_reset = false;
    if (g->reason == GAP_FUTURE) {
        must(g->resumed_from < g->requested, "future %llu is past", U(g->requested));
        c->pos = g->resumed_from;
        return;
    }
    must(g->removed_to > c->told || g->reason == GAP_RESET, "gap %llu was told before",
         U(g->removed_to));
    must(g->removed_to > g->requested, "gap %llu is behind the cursor", U(g->removed_to));
    must(g->resumed_from >= g->requested && g->resumed_from <= g->removed_to,
         "gap resumes from %llu", U(g->resumed_from));
    c->told = g->removed_to;
    check_skipped(c, g->resumed_from + 1);
    if (c->pos < g->resumed_from)
        c->pos = g->resumed_from;
}

/* --- clients ---------------------------------------------------------------------- */

static void on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    struct client *c = s->data;

    must(!c->begun, "started twice");
    c->begun = true;
    switch (c->start.kind) {
    case START_NOW:
        c->pos = cursor;
        break;
    case START_AFTER:
        c->pos = c->start.arg;
        break;
    default:
        c->pos = cursor;
        break;
    }
    if (c->start.kind != START_AFTER || c->start.arg == 0)
        c->quiet_to = c->model->head;
    if (gap != NULL)
        check_gap(c, gap);
}

static size_t on_events(struct subscription *s, struct run *r)
{
    struct client *c = s->data;
    size_t i;

    must(c->begun, "events before started");
    for (i = 0; i < r->count && !c->stopped && c->patience > 0; i++, c->patience--)
        check_event(c, r->entries[i]->e.id);
    return i;
}

static bool all_take(const struct bundle_run *r, size_t from, size_t to)
{
    for (size_t k = from; k < to; k++) {
        const struct client *c = r->shares[k]->data;
        if (c->stopped || c->patience == 0)
            return false;
    }
    return true;
}

static size_t on_bundle_events(struct bundle *b, struct bundle_run *r)
{
    size_t i, k, at = 0;

    for (i = 0; i < r->run->count && all_take(r, at, r->ends[i]); i++) {
        uint64_t id = r->run->entries[i]->e.id;
        must(i == 0 || id > r->run->entries[i - 1]->e.id, "event %llu is not shared", U(id));
        for (k = at; k < r->ends[i]; k++) {
            struct client *c = r->shares[k]->data;
            must(c->sub.bundle == b, "event %llu is for another bundle", U(id));
            check_event(c, id);
            c->patience--;
        }
        at = r->ends[i];
    }
    return i;
}

static struct bundle bundles[BUNDLES] = {{.events = on_bundle_events},
                                         {.events = on_bundle_events}};

static void on_gap(struct subscription *s, const struct gap *gap)
{
    check_gap(s->data, gap);
}

static void on_failed(struct subscription *s, enum sluice_error error, struct slice text)
{
    (void)s;
    must(false, "failed: %d %.*s", error, (int)text.len, text.p);
}

/* Whoever asks no more, as a poll does, goes on from here next time. */
static void on_caught_up(struct subscription *s)
{
    struct client *c = s->data;
    uint64_t cursor = subscription_cursor(s);

    must(c->begun, "caught up before started");
    check_skipped(c, cursor + 1);
    if (one_in(4)) {
        if (cursor > c->pos)
            c->pos = cursor;
        subscription_close(s);
        c->open = false;
    }
}

static const struct subscription_ops ops = {.started = on_started,
                                            .events = on_events,
                                            .gap = on_gap,
                                            .failed = on_failed,
                                            .caught_up = on_caught_up};

static struct start random_start(const struct model *m)
{
    if (one_in(3))
        return (struct start){START_NOW, 0};
    if (one_in(6))
        return (struct start){START_AFTER, m->head + 1 + chance(50)};
    if (one_in(4))
        return (struct start){START_LAST, chance(6)};
    if (m->hole_count > 0 && one_in(5)) { /* of a life that was lost */
        size_t i = chance(m->hole_count);
        return (struct start){START_AFTER,
                              m->holes[i].low + 1 + chance(m->holes[i].high - m->holes[i].low - 1)};
    }
    if (one_in(8) || m->count == 0)
        return (struct start){START_AFTER, 0};
    return (struct start){START_AFTER, m->events[chance(m->count)].id};
}

static void client_open(struct client *c, struct model *m)
{
    size_t i;
    bool resumes = c->begun && one_in(2);
    uint64_t pos = c->pos;

    if (!resumes) {
        c->filter_count = 1 + chance(3);
        for (i = 0; i < c->filter_count; i++)
            c->filters[i] = slice_of(filter_names[chance(ARRAY_LEN(filter_names))]);
    }
    c->start = resumes && pos > 0 ? (struct start){START_AFTER, pos} : random_start(m);
    c->model = m;
    c->open = true;
    c->begun = c->last = false;
    c->owed_reset = c->start.kind == START_AFTER && c->start.arg > 0 && c->start.arg <= m->head &&
                    !model_knows(m, c->start.arg);
    c->told = c->quiet_to = 0;
    c->patience = chance(20);
    c->stopped = one_in(8);
    subscription_open(&c->sub, m->hub, c->filters, c->filter_count, c->start, &ops, c);
    if (one_in(2))
        bundle_join(&bundles[chance(BUNDLES)], &c->sub);
}

/* A client that reads again may come back by its cursor, as SSE's id: blocks tell it. */
static void client_close(struct client *c)
{
    if (c->begun && one_in(2)) {
        uint64_t cursor = subscription_cursor(&c->sub);
        check_skipped(c, cursor + 1);
        if (cursor > c->pos)
            c->pos = cursor;
    }
    subscription_close(&c->sub);
    c->open = false;
}

static void client_step(struct client *c, struct model *m)
{
    if (!c->open) {
        client_open(c, m);
    } else if (one_in(30)) {
        client_close(c);
    } else {
        if (one_in(10))
            c->stopped = !c->stopped;
        if (one_in(20))
            bundle_leave(&c->sub);
        c->patience = 1 + chance(30);
        if (!c->stopped)
            subscription_resume(&c->sub);
    }
}

/* last=N: what the broker says at one moment is all that is promised; take the
 * subscription's own froms as the expectation once they are known. */
static void client_note_last(struct client *c)
{
    size_t i, j;

    if (!c->open || c->start.kind != START_LAST || c->last || c->sub.froms == NULL)
        return;
    c->last = true;
    c->last_head = c->sub.store_until;
    for (i = 0; i < c->filter_count; i++) {
        for (j = 0; j < c->sub.feed->filter_count; j++) {
            if (slice_eq(c->filters[i], slice_of(c->sub.feed->filters[j]->name)))
                c->last_froms[i] = c->sub.froms[j];
        }
    }
}

/* --- one seed ------------------------------------------------------------------------ */

static uint64_t fake_now;
static uint64_t fake_clock(void *arg)
{
    (void)arg;
    return fake_now;
}

/* Whoever stands in the new hole has seen what this log no longer knows. */
static void restart(struct model *m, struct client *clients)
{
    size_t i, holes = m->hole_count;

    model_restart(m, one_in(2));
    if (m->hole_count == holes)
        return;
    for (i = 0; i < CLIENTS; i++) {
        uint64_t cursor = clients[i].open ? subscription_cursor(&clients[i].sub) : 0;
        if (clients[i].open && clients[i].begun && cursor > m->holes[holes].low &&
            cursor < m->holes[holes].high)
            clients[i].owed_reset = true;
    }
}

static void broker_step(struct model *m, struct client *clients)
{
    switch (chance(24)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        if (m->count + 40 < EVENTS_MAX)
            model_publish(m, 1 + chance(12));
        break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
        reads_serve(m);
        break;
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
        reads_reply(m);
        break;
    case 15:
        if (one_in(4))
            model_down(m);
        break;
    case 16:
    case 17:
        model_connect(m);
        break;
    case 18:
        model_retain(m);
        break;
    case 19:
        if (one_in(3))
            model_delete(m);
        break;
    case 20:
        if (one_in(10))
            restart(m, clients);
        break;
    case 21: /* credit is used up; later the gateway confirms */
        m->paused = m->up && !m->paused;
        if (m->up && !m->paused) {
            m->sent_upto = m->head;
            send_live(m, 0, 0, m->head);
        }
        break;
    default:
        pipe_deliver(m);
        pipe_deliver(m);
        break;
    }
}

static void settle(struct model *m, struct client *clients)
{
    size_t i, turn;

    model_connect(m);
    if (m->paused) {
        m->paused = false;
        m->sent_upto = m->head;
        send_live(m, 0, 0, m->head);
    }
    for (turn = 0; turn < 2000; turn++) {
        for (i = 0; i < CLIENTS; i++) {
            clients[i].patience = 100;
            clients[i].stopped = false;
            if (clients[i].open)
                subscription_resume(&clients[i].sub);
            client_note_last(&clients[i]);
        }
        reads_serve(m);
        reads_reply(m);
        pipe_deliver(m);
        fake_now += 100;
        hub_tick(m->hub);
        (void)hub_turn(m->hub);
    }
    for (i = 0; i < CLIENTS; i++) {
        if (!clients[i].open)
            continue;
        must(clients[i].begun, "client %zu never started", i);
        must(!clients[i].owed_reset, "client %zu was not told of the reset", i);
        must(subscription_at_head(&clients[i].sub), "client %zu is not at the head: state %d", i,
             clients[i].sub.state);
        check_skipped(&clients[i], UINT64_MAX);
    }
}

static void run_seed(uint64_t n)
{
    static struct model m;
    struct client clients[CLIENTS];
    struct hub_limits limits;
    size_t i, step;

    seed = chance_state = n;
    fake_now = 1000000;
    memset(&m, 0, sizeof m);
    memset(clients, 0, sizeof clients);
    m.head = 1000;
    m.log.b[0] = 1;
    limits.ring = chance(4000); /* a few events */
    limits.page_cache = chance(6000);
    limits.turn = one_in(2) ? 1 << 20 : chance(3000); /* all who pull, or one or two */
    limits.linger_ms = chance(3) * 200;
    m.hub = hub_new(
        &(struct hub_link){model_filter_add, model_filter_drop, model_read, model_read_cancel, &m},
        &limits);
    for (step = 0; step < STEPS; step++) {
        broker_step(&m, clients);
        for (i = 0; i < CLIENTS; i++)
            client_note_last(&clients[i]);
        if (one_in(2))
            client_step(&clients[chance(CLIENTS)], &m);
        fake_now += chance(50);
        if (one_in(20))
            hub_tick(m.hub);
        if (!one_in(4))
            (void)hub_turn(m.hub);
    }
    settle(&m, clients);
    for (i = 0; i < CLIENTS; i++) {
        if (clients[i].open)
            subscription_close(&clients[i].sub);
    }
    m.up = false;
    hub_free(m.hub);
    pipe_clear(&m);
    ck_assert(m.reads == NULL);
}

START_TEST(test_nothing_lost_nothing_twice_every_gap_told)
{
    const char *one = getenv("SEED"), *many = getenv("SEEDS");
    uint64_t n, end = many != NULL ? strtoull(many, NULL, 10) : 3000;

    clock_replace(fake_clock, NULL);
    if (one != NULL)
        run_seed(strtoull(one, NULL, 10));
    for (n = 1; one == NULL && n <= end; n++)
        run_seed(n);
    clock_replace(NULL, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("handover");
    TCase *t = tcase_create("seeds");

    tcase_set_timeout(t, 240);
    tcase_add_test(t, test_nothing_lost_nothing_twice_every_gap_told);
    suite_add_tcase(s, t);
    return suite_run(s);
}
