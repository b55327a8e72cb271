/*
 * test_replay.c - filters that replay beside main hand over everything from their start,
 * and with main each event once, whatever happens meanwhile.
 *
 * A seed drives a model broker, the real hub, main's filters and a replay, with a client
 * that takes what it likes; in between the session is taken up anew from what is stored.
 * At the end everything is at the head, and each event was handed over as often as
 *
 *   main's filters say      once, above their `from`
 *   those that replay say   once, above their start; but not when main had it as well and
 *                           it came after the replay had begun
 *
 * What retention or a DELETE took in between may be missing.
 *
 * A failing seed is printed; SEED=n runs it alone.
 */
#include "replay.h"

#include <stdio.h>

#include "deliver.h"
#include "main_cursor.h"
#include "model_broker.h"
#include "run_suite.h"

#define SEEDS 1000
#define STEPS 200
#define MAINS 2
#define SETTLE_MS 20000 /* far more than it takes */

static const char *const filter_names[] = {"a", "a/b", "b/x", "#", "a/#", "+/+", "+/x/#"};

static struct mqttd mqtt;
static struct gateway gateway;
static struct session session;
static struct model model;
static uint64_t seed;
static size_t patience; /* events that the client takes before it is full */
static unsigned got[EVENTS_MAX];
static struct sub *replaying[2]; /* together; NULL: less */
static bool begun;
static uint64_t beside, from; /* of the replay */

/* --- what stands behind a replay in the gateway -------------------------------------- */

static unsigned *got_of(uint64_t id)
{
    for (size_t i = 0; i < model.count; i++)
        if (model.events[i].id == id)
            return &got[i];
    ck_abort_msg("seed %llu: an event that never was", (unsigned long long)seed);
    return NULL;
}

static bool main_has(const struct event *e)
{
    const struct sub *sub;

    for (sub = session.subs; sub != NULL; sub = sub->next)
        if (sub_is_mains(sub) && e->id > sub->from && filter_match(sub_name(sub), e->topic))
            return true;
    return false;
}

size_t deliver_run(struct session *s, struct run *r, struct sub *only, enum deliver_kind kind)
{
    size_t i;

    (void)s;
    ck_assert_int_eq(kind, only != NULL ? DELIVER_REPLAYED : DELIVER_PUBLISHED);
    for (i = 0; i < r->count && patience > 0; i++) {
        const struct event *e = &r->entries[i]->e;

        if (only == NULL && !main_has(e))
            continue;
        patience--;
        (*got_of(e->id))++;
    }
    return i;
}

void deliver_gap(struct session *s, const struct gap *gap)
{
    (void)s;
    (void)gap; /* only events that are kept are counted */
}

void client_end(struct client *c, enum mqtt_reason reason, const char *text)
{
    (void)c;
    (void)reason;
    ck_abort_msg("seed %llu: %s", (unsigned long long)seed, text);
}

static void on_begun(struct session *s)
{
    (void)s; /* nobody waits for a SUBACK */
}

static bool has_mains(const struct sub *but)
{
    const struct sub *sub;

    for (sub = session.subs; sub != NULL; sub = sub->next)
        if (sub != but && sub_is_mains(sub))
            return true;
    return false;
}

/* --- one seed -------------------------------------------------------------------------- */

static const struct hub_limits limits = {
    .ring = 4096, .page_cache = 4096, .turn = 1 << 20, .linger_ms = 1000};

static void add_main(void)
{
    struct slice name = slice_of(filter_names[chance(ARRAY_LEN(filter_names))]);
    struct sub *sub;

    if (!model.up || sub_find(&session, name) != NULL)
        return;
    main_cursor_close(&session);
    if (!has_mains(NULL))
        session.cursor = model.head;
    sub = sub_add(&session, name);
    sub->from = model.head;
    main_cursor_open(&session);
}

static void replay_filter(size_t i, struct start start)
{
    struct slice name = slice_of(filter_names[chance(ARRAY_LEN(filter_names))]);

    if (sub_find(&session, name) != NULL)
        return;
    replaying[i] = sub_add(&session, name);
    replaying[i]->start = start;
    replay_begin(replaying[i], NULL, on_begun);
}

static void add_replay(void)
{
    struct start start = {one_in(3) ? START_SINCE : START_AFTER, 0};

    if (begun || model.count == 0)
        return;
    begun = true;
    beside = session_cursor(&session);
    from = start.arg = one_in(4) ? 0 : model.events[chance(model.count)].id;
    replay_filter(0, start);
    if (one_in(2))
        replay_filter(1, start);
    replay_open(&session);
}

static void state_of(const struct sub *sub, struct buf *state)
{
    struct reader r;
    bool replays;

    replay_state_put(sub, state);
    r = reader_of(state->p, state->len);
    ck_assert(replay_state_skip(&r, &replays) && reader_done(&r));
    ck_assert(replays == (sub->replay != NULL));
}

/* As if the session had been stored and read back. */
static void take_up_anew(void)
{
    struct buf states[ARRAY_LEN(replaying)] = {{0}};
    struct reader r;

    main_cursor_close(&session);
    for (size_t i = 0; i < ARRAY_LEN(replaying); i++)
        if (replaying[i] != NULL)
            state_of(replaying[i], &states[i]);
    for (size_t i = 0; i < ARRAY_LEN(replaying); i++)
        if (replaying[i] != NULL)
            replay_end(replaying[i]);
    for (size_t i = 0; i < ARRAY_LEN(replaying); i++) {
        r = reader_of(states[i].p, states[i].len);
        if (states[i].len > 1)
            replay_begin(replaying[i], &r, on_begun);
        buf_free(&states[i]);
    }
    replay_open(&session);
    main_cursor_open(&session);
}

