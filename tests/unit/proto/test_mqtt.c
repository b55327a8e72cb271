/*
 * test_mqtt.c - the fixed header, reasons, and what a connected client sends.
 *
 * Numbers in comments are the specification's normative statements; 311: of 3.1.1.
 */
#include "mem.h"
#include "mqtt_packets.h"
#include "suite.h"

static struct mqtt_head h;
static struct mqtt_publish p;
static struct mqtt_ack a;
static struct mqtt_subscribe s;
static struct mqtt_reasoned d;

/* --- the fixed header ------------------------------------------------------------------- */

static int head(const char *text)
{
    struct slice bytes = packet(text);

    return mqtt_head_get(&h, bytes.p, bytes.len);
}

START_TEST(a_header_is_read)
{
    ck_assert_int_eq(head("3d 8001 00"), 3);
    ck_assert_uint_eq(h.type, MQTT_PUBLISH);
    ck_assert_uint_eq(h.flags, 0x0d);
    ck_assert_uint_eq(h.size, 3);
    ck_assert_uint_eq(h.remaining, 128);
}
END_TEST

START_TEST(the_longest_packet)
{
    ck_assert_int_eq(head("30 ffffff7f"), 5);
    ck_assert_uint_eq(h.remaining, MQTT_REMAINING_MAX);
}
END_TEST

START_TEST(a_header_cut_short_needs_more)
{
    ck_assert_int_eq(mqtt_head_get(&h, NULL, 0), 0);
    ck_assert_int_eq(head("30"), 0);
    ck_assert_int_eq(head("30 80"), 0);
    ck_assert_int_eq(head("30 8080"), 0);
    ck_assert_int_eq(head("30 ffffff"), 0);
}
END_TEST

START_TEST(a_length_has_four_bytes_at_most)
{
    ck_assert_int_eq(head("30 ffffffff"), -1);
    ck_assert_int_eq(head("30 80808080"), -1);
    ck_assert_int_eq(head("30 8080808001"), -1);
}
END_TEST

/* 2.1.3-1; PUBLISH's are its own, and DUP is the version's to judge. */
START_TEST(each_type_has_its_flags)
{
    for (unsigned type = 0; type < 16; type++)
        for (unsigned flags = 0; flags < 16; flags++) {
            uint8_t bytes[2] = {(uint8_t)(type << 4 | flags), 0};
            unsigned right =
                type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE ? 2 : 0;
            unsigned dup = right == 2 ? 8 : 0;
            bool good = type == MQTT_PUBLISH || (type != 0 && (flags & ~dup) == right);
            struct slice in = guarded(bytes, sizeof bytes);

            ck_assert_int_eq(mqtt_head_get(&h, in.p, in.len), good ? 2 : -1);
            ck_assert_int_eq(mqtt_head_get(&h, in.p, 1), good ? 0 : -1); /* known at once */
        }
}
END_TEST

/* 3.1 alone says that it sends something again. */
START_TEST(dup_of_subscribe_is_of_3_1)
{
    ck_assert_int_eq(head("8a 00"), 2);
    ck_assert_int_eq(mqtt_head_check(MQTT_31, &h), MQTT_OK);
    ck_assert_int_eq(mqtt_head_check(MQTT_311, &h), MQTT_MALFORMED);
    ck_assert_int_eq(mqtt_head_check(MQTT_50, &h), MQTT_MALFORMED);
}
END_TEST

START_TEST(a_ping_has_no_body)
{
    ck_assert_int_eq(head("c0 00"), 2);
    ck_assert_int_eq(head("c0 01"), -1);
    ck_assert_int_eq(head("d0 01"), -1);
}
END_TEST

static enum mqtt_reason head_check(enum mqtt_version v, const char *text)
{
    ck_assert_int_gt(head(text), 0);
    return mqtt_head_check(v, &h);
}

START_TEST(the_length_takes_the_shortest_form_in_50)
{
    ck_assert_uint_eq(head_check(MQTT_50, "30 7f"), MQTT_OK);
    ck_assert_uint_eq(head_check(MQTT_50, "30 8001"), MQTT_OK);
    ck_assert_uint_eq(head_check(MQTT_50, "30 ff00"), MQTT_MALFORMED); /* 1.5.5-1 */
    ck_assert_uint_eq(head_check(MQTT_50, "c0 80808000"), MQTT_MALFORMED);
    ck_assert_uint_eq(head_check(MQTT_311, "30 ff00"), MQTT_OK);
    ck_assert_uint_eq(head_check(MQTT_311, "c0 80808000"), MQTT_OK);
}
END_TEST

