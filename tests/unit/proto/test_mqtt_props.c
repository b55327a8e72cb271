/*
 * test_mqtt_props.c - properties: written, found, walked, refused; and numbers of
 * variable length, which count them.
 *
 * What may be refused is shown on PUBLISH and SUBSCRIBE; which packet may carry what
 * is a table at the end.
 */
#include "mem.h"
#include "mqtt_packets.h"
#include "suite.h"

static struct buf b;
static struct mqtt_publish m;

static void setup(void)
{
    packets_setup();
    b = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
    packets_teardown();
}

static enum mqtt_reason publish(struct slice body)
{
    return mqtt_publish_get(MQTT_50, 0, body, &m);
}

static enum mqtt_reason connect(struct slice body)
{
    struct mqtt_connect c;

    return mqtt_connect_get(body, &c);
}

static enum mqtt_reason subscribe(struct slice body)
{
    struct mqtt_subscribe s;

    return mqtt_subscribe_get(MQTT_50, body, &s);
}

static enum mqtt_reason unsubscribe(struct slice body)
{
    struct mqtt_subscribe s;

    return mqtt_unsubscribe_get(MQTT_50, body, &s);
}

static enum mqtt_reason puback(struct slice body)
{
    struct mqtt_ack a;

    return mqtt_ack_get(MQTT_50, MQTT_PUBACK, body, &a);
}

static enum mqtt_reason disconnect(struct slice body)
{
    struct mqtt_reasoned d;

    return mqtt_disconnect_get(MQTT_50, body, &d);
}

static enum mqtt_reason auth(struct slice body)
{
    struct mqtt_reasoned a;

    return mqtt_auth_get(body, &a);
}

/* --- written ----------------------------------------------------------------------------- */

START_TEST(numbers_are_as_long_as_their_type)
{
    mqtt_prop_put_number(&b, MQTT_PROP_PAYLOAD_FORMAT, 1);
    mqtt_prop_put_number(&b, MQTT_PROP_TOPIC_ALIAS, 0x102);
    mqtt_prop_put_number(&b, MQTT_PROP_MESSAGE_EXPIRY, 0x1020304);
    mqtt_prop_put_number(&b, MQTT_PROP_SUBSCRIPTION_ID, 128);
    ck_assert(same(&b, "01 01  23 0102  02 01020304  0b 8001"));
}
END_TEST

START_TEST(texts_bear_their_length)
{
    mqtt_prop_put_text(&b, MQTT_PROP_CONTENT_TYPE, SLICE("text"));
    mqtt_prop_put_text(&b, MQTT_PROP_CORRELATION_DATA, SLICE(""));
    mqtt_prop_put_user(&b, SLICE("sluice-id"), SLICE("7"));
    ck_assert(same(&b, "03 <text>  09 0000  26 <sluice-id> <7>"));
}
END_TEST

START_TEST(a_text_may_be_as_long_as_its_length_can_say)
{
    char *text = mem_zalloc(UINT16_MAX);

    mqtt_prop_put_text(&b, MQTT_PROP_CORRELATION_DATA, (struct slice){text, UINT16_MAX});
    ck_assert_uint_eq(b.len, 3 + UINT16_MAX);
    ck_assert(memcmp(b.p, "\x09\xff\xff", 3) == 0);
    free(text);
}
END_TEST

/* --- read ---------------------------------------------------------------------------------- */

START_TEST(what_is_there_is_found)
{
    ck_assert_uint_eq(publish(packet("<t> {26 <a> <1> 02 0000003c 03 <json> 26 <a> <2> 09 <ff>}")),
                      MQTT_OK);
    ck_assert(mqtt_has(&m.props, MQTT_PROP_MESSAGE_EXPIRY));
    ck_assert_uint_eq(mqtt_prop_number(&m.props, MQTT_PROP_MESSAGE_EXPIRY, 0), 60);
    ck_assert(is(mqtt_prop_text(&m.props, MQTT_PROP_CONTENT_TYPE), "json"));
    ck_assert(is(mqtt_prop_text(&m.props, MQTT_PROP_CORRELATION_DATA), "ff"));
}
END_TEST

