/*
 * fuzz_mqtt_session.c - MQTT clients from CONNECT to their end, with the real gateway
 * and hub, but no socket and no broker: both are played here.  Whatever comes, what goes
 * out are whole and right packets: CONNACK first and once, nothing behind DISCONNECT,
 * no packet larger than its client takes, no packet identifier in use twice, no more
 * in flight than the client allows, no event that it may not see.
 *
 * Input: steps, each a byte that says what and for which client, a byte more, and what
 * it needs: bytes of the client, packets of its, the broker's answers, events, a full
 * socket, time, who the client is and whether that still stands.
 */
#include "audit.h"
#include "mqtt_world.h"
#include "played_sources.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define TOPICS 3
static const char *const topics[] = {
    "a",         "a/b", "c",          "$SYS/x", "a/+", "#", "$share/g/a/#", "$after/5/a/b",
    "$last/2/#", "a/#", "$after/0/c", "+/b"};
static const char *const names[] = {"x", "y", ""};
static const char *const tokens[] = {".a", ".al", ".aln", ".b", ".bn", ".al2", ".bl"};
static const char config[] = "[sluice]\nlog_audit = off\n"
                             "[auth]\nusers = played\njwks = played\nanonymous = all\n"
                             "[role \"all\"]\npublish = #\nsubscribe = #, $SYS/#\n";

/* --- what went out ------------------------------------------------------------------- */

static void owe(struct peer *p, uint8_t type, uint16_t id)
{
    buf_u8(&p->owed, type);
    buf_u16(&p->owed, id);
}

static bool is_in_use(const struct peer *p, uint16_t id)
{
    return (p->in_use[id / 8] >> id % 8 & 1) != 0;
}

static void put_in_flight(struct peer *p, uint16_t id, uint8_t qos)
{
    assert(id != 0 && !is_in_use(p, id));
    p->in_use[id / 8] |= (uint8_t)(1 << id % 8);
    p->flying++;
    assert(p->flying <= p->receive_maximum);
    owe(p, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, id);
}

/* What was resumed, too.  Of a client that has ended nothing is known any more; that takes
 * the rest of a turn in which its grants became fewer. */
static void check_may_see(const struct peer *p, struct slice topic)
{
    const struct client *c = p->conn.data;

    if (p->ended || topic.len == 0 || slice_starts(topic, SLICE("$SYS/")))
        return; /* an alias, or our own words */
    assert(caller_may(&c->caller, AUTH_SUBSCRIBE, topic));
}

/* Only where the identifier lies: the encoders have tests of their own. */
static void check_publish(struct peer *p, const struct mqtt_head *h, struct slice body)
{
    const uint8_t *bytes = (const uint8_t *)body.p;
    uint8_t qos = h->flags >> 1 & 3;
    size_t topic;

    assert(qos < 3 && body.len >= 2);
    topic = (size_t)bytes[0] << 8 | bytes[1];
    assert(body.len >= 2 + topic + (qos > 0 ? 2 : 0));
    check_may_see(p, (struct slice){body.p + 2, topic});
    if (qos > 0)
        put_in_flight(p, (uint16_t)(bytes[2 + topic] << 8 | bytes[3 + topic]), qos);
}

static void check_connack(struct peer *p, struct slice body)
{
    assert(!p->greeted && body.len >= 2);
    p->greeted = true;
    p->refused = body.p[1] != 0;
    assert(p->version == MQTT_311 ? body.len == 2 : body.len >= 3);
}

