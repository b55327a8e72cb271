/*
 * test_ws_json.c - the operations of `sluice.json`: what is understood, what is
 * refused and with which member's name, and the messages down to the byte.
 */
#include <stdlib.h>

#include "event_json.h"
#include "guard.h"
#include "json.h"
#include "suite.h"
#include "ws_json.h"

static struct buf b;
static struct ws_request r;
static struct ws_refusal why;

static void setup(void)
{
    b = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
    ws_request_free(&r);
}

static void assert_slice(struct slice s, const char *text)
{
    ck_assert_msg(slice_eq(s, slice_of(text)), "%.*s, not %s", (int)s.len, s.p, text);
}

#define assert_bytes(text) assert_slice(buf_slice(&b), (text))

static void parse_ok(const char *message)
{
    bool ok = ws_request_parse(&r, slice_of(message), &why);

    ck_assert_msg(ok, "%s: %.*s", message, (int)why.text.len, why.text.p);
}

/* name=value;name=value */
static void assert_words(const char *expected)
{
    buf_clear(&b);
    for (size_t i = 0; i < r.word_count; i++)
        buf_printf(&b, "%s%s=%.*s", i > 0 ? ";" : "", r.words[i].name, (int)r.words[i].value.len,
                   r.words[i].value.p);
    assert_bytes(expected);
}

/* --- up ------------------------------------------------------------------------------- */

START_TEST(subscribe_to_a_topic)
{
    parse_ok("{\"op\":\"subscribe\",\"topic\":\"a/+\",\"ref\":\"s\"}");
    ck_assert_int_eq(r.op, WS_OP_SUBSCRIBE);
    assert_slice(r.ref, "\"s\"");
    assert_words("topic=a/+");
}
END_TEST

START_TEST(subscribe_to_several_with_a_start)
{
    parse_ok(" { \"after\" : \"12\" , \"topics\":[\"a\", \"b/#\"],\"ref\":7,"
             "\"on_gap\":\"fail\",\"op\":\"subscribe\"}");
    assert_slice(r.ref, "7");
    assert_words("after=12;topic=a;topic=b/#;on_gap=fail");
}
END_TEST

START_TEST(starts_are_numbers_or_text)
{
    parse_ok("{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"after\":12}");
    assert_words("topic=a;after=12");
    parse_ok("{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"last\":5}");
    assert_words("topic=a;last=5");
    parse_ok("{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"since\":\"10m\"}");
    assert_words("topic=a;since=10m");
}
END_TEST

START_TEST(auth_shows_a_token_or_a_name_with_a_password)
{
    parse_ok("{\"op\":\"auth\",\"token\":\"a.b\\u002ec\"}");
    ck_assert_int_eq(r.op, WS_OP_AUTH);
    assert_slice(r.token, "a.b.c");
    ck_assert(r.user.p == NULL && r.password.p == NULL && r.ref.len == 0);
    parse_ok("{\"op\":\"auth\",\"ref\":1,\"password\":\"\",\"user\":\"al\"}");
    assert_slice(r.user, "al");
    ck_assert(r.password.p != NULL && r.password.len == 0 && r.token.p == NULL);
    assert_slice(r.ref, "1");
    ws_request_wipe(&r);
    ck_assert_ptr_null(memmem(r.text.p, r.text.cap, "al", 2));
}
END_TEST

static void refused_auth(const char *members, const char *field)
{
    buf_clear(&b);
    buf_printf(&b, "{\"op\":\"auth\"%s}", members);
    ck_assert_msg(!ws_request_parse(&r, buf_slice(&b), &why), "%s", members);
    ck_assert_int_eq(why.error, ERR_BAD_REQUEST);
    if (field == NULL)
        ck_assert_ptr_null(why.field);
    else
        ck_assert_str_eq(why.field, field);
}

START_TEST(auth_needs_one_of_both_and_nothing_else)
{
    refused_auth("", "token");
    refused_auth(",\"user\":\"a\"", NULL);
    refused_auth(",\"password\":\"a\"", NULL);
    refused_auth(",\"token\":\"t\",\"user\":\"a\"", "token");
    refused_auth(",\"token\":1", "token");
    refused_auth(",\"token\":\"t\",\"token\":\"t\"", "token");
    refused_auth(",\"token\":\"t\",\"topic\":\"a\"", "topic");
    refused_auth(",\"user\":null,\"password\":\"a\"", "user");
    ck_assert(!ws_request_parse(&r, SLICE("{\"op\":\"ping\",\"token\":\"t\"}"), &why));
}
END_TEST