START_TEST(what_is_not_there_is_absent)
{
    struct slice value;

    ck_assert_uint_eq(publish(packet("<t> {02 0000003c}")), MQTT_OK);
    ck_assert(!mqtt_has(&m.props, MQTT_PROP_TOPIC_ALIAS));
    ck_assert_uint_eq(mqtt_prop_number(&m.props, MQTT_PROP_TOPIC_ALIAS, 77), 77);
    ck_assert_ptr_null(mqtt_prop_text(&m.props, MQTT_PROP_CONTENT_TYPE).p);
    ck_assert(!mqtt_user_get(&m.props, SLICE("a"), &value));
}
END_TEST

START_TEST(an_empty_text_is_there)
{
    ck_assert_uint_eq(publish(packet("<t> {03 <>}")), MQTT_OK);
    ck_assert(mqtt_has(&m.props, MQTT_PROP_CONTENT_TYPE));
    ck_assert_ptr_nonnull(mqtt_prop_text(&m.props, MQTT_PROP_CONTENT_TYPE).p);
}
END_TEST

START_TEST(the_first_user_property_of_a_name_counts)
{
    struct slice value;

    ck_assert_uint_eq(publish(packet("<t> {26 <b> <0> 26 <a> <1> 26 <a> <2>}")), MQTT_OK);
    ck_assert(mqtt_user_get(&m.props, SLICE("a"), &value) && is(value, "1"));
    ck_assert(!mqtt_user_get(&m.props, SLICE("A"), &value));
    ck_assert(!mqtt_user_get(&m.props, SLICE(""), &value));
}
END_TEST

START_TEST(they_are_walked_in_their_order)
{
    static const enum mqtt_property order[] = {MQTT_PROP_USER_PROPERTY, MQTT_PROP_PAYLOAD_FORMAT,
                                               MQTT_PROP_USER_PROPERTY};
    struct mqtt_prop prop;
    struct slice rest;

    ck_assert_uint_eq(publish(packet("<t> {26 <a> <1> 01 01 26 <> <>}")), MQTT_OK);
    rest = m.props.bytes;
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        ck_assert(mqtt_prop_next(&rest, &prop));
        ck_assert_int_eq((int)prop.id, (int)order[i]);
    }
    ck_assert(!mqtt_prop_next(&rest, &prop));
    ck_assert(!mqtt_prop_next(&rest, &prop));
}
END_TEST

START_TEST(a_walk_over_what_nobody_checked_ends)
{
    struct slice rest = packet("26 <a> 0005 'x'");
    struct mqtt_prop prop;

    ck_assert(!mqtt_prop_next(&rest, &prop));
    rest = packet("01 01 7f 00");
    ck_assert(mqtt_prop_next(&rest, &prop));
    ck_assert(!mqtt_prop_next(&rest, &prop));
    ck_assert(!mqtt_prop_next(&rest, &prop));
}
END_TEST

START_TEST(no_properties_are_an_empty_walk)
{
    struct mqtt_props none = {0};
    struct mqtt_prop prop;
    struct slice value;

    ck_assert(!mqtt_prop_next(&none.bytes, &prop));
    ck_assert(!mqtt_user_get(&none, SLICE("a"), &value));
    ck_assert_uint_eq(mqtt_prop_number(&none, MQTT_PROP_PAYLOAD_FORMAT, 9), 9);
}
END_TEST

/* --- refused ---------------------------------------------------------------------- */

