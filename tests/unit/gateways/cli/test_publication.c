/*
 * test_publication.c - lines in JSON form as they travel to the broker.
 */
#include <stdlib.h>

#include "publication.h"
#include "suite.h"

static struct publication p;
static struct buf error;

static void setup(void)
{
    p = (struct publication){0};
    error = (struct buf){0};
}

static void teardown(void)
{
    publication_free(&p);
    buf_free(&error);
}

static bool from(const char *line)
{
    return publication_from_json(&p, slice_of(line), SLICE("here"), &error);
}

static void expect(const struct buf *b, const char *text)
{
    ck_assert_msg(slice_eq(buf_slice(b), slice_of(text)), "%.*s", (int)b->len, (char *)b->p);
}

static const struct {
    const char *line, *topic, *headers, *payload;
} lines[] = {
    {"{\"data\":\"hello\"}", "here", "{}", "hello"},
    {"{\"topic\":\"a/b\",\"data\":\"x\"}", "a/b", "{}", "x"},
    {" {\"data\":{\"a\": [1]}} ", "here", "{\"content_type\":\"application/json\"}",
     "{\"a\": [1]}"},
    {"{\"data\":\"x\",\"content_type\":\"text/plain\",\"retain\":true}", "here",
     "{\"retain\":true,\"content_type\":\"text/plain\"}", "x"},
    {"{\"data_base64\":\"AP8B\",\"properties\":[[\"a\",\"b\"]]}", "here",
     "{\"properties\":[[\"a\",\"b\"]]}", NULL},
    {"{\"id\":\"7\",\"time\":\"2026-01-31T10:00:00Z\",\"data\":\"again\"}", "here", "{}", "again"},
};

START_TEST(a_line_becomes_topic_headers_and_payload)
{
    ck_assert_msg(from(lines[_i].line), "%.*s", (int)error.len, (char *)error.p);
    expect(&p.topic, lines[_i].topic);
    expect(&p.headers, lines[_i].headers);
    if (lines[_i].payload != NULL)
        expect(&p.payload, lines[_i].payload);
}
END_TEST

START_TEST(bytes_come_out_of_base64)
{
    ck_assert(from("{\"data_base64\":\"AP8B\"}"));
    ck_assert_uint_eq(p.payload.len, 3);
    ck_assert_int_eq(memcmp(p.payload.p, "\0\xff\1", 3), 0);
}
END_TEST

START_TEST(a_producer_makes_it_repeatable)
{
    ck_assert(from("{\"data\":\"x\"}"));
    ck_assert(!p.repeatable);
    publication_free(&p);
    ck_assert(from("{\"data\":\"x\",\"producer\":{\"id\":\"me\",\"epoch\":1,\"seq\":2}}"));
    ck_assert(p.repeatable);
}
END_TEST

static const char *const mistakes[] = {
    "", "[]", "{\"data\":\"x\"", "{\"dat\":\"x\"}", "{\"data\":\"x\",\"data_base64\":\"AA==\"}",
};

START_TEST(a_mistake_is_told)
{
    ck_assert(!from(mistakes[_i]));
    ck_assert_uint_gt(error.len, 0);
}
END_TEST

START_TEST(an_error_names_the_member)
{
    ck_assert(!from("{\"data\":\"x\",\"colour\":1}"));
    buf_u8(&error, '\0');
    ck_assert_ptr_nonnull(strstr((char *)error.p, "colour"));
}
END_TEST

START_TEST(headers_are_one_object)
{
    const struct producer producer = {SLICE("me \"too\""), 5, 9};
    struct buf b = {0};

    publication_begin(&b);
    publication_text(&b, "type", SLICE("a\nb"));
    publication_raw(&b, "retain", SLICE("true"));
    publication_producer(&b, &producer);
    publication_end(&b);
    expect(&b, "{\"type\":\"a\\nb\",\"retain\":true,\"producer\":"
               "{\"id\":\"me \\\"too\\\"\",\"epoch\":5,\"seq\":9}}");
    buf_free(&b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("publication");
    TCase *t = tcase_create("publication");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_line_becomes_topic_headers_and_payload, 0,
                        sizeof lines / sizeof lines[0]);
    tcase_add_test(t, bytes_come_out_of_base64);
    tcase_add_test(t, a_producer_makes_it_repeatable);
    tcase_add_loop_test(t, a_mistake_is_told, 0, sizeof mistakes / sizeof mistakes[0]);
    tcase_add_test(t, an_error_names_the_member);
    tcase_add_test(t, headers_are_one_object);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
