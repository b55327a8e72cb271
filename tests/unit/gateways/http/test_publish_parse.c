/*
 * test_publish_parse.c - headers and lines become records, or a problem that
 * names the header or the line.
 */
#include "publish_parse.h"

#include "run_suite.h"

static struct caller anyone;
static struct publish_limits limits;
static struct http_request r;
static struct problem p;
static struct buf records, lines;
static uint32_t count;
static struct event e;
static struct event_props props;

static void setup(void)
{
    caller_begin(&anyone, principal_everybody());
    limits = (struct publish_limits){.who = &anyone, .max_payload = 100, .max_batch = 3};
    memset(&r, 0, sizeof r);
    memset(&p, 0, sizeof p);
}

static void teardown(void)
{
    buf_free(&records);
    buf_free(&lines);
}

static void header(const char *name, const char *value)
{
    r.headers[r.header_count++] = (struct http_header){slice_of(name), slice_of(value)};
}

static void read_first(void)
{
    struct reader in = reader_of(records.p, records.len);

    ck_assert(event_record_get(&in, &e));
    ck_assert_int_eq(event_props_get(e.props, &props), EVENT_OK);
}

static bool publish(const char *topic, const char *body)
{
    if (!publish_parse(&r, slice_of(topic), slice_of(body), &limits, &records, &p))
        return false;
    read_first();
    return true;
}

static bool batch(const char *body)
{
    return publish_parse_batch(&r, slice_of(body), &limits, &records, &count, &lines, &p);
}

static void refused(enum sluice_error error, const char *field)
{
    ck_assert_int_eq(p.error, error);
    ck_assert_str_eq(p.field, field);
    ck_assert_uint_eq(records.len, 0);
}

START_TEST(test_a_header_of_ours_that_there_is_not_is_refused)
{
    header("Sluice-Expires", "60");
    ck_assert(!publish("a", ""));
    ck_assert_int_eq(p.error, ERR_BAD_EVENT);
    ck_assert_ptr_nonnull(strstr(p.detail, "Sluice-Expires"));
    p.detail[0] = '\0';
    ck_assert(!batch("{\"topic\":\"a\",\"data\":1}\n"));
    ck_assert_ptr_nonnull(strstr(p.detail, "Sluice-Expires"));
}
END_TEST

START_TEST(test_the_body_is_the_payload)
{
    ck_assert(publish("a/b%20c", "hello"));
    ck_assert(slice_eq(e.topic, SLICE("a/b c")));
    ck_assert(slice_eq(e.payload, SLICE("hello")));
    ck_assert_uint_eq(e.props.len, 0);
    ck_assert_uint_eq(event_qos(&e), 2);
    ck_assert_uint_eq(e.flags & (EVENT_RETAIN | EVENT_HAS_EXPIRY), 0);
}
END_TEST

START_TEST(test_headers_are_properties)
{
    header("content-type", "text/plain");
    header("SLUICE-TYPE", "alarm");
    header("Sluice-Retain", "TRUE");
    header("Sluice-Expiry", "0");
    header("Sluice-Response-Topic", "r/t");
    header("Sluice-Correlation-Data", "/wA=");
    header("Sluice-Payload-Format", "1");
    ck_assert(publish("a", ""));
    ck_assert(slice_eq(props.content_type, SLICE("text/plain")));
    ck_assert(slice_eq(props.type, SLICE("alarm")));
    ck_assert(slice_eq(props.response_topic, SLICE("r/t")));
    ck_assert(slice_eq(props.correlation, ((struct slice){"\xff\0", 2})));
    ck_assert_int_eq(props.payload_format, 1);
    ck_assert_uint_eq(e.flags & EVENT_RETAIN, EVENT_RETAIN);
    ck_assert_uint_eq(e.flags & EVENT_HAS_EXPIRY, EVENT_HAS_EXPIRY);
    ck_assert_uint_eq(e.expiry, 0);
}
END_TEST

START_TEST(test_user_properties_keep_order_and_repeats)
{
    struct slice name, value;

    header("Sluice-Property", "b=1");
    header("sluice-property", "a=x=y");
    header("Sluice-Property", "b=");
    ck_assert(publish("a", ""));
    ck_assert(event_user_next(&props.user, &name, &value));
    ck_assert(slice_eq(name, SLICE("b")) && slice_eq(value, SLICE("1")));
    ck_assert(event_user_next(&props.user, &name, &value));
    ck_assert(slice_eq(name, SLICE("a")) && slice_eq(value, SLICE("x=y")));
    ck_assert(event_user_next(&props.user, &name, &value));
    ck_assert(slice_eq(name, SLICE("b")) && value.len == 0);
    ck_assert(!event_user_next(&props.user, &name, &value));
}
END_TEST

START_TEST(test_a_form_is_no_content_type)
{
    header("Content-Type", "Application/X-WWW-Form-URLencoded ; charset=utf-8");
    ck_assert(publish("a", "x"));
    ck_assert_ptr_null(props.content_type.p);
}
END_TEST

START_TEST(test_a_producer_is_three_headers_or_one)
{
    header("Producer-Id", "p");
    header("Producer-Epoch", "2");
    header("Producer-Seq", "18446744073709551615");
    ck_assert(publish("a", ""));
    ck_assert(slice_eq(props.producer.id, SLICE("p")));
    ck_assert_uint_eq(props.producer.epoch, 2);
    ck_assert_uint_eq(props.producer.seq, UINT64_MAX);
}
END_TEST