START_TEST(some_packets_are_not_for_clients_to_send)
{
    static const char *const servers[] = {"20 02", "90 03", "b0 02", "d0 00"};

    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        ck_assert_uint_eq(head_check(MQTT_50, servers[i]), MQTT_PROTOCOL_ERROR);
        ck_assert_uint_eq(head_check(MQTT_311, servers[i]), MQTT_PROTOCOL_ERROR);
    }
    ck_assert_uint_eq(head_check(MQTT_50, "f0 00"), MQTT_OK);
    ck_assert_uint_eq(head_check(MQTT_311, "f0 00"), MQTT_MALFORMED);
}
END_TEST

/* --- reasons --------------------------------------------------------------------------------- */

START_TEST(reasons_have_texts)
{
    ck_assert_str_eq(mqtt_reason_text(0x81), "malformed packet");
    ck_assert_str_eq(mqtt_reason_text(MQTT_TAKEN_OVER), "session taken over");
    ck_assert_str_eq(mqtt_reason_text(0x55), "unknown reason");
}
END_TEST

START_TEST(few_reasons_have_a_return_code_in_311)
{
    ck_assert_uint_eq(mqtt_return_code(MQTT_BAD_VERSION), 1);
    ck_assert_uint_eq(mqtt_return_code(MQTT_BAD_CLIENT_ID), 2);
    ck_assert_uint_eq(mqtt_return_code(MQTT_UNAVAILABLE), 3);
    ck_assert_uint_eq(mqtt_return_code(MQTT_SHUTTING_DOWN), 3);
    ck_assert_uint_eq(mqtt_return_code(MQTT_BAD_CREDENTIALS), 4);
    ck_assert_uint_eq(mqtt_return_code(MQTT_NOT_AUTHORIZED), 5);
    ck_assert_uint_eq(mqtt_return_code(MQTT_MALFORMED), 0);
    ck_assert_uint_eq(mqtt_return_code(MQTT_PROTOCOL_ERROR), 0);
}
END_TEST

/* --- PUBLISH ---------------------------------------------------------------------- */

static enum mqtt_reason publish(enum mqtt_version v, unsigned flags, const char *body)
{
    return mqtt_publish_get(v, (uint8_t)flags, packet(body), &p);
}

static enum mqtt_reason publish_qos0(struct slice body)
{
    return mqtt_publish_get(MQTT_50, 0, body, &p);
}

static enum mqtt_reason publish_qos1(struct slice body)
{
    return mqtt_publish_get(MQTT_50, 2, body, &p);
}

static enum mqtt_reason publish_qos1_311(struct slice body)
{
    return mqtt_publish_get(MQTT_311, 2, body, &p);
}

START_TEST(a_publish_of_qos_0)
{
    ck_assert_uint_eq(publish(MQTT_311, 1, "<a/b> 'hello'"), MQTT_OK);
    ck_assert(!p.dup && p.retain);
    ck_assert_uint_eq(p.qos, 0);
    ck_assert_uint_eq(p.packet_id, 0);
    ck_assert(is(p.topic, "a/b") && is(p.payload, "hello"));
}
END_TEST

START_TEST(a_publish_of_qos_2)
{
    ck_assert_uint_eq(publish(MQTT_50, 0x0c, "<a> ff01 {23 0005} 'x'"), MQTT_OK);
    ck_assert(p.dup && !p.retain);
    ck_assert_uint_eq(p.qos, 2);
    ck_assert_uint_eq(p.packet_id, 0xff01);
    ck_assert_uint_eq(mqtt_prop_number(&p.props, MQTT_PROP_TOPIC_ALIAS, 0), 5);
    ck_assert(is(p.payload, "x"));
}
END_TEST

START_TEST(a_payload_may_be_empty)
{
    ck_assert_uint_eq(publish(MQTT_311, 3, "<a> 0001"), MQTT_OK);
    ck_assert_uint_eq(p.payload.len, 0);
}
END_TEST

