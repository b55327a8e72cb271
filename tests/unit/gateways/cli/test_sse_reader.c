/*
 * test_sse_reader.c - streams and the messages in them, whole and cut anywhere.
 */
#include <stdlib.h>

#include "guard.h"
#include "sse_reader.h"
#include "suite.h"

static struct sse_reader r;
static struct buf seen; /* "type|data|last_id\n" for each message */

static void setup(void)
{
    r = (struct sse_reader){.max = 64};
    seen = (struct buf){0};
}

static void teardown(void)
{
    sse_reader_close(&r);
    buf_free(&seen);
}

static void see(const struct sse_message *m)
{
    buf_put_slice(&seen, m->type);
    buf_u8(&seen, '|');
    buf_put_slice(&seen, m->data);
    buf_u8(&seen, '|');
    buf_put(&seen, r.last_id.p, r.last_id.len);
    buf_u8(&seen, '\n');
}

/* False when the reader refuses. */
static bool feed(const char *p, size_t len)
{
    while (len != 0) {
        struct sse_message m;
        bool got;
        ptrdiff_t n = sse_reader_feed(&r, p, len, &m, &got);

        if (n < 0)
            return false;
        ck_assert(n > 0);
        if (got)
            see(&m);
        p += n;
        len -= (size_t)n;
    }
    return true;
}

#define FEED(literal) feed((literal), sizeof(literal) - 1)

static void expect(const char *text)
{
    ck_assert_msg(slice_eq(buf_slice(&seen), slice_of(text)), "%.*s", (int)seen.len,
                  (char *)seen.p);
}

static const struct {
    const char *stream, *messages;
} streams[] = {
    {"id: 7\ndata: hello\n\n", "|hello|7\n"},
    {"data:hello\n\n", "|hello|\n"},
    {"data:  two blanks\n\n", "| two blanks|\n"},
    {"data: a\ndata: b\ndata\n\n", "|a\nb\n|\n"},
    {"event: x\ndata: 1\n\ndata: 2\n\n", "x|1|\n|2|\n"},
    {"id: 3\n\ndata: 1\n\n", "|1|3\n"},
    {"id: 3\ndata: 1\n\nid\ndata: 2\n\n", "|1|3\n|2|\n"},
    {"id: 3\nevent: nothing\n\n", ""},
    {": comment\n\n:\ndata: 1\n\n", "|1|\n"},
    {"unknown: 1\ndata: 1\n\n", "|1|\n"},
    {"data: 1\r\n\r\ndata: 2\r\rdata: 3\n\n", "|1|\n|2|\n|3|\n"},
    {"\xEF\xBB\xBF"
     "data: 1\n\n",
     "|1|\n"},
    {"data: 1\n\n\xEF\xBB\xBF"
     "data: 2\n\n",
     "|1|\n"},
    {"data\n\n", "||\n"},
    {"data: not ended\n", ""},
};

START_TEST(a_stream_is_its_messages)
{
    ck_assert(feed(streams[_i].stream, strlen(streams[_i].stream)));
    expect(streams[_i].messages);
}
END_TEST

START_TEST(a_stream_may_be_cut_anywhere)
{
    const char *s = streams[_i].stream;
    size_t len = strlen(s);
    struct guard g = guard_new(len);

    for (size_t cut = 0; cut <= len; cut++) {
        teardown();
        setup();
        ck_assert(feed((const char *)guard_put(&g, s, cut), cut));
        ck_assert(feed((const char *)guard_put(&g, s + cut, len - cut), len - cut));
        expect(streams[_i].messages);
    }
    guard_free(&g);
}
END_TEST

START_TEST(a_message_is_handed_out_with_its_last_byte)
{
    ck_assert(FEED("data: 1\r\n\r")); /* the CR ends the line; the LF may never come */
    expect("|1|\n");
}
END_TEST

START_TEST(an_id_counts_only_with_its_whole_block)
{
    ck_assert(FEED("id: 1\ndata: a\n\nid: 2\ndata: b\n"));
    expect("|a|1\n");
    ck_assert(slice_eq(buf_slice(&r.last_id), SLICE("1")));
}
END_TEST

START_TEST(an_id_with_nul_is_passed_over)
{
    ck_assert(FEED("id: 1\n\nid: 2\0\ndata: a\n\n"));
    expect("|a|1\n");
}
END_TEST

START_TEST(a_new_connection_keeps_the_id_and_drops_the_half_block)
{
    ck_assert(FEED("id: 1\n\nid: 2\ndata: lost"));
    sse_reader_restart(&r);
    ck_assert(FEED("data: a\n\n"));
    expect("|a|1\n");
}
END_TEST

START_TEST(retry_is_a_number_and_bounded)
{
    ck_assert(FEED("retry: 250\n\n"));
    ck_assert(r.has_retry && r.retry_ms == 250);
    ck_assert(FEED("retry: soon\n\n"));
    ck_assert_uint_eq(r.retry_ms, 250);
    ck_assert(FEED("retry: 99999999999\n\n"));
    ck_assert_uint_eq(r.retry_ms, 600000);
}
END_TEST

START_TEST(a_line_longer_than_max_is_refused)
{
    char line[80];

    memset(line, 'x', sizeof line);
    ck_assert(!feed(line, sizeof line));
}
END_TEST

START_TEST(data_longer_than_max_is_refused)
{
    bool fine = true;

    for (int i = 0; i < 20 && fine; i++)
        fine = FEED("data: 0123456789\n");
    ck_assert(!fine);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sse_reader");
    TCase *t = tcase_create("sse_reader");
    int count = sizeof streams / sizeof streams[0];

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_stream_is_its_messages, 0, count);
    tcase_add_loop_test(t, a_stream_may_be_cut_anywhere, 0, count);
    tcase_add_test(t, a_message_is_handed_out_with_its_last_byte);
    tcase_add_test(t, an_id_counts_only_with_its_whole_block);
    tcase_add_test(t, an_id_with_nul_is_passed_over);
    tcase_add_test(t, a_new_connection_keeps_the_id_and_drops_the_half_block);
    tcase_add_test(t, retry_is_a_number_and_bounded);
    tcase_add_test(t, a_line_longer_than_max_is_refused);
    tcase_add_test(t, data_longer_than_max_is_refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