START_TEST(who_it_is_and_what_ended)
{
    ws_json_put_auth_ok(&b, SLICE("1"), SLICE("user:\"a"), 0);
    assert_bytes("{\"op\":\"auth-ok\",\"ref\":1,\"principal\":\"user:\\\"a\",\"expires\":null}");
    buf_clear(&b);
    ws_json_put_auth_ok(&b, SLICE(""), SLICE("token:t"), 1000);
    assert_bytes("{\"op\":\"auth-ok\",\"principal\":\"token:t\","
                 "\"expires\":\"1970-01-01T00:00:01.000Z\"}");
    buf_clear(&b);
    ws_json_put_unsubscribed(&b, SLICE("\"s\""), ERR_FORBIDDEN, SLICE("no"), 7);
    assert_bytes("{\"op\":\"unsubscribed\",\"ref\":\"s\",\"code\":\"forbidden\",\"text\":\"no\","
                 "\"id\":\"7\"}");
    buf_clear(&b);
    ws_json_expired_begin(&b, "revoked");
    ws_json_expired_end(&b);
    assert_bytes("{\"op\":\"expired\",\"reason\":\"revoked\",\"subs\":[]}");
    buf_clear(&b);
    ws_json_expired_begin(&b, "expired");
    ws_json_expired_put(&b, SLICE("\"path\""), 3);
    ws_json_expired_put(&b, SLICE("4"), 5);
    ws_json_expired_end(&b);
    assert_bytes("{\"op\":\"expired\",\"reason\":\"expired\",\"subs\":["
                 "{\"ref\":\"path\",\"id\":\"3\"},{\"ref\":4,\"id\":\"5\"}]}");
}
END_TEST

START_TEST(an_error_may_say_when_to_try_again)
{
    const struct ws_refusal busy = {.error = ERR_TOO_MANY, .text = SLICE("no"), .retry_ms = 250};

    ws_json_put_error(&b, SLICE(""), &busy);
    assert_bytes("{\"op\":\"error\",\"code\":\"too_many\",\"text\":\"no\",\"retry_ms\":250}");
}
END_TEST

START_TEST(an_error_names_what_is_not_permitted)
{
    const struct ws_refusal no = {
        .error = ERR_FORBIDDEN, .text = SLICE("no"), .verb = "publish", .filter = SLICE("a/\"b")};

    ws_json_put_error(&b, SLICE("1"), &no);
    assert_bytes("{\"op\":\"error\",\"ref\":1,\"code\":\"forbidden\",\"text\":\"no\","
                 "\"verb\":\"publish\",\"filter\":\"a/\\\"b\"}");
}
END_TEST

START_TEST(text_is_unescaped)
{
    parse_ok(
        "{\"\\u006fp\":\"subscr\\u0069be\",\"ref\":\"\\u0061\\/\\u0022\",\"topic\":\"\\u00e4\"}");
    assert_slice(r.ref, "\"a/\\\"\"");
    assert_words("topic=\xc3\xa4");
}
END_TEST

START_TEST(a_ref_has_one_form_whatever_escapes_it_came_with)
{
    parse_ok("{\"op\":\"ping\",\"ref\":\"\\u0001\\u0041\"}");
    assert_slice(r.ref, "\"\\u0001A\"");
    parse_ok("{\"op\":\"ping\",\"ref\":9007199254740991}");
    assert_slice(r.ref, "9007199254740991");
}
END_TEST

START_TEST(unsubscribe_and_ping)
{
    parse_ok("{\"op\":\"unsubscribe\",\"ref\":\"s\"}");
    ck_assert_int_eq(r.op, WS_OP_UNSUBSCRIBE);
    parse_ok("{\"op\":\"ping\"}");
    ck_assert_int_eq(r.op, WS_OP_PING);
    ck_assert_uint_eq(r.ref.len, 0);
}
END_TEST

START_TEST(publish_is_an_event_in_its_json_form)
{
    struct event_props props;

    parse_ok(
        "{\"op\":\"publish\",\"ref\":\"x\",\"topic\":\"a\",\"type\":\"t\",\"data\":{\"n\":1}}");
    ck_assert_int_eq(r.op, WS_OP_PUBLISH);
    assert_slice(r.ref, "\"x\"");
    assert_slice(r.event.topic, "a");
    assert_slice(r.event.payload, "{\"n\":1}");
    ck_assert_int_eq(event_props_get(r.event.props, &props), EVENT_OK);
    assert_slice(props.type, "t");
}
END_TEST

