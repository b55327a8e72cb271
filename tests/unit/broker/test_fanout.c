/*
 * test_fanout.c - selection, ranges, chains and credit, without a socket.
 *
 * The fixture plays the store (batches of events on numbered topics) and the
 * gateways (what was sent to each is kept as text):
 *
 *     "(0,3] 1 2 3"     a live message and the events in it
 *     "removed a/b 7"
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fanout.h"
#include "mem.h"
#include "slots.h"
#include "suite.h"

#define TOPICS_MAX 64
#define CREDIT 4096

struct gateway {
    struct fanout_peer *peer;
    struct buf seen;   /* every message so far, a line each */
    const void *bytes; /* of the last message */
    bool broken;
};

static struct fanout *fanout;
static struct gateway gw[4];
static const char *topics[TOPICS_MAX];
static struct store_item items[2048];
static struct store_batch batch;
static struct buf records;
static uint64_t head;
static unsigned names_asked;

/* --- gateways ----------------------------------------------------------------- */

static void see_live(struct gateway *g, const struct zmsg *m)
{
    struct reader r = {0};
    uint64_t after, upto;
    struct event e;

    ck_assert(wire_live_get(zmsg_data(m), zmsg_size(m), &after, &upto, &r));
    buf_printf(&g->seen, "(%" PRIu64 ",%" PRIu64 "]", after, upto);
    while (r.left > 0 && event_record_get(&r, &e))
        buf_printf(&g->seen, " %" PRIu64, e.id);
    ck_assert(reader_done(&r));
}

static void see_removed(struct gateway *g, const struct zmsg *m)
{
    struct slice topic;
    uint64_t upto;

    ck_assert(wire_removed_get(zmsg_data(m), zmsg_size(m), &upto, &topic));
    buf_printf(&g->seen, "removed %.*s %" PRIu64, (int)topic.len, topic.p, upto);
}

static bool fake_send(void *gateway, struct zmsg *m)
{
    struct gateway *g = gateway;

    if (!g->broken) {
        if (wire_kind(zmsg_data(m), zmsg_size(m)) == WIRE_LIVE)
            see_live(g, m);
        else
            see_removed(g, m);
        buf_puts(&g->seen, "\n");
        g->bytes = zmsg_data(m);
    }
    zmsg_close(m);
    return !g->broken;
}

static struct slice fake_name(void *arg, uint32_t topic)
{
    (void)arg;
    names_asked++;
    return slice_of(topics[topic]);
}

/* --- batches -------------------------------------------------------------------- */

static uint32_t topic_number(const char *name)
{
    uint32_t i = 0;

    while (topics[i] != NULL && strcmp(topics[i], name) != 0)
        i++;
    topics[i] = name;
    return i;
}

static void event(const char *topic, size_t payload)
{
    char *bytes = mem_zalloc(payload);
    struct event e = {.id = ++head, .topic = slice_of(topic), .payload = {bytes, payload}};
    struct store_item *item = &items[batch.count++];

    item->topic = topic_number(topic);
    item->size = (uint32_t)event_record_size(&e);
    event_record_put(&records, &e);
    free(bytes);
}

static void commit(void)
{
    batch.upto = head;
    batch.items = items;
    for (size_t i = 0, at = 0; i < batch.count; at += items[i++].size)
        items[i].record = records.p + at;
    fanout_batch(fanout, &batch);
    batch = (struct store_batch){.after = head};
    buf_clear(&records);
}

static void publish(const char *topic)
{
    event(topic, 10);
    commit();
}

/* --- what the tests say ------------------------------------------------------------ */

static void joins(struct gateway *g)
{
    g->peer = fanout_join(fanout, g, head);
    ck_assert_ptr_nonnull(g->peer);
}

static void wants(struct gateway *g, uint32_t ref, const char *filter)
{
    if (g->peer == NULL)
        joins(g);
    ck_assert_int_eq(fanout_filter_add(fanout, g->peer, ref, slice_of(filter)), ERR_NONE);
}

static void assert_saw(struct gateway *g, const char *text)
{
    buf_u8(&g->seen, 0);
    ck_assert_str_eq((const char *)g->seen.p, text);
    buf_clear(&g->seen);
}

static void setup(void)
{
    const struct fanout_ops ops = {fake_send, fake_name, NULL};

    memset(gw, 0, sizeof gw);
    memset(topics, 0, sizeof topics);
    batch = (struct store_batch){0};
    head = 0;
    names_asked = 0;
    fanout = fanout_new(&ops, CREDIT, 100000);
}

static void teardown(void)
{
    for (size_t i = 0; i < ARRAY_LEN(gw); i++) {
        if (gw[i].peer != NULL)
            fanout_leave(fanout, gw[i].peer);
        buf_free(&gw[i].seen);
    }
    fanout_free(fanout);
    buf_free(&records);
}