static void check_packet(struct peer *p, const struct mqtt_head *h, struct slice body)
{
    assert(!p->over && !p->refused);
    assert(p->greeted == (h->type != MQTT_CONNACK));
    switch (h->type) {
    case MQTT_CONNACK:
        check_connack(p, body);
        break;
    case MQTT_PUBLISH:
        check_publish(p, h, body);
        break;
    case MQTT_PUBREL:
        assert(h->flags == 2 && body.len >= 2);
        owe(p, MQTT_PUBCOMP, (uint16_t)((uint8_t)body.p[0] << 8 | (uint8_t)body.p[1]));
        break;
    case MQTT_DISCONNECT:
        assert(p->version == MQTT_50);
        p->over = true;
        break;
    case MQTT_AUTH:
        assert(p->version == MQTT_50 && h->flags == 0);
        break;
    default:
        assert(h->type == MQTT_PUBACK || h->type == MQTT_PUBREC || h->type == MQTT_PUBCOMP ||
               h->type == MQTT_SUBACK || h->type == MQTT_UNSUBACK || h->type == MQTT_PINGRESP);
        assert(h->flags == 0);
    }
}

static void check_written(struct peer *p)
{
    size_t at = 0;

    while (at < p->written.len) {
        struct mqtt_head h;
        int n = mqtt_head_get(&h, p->written.p + at, p->written.len - at);

        assert(n > 0 && p->written.len - at >= (size_t)n + h.remaining);
        assert((size_t)n + h.remaining <= p->max_packet);
        check_packet(p, &h, (struct slice){(char *)p->written.p + at + n, h.remaining});
        at += (size_t)n + h.remaining;
    }
    buf_clear(&p->written);
}

/* --- the client ------------------------------------------------------------------- */

static void connect_props(struct peer *p, struct buf *b, uint8_t how)
{
    struct buf props = {0};

    if ((how & 8) != 0)
        mqtt_prop_put_number(&props, MQTT_PROP_SESSION_EXPIRY, 100);
    if ((how & 16) != 0)
        mqtt_prop_put_number(&props, MQTT_PROP_RECEIVE_MAXIMUM, p->receive_maximum = 2);
    if ((how & 32) != 0)
        mqtt_prop_put_number(&props, MQTT_PROP_MAXIMUM_PACKET_SIZE, p->max_packet = 60);
    if ((how & 64) != 0)
        mqtt_prop_put_number(&props, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, 4);
    if (how % 17 == 3) {
        mqtt_prop_put_text(&props, MQTT_PROP_AUTH_METHOD, SLICE("jwt"));
        mqtt_prop_put_text(&props, MQTT_PROP_AUTH_DATA,
                           slice_of(tokens[how / 17 % ARRAY_LEN(tokens)]));
    }
    if (how % 3 != 0)
        mqtt_prop_put_user(&props, SLICE("sluice-properties"), SLICE("on"));
    packet_put_props(b, &props);
    buf_free(&props);
}

static void send_connect(struct peer *p, uint8_t how)
{
    struct slice name = slice_of(names[how % 3]);
    bool v5 = (how & 4) != 0, clean = (how & 128) != 0 || name.len == 0, will = how % 5 == 0;
    bool user = how % 13 == 6;
    struct buf b = {0};

    if (p->greeted || p->version != 0)
        return; /* raw bytes try a second one */
    p->version = v5 ? MQTT_50 : MQTT_311;
    p->receive_maximum = UINT16_MAX;
    p->max_packet = UINT32_MAX;
    if (!v5 && how % 11 == 0 && name.len > 0) { /* 3.1, whose packets are those of 3.1.1 */
        packet_put_text(&b, SLICE("MQIsdp"));
        buf_u8(&b, MQTT_31);
    } else {
        packet_put_text(&b, SLICE("MQTT"));
        buf_u8(&b, p->version | (!v5 && how % 2 == 0 ? 0x80 : 0)); /* a bridge */
    }
    buf_u8(&b, (uint8_t)((clean ? 2 : 0) | (will ? 4 | 8 : 0) | (user ? 0xc0 : 0)));
    packet_put_u16(&b, how % 7 == 0 ? 1 : 0);
    if (v5)
        connect_props(p, &b, how);
    packet_put_text(&b, name);
    if (will && v5)
        buf_u8(&b, 0);
    if (will) {
        packet_put_text(&b, SLICE("c"));
        packet_put_text(&b, SLICE("will"));
    }
    if (user) {
        packet_put_text(&b, how % 2 ? SLICE("a") : SLICE("b"));
        packet_put_text(&b, how % 4 < 3 ? SLICE("later") : SLICE("right"));
    }
    peer_send(p, MQTT_CONNECT << 4, &b);
    buf_free(&b);
}