static const struct verdict verdicts[] = {
    {"<t> {}", MQTT_OK},
    /* 1.5.5-1: lengths and identifiers in the shortest form; none longer than four bytes */
    {"<t> 8000", MQTT_MALFORMED},
    {"<t> 8200 01 00", MQTT_MALFORMED},
    {"<t> 80808000", MQTT_MALFORMED},
    {"<t> 8080808000", MQTT_MALFORMED},
    {"<t> 03 8100 00", MQTT_MALFORMED},
    {"<t> 80", MQTT_MALFORMED},
    {"<t>", MQTT_MALFORMED},
    /* 2.2.2.1: the length is theirs: more than there is, or an end inside of one */
    {"<t> 03 01 01", MQTT_MALFORMED},
    {"<t> 01 01 01", MQTT_MALFORMED},
    {"<t> 03 02 0000 003c", MQTT_MALFORMED},
    {"<t> 04 03 <abc>", MQTT_MALFORMED},
    {"<t> 06 26 <abc>", MQTT_MALFORMED},
    /* 2.2.2.2: identifiers that are none */
    {"<t> {00 00}", MQTT_MALFORMED},
    {"<t> {04 00}", MQTT_MALFORMED},
    {"<t> {2b 00}", MQTT_MALFORMED},
    {"<t> {7f 00}", MQTT_MALFORMED},
    {"<t> {8101 00}", MQTT_MALFORMED},
    {"<t> {ffffff7f 00}", MQTT_MALFORMED},
    /* each but the user's once */
    {"<t> {01 00 01 00}", MQTT_PROTOCOL_ERROR},
    {"<t> {02 00000001 02 00000001}", MQTT_PROTOCOL_ERROR},
    {"<t> {23 0001 23 0001}", MQTT_PROTOCOL_ERROR},
    {"<t> {08 <r> 08 <r>}", MQTT_PROTOCOL_ERROR},
    {"<t> {09 <c> 09 <c>}", MQTT_PROTOCOL_ERROR},
    {"<t> {03 <c> 03 <c>}", MQTT_PROTOCOL_ERROR},
    {"<t> {26 <a> <b> 26 <a> <b>}", MQTT_OK},
    /* values */
    {"<t> {01 01} 'text'", MQTT_OK},
    {"<t> {01 02} 'text'", MQTT_PROTOCOL_ERROR},
    {"<t> {02 00000000}", MQTT_OK},
    {"<t> {02 ffffffff}", MQTT_OK},
    {"<t> {23 0000}", MQTT_BAD_ALIAS}, /* 3.3.2-8 */
    {"<t> {23 ffff}", MQTT_OK},
    {"<t> {0b 01}", MQTT_PROTOCOL_ERROR}, /* 3.3.4-6: from a server only */
    /* 3.3.2-13, -14: a response topic is a name */
    {"<t> {08 <a/b>}", MQTT_OK},
    {"<t> {08 <a/+>}", MQTT_PROTOCOL_ERROR},
    {"<t> {08 <#>}", MQTT_PROTOCOL_ERROR},
    {"<t> {08 <>}", MQTT_PROTOCOL_ERROR},
    /* 1.5.4-1, -2, 1.5.7-1: texts; data may be anything */
    {"<t> {03 0001 ff}", MQTT_MALFORMED},
    {"<t> {03 0001 00}", MQTT_MALFORMED},
    {"<t> {03 0002 0a7f}", MQTT_OK},
    {"<t> {08 0002 c080}", MQTT_MALFORMED},
    {"<t> {09 0002 ff00}", MQTT_OK},
    {"<t> {26 0001 ff <v>}", MQTT_MALFORMED},
    {"<t> {26 <n> 0001 ff}", MQTT_MALFORMED},
    {"<t> {26 0001 00 <v>}", MQTT_MALFORMED},
    {"<t> {26 <n> 0001 00}", MQTT_MALFORMED},
    {"<t> {26 <> <>}", MQTT_OK},
};

START_TEST(properties_against_the_rules_are_refused)
{
    check_verdict(publish, &verdicts[_i]);
}
END_TEST