START_TEST(an_alias_stands_for_the_topic)
{
    ck_assert_uint_eq(publish(MQTT_50, 0, "<> {23 0001} 'x'"), MQTT_OK);
    ck_assert_uint_eq(p.topic.len, 0);
    ck_assert_uint_eq(publish(MQTT_50, 0, "<> {} 'x'"), MQTT_PROTOCOL_ERROR); /* 3.3.2.1 */
    ck_assert_uint_eq(publish(MQTT_311, 0, "<> 'x'"), MQTT_PROTOCOL_ERROR);
}
END_TEST

START_TEST(flags_that_no_publish_has)
{
    ck_assert_uint_eq(publish(MQTT_311, 6, "<a> 0001"), MQTT_MALFORMED); /* 3.3.1-4 */
    ck_assert_uint_eq(publish(MQTT_50, 7, "<a> 0001 {}"), MQTT_MALFORMED);
    ck_assert_uint_eq(publish(MQTT_50, 14, "<a> 0001 {}"), MQTT_MALFORMED);
    ck_assert_uint_eq(publish(MQTT_311, 8, "<a>"), MQTT_MALFORMED); /* 3.3.1-2 */
    ck_assert_uint_eq(publish(MQTT_50, 9, "<a> {}"), MQTT_MALFORMED);
}
END_TEST

static const struct verdict publishes[] = {
    {"<a> 0000 {}", MQTT_PROTOCOL_ERROR}, /* 2.2.1-3 */
    {"<a/+/b> 0001 {}", MQTT_BAD_TOPIC},  /* 3.3.2-2 */
    {"<a/#> 0001 {}", MQTT_BAD_TOPIC},
    {"<+> 0001 {23 0001}", MQTT_BAD_TOPIC},
    {"0001 ff 0001 {}", MQTT_MALFORMED},         /* 3.3.2-1 */
    {"0003 'a' 00 'b' 0001 {}", MQTT_MALFORMED}, /* 1.5.4-2 */
    {"<a> 0001 {01 01} c3", MQTT_BAD_PAYLOAD_FORMAT},
    {"<a> 0001 {01 01} c3a4", MQTT_OK},
    {"<a> 0001 {01 01} 00", MQTT_OK},
    {"<a> 0001 {01 01}", MQTT_OK},
    {"<a> 0001 {01 00} c3", MQTT_OK},
    {"<$SYS/x> 0001 {}", MQTT_OK}, /* who may write where is not asked here */
    {"</> 0001 {}", MQTT_OK},
};

START_TEST(a_publish_against_the_rules_is_refused)
{
    check_verdict(publish_qos1, &publishes[_i]);
}
END_TEST

START_TEST(a_topic_has_a_longest_name)
{
    struct buf b = {0};

    buf_put(&b, "\x04\x01", 2);
    for (int i = 0; i < 1025; i++)
        buf_u8(&b, 'x');
    ck_assert_uint_eq(mqtt_publish_get(MQTT_311, 0, guarded(b.p, b.len), &p), MQTT_BAD_TOPIC);
    b.p[1] = 0;
    ck_assert_uint_eq(mqtt_publish_get(MQTT_311, 0, guarded(b.p, b.len), &p), MQTT_OK);
    buf_free(&b);
}
END_TEST

/* So that its acknowledgement can say so. */
START_TEST(a_publish_with_a_bad_topic_or_payload_is_read_whole)
{
    ck_assert_uint_eq(publish(MQTT_50, 2, "<#> 0007 {02 00000001} 'x'"), MQTT_BAD_TOPIC);
    ck_assert_uint_eq(p.packet_id, 7);
    ck_assert(is(p.payload, "x") && mqtt_has(&p.props, MQTT_PROP_MESSAGE_EXPIRY));
    ck_assert_uint_eq(publish(MQTT_50, 2, "<t> 0008 {01 01} ff"), MQTT_BAD_PAYLOAD_FORMAT);
    ck_assert_uint_eq(p.packet_id, 8);
    ck_assert(is(p.topic, "t"));
}
END_TEST

START_TEST(a_publish_may_end_anywhere_in_its_payload)
{
    check_prefixes(publish_qos0, &(struct prefixes){"<a> {01 01} 'xyz'", "xxxxxx...."});
    check_prefixes(publish_qos1, &(struct prefixes){"<a> 0001 {} 'xy'", "xxxxxx..."});
    check_prefixes(publish_qos1_311, &(struct prefixes){"<a> 0001 'xy'", "xxxxx..."});
}
END_TEST

/* --- PUBACK, PUBREC, PUBREL, PUBCOMP ---------------------------------------------- */

