/*
 * test_wire_reads.c - the messages on reads, held by golden vectors in both
 * directions (see vectors.h).
 */
#include "suite.h"
#include "vectors.h"
#include "wire_session.h"

#define ID UINT64_C(890000000000001)
#define HEAD (ID + 100)
#define TIME UINT64_C(1795113600123)
#define LIST_MAX 8

static struct wire_filter filters[LIST_MAX];
static struct event events[LIST_MAX];
static size_t event_count;

/* --- pages ---------------------------------------------------------------------- */

static struct wire_page_req page_request;

static void page_request_encode(struct buf *b)
{
    static const struct wire_filter list[] = {{ID, SLICE("a/b")}, {0, SLICE("sensors/#")}};
    struct wire_page_req m = {
        .ref = 77, .after = ID, .limit = 100, .filter_count = 2, .filters = list};

    wire_page_req_put(b, &m);
}

static bool page_request_decode(const void *p, size_t len)
{
    return wire_page_req_get(p, len, &page_request, filters, LIST_MAX);
}

static void page_request_expect(void)
{
    ck_assert_uint_eq(page_request.ref, 77);
    ck_assert_uint_eq(page_request.after, ID);
    ck_assert_uint_eq(page_request.until, 0);
    ck_assert_uint_eq(page_request.limit, 100);
    ck_assert(!page_request.descending);
    ck_assert_uint_eq(page_request.filter_count, 2);
    ck_assert_ptr_eq(page_request.filters, filters);
    ck_assert_uint_eq(filters[0].from, ID);
    assert_slice(filters[0].filter, "a/b");
    ck_assert_uint_eq(filters[1].from, 0);
    assert_slice(filters[1].filter, "sensors/#");
}

static struct wire_page page;

static bool page_reply_decode(const void *p, size_t len)
{
    struct reader r;

    event_count = 0;
    if (!wire_page_get(p, len, &page))
        return false;
    r = reader_of(page.records.p, page.records.len);
    while (event_record_get(&r, &events[event_count]))
        event_count++;
    ck_assert_uint_eq(r.left, 0);
    ck_assert_uint_eq(event_count, page.count);
    return true;
}

static void page_reply_encode(struct buf *b)
{
    struct wire_page m = {.ref = 77, .head = HEAD, .removed_to = ID - 5, .reason = GAP_EXPIRED};
    struct event one = {.id = ID, .time = TIME, .topic = SLICE("a/b"), .payload = SLICE("one")};
    struct event two = {
        .id = ID + 1, .time = TIME + 1, .topic = SLICE("sensors/1/t"), .payload = SLICE("two")};

    wire_page_begin(b, &m);
    event_record_put(b, &one);
    event_record_put(b, &two);
    wire_page_finish(b, 0, ID + 1, 2);
}

static void page_reply_expect(void)
{
    ck_assert_uint_eq(page.request, WIRE_PAGE);
    ck_assert_uint_eq(page.ref, 77);
    ck_assert_uint_eq(page.error, ERR_NONE);
    ck_assert_uint_eq(page.upto, ID + 1);
    ck_assert_uint_eq(page.head, HEAD);
    ck_assert_uint_eq(page.removed_to, ID - 5);
    ck_assert_uint_eq(page.reason, GAP_EXPIRED);
    ck_assert_uint_eq(event_count, 2);
    ck_assert_uint_eq(events[0].id, ID);
    assert_slice(events[1].topic, "sensors/1/t");
    assert_slice(events[1].payload, "two");
}

static void page_error_encode(struct buf *b)
{
    wire_read_error_put(b, WIRE_PAGE, 77, ERR_STORE_FAILED, SLICE("the database cannot be read"));
}

static void page_error_expect(void)
{
    ck_assert_uint_eq(page.ref, 77);
    ck_assert_uint_eq(page.error, ERR_STORE_FAILED);
    assert_slice(page.text, "the database cannot be read");
    ck_assert_uint_eq(page.count, 0);
}

/* --- one event ------------------------------------------------------------------ */

static uint64_t event_ref, event_id;

static void event_request_encode(struct buf *b)
{
    wire_event_req_put(b, 80, ID);
}

static bool event_request_decode(const void *p, size_t len)
{
    return wire_event_req_get(p, len, &event_ref, &event_id);
}

static void event_request_expect(void)
{
    ck_assert_uint_eq(event_ref, 80);
    ck_assert_uint_eq(event_id, ID);
}

