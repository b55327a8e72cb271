/* test_ahead.c - where a subscription begins.  A cursor beyond what its gateway has seen is
 * judged by the broker, then live with the next event, without a tick in between; one that
 * begins now has all that comes after it was opened. */
#include "clock.h"
#include "feed.h"
#include "run_suite.h"

#define SEEN 100 /* by the gateway */
#define HEAD 200 /* of the log, when the filter was added */

static struct hub *hub;
static struct subscription sub, newcomer;
static struct link_read *asked;
static uint32_t filter_ref;
static unsigned started, taken, gaps;

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

static void on_read(void *link, struct link_read *r)
{
    (void)link;
    ck_assert_ptr_null(asked);
    asked = r;
}

static void on_cancel(void *link, struct link_read *r)
{
    (void)link;
    ck_assert_ptr_eq(asked, r);
    buf_free(&r->frame);
    asked = NULL;
}

static void on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    (void)s;
    (void)cursor;
    started++;
    gaps += gap != NULL;
}

static size_t on_events(struct subscription *s, struct run *r)
{
    (void)s;
    taken += (unsigned)r->count;
    return r->count;
}

static const struct subscription_ops ops = {.started = on_started, .events = on_events};

static void setup(void)
{
    const struct hub_link link = {on_add, on_drop, on_read, on_cancel, NULL};
    const struct hub_limits limits = {
        .ring = 1 << 20, .page_cache = 1 << 20, .turn = 4 << 20, .linger_ms = 1000};
    const struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = SEEN};
    struct slice filter = SLICE("a");

    clock_replace(fake_clock, NULL);
    started = taken = gaps = 0;
    asked = NULL;
    hub = hub_new(&link, &limits);
    hub_up(hub, &hello);
    subscription_open(&sub, hub, &filter, 1, (struct start){START_AFTER, HEAD}, &ops, NULL);
    (void)hub_turn(hub);
    hub_filter_live(hub, filter_ref, HEAD);
    (void)hub_turn(hub);
}

static void teardown(void)
{
    subscription_close(&sub);
    hub_free(hub);
    clock_replace(NULL, NULL);
}

/* A page without events; with GAP_FUTURE the cursor was never given out. */
static void answer(uint64_t head, uint8_t reason)
{
    struct wire_page page = {.upto = head, .head = head, .reason = reason};
    struct link_read *r = asked;
    struct buf b = {0};
    struct zmsg m;

    ck_assert_ptr_nonnull(r);
    asked = NULL;
    buf_free(&r->frame);
    wire_page_begin(&b, &page);
    wire_page_finish(&b, 0, head, 0);
    zmsg_init_buf(&m, &b);
    r->cb(r, ERR_NONE, (struct slice){NULL, 0}, &m);
    zmsg_close(&m);
    (void)hub_turn(hub);
}

static void come(struct slice topic, uint64_t id)
{
    struct event e = {.id = id, .topic = topic, .payload = SLICE("x")};
    struct buf b = {0};
    struct zmsg m;

    event_record_put(&b, &e);
    zmsg_init_buf(&m, &b);
    hub_live(hub, HEAD, id, &m, reader_of(zmsg_data(&m), zmsg_size(&m)));
    zmsg_close(&m);
    while (hub_turn(hub))
        ;
}

START_TEST(test_it_says_what_its_filters_are)
{
    struct slice filter;

    ck_assert(subscription_filter(&sub, 0, &filter));
    ck_assert(slice_eq(filter, SLICE("a")));
    ck_assert(!subscription_filter(&sub, 1, &filter));
    subscription_close(&sub);
    ck_assert(!subscription_filter(&sub, 0, &filter));
}
END_TEST

START_TEST(test_the_broker_judges_it_first)
{
    ck_assert_uint_eq(started, 0);
    answer(HEAD, 0);
    ck_assert_uint_eq(started, 1);
    ck_assert_uint_eq(gaps, 0);
}
END_TEST

START_TEST(test_the_next_event_comes_live_without_a_tick)
{
    answer(HEAD, 0);
    come(SLICE("a"), HEAD + 1);
    ck_assert_uint_eq(taken, 1);
    ck_assert(subscription_at_head(&sub));
    ck_assert_ptr_null(asked);
}
END_TEST

START_TEST(test_one_from_the_future_goes_on_from_the_head)
{
    answer(HEAD - 1, GAP_FUTURE);
    ck_assert_uint_eq(gaps, 1);
    ck_assert_uint_eq(subscription_cursor(&sub), HEAD - 1);
}
END_TEST

START_TEST(test_what_comes_with_the_news_that_its_filter_is_live_is_later_than_now)
{
    struct slice filter = SLICE("b");

    subscription_open(&newcomer, hub, &filter, 1, (struct start){START_NOW, 0}, &ops, NULL);
    (void)hub_turn(hub);
    hub_filter_live(hub, filter_ref, HEAD);
    come(SLICE("b"), HEAD + 1);
    ck_assert_uint_eq(taken, 1);
    subscription_close(&newcomer);
}
END_TEST

int main(void)
{
    return RUN_TESTS("ahead", setup, teardown, test_it_says_what_its_filters_are,
                     test_the_broker_judges_it_first, test_the_next_event_comes_live_without_a_tick,
                     test_one_from_the_future_goes_on_from_the_head,
                     test_what_comes_with_the_news_that_its_filter_is_live_is_later_than_now);
}
