/*
 * test_identity.c - who a client is takes time to find out, changes, and ends.
 */
#include "audit.h"
#include "mqtt_subscriber.h"
#include "played_sources.h"

static const char config[] = "[sluice]\nlog_audit = off\n"
                             "[auth]\nusers = played\njwks = played\nanonymous = all\n"
                             "[role \"all\"]\npublish = #\nsubscribe = #\n";

/* What CONNECT shows. */
struct show {
    uint8_t version;      /* 0: 5.0 */
    const char *password; /* of user "ann" */
    const char *token;    /* by the method jwt */
    const char *will;     /* its topic */
    bool stored;
};

static void setup(void)
{
    memset(&played_sources, 0, sizeof played_sources);
    w.auth = config;
    world_begin();
    audit_configure(w.gateway.config);
}

static void teardown(void)
{
    world_end();
    ck_assert_ptr_null(played_sources.asks);
}

/* --- what is said -------------------------------------------------------------------------- */

static void put_props(struct buf *b, const struct show *s)
{
    struct buf props = {0};

    if (s->token != NULL) {
        mqtt_prop_put_text(&props, MQTT_PROP_AUTH_METHOD, SLICE("jwt"));
        mqtt_prop_put_text(&props, MQTT_PROP_AUTH_DATA, slice_of(s->token));
    }
    if (s->stored)
        mqtt_prop_put_number(&props, MQTT_PROP_SESSION_EXPIRY, 100);
    packet_put_props(b, &props);
    buf_free(&props);
}

static void send_connect(const struct show *s)
{
    bool five = s->version == 0 || s->version == MQTT_50;
    struct buf b = {0};

    peer_open(me);
    me->version = five ? MQTT_50 : s->version;
    packet_put_text(&b, SLICE("MQTT"));
    buf_u8(&b, me->version);
    buf_u8(&b, (uint8_t)(2 | (s->password != NULL ? 0xc0 : 0) | (s->will != NULL ? 4 : 0)));
    packet_put_u16(&b, 0);
    if (five)
        put_props(&b, s);
    packet_put_text(&b, SLICE("me"));
    if (s->will != NULL) {
        if (five)
            buf_u8(&b, 0);
        packet_put_text(&b, slice_of(s->will));
        packet_put_text(&b, SLICE("gone"));
    }
    if (s->password != NULL) {
        packet_put_text(&b, SLICE("ann"));
        packet_put_text(&b, slice_of(s->password));
    }
    peer_send(me, MQTT_CONNECT << 4, &b);
    buf_free(&b);
    world_turn();
}
#define CONNECT(...) send_connect(&(const struct show){__VA_ARGS__})

static void send_auth(const char *token)
{
    struct buf b = {0}, props = {0};

    mqtt_prop_put_text(&props, MQTT_PROP_AUTH_METHOD, SLICE("jwt"));
    mqtt_prop_put_text(&props, MQTT_PROP_AUTH_DATA, slice_of(token));
    buf_u8(&b, MQTT_REAUTHENTICATE);
    packet_put_props(&b, &props);
    peer_send(me, MQTT_AUTH << 4, &b);
    buf_free(&b);
    buf_free(&props);
    world_turn();
}

static void send_ping(void)
{
    struct buf none = {0};

    peer_send(me, MQTT_PINGREQ << 4, &none);
    world_turn();
}

static void reload(void)
{
    ck_assert(authority_reload(w.gateway.authority, w.gateway.config));
    world_turn();
}

/* --- what is heard -------------------------------------------------------------------------- */

/* The next packet is of this type; the byte at `at` of its body. */
static uint8_t heard(enum mqtt_type type, size_t at)
{
    struct slice body;
    struct mqtt_head h = next_head(&body);
    uint8_t byte;

    ck_assert_uint_eq(h.type, type);
    byte = body.len > at ? (uint8_t)body.p[at] : 0;
    next_over(body);
    return byte;
}

static void expect_connack(uint8_t reason)
{
    ck_assert_uint_eq(heard(MQTT_CONNACK, 1), reason);
    ck_assert(me->ended == (reason != 0));
}

static void expect_disconnect(uint8_t reason)
{
    ck_assert_uint_eq(heard(MQTT_DISCONNECT, 0), reason);
    expect_nothing();
    ck_assert(me->ended);
}

static void let_in(void)
{
    settle();
    expect_connack(0);
    expect_nothing();
}

/* --- CONNECT -------------------------------------------------------------------------------- */

