/*
 * test_mqtt_connect.c - CONNECT, of every version that may ask.
 *
 * Numbers in comments are the specification's normative statements; 311: of 3.1.1.
 */
#include "mqtt_packets.h"
#include "suite.h"

static struct mqtt_connect m;

static enum mqtt_reason decode(struct slice body)
{
    return mqtt_connect_get(body, &m);
}

static enum mqtt_reason get(const char *body)
{
    return decode(packet(body));
}

/* --- what is read -------------------------------------------------------------------- */

START_TEST(the_least_connect)
{
    ck_assert_uint_eq(get("<MQTT> 04 02 0000 <>"), MQTT_OK);
    ck_assert_uint_eq(m.version, MQTT_311);
    ck_assert(m.clean && !m.has_will);
    ck_assert_uint_eq(m.keep_alive, 0);
    ck_assert_uint_eq(m.client.len, 0);
    ck_assert_ptr_null(m.user.p);
    ck_assert_ptr_null(m.password.p);
}
END_TEST

START_TEST(everything_of_311)
{
    ck_assert_uint_eq(get("<MQTT> 04 f4 003c <me> <gone> <bye> <user> <secret>"), MQTT_OK);
    ck_assert(!m.clean && m.has_will && m.will.retain);
    ck_assert_uint_eq(m.keep_alive, 60);
    ck_assert_uint_eq(m.will.qos, 2);
    ck_assert(is(m.client, "me") && is(m.will.topic, "gone") && is(m.will.payload, "bye"));
    ck_assert(is(m.user, "user") && is(m.password, "secret"));
}
END_TEST

START_TEST(everything_of_50)
{
    ck_assert_uint_eq(
        get("<MQTT> 05 ce ffff"
            "{11 00000e10 21 0014 27 00001000 22 000a 19 01 17 00 26 <a> <b>"
            " 15 <SCRAM> 16 <data>} <me>"
            "{18 0000001e 01 01 02 0000003c 03 <text> 08 <answers> 09 <42> 26 <k> <v>}"
            "<gone> <bye> <user> <secret>"),
        MQTT_OK);
    ck_assert_uint_eq(m.version, MQTT_50);
    ck_assert_uint_eq(mqtt_prop_number(&m.props, MQTT_PROP_SESSION_EXPIRY, 0), 3600);
    ck_assert_uint_eq(mqtt_prop_number(&m.props, MQTT_PROP_RECEIVE_MAXIMUM, 65535), 20);
    ck_assert_uint_eq(mqtt_prop_number(&m.props, MQTT_PROP_REQUEST_PROBLEM_INFO, 1), 0);
    ck_assert(is(mqtt_prop_text(&m.props, MQTT_PROP_AUTH_METHOD), "SCRAM"));
    ck_assert_uint_eq(mqtt_prop_number(&m.will.props, MQTT_PROP_WILL_DELAY, 0), 30);
    ck_assert(is(mqtt_prop_text(&m.will.props, MQTT_PROP_RESPONSE_TOPIC), "answers"));
    ck_assert(is(m.will.payload, "bye") && is(m.password, "secret"));
}
END_TEST

START_TEST(what_is_empty_is_there_all_the_same)
{
    ck_assert_uint_eq(get("<MQTT> 05 c6 0000 {} <> {} <t> <> <> <>"), MQTT_OK);
    ck_assert(m.will.payload.len == 0 && m.user.len == 0 && m.password.len == 0);
    ck_assert_ptr_nonnull(m.user.p);
    ck_assert_ptr_nonnull(m.password.p);
}
END_TEST

START_TEST(a_token_needs_no_user_in_50)
{
    ck_assert_uint_eq(get("<MQTT> 05 42 0000 {} <me> <token>"), MQTT_OK);
    ck_assert_ptr_null(m.user.p);
    ck_assert(is(m.password, "token"));
}
END_TEST

START_TEST(a_will_and_a_password_may_hold_any_bytes)
{
    ck_assert_uint_eq(get("<MQTT> 04 c6 0000 <me> <t> 0002 00ff <u> 0002 c300"), MQTT_OK);
    ck_assert(slice_eq(m.will.payload, SLICE("\x00\xff")));
    ck_assert(slice_eq(m.password, SLICE("\xc3\x00")));
}
END_TEST

/* --- versions -------------------------------------------------------------------------- */

/* What was asked is known, so that the answer can have its form; what follows is not
 * looked at. */
START_TEST(other_versions_are_named)
{
    static const struct {
        const char *body;
        uint8_t version;
    } others[] = {
        {"<MQIsdp> 04 02 003c <me>", 3}, {"<MQTT> 03", 3},
        {"<MQTT> 06 ff ffff", 6},        {"<MQTT> 00 02 003c <me>", 0},
        {"<MQTT> 85 02 0000 <b>", 0x85}, {"<mqtt> 04 02 0000 <m>", 0},
        {"<MQTT5> 05 02 0000 <me>", 0},  {"<> 04", 0},
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_uint_eq(get(others[i].body), MQTT_BAD_VERSION);
        ck_assert_uint_eq(m.version, others[i].version);
    }
}
END_TEST