/* --- selection ------------------------------------------------------------------------ */

START_TEST(a_gateway_gets_what_its_filters_match)
{
    wants(&gw[0], 1, "a/+");
    event("a/x", 10);
    event("b/x", 10);
    event("a/y", 10);
    commit();
    assert_saw(&gw[0], "(0,3] 1 3\n");
}
END_TEST

START_TEST(an_event_that_two_filters_match_comes_once)
{
    wants(&gw[0], 1, "a/+");
    wants(&gw[0], 2, "#");
    publish("a/x");
    assert_saw(&gw[0], "(0,1] 1\n");
}
END_TEST

START_TEST(a_dropped_filter_brings_nothing_more)
{
    wants(&gw[0], 1, "a/x");
    publish("a/x");
    fanout_filter_drop(fanout, gw[0].peer, 1);
    publish("a/x");
    assert_saw(&gw[0], "(0,1] 1\n");
}
END_TEST

START_TEST(a_filter_under_two_refs_lives_until_both_are_dropped)
{
    wants(&gw[0], 1, "a/x");
    wants(&gw[0], 2, "a/x");
    fanout_filter_drop(fanout, gw[0].peer, 1);
    publish("a/x");
    fanout_filter_drop(fanout, gw[0].peer, 2);
    publish("a/x");
    assert_saw(&gw[0], "(0,1] 1\n");
}
END_TEST

START_TEST(a_filter_added_later_begins_with_the_next_batch)
{
    wants(&gw[0], 1, "a/x");
    publish("b/x");
    wants(&gw[0], 2, "b/x");
    publish("b/x");
    assert_saw(&gw[0], "(0,2] 2\n");
}
END_TEST

START_TEST(bad_filters_and_refs_in_use_are_refused)
{
    wants(&gw[0], 1, "a/x");
    ck_assert_int_eq(fanout_filter_add(fanout, gw[0].peer, 2, SLICE("a/#/b")), ERR_BAD_FILTER);
    ck_assert_int_eq(fanout_filter_add(fanout, gw[0].peer, 1, SLICE("b")), ERR_BAD_REQUEST);
}
END_TEST

START_TEST(dropping_an_unknown_ref_does_nothing)
{
    wants(&gw[0], 1, "a/x");
    fanout_filter_drop(fanout, gw[0].peer, 9);
    publish("a/x");
    assert_saw(&gw[0], "(0,1] 1\n");
}
END_TEST

START_TEST(a_topic_is_matched_once_until_filters_change)
{
    wants(&gw[0], 1, "a/+");
    for (int i = 0; i < 10; i++)
        publish("a/x");
    ck_assert_uint_eq(names_asked, 1);
    wants(&gw[1], 1, "a/+");
    publish("a/x");
    ck_assert_uint_eq(names_asked, 2);
}
END_TEST

START_TEST(gateways_that_want_the_same_share_the_bytes)
{
    wants(&gw[0], 1, "a/#");
    wants(&gw[1], 7, "a/x");
    wants(&gw[2], 1, "#");
    event("a/x", 100);
    event("b", 100);
    commit();
    assert_saw(&gw[0], "(0,2] 1\n");
    assert_saw(&gw[1], "(0,2] 1\n");
    assert_saw(&gw[2], "(0,2] 1 2\n");
    ck_assert_ptr_eq(gw[0].bytes, gw[1].bytes);
    ck_assert_ptr_ne(gw[0].bytes, gw[2].bytes);
}
END_TEST

START_TEST(more_gateways_than_slots_are_refused)
{
    struct fanout_peer *all[SLOTS_MAX];

    for (int i = 0; i < SLOTS_MAX; i++)
        all[i] = fanout_join(fanout, &gw[0], 0);
    ck_assert_ptr_nonnull(all[SLOTS_MAX - 1]);
    ck_assert_ptr_null(fanout_join(fanout, &gw[1], 0));
    for (int i = 0; i < SLOTS_MAX; i++)
        fanout_leave(fanout, all[i]);
}
END_TEST

/* --- ranges ------------------------------------------------------------------------------ */

START_TEST(a_range_reaches_back_over_batches_without_a_match)
{
    wants(&gw[0], 1, "a/x");
    publish("b");
    publish("b");
    publish("a/x");
    publish("a/x");
    assert_saw(&gw[0], "(0,3] 3\n(3,4] 4\n");
}
END_TEST

START_TEST(a_range_ends_with_its_batch)
{
    wants(&gw[0], 1, "a/x");
    event("a/x", 10);
    event("b", 10);
    commit();
    assert_saw(&gw[0], "(0,2] 1\n");
}
END_TEST

