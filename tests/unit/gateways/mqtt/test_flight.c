/* test_flight.c - packet identifiers, their order, what is counted, and items there and
 * back. */
#include "flight.h"

#include "mem.h"
#include "run_suite.h"

static struct flight flight;
static struct blocks blocks;

static void setup(void)
{
    flight = (struct flight){0};
}

static void teardown(void)
{
    flight_free(&flight);
    blocks_close(&blocks);
}

static struct block *block_of(uint64_t id)
{
    struct event e = {.id = id, .time = 1, .topic = SLICE("t"), .payload = SLICE("p")};
    struct buf b = {0};
    struct zmsg m;
    struct block *block;

    event_record_put(&b, &e);
    zmsg_init_buf(&m, &b);
    block = block_new(&blocks, &m, reader_of(zmsg_data(&m), zmsg_size(&m)));
    zmsg_close(&m);
    return block;
}

/* Everything that is written goes to `to`, as the broker would keep it. */
static void write_items(struct flight *from, bool ok, struct flight *to)
{
    struct buf items = {0};
    struct reader r;
    struct wire_item i;

    flight_items_put(from, &items, NULL);
    flight_written(from, ok);
    r = reader_of(items.p, items.len);
    while (to != NULL && wire_item_get(&r, &i)) {
        uint16_t id = (uint16_t)((uint8_t)i.key.p[1] << 8 | (uint8_t)i.key.p[2]);

        if (flight_get(to, id) != NULL)
            flight_remove(to, id);
        if (!i.drop)
            ck_assert(flight_item_get(to, &i));
    }
    if (to != NULL)
        flight_items_done(to);
    buf_free(&items);
}

/* --- identifiers ------------------------------------------------------------------------ */

START_TEST(test_identifiers_are_never_0_and_never_in_use)
{
    bool used[1001] = {0};

    for (uint64_t n = 1; n <= 1000; n++) {
        uint16_t id = flight_add(&flight, n, 1, NULL);

        ck_assert_uint_ne(id, 0);
        ck_assert_uint_le(id, 1000);
        ck_assert(!used[id]);
        used[id] = true;
    }
}
END_TEST

START_TEST(test_identifiers_go_round)
{
    uint16_t first = flight_add(&flight, 1, 1, NULL), second;

    flight_remove(&flight, first);
    second = flight_add(&flight, 2, 1, NULL);
    ck_assert_uint_ne(first, second);
}
END_TEST

START_TEST(test_all_65535_can_be_in_flight_and_then_no_more)
{
    for (uint64_t n = 1; n <= 65535; n++)
        ck_assert_uint_ne(flight_add(&flight, n, 1, NULL), 0);
    ck_assert(flight_is_full(&flight));
    ck_assert_uint_eq(flight_add(&flight, 65536, 1, NULL), 0);
    flight_remove(&flight, 77);
    ck_assert_uint_eq(flight_add(&flight, 65536, 1, NULL), 77);
}
END_TEST

START_TEST(test_an_identifier_that_stays_is_gone_round)
{
    uint16_t stays = flight_add(&flight, 1, 2, NULL);

    for (uint64_t n = 2; n < 100; n++) {
        uint16_t id = flight_add(&flight, n, 1, NULL);

        ck_assert_uint_ne(id, stays);
        flight_remove(&flight, id);
    }
    ck_assert_uint_eq(flight_get(&flight, stays)->event, 1);
}
END_TEST

START_TEST(test_memory_is_given_back_when_nothing_is_in_flight)
{
    uint16_t id = flight_add(&flight, 1, 1, NULL);

    flight_rest(&flight);
    ck_assert_uint_eq(flight_get(&flight, id)->event, 1);
    flight_remove(&flight, id);
    flight_rest(&flight);
    ck_assert_ptr_null(flight.entries);
    ck_assert_ptr_null(flight_get(&flight, id));
    ck_assert_uint_eq(flight_next(&flight, 0), 0);
    ck_assert_uint_ne(flight_add(&flight, 2, 1, NULL), 0);
}
END_TEST