START_TEST(bridges_say_so_in_the_level)
{
    ck_assert_uint_eq(get("<MQTT> 84 00 003c <b>"), MQTT_OK);
    ck_assert(m.bridge && m.version == MQTT_311);
    ck_assert_uint_eq(get("<MQIsdp> 83 00 003c <b>"), MQTT_OK);
    ck_assert(m.bridge && m.version == MQTT_31);
    ck_assert_uint_eq(get("<MQTT> 04 00 003c <b>"), MQTT_OK);
    ck_assert(!m.bridge);
}
END_TEST

/* It disregards flags that mean nothing, and lets user and password be missing. */
START_TEST(version_3_1_is_taken_as_it_was)
{
    ck_assert_uint_eq(get("<MQIsdp> 03 02 003c <me>"), MQTT_OK);
    ck_assert(m.version == MQTT_31 && slice_eq(m.client, SLICE("me")));
    ck_assert_uint_eq(get("<MQIsdp> 03 3b 003c <me>"), MQTT_OK);
    ck_assert(!m.has_will && m.clean);
    ck_assert_uint_eq(get("<MQIsdp> 03 c2 003c <me>"), MQTT_OK);
    ck_assert_ptr_null(m.user.p);
    ck_assert_uint_eq(get("<MQIsdp> 03 c2 003c <me> <user>"), MQTT_OK);
    ck_assert(slice_eq(m.user, SLICE("user")) && m.password.p == NULL);
    ck_assert_uint_eq(get("<MQIsdp> 03 02 003c <>"), MQTT_BAD_CLIENT_ID);
    ck_assert_uint_eq(get("<MQIsdp> 03 02 003c <me> <x>"), MQTT_MALFORMED);
}
END_TEST

START_TEST(the_version_is_known_after_other_errors_too)
{
    ck_assert_uint_eq(get("<MQTT> 05 03 0000 {} <me>"), MQTT_MALFORMED);
    ck_assert_uint_eq(m.version, MQTT_50);
    ck_assert_uint_eq(get("<MQTT> 04 00 0000 <>"), MQTT_BAD_CLIENT_ID);
    ck_assert_uint_eq(m.version, MQTT_311);
    ck_assert_uint_eq(get("0004 'MQT'"), MQTT_MALFORMED);
    ck_assert_uint_eq(m.version, 0);
}
END_TEST

/* --- what is refused -------------------------------------------------------------------- */

