/*
 * test_inbound.c - what a client publishes: order of acknowledgements, and QoS 2 from PUBLISH
 * to PUBCOMP, written and not.
 *
 * The link, the transport and what the session writes besides are played here.
 */
#include "inbound.h"

#include <utlist.h>

#include "mem.h"
#include "mqtt_bytes.h"
#include "run_suite.h"

static struct gateway gateway;
static struct mqttd mqtt;
static struct client client;
static struct session session;
static struct link_publish *units; /* what the broker has yet to answer */
static bool link_is_full;
static uint64_t next_id;

/* --- what stands behind it in the gateway -------------------------------------------- */

void link_publish(struct link *l, struct link_publish *p)
{
    (void)l;
    DL_APPEND(units, p);
}

bool link_publish_full(const struct link *l)
{
    (void)l;
    return link_is_full;
}

static void setup(void)
{
    mqtt = (struct mqttd){.gateway = &gateway};
    mqtt.settings = (struct mqttd_settings){
        .max_payload = 100, .receive_maximum = 3, .max_qos = 2, .retain_available = true};
    client = (struct client){.mqtt = &mqtt, .state = CLIENT_UP, .version = MQTT_311};
    caller_begin(&client.caller, principal_everybody());
    client.id = (char *)(uintptr_t) "me";
    client.max_packet = UINT32_MAX;
    client.session = &session;
    session = (struct session){.mqtt = &mqtt, .client = &client, .id = "me", .stored = true};
    session.epoch = 7;
    link_is_full = false;
    next_id = 100;
}

static void answer(enum sluice_error error)
{
    struct link_publish *p = units;
    struct buf ids = {0};
    struct wire_ack a = {.error = (uint16_t)error, .count = 1};

    ck_assert_ptr_nonnull(p);
    DL_DELETE(units, p);
    buf_u64(&ids, next_id++);
    a.ids = a.data = buf_slice(&ids);
    p->cb(p, &a);
    buf_free(&ids);
}

static void teardown(void)
{
    inbound_leave(&client);
    caller_end(&client.caller);
    while (units != NULL)
        answer(ERR_UNAVAILABLE);
    inbound_free(&session);
    buf_free(&client.out);
    buf_free(&mqtt.props);
    buf_free(&mqtt.users);
    buf_free(&mqtt.packet);
}

/* --- the client ------------------------------------------------------------------------ */

static enum mqtt_reason publish(uint8_t qos, uint16_t id, const char *topic)
{
    struct buf body = {0};
    enum mqtt_reason reason;

    mqtt_data_put(&body, slice_of(topic));
    if (qos > 0) {
        buf_u8(&body, (uint8_t)(id >> 8));
        buf_u8(&body, (uint8_t)id);
    }
    if (client.version == MQTT_50)
        buf_u8(&body, 0);
    buf_puts(&body, "payload");
    reason = inbound_publish(&client, (uint8_t)(qos << 1), buf_slice(&body));
    buf_free(&body);
    return reason;
}

static void pubrel(uint16_t id)
{
    const char body[] = {(char)(id >> 8), (char)id};

    ck_assert_uint_eq(inbound_pubrel(&client, (struct slice){body, sizeof body}), MQTT_OK);
}

/* All that was said since the last time. */
static void assert_said(const char *bytes, size_t len)
{
    ck_assert_uint_eq(client.out.len, len);
    if (len > 0)
        ck_assert_mem_eq(client.out.p, bytes, len);
    buf_clear(&client.out);
}

#define ASSERT_SAID(literal) assert_said((literal), sizeof(literal) - 1)

/* --- what is written ---------------------------------------------------------------------- */

/* The session's next WRITE and its outcome; how many items it drops. */
static size_t write_items(bool ok)
{
    struct buf items = {0};
    struct wire_item i;
    struct reader r;
    size_t n = 0;

    inbound_items_put(&session, &items);
    r = reader_of(items.p, items.len);
    while (wire_item_get(&r, &i)) {
        ck_assert(i.drop);
        n++;
    }
    buf_free(&items);
    inbound_written(&session, ok);
    return n;
}

static void receive(uint16_t id)
{
    ck_assert_uint_eq(publish(2, id, "a"), MQTT_OK);
    answer(ERR_NONE);
    buf_clear(&client.out);
}

/* --- QoS 0 and 1 ------------------------------------------------------------------------- */

START_TEST(test_qos0_is_said_nothing_of)
{
    ck_assert_uint_eq(publish(0, 0, "a"), MQTT_OK);
    answer(ERR_NONE);
    ASSERT_SAID("");
}
END_TEST

START_TEST(test_acknowledgements_go_in_the_order_of_publishes)
{
    struct link_publish *first;

    ck_assert_uint_eq(publish(1, 1, "a"), MQTT_OK);
    ck_assert_uint_eq(publish(1, 2, "a"), MQTT_OK);
    first = units;
    DL_DELETE(units, first);
    answer(ERR_NONE);
    ASSERT_SAID("");
    DL_APPEND(units, first);
    answer(ERR_NONE);
    ASSERT_SAID("\x40\x02\0\1\x40\x02\0\2");
}
END_TEST

