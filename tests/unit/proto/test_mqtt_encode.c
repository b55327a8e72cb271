/*
 * test_mqtt_encode.c - what a server sends, byte for byte.
 */
#include "mem.h"
#include "mqtt_packets.h"
#include "suite.h"

static const struct slice none = {NULL, 0};
static struct buf b, props;

static void setup(void)
{
    packets_setup();
    b = props = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
    buf_free(&props);
    packets_teardown();
}

static struct slice written(const char *text)
{
    assemble(&props, text);
    return buf_slice(&props);
}

START_TEST(a_connack)
{
    mqtt_connack_put(&b, MQTT_311, true, 0, none);
    mqtt_connack_put(&b, MQTT_311, false, 5, none);
    ck_assert(same(&b, "20 02 01 00  20 02 00 05"));
}
END_TEST

START_TEST(a_connack_of_50_has_properties)
{
    mqtt_connack_put(&b, MQTT_50, false, MQTT_NOT_AUTHORIZED, none);
    mqtt_connack_put(&b, MQTT_50, true, 0, written("21 0014 12 <me>"));
    ck_assert(same(&b, "20 03 00 87 00  20 0b 01 00 {21 0014 12 <me>}"));
}
END_TEST

START_TEST(an_older_version_gets_no_properties)
{
    struct slice text = written("1f <no>");

    mqtt_connack_put(&b, MQTT_311, false, 0, text);
    mqtt_ack_put(&b, MQTT_311, MQTT_PUBACK, 1, MQTT_QUOTA, text);
    mqtt_suback_put(&b, MQTT_311, MQTT_SUBACK, 1, (const uint8_t *)"\x02", 1, text);
    ck_assert(same(&b, "20 02 00 00  40 02 0001  90 03 0001 02"));
}
END_TEST

START_TEST(acknowledgements_are_as_short_as_can_be)
{
    mqtt_ack_put(&b, MQTT_50, MQTT_PUBACK, 0x102, 0, none);
    mqtt_ack_put(&b, MQTT_50, MQTT_PUBREC, 0x102, 0x10, none);
    mqtt_ack_put(&b, MQTT_50, MQTT_PUBREL, 0xffff, 0, none);
    mqtt_ack_put(&b, MQTT_50, MQTT_PUBCOMP, 1, MQTT_ID_NOT_FOUND, none);
    mqtt_ack_put(&b, MQTT_50, MQTT_PUBACK, 1, 0, written("26 <sluice-id> <9>"));
    ck_assert(same(&b, "40 02 0102  50 03 0102 10  62 02 ffff  70 03 0001 92"
                       " 40 13 0001 00 {26 <sluice-id> <9>}"));
}
END_TEST

START_TEST(acknowledgements_of_311)
{
    mqtt_ack_put(&b, MQTT_311, MQTT_PUBACK, 1, 0, none);
    mqtt_ack_put(&b, MQTT_311, MQTT_PUBREC, 2, 0, none);
    mqtt_ack_put(&b, MQTT_311, MQTT_PUBREL, 3, 0, none);
    mqtt_ack_put(&b, MQTT_311, MQTT_PUBCOMP, 4, 0, none);
    ck_assert(same(&b, "40 02 0001  50 02 0002  62 02 0003  70 02 0004"));
}
END_TEST

START_TEST(a_suback_has_a_code_for_each_filter)
{
    static const uint8_t codes[] = {0, 1, 2, MQTT_BAD_FILTER};

    mqtt_suback_put(&b, MQTT_311, MQTT_SUBACK, 10, codes, 3, none);
    mqtt_suback_put(&b, MQTT_50, MQTT_SUBACK, 10, codes, 4, none);
    mqtt_suback_put(&b, MQTT_50, MQTT_SUBACK, 10, codes, 1, written("1f <ok>"));
    ck_assert(same(&b, "90 05 000a 00 01 02  90 07 000a 00 00 01 02 8f"
                       " 90 09 000a {1f <ok>} 00"));
}
END_TEST

START_TEST(an_unsuback_has_codes_in_50_alone)
{
    static const uint8_t codes[] = {0, MQTT_NO_SUBSCRIPTION};

    mqtt_suback_put(&b, MQTT_311, MQTT_UNSUBACK, 10, codes, 2, none);
    mqtt_suback_put(&b, MQTT_50, MQTT_UNSUBACK, 10, codes, 2, none);
    ck_assert(same(&b, "b0 02 000a  b0 05 000a 00 00 11"));
}
END_TEST

START_TEST(a_pingresp)
{
    mqtt_pingresp_put(&b);
    ck_assert(same(&b, "d0 00"));
}
END_TEST

START_TEST(a_disconnect_is_as_short_as_can_be)
{
    mqtt_disconnect_put(&b, 0, none);
    mqtt_disconnect_put(&b, MQTT_TAKEN_OVER, none);
    mqtt_disconnect_put(&b, MQTT_USE_ANOTHER, written("1c <b>"));
    ck_assert(same(&b, "e0 00  e0 01 8e  e0 06 9c {1c <b>}"));
}
END_TEST