static const struct verdict subscription_ids[] = {
    {"0001 {0b 01} <f> 00", MQTT_OK},
    {"0001 {0b ffffff7f} <f> 00", MQTT_OK},
    {"0001 {0b 00} <f> 00", MQTT_PROTOCOL_ERROR},
    {"0001 {0b 01 0b 02} <f> 00", MQTT_PROTOCOL_ERROR},
    {"0001 {0b 8100} <f> 00", MQTT_MALFORMED},
    {"0001 {0b ffffffff7f} <f> 00", MQTT_MALFORMED},
};

START_TEST(a_subscription_identifier_is_a_number_from_one)
{
    check_verdict(subscribe, &subscription_ids[_i]);
}
END_TEST

/* --- who carries what ------------------------------------------------------------- */

/* A value that is right for each, so that only its place can be wrong. */
static const struct property {
    enum mqtt_property id;
    const char *text;
} properties[] = {
    {MQTT_PROP_PAYLOAD_FORMAT, "01 00"},
    {MQTT_PROP_MESSAGE_EXPIRY, "02 00000001"},
    {MQTT_PROP_CONTENT_TYPE, "03 <a>"},
    {MQTT_PROP_RESPONSE_TOPIC, "08 <a>"},
    {MQTT_PROP_CORRELATION_DATA, "09 <a>"},
    {MQTT_PROP_SUBSCRIPTION_ID, "0b 01"},
    {MQTT_PROP_SESSION_EXPIRY, "11 00000001"},
    {MQTT_PROP_ASSIGNED_CLIENT_ID, "12 <a>"},
    {MQTT_PROP_SERVER_KEEP_ALIVE, "13 0001"},
    {MQTT_PROP_AUTH_METHOD, "15 <a>"},
    {MQTT_PROP_AUTH_DATA, "16 <a>"},
    {MQTT_PROP_REQUEST_PROBLEM_INFO, "17 01"},
    {MQTT_PROP_WILL_DELAY, "18 00000001"},
    {MQTT_PROP_REQUEST_RESPONSE_INFO, "19 01"},
    {MQTT_PROP_RESPONSE_INFO, "1a <a>"},
    {MQTT_PROP_SERVER_REFERENCE, "1c <a>"},
    {MQTT_PROP_REASON_STRING, "1f <a>"},
    {MQTT_PROP_RECEIVE_MAXIMUM, "21 0001"},
    {MQTT_PROP_TOPIC_ALIAS_MAXIMUM, "22 0001"},
    {MQTT_PROP_TOPIC_ALIAS, "23 0001"},
    {MQTT_PROP_MAXIMUM_QOS, "24 01"},
    {MQTT_PROP_RETAIN_AVAILABLE, "25 01"},
    {MQTT_PROP_USER_PROPERTY, "26 <a> <b>"},
    {MQTT_PROP_MAXIMUM_PACKET_SIZE, "27 00000001"},
    {MQTT_PROP_WILDCARD_AVAILABLE, "28 01"},
    {MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE, "29 01"},
    {MQTT_PROP_SHARED_AVAILABLE, "2a 01"},
};

#define P(name) (UINT64_C(1) << MQTT_PROP_##name)

/* Table 2-4: the packet's text before and after its properties, and those it takes.
 * `not_ours`: of this type of packet, but not for clients to say. */