START_TEST(test_311_what_will_never_be_taken_is_acknowledged)
{
    ck_assert_uint_eq(publish(1, 1, "$SYS/x"), MQTT_OK);
    ck_assert_ptr_null(units);
    ASSERT_SAID("\x40\x02\0\1");
    ck_assert(!client.ending);
}
END_TEST

START_TEST(test_50_a_refusal_is_in_the_acknowledgement)
{
    client.version = MQTT_50;
    ck_assert_uint_eq(publish(1, 1, "$SYS/x"), MQTT_OK);
    ASSERT_SAID("\x40\x03\0\1\x90");
}
END_TEST

START_TEST(test_311_what_fails_for_now_ends_the_client)
{
    ck_assert_uint_eq(publish(1, 1, "a"), MQTT_OK);
    answer(ERR_STORE_FULL);
    ck_assert(client.ending);
    ASSERT_SAID("");
}
END_TEST

START_TEST(test_50_more_than_the_receive_maximum_is_a_violation)
{
    client.version = MQTT_50;
    for (uint16_t id = 1; id <= 3; id++)
        ck_assert_uint_eq(publish(1, id, "a"), MQTT_OK);
    ck_assert_uint_eq(publish(1, 4, "a"), MQTT_RECEIVE_MAXIMUM);
}
END_TEST

START_TEST(test_311_is_not_read_on_at_the_receive_maximum)
{
    for (uint16_t id = 1; id <= 3; id++) {
        ck_assert(!inbound_full(&client));
        ck_assert_uint_eq(publish(1, id, "a"), MQTT_OK);
    }
    ck_assert(inbound_full(&client));
    answer(ERR_NONE);
    ck_assert(!inbound_full(&client));
}
END_TEST

START_TEST(test_nobody_is_read_on_when_the_link_is_full)
{
    link_is_full = true;
    ck_assert(inbound_full(&client));
}
END_TEST

START_TEST(test_what_was_published_goes_on_without_its_client)
{
    ck_assert_uint_eq(publish(1, 1, "a"), MQTT_OK);
    inbound_leave(&client);
    caller_end(&client.caller);
    answer(ERR_NONE);
    ASSERT_SAID("");
}
END_TEST

/* --- QoS 2 --------------------------------------------------------------------------------- */

START_TEST(test_the_identifier_is_written_with_its_event)
{
    struct wire_write w;
    struct wire_item i;
    struct reader r;

    ck_assert_uint_eq(publish(2, 0x1234, "a"), MQTT_OK);
    ck_assert_uint_eq(units->kind, LINK_SESSION);
    ck_assert_uint_eq(units->op, WIRE_WRITE);
    ck_assert(wire_write_get(buf_slice(&units->records), &w));
    ck_assert_uint_eq(w.epoch, 7);
    ck_assert_uint_gt(w.record.len, 0);
    r = reader_of(w.items.p, w.items.len);
    ck_assert(wire_item_get(&r, &i));
    ck_assert(!i.drop);
    ck_assert(slice_eq(i.key, SLICE("I\x12\x34")));
    answer(ERR_NONE);
    ASSERT_SAID("\x50\x02\x12\x34");
    ck_assert(!inbound_changed(&session));
}
END_TEST

START_TEST(test_a_repeat_is_answered_and_not_published)
{
    receive(1);
    ck_assert_uint_eq(publish(2, 1, "a"), MQTT_OK);
    ck_assert_ptr_null(units);
    ASSERT_SAID("\x50\x02\0\1");
}
END_TEST

START_TEST(test_a_repeat_on_the_heels_of_the_first_is_answered_with_it)
{
    ck_assert_uint_eq(publish(2, 1, "a"), MQTT_OK);
    ck_assert_uint_eq(publish(2, 1, "a"), MQTT_OK);
    answer(ERR_NONE);
    ck_assert_ptr_null(units);
    ASSERT_SAID("\x50\x02\0\1");
}
END_TEST

START_TEST(test_pubcomp_comes_when_the_release_is_written)
{
    receive(1);
    pubrel(1);
    ASSERT_SAID("");
    ck_assert(session.urgent);
    ck_assert(inbound_changed(&session));
    ck_assert_uint_eq(client.receiving, 1);
    ck_assert_uint_eq(write_items(true), 1);
    ASSERT_SAID("\x70\x02\0\1");
    ck_assert_uint_eq(client.receiving, 0);
}
END_TEST

START_TEST(test_until_then_a_repeat_is_none_of_a_new_one)
{
    receive(1);
    pubrel(1);
    ck_assert_uint_eq(publish(2, 1, "a"), MQTT_OK);
    ck_assert_ptr_null(units);
}
END_TEST