static enum mqtt_reason puback(struct slice body)
{
    return mqtt_ack_get(MQTT_50, MQTT_PUBACK, body, &a);
}

static enum mqtt_reason pubrel(struct slice body)
{
    return mqtt_ack_get(MQTT_50, MQTT_PUBREL, body, &a);
}

static enum mqtt_reason puback_311(struct slice body)
{
    return mqtt_ack_get(MQTT_311, MQTT_PUBACK, body, &a);
}

START_TEST(an_acknowledgement_may_leave_out_what_says_nothing)
{
    ck_assert_uint_eq(puback(packet("0102")), MQTT_OK);
    ck_assert_uint_eq(a.packet_id, 0x102);
    ck_assert_uint_eq(a.reason, MQTT_OK);
    ck_assert_uint_eq(puback(packet("0102 97")), MQTT_OK);
    ck_assert_uint_eq(a.reason, MQTT_QUOTA);
    ck_assert_uint_eq(puback(packet("0102 80 {1f <full>}")), MQTT_OK);
    ck_assert_uint_eq(a.reason, MQTT_UNSPECIFIED);
    ck_assert(is(mqtt_prop_text(&a.props, MQTT_PROP_REASON_STRING), "full"));
}
END_TEST

START_TEST(an_acknowledgement_of_311_is_its_identifier)
{
    ck_assert_uint_eq(puback_311(packet("0102")), MQTT_OK);
    ck_assert_uint_eq(a.packet_id, 0x102);
    check_prefixes(puback_311, &(struct prefixes){"0001 00 00", "xx.xx"});
    ck_assert_uint_eq(puback_311(packet("0000")), MQTT_PROTOCOL_ERROR);
}
END_TEST

START_TEST(an_acknowledgement_is_whole_and_nothing_more)
{
    check_prefixes(puback, &(struct prefixes){"0001 80 {1f <a>} 00", "xx..xxxx.x"});
    check_prefixes(pubrel, &(struct prefixes){"0001 92 {26 <a> <b>} 00", "xx..xxxxxxx.x"});
    check_prefixes(puback, &(struct prefixes){"0000 00 00", "xxppp"});
}
END_TEST

/* Is it in a list of hexadecimal numbers? */
static bool in(uint8_t reason, const char *list)
{
    char hex[4];

    snprintf(hex, sizeof hex, "%02x", reason);
    return strstr(list, hex) != NULL;
}

START_TEST(an_acknowledgement_has_its_own_reasons)
{
    static const struct {
        enum mqtt_type type;
        const char *reasons;
    } acks[] = {
        /* 3.4.2-1, 3.5.2-1; 10 is a server's */
        {MQTT_PUBACK, "00 80 83 87 90 91 97 99"},
        {MQTT_PUBREC, "00 80 83 87 90 91 97 99"},
        {MQTT_PUBREL, "00 92"},  /* 3.6.2-1 */
        {MQTT_PUBCOMP, "00 92"}, /* 3.7.2-1 */
    };

    for (size_t i = 0; i < ARRAY_LEN(acks); i++)
        for (unsigned reason = 0; reason < 256; reason++) {
            uint8_t body[] = {0, 1, (uint8_t)reason};
            enum mqtt_reason want =
                in((uint8_t)reason, acks[i].reasons) ? MQTT_OK : MQTT_PROTOCOL_ERROR;

            ck_assert_uint_eq(mqtt_ack_get(MQTT_50, acks[i].type, guarded(body, sizeof body), &a),
                              want);
        }
}
END_TEST

/* --- SUBSCRIBE, UNSUBSCRIBE ------------------------------------------------------- */

static enum mqtt_reason subscribe(struct slice body)
{
    return mqtt_subscribe_get(MQTT_50, body, &s);
}

static enum mqtt_reason subscribe_311(struct slice body)
{
    return mqtt_subscribe_get(MQTT_311, body, &s);
}

static enum mqtt_reason unsubscribe(struct slice body)
{
    return mqtt_unsubscribe_get(MQTT_50, body, &s);
}

static enum mqtt_reason unsubscribe_311(struct slice body)
{
    return mqtt_unsubscribe_get(MQTT_311, body, &s);
}