START_TEST(nothing_is_read_while_it_is_found_out_who_it_is)
{
    CONNECT(.password = "later");
    send_ping();
    expect_nothing();
    ck_assert_ptr_null(played.publishes);
    ck_assert(played_sources_answer(AUTH_KNOWN));
    world_turn();
    expect_nothing(); /* the broker is asked for its session */
    settle();
    expect_connack(0);
    heard(MQTT_PINGRESP, 0);
    expect_nothing();
}
END_TEST

START_TEST(each_answer_that_is_nobody_is_a_reason)
{
    static const struct {
        enum auth_outcome outcome;
        uint8_t five, before;
    } all[] = {{AUTH_WRONG, 0x86, 4}, {AUTH_EXPIRED, 0x86, 4}, {AUTH_NOT_YET, 0x86, 4},
               {AUTH_BUSY, 0x97, 3},  {AUTH_MISSING, 0x87, 5}, {AUTH_UNAVAILABLE, 0x88, 3}};

    for (size_t i = 0; i < 2 * ARRAY_LEN(all); i++) {
        CONNECT(.password = "later", .version = i % 2 ? MQTT_311 : MQTT_50);
        ck_assert(played_sources_answer(all[i / 2].outcome));
        expect_connack(i % 2 ? all[i / 2].before : all[i / 2].five);
        ck_assert_ptr_null(played.publishes);
        peer_free(me);
    }
}
END_TEST

START_TEST(who_leaves_meanwhile_is_asked_about_no_more)
{
    CONNECT(.password = "later", .will = "a");
    peer_leave(me);
    ck_assert_ptr_null(played_sources.asks);
    ck_assert_ptr_null(played.publishes);
}
END_TEST

START_TEST(who_closes_its_half_meanwhile_has_left)
{
    CONNECT(.password = "later");
    me->conn.eof_seen = true;
    clients_conn_ops.eof(&me->conn);
    ck_assert(me->ended);
    ck_assert_ptr_null(played_sources.asks);
}
END_TEST

START_TEST(it_takes_no_longer_than_a_connect_may)
{
    CONNECT(.password = "later");
    world_pass_time(9000);
    ck_assert(!me->ended);
    world_pass_time(2000);
    expect_connack(0x88);
    ck_assert_ptr_null(played_sources.asks);
}
END_TEST

START_TEST(it_ends_with_the_process)
{
    CONNECT(.password = "later");
    clients_conn_ops.drain(&me->conn);
    expect_connack(0x88);
    ck_assert_ptr_null(played_sources.asks);
}
END_TEST

START_TEST(a_packet_that_is_too_large_meanwhile_is_said_in_connack)
{
    CONNECT(.password = "later");
    peer_receive(me, SLICE("\x30\xff\xff\xff\x7f"));
    world_turn();
    /* It is behind nothing that waits, so its head is seen. */
    expect_connack(0x95);
}
END_TEST

START_TEST(packets_that_wait_have_a_limit_in_all)
{
    struct mqttd *m = w.gateway.protocol;

    m->transports.held_max = 50;
    CONNECT(.password = "later");
    ck_assert_uint_gt(m->asking, 0);
    m->asking += 50;
    peer_open(&w.peers[1]);
    peer_receive(&w.peers[1], SLICE("\x10\x19\0\4MQTT\4\xc2\0\0\0\1x\0\3bob\0\5later"));
    ck_assert(w.peers[1].ended);
    ck_assert(slice_eq(buf_slice(&w.peers[1].written), SLICE("\x20\2\0\3")));
    m->asking -= 50;
    ck_assert(played_sources_answer(AUTH_KNOWN));
    ck_assert_uint_eq(m->asking, 0);
    m->transports.held_max = 1 << 20;
}
END_TEST

START_TEST(who_is_revoked_while_its_session_is_asked_for_is_not_let_in)
{
    CONNECT(.password = "x", .will = "a");
    played_sources.revoked['a'] = true;
    reload();
    expect_nothing();
    settle();
    expect_connack(0x87);
    settle();
    ck_assert(!w.will);
}
END_TEST

START_TEST(who_is_revoked_and_leaves_while_its_session_is_asked_for_sends_no_will)
{
    CONNECT(.password = "x", .will = "a");
    played_sources.revoked['a'] = true;
    reload();
    peer_leave(me);
    w.will = true;
    settle();
    ck_assert(!w.will);
}
END_TEST

START_TEST(who_leaves_while_its_session_is_asked_for_sends_its_will)
{
    CONNECT(.password = "x", .will = "a");
    peer_leave(me);
    settle();
    ck_assert(w.will);
}
END_TEST

/* --- AUTH ----------------------------------------------------------------------------------- */