START_TEST(one_request_serves_message_after_message)
{
    parse_ok("{\"op\":\"publish\",\"topic\":\"a\",\"data\":\"1\"}");
    parse_ok("{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"b\"}");
    parse_ok("{\"op\":\"publish\",\"topic\":\"c\",\"data\":\"2\"}");
    assert_slice(r.event.topic, "c");
    assert_slice(r.event.payload, "2");
    ck_assert_uint_eq(r.ref.len, 0);
}
END_TEST

static const struct refusal {
    const char *message;
    enum sluice_error error;
    const char *field; /* NULL: none */
    const char *ref;   /* "": none */
} refusals[] = {
    {"", ERR_BAD_REQUEST, NULL, ""},
    {"[]", ERR_BAD_REQUEST, NULL, ""},
    {"{\"op\":\"ping\"", ERR_BAD_REQUEST, NULL, ""},
    {"{}", ERR_BAD_REQUEST, "op", ""},
    {"{\"ref\":\"r\"}", ERR_BAD_REQUEST, "op", "\"r\""},
    {"{\"op\":\"subscribe\",\"op\":\"ping\"}", ERR_BAD_REQUEST, "op", ""},
    {"{\"op\":null}", ERR_BAD_REQUEST, "op", ""},
    {"{\"op\":\"Ping\"}", ERR_BAD_REQUEST, "op", ""},
    {"{\"op\":\"ping\",\"ref\":1,\"ref\":1}", ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"ping\",\"ref\":\"\"}", ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"ping\",\"ref\":null}", ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"ping\",\"ref\":1.0}", ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"ping\",\"ref\":-1}", ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"ping\",\"ref\":9007199254740992}", ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"ping\",\"ref\":\"01234567890123456789012345678901234567890123456789"
     "012345678901234\"}",
     ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"ping\",\"ref\":1,\"x\":1}", ERR_BAD_REQUEST, "x", "1"},
    {"{\"op\":\"ping\",\"topic\":\"a\"}", ERR_BAD_REQUEST, "topic", ""},
    {"{\"op\":\"unsubscribe\"}", ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"unsubscribe\",\"ref\":1,\"topic\":\"a\"}", ERR_BAD_REQUEST, "topic", "1"},
    {"{\"op\":\"subscribe\",\"topic\":\"a\"}", ERR_BAD_REQUEST, "ref", ""},
    {"{\"op\":\"subscribe\",\"ref\":1}", ERR_BAD_FILTER, "topic", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topic\":1}", ERR_BAD_FILTER, "topic", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"topic\":\"b\"}", ERR_BAD_REQUEST, "topic",
     "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"topics\":[\"b\"]}", ERR_BAD_REQUEST,
     "topics", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topics\":\"a\"}", ERR_BAD_FILTER, "topics", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topics\":[]}", ERR_BAD_FILTER, "topics", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topics\":[\"a\",2]}", ERR_BAD_FILTER, "topics", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"after\":null}", ERR_BAD_CURSOR, "after",
     "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"after\":1,\"after\":1}", ERR_BAD_REQUEST,
     "after", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"since\":5}", ERR_BAD_CURSOR, "since", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"last\":[]}", ERR_BAD_CURSOR, "last", "1"},
    {"{\"op\":\"subscribe\",\"ref\":1,\"topic\":\"a\",\"on_gap\":true}", ERR_BAD_REQUEST, "on_gap",
     "1"},
    {"{\"op\":\"publish\",\"ref\":1}", ERR_BAD_EVENT, "topic", "1"},
    {"{\"op\":\"publish\",\"ref\":1,\"topic\":\"a\",\"id\":\"1\"}", ERR_BAD_EVENT, "id", "1"},
    {"{\"op\":\"publish\",\"ref\":1,\"topic\":\"a\",\"subs\":[]}", ERR_BAD_EVENT, "subs", "1"},
    {"{\"ref\":1,\"topic\":\"a\",\"retain\":1,\"op\":\"publish\"}", ERR_BAD_EVENT, "retain", "1"},
};

START_TEST(a_refusal_names_the_member_and_the_ref)
{
    const struct refusal *want = &refusals[_i];

    ck_assert(!ws_request_parse(&r, slice_of(want->message), &why));
    ck_assert_int_eq(why.error, want->error);
    ck_assert_uint_gt(why.text.len, 0);
    assert_slice(slice_of(why.field), want->field != NULL ? want->field : "");
    assert_slice(r.ref, want->ref);
}
END_TEST

