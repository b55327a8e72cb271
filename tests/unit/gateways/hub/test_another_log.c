/* test_another_log.c - a broker that comes back with the same log finds all as it was; one
 * with another log, or that has lost the latest of this one, empties the ring and has every
 * cursor to check. */
#include "clock.h"
#include "feed.h"
#include "run_suite.h"

#define HEAD 100
#define EVENTS 3
#define LAST (HEAD + EVENTS)

static struct hub *hub;
static struct subscription sub;
static struct link_read *asked;
static uint32_t filter_ref;
static unsigned adds, started, taken, gaps;
static struct gap last_gap;

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
    adds++;
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
    (void)gap;
    started++;
}

static size_t on_events(struct subscription *s, struct run *r)
{
    (void)s;
    taken += (unsigned)r->count;
    return r->count;
}

static void on_gap(struct subscription *s, const struct gap *gap)
{
    (void)s;
    gaps++;
    last_gap = *gap;
}

static const struct subscription_ops ops = {
    .started = on_started, .events = on_events, .gap = on_gap};

static void come_up(uint8_t log, uint64_t head, bool reset)
{
    const struct wire_hello_ok hello = {
        .version = WIRE_VERSION, .log = {{log}}, .head = head, .reset = reset};

    hub_up(hub, &hello);
    hub_filter_live(hub, filter_ref, head);
    (void)hub_turn(hub);
}

static void come(uint64_t after, unsigned count)
{
    struct event e = {.topic = SLICE("a"), .payload = SLICE("x")};
    struct buf b = {0};
    struct zmsg m;

    for (e.id = after + 1; e.id <= after + count; e.id++)
        event_record_put(&b, &e);
    zmsg_init_buf(&m, &b);
    hub_live(hub, after, after + count, &m, reader_of(zmsg_data(&m), zmsg_size(&m)));
    zmsg_close(&m);
    (void)hub_turn(hub);
}

/* The cursor that the broker is asked to read from. */
static uint64_t asked_after(void)
{
    struct wire_filter filters[1];
    struct wire_page_req q;

    ck_assert_ptr_nonnull(asked);
    ck_assert(wire_page_req_get(asked->frame.p, asked->frame.len, &q, filters, 1));
    return q.after;
}

static void answer(uint64_t upto, uint64_t removed_to, enum gap_reason reason)
{
    struct wire_page page = {
        .upto = upto, .head = upto, .removed_to = removed_to, .reason = (uint8_t)reason};
    struct link_read *r = asked;
    struct buf b = {0};
    struct zmsg m;

    asked = NULL;
    buf_free(&r->frame);
    wire_page_begin(&b, &page);
    wire_page_finish(&b, 0, upto, 0);
    zmsg_init_buf(&m, &b);
    r->cb(r, ERR_NONE, (struct slice){NULL, 0}, &m);
    zmsg_close(&m);
    (void)hub_turn(hub);
}

static void setup(void)
{
    const struct hub_link link = {on_add, on_drop, on_read, on_cancel, NULL};
    const struct hub_limits limits = {
        .ring = 1 << 20, .page_cache = 1 << 20, .turn = 4 << 20, .linger_ms = 1000};
    struct slice filter = SLICE("a");

    clock_replace(fake_clock, NULL);
    adds = started = taken = gaps = 0;
    asked = NULL;
    hub = hub_new(&link, &limits);
    come_up('A', HEAD, false);
    subscription_open(&sub, hub, &filter, 1, (struct start){START_NOW, 0}, &ops, NULL);
    (void)hub_turn(hub);
    hub_filter_live(hub, filter_ref, HEAD);
    (void)hub_turn(hub);
    come(HEAD, EVENTS);
}

static void teardown(void)
{
    subscription_close(&sub);
    hub_free(hub);
    clock_replace(NULL, NULL);
}

START_TEST(test_the_same_log_finds_all_as_it_was)
{
    size_t bytes = hub->ring.bytes;

    ck_assert_uint_eq(taken, EVENTS);
    come_up('A', LAST, false);
    ck_assert_uint_eq(adds, 2); /* each filter is registered again */
    ck_assert_uint_gt(bytes, 0);
    ck_assert_uint_eq(hub->ring.bytes, bytes);
    ck_assert_ptr_null(asked);
    come(LAST, 1);
    ck_assert_uint_eq(taken, EVENTS + 1);
}
END_TEST

START_TEST(test_another_log_empties_the_ring_and_checks_every_cursor)
{
    come_up('B', HEAD, false);
    ck_assert_uint_eq(hub->ring.bytes, 0);
    ck_assert_uint_eq(asked_after(), LAST);
    ck_assert_uint_eq(hub_seen(hub), HEAD);
    answer(HEAD, 0, GAP_FUTURE);
    ck_assert_uint_eq(gaps, 1);
    come(HEAD, 1);
    ck_assert_uint_eq(taken, EVENTS + 1);
    ck_assert_uint_eq(started, 1);
}
END_TEST

START_TEST(test_a_log_that_lost_its_latest_does_too)
{
    come_up('A', LAST - 1, true);
    ck_assert_uint_eq(hub->ring.bytes, 0);
    ck_assert_uint_eq(asked_after(), LAST);
}
END_TEST

START_TEST(test_a_cursor_that_the_new_log_never_gave_out_is_told_of)
{
    come_up('B', LAST + 10, false);
    ck_assert_uint_eq(asked_after(), LAST);
    answer(LAST + 10, LAST + 5, GAP_RESET);
    ck_assert_uint_eq(gaps, 1);
    ck_assert_int_eq(last_gap.reason, GAP_RESET);
    ck_assert_uint_eq(last_gap.requested, LAST);
    ck_assert_uint_eq(last_gap.removed_to, LAST + 5);
    come(LAST + 10, 1);
    ck_assert_uint_eq(taken, EVENTS + 1);
}
END_TEST

int main(void)
{
    return RUN_TESTS("another log", setup, teardown, test_the_same_log_finds_all_as_it_was,
                     test_another_log_empties_the_ring_and_checks_every_cursor,
                     test_a_log_that_lost_its_latest_does_too,
                     test_a_cursor_that_the_new_log_never_gave_out_is_told_of);
}