static const struct verdict refused[] = {
    /* 3.1.2-3: the reserved flag */
    {"<MQTT> 04 03 0000 <me>", MQTT_MALFORMED},
    {"<MQTT> 05 03 0000 {} <me>", MQTT_MALFORMED},
    /* 3.1.2-12: a will of QoS 3 */
    {"<MQTT> 04 1e 0000 <me> <t> <p>", MQTT_MALFORMED},
    {"<MQTT> 05 1e 0000 {} <me> {} <t> <p>", MQTT_MALFORMED},
    /* 3.1.2-11, -13: a will's QoS or RETAIN without a will */
    {"<MQTT> 04 0a 0000 <me>", MQTT_MALFORMED},
    {"<MQTT> 05 12 0000 {} <me>", MQTT_MALFORMED},
    {"<MQTT> 04 22 0000 <me>", MQTT_MALFORMED},
    {"<MQTT> 05 22 0000 {} <me>", MQTT_MALFORMED},
    /* 311 3.1.2-22: a password without a user */
    {"<MQTT> 04 42 0000 <me> <secret>", MQTT_MALFORMED},
    /* 3.1.2-16 to -19: a field that no flag announces, or a flag without its field */
    {"<MQTT> 04 02 0000 <me> <user>", MQTT_MALFORMED},
    {"<MQTT> 05 02 0000 {} <me> <user>", MQTT_MALFORMED},
    {"<MQTT> 04 82 0000 <me>", MQTT_MALFORMED},
    {"<MQTT> 04 c2 0000 <me> <user>", MQTT_MALFORMED},
    {"<MQTT> 04 06 0000 <me> <t>", MQTT_MALFORMED},
    /* 311 3.1.3-8: no name, and it wants to come back */
    {"<MQTT> 04 00 0000 <>", MQTT_BAD_CLIENT_ID},
    /* 3.1.3-4, -11, -12, 1.5.4-1, -2: strings */
    {"<MQTT> 04 02 0000 0001 ff", MQTT_MALFORMED},
    {"<MQTT> 04 02 0000 0001 00", MQTT_MALFORMED},
    {"<MQTT> 05 02 0000 {} 0003 eda080", MQTT_MALFORMED},
    {"<MQTT> 04 06 0000 <me> 0002 c0af <p>", MQTT_MALFORMED},
    {"<MQTT> 04 06 0000 <me> 0003 'a' 00 'b' <p>", MQTT_MALFORMED},
    {"<MQTT> 04 82 0000 <me> 0001 80", MQTT_MALFORMED},
    {"<MQTT> 04 82 0000 <me> 0001 00", MQTT_MALFORMED},
    /* a will's topic is a name */
    {"<MQTT> 04 06 0000 <me> <a/+> <p>", MQTT_BAD_TOPIC},
    {"<MQTT> 05 06 0000 {} <me> {} <#> <p>", MQTT_BAD_TOPIC},
    {"<MQTT> 04 06 0000 <me> <> <p>", MQTT_BAD_TOPIC},
    /* 3.1.3.2.3: a will that is not what it says */
    {"<MQTT> 05 06 0000 {} <me> {01 01} <t> 0001 ff", MQTT_BAD_PAYLOAD_FORMAT},
    {"<MQTT> 05 06 0000 {} <me> {01 00} <t> 0001 ff", MQTT_OK},
    /* 3.1.2.11: values */
    {"<MQTT> 05 02 0000 {21 0000} <me>", MQTT_PROTOCOL_ERROR},
    {"<MQTT> 05 02 0000 {27 00000000} <me>", MQTT_PROTOCOL_ERROR},
    {"<MQTT> 05 02 0000 {19 02} <me>", MQTT_PROTOCOL_ERROR},
    {"<MQTT> 05 02 0000 {17 02} <me>", MQTT_PROTOCOL_ERROR},
    {"<MQTT> 05 02 0000 {22 0000} <me>", MQTT_OK},
    {"<MQTT> 05 02 0000 {11 ffffffff} <me>", MQTT_OK},
    /* 3.1.2.11.10: data for no method */
    {"<MQTT> 05 02 0000 {16 <data>} <me>", MQTT_PROTOCOL_ERROR},
    {"<MQTT> 05 02 0000 {15 <PLAIN>} <me>", MQTT_OK},
    /* properties of other packets, and the will's where the connection's belong */
    {"<MQTT> 05 02 0000 {24 01} <me>", MQTT_MALFORMED},
    {"<MQTT> 05 02 0000 {23 0001} <me>", MQTT_MALFORMED},
    {"<MQTT> 05 02 0000 {18 00000001} <me>", MQTT_MALFORMED},
    {"<MQTT> 05 06 0000 {} <me> {11 00000001} <t> <p>", MQTT_MALFORMED},
    {"<MQTT> 05 06 0000 {} <me> {08 <a/#>} <t> <p>", MQTT_PROTOCOL_ERROR},
    /* the same one twice; in the connection's and in the will's is not twice */
    {"<MQTT> 05 02 0000 {11 00000001 11 00000001} <me>", MQTT_PROTOCOL_ERROR},
    {"<MQTT> 05 06 0000 {} <me> {18 00000001 18 00000001} <t> <p>", MQTT_PROTOCOL_ERROR},
    {"<MQTT> 05 06 0000 {26 <a> <b>} <me> {26 <a> <b>} <t> <p>", MQTT_OK},
};

START_TEST(a_connect_against_the_rules_is_refused)
{
    check_verdict(decode, &refused[_i]);
}
END_TEST

static const struct prefixes cut[] = {
    {"<MQTT> 04 02 003c <me>", "xxxxxxxxxxxxxx."},
    {"<MQTT> 05 02 003c {21 0005} <me>", "xxxxxxxxxxxxxxxxxx."},
    {"<MQTT> 05 c6 003c {} <m> {18 00000001} <t> <p> <u> <s>", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx."},
};

START_TEST(a_connect_cut_short_is_malformed)
{
    check_prefixes(decode, &cut[_i]);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

int main(void)
{
    Suite *s = suite_create("mqtt_connect");
    TCase *t = tcase_create("connect");

    tcase_add_checked_fixture(t, packets_setup, packets_teardown);
    tcase_add_test(t, the_least_connect);
    tcase_add_test(t, everything_of_311);
    tcase_add_test(t, everything_of_50);
    tcase_add_test(t, what_is_empty_is_there_all_the_same);
    tcase_add_test(t, a_token_needs_no_user_in_50);
    tcase_add_test(t, a_will_and_a_password_may_hold_any_bytes);
    tcase_add_test(t, other_versions_are_named);
    tcase_add_test(t, bridges_say_so_in_the_level);
    tcase_add_test(t, version_3_1_is_taken_as_it_was);
    tcase_add_test(t, the_version_is_known_after_other_errors_too);
    tcase_add_loop_test(t, a_connect_against_the_rules_is_refused, 0, COUNT(refused));
    tcase_add_loop_test(t, a_connect_cut_short_is_malformed, 0, COUNT(cut));
    suite_add_tcase(s, t);
    return suite_run(s);
}
