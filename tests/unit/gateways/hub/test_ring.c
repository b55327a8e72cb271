/* test_ring.c - the ring's bound, its order, its topics. */
#include <stdio.h>

#include "blocks.h"
#include "ring.h"
#include "suite.h"

static struct ring ring;

static void setup(void)
{
    ring_init(&ring, 1 << 20);
}

static void teardown(void)
{
    ring_close(&ring);
}

START_TEST(test_after_finds_the_first_event_above_a_cursor)
{
    ring_append(&ring, BLOCK({10, "a", "x"}, {20, "b", "x"}));
    ring_append(&ring, BLOCK({30, "a", "x"}));
    ck_assert_uint_eq(ring_after(&ring, 0)->e.id, 10);
    ck_assert_uint_eq(ring_after(&ring, 10)->e.id, 20);
    ck_assert_uint_eq(ring_after(&ring, 29)->e.id, 30);
    ck_assert_ptr_null(ring_after(&ring, 30));
}
END_TEST

START_TEST(test_a_topics_chain_skips_the_others)
{
    ring_append(&ring, BLOCK({10, "a", "x"}, {20, "b", "x"}));
    ring_append(&ring, BLOCK({30, "a", "x"}));
    struct topic_entry *t = ring_topic_find(&ring, SLICE("a"));

    ck_assert_uint_eq(t->first->e.id, 10);
    ck_assert_uint_eq(t->first->topic_next->e.id, 30);
    ck_assert_ptr_null(t->first->topic_next->topic_next);
}
END_TEST

/* A topic with an event in ten, looked for from every place of the ring. */
START_TEST(test_after_in_a_topic_is_what_its_chain_says)
{
    for (uint64_t id = 1; id <= 100; id++)
        ring_append(&ring, BLOCK({id, id % 10 == 0 ? "rare" : "b", "x"}));
    const struct topic_entry *rare = ring_topic_find(&ring, SLICE("rare"));
    const struct topic_entry *b = ring_topic_find(&ring, SLICE("b"));

    for (uint64_t id = 0; id < 99; id++) {
        uint64_t next = id + 1;

        ck_assert_uint_eq(ring_topic_after(&ring, rare, id)->e.id, (id / 10 + 1) * 10);
        ck_assert_uint_eq(ring_topic_after(&ring, b, id)->e.id, next % 10 == 0 ? next + 1 : next);
    }
    ck_assert_ptr_null(ring_topic_after(&ring, rare, 100));
    ck_assert_ptr_null(ring_topic_after(&ring, b, 99));
}
END_TEST

START_TEST(test_the_oldest_block_leaves_when_the_bound_is_passed)
{
    struct block *b = BLOCK({10, "a", "x"});

    ring.limit = b->size;
    ring_append(&ring, b);
    ring_append(&ring, BLOCK({20, "b", "x"}));
    ring_trim(&ring);
    ck_assert_uint_eq(ring.evicted_to, 10);
    ck_assert_uint_eq(ring_after(&ring, 0)->e.id, 20);
    ck_assert_ptr_null(ring_topic_find(&ring, SLICE("a")));
    ck_assert_uint_le(ring.bytes, ring.limit);
}
END_TEST

START_TEST(test_a_place_that_has_left_is_not_found)
{
    ring_append(&ring, BLOCK({10, "a", "x"}));
    uint64_t seq = ring_after(&ring, 0)->seq;

    ck_assert_ptr_nonnull(ring_at(&ring, seq));
    ring_clear(&ring);
    ck_assert_ptr_null(ring_at(&ring, seq));
    ck_assert_ptr_null(ring_at(&ring, 0));
}
END_TEST

START_TEST(test_it_grows_and_wraps_without_losing_order)
{
    uint64_t id, expected = 0;
    char topic[16];

    for (id = 1; id <= 5000; id++) {
        (void)snprintf(topic, sizeof topic, "t/%u", (unsigned)(id % 700));
        ring_append(&ring, BLOCK({id, topic, "payload"}));
        if (id % 3 == 0) {
            ring.limit = ring.bytes * 9 / 10;
            ring_trim(&ring);
        }
    }
    ck_assert_uint_eq(ring.topic_count,
                      ring.next_seq - ring.first_seq < 700 ? ring.next_seq - ring.first_seq : 700);
    struct entry *e = ring_after(&ring, 0);
    for (expected = ring.evicted_to + 1; e != NULL; expected++) {
        ck_assert_uint_eq(e->e.id, expected);
        e = ring_after(&ring, e->e.id);
    }
    ck_assert_uint_eq(expected, 5001);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ring");
    TCase *t = tcase_create("ring");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_after_finds_the_first_event_above_a_cursor);
    tcase_add_test(t, test_a_topics_chain_skips_the_others);
    tcase_add_test(t, test_after_in_a_topic_is_what_its_chain_says);
    tcase_add_test(t, test_the_oldest_block_leaves_when_the_bound_is_passed);
    tcase_add_test(t, test_a_place_that_has_left_is_not_found);
    tcase_add_test(t, test_it_grows_and_wraps_without_losing_order);
    suite_add_tcase(s, t);
    return suite_run(s);
}