START_TEST(test_unknown_identifiers_are_none)
{
    ck_assert_ptr_null(flight_get(&flight, 1));
    ck_assert_uint_eq(flight_add(&flight, 1, 1, NULL), 1);
    ck_assert_ptr_null(flight_get(&flight, 0));
    ck_assert_ptr_null(flight_get(&flight, 2));
    ck_assert_ptr_null(flight_get(&flight, 65535));
}
END_TEST

START_TEST(test_the_list_is_in_order_of_sending)
{
    uint16_t a = flight_add(&flight, 10, 1, NULL), b = flight_add(&flight, 11, 1, NULL), c;

    flight_remove(&flight, a);
    c = flight_add(&flight, 12, 1, NULL);
    ck_assert_uint_eq(flight_next(&flight, 0), b);
    ck_assert_uint_eq(flight_next(&flight, b), c);
    ck_assert_uint_eq(flight_next(&flight, c), 0);
}
END_TEST

START_TEST(test_what_was_received_is_in_the_order_of_that)
{
    uint16_t a = flight_add(&flight, 1, 2, NULL), b = flight_add(&flight, 2, 2, NULL);

    flight_phase_set(&flight, b, FLIGHT_RECEIVED);
    flight_phase_set(&flight, a, FLIGHT_RECEIVED);
    ck_assert_uint_eq(flight_next(&flight, 0), b);
    ck_assert_uint_eq(flight_next(&flight, b), a);
    ck_assert_uint_gt(flight_get(&flight, a)->order, flight_get(&flight, b)->order);
}
END_TEST

/* --- what is counted ---------------------------------------------------------------------- */

START_TEST(test_what_was_sent_counts_until_it_is_over)
{
    uint16_t a = flight_add(&flight, 1, 1, NULL), b = flight_add(&flight, 2, 2, NULL);

    ck_assert_uint_eq(flight.sent, 2);
    flight_phase_set(&flight, b, FLIGHT_RECEIVED);
    flight_phase_set(&flight, b, FLIGHT_RELEASED);
    ck_assert_uint_eq(flight.sent, 2);
    flight_remove(&flight, a);
    flight_remove(&flight, b);
    ck_assert_uint_eq(flight.sent, 0);
    ck_assert_uint_eq(flight.count, 0);
}
END_TEST

START_TEST(test_what_waits_holds_its_block_until_it_has_left)
{
    struct block *b = block_of(5);
    uint16_t id = flight_add(&flight, 5, 2, b->entries);

    ck_assert_uint_eq(b->refs, 2);
    ck_assert_uint_eq(flight.waiting, 1);
    flight_release(&flight, id);
    flight_phase_set(&flight, id, FLIGHT_SENT);
    ck_assert_uint_eq(b->refs, 1);
    ck_assert_uint_eq(flight.waiting, 0);
    block_unref(b);
}
END_TEST

/* --- items ------------------------------------------------------------------------------------ */

START_TEST(test_what_was_over_before_it_was_written_writes_nothing)
{
    struct buf items = {0};

    flight_remove(&flight, flight_add(&flight, 1, 1, NULL));
    ck_assert(!flight_dirty(&flight));
    flight_items_put(&flight, &items, NULL);
    ck_assert_uint_eq(items.len, 0);
}
END_TEST

START_TEST(test_items_bring_back_identifier_event_qos_and_phase)
{
    struct flight back = {0};
    uint16_t one = flight_add(&flight, 101, 1, NULL), two = flight_add(&flight, 102, 2, NULL),
             released = flight_add(&flight, 103, 2, NULL);

    flight_get(&flight, two)->retain = true;
    flight_phase_set(&flight, released, FLIGHT_RECEIVED);
    write_items(&flight, true, &back);
    ck_assert_uint_eq(flight_get(&back, one)->event, 101);
    ck_assert_uint_eq(flight_get(&back, one)->qos, 1);
    ck_assert_uint_eq(flight_get(&back, one)->phase, FLIGHT_WAITING);
    ck_assert(flight_get(&back, one)->dup);
    ck_assert(!flight_get(&back, one)->retain);
    ck_assert(flight_get(&back, two)->retain);
    ck_assert_uint_eq(flight_get(&back, released)->phase, FLIGHT_RELEASED);
    ck_assert_uint_eq(back.sent, 0);
    ck_assert_uint_eq(back.waiting, 2);
    flight_free(&back);
}
END_TEST