static void resume(void)
{
    patience = 1 + chance(20);
    if (session.main_open)
        subscription_resume(&session.main);
    replay_resume(&session);
}

static void step(void)
{
    switch (chance(12)) {
    case 0:
    case 1:
        if (model.count + 20 < EVENTS_MAX)
            model_publish(&model, 1 + chance(8));
        break;
    case 2:
    case 3:
        reads_serve(&model);
        break;
    case 4:
    case 5:
        reads_reply(&model);
        break;
    case 6:
        if (one_in(6))
            model_down(&model);
        else
            model_connect(&model);
        if (one_in(40))
            model_restart(&model, false);
        break;
    case 7:
        if (one_in(5))
            add_replay();
        else if (one_in(10))
            add_main();
        else if (one_in(20))
            model_retain(&model);
        else if (one_in(20))
            model_delete(&model);
        break;
    case 8:
        if (one_in(8))
            take_up_anew();
        break;
    case 9:
    case 10:
        pipe_deliver(&model);
        break;
    case 11:
        resume();
        break;
    }
    if (one_in(3))
        (void)hub_turn(mqtt.gateway->hub);
}

static bool is_quiet(void)
{
    return session.replays == NULL && session_at_head(&session) &&
           hub_position(gateway.hub) == model.head;
}

/* A replay that stands at the head joins main with the wheel's next tick. */
static void settle(void)
{
    model_connect(&model);
    add_replay();
    for (uint64_t end = clock_mono_ms() + SETTLE_MS; !is_quiet() && clock_mono_ms() < end;) {
        resume();
        reads_serve(&model);
        reads_reply(&model);
        pipe_deliver(&model);
        (void)hub_turn(mqtt.gateway->hub);
        hub_tick(mqtt.gateway->hub);
        (void)uv_run(&gateway.loop, UV_RUN_NOWAIT);
    }
    ck_assert_msg(is_quiet(), "seed %llu: it does not come to rest", (unsigned long long)seed);
}

static bool replays(const struct sub *sub)
{
    return sub == replaying[0] || sub == replaying[1];
}

static unsigned expected(const struct model_event *e)
{
    struct slice topic = slice_of(topic_names[e->topic]);
    unsigned mains = 0, copies = 0;
    const struct sub *sub;

    for (sub = session.subs; sub != NULL; sub = sub->next) {
        if (!filter_match(sub_name(sub), topic))
            continue;
        if (replays(sub))
            copies = e->id > from;
        else if (e->id > sub->from)
            mains = 1;
    }
    if (e->id > beside && mains > 0)
        copies = 0;
    return mains + copies;
}

static void check(void)
{
    for (size_t i = 0; i < model.count; i++) {
        const struct model_event *e = &model.events[i];

        if (e->fate == KEPT || got[i] > expected(e))
            ck_assert_msg(got[i] == expected(e),
                          "seed %llu: event %llu of %s came %u times, not %u",
                          (unsigned long long)seed, (unsigned long long)e->id,
                          topic_names[e->topic], got[i], expected(e));
    }
}

static void seed_begin(void)
{
    struct hub_link link = {.filter_add = model_filter_add,
                            .filter_drop = model_filter_drop,
                            .read = model_read,
                            .read_cancel = model_read_cancel,
                            .link = &model};

    chance_state = seed;
    memset(&model, 0, sizeof model);
    memset(&session, 0, sizeof session);
    memset(got, 0, sizeof got);
    memset(replaying, 0, sizeof replaying);
    begun = false;
    model.log.b[0] = 1;
    model.head = 100;
    gateway.hub = model.hub = hub_new(&link, &limits);
    session.mqtt = &mqtt;
    session.cursor = model.head;
    model_connect(&model);
    model_publish(&model, chance(40));
    for (size_t i = chance(MAINS + 1); i > 0; i--)
        add_main();
}

static void seed_end(void)
{
    main_cursor_close(&session);
    while (session.subs != NULL) {
        replay_end(session.subs);
        sub_free(session.subs);
    }
    pipe_clear(&model);
    for (size_t i = 0; i < model.served_count; i++)
        buf_free(&model.served[i].reply);
    hub_free(gateway.hub);
    gateway.hub = NULL;
}

static void run_seed(void)
{
    seed_begin();
    for (int i = 0; i < STEPS; i++)
        step();
    settle();
    check();
    seed_end();
}

START_TEST(every_event_comes_as_often_as_the_filters_say)
{
    const char *one = getenv("SEED");

    for (seed = one != NULL ? strtoull(one, NULL, 10) : 1; seed <= SEEDS || one != NULL; seed++) {
        run_seed();
        if (one != NULL)
            break;
    }
}
END_TEST

static void setup(void)
{
    memset(&mqtt, 0, sizeof mqtt);
    mqtt.gateway = &gateway;
    ck_assert_int_eq(uv_loop_init(&gateway.loop), 0);
    wheel_init(&gateway.wheel, &gateway.loop);
    reaper_init(&gateway.reaper, &gateway.wheel);
}

static void teardown(void)
{
    reaper_close(&gateway.reaper);
    wheel_close(&gateway.wheel, NULL, NULL);
    uv_run(&gateway.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&gateway.loop), 0);
}

int main(void)
{
    return RUN_TESTS("replay", setup, teardown, every_event_comes_as_often_as_the_filters_say);
}