START_TEST(filters_come_with_their_options)
{
    struct mqtt_topic_option o;

    ck_assert_uint_eq(subscribe(packet("000a {0b 07} <a/+> 01 <b> 2e <c> 10")), MQTT_OK);
    ck_assert_uint_eq(s.packet_id, 10);
    ck_assert_uint_eq(mqtt_prop_number(&s.props, MQTT_PROP_SUBSCRIPTION_ID, 0), 7);
    ck_assert(mqtt_subscribe_next(&s.topics, &o) && is(o.filter, "a/+"));
    ck_assert(o.qos == 1 && !o.no_local && !o.retain_as_published && o.retain_handling == 0);
    ck_assert(mqtt_subscribe_next(&s.topics, &o) && is(o.filter, "b"));
    ck_assert(o.qos == 2 && o.no_local && o.retain_as_published && o.retain_handling == 2);
    ck_assert(mqtt_subscribe_next(&s.topics, &o) && o.qos == 0 && o.retain_handling == 1);
    ck_assert(!mqtt_subscribe_next(&s.topics, &o));
}
END_TEST

START_TEST(filters_of_311_come_with_a_qos)
{
    struct mqtt_topic_option o;

    ck_assert_uint_eq(subscribe_311(packet("0001 <#> 02")), MQTT_OK);
    ck_assert(mqtt_subscribe_next(&s.topics, &o) && is(o.filter, "#") && o.qos == 2);
    ck_assert(!o.no_local && !o.retain_as_published && o.retain_handling == 0);
}
END_TEST

START_TEST(filters_to_forget_come_one_after_the_other)
{
    struct slice filter;

    ck_assert_uint_eq(unsubscribe(packet("0001 {26 <k> <v>} <a> <b/#>")), MQTT_OK);
    ck_assert(mqtt_unsubscribe_next(&s.topics, &filter) && is(filter, "a"));
    ck_assert(mqtt_unsubscribe_next(&s.topics, &filter) && is(filter, "b/#"));
    ck_assert(!mqtt_unsubscribe_next(&s.topics, &filter));
    ck_assert_uint_eq(unsubscribe_311(packet("0001 <a>")), MQTT_OK);
    ck_assert(mqtt_unsubscribe_next(&s.topics, &filter) && is(filter, "a"));
}
END_TEST

static const struct verdict subscribes[] = {
    {"0000 {} <a> 00", MQTT_PROTOCOL_ERROR}, /* 2.2.1-3 */
    {"0001 {}", MQTT_PROTOCOL_ERROR},        /* 3.8.3-2 */
    {"0001 {} <a> 40", MQTT_MALFORMED},      /* 3.8.3-5 */
    {"0001 {} <a> 80", MQTT_MALFORMED},
    {"0001 {} <a> 03", MQTT_PROTOCOL_ERROR}, /* 3.8.3.1 */
    {"0001 {} <a> 30", MQTT_PROTOCOL_ERROR},
    {"0001 {} <a> 00 <b> 33", MQTT_PROTOCOL_ERROR},
    {"0001 {} <> 00", MQTT_BAD_FILTER}, /* 4.7.3-1 */
    {"0001 {} <a> 00 <> 00", MQTT_BAD_FILTER},
    {"0001 {} 0001 ff 00", MQTT_MALFORMED}, /* 3.8.3-1 */
    {"0001 {} 0001 00 00", MQTT_MALFORMED},
    {"0001 {} <a+> 00", MQTT_OK}, /* whether it is a filter is not asked here */
    {"0001 {} <$share/g/f> 04", MQTT_OK},
};

START_TEST(a_subscribe_against_the_rules_is_refused)
{
    check_verdict(subscribe, &subscribes[_i]);
}
END_TEST

static const struct verdict subscribes_311[] = {
    {"0000 <a> 00", MQTT_PROTOCOL_ERROR}, /* 311 2.3.1-1 */
    {"0001", MQTT_PROTOCOL_ERROR},        /* 311 3.8.3-3 */
    {"0001 <a> 04", MQTT_MALFORMED},      /* 311 3-8.3-4 */
    {"0001 <a> 80", MQTT_MALFORMED},      {"0001 <a> 03", MQTT_PROTOCOL_ERROR},
    {"0001 <> 00", MQTT_BAD_FILTER},
};

START_TEST(a_subscribe_of_311_against_the_rules_is_refused)
{
    check_verdict(subscribe_311, &subscribes_311[_i]);
}
END_TEST