START_TEST(test_the_order_comes_back_whatever_the_order_of_items)
{
    struct flight back = {0};
    uint16_t ids[30], id = 0;

    for (size_t n = 0; n < 30; n++) {
        ids[n] = flight_add(&flight, 100 + n, 1, NULL);
        flight_remove(&flight, flight_add(&flight, 1, 1, NULL));
    }
    write_items(&flight, true, NULL);
    for (size_t n = 30; n > 0; n--) { /* each again, from the last to the first */
        flight_get(&flight, ids[n - 1])->dirty = true;
        write_items(&flight, true, &back);
    }
    for (size_t n = 0; n < 30; n++) {
        id = flight_next(&back, id);
        ck_assert_uint_eq(id, ids[n]);
    }
    flight_free(&back);
}
END_TEST

START_TEST(test_a_new_entry_comes_after_those_that_came_back)
{
    struct flight back = {0};
    uint16_t old = flight_add(&flight, 1, 1, NULL), new;

    write_items(&flight, true, &back);
    new = flight_add(&back, 2, 1, NULL);
    ck_assert_uint_ne(new, old);
    ck_assert_uint_gt(flight_get(&back, new)->order, flight_get(&back, old)->order);
    flight_free(&back);
}
END_TEST

START_TEST(test_only_what_changed_is_written_again)
{
    struct flight back = {0};
    uint16_t id = flight_add(&flight, 1, 2, NULL);

    write_items(&flight, true, &back);
    ck_assert(!flight_dirty(&flight));
    flight_phase_set(&flight, id, FLIGHT_RECEIVED);
    ck_assert(flight_dirty(&flight));
    write_items(&flight, true, &back);
    flight_phase_set(&flight, id, FLIGHT_RELEASED);
    ck_assert(!flight_dirty(&flight)); /* its item says so already */
    flight_free(&back);
}
END_TEST

START_TEST(test_what_is_over_is_dropped)
{
    struct flight back = {0};
    uint16_t id = flight_add(&flight, 1, 1, NULL);

    write_items(&flight, true, &back);
    flight_remove(&flight, id);
    ck_assert(flight_dirty(&flight));
    write_items(&flight, true, &back);
    ck_assert_uint_eq(back.count, 0);
    flight_free(&back);
}
END_TEST

START_TEST(test_over_while_it_is_written_is_dropped_by_the_next)
{
    struct flight back = {0};
    uint16_t id = flight_add(&flight, 1, 1, NULL);
    struct buf items = {0};

    flight_items_put(&flight, &items, NULL);
    flight_remove(&flight, id);
    flight_written(&flight, true);
    ck_assert(flight_dirty(&flight));
    write_items(&flight, true, &back);
    ck_assert_uint_eq(back.count, 0);
    buf_free(&items);
    flight_free(&back);
}
END_TEST

START_TEST(test_what_was_not_written_is_written_again)
{
    struct flight back = {0};
    uint16_t gone = flight_add(&flight, 1, 1, NULL), stays = flight_add(&flight, 2, 1, NULL);

    write_items(&flight, true, &back);
    flight_remove(&flight, gone);
    flight_phase_set(&flight, stays, FLIGHT_LOST);
    write_items(&flight, false, NULL);
    ck_assert(flight_dirty(&flight));
    write_items(&flight, true, &back);
    ck_assert_uint_eq(back.count, 1);
    ck_assert_uint_eq(flight_get(&back, stays)->phase, FLIGHT_LOST);
    flight_free(&back);
}
END_TEST

START_TEST(test_an_identifier_used_again_is_put_after_it_was_dropped)
{
    struct flight back = {0};
    uint16_t id = flight_add(&flight, 1, 1, NULL), again;

    write_items(&flight, true, &back);
    flight_remove(&flight, id);
    do {
        again = flight_add(&flight, 2, 1, NULL);
        if (again != id)
            flight_remove(&flight, again);
    } while (again != id);
    write_items(&flight, true, &back);
    ck_assert_uint_eq(flight_get(&back, id)->event, 2);
    flight_free(&back);
}
END_TEST