START_TEST(gateways_at_different_places_get_their_own_ranges)
{
    wants(&gw[0], 1, "#");
    wants(&gw[1], 1, "a/x");
    publish("b");
    publish("a/x");
    assert_saw(&gw[0], "(0,1] 1\n(1,2] 2\n");
    assert_saw(&gw[1], "(0,2] 2\n");
}
END_TEST

START_TEST(the_tick_brings_a_quiet_gateway_to_the_head_once)
{
    wants(&gw[0], 1, "a/x");
    publish("b");
    fanout_tick(fanout, head, false);
    fanout_tick(fanout, head, false);
    publish("a/x");
    assert_saw(&gw[0], "(0,1]\n(1,2] 2\n");
}
END_TEST

START_TEST(a_probe_says_an_empty_range_to_all)
{
    wants(&gw[0], 1, "a/x");
    publish("a/x");
    fanout_tick(fanout, head, true);
    assert_saw(&gw[0], "(0,1] 1\n(1,1]\n");
}
END_TEST

START_TEST(a_chain_stops_where_the_credit_does)
{
    wants(&gw[0], 1, "a/x");
    event("a/x", WIRE_LIVE_MAX / 2);
    event("a/x", WIRE_LIVE_MAX / 2);
    event("b", 10);
    commit();
    assert_saw(&gw[0], "(0,1] 1\n");
}
END_TEST

static struct fanout *fanout_with_credit(uint64_t credit)
{
    const struct fanout_ops ops = {fake_send, fake_name, NULL};

    fanout_free(fanout);
    fanout = fanout_new(&ops, credit, 100000);
    return fanout;
}

START_TEST(the_ranges_of_a_chain_follow_each_other)
{
    fanout_with_credit(UINT32_MAX);
    wants(&gw[0], 1, "a/x");
    wants(&gw[1], 1, "a/x");
    event("b", 10);
    event("a/x", WIRE_LIVE_MAX / 2);
    event("a/x", WIRE_LIVE_MAX / 4);
    event("b", 10);
    event("a/x", WIRE_LIVE_MAX / 2);
    event("b", 10);
    commit();
    assert_saw(&gw[0], "(0,3] 2 3\n(3,6] 5\n");
    assert_saw(&gw[1], "(0,3] 2 3\n(3,6] 5\n");
    ck_assert_ptr_eq(gw[0].bytes, gw[1].bytes);
}
END_TEST

START_TEST(an_event_larger_than_a_message_travels_alone)
{
    fanout_with_credit(UINT32_MAX);
    wants(&gw[0], 1, "a/x");
    event("a/x", 10);
    event("a/x", 2 * WIRE_LIVE_MAX);
    event("a/x", 10);
    commit();
    assert_saw(&gw[0], "(0,1] 1\n(1,2] 2\n(2,3] 3\n");
}
END_TEST

/* --- credit ---------------------------------------------------------------------------------- */

START_TEST(a_gateway_without_credit_is_paused_and_the_others_are_not)
{
    wants(&gw[0], 1, "a/x");
    wants(&gw[1], 1, "a/x");
    event("a/x", CREDIT - 100);
    commit();
    fanout_confirm(fanout, gw[1].peer, 1, head);
    event("a/x", 200);
    commit();
    publish("a/x");
    fanout_tick(fanout, head, false);
    assert_saw(&gw[0], "(0,1] 1\n");
    assert_saw(&gw[1], "(0,1] 1\n(1,2] 2\n(2,3] 3\n");
}
END_TEST

START_TEST(a_resumed_gateway_sees_the_hole_and_goes_on_live)
{
    wants(&gw[0], 1, "a/x");
    event("a/x", CREDIT);
    commit();
    publish("a/x");
    publish("a/x");
    fanout_confirm(fanout, gw[0].peer, 1, head);
    publish("a/x");
    assert_saw(&gw[0], "(0,1] 1\n(3,3]\n(3,4] 4\n");
}
END_TEST

START_TEST(a_gateway_resumes_at_half_its_credit)
{
    wants(&gw[0], 1, "a/x");
    for (int i = 0; i < 4; i++) {
        event("a/x", 1000); /* four messages of 1,052 bytes: one too many */
        commit();
    }
    buf_clear(&gw[0].seen);
    fanout_confirm(fanout, gw[0].peer, 1, head);
    ck_assert_uint_eq(gw[0].seen.len, 0);
    fanout_confirm(fanout, gw[0].peer, 2, head);
    assert_saw(&gw[0], "(4,4]\n");
}
END_TEST

START_TEST(one_message_passes_however_little_credit_there_is)
{
    wants(&gw[0], 1, "a/x");
    event("a/x", 10 * CREDIT);
    commit();
    assert_saw(&gw[0], "(0,1] 1\n");
}
END_TEST