static const struct verdict unsubscribes[] = {
    {"0000 {} <a>", MQTT_PROTOCOL_ERROR},
    {"0001 {}", MQTT_PROTOCOL_ERROR}, /* 3.10.3-2 */
    {"0001 {} <>", MQTT_BAD_FILTER},
    {"0001 {} <a> 0001 ff", MQTT_MALFORMED}, /* 3.10.3-1 */
};

START_TEST(an_unsubscribe_against_the_rules_is_refused)
{
    check_verdict(unsubscribe, &unsubscribes[_i]);
}
END_TEST

START_TEST(a_subscribe_ends_after_options)
{
    check_prefixes(subscribe, &(struct prefixes){"0001 {} <a> 00 <b> 01", "xxxpxxx.xxx."});
    check_prefixes(subscribe_311, &(struct prefixes){"0001 <a> 00 <b> 01", "xxpxxx.xxx."});
    check_prefixes(unsubscribe, &(struct prefixes){"0001 {} <a> <b>", "xxxpxx.xx."});
    check_prefixes(unsubscribe_311, &(struct prefixes){"0001 <a> <b>", "xxpxx.xx."});
}
END_TEST

/* --- DISCONNECT, AUTH ------------------------------------------------------------- */

static enum mqtt_reason disconnect(struct slice body)
{
    return mqtt_disconnect_get(MQTT_50, body, &d);
}

static enum mqtt_reason auth(struct slice body)
{
    return mqtt_auth_get(body, &d);
}

START_TEST(a_disconnect_may_leave_out_what_says_nothing)
{
    ck_assert_uint_eq(disconnect(packet("")), MQTT_OK);
    ck_assert_uint_eq(d.reason, MQTT_OK);
    ck_assert_uint_eq(disconnect(packet("04")), MQTT_OK);
    ck_assert_uint_eq(d.reason, MQTT_DISCONNECT_WITH_WILL);
    ck_assert_uint_eq(disconnect(packet("00 {11 0000000a}")), MQTT_OK);
    ck_assert_uint_eq(mqtt_prop_number(&d.props, MQTT_PROP_SESSION_EXPIRY, 0), 10);
    check_prefixes(disconnect, &(struct prefixes){"00 {1f <a>} 00", "..xxxx.x"});
}
END_TEST

START_TEST(a_disconnect_of_311_is_empty)
{
    ck_assert_uint_eq(mqtt_disconnect_get(MQTT_311, packet(""), &d), MQTT_OK);
    ck_assert_uint_eq(d.reason, MQTT_OK);
    ck_assert_uint_eq(mqtt_disconnect_get(MQTT_311, packet("00"), &d), MQTT_MALFORMED);
}
END_TEST

START_TEST(a_client_has_its_own_reasons_to_leave)
{
    static const char mine[] = "00 04 80 81 82 83 90 93 94 95 96 97 98 99"; /* 3.14.2-1 */

    for (unsigned reason = 0; reason < 256; reason++) {
        uint8_t body = (uint8_t)reason;

        ck_assert_uint_eq(disconnect(guarded(&body, 1)),
                          in(body, mine) ? MQTT_OK : MQTT_PROTOCOL_ERROR);
    }
}
END_TEST

START_TEST(an_auth_names_its_method)
{
    ck_assert_uint_eq(auth(packet("18 {15 <SCRAM> 16 <data>}")), MQTT_OK);
    ck_assert_uint_eq(d.reason, MQTT_CONTINUE_AUTHENTICATION);
    ck_assert(is(mqtt_prop_text(&d.props, MQTT_PROP_AUTH_METHOD), "SCRAM"));
    ck_assert_uint_eq(auth(packet("19 {15 <SCRAM>}")), MQTT_OK);
    ck_assert_uint_eq(auth(packet("18 {16 <data>}")), MQTT_PROTOCOL_ERROR); /* 3.15.2.2.2 */
    check_prefixes(auth, &(struct prefixes){"18 {15 <a>} 00", "ppxxxx.x"});
}
END_TEST

START_TEST(an_auth_of_a_client_goes_on_or_begins_anew)
{
    ck_assert_uint_eq(auth(packet("00 {15 <SCRAM>}")), MQTT_PROTOCOL_ERROR); /* 3.15.2-1 */
    ck_assert_uint_eq(auth(packet("80 {15 <SCRAM>}")), MQTT_PROTOCOL_ERROR);
    ck_assert_uint_eq(auth(packet("1a {15 <SCRAM>}")), MQTT_PROTOCOL_ERROR);
}
END_TEST