static void send_subscribe(struct peer *p, uint8_t how)
{
    struct buf b = {0}, props = {0};

    packet_put_u16(&b, (uint16_t)(how + 1));
    if (p->version == MQTT_50 && how % 4 == 1)
        mqtt_prop_put_number(&props, MQTT_PROP_SUBSCRIPTION_ID, how);
    if (p->version == MQTT_50)
        packet_put_props(&b, &props);
    for (unsigned i = 0; i < 1u + how % 2; i++) {
        packet_put_text(&b, slice_of(topics[(how + i) % ARRAY_LEN(topics)]));
        buf_u8(&b, (uint8_t)(how / 16 % 3));
    }
    peer_send(p, MQTT_SUBSCRIBE << 4 | 2, &b);
    buf_free(&b);
    buf_free(&props);
}

static void send_unsubscribe(struct peer *p, uint8_t how)
{
    struct buf b = {0};

    packet_put_u16(&b, (uint16_t)(how + 1));
    if (p->version == MQTT_50)
        buf_u8(&b, 0);
    packet_put_text(&b, slice_of(topics[how % ARRAY_LEN(topics)]));
    peer_send(p, MQTT_UNSUBSCRIBE << 4 | 2, &b);
    buf_free(&b);
}

static void send_publish(struct peer *p, uint8_t how)
{
    uint8_t qos = how % 3;
    struct buf b = {0};

    packet_put_text(&b, slice_of(topics[how / 3 % 4]));
    if (qos > 0)
        packet_put_u16(&b, (uint16_t)(how / 16 + 1));
    if (p->version == MQTT_50)
        buf_u8(&b, 0);
    if ((how & 64) == 0)
        buf_puts(&b, "payload");
    peer_send(p, (uint8_t)(MQTT_PUBLISH << 4 | qos << 1 | (how & 32 ? 1 : 0)), &b);
    buf_free(&b);
}

/* What the client owes, as a good one does. */
static void pay(struct peer *p)
{
    struct reader r = reader_of(p->owed.p, p->owed.len);
    uint8_t type = reader_u8(&r);
    uint16_t id = reader_u16(&r);

    if (r.bad)
        return;
    buf_consume(&p->owed, 3);
    if (type != MQTT_PUBREC && is_in_use(p, id)) {
        p->in_use[id / 8] &= (uint8_t) ~(1 << id % 8);
        p->flying--;
    }
    peer_send_ack(p, type, id);
}

static void send_auth(struct peer *p, uint8_t how)
{
    struct buf b = {0}, props = {0};

    mqtt_prop_put_text(&props, MQTT_PROP_AUTH_METHOD, SLICE("jwt"));
    mqtt_prop_put_text(&props, MQTT_PROP_AUTH_DATA, slice_of(tokens[how % ARRAY_LEN(tokens)]));
    buf_u8(&b, MQTT_REAUTHENTICATE);
    packet_put_props(&b, &props);
    peer_send(p, MQTT_AUTH << 4, &b);
    buf_free(&b);
    buf_free(&props);
}

static void send_short(struct peer *p, uint8_t how)
{
    static const uint8_t firsts[] = {MQTT_PINGREQ << 4, MQTT_DISCONNECT << 4};
    struct buf none = {0};

    peer_send(p, firsts[how % 8 == 0], &none);
}

/* --- steps ------------------------------------------------------------------------ */

