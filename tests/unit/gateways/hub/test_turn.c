/* test_turn.c - what one turn hands to those who replay, and to those who are live. */
#include "clock.h"
#include "feed.h"
#include "run_suite.h"

#define HEAD 100
#define EVENTS 64
#define PAYLOAD (128u * 1024) /* so that a run is one event, and a pump four */
#define PULLERS 12

static struct hub *hub;
static struct subscription live, pullers[PULLERS];
static unsigned taken[PULLERS + 1]; /* the last one: of `live` */
static uint32_t filter_ref;

static uint64_t fake_clock(void *arg)
{
    (void)arg;
    return 1000000;
}

static void on_add(void *link, uint32_t ref, struct slice filter)
{
    (void)link;
    (void)filter;
    filter_ref = ref;
}

static void on_drop(void *link, uint32_t ref)
{
    (void)link;
    (void)ref;
}

static void on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    (void)s;
    (void)cursor;
    ck_assert_ptr_null(gap);
}

static size_t on_events(struct subscription *s, struct run *r)
{
    *(unsigned *)s->data += (unsigned)r->count;
    return r->count;
}

static const struct subscription_ops ops = {.started = on_started, .events = on_events};

static void open_one(struct subscription *s, struct start start, unsigned *count)
{
    struct slice filter = SLICE("a");

    *count = 0;
    subscription_open(s, hub, &filter, 1, start, &ops, count);
}

/* Events with the next IDs, as the broker sends them. */
static void come(unsigned count)
{
    static const char payload[PAYLOAD];
    uint64_t after = hub->flushed;
    struct event e = {.topic = SLICE("a"), .payload = {payload, sizeof payload}};
    struct buf b = {0};
    struct zmsg m;

    for (e.id = after + 1; e.id <= after + count; e.id++)
        event_record_put(&b, &e);
    zmsg_init_buf(&m, &b);
    hub_live(hub, after, after + count, &m, reader_of(zmsg_data(&m), zmsg_size(&m)));
    zmsg_close(&m);
}

static void setup(void)
{
    const struct hub_link link = {.filter_add = on_add, .filter_drop = on_drop};
    const struct hub_limits limits = {
        .ring = 64 << 20, .page_cache = 1 << 20, .turn = 4 << 20, .linger_ms = 1000};
    const struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = HEAD};

    clock_replace(fake_clock, NULL);
    hub = hub_new(&link, &limits);
    hub_up(hub, &hello);
    open_one(&live, (struct start){START_NOW, 0}, &taken[PULLERS]);
    (void)hub_turn(hub);
    hub_filter_live(hub, filter_ref, HEAD);
    (void)hub_turn(hub);
    come(EVENTS);
    (void)hub_turn(hub);
    for (int i = 0; i < PULLERS; i++)
        open_one(&pullers[i], (struct start){START_AFTER, HEAD}, &taken[i]);
}

static void teardown(void)
{
    for (int i = 0; i < PULLERS; i++)
        subscription_close(&pullers[i]);
    subscription_close(&live);
    hub_free(hub);
    clock_replace(NULL, NULL);
}

static unsigned taken_by_pullers(void)
{
    unsigned n = 0;

    for (int i = 0; i < PULLERS; i++)
        n += taken[i];
    return n;
}

START_TEST(test_those_who_pull_share_what_a_turn_may_hand_out)
{
    ck_assert(hub_turn(hub));
    ck_assert_uint_gt(taken[0], 0);
    ck_assert_uint_eq(taken[PULLERS - 1], 0);
    ck_assert_uint_lt(taken_by_pullers(), PULLERS * EVENTS / 4);
}
END_TEST

START_TEST(test_whoever_had_to_wait_comes_first_in_the_next_turn)
{
    (void)hub_turn(hub);
    (void)hub_turn(hub);
    ck_assert_uint_gt(taken[PULLERS - 1], 0);
}
END_TEST

START_TEST(test_everybody_gets_everything)
{
    while (hub_turn(hub))
        ;
    for (int i = 0; i < PULLERS; i++) {
        ck_assert_uint_eq(taken[i], EVENTS);
        ck_assert(subscription_at_head(&pullers[i]));
    }
}
END_TEST

START_TEST(test_what_is_live_does_not_wait_for_those_who_pull)
{
    (void)hub_turn(hub);
    come(1);
    (void)hub_turn(hub);
    ck_assert_uint_eq(taken[PULLERS], EVENTS + 1);
    ck_assert_uint_lt(taken_by_pullers(), PULLERS * EVENTS);
}
END_TEST

int main(void)
{
    return RUN_TESTS("turn", setup, teardown, test_those_who_pull_share_what_a_turn_may_hand_out,
                     test_whoever_had_to_wait_comes_first_in_the_next_turn,
                     test_everybody_gets_everything,
                     test_what_is_live_does_not_wait_for_those_who_pull);
}
