/*
 * test_read_answer.c - a frame on reads, and the frame that answers it.
 */
#include "read_answer.h"
#include "store_fixture.h"

static struct buf request, answer;

static bool ask(void)
{
    struct store_read *read;

    buf_clear(&answer);
    read = read_answer_begin(request.p, request.len, &answer);
    if (read != NULL)
        (void)answer_read(reader, read, &answer);
    return answer.len > 0;
}

static void put_retained_request(const char *filter)
{
    struct wire_retained_req q = {.ref = 9, .filter = slice_of(filter)};

    buf_clear(&request);
    wire_retained_req_put(&request, &q);
}

static struct wire_retained retained_answer(void)
{
    struct wire_retained m;

    ck_assert(ask());
    ck_assert(wire_retained_get(answer.p, answer.len, &m));
    ck_assert_uint_eq(m.ref, 9);
    return m;
}

START_TEST(retained_messages_are_asked_for)
{
    struct store_event ev = event_of("a/b", "x");
    struct store_request r;

    ev.e.flags = EVENT_RETAIN;
    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    put_retained_request("a/+");
    ck_assert_uint_eq(retained_answer().count, 1);
}
END_TEST

START_TEST(a_bad_filter_is_told)
{
    put_retained_request("a/#/b");
    ck_assert_int_eq(retained_answer().error, ERR_BAD_FILTER);
    put_retained_request("");
    ck_assert_int_eq(retained_answer().error, ERR_BAD_FILTER);
}
END_TEST

START_TEST(a_request_cut_short_is_told_while_it_names_itself)
{
    put_retained_request("a");
    while (--request.len >= 9) /* kind and ref */
        ck_assert_int_eq(retained_answer().error, ERR_BAD_REQUEST);
    ck_assert(!ask());
    ck_assert_uint_eq(answer.len, 0);
}
END_TEST

START_TEST(an_unknown_kind_is_told)
{
    struct wire_page m;
    uint8_t kind;
    uint64_t ref;

    put_retained_request("a");
    request.p[0] = 190;
    ck_assert(ask());
    ck_assert(wire_read_head(answer.p, answer.len, &kind, &ref));
    ck_assert_uint_eq(kind, 190 + 64);
    ck_assert_uint_eq(ref, 9);
    ck_assert(!wire_page_get(answer.p, answer.len, &m));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        retained_messages_are_asked_for,
        a_bad_filter_is_told,
        a_request_cut_short_is_told_while_it_names_itself,
        an_unknown_kind_is_told,
    };
    int result = run_tests("read answers", tests, sizeof tests / sizeof tests[0], begin_open);

    buf_free(&request);
    buf_free(&answer);
    return result;
}
