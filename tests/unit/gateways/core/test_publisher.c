/*
 * test_publisher.c - publishes keep their order, their window, their deadline,
 * and get exactly one answer each.
 */
#include "publisher.h"

#include "run_suite.h"

#define MANY 64
#define TIMEOUT_MS 1000
#define QUEUE_MAX 100000

static struct publisher p;
static struct link_publish units[MANY];
static struct answer {
    unsigned count;
    uint16_t error;
    uint64_t id;
} answers[MANY];

static void on_answer(struct link_publish *lp, const struct wire_ack *a)
{
    struct answer *got = &answers[lp - units];

    got->count++;
    got->error = a->error;
    got->id = a->count > 0 ? le64_get((const uint8_t *)a->ids.p) : 0;
}

static void setup(void)
{
    memset(units, 0, sizeof units);
    memset(answers, 0, sizeof answers);
    publisher_init(&p, QUEUE_MAX, TIMEOUT_MS);
    publisher_begin(&p, 1 << 20);
}

static void teardown(void)
{
    publisher_abandon(&p);
    for (int i = 0; i < MANY; i++)
        buf_free(&units[i].records);
}

static struct link_publish *add_at(int i, size_t payload, uint64_t now)
{
    static char bytes[4096];
    struct event e = {.topic = SLICE("t"), .payload = {bytes, payload}};

    units[i].count = 1;
    units[i].cb = on_answer;
    event_record_put(&units[i].records, &e);
    publisher_add(&p, &units[i], now);
    return &units[i];
}

static struct link_publish *add(int i)
{
    return add_at(i, 10, 0);
}

/* Sends what may be sent; the sequence numbers, 0-terminated. */
static const uint64_t *send_all(void)
{
    static uint64_t seqs[MANY + 1];
    struct link_publish *end;
    struct wire_unit u;
    size_t n = 0;

    for (struct buf f = {0}; publisher_frame(&p, &f, &end); buf_free(&f)) {
        struct reader r = wire_publish_reader(f.p, f.len);

        while (wire_unit_get(&r, &u))
            seqs[n++] = u.seq;
        ck_assert(!r.bad);
        publisher_sent(&p, end);
    }
    seqs[n] = 0;
    return seqs;
}

static void ack(uint64_t seq, uint64_t id)
{
    struct buf b = {0};

    wire_acks_begin(&b);
    wire_ack_ok_put(&b, seq, &id, 1);
    ck_assert(publisher_acks(&p, wire_acks_reader(b.p, b.len)));
    buf_free(&b);
}

static void check_answer(int i, uint16_t error, uint64_t id)
{
    ck_assert_uint_eq(answers[i].count, 1);
    ck_assert_uint_eq(answers[i].error, error);
    ck_assert_uint_eq(answers[i].id, id);
}

START_TEST(test_units_travel_in_one_frame_and_in_order)
{
    struct link_publish *end;
    struct buf f = {0};

    add(0), add(1), add(2);
    ck_assert(publisher_frame(&p, &f, &end));
    ck_assert_ptr_null(end);
    buf_free(&f);
    publisher_sent(&p, end);
    ck_assert(!publisher_frame(&p, &f, &end));
}
END_TEST

START_TEST(test_each_is_answered_by_its_own_number)
{
    add(0), add(1), add(2);
    send_all();
    ack(2, 20), ack(1, 10), ack(3, 30);
    check_answer(0, ERR_NONE, 10);
    check_answer(1, ERR_NONE, 20);
    check_answer(2, ERR_NONE, 30);
    ck_assert_uint_eq(p.in_flight, 0);
    ck_assert_uint_eq(p.queued, 0);
}
END_TEST

START_TEST(test_a_new_connection_resends_in_order_what_is_unanswered)
{
    add(0), add(1), add(2);
    send_all();
    ack(2, 20);
    add(3);
    publisher_begin(&p, 1 << 20);
    const uint64_t *seqs = send_all();
    ck_assert_uint_eq(seqs[0], 1);
    ck_assert_uint_eq(seqs[1], 3);
    ck_assert_uint_eq(seqs[2], 4);
    ck_assert_uint_eq(seqs[3], 0);
}
END_TEST

START_TEST(test_the_window_bounds_what_is_unanswered)
{
    add_at(0, 1000, 0), add_at(1, 1000, 0), add_at(2, 1000, 0);
    publisher_begin(&p, 2200);
    ck_assert_uint_eq(send_all()[2], 0);
    ck_assert_uint_eq(p.units, 2);
    ack(1, 10);
    ck_assert_uint_eq(send_all()[0], 3);
}
END_TEST

START_TEST(test_a_unit_larger_than_the_window_passes_alone)
{
    add_at(0, 4000, 0), add_at(1, 10, 0);
    publisher_begin(&p, 100);
    const uint64_t *seqs = send_all();
    ck_assert_uint_eq(seqs[0], 1);
    ck_assert_uint_eq(seqs[1], 0);
    ack(1, 10);
    ck_assert_uint_eq(send_all()[0], 2);
}
END_TEST