/* --- whole packets ---------------------------------------------------------------- */

/* Up to its last byte a packet is one that has not come yet. */
START_TEST(every_prefix_of_a_packet_needs_more)
{
    struct slice whole = packet("32 0a <a/b> 0001 00 'xy'");

    for (size_t n = 0; n < whole.len; n++) {
        int size = mqtt_head_get(&h, whole.p, n);

        ck_assert_int_eq(size, n < 2 ? 0 : 2);
        ck_assert(size == 0 || h.size + h.remaining > n);
    }
    ck_assert_int_eq(mqtt_head_get(&h, whole.p, whole.len), 2);
    ck_assert_uint_eq(h.size + h.remaining, whole.len);
}
END_TEST

#define COUNT(table) ((int)ARRAY_LEN(table))

static TCase *headers(void)
{
    TCase *t = tcase_create("headers");

    tcase_add_test(t, a_header_is_read);
    tcase_add_test(t, the_longest_packet);
    tcase_add_test(t, a_header_cut_short_needs_more);
    tcase_add_test(t, a_length_has_four_bytes_at_most);
    tcase_add_test(t, each_type_has_its_flags);
    tcase_add_test(t, dup_of_subscribe_is_of_3_1);
    tcase_add_test(t, a_ping_has_no_body);
    tcase_add_test(t, the_length_takes_the_shortest_form_in_50);
    tcase_add_test(t, some_packets_are_not_for_clients_to_send);
    tcase_add_test(t, every_prefix_of_a_packet_needs_more);
    tcase_add_test(t, reasons_have_texts);
    tcase_add_test(t, few_reasons_have_a_return_code_in_311);
    return t;
}

static TCase *publishing(void)
{
    TCase *t = tcase_create("publishing");

    tcase_add_test(t, a_publish_of_qos_0);
    tcase_add_test(t, a_publish_of_qos_2);
    tcase_add_test(t, a_payload_may_be_empty);
    tcase_add_test(t, an_alias_stands_for_the_topic);
    tcase_add_test(t, flags_that_no_publish_has);
    tcase_add_loop_test(t, a_publish_against_the_rules_is_refused, 0, COUNT(publishes));
    tcase_add_test(t, a_topic_has_a_longest_name);
    tcase_add_test(t, a_publish_with_a_bad_topic_or_payload_is_read_whole);
    tcase_add_test(t, a_publish_may_end_anywhere_in_its_payload);
    tcase_add_test(t, an_acknowledgement_may_leave_out_what_says_nothing);
    tcase_add_test(t, an_acknowledgement_of_311_is_its_identifier);
    tcase_add_test(t, an_acknowledgement_is_whole_and_nothing_more);
    tcase_add_test(t, an_acknowledgement_has_its_own_reasons);
    return t;
}

static TCase *subscribing(void)
{
    TCase *t = tcase_create("subscribing");

    tcase_add_test(t, filters_come_with_their_options);
    tcase_add_test(t, filters_of_311_come_with_a_qos);
    tcase_add_test(t, filters_to_forget_come_one_after_the_other);
    tcase_add_loop_test(t, a_subscribe_against_the_rules_is_refused, 0, COUNT(subscribes));
    tcase_add_loop_test(t, a_subscribe_of_311_against_the_rules_is_refused, 0,
                        COUNT(subscribes_311));
    tcase_add_loop_test(t, an_unsubscribe_against_the_rules_is_refused, 0, COUNT(unsubscribes));
    tcase_add_test(t, a_subscribe_ends_after_options);
    return t;
}

static TCase *leaving(void)
{
    TCase *t = tcase_create("leaving");

    tcase_add_test(t, a_disconnect_may_leave_out_what_says_nothing);
    tcase_add_test(t, a_disconnect_of_311_is_empty);
    tcase_add_test(t, a_client_has_its_own_reasons_to_leave);
    tcase_add_test(t, an_auth_names_its_method);
    tcase_add_test(t, an_auth_of_a_client_goes_on_or_begins_anew);
    return t;
}

int main(void)
{
    TCase *cases[] = {headers(), publishing(), subscribing(), leaving()};
    Suite *suite = suite_create("mqtt");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tcase_add_checked_fixture(cases[i], packets_setup, packets_teardown);
        suite_add_tcase(suite, cases[i]);
    }
    return suite_run(suite);
}