START_TEST(test_an_idempotency_key_is_a_producer)
{
    header("Idempotency-Key", "k");
    ck_assert(publish("a", ""));
    ck_assert(slice_eq(props.producer.id, SLICE("k")));
    ck_assert_uint_eq(props.producer.seq, 0);
}
END_TEST

START_TEST(test_half_a_producer_is_refused)
{
    header("Producer-Id", "p");
    ck_assert(!publish("a", ""));
    refused(ERR_BAD_EVENT, "Producer-Seq");
}
END_TEST

START_TEST(test_a_header_twice_is_refused)
{
    header("Sluice-Type", "a");
    header("Sluice-Type", "a");
    ck_assert(!publish("a", ""));
    refused(ERR_BAD_EVENT, "Sluice-Type");
}
END_TEST

START_TEST(test_a_header_that_is_not_utf8_is_named)
{
    static const char *const names[] = {"Sluice-Property", "Content-Type", "Idempotency-Key",
                                        "Sluice-Type"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        r.header_count = 0;
        header(names[i], "a=\xff");
        ck_assert(!publish("a", ""));
        refused(ERR_BAD_EVENT, names[i]);
    }
}
END_TEST

START_TEST(test_topics_that_may_not_be_published)
{
    static const char *const bad[] = {"", "a/%2B", "%23", "%24SYS/x", "%24after/1/a", "%", "%00"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert(!publish(bad[i], "x"));
        refused(ERR_BAD_TOPIC, "topic");
    }
}
END_TEST

START_TEST(test_the_payload_is_bounded)
{
    char body[102];

    memset(body, 'x', sizeof body);
    body[100] = '\0';
    ck_assert(publish("a", body));
    buf_clear(&records);
    body[100] = 'x', body[101] = '\0';
    ck_assert(!publish("a", body));
    refused(ERR_TOO_LARGE, "payload");
}
END_TEST

START_TEST(test_a_batch_is_a_record_a_line)
{
    ck_assert(batch("{\"topic\":\"a\",\"data\":\"x\"}\n\n \r\n{\"topic\":\"b\"}"));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(lines.len, 8);
    ck_assert_uint_eq(le32_get(lines.p), 1);
    ck_assert_uint_eq(le32_get(lines.p + 4), 4);
    read_first();
    ck_assert(slice_eq(e.topic, SLICE("a")));
}
END_TEST

START_TEST(test_a_bad_line_is_named)
{
    ck_assert(!batch("{\"topic\":\"a\"}\n\n{\"topic\":\"a\",\"id\":\"1\"}\n"));
    ck_assert_int_eq(p.error, ERR_BAD_EVENT);
    ck_assert_uint_eq(p.line, 3);
    ck_assert_str_eq(p.field, "id");
}
END_TEST

START_TEST(test_a_batch_is_bounded)
{
    ck_assert(
        !batch("{\"topic\":\"a\"}\n{\"topic\":\"a\"}\n{\"topic\":\"a\"}\n{\"topic\":\"a\"}\n"));
    ck_assert_int_eq(p.error, ERR_TOO_LARGE);
    ck_assert_uint_eq(p.line, 4);
}
END_TEST

START_TEST(test_an_empty_batch_is_refused)
{
    ck_assert(!batch("\n\n"));
    ck_assert_int_eq(p.error, ERR_BAD_REQUEST);
    ck_assert_uint_eq(p.line, 0);
}
END_TEST

START_TEST(test_a_batch_has_its_media_types)
{
    header("Content-Type", "application/x-ndjson; charset=utf-8");
    ck_assert(batch("{\"topic\":\"a\"}"));
    r.headers[0].value = SLICE("text/plain");
    ck_assert(!batch("{\"topic\":\"a\"}"));
    ck_assert_int_eq(p.error, ERR_MEDIA_TYPE);
}
END_TEST

START_TEST(test_a_batch_refuses_headers_of_one_event)
{
    static const char *const names[] = {"Idempotency-Key", "Producer-Id", "Sluice-Type",
                                        "Sluice-Property"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        r.header_count = 0;
        header(names[i], "a=b");
        ck_assert(!batch("{\"topic\":\"a\"}"));
        refused(ERR_BAD_EVENT, names[i]);
    }
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "publish_parse", setup, teardown, test_a_header_of_ours_that_there_is_not_is_refused,
        test_the_body_is_the_payload, test_headers_are_properties,
        test_user_properties_keep_order_and_repeats, test_a_form_is_no_content_type,
        test_a_producer_is_three_headers_or_one, test_an_idempotency_key_is_a_producer,
        test_half_a_producer_is_refused, test_a_header_twice_is_refused,
        test_a_header_that_is_not_utf8_is_named, test_topics_that_may_not_be_published,
        test_the_payload_is_bounded, test_a_batch_is_a_record_a_line, test_a_bad_line_is_named,
        test_a_batch_is_bounded, test_an_empty_batch_is_refused, test_a_batch_has_its_media_types,
        test_a_batch_refuses_headers_of_one_event);
}