static const struct place {
    decode_fn *decode;
    const char *before, *after;
    uint64_t allowed, not_ours;
} places[] = {
    {connect, "<MQTT> 05 02 0000 {15 <m> ", "} <c>",
     P(SESSION_EXPIRY) | P(AUTH_DATA) | P(REQUEST_PROBLEM_INFO) | P(REQUEST_RESPONSE_INFO) |
         P(RECEIVE_MAXIMUM) | P(TOPIC_ALIAS_MAXIMUM) | P(USER_PROPERTY) | P(MAXIMUM_PACKET_SIZE),
     P(AUTH_METHOD)}, /* there once already */
    {connect, "<MQTT> 05 06 0000 {} <c> {", "} <t> <p>",
     P(PAYLOAD_FORMAT) | P(MESSAGE_EXPIRY) | P(CONTENT_TYPE) | P(RESPONSE_TOPIC) |
         P(CORRELATION_DATA) | P(WILL_DELAY) | P(USER_PROPERTY),
     0},
    {publish, "<t> {", "} 'payload'",
     P(PAYLOAD_FORMAT) | P(MESSAGE_EXPIRY) | P(CONTENT_TYPE) | P(RESPONSE_TOPIC) |
         P(CORRELATION_DATA) | P(TOPIC_ALIAS) | P(USER_PROPERTY),
     P(SUBSCRIPTION_ID)},
    {subscribe, "0001 {", "} <f> 00", P(SUBSCRIPTION_ID) | P(USER_PROPERTY), 0},
    {unsubscribe, "0001 {", "} <f>", P(USER_PROPERTY), 0},
    {puback, "0001 00 {", "}", P(REASON_STRING) | P(USER_PROPERTY), 0},
    {disconnect, "00 {", "}", P(SESSION_EXPIRY) | P(REASON_STRING) | P(USER_PROPERTY),
     P(SERVER_REFERENCE)},
    {auth, "18 {15 <m> ", "}", P(AUTH_DATA) | P(REASON_STRING) | P(USER_PROPERTY), P(AUTH_METHOD)},
};

static enum mqtt_reason expected(const struct place *place, enum mqtt_property id)
{
    if ((place->allowed >> id & 1) != 0)
        return MQTT_OK;
    return (place->not_ours >> id & 1) != 0 ? MQTT_PROTOCOL_ERROR : MQTT_MALFORMED;
}

START_TEST(a_packet_takes_its_own_properties_alone)
{
    const struct place *place = &places[_i];
    char body[128];

    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        snprintf(body, sizeof body, "%s%s%s", place->before, properties[i].text, place->after);
        check_verdict(place->decode, &(struct verdict){body, expected(place, properties[i].id)});
    }
}
END_TEST

/* --- numbers of variable length --------------------------------------------------- */

START_TEST(a_number_takes_the_fewest_bytes)
{
    static const struct {
        uint32_t v;
        const char *bytes;
    } forms[] = {
        {0, "00"},
        {127, "7f"},
        {128, "8001"},
        {16383, "ff7f"},
        {16384, "808001"},
        {2097151, "ffff7f"},
        {2097152, "80808001"},
        {MQTT_REMAINING_MAX, "ffffff7f"},
    };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        buf_clear(&b);
        mqtt_varint_put(&b, forms[i].v);
        ck_assert(same(&b, forms[i].bytes));
        ck_assert_uint_eq(mqtt_varint_size(forms[i].v), b.len);
    }
}
END_TEST

#define COUNT(table) ((int)ARRAY_LEN(table))

int main(void)
{
    Suite *s = suite_create("mqtt_props");
    TCase *t = tcase_create("props");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, numbers_are_as_long_as_their_type);
    tcase_add_test(t, texts_bear_their_length);
    tcase_add_test(t, a_text_may_be_as_long_as_its_length_can_say);
    tcase_add_test(t, what_is_there_is_found);
    tcase_add_test(t, what_is_not_there_is_absent);
    tcase_add_test(t, an_empty_text_is_there);
    tcase_add_test(t, the_first_user_property_of_a_name_counts);
    tcase_add_test(t, they_are_walked_in_their_order);
    tcase_add_test(t, a_walk_over_what_nobody_checked_ends);
    tcase_add_test(t, no_properties_are_an_empty_walk);
    tcase_add_loop_test(t, properties_against_the_rules_are_refused, 0, COUNT(verdicts));
    tcase_add_loop_test(t, a_subscription_identifier_is_a_number_from_one, 0,
                        COUNT(subscription_ids));
    tcase_add_loop_test(t, a_packet_takes_its_own_properties_alone, 0, COUNT(places));
    tcase_add_test(t, a_number_takes_the_fewest_bytes);
    suite_add_tcase(s, t);
    return suite_run(s);
}