START_TEST(a_long_unknown_name_is_told_in_part)
{
    buf_puts(&b, "{\"op\":\"ping\",\"");
    for (int i = 0; i < 63; i++)
        buf_u8(&b, 'x');
    buf_puts(&b, "\xc3\xa4 and so on\":1}");
    ck_assert(!ws_request_parse(&r, buf_slice(&b), &why));
    ck_assert_uint_eq(strlen(why.field), 63);
}
END_TEST

static void put_topics(size_t count)
{
    buf_clear(&b);
    buf_puts(&b, "{\"op\":\"subscribe\",\"ref\":1,\"after\":1,\"last\":1,\"since\":\"1s\","
                 "\"on_gap\":\"fail\",\"topics\":[\"a\"");
    while (--count > 0)
        buf_puts(&b, ",\"a\"");
    buf_puts(&b, "]}");
}

START_TEST(topics_are_bounded)
{
    put_topics(WS_FILTERS_MAX);
    ck_assert(ws_request_parse(&r, buf_slice(&b), &why));
    ck_assert_uint_eq(r.word_count, WS_WORDS_MAX);
    put_topics(WS_FILTERS_MAX + 1);
    ck_assert(!ws_request_parse(&r, buf_slice(&b), &why));
    ck_assert_str_eq(why.field, "topics");
}
END_TEST

/* A prefix is no JSON and nothing behind it is read. */
START_TEST(every_prefix_is_refused)
{
    static const char *const messages[] = {
        "{\"op\":\"subscribe\",\"ref\":\"\\u00e4\",\"topics\":[\"a\",\"b\"],\"after\":12}",
        "{\"op\":\"publish\",\"ref\":1,\"topic\":\"a\",\"data_base64\":\"AAEC\"}",
    };
    struct guard g = guard_new(256);

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        size_t len = strlen(messages[i]);

        for (size_t n = 0; n <= len; n++) {
            const uint8_t *p = guard_put(&g, messages[i], n);

            ck_assert_int_eq(ws_request_parse(&r, (struct slice){(const char *)p, n}, &why),
                             n == len);
        }
    }
    guard_free(&g);
}
END_TEST

/* --- down ----------------------------------------------------------------------------- */

START_TEST(acks_say_what_there_is_to_say)
{
    ws_json_put_ack(&b, SLICE("\"s\""));
    assert_bytes("{\"op\":\"ack\",\"ref\":\"s\"}");
    buf_clear(&b);
    ws_json_put_subscribed(&b, SLICE("1"), 0);
    assert_bytes("{\"op\":\"ack\",\"ref\":1,\"id\":\"0\"}");
    buf_clear(&b);
    ws_json_put_published(&b, SLICE(""), 9007199254740991);
    assert_bytes("{\"op\":\"ack\",\"id\":\"9007199254740991\"}");
}
END_TEST

START_TEST(a_repeat_too_old_to_know_has_no_id)
{
    ws_json_put_published(&b, SLICE("1"), 0);
    assert_bytes("{\"op\":\"ack\",\"ref\":1,\"id\":null}");
}
END_TEST

START_TEST(errors_name_code_text_and_field)
{
    struct ws_refusal e = {.error = ERR_BAD_FILTER, .text = SLICE("say \"a\""), .field = "topic"};

    ws_json_put_error(&b, SLICE("\"s\""), &e);
    assert_bytes("{\"op\":\"error\",\"ref\":\"s\",\"code\":\"bad_filter\","
                 "\"text\":\"say \\\"a\\\"\",\"field\":\"topic\"}");
}
END_TEST

START_TEST(an_error_without_a_text_has_its_own)
{
    struct ws_refusal e = {.error = ERR_BUSY};

    ws_json_put_error(&b, SLICE(""), &e);
    assert_bytes("{\"op\":\"error\",\"code\":\"busy\",\"text\":\"A queue is full: not stored\"}");
}
END_TEST

START_TEST(a_producers_error_has_its_numbers)
{
    struct ws_refusal e = {.error = ERR_PRODUCER_GAP,
                           .text = SLICE("x"),
                           .has_seq = true,
                           .expected_seq = 5,
                           .received_seq = 7};

    ws_json_put_error(&b, SLICE("1"), &e);
    assert_bytes("{\"op\":\"error\",\"ref\":1,\"code\":\"producer_gap\",\"text\":\"x\","
                 "\"expected_seq\":5,\"received_seq\":7}");
    buf_clear(&b);
    e = (struct ws_refusal){.error = ERR_FENCED, .text = SLICE("x"), .has_epoch = true, .epoch = 3};
    ws_json_put_error(&b, SLICE("1"), &e);
    assert_bytes("{\"op\":\"error\",\"ref\":1,\"code\":\"producer_fenced\",\"text\":\"x\","
                 "\"epoch\":3}");
}
END_TEST

