/* test_incoming.c - identifiers of QoS 2 messages from a client, until they are released
 * and that is written. */
#include "incoming.h"

#include "mem.h"
#include "run_suite.h"

static struct mqttd mqtt;
static struct client client;
static struct session session;
static struct buf items;

static void setup(void)
{
    mqtt = (struct mqttd){0};
    client = (struct client){.mqtt = &mqtt, .state = CLIENT_ENDED}; /* what it says is swallowed */
    session = (struct session){.mqtt = &mqtt, .client = &client, .stored = true};
}

static void teardown(void)
{
    incoming_free(&session);
    buf_free(&items);
    buf_free(&mqtt.props);
    buf_free(&mqtt.packet);
}

static void receive(uint16_t id)
{
    client.receiving++; /* as inbound.c does; client_released takes it back */
    session_incoming_add(&session, id, &items);
}

/* The next WRITE and its outcome; how many items it had. */
static size_t write_items(bool ok)
{
    struct reader r;
    struct wire_item i;
    size_t n = 0;

    buf_clear(&items);
    incoming_items_put(&session, &items);
    r = reader_of(items.p, items.len);
    while (wire_item_get(&r, &i)) {
        ck_assert(i.drop);
        n++;
    }
    incoming_written(&session, ok);
    return n;
}

START_TEST(test_a_received_one_is_known_and_written_with_its_event)
{
    struct reader r;
    struct wire_item i;

    receive(0x1234);
    ck_assert(session_incoming_known(&session, 0x1234));
    ck_assert(!session_incoming_known(&session, 0x1235));
    r = reader_of(items.p, items.len);
    ck_assert(wire_item_get(&r, &i));
    ck_assert(!i.drop);
    ck_assert(slice_eq(i.key, SLICE("I\x12\x34")));
    ck_assert(!incoming_changed(&session));
}
END_TEST

START_TEST(test_a_released_one_is_known_until_that_is_written)
{
    receive(1);
    session_incoming_release(&session, 1);
    ck_assert(incoming_changed(&session));
    ck_assert(session_incoming_known(&session, 1));
    ck_assert_uint_eq(write_items(true), 1);
    ck_assert(!session_incoming_known(&session, 1));
    ck_assert_uint_eq(client.receiving, 0);
}
END_TEST

START_TEST(test_released_twice_is_written_once)
{
    receive(1);
    session_incoming_release(&session, 1);
    session_incoming_release(&session, 1);
    ck_assert_uint_eq(write_items(true), 1);
    session_incoming_release(&session, 1);
    ck_assert(!incoming_changed(&session));
}
END_TEST

START_TEST(test_a_release_that_was_not_written_is_written_again)
{
    receive(1);
    session_incoming_release(&session, 1);
    ck_assert_uint_eq(write_items(false), 1);
    ck_assert(session_incoming_known(&session, 1));
    ck_assert_uint_eq(write_items(true), 1);
    ck_assert(!session_incoming_known(&session, 1));
}
END_TEST

START_TEST(test_a_session_that_lives_here_alone_writes_nothing)
{
    session.stored = false;
    receive(1);
    ck_assert_uint_eq(items.len, 0);
    session_incoming_release(&session, 1);
    ck_assert(!session_incoming_known(&session, 1));
}
END_TEST

START_TEST(test_a_refused_one_is_forgotten)
{
    receive(1);
    session_incoming_refused(&session, 1);
    ck_assert(!session_incoming_known(&session, 1));
    ck_assert(!incoming_changed(&session));
}
END_TEST

START_TEST(test_items_bring_them_back)
{
    struct reader r;
    struct wire_item i;

    for (uint16_t id = 1; id <= 20; id++)
        receive(id);
    incoming_free(&session);
    r = reader_of(items.p, items.len);
    while (wire_item_get(&r, &i))
        ck_assert(incoming_item_get(&session, &i));
    for (uint16_t id = 1; id <= 20; id++)
        ck_assert(session_incoming_known(&session, id));
}
END_TEST

START_TEST(test_items_that_make_no_sense_are_refused)
{
    static const struct slice keys[] = {{"I", 1}, {"I\1", 2}, {"I\0\0", 3}, {"I\0\1\0", 4}};

    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        struct wire_item i = {.key = keys[k]};

        ck_assert(!incoming_item_get(&session, &i));
    }
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "incoming", setup, teardown, test_a_received_one_is_known_and_written_with_its_event,
        test_a_released_one_is_known_until_that_is_written, test_released_twice_is_written_once,
        test_a_release_that_was_not_written_is_written_again,
        test_a_session_that_lives_here_alone_writes_nothing, test_a_refused_one_is_forgotten,
        test_items_bring_them_back, test_items_that_make_no_sense_are_refused);
}