static void event_reply_encode(struct buf *b)
{
    struct wire_page m = {.request = WIRE_EVENT, .ref = 80, .head = HEAD};
    struct event one = {.id = ID, .time = TIME, .topic = SLICE("a/b"), .payload = SLICE("one")};

    wire_page_begin(b, &m);
    event_record_put(b, &one);
    wire_page_finish(b, 0, ID, 1);
}

static void event_reply_expect(void)
{
    ck_assert_uint_eq(page.request, WIRE_EVENT);
    ck_assert_uint_eq(page.ref, 80);
    ck_assert_uint_eq(page.count, 1);
    assert_slice(events[0].payload, "one");
}

static void event_error_encode(struct buf *b)
{
    wire_read_error_put(b, WIRE_EVENT, 80, ERR_NOT_FOUND, SLICE(""));
}

static void event_error_expect(void)
{
    ck_assert_uint_eq(page.request, WIRE_EVENT);
    ck_assert_uint_eq(page.error, ERR_NOT_FOUND);
    ck_assert_uint_eq(page.text.len, 0);
}

/* --- starts --------------------------------------------------------------------- */

static struct wire_start_req start_request;

static void start_request_encode(struct buf *b)
{
    static const struct wire_filter list[] = {{0, SLICE("a/#")}};
    struct wire_start_req m = {
        .ref = 78, .mode = WIRE_LAST, .arg = 10, .filter_count = 1, .filters = list};

    wire_start_req_put(b, &m);
}

static bool start_request_decode(const void *p, size_t len)
{
    return wire_start_req_get(p, len, &start_request, filters, LIST_MAX);
}

static void start_request_expect(void)
{
    ck_assert_uint_eq(start_request.ref, 78);
    ck_assert_uint_eq(start_request.mode, WIRE_LAST);
    ck_assert_uint_eq(start_request.arg, 10);
    ck_assert_uint_eq(start_request.filter_count, 1);
    assert_slice(filters[0].filter, "a/#");
}

static void start_since_encode(struct buf *b)
{
    struct wire_start_req m = {.ref = 79, .mode = WIRE_SINCE, .arg = TIME};

    wire_start_req_put(b, &m);
}

static void start_since_expect(void)
{
    ck_assert_uint_eq(start_request.mode, WIRE_SINCE);
    ck_assert_uint_eq(start_request.arg, TIME);
    ck_assert_uint_eq(start_request.filter_count, 0);
}

static struct wire_start start;

static void start_reply_encode(struct buf *b)
{
    static const uint64_t froms[] = {ID - 1, HEAD};

    wire_start_put(b, 78, HEAD, froms, 2);
}

static bool start_reply_decode(const void *p, size_t len)
{
    return wire_start_get(p, len, &start);
}

static void start_reply_expect(void)
{
    struct reader froms = reader_of(start.froms.p, start.froms.len);

    ck_assert_uint_eq(start.ref, 78);
    ck_assert_uint_eq(start.error, ERR_NONE);
    ck_assert_uint_eq(start.head, HEAD);
    ck_assert_uint_eq(start.count, 2);
    ck_assert_uint_eq(reader_u64(&froms), ID - 1);
    ck_assert_uint_eq(reader_u64(&froms), HEAD);
    ck_assert(reader_done(&froms));
}

/* --- topics --------------------------------------------------------------------- */

static struct wire_topics_req topics_request;

static void topics_request_encode(struct buf *b)
{
    struct wire_topics_req m = {81, SLICE("a/#"), SLICE("a/b"), 50};

    wire_topics_req_put(b, &m);
}

static bool topics_request_decode(const void *p, size_t len)
{
    return wire_topics_req_get(p, len, &topics_request);
}

static void topics_request_expect(void)
{
    ck_assert_uint_eq(topics_request.ref, 81);
    assert_slice(topics_request.filter, "a/#");
    assert_slice(topics_request.after, "a/b");
    ck_assert_uint_eq(topics_request.limit, 50);
}

static struct wire_topics topics;
static struct wire_topic topic[LIST_MAX];

static void topics_reply_encode(struct buf *b)
{
    struct wire_topic c = {SLICE("a/c"), ID + 1, ID, 2, 106},
                      d = {.topic = SLICE("a/d"), .head = ID};

    wire_topics_begin(b, 81);
    wire_topic_put(b, &c);
    wire_topic_put(b, &d);
    wire_topics_finish(b, 0, true, 2);
}