START_TEST(test_items_that_make_no_sense_are_refused)
{
    static const struct wire_item bad[] = {
        {.key = {"O\0", 2}, .value = {"12345678\1\0\1\0\0\0\0", 15}},
        {.key = {"O\0\0", 3}, .value = {"12345678\1\0\1\0\0\0\0", 15}},
        {.key = {"O\0\1", 3}, .value = {"12345678\0\0\1\0\0\0\0", 15}},
        {.key = {"O\0\1", 3}, .value = {"12345678\3\0\1\0\0\0\0", 15}},
        {.key = {"O\0\1", 3}, .value = {"12345678\1\0\1\0\0\0", 14}},
        {.key = {"O\0\1", 3}, .value = {"12345678\1\0\1\0\0\0\0\0", 16}},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert(!flight_item_get(&flight, &bad[i]));
    ck_assert_uint_eq(flight.count, 0);
}
END_TEST

/* --- shared groups ---------------------------------------------------------------- */

static uint16_t add_assigned(uint8_t qos)
{
    uint16_t id = flight_add(&flight, 9, qos, NULL);

    flight_get(&flight, id)->group = group_name_new(SLICE("$share/g/a"));
    return id;
}

START_TEST(test_an_assigned_event_at_qos_1_has_no_item)
{
    add_assigned(1);
    ck_assert(!flight_dirty(&flight));
}
END_TEST

START_TEST(test_an_assigned_event_at_qos_2_is_taken_over_with_its_item)
{
    struct buf items = {0}, groups = {0};
    struct reader r;
    struct wire_taken t;

    add_assigned(2);
    flight_items_put(&flight, &items, &groups);
    ck_assert_uint_gt(items.len, 0);
    r = reader_of(groups.p, groups.len);
    ck_assert(wire_taken_get(&r, &t));
    ck_assert_uint_eq(t.id, 9);
    ck_assert(slice_eq(t.group, SLICE("$share/g/a")));
    buf_free(&items);
    buf_free(&groups);
}
END_TEST

START_TEST(test_what_was_not_taken_over_stays_out_of_the_last_write)
{
    struct buf items = {0};

    add_assigned(2);
    flight_items_put(&flight, &items, NULL);
    ck_assert_uint_eq(items.len, 0);
}
END_TEST

/* The WRITE under way drops the identifier's former item and puts the new one; what is
 * written at the end comes behind it. */
START_TEST(test_the_last_write_does_not_drop_what_is_being_taken_over)
{
    struct buf items = {0}, groups = {0}, last = {0};
    uint16_t former = flight_add(&flight, 1, 2, NULL), id;

    write_items(&flight, true, NULL);
    flight_remove(&flight, former);
    do
        id = add_assigned(2);
    while (id != former);
    flight_items_put(&flight, &items, &groups);
    flight_written(&flight, false); /* nobody knows */
    flight_items_put(&flight, &last, NULL);
    ck_assert_uint_eq(last.len, 0);
    buf_free(&items);
    buf_free(&groups);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "flight", setup, teardown, test_identifiers_are_never_0_and_never_in_use,
        test_identifiers_go_round, test_all_65535_can_be_in_flight_and_then_no_more,
        test_an_identifier_that_stays_is_gone_round,
        test_memory_is_given_back_when_nothing_is_in_flight, test_unknown_identifiers_are_none,
        test_the_list_is_in_order_of_sending, test_what_was_received_is_in_the_order_of_that,
        test_what_was_sent_counts_until_it_is_over,
        test_what_waits_holds_its_block_until_it_has_left,
        test_what_was_over_before_it_was_written_writes_nothing,
        test_items_bring_back_identifier_event_qos_and_phase,
        test_the_order_comes_back_whatever_the_order_of_items,
        test_a_new_entry_comes_after_those_that_came_back, test_only_what_changed_is_written_again,
        test_what_is_over_is_dropped, test_over_while_it_is_written_is_dropped_by_the_next,
        test_what_was_not_written_is_written_again,
        test_an_identifier_used_again_is_put_after_it_was_dropped,
        test_items_that_make_no_sense_are_refused, test_an_assigned_event_at_qos_1_has_no_item,
        test_an_assigned_event_at_qos_2_is_taken_over_with_its_item,
        test_what_was_not_taken_over_stays_out_of_the_last_write,
        test_the_last_write_does_not_drop_what_is_being_taken_over);
}