START_TEST(a_gap_is_told_to_its_subscription)
{
    struct gap gap = {.requested = 1, .resumed_from = 2, .removed_to = 3, .reason = GAP_EXPIRED};

    ws_json_put_gap(&b, SLICE("\"path\""), &gap);
    assert_bytes("{\"op\":\"gap\",\"ref\":\"path\",\"requested\":\"1\",\"resumed_from\":\"2\","
                 "\"removed_to\":\"3\",\"reason\":\"expired\"}");
}
END_TEST

START_TEST(a_ping_is_answered)
{
    ws_json_put_pong(&b, SLICE("\"x\""));
    assert_bytes("{\"op\":\"pong\",\"ref\":\"x\"}");
}
END_TEST

START_TEST(an_event_names_its_subscriptions_last)
{
    static const struct slice refs[] = {SLICE("\"path\""), SLICE("7")};
    struct event e = {.id = 42, .topic = SLICE("a"), .payload = SLICE("hi")};

    ws_json_put_event(&b, &e);
    assert_bytes("{\"op\":\"event\",\"id\":\"42\",\"topic\":\"a\",\"data\":\"hi\",\"subs\":[");
    ws_json_put_subs(&b, refs, 2);
    assert_bytes("{\"op\":\"event\",\"id\":\"42\",\"topic\":\"a\",\"data\":\"hi\","
                 "\"subs\":[\"path\",7]}");
}
END_TEST

START_TEST(what_is_written_is_json)
{
    struct event e = {.topic = SLICE("a"), .payload = SLICE("\xff\"")};
    struct slice ref;

    parse_ok("{\"op\":\"ping\",\"ref\":\"\\u0000\\\"\\\\\"}");
    ref = r.ref;
    ws_json_put_event(&b, &e);
    ws_json_put_subs(&b, &ref, 1);
    ck_assert_int_eq(json_check(buf_slice(&b)), JSON_OBJECT);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ws_json");
    TCase *up = tcase_create("up"), *down = tcase_create("down");

    tcase_add_checked_fixture(up, setup, teardown);
    tcase_add_test(up, subscribe_to_a_topic);
    tcase_add_test(up, subscribe_to_several_with_a_start);
    tcase_add_test(up, starts_are_numbers_or_text);
    tcase_add_test(up, text_is_unescaped);
    tcase_add_test(up, auth_shows_a_token_or_a_name_with_a_password);
    tcase_add_test(up, auth_needs_one_of_both_and_nothing_else);
    tcase_add_test(up, a_ref_has_one_form_whatever_escapes_it_came_with);
    tcase_add_test(up, unsubscribe_and_ping);
    tcase_add_test(up, publish_is_an_event_in_its_json_form);
    tcase_add_test(up, one_request_serves_message_after_message);
    tcase_add_loop_test(up, a_refusal_names_the_member_and_the_ref, 0,
                        sizeof refusals / sizeof refusals[0]);
    tcase_add_test(up, a_long_unknown_name_is_told_in_part);
    tcase_add_test(up, topics_are_bounded);
    tcase_add_test(up, every_prefix_is_refused);
    suite_add_tcase(s, up);

    tcase_add_checked_fixture(down, setup, teardown);
    tcase_add_test(down, acks_say_what_there_is_to_say);
    tcase_add_test(down, a_repeat_too_old_to_know_has_no_id);
    tcase_add_test(down, errors_name_code_text_and_field);
    tcase_add_test(down, an_error_without_a_text_has_its_own);
    tcase_add_test(down, a_producers_error_has_its_numbers);
    tcase_add_test(down, a_gap_is_told_to_its_subscription);
    tcase_add_test(down, a_ping_is_answered);
    tcase_add_test(down, who_it_is_and_what_ended);
    tcase_add_test(down, an_error_may_say_when_to_try_again);
    tcase_add_test(down, an_error_names_what_is_not_permitted);
    tcase_add_test(down, an_event_names_its_subscriptions_last);
    tcase_add_test(down, what_is_written_is_json);
    suite_add_tcase(s, down);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