static void turn(void)
{
    world_turn();
    for (size_t i = 0; i < PEERS; i++)
        check_written(&w.peers[i]);
}

static void events(uint8_t which)
{
    for (unsigned i = 0; i < 1u + which / 32; i++) {
        struct event e = {.topic = slice_of(topics[(which + i) % TOPICS]),
                          .payload = which % 2 ? SLICE("text") : SLICE("\xff\x00")};

        e.flags = (uint16_t)((which % 3) << EVENT_QOS_SHIFT);
        world_live(&e);
    }
}

static void step_client(struct peer *p, uint8_t op, uint8_t arg, struct reader *r)
{
    size_t n = arg < r->left ? arg : r->left;

    peer_open(p);
    switch (op) {
    case 0:
        peer_receive(p, reader_bytes(r, n));
        break;
    case 1:
        send_connect(p, arg);
        break;
    case 2:
        send_subscribe(p, arg);
        break;
    case 3:
        send_publish(p, arg);
        break;
    case 4:
        pay(p);
        break;
    case 5:
        peer_send_ack(p, MQTT_PUBREL, (uint16_t)(arg / 16 + 1));
        break;
    case 6:
        send_unsubscribe(p, arg);
        break;
    default:
        if (arg >= 200)
            send_auth(p, arg);
        else
            send_short(p, arg);
    }
}

/* Whose word is taken is read anew, with somebody revoked or shrunk, or as it was. */
static void reload(uint8_t which)
{
    unsigned char letter = which % 2 ? 'a' : 'b';
    bool ok;

    played_sources.revoked[letter] = which % 8 == 2;
    played_sources.shrunk[letter] = which % 4 == 1;
    ok = authority_reload(w.gateway.authority, w.gateway.config);
    assert(ok);
    (void)ok;
}

static void identity(uint8_t which)
{
    static const enum auth_outcome outcomes[] = {AUTH_KNOWN, AUTH_WRONG, AUTH_KNOWN,
                                                 AUTH_BUSY,  AUTH_KNOWN, AUTH_UNAVAILABLE};

    if (which % 4 == 0)
        played_sources_keys();
    else if (which % 4 == 1)
        reload(which / 4);
    else
        (void)played_sources_answer(outcomes[which / 4 % ARRAY_LEN(outcomes)]);
}

static void step_world(struct peer *p, uint8_t op, uint8_t arg)
{
    switch (op) {
    case 8:
        world_answer(ERR_NONE);
        break;
    case 9:
        world_answer((enum sluice_error)(arg % 31));
        break;
    case 10:
        events(arg);
        break;
    case 11:
        played_filters_live(w.gateway.hub, w.head);
        break;
    case 12:
        world_answer_read(arg);
        break;
    case 13:
        p->full = arg % 2 == 0;
        if (!p->full)
            peer_writable(p);
        break;
    case 14:
        world_pass_time((uint64_t)arg * 20);
        break;
    default:
        if (arg % 4 == 0)
            played.full = !played.full;
        else if (arg % 4 == 1)
            peer_leave(p);
        else if (arg % 4 == 2 && p->ended)
            peer_free(p);
        else if (arg == 255 && p->open && !p->ended)
            clients_conn_ops.drain(&p->conn);
        else if (arg % 4 == 3)
            identity(arg / 4);
    }
}

static void step(struct reader *r)
{
    uint8_t op = reader_u8(r), arg = reader_u8(r);
    struct peer *p = &w.peers[(op >> 4) % PEERS];

    if (op % 16 < 8)
        step_client(p, op % 16, arg, r);
    else
        step_world(p, op % 16, arg);
}

/* --- one input -------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct reader r = reader_of(p, len);

    w.auth = config;
    memset(&played_sources, 0, sizeof played_sources);
    world_begin();
    audit_configure(w.gateway.config);
    while (r.left > 0) {
        step(&r);
        turn();
    }
    turn();
    world_end();
    return 0;
}