START_TEST(test_the_queue_is_bounded_and_says_busy_later)
{
    p.queue_max = 100;
    add(0), add(1);
    ck_assert(publisher_full(&p));
    add(2);
    ck_assert_uint_eq(answers[2].count, 0);
    ck_assert(publisher_refuse(&p));
    check_answer(2, ERR_BUSY, 0);
    ck_assert_uint_eq(send_all()[2], 0);
}
END_TEST

START_TEST(test_never_sent_is_certainly_not_stored)
{
    publisher_begin(&p, 0);
    add_at(0, 10, 0);
    add_at(1, 10, 500);
    ck_assert(!publisher_expire(&p, TIMEOUT_MS - 1));
    ck_assert(publisher_expire(&p, TIMEOUT_MS));
    check_answer(0, ERR_UNAVAILABLE, 0);
    ck_assert_uint_eq(answers[1].count, 0);
}
END_TEST

START_TEST(test_sent_without_an_answer_is_unknown_and_not_sent_again)
{
    add(0), add(1);
    send_all();
    publisher_expire(&p, TIMEOUT_MS);
    check_answer(0, ERR_UNKNOWN_OUTCOME, 0);
    publisher_begin(&p, 1 << 20);
    ck_assert_uint_eq(send_all()[0], 0);
}
END_TEST

START_TEST(test_sent_on_an_earlier_connection_is_unknown_too)
{
    add(0);
    send_all();
    publisher_begin(&p, 0);
    publisher_expire(&p, TIMEOUT_MS);
    check_answer(0, ERR_UNKNOWN_OUTCOME, 0);
}
END_TEST

START_TEST(test_what_was_given_up_fills_the_window_until_its_answer)
{
    add_at(0, 1000, 0);
    publisher_begin(&p, 1100);
    send_all();
    publisher_expire(&p, TIMEOUT_MS);
    add_at(1, 1000, TIMEOUT_MS);
    ck_assert_uint_eq(send_all()[0], 0);
    ack(1, 10);
    check_answer(0, ERR_UNKNOWN_OUTCOME, 0);
    ck_assert_uint_eq(send_all()[0], 2);
}
END_TEST

START_TEST(test_an_answer_to_nobody_is_ignored)
{
    add(0);
    send_all();
    ack(99, 1);
    ck_assert_uint_eq(answers[0].count, 0);
    ack(1, 10);
    ack(1, 11);
    check_answer(0, ERR_NONE, 10);
}
END_TEST

START_TEST(test_an_answer_with_another_count_is_malformed)
{
    uint64_t ids[2] = {10, 11};
    struct buf b = {0};

    add(0);
    send_all();
    wire_acks_begin(&b);
    wire_ack_ok_put(&b, 1, ids, 2);
    ck_assert(!publisher_acks(&p, wire_acks_reader(b.p, b.len)));
    buf_free(&b);
    ck_assert_uint_eq(answers[0].count, 0);
}
END_TEST

START_TEST(test_a_refusal_carries_its_numbers)
{
    struct wire_ack a = {.seq = 1,
                         .error = ERR_PRODUCER_GAP,
                         .expected_seq = 3,
                         .received_seq = 7,
                         .text = SLICE("gap")};
    struct buf b = {0};

    add(0);
    send_all();
    wire_acks_begin(&b);
    wire_ack_error_put(&b, &a);
    ck_assert(publisher_acks(&p, wire_acks_reader(b.p, b.len)));
    buf_free(&b);
    check_answer(0, ERR_PRODUCER_GAP, 0);
}
END_TEST

START_TEST(test_a_delete_keeps_its_place)
{
    struct link_publish *end;
    struct slice topic;
    struct buf f = {0};
    uint64_t seq;

    add(0);
    units[1].remove = true;
    units[1].cb = on_answer;
    buf_puts(&units[1].records, "a/b");
    publisher_add(&p, &units[1], 0);
    add(2);

    ck_assert(publisher_frame(&p, &f, &end));
    ck_assert_ptr_eq(end, &units[1]);
    publisher_sent(&p, end);
    buf_free(&f);
    ck_assert(publisher_frame(&p, &f, &end));
    ck_assert(wire_delete_get(f.p, f.len, &seq, &topic));
    ck_assert(slice_eq(topic, SLICE("a/b")));
    ck_assert_uint_eq(seq, 2);
    publisher_sent(&p, end);
    buf_free(&f);
    ck_assert_uint_eq(send_all()[0], 3);
    ack(2, 77);
    check_answer(1, ERR_NONE, 77);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "publisher", setup, teardown, test_units_travel_in_one_frame_and_in_order,
        test_each_is_answered_by_its_own_number,
        test_a_new_connection_resends_in_order_what_is_unanswered,
        test_the_window_bounds_what_is_unanswered, test_a_unit_larger_than_the_window_passes_alone,
        test_the_queue_is_bounded_and_says_busy_later, test_never_sent_is_certainly_not_stored,
        test_sent_without_an_answer_is_unknown_and_not_sent_again,
        test_sent_on_an_earlier_connection_is_unknown_too,
        test_what_was_given_up_fills_the_window_until_its_answer,
        test_an_answer_to_nobody_is_ignored, test_an_answer_with_another_count_is_malformed,
        test_a_refusal_carries_its_numbers, test_a_delete_keeps_its_place);
}
