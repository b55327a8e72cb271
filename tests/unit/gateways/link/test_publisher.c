/*
 * test_publisher.c - publishes, removals and units of sessions keep their order,
 * their window, their deadline, and get exactly one answer each.
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
    char text[64]; /* of a unit of a session: its answer, or why it was refused */
} answers[MANY];

static void on_answer(struct link_publish *lp, const struct wire_ack *a)
{
    struct answer *got = &answers[lp - units];

    got->count++;
    got->error = a->error;
    got->id = a->count > 0 ? le64_get((const uint8_t *)a->ids.p) : 0;
    if (lp->kind == LINK_SESSION) {
        struct slice said = a->error == ERR_NONE ? a->data : a->text;

        ck_assert_uint_lt(said.len, sizeof got->text);
        memcpy(got->text, said.p, said.len);
        got->text[said.len] = 0;
    }
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

static struct link_publish *add_session(int i, const char *body, bool no_timeout)
{
    units[i].kind = LINK_SESSION;
    units[i].op = WIRE_WRITE;
    units[i].no_timeout = no_timeout;
    units[i].cb = on_answer;
    buf_puts(&units[i].records, body);
    publisher_add(&p, &units[i], 0);
    return &units[i];
}

/* What went out: the numbers, 0-terminated, and of each frame its kind. */
static uint64_t seqs[MANY + 1];
static uint8_t kinds[MANY];
static size_t seq_count, frame_count;

static void see_publish(const struct buf *f)
{
    struct reader r = wire_publish_reader(f->p, f->len);
    struct wire_unit u;

    while (wire_unit_get(&r, &u)) {
        struct event e;

        seqs[seq_count++] = u.seq;
        while (u.count > 0 && event_record_get(&r, &e))
            u.count--;
    }
    ck_assert(!r.bad);
}

static void see_session(const struct buf *f)
{
    struct reader r = wire_session_reader(f->p, f->len);
    struct wire_session_unit u;

    while (wire_session_unit_get(&r, &u)) {
        ck_assert_uint_eq(u.op, WIRE_WRITE);
        seqs[seq_count++] = u.seq;
    }
    ck_assert(!r.bad);
}

static void see_delete(const struct buf *f)
{
    struct slice topic;

    ck_assert(wire_delete_get(f->p, f->len, &seqs[seq_count++], &topic));
    ck_assert(slice_eq(topic, SLICE("a/b")));
}

/* Sends what may be sent; the sequence numbers, 0-terminated. */
static const uint64_t *send_all(void)
{
    struct link_publish *end;

    seq_count = frame_count = 0;
    for (struct buf f = {0}; publisher_frame(&p, &f, &end); buf_free(&f)) {
        kinds[frame_count] = wire_kind(f.p, f.len);
        if (kinds[frame_count] == WIRE_PUBLISH)
            see_publish(&f);
        else if (kinds[frame_count] == WIRE_SESSION)
            see_session(&f);
        else
            see_delete(&f);
        frame_count++;
        publisher_sent(&p, end);
    }
    seqs[seq_count] = 0;
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

static bool ack_session(uint64_t seq, uint16_t error, const char *data)
{
    struct wire_session_ack a = {.seq = seq, .error = error, .data = slice_of(data)};
    struct buf b = {0};
    bool good;

    wire_session_acks_begin(&b);
    wire_session_ack_put(&b, &a);
    good = publisher_session_acks(&p, wire_session_acks_reader(b.p, b.len));
    buf_free(&b);
    return good;
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
    send_all();
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
    send_all();
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
    add(0);
    units[1].kind = LINK_REMOVE;
    units[1].cb = on_answer;
    buf_puts(&units[1].records, "a/b");
    publisher_add(&p, &units[1], 0);
    add(2);
    send_all();
    ck_assert_uint_eq(frame_count, 3);
    ck_assert_uint_eq(kinds[1], WIRE_DELETE);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(seqs[i], i + 1);
    ack(2, 77);
    check_answer(1, ERR_NONE, 77);
}
END_TEST

/* --- units of sessions ------------------------------------------------------------- */

START_TEST(test_neighbours_of_one_kind_share_a_frame_in_one_order)
{
    static const uint8_t expected[] = {WIRE_PUBLISH, WIRE_SESSION, WIRE_PUBLISH};

    add(0), add_session(1, "a", true), add_session(2, "b", false), add(3), add(4);
    send_all();
    ck_assert_uint_eq(frame_count, 3);
    ck_assert_mem_eq(kinds, expected, sizeof expected);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(seqs[i], i + 1);
}
END_TEST

START_TEST(test_a_unit_of_a_session_gets_its_answer_or_its_refusal)
{
    add_session(0, "a", false), add_session(1, "b", true);
    ck_assert_uint_eq(p.sessions, 2);
    send_all();
    ck_assert(ack_session(1, ERR_NONE, "an answer"));
    ck_assert(ack_session(2, ERR_FENCED, "another has it"));
    check_answer(0, ERR_NONE, 0);
    ck_assert_str_eq(answers[0].text, "an answer");
    check_answer(1, ERR_FENCED, 0);
    ck_assert_str_eq(answers[1].text, "another has it");
    ck_assert_uint_eq(p.sessions, 0);
    ck_assert_uint_eq(p.in_flight, 0);
}
END_TEST

START_TEST(test_an_answer_of_the_other_kind_is_malformed)
{
    uint64_t id = 10;
    struct buf b = {0};

    add(0), add_session(1, "a", false);
    send_all();
    ck_assert(!ack_session(1, ERR_NONE, ""));
    wire_acks_begin(&b);
    wire_ack_ok_put(&b, 2, &id, 1);
    ck_assert(!publisher_acks(&p, wire_acks_reader(b.p, b.len)));
    buf_free(&b);
    ck_assert_uint_eq(answers[0].count + answers[1].count, 0);
}
END_TEST

START_TEST(test_a_unit_that_waits_holds_up_no_answer_behind_it)
{
    add_session(0, "attach", true), add(1), add(2), add_session(3, "write", true);
    send_all();
    ack(2, 20), ack(3, 30);
    ck_assert(ack_session(4, ERR_NONE, "written"));
    ck_assert(ack_session(1, ERR_NONE, "attached"));
    check_answer(1, ERR_NONE, 20);
    check_answer(2, ERR_NONE, 30);
    ck_assert_str_eq(answers[3].text, "written");
    ck_assert_str_eq(answers[0].text, "attached");
}
END_TEST

/* Of the answers before, only the list and the numbers remain. */
START_TEST(test_a_new_connection_finds_every_answer_again)
{
    add(0), add_session(1, "a", true), add(2);
    send_all();
    ack(1, 10);
    publisher_begin(&p, 1 << 20);
    ck_assert(ack_session(2, ERR_NONE, "of the connection before"));
    ck_assert_uint_eq(answers[1].count, 0);
    ck_assert_uint_eq(send_all()[0], 2);
    ack(3, 30);
    ck_assert(ack_session(2, ERR_NONE, "now"));
    ck_assert_str_eq(answers[1].text, "now");
    check_answer(2, ERR_NONE, 30);
}
END_TEST

START_TEST(test_the_patient_have_no_deadline_and_hide_none)
{
    add_session(0, "a", true), add_session(1, "b", true);
    add(2);
    add_session(3, "c", true), add_session(4, "d", false);
    send_all();
    ck_assert(publisher_expire(&p, TIMEOUT_MS));
    check_answer(2, ERR_UNKNOWN_OUTCOME, 0);
    check_answer(4, ERR_UNKNOWN_OUTCOME, 0);
    ck_assert(!publisher_expire(&p, UINT64_MAX));
    ck_assert_uint_eq(answers[0].count + answers[1].count + answers[3].count, 0);
    publisher_begin(&p, 1 << 20);
    send_all();
    ck_assert_uint_eq(seqs[0], 1);
    ck_assert_uint_eq(seqs[1], 2);
    ck_assert_uint_eq(seqs[2], 4);
    ck_assert_uint_eq(seqs[3], 0);
}
END_TEST

START_TEST(test_one_with_a_deadline_comes_after_patient_ones_too)
{
    add_session(0, "a", true);
    ck_assert(!publisher_expire(&p, UINT64_MAX));
    add(1);
    send_all();
    ack(2, 20);
    add_at(2, 10, 500);
    ck_assert(!publisher_expire(&p, TIMEOUT_MS));
    ck_assert(publisher_expire(&p, TIMEOUT_MS + 500));
    check_answer(2, ERR_UNAVAILABLE, 0);
}
END_TEST

START_TEST(test_the_window_counts_a_units_body)
{
    char body[1001] = {0};

    memset(body, 'x', sizeof body - 1);
    add_session(0, body, true), add_session(1, body, true), add_at(2, 1000, 0);
    publisher_begin(&p, 2200);
    ck_assert_uint_eq(send_all()[2], 0);
    ck_assert(ack_session(1, ERR_NONE, ""));
    ck_assert_uint_eq(send_all()[0], 3);
}
END_TEST

START_TEST(test_the_end_answers_the_patient_too)
{
    add_session(0, "a", true);
    send_all();
    add_session(1, "b", true), add(2);
    publisher_abandon(&p);
    check_answer(0, ERR_UNKNOWN_OUTCOME, 0);
    check_answer(1, ERR_UNAVAILABLE, 0);
    check_answer(2, ERR_UNAVAILABLE, 0);
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
        test_a_refusal_carries_its_numbers, test_a_delete_keeps_its_place,
        test_neighbours_of_one_kind_share_a_frame_in_one_order,
        test_a_unit_of_a_session_gets_its_answer_or_its_refusal,
        test_an_answer_of_the_other_kind_is_malformed,
        test_a_unit_that_waits_holds_up_no_answer_behind_it,
        test_a_new_connection_finds_every_answer_again,
        test_the_patient_have_no_deadline_and_hide_none,
        test_one_with_a_deadline_comes_after_patient_ones_too, test_the_window_counts_a_units_body,
        test_the_end_answers_the_patient_too);
}
