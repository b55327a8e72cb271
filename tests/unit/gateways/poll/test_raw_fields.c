/* test_raw_fields.c - an event's properties as header fields, and what they cannot carry. */
#include "run_suite.h"

#include "raw_fields.h"

static struct event_props props;
static struct buf user, encoded;
static struct event e;
static struct raw_fields f;

static void setup(void)
{
    props = (struct event_props){.payload_format = -1};
    e = (struct event){.id = 42, .time = 1000, .topic = SLICE("a/b"), .payload = SLICE("x")};
}

static void teardown(void)
{
    raw_fields_free(&f);
    buf_free(&user);
    buf_free(&encoded);
}

static bool make(void)
{
    props.user = buf_slice(&user);
    event_props_put(&encoded, &props);
    e.props = buf_slice(&encoded);
    return raw_fields_make(&f, &e);
}

/* The value of the nth field of that name; "" when there is none. */
static struct slice field(const char *name, size_t nth)
{
    for (size_t i = 0; i < f.count; i++)
        if (strcmp(f.list[i].name, name) == 0 && nth-- == 0)
            return f.list[i].value;
    return (struct slice){"", 0};
}

static void expect(const char *name, const char *value)
{
    struct slice s = field(name, 0);

    ck_assert_msg(slice_eq(s, slice_of(value)), "%s is \"%.*s\"", name, (int)s.len, s.p);
}

START_TEST(test_what_every_event_has)
{
    ck_assert(make());
    ck_assert_uint_eq(f.count, 3);
    expect("Sluice-Id", "42");
    expect("Sluice-Topic", "a/b");
    expect("Sluice-Time", "1970-01-01T00:00:01.000Z");
    ck_assert_str_eq(f.content_type, "application/octet-stream");
}
END_TEST

START_TEST(test_all_that_a_publisher_may_say)
{
    e.flags = EVENT_RETAIN | EVENT_HAS_EXPIRY;
    e.expiry = 60;
    props.content_type = SLICE("image/png");
    props.type = SLICE("alarm");
    props.response_topic = SLICE("re/ply");
    props.correlation = SLICE("\x00\xff");
    props.payload_format = 0;
    props.producer = (struct producer){SLICE("p"), 3, 4};
    event_user_put(&user, SLICE("k"), SLICE("v=w"));
    event_user_put(&user, SLICE("k"), SLICE(""));
    ck_assert(make());
    ck_assert_str_eq(f.content_type, "image/png");
    expect("Sluice-Type", "alarm");
    expect("Sluice-Retain", "true");
    expect("Sluice-Expiry", "60");
    expect("Sluice-Response-Topic", "re/ply");
    expect("Sluice-Correlation-Data", "AP8=");
    expect("Sluice-Payload-Format", "0");
    expect("Producer-Id", "p");
    expect("Producer-Epoch", "3");
    expect("Producer-Seq", "4");
    expect("Sluice-Property", "k=v=w");
    ck_assert(slice_eq(field("Sluice-Property", 1), SLICE("k=")));
}
END_TEST

START_TEST(test_who_publishes_is_not_shown)
{
    props.origin = SLICE("client-7");
    ck_assert(make());
    ck_assert_uint_eq(f.count, 3);
}
END_TEST

START_TEST(test_text_is_typed_as_such)
{
    props.payload_format = 1;
    ck_assert(make());
    ck_assert_str_eq(f.content_type, "text/plain; charset=utf-8");
}
END_TEST

START_TEST(test_a_topic_cannot_end_the_line)
{
    e.topic = SLICE("a\r\nSet-Cookie: b/\xc3\xa4");
    ck_assert(make());
    expect("Sluice-Topic", "a%0D%0ASet-Cookie%3A%20b/%C3%A4");
}
END_TEST

START_TEST(test_no_other_value_can)
{
    props.response_topic = SLICE("a\r\nb");
    ck_assert(!make());
    ck_assert_uint_eq(f.count, 0);
}
END_TEST

START_TEST(test_a_name_with_an_equals_sign_would_be_cut_elsewhere)
{
    event_user_put(&user, SLICE("a=b"), SLICE("c"));
    ck_assert(!make());
}
END_TEST

START_TEST(test_a_blank_at_the_end_would_be_trimmed)
{
    event_user_put(&user, SLICE("a"), SLICE("b "));
    ck_assert(!make());
}
END_TEST

START_TEST(test_more_fields_than_clients_read)
{
    for (int i = 0; i < RAW_FIELDS_MAX - 3; i++)
        event_user_put(&user, SLICE("a"), SLICE("b"));
    ck_assert(make());
    ck_assert_uint_eq(f.count, RAW_FIELDS_MAX);
    raw_fields_free(&f);
    buf_clear(&encoded);
    event_user_put(&user, SLICE("a"), SLICE("b"));
    ck_assert(!make());
}
END_TEST

/* Every size around the limit: the values must not move while they are made. */
START_TEST(test_more_bytes_than_clients_read)
{
    static char long_value[RAW_BYTES_MAX + 1];
    bool good = true;

    memset(long_value, 'x', sizeof long_value);
    for (size_t n = RAW_BYTES_MAX - 64; n <= sizeof long_value; n++) {
        buf_clear(&user);
        buf_clear(&encoded);
        event_user_put(&user, SLICE("a"), (struct slice){long_value, n});
        ck_assert(!make() || good);
        good = f.count > 0;
        if (good)
            ck_assert_uint_eq(field("Sluice-Property", 0).len, n + 2);
        raw_fields_free(&f);
    }
    ck_assert(!good);
}
END_TEST

int main(void)
{
    return RUN_TESTS("raw_fields", setup, teardown, test_what_every_event_has,
                     test_all_that_a_publisher_may_say, test_who_publishes_is_not_shown,
                     test_text_is_typed_as_such, test_a_topic_cannot_end_the_line,
                     test_no_other_value_can,
                     test_a_name_with_an_equals_sign_would_be_cut_elsewhere,
                     test_a_blank_at_the_end_would_be_trimmed, test_more_fields_than_clients_read,
                     test_more_bytes_than_clients_read);
}