static bool topics_reply_decode(const void *p, size_t len)
{
    size_t n = 0;

    if (!wire_topics_get(p, len, &topics))
        return false;
    while (wire_topic_get(&topics.list, &topic[n]))
        n++;
    ck_assert_uint_eq(n, topics.count);
    return true;
}

static void topics_reply_expect(void)
{
    ck_assert_uint_eq(topics.ref, 81);
    ck_assert_uint_eq(topics.error, ERR_NONE);
    ck_assert(topics.more);
    ck_assert_uint_eq(topics.count, 2);
    assert_slice(topic[0].topic, "a/c");
    ck_assert_uint_eq(topic[0].head, ID + 1);
    ck_assert_uint_eq(topic[0].oldest, ID);
    ck_assert_uint_eq(topic[0].events, 2);
    ck_assert_uint_eq(topic[0].bytes, 106);
    assert_slice(topic[1].topic, "a/d");
    ck_assert_uint_eq(topic[1].events, 0);
}

/* --- retained messages -------------------------------------------------------------------- */

static struct wire_retained_req retained_request;
static struct wire_retained retained;

static void retained_request_encode(struct buf *b)
{
    struct wire_retained_req m = {90, SLICE("a/+"), SLICE("a/b"), 2};

    wire_retained_req_put(b, &m);
}

static bool retained_request_decode(const void *p, size_t len)
{
    return wire_retained_req_get(p, len, &retained_request);
}

static void retained_request_expect(void)
{
    ck_assert_uint_eq(retained_request.ref, 90);
    assert_slice(retained_request.filter, "a/+");
    assert_slice(retained_request.after, "a/b");
    ck_assert_uint_eq(retained_request.limit, 2);
}

static void retained_reply_encode(struct buf *b)
{
    struct event on = {.id = ID,
                       .time = TIME,
                       .topic = SLICE("a/c"),
                       .payload = SLICE("on"),
                       .flags = EVENT_RETAIN | 2 << EVENT_QOS_SHIFT};
    struct event off = {.id = ID + 1,
                        .time = TIME,
                        .topic = SLICE("a/d"),
                        .payload = SLICE("off"),
                        .flags = EVENT_RETAIN};

    wire_retained_begin(b, 90, HEAD);
    event_record_put(b, &on);
    event_record_put(b, &off);
    wire_retained_finish(b, 0, true, 2, SLICE("a/d"));
}

static bool retained_reply_decode(const void *p, size_t len)
{
    return wire_retained_get(p, len, &retained);
}

static void retained_reply_expect(void)
{
    struct reader r = reader_of(retained.records.p, retained.records.len);
    struct event e;

    ck_assert_uint_eq(retained.ref, 90);
    ck_assert_uint_eq(retained.error, ERR_NONE);
    ck_assert_uint_eq(retained.head, HEAD);
    ck_assert(retained.more);
    ck_assert_uint_eq(retained.count, 2);
    ck_assert(event_record_get(&r, &e));
    assert_slice(e.topic, "a/c");
    ck_assert(event_record_get(&r, &e));
    assert_slice(e.payload, "off");
    ck_assert(reader_done(&r));
    assert_slice(retained.upto, "a/d");
}

static void retained_error_encode(struct buf *b)
{
    wire_read_error_put(b, WIRE_RETAINED, 91, ERR_BAD_FILTER, SLICE("The filter is not valid"));
}

static void retained_error_expect(void)
{
    ck_assert_uint_eq(retained.ref, 91);
    ck_assert_uint_eq(retained.error, ERR_BAD_FILTER);
    assert_slice(retained.text, "The filter is not valid");
}

/* V(name): encode, decode and expect are named after it; V2: decodes like another. */
#define V2(n, like) .name = #n, .encode = n##_encode, .decode = like##_decode, .expect = n##_expect
#define V(n) V2(n, n)

static const struct vector table[] = {
    {V(page_request)},
    {V(page_reply)},
    {V2(page_error, page_reply)},
    {V(event_request)},
    {V2(event_reply, page_reply)},
    {V2(event_error, page_reply)},
    {V(start_request)},
    {V2(start_since, start_request)},
    {V(start_reply)},
    {V(topics_request)},
    {V(topics_reply)},
    {V(retained_request)},
    {V(retained_reply)},
    {V2(retained_error, retained_reply)},
};

/* --- what no vector can show --------------------------------------------------- */

static struct buf b;

static void setup(void)
{
    b = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
}