START_TEST(very_many_small_messages_still_give_their_credit_back)
{
    uint64_t last;

    fanout_with_credit(UINT32_MAX);
    wants(&gw[0], 1, "a/x");
    for (int i = 0; i < 5000; i++)
        publish("a/x");
    last = head;
    fanout_confirm(fanout, gw[0].peer, last, head);
    buf_clear(&gw[0].seen);
    event("a/x", 100);
    commit();
    assert_saw(&gw[0], "(5000,5001] 5001\n");
}
END_TEST

START_TEST(a_paused_gateway_is_probed_at_its_own_place)
{
    wants(&gw[0], 1, "a/x");
    event("a/x", CREDIT);
    commit();
    publish("a/x");
    fanout_tick(fanout, head, true);
    assert_saw(&gw[0], "(0,1] 1\n(1,1]\n");
}
END_TEST

START_TEST(probes_cost_no_credit)
{
    wants(&gw[0], 1, "a/x");
    publish("a/x");
    for (int i = 0; i < CREDIT; i++)
        fanout_tick(fanout, head, true);
    buf_clear(&gw[0].seen);
    publish("a/x");
    assert_saw(&gw[0], "(1,2] 2\n");
}
END_TEST

/* --- links that end, topics that are emptied -------------------------------------- */

START_TEST(a_broken_link_gets_nothing_more_and_harms_nobody)
{
    wants(&gw[0], 1, "a/x");
    wants(&gw[1], 1, "a/x");
    gw[0].broken = true;
    publish("a/x");
    gw[0].broken = false;
    publish("a/x");
    fanout_tick(fanout, head, true);
    ck_assert_uint_eq(gw[0].seen.len, 0);
    assert_saw(&gw[1], "(0,1] 1\n(1,2] 2\n(2,2]\n");
}
END_TEST

START_TEST(a_removal_reaches_those_whose_filters_match)
{
    wants(&gw[0], 1, "a/+");
    wants(&gw[1], 1, "b");
    publish("a/x");
    fanout_removed(fanout, SLICE("a/x"), 1);
    assert_saw(&gw[0], "(0,1] 1\nremoved a/x 1\n");
    ck_assert_uint_eq(gw[1].seen.len, 0);
}
END_TEST

START_TEST(a_slot_is_used_again_without_its_old_filters)
{
    wants(&gw[0], 1, "a/x");
    fanout_leave(fanout, gw[0].peer);
    gw[0].peer = NULL;
    joins(&gw[1]);
    publish("a/x");
    ck_assert_uint_eq(gw[1].seen.len, 0);
    wants(&gw[1], 1, "b");
    publish("b");
    assert_saw(&gw[1], "(0,2] 2\n");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fanout");
    TCase *t = tcase_create("fanout");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_gateway_gets_what_its_filters_match);
    tcase_add_test(t, an_event_that_two_filters_match_comes_once);
    tcase_add_test(t, a_dropped_filter_brings_nothing_more);
    tcase_add_test(t, a_filter_under_two_refs_lives_until_both_are_dropped);
    tcase_add_test(t, a_filter_added_later_begins_with_the_next_batch);
    tcase_add_test(t, bad_filters_and_refs_in_use_are_refused);
    tcase_add_test(t, dropping_an_unknown_ref_does_nothing);
    tcase_add_test(t, a_topic_is_matched_once_until_filters_change);
    tcase_add_test(t, gateways_that_want_the_same_share_the_bytes);
    tcase_add_test(t, more_gateways_than_slots_are_refused);
    tcase_add_test(t, a_range_reaches_back_over_batches_without_a_match);
    tcase_add_test(t, a_range_ends_with_its_batch);
    tcase_add_test(t, gateways_at_different_places_get_their_own_ranges);
    tcase_add_test(t, the_tick_brings_a_quiet_gateway_to_the_head_once);
    tcase_add_test(t, a_probe_says_an_empty_range_to_all);
    tcase_add_test(t, a_chain_stops_where_the_credit_does);
    tcase_add_test(t, the_ranges_of_a_chain_follow_each_other);
    tcase_add_test(t, an_event_larger_than_a_message_travels_alone);
    tcase_add_test(t, a_gateway_without_credit_is_paused_and_the_others_are_not);
    tcase_add_test(t, a_resumed_gateway_sees_the_hole_and_goes_on_live);
    tcase_add_test(t, a_gateway_resumes_at_half_its_credit);
    tcase_add_test(t, one_message_passes_however_little_credit_there_is);
    tcase_add_test(t, very_many_small_messages_still_give_their_credit_back);
    tcase_add_test(t, a_paused_gateway_is_probed_at_its_own_place);
    tcase_add_test(t, probes_cost_no_credit);
    tcase_add_test(t, a_broken_link_gets_nothing_more_and_harms_nobody);
    tcase_add_test(t, a_removal_reaches_those_whose_filters_match);
    tcase_add_test(t, a_slot_is_used_again_without_its_old_filters);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