START_TEST(an_auth_names_its_method)
{
    mqtt_auth_put(&b, MQTT_OK, written("15 <jwt>"));
    ck_assert(same(&b, "f0 08 00 {15 <jwt>}"));
}
END_TEST

/* --- PUBLISH -------------------------------------------------------------------------------- */

START_TEST(a_publish_is_made_of_head_identifier_and_rest)
{
    mqtt_publish_head_put(&b, mqtt_publish_flags(false, 1, true), SLICE("a/b"), 3);
    buf_put(&b, "\x00\x0a", 2);
    buf_put(&b, "\x00hi", 3);
    ck_assert(same(&b, "33 0a <a/b> 000a 00 'hi'"));
    ck_assert_uint_eq(mqtt_publish_size(1, 3, 3), b.len);
}
END_TEST

START_TEST(a_publish_of_qos_0_has_no_identifier)
{
    mqtt_publish_head_put(&b, 0, SLICE("a/b"), 2);
    buf_puts(&b, "hi");
    ck_assert(same(&b, "30 07 <a/b> 'hi'"));
    ck_assert_uint_eq(mqtt_publish_size(0, 3, 2), b.len);
}
END_TEST

START_TEST(a_topic_may_be_left_to_its_alias)
{
    mqtt_publish_head_put(&b, 0, none, 6);
    buf_put(&b, "\x03\x23\x00\x01hi", 6);
    ck_assert(same(&b, "30 08 <> {23 0001} 'hi'"));
}
END_TEST

START_TEST(a_publish_says_its_size_at_every_length_of_the_length)
{
    static const size_t rests[] = {0, 124, 125, 126, 16380, 16381, 16382, 2097148, 2097149};

    for (size_t i = 0; i < ARRAY_LEN(rests); i++)
        for (uint8_t qos = 0; qos <= 2; qos++) {
            struct mqtt_head h;

            buf_clear(&b);
            mqtt_publish_head_put(&b, mqtt_publish_flags(qos > 0, qos, false), SLICE("t"),
                                  rests[i]);
            ck_assert_int_gt(mqtt_head_get(&h, b.p, b.len), 0);
            ck_assert_uint_eq(mqtt_head_check(MQTT_50, &h), MQTT_OK);
            ck_assert_uint_eq(h.size + h.remaining, mqtt_publish_size(qos, 1, rests[i]));
            ck_assert_uint_eq(b.len + (qos > 0 ? 2 : 0) + rests[i], h.size + h.remaining);
        }
}
END_TEST

START_TEST(flags_have_their_bits)
{
    ck_assert_uint_eq(mqtt_publish_flags(true, 2, true), 0x0d);
    ck_assert_uint_eq(mqtt_publish_flags(false, 0, false), 0);
    ck_assert_uint_eq(mqtt_publish_flags(true, 1, false), 0x0a);
}
END_TEST

/* A publish that went out reads like one that came in. */
START_TEST(what_is_sent_can_be_read)
{
    struct slice text = written("02 0000003c 26 <sluice-id> <77>"), value;
    struct mqtt_publish m;
    struct mqtt_head h;

    mqtt_publish_head_put(&b, mqtt_publish_flags(false, 2, false), SLICE("t"), 1 + text.len + 2);
    buf_put(&b, "\x12\x34", 2);
    mqtt_varint_put(&b, (uint32_t)text.len);
    buf_put_slice(&b, text);
    buf_puts(&b, "hi");
    ck_assert_int_gt(mqtt_head_get(&h, b.p, b.len), 0);
    ck_assert_uint_eq(h.size + h.remaining, b.len);
    ck_assert_uint_eq(mqtt_publish_get(MQTT_50, h.flags, guarded(b.p + h.size, h.remaining), &m),
                      MQTT_OK);
    ck_assert(m.packet_id == 0x1234 && is(m.topic, "t") && is(m.payload, "hi"));
    ck_assert(mqtt_user_get(&m.props, SLICE("sluice-id"), &value) && is(value, "77"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mqtt_encode");
    TCase *t = tcase_create("encode");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_connack);
    tcase_add_test(t, a_connack_of_50_has_properties);
    tcase_add_test(t, an_older_version_gets_no_properties);
    tcase_add_test(t, acknowledgements_are_as_short_as_can_be);
    tcase_add_test(t, acknowledgements_of_311);
    tcase_add_test(t, a_suback_has_a_code_for_each_filter);
    tcase_add_test(t, an_unsuback_has_codes_in_50_alone);
    tcase_add_test(t, a_pingresp);
    tcase_add_test(t, a_disconnect_is_as_short_as_can_be);
    tcase_add_test(t, an_auth_names_its_method);
    tcase_add_test(t, a_publish_is_made_of_head_identifier_and_rest);
    tcase_add_test(t, a_publish_of_qos_0_has_no_identifier);
    tcase_add_test(t, a_topic_may_be_left_to_its_alias);
    tcase_add_test(t, a_publish_says_its_size_at_every_length_of_the_length);
    tcase_add_test(t, flags_have_their_bits);
    tcase_add_test(t, what_is_sent_can_be_read);
    suite_add_tcase(s, t);
    return suite_run(s);
}