START_TEST(more_filters_than_there_is_room_for_are_refused)
{
    page_request_encode(&b);
    ck_assert(wire_page_req_get(b.p, b.len, &page_request, filters, 2));
    ck_assert(!wire_page_req_get(b.p, b.len, &page_request, filters, 1));
}
END_TEST

START_TEST(a_page_counts_its_records)
{
    page_reply_encode(&b);
    for (uint32_t count = 0; count < 4; count++) {
        wire_page_finish(&b, 0, ID + 1, count);
        ck_assert(page_reply_decode(b.p, b.len) == (count == 2));
    }
}
END_TEST

START_TEST(topics_count_their_entries)
{
    topics_reply_encode(&b);
    for (uint32_t count = 0; count < 4; count++) {
        wire_topics_finish(&b, 0, false, count);
        ck_assert(topics_reply_decode(b.p, b.len) == (count == 2));
    }
}
END_TEST

START_TEST(a_reply_can_follow_other_bytes_in_a_buffer)
{
    buf_puts(&b, "before");
    wire_page_begin(&b, &(struct wire_page){.ref = 1, .head = HEAD});
    wire_page_finish(&b, 6, HEAD, 0);
    ck_assert(page_reply_decode(b.p + 6, b.len - 6));
    ck_assert_uint_eq(page.upto, HEAD);
}
END_TEST

START_TEST(an_unknown_reason_or_mode_is_refused)
{
    wire_page_begin(&b, &(struct wire_page){.ref = 1, .reason = GAP_VOLATILE + 1});
    ck_assert(!page_reply_decode(b.p, b.len));
    buf_clear(&b);
    wire_start_req_put(&b, &(struct wire_start_req){.ref = 1, .mode = 3});
    ck_assert(!start_request_decode(b.p, b.len));
}
END_TEST

START_TEST(an_error_can_answer_any_request)
{
    uint8_t kind;
    uint64_t ref;

    wire_read_error_put(&b, WIRE_START, 5, ERR_BUSY, SLICE("later"));
    ck_assert(start_reply_decode(b.p, b.len));
    ck_assert_uint_eq(start.error, ERR_BUSY);
    assert_slice(start.text, "later");
    buf_clear(&b);
    wire_read_error_put(&b, WIRE_TOPICS, 6, ERR_BUSY, SLICE("later"));
    ck_assert(topics_reply_decode(b.p, b.len));
    ck_assert_uint_eq(topics.error, ERR_BUSY);
    ck_assert(wire_read_head(b.p, b.len, &kind, &ref));
    ck_assert_uint_eq(kind, WIRE_TOPICS + 64);
    ck_assert_uint_eq(ref, 6);
    ck_assert(!wire_read_head(b.p, 8, &kind, &ref));
}
END_TEST

START_TEST(retained_messages_are_counted)
{
    for (uint32_t count = 0; count < 4; count++) {
        buf_clear(&b);
        retained_reply_encode(&b);
        b.len -= 5; /* upto, which finish puts again */
        wire_retained_finish(&b, 0, false, count, SLICE("a/d"));
        ck_assert(retained_reply_decode(b.p, b.len) == (count == 2));
    }
}
END_TEST

START_TEST(a_stretch_without_a_match_says_how_far_it_looked)
{
    buf_puts(&b, "before");
    wire_retained_begin(&b, 1, HEAD);
    wire_retained_finish(&b, 6, true, 0, SLICE("x/y"));
    ck_assert(retained_reply_decode(b.p + 6, b.len - 6));
    ck_assert(retained.more);
    ck_assert_uint_eq(retained.count, 0);
    assert_slice(retained.upto, "x/y");
}
END_TEST

static bool is_reads(uint8_t kind)
{
    return kind >= WIRE_PAGE;
}

int main(void)
{
    Suite *s = suite_create("wire_reads");
    TCase *t = tcase_create("rules");

    suite_add_tcase(s, vector_tests(table, sizeof table / sizeof table[0], is_reads));
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, more_filters_than_there_is_room_for_are_refused);
    tcase_add_test(t, a_page_counts_its_records);
    tcase_add_test(t, topics_count_their_entries);
    tcase_add_test(t, a_reply_can_follow_other_bytes_in_a_buffer);
    tcase_add_test(t, an_unknown_reason_or_mode_is_refused);
    tcase_add_test(t, an_error_can_answer_any_request);
    tcase_add_test(t, retained_messages_are_counted);
    tcase_add_test(t, a_stretch_without_a_match_says_how_far_it_looked);
    suite_add_tcase(s, t);
    return suite_run(s);
}