START_TEST(what_a_client_does_goes_on_while_it_renews)
{
    CONNECT(.token = ".a");
    let_in();
    send_auth(".al1");
    send_ping();
    heard(MQTT_PINGRESP, 0);
    expect_nothing();
    send_auth(".al2"); /* waits for the first, and what is behind it with it */
    send_ping();
    expect_nothing();
    played_sources_keys();
    world_turn();
    ck_assert_uint_eq(heard(MQTT_AUTH, 0), 0);
    heard(MQTT_PINGRESP, 0);
    expect_nothing();
    played_sources_keys();
    world_turn();
    ck_assert_uint_eq(heard(MQTT_AUTH, 0), 0);
    expect_nothing();
}
END_TEST

START_TEST(a_renewal_that_fails_later_ends_it)
{
    CONNECT(.token = ".a");
    let_in();
    send_auth(".aln");
    played_sources_keys();
    world_turn();
    expect_disconnect(0x87);
}
END_TEST

START_TEST(who_leaves_while_it_renews_is_asked_about_no_more)
{
    CONNECT(.token = ".a");
    let_in();
    send_auth(".al1");
    peer_leave(me);
    played_sources_keys();
    settle();
}
END_TEST

START_TEST(who_is_revoked_while_it_renews_is_ended)
{
    CONNECT(.token = ".a");
    let_in();
    send_auth(".al1");
    played_sources.revoked['a'] = true;
    reload();
    expect_disconnect(0x87);
}
END_TEST

/* --- the end of it ---------------------------------------------------------------------------- */

START_TEST(who_is_revoked_is_told_in_the_same_turn)
{
    CONNECT(.password = "x", .will = "b");
    let_in();
    played_sources.revoked['a'] = true;
    reload();
    expect_disconnect(0x87);
    w.will = true;
    settle();
    ck_assert(!w.will);
}
END_TEST

START_TEST(what_stands_is_not_disturbed)
{
    CONNECT(.password = "x");
    let_in();
    subscribe("a/b", 0);
    played_sources.revoked['b'] = true;
    played_sources.shrunk['a'] = true;
    reload();
    expect_nothing();
    publish("a/b", "still");
    expect_publish(0, false, "still");
}
END_TEST

START_TEST(a_filter_that_is_no_longer_covered_ends_it)
{
    CONNECT(.password = "x");
    let_in();
    subscribe("b", 0);
    played_sources.shrunk['a'] = true;
    reload();
    expect_disconnect(0x87);
}
END_TEST

START_TEST(a_will_that_is_no_longer_covered_is_withdrawn_once)
{
    w.withdrawn = 0;
    CONNECT(.password = "x", .will = "b");
    let_in();
    played_sources.shrunk['a'] = true;
    reload();
    settle();
    ck_assert_uint_eq(w.withdrawn, 1);
    played_sources.shrunk['a'] = false;
    reload();
    played_sources.shrunk['a'] = true;
    reload();
    settle();
    ck_assert_uint_eq(w.withdrawn, 1);
    w.will = true;
    leave();
    ck_assert(!w.will);
}
END_TEST

START_TEST(a_will_that_is_covered_stays)
{
    w.withdrawn = 0;
    CONNECT(.password = "x", .will = "a/b");
    let_in();
    played_sources.shrunk['a'] = true;
    reload();
    settle();
    ck_assert_uint_eq(w.withdrawn, 0);
    leave();
    ck_assert(w.will);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "identity", setup, teardown, nothing_is_read_while_it_is_found_out_who_it_is,
        each_answer_that_is_nobody_is_a_reason, who_leaves_meanwhile_is_asked_about_no_more,
        who_closes_its_half_meanwhile_has_left, it_takes_no_longer_than_a_connect_may,
        it_ends_with_the_process, a_packet_that_is_too_large_meanwhile_is_said_in_connack,
        packets_that_wait_have_a_limit_in_all,
        who_is_revoked_while_its_session_is_asked_for_is_not_let_in,
        who_is_revoked_and_leaves_while_its_session_is_asked_for_sends_no_will,
        who_leaves_while_its_session_is_asked_for_sends_its_will,
        what_a_client_does_goes_on_while_it_renews, a_renewal_that_fails_later_ends_it,
        who_leaves_while_it_renews_is_asked_about_no_more, who_is_revoked_while_it_renews_is_ended,
        who_is_revoked_is_told_in_the_same_turn, what_stands_is_not_disturbed,
        a_filter_that_is_no_longer_covered_ends_it,
        a_will_that_is_no_longer_covered_is_withdrawn_once, a_will_that_is_covered_stays);
}
