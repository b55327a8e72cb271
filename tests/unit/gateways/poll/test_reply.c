/* test_reply.c - answers are made once for all who ask the same, and only for them. */
#include "blocks.h"
#include "run_suite.h"

#include "reply.h"

static const struct gap no_gap = {.reason = GAP_NONE};
static struct reply_cache cache;
static struct block *block;
static struct entry *all[3];

static void setup(void)
{
    memset(&cache, 0, sizeof cache);
    block = BLOCK({1, "a", "one"}, {2, "a", "two"}, {5, "b", ""});
    for (size_t i = 0; i < 3; i++)
        all[i] = &block->entries[i];
}

static void teardown(void)
{
    reply_cache_close(&cache);
    block_evict(block);
}

static bool body_is(const struct reply *r, const char *text)
{
    return slice_eq(buf_slice(&r->body->bytes), slice_of(text));
}

#define TIME "\"time\":\"1970-01-01T00:00:00.001Z\""
#define ONE "{\"id\":\"1\",\"topic\":\"a\"," TIME ",\"data\":\"one\"}"
#define TWO "{\"id\":\"2\",\"topic\":\"a\"," TIME ",\"data\":\"two\"}"

START_TEST(test_a_page_of_events)
{
    const struct reply *r = reply_json(&cache, all, 2, 2, &no_gap);

    ck_assert(body_is(r, "{\"events\":[" ONE "," TWO "],\"next\":\"2\"}\n"));
    ck_assert_str_eq(r->content_type, "application/json");
    ck_assert(slice_eq((struct slice){r->next.text, r->next.len}, SLICE("\"2\"")));
}
END_TEST

START_TEST(test_a_gap_stands_behind_the_events)
{
    struct gap gap = {3, 4, 7, GAP_EXPIRED};

    ck_assert(body_is(reply_json(&cache, NULL, 0, 4, &gap),
                      "{\"events\":[],\"next\":\"4\",\"gap\":{\"requested\":\"3\","
                      "\"resumed_from\":\"4\",\"removed_to\":\"7\",\"reason\":\"expired\"}}\n"));
}
END_TEST

START_TEST(test_the_same_events_are_one_body)
{
    const struct shared *first = reply_json(&cache, all, 3, 5, &no_gap)->body;

    ck_assert_ptr_eq(first, reply_json(&cache, all, 3, 5, &no_gap)->body);
    ck_assert_ptr_ne(first, reply_json(&cache, all, 2, 5, &no_gap)->body);
    ck_assert_ptr_eq(first, reply_json(&cache, all, 3, 5, &no_gap)->body);
}
END_TEST

START_TEST(test_whatever_differs_is_another_body)
{
    struct gap gap = {0, 1, 1, GAP_DELETED}, other = {0, 1, 1, GAP_EXPIRED};
    const struct shared *bodies[] = {
        reply_json(&cache, all, 1, 1, &no_gap)->body,
        reply_json(&cache, all, 1, 2, &no_gap)->body,
        reply_json(&cache, all + 1, 1, 1, &no_gap)->body,
        reply_json(&cache, all, 1, 1, &gap)->body,
        reply_json(&cache, all, 1, 1, &other)->body,
        reply_raw(&cache, all[0])->body,
    };

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_ptr_ne(bodies[i], bodies[j]);
}
END_TEST

START_TEST(test_raw_is_the_payload)
{
    const struct reply *r = reply_raw(&cache, all[1]);

    ck_assert(body_is(r, "two"));
    ck_assert_uint_eq(r->raw.count, 3);
    ck_assert(slice_eq((struct slice){r->next.text, r->next.len}, SLICE("\"2\"")));
    ck_assert_ptr_eq(r->body, reply_raw(&cache, all[1])->body);
}
END_TEST

START_TEST(test_an_empty_payload_has_no_body)
{
    ck_assert_ptr_null(reply_raw(&cache, all[2])->body);
}
END_TEST

START_TEST(test_what_is_kept_is_bounded)
{
    for (uint64_t next = 1; next < 100000; next++) {
        (void)reply_json(&cache, all, 1, next, &no_gap);
        ck_assert_uint_le(cache.bytes, REPLY_BYTES);
    }
}
END_TEST

START_TEST(test_large_answers_push_out_all_others)
{
    static char large[1 << 20];
    struct test_event event = {9, "big", large};
    struct block *big;
    struct entry *entry;

    memset(large, 'x', sizeof large - 1);
    big = block_of(&event, 1);
    entry = &big->entries[0];
    for (uint64_t next = 0; next < 50; next++) {
        (void)reply_json(&cache, &entry, 1, next, &no_gap);
        ck_assert_uint_le(cache.bytes, REPLY_BYTES);
    }
    block_evict(big);
}
END_TEST

START_TEST(test_a_body_outlives_its_place_in_the_cache)
{
    struct shared *body = reply_json(&cache, all, 2, 2, &no_gap)->body;

    shared_ref(body);
    reply_cache_close(&cache);
    ck_assert_uint_eq(body->refs, 1);
    ck_assert_int_eq(body->bytes.p[0], '{');
    shared_unref(body);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "reply", setup, teardown, test_a_page_of_events, test_a_gap_stands_behind_the_events,
        test_the_same_events_are_one_body, test_whatever_differs_is_another_body,
        test_raw_is_the_payload, test_an_empty_payload_has_no_body, test_what_is_kept_is_bounded,
        test_large_answers_push_out_all_others, test_a_body_outlives_its_place_in_the_cache);
}
