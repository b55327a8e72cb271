/*
 * test_read_queue.c - requests for history: askers take turns, and whoever has none under
 * way is not delayed by those who have many.
 */
#include "run_suite.h"

#include "read_queue.h"

enum { MAX = 4, READS = 64 };

static struct read_queue queue;
static struct link_read reads[READS];
static const char many, few, another;

static void setup(void)
{
    read_queue_init(&queue, MAX);
    for (size_t i = 0; i < READS; i++)
        reads[i] = (struct link_read){.ref = i};
}

/* Whatever a test leaves. */
static void teardown(void)
{
    struct link_read *r;

    while (queue.sent != NULL)
        read_queue_remove(&queue, queue.sent);
    while ((r = read_queue_next(&queue)) != NULL)
        read_queue_remove(&queue, r);
    ck_assert(read_queue_is_empty(&queue));
}

static void ask(const void *asker, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        reads[i].asker = asker;
        read_queue_add(&queue, &reads[i]);
    }
}

/* Sends what may be sent: "0 1 2". */
static const char *sent(void)
{
    static char text[256];
    struct link_read *r;
    size_t len = 0;

    text[0] = '\0';
    while ((r = read_queue_next(&queue)) != NULL) {
        read_queue_send(&queue, r);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", len > 0 ? " " : "",
                                (unsigned)r->ref);
    }
    return text;
}

static void answer(size_t i)
{
    ck_assert_ptr_eq(read_queue_find(&queue, i), &reads[i]);
    read_queue_remove(&queue, &reads[i]);
    ck_assert_ptr_null(read_queue_find(&queue, i));
}

START_TEST(one_asker_is_served_in_order)
{
    ask(&many, 0, 6);
    ck_assert_str_eq(sent(), "0 1 2 3");
    answer(1);
    ck_assert_str_eq(sent(), "4");
    answer(0), answer(2);
    ck_assert_str_eq(sent(), "5");
}
END_TEST

START_TEST(another_first_page_waits_for_nobody)
{
    ask(&many, 0, 50);
    ck_assert_str_eq(sent(), "0 1 2 3");
    ask(&few, 50, 2);
    ck_assert_str_eq(sent(), "50");
    ask(&another, 60, 1);
    ck_assert_str_eq(sent(), "60");
}
END_TEST

START_TEST(askers_take_turns)
{
    ask(&many, 0, 10);
    ask(&few, 50, 3);
    ck_assert_str_eq(sent(), "0 50 1 51");
    answer(0);
    ck_assert_str_eq(sent(), "2");
    answer(1);
    ck_assert_str_eq(sent(), "52");
    answer(2);
    ck_assert_str_eq(sent(), "3");
}
END_TEST

START_TEST(there_is_an_end_for_everybody)
{
    for (size_t i = 0; i < 20; i++)
        ask(&reads[i], i, 1);
    ck_assert_str_eq(sent(), "0 1 2 3 4 5 6 7");
    answer(3);
    ck_assert_str_eq(sent(), "8");
}
END_TEST

START_TEST(who_is_nobody_in_particular_is_one_asker)
{
    ask(NULL, 0, 10);
    ck_assert_str_eq(sent(), "0 1 2 3");
}
END_TEST

START_TEST(what_the_broker_is_too_busy_for_comes_first_again)
{
    ask(&many, 0, 6);
    ck_assert_str_eq(sent(), "0 1 2 3");
    read_queue_back(&queue, &reads[2]);
    ck_assert(!reads[2].sent);
    ck_assert_str_eq(sent(), "2");
}
END_TEST

START_TEST(a_lost_connection_puts_all_back_in_order)
{
    ask(&many, 0, 5);
    ask(&few, 50, 1);
    ck_assert_str_eq(sent(), "0 50 1 2");
    read_queue_back_all(&queue);
    ck_assert_uint_eq(queue.on_the_way, 0);
    for (size_t i = 0; i < 5; i++)
        ck_assert(!reads[i].sent);
    ask(&another, 60, 1);
    ck_assert_str_eq(sent(), "0 50 60 1");
}
END_TEST

START_TEST(what_was_asked_once_more_is_the_last_to_be_asked_again)
{
    ask(&many, 0, 3);
    ck_assert_str_eq(sent(), "0 1 2");
    ck_assert_ptr_eq(queue.sent, &reads[0]);
    read_queue_again(&queue, &reads[0]);
    ck_assert_ptr_eq(queue.sent, &reads[1]);
    ck_assert_ptr_eq(queue.sent->prev, &reads[0]);
}
END_TEST

START_TEST(what_is_given_up_leaves_from_wherever_it_is)
{
    ask(&many, 0, 6);
    ck_assert_str_eq(sent(), "0 1 2 3");
    read_queue_remove(&queue, &reads[4]);
    read_queue_remove(&queue, &reads[0]);
    ck_assert_str_eq(sent(), "5");
    for (size_t i = 1; i < 4; i++)
        read_queue_remove(&queue, &reads[i]);
    read_queue_remove(&queue, &reads[5]);
    ck_assert(read_queue_is_empty(&queue));
    ck_assert_ptr_null(read_queue_next(&queue));
}
END_TEST

int main(void)
{
    return RUN_TESTS("link: read queue", setup, teardown, one_asker_is_served_in_order,
                     another_first_page_waits_for_nobody, askers_take_turns,
                     there_is_an_end_for_everybody, who_is_nobody_in_particular_is_one_asker,
                     what_the_broker_is_too_busy_for_comes_first_again,
                     a_lost_connection_puts_all_back_in_order,
                     what_was_asked_once_more_is_the_last_to_be_asked_again,
                     what_is_given_up_leaves_from_wherever_it_is);
}
