/* test_feed.c - feeds outlive their subscriptions for a while, and within bounds. */
#include <stdio.h>

#include "clock.h"
#include "feed.h"
#include "run_suite.h"

#define LINGER 1000

static uint64_t now;
static struct hub *hub;
static struct subscription sub;
static unsigned added, dropped, failed, cancelled;
static uint32_t last_ref;
static struct link_read *asked;

static uint64_t fake_clock(void *arg)
{
    (void)arg;
    return now;
}

static void on_add(void *link, uint32_t ref, struct slice filter)
{
    (void)link;
    (void)filter;
    added++;
    last_ref = ref;
}

static void on_drop(void *link, uint32_t ref)
{
    (void)link;
    (void)ref;
    dropped++;
}

static void on_read(void *link, struct link_read *r)
{
    (void)link;
    buf_free(&r->frame);
    asked = r;
}

static void on_cancel(void *link, struct link_read *r)
{
    (void)link;
    (void)r;
    cancelled++;
}

static void on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    (void)s;
    (void)cursor;
    (void)gap;
}

static size_t on_events(struct subscription *s, struct run *r)
{
    (void)s;
    return r->count;
}

static void on_gap(struct subscription *s, const struct gap *gap)
{
    (void)s;
    (void)gap;
}

static void on_failed(struct subscription *s, enum sluice_error error, struct slice text)
{
    (void)text;
    ck_assert_int_eq(error, ERR_TOO_MANY);
    failed++;
    if (s->data != NULL)
        subscription_close(s);
}

static const struct subscription_ops ops = {
    .started = on_started, .events = on_events, .gap = on_gap, .failed = on_failed};

static void setup(void)
{
    const struct hub_link link = {
        .filter_add = on_add, .filter_drop = on_drop, .read = on_read, .read_cancel = on_cancel};
    const struct hub_limits limits = {
        .ring = 1 << 20, .page_cache = 1 << 20, .turn = 1 << 20, .linger_ms = LINGER};
    const struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = 100};

    added = dropped = failed = cancelled = 0;
    now = 1000000;
    clock_replace(fake_clock, NULL);
    hub = hub_new(&link, &limits);
    hub_up(hub, &hello);
}

static void teardown(void)
{
    hub_free(hub);
    clock_replace(NULL, NULL);
}

static void open_to(struct slice filter)
{
    subscription_open(&sub, hub, &filter, 1, (struct start){START_NOW, 0}, &ops, NULL);
    (void)hub_turn(hub);
}

static void come_and_go(struct slice filter)
{
    open_to(filter);
    subscription_close(&sub);
    (void)hub_turn(hub);
}

static void pass(uint64_t ms)
{
    now += ms;
    hub_tick(hub);
}

START_TEST(test_a_filter_stays_a_while_without_anybody)
{
    come_and_go(SLICE("a"));
    pass(LINGER - 1);
    ck_assert_uint_eq(dropped, 0);
    pass(1);
    ck_assert_uint_eq(dropped, 1);
}
END_TEST

START_TEST(test_whoever_comes_back_finds_it)
{
    come_and_go(SLICE("a"));
    for (int i = 0; i < 10; i++) {
        pass(LINGER / 2);
        come_and_go(SLICE("a"));
    }
    ck_assert_uint_eq(added, 1);
    ck_assert_uint_eq(dropped, 0);
}
END_TEST

START_TEST(test_a_subscription_keeps_it)
{
    come_and_go(SLICE("a"));
    open_to(SLICE("a"));
    pass(10 * LINGER);
    ck_assert_uint_eq(dropped, 0);
    subscription_close(&sub);
}
END_TEST

START_TEST(test_two_feeds_share_a_filter)
{
    struct slice both[] = {SLICE("a"), SLICE("b")};

    subscription_open(&sub, hub, both, 2, (struct start){START_NOW, 0}, &ops, NULL);
    subscription_close(&sub);
    pass(LINGER / 2);
    come_and_go(SLICE("a"));
    pass(LINGER / 2);
    ck_assert_uint_eq(added, 2);
    ck_assert_uint_eq(dropped, 1); /* b */
}
END_TEST

START_TEST(test_the_idle_ones_are_bounded)
{
    char name[16];

    for (int i = 0; i < IDLE_FILTERS_MAX + 10; i++) {
        (void)snprintf(name, sizeof name, "t/%d", i);
        come_and_go(slice_of(name));
    }
    ck_assert_uint_eq(dropped, 10);
    added = 0;
    come_and_go(SLICE("t/0")); /* the first ones went first */
    ck_assert_uint_eq(added, 1);
    come_and_go(SLICE("t/100"));
    ck_assert_uint_eq(added, 1);
}
END_TEST

START_TEST(test_a_refused_filter_is_asked_for_again)
{
    open_to(SLICE("a"));
    hub_filter_no(hub, last_ref, ERR_TOO_MANY);
    ck_assert_uint_eq(failed, 1);
    come_and_go(SLICE("a"));
    ck_assert_uint_eq(added, 2);
}
END_TEST

static void answer_start(uint64_t from)
{
    struct buf b = {0};
    struct zmsg z;

    wire_start_put(&b, 0, 100, &from, 1);
    zmsg_init_buf(&z, &b);
    asked->cb(asked, ERR_NONE, SLICE(""), &z);
    zmsg_close(&z);
}

/* With last=N a page is one subscription's own, and goes when it closes. */
START_TEST(test_who_closes_when_its_page_fails_cancels_nothing)
{
    struct slice filter = SLICE("a");

    subscription_open(&sub, hub, &filter, 1, (struct start){START_LAST, 1}, &ops, &sub);
    (void)hub_turn(hub);
    answer_start(50);
    hub_filter_live(hub, last_ref, 100);
    (void)hub_turn(hub);
    asked->cb(asked, ERR_TOO_MANY, SLICE(""), NULL);
    ck_assert_uint_eq(failed, 1);
    ck_assert_uint_eq(cancelled, 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS("feed", setup, teardown, test_a_filter_stays_a_while_without_anybody,
                     test_whoever_comes_back_finds_it, test_a_subscription_keeps_it,
                     test_two_feeds_share_a_filter, test_the_idle_ones_are_bounded,
                     test_a_refused_filter_is_asked_for_again,
                     test_who_closes_when_its_page_fails_cancels_nothing);
}
