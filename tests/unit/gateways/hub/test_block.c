/* test_block.c - blocks, encodings made once, runs, pins. */
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "mem.h"
#include "run.h"
#include "suite.h"

static int encodings;
static void encode_counted(struct buf *out, const struct event *e)
{
    encodings++;
    encode_line(out, e);
}

START_TEST(test_entries_are_views_of_the_message)
{
    struct block *b = BLOCK({7, "a/b", "one"}, {9, "c", "two"});

    ck_assert_uint_eq(b->count, 2);
    ck_assert_uint_eq(b->entries[1].e.id, 9);
    ck_assert(slice_eq(b->entries[0].e.topic, SLICE("a/b")));
    ck_assert(slice_eq(b->entries[1].e.payload, SLICE("two")));
    block_evict(b);
}
END_TEST

START_TEST(test_a_message_small_enough_to_move_keeps_its_slices)
{
    struct block *b = BLOCK({1, "t", ""});

    ck_assert(slice_eq(b->entries[0].e.topic, SLICE("t")));
    block_evict(b);
}
END_TEST

START_TEST(test_ids_that_do_not_rise_refuse_the_message)
{
    ck_assert_ptr_null(BLOCK({5, "a", "x"}, {5, "a", "y"}));
    ck_assert_ptr_null(BLOCK({6, "a", "x"}, {5, "a", "y"}));
}
END_TEST

START_TEST(test_a_record_cut_short_refuses_the_message)
{
    struct buf b = {0};
    struct event e = {.id = 1, .topic = SLICE("a"), .payload = SLICE("xyz")};
    struct zmsg m;
    size_t len;

    event_record_put(&b, &e);
    for (len = 1; len < b.len; len++) {
        zmsg_init_copy(&m, b.p, len);
        ck_assert_ptr_null(block_new(&blocks, &m, reader_of(zmsg_data(&m), zmsg_size(&m))));
        zmsg_close(&m);
    }
    buf_free(&b);
}
END_TEST

START_TEST(test_an_event_is_encoded_once_for_all)
{
    struct block *b = BLOCK({1, "a", "hello"});
    struct slice first, second;

    encodings = 0;
    first = block_encoded(&b->entries[0], 0, encode_counted);
    second = block_encoded(&b->entries[0], 0, encode_counted);
    ck_assert_int_eq(encodings, 1);
    ck_assert_ptr_eq(first.p, second.p);
    ck_assert(slice_eq(first, SLICE("hello\n")));
    block_evict(b);
}
END_TEST

START_TEST(test_encodings_are_counted_and_uncounted)
{
    struct block *b = BLOCK({1, "a", "hello"});
    size_t bytes = b->size;

    b->account = &bytes;
    (void)block_encoded(&b->entries[0], 3, encode_line);
    ck_assert_uint_gt(bytes, 6);
    block_evict(b);
    ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(test_a_run_of_neighbours_is_one_iovec)
{
    struct block *b = BLOCK({1, "a", "one"}, {2, "a", "two"}, {3, "a", "three"});
    struct run *r = mem_zalloc(sizeof *r);
    const struct run_form *f;
    size_t i;

    run_clear(r);
    for (i = 0; i < 3; i++)
        ck_assert(run_add(r, &b->entries[i]));
    f = run_form_get(r, 0, encode_line);
    ck_assert_int_eq(f->iovcnt, 1);
    ck_assert_uint_eq(f->bytes, 14);
    ck_assert_uint_eq(f->ends[0], 4);
    ck_assert_uint_eq(f->ends[1], 8);
    ck_assert_uint_eq(f->ends[2], 14);
    ck_assert_mem_eq(f->iov[0].iov_base, "one\ntwo\nthree\n", 14);
    free(r);
    block_evict(b);
}
END_TEST

START_TEST(test_a_run_is_bounded_but_takes_one_event_of_any_size)
{
    static char big[RUN_BYTES + 1];
    struct run *r = mem_zalloc(sizeof *r);
    struct block *b;

    memset(big, 'x', sizeof big - 1);
    b = BLOCK({1, "a", big}, {2, "a", "small"});
    run_clear(r);
    ck_assert(run_add(r, &b->entries[0]));
    ck_assert(!run_add(r, &b->entries[1]));
    free(r);
    block_evict(b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("block");
    TCase *t = tcase_create("block");

    tcase_add_test(t, test_entries_are_views_of_the_message);
    tcase_add_test(t, test_a_message_small_enough_to_move_keeps_its_slices);
    tcase_add_test(t, test_ids_that_do_not_rise_refuse_the_message);
    tcase_add_test(t, test_a_record_cut_short_refuses_the_message);
    tcase_add_test(t, test_an_event_is_encoded_once_for_all);
    tcase_add_test(t, test_encodings_are_counted_and_uncounted);
    tcase_add_test(t, test_a_run_of_neighbours_is_one_iovec);
    tcase_add_test(t, test_a_run_is_bounded_but_takes_one_event_of_any_size);
    suite_add_tcase(s, t);
    return suite_run(s);
}