START_TEST(test_released_twice_is_written_once)
{
    receive(1);
    pubrel(1);
    pubrel(1);
    ck_assert_uint_eq(write_items(true), 1);
    ASSERT_SAID("\x70\x02\0\1");
    ck_assert(!inbound_changed(&session));
}
END_TEST

START_TEST(test_a_release_that_was_not_written_is_written_again)
{
    receive(1);
    pubrel(1);
    ck_assert_uint_eq(write_items(false), 1);
    ASSERT_SAID("");
    ck_assert_uint_eq(write_items(true), 1);
    ASSERT_SAID("\x70\x02\0\1");
}
END_TEST

START_TEST(test_pubcomps_keep_the_order_of_publishes)
{
    for (uint16_t id = 1; id <= 3; id++)
        receive(id);
    pubrel(3);
    pubrel(1);
    ck_assert_uint_eq(write_items(true), 2);
    ASSERT_SAID("\x70\x02\0\1\x70\x02\0\3");
}
END_TEST

START_TEST(test_a_session_that_lives_here_alone_writes_nothing)
{
    session.stored = false;
    ck_assert_uint_eq(publish(2, 1, "a"), MQTT_OK);
    ck_assert_uint_eq(units->kind, LINK_EVENTS);
    answer(ERR_NONE);
    ASSERT_SAID("\x50\x02\0\1");
    pubrel(1);
    ASSERT_SAID("\x70\x02\0\1");
    ck_assert(!session.urgent);
}
END_TEST

START_TEST(test_an_identifier_whose_write_was_refused_is_forgotten)
{
    client.version = MQTT_50;
    ck_assert_uint_eq(publish(2, 1, "a"), MQTT_OK);
    answer(ERR_STORE_FULL);
    ASSERT_SAID("\x50\x03\0\1\x97");
    ck_assert_uint_eq(client.receiving, 0);
    ck_assert_uint_eq(publish(2, 1, "a"), MQTT_OK);
    ck_assert_ptr_nonnull(units);
}
END_TEST

START_TEST(test_a_fence_ends_the_client)
{
    ck_assert_uint_eq(publish(2, 1, "a"), MQTT_OK);
    answer(ERR_FENCED);
    ck_assert(client.ending);
    ck_assert_uint_eq(client.reason, MQTT_TAKEN_OVER);
}
END_TEST

START_TEST(test_50_a_release_of_nothing_is_told_so)
{
    client.version = MQTT_50;
    pubrel(9);
    ASSERT_SAID("\x70\x03\0\x09\x92");
}
END_TEST

/* --- items ------------------------------------------------------------------------------- */

START_TEST(test_items_bring_identifiers_back)
{
    for (uint8_t id = 1; id <= 20; id++) {
        const char key[] = {'I', 0, (char)id};
        struct wire_item i = {.key = {key, sizeof key}};

        ck_assert(inbound_item_get(&session, &i));
        ck_assert(!inbound_item_get(&session, &i)); /* twice */
    }
    for (uint16_t id = 1; id <= 20; id++)
        ck_assert_uint_eq(publish(2, id, "a"), MQTT_OK);
    ck_assert_ptr_null(units);
}
END_TEST

START_TEST(test_items_that_make_no_sense_are_refused)
{
    static const struct slice keys[] = {{"I", 1}, {"I\1", 2}, {"I\0\0", 3}, {"I\0\1\0", 4}};

    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        struct wire_item i = {.key = keys[k]};

        ck_assert(!inbound_item_get(&session, &i));
    }
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "inbound", setup, teardown, test_qos0_is_said_nothing_of,
        test_acknowledgements_go_in_the_order_of_publishes,
        test_311_what_will_never_be_taken_is_acknowledged,
        test_50_a_refusal_is_in_the_acknowledgement, test_311_what_fails_for_now_ends_the_client,
        test_50_more_than_the_receive_maximum_is_a_violation,
        test_311_is_not_read_on_at_the_receive_maximum,
        test_nobody_is_read_on_when_the_link_is_full,
        test_what_was_published_goes_on_without_its_client,
        test_the_identifier_is_written_with_its_event, test_a_repeat_is_answered_and_not_published,
        test_a_repeat_on_the_heels_of_the_first_is_answered_with_it,
        test_pubcomp_comes_when_the_release_is_written,
        test_until_then_a_repeat_is_none_of_a_new_one, test_released_twice_is_written_once,
        test_a_release_that_was_not_written_is_written_again,
        test_pubcomps_keep_the_order_of_publishes,
        test_a_session_that_lives_here_alone_writes_nothing,
        test_an_identifier_whose_write_was_refused_is_forgotten, test_a_fence_ends_the_client,
        test_50_a_release_of_nothing_is_told_so, test_items_bring_identifiers_back,
        test_items_that_make_no_sense_are_refused);
}
