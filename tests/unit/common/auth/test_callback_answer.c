/* Unit tests of what the HTTP callback is asked, and of what it may answer. */
#include "callback_answer.h"

#include <stdlib.h>

#include "grants.h"
#include "run_suite.h"

static struct findings found;
static struct buf text;

static void begin(void)
{
    found = (struct findings){0};
    text = (struct buf){0};
}

static void end(void)
{
    findings_free(&found);
    buf_free(&text);
}

static void expect_question(const struct credentials *c, const char *expected)
{
    buf_clear(&text);
    ck_assert(callback_answer_ask(c, &text));
    buf_put(&text, "", 1);
    ck_assert_str_eq((const char *)text.p, expected);
}

START_TEST(what_was_shown_is_asked_about)
{
    uint8_t key[32] = {0};

    expect_question(&(struct credentials){.kind = CREDENTIALS_PASSWORD,
                                          .user = SLICE("al\"ice"),
                                          .password = SLICE("wonder\nland"),
                                          .client = SLICE("c1"),
                                          .address = SLICE("10.0.0.7"),
                                          .certificate = SLICE("caf\xe9"),
                                          .door = "mqtt"},
                    "{\"door\":\"mqtt\",\"kind\":\"password\",\"user\":\"al\\\"ice\","
                    "\"password\":\"wonder\\nland\",\"client\":\"c1\",\"address\":\"10.0.0.7\","
                    "\"certificate\":\"caf\xef\xbf\xbd\"}");
    expect_question(&(struct credentials){.kind = CREDENTIALS_TOKEN, .token = SLICE("t")},
                    "{\"kind\":\"token\",\"token\":\"t\"}");
    expect_question(
        &(struct credentials){.kind = CREDENTIALS_KEY, .key = {(const char *)key, sizeof key}},
        "{\"kind\":\"key\",\"key\":\"0000000000000000000000000000000000000000\"}");
}
END_TEST

START_TEST(what_is_no_text_cannot_be_asked_about)
{
    ck_assert(!callback_answer_ask(
        &(struct credentials){.kind = CREDENTIALS_TOKEN, .token = SLICE("t\xff")}, &text));
    ck_assert(!callback_answer_ask(
        &(struct credentials){.kind = CREDENTIALS_PASSWORD, .password = SLICE("t\xff")}, &text));
    ck_assert(!callback_answer_ask(
        &(struct credentials){.kind = CREDENTIALS_KEY, .key = SLICE("short")}, &text));
    ck_assert(!callback_answer_ask(&(struct credentials){.kind = CREDENTIALS_NONE}, &text));
}
END_TEST

static const char *read_as(enum credentials_kind kind, const char *answer)
{
    findings_free(&found);
    return callback_answer_read(slice_of(answer), kind, SLICE("alice"), 4, 1000000, &found);
}

START_TEST(an_answer_says_who_what_and_how_long)
{
    struct reader in;

    ck_assert_ptr_null(read_as(CREDENTIALS_PASSWORD,
                               "{\"name\":\"bob\",\"kind\":\"token\",\"roles\":[\"editor\"],"
                               "\"publish\":[\"a/%u/#\"],\"subscribe\":[\"#\"],\"manage\":[],"
                               "\"expires_in\":60,\"cache\":5,\"more\":{}}"));
    ck_assert_str_eq(found.name, "bob");
    ck_assert_int_eq(found.kind, PRINCIPAL_TOKEN);
    ck_assert_uint_eq(found.expires_ms, 1060000);
    ck_assert_uint_eq(found.keep_ms, 5000);
    ck_assert(found.external);
    in = reader_of(found.roles.p, found.roles.len);
    ck_assert(slice_eq(reader_str16(&in), SLICE("editor")));
    in = reader_of(found.grants.p, found.grants.len);
    ck_assert_uint_eq(reader_u8(&in), AUTH_PUBLISH);
    ck_assert(slice_eq(reader_str16(&in), SLICE("a/%u/#")));
    ck_assert_uint_eq(reader_u8(&in), AUTH_SUBSCRIBE);
    ck_assert(slice_eq(reader_str16(&in), SLICE("#")));
    ck_assert_uint_eq(in.left, 0);
}
END_TEST

START_TEST(what_an_answer_does_not_say)
{
    ck_assert_ptr_null(read_as(CREDENTIALS_PASSWORD, " {} "));
    ck_assert_str_eq(found.name, "alice");
    ck_assert_int_eq(found.kind, PRINCIPAL_USER);
    ck_assert(found.expires_ms == 0 && found.keep_ms == 0 && found.external);
    ck_assert_ptr_null(read_as(CREDENTIALS_TOKEN, "{\"name\":\"bob\"}"));
    ck_assert_int_eq(found.kind, PRINCIPAL_TOKEN);
    ck_assert_ptr_null(read_as(CREDENTIALS_KEY, "{\"name\":\"bob\"}"));
    ck_assert_int_eq(found.kind, PRINCIPAL_KEY);
    ck_assert_ptr_nonnull(read_as(CREDENTIALS_TOKEN, "{}"));
}
END_TEST

static const char *const bad[] = {
    "",
    "no",
    "[]",
    "{\"name\":\"bob\"",
    "{\"name\":\"bob\",\"name\":\"eve\"}",
    "{\"name\":\"\"}",
    "{\"name\":null}",
    "{\"name\":7}",
    "{\"name\":\"b\\u0000b\"}",
    "{\"name\":\"b\\nb\"}",
    "{\"kind\":\"cert\"}",
    "{\"kind\":\"anonymous\"}",
    "{\"kind\":1}",
    "{\"roles\":\"editor\"}",
    "{\"roles\":[1]}",
    "{\"publish\":[\"a/#/b\"]}",
    "{\"publish\":[\"a\",\"b\",\"c\"],\"subscribe\":[\"d\",\"e\"]}",
    "{\"cache\":-1}",
    "{\"cache\":1.5}",
    "{\"cache\":\"1\"}",
    "{\"cache\":1000000001}",
    "{\"expires_in\":true}",
    "{\"expires_in\":99999999999999999999}",
};

START_TEST(a_bad_answer_is_refused)
{
    ck_assert_msg(read_as(CREDENTIALS_PASSWORD, bad[_i]) != NULL, "%s", bad[_i]);
    ck_assert_ptr_null(found.name);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("callback_answer");
    TCase *t = tcase_create("callback_answer");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, what_was_shown_is_asked_about);
    tcase_add_test(t, what_is_no_text_cannot_be_asked_about);
    tcase_add_test(t, an_answer_says_who_what_and_how_long);
    tcase_add_test(t, what_an_answer_does_not_say);
    tcase_add_loop_test(t, a_bad_answer_is_refused, 0, (int)(sizeof bad / sizeof bad[0]));
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
