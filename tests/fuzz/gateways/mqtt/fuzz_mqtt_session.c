/*
 * fuzz_mqtt_session.c - MQTT clients from CONNECT to their end, with the real gateway
 * and hub, but no socket and no broker: both are played here.  Whatever comes, what goes
 * out are whole and right packets: CONNACK first and once, nothing behind DISCONNECT,
 * no packet larger than its client takes, no packet identifier in use twice, no more
 * in flight than the client allows.
 *
 * Input: steps, each a byte that says what and for which client, a byte more, and what
 * it needs: bytes of the client, packets of its, the broker's answers, events, a full
 * socket, time.
 */
#include "clock.h"
#include "log.h"
#include "mqtt_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

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

/* Only where the identifier lies: the encoders have tests of their own. */
static void check_publish(struct peer *p, const struct mqtt_head *h, struct slice body)
{
    const uint8_t *bytes = (const uint8_t *)body.p;
    uint8_t qos = h->flags >> 1 & 3;
    size_t topic;

    assert(qos < 3 && body.len >= 2);
    topic = (size_t)bytes[0] << 8 | bytes[1];
    assert(body.len >= 2 + topic + (qos > 0 ? 2 : 0));
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
        assert(!p->greeted || (size_t)n + h.remaining <= p->max_packet);
        check_packet(p, &h, (struct slice){(char *)p->written.p + at + n, h.remaining});
        at += (size_t)n + h.remaining;
    }
    buf_clear(&p->written);
}

/* --- the client ------------------------------------------------------------------- */

static void open_peer(struct peer *p)
{
    if (p->open)
        return;
    p->conn = (struct conn){.data = w.gateway.protocol};
    p->open = true;
    clients_conn_ops.opened(&p->conn);
}

static void free_peer(struct peer *p)
{
    buf_free(&p->in);
    buf_free(&p->written);
    buf_free(&p->owed);
    memset(p, 0, sizeof *p);
}

static void receive(struct peer *p, struct slice bytes)
{
    if (p->ended || !p->open)
        return;
    buf_put_slice(&p->in, bytes);
    conn_pump(&p->conn);
}

static void send_packet(struct peer *p, uint8_t first, const struct buf *body)
{
    struct buf b = {0};

    buf_u8(&b, first);
    mqtt_varint_put(&b, (uint32_t)body->len);
    buf_put(&b, body->p, body->len);
    receive(p, (struct slice){(char *)b.p, b.len});
    buf_free(&b);
}

static void put_u16(struct buf *b, uint16_t v)
{
    buf_u8(b, (uint8_t)(v >> 8));
    buf_u8(b, (uint8_t)v);
}

static void put_text(struct buf *b, struct slice s)
{
    put_u16(b, (uint16_t)s.len);
    buf_put_slice(b, s);
}

static void put_props(struct buf *b, const struct buf *props)
{
    mqtt_varint_put(b, (uint32_t)props->len);
    buf_put(b, props->p, props->len);
}

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
    put_props(b, &props);
    buf_free(&props);
}

static void send_connect(struct peer *p, uint8_t how)
{
    struct slice name = slice_of(names[how % 3]);
    bool v5 = (how & 4) != 0, clean = (how & 128) != 0 || name.len == 0, will = how % 5 == 0;
    struct buf b = {0};

    if (p->greeted || p->version != 0)
        return; /* raw bytes try a second one */
    p->version = v5 ? MQTT_50 : MQTT_311;
    p->receive_maximum = UINT16_MAX;
    p->max_packet = UINT32_MAX;
    put_text(&b, SLICE("MQTT"));
    buf_u8(&b, p->version);
    buf_u8(&b, (uint8_t)((clean ? 2 : 0) | (will ? 4 | 8 : 0)));
    put_u16(&b, how % 7 == 0 ? 1 : 0);
    if (v5)
        connect_props(p, &b, how);
    put_text(&b, name);
    if (will && v5)
        buf_u8(&b, 0);
    if (will) {
        put_text(&b, SLICE("c"));
        put_text(&b, SLICE("will"));
    }
    send_packet(p, MQTT_CONNECT << 4, &b);
    buf_free(&b);
}

static void send_subscribe(struct peer *p, uint8_t how)
{
    struct buf b = {0}, props = {0};

    put_u16(&b, (uint16_t)(how + 1));
    if (p->version == MQTT_50 && how % 4 == 1)
        mqtt_prop_put_number(&props, MQTT_PROP_SUBSCRIPTION_ID, how);
    if (p->version == MQTT_50)
        put_props(&b, &props);
    for (unsigned i = 0; i < 1u + how % 2; i++) {
        put_text(&b, slice_of(topics[(how + i) % ARRAY_LEN(topics)]));
        buf_u8(&b, (uint8_t)(how / 16 % 3));
    }
    send_packet(p, MQTT_SUBSCRIBE << 4 | 2, &b);
    buf_free(&b);
    buf_free(&props);
}

static void send_unsubscribe(struct peer *p, uint8_t how)
{
    struct buf b = {0};

    put_u16(&b, (uint16_t)(how + 1));
    if (p->version == MQTT_50)
        buf_u8(&b, 0);
    put_text(&b, slice_of(topics[how % ARRAY_LEN(topics)]));
    send_packet(p, MQTT_UNSUBSCRIBE << 4 | 2, &b);
    buf_free(&b);
}

static void send_publish(struct peer *p, uint8_t how)
{
    uint8_t qos = how % 3;
    struct buf b = {0};

    put_text(&b, slice_of(topics[how / 3 % 4]));
    if (qos > 0)
        put_u16(&b, (uint16_t)(how / 16 + 1));
    if (p->version == MQTT_50)
        buf_u8(&b, 0);
    if ((how & 64) == 0)
        buf_puts(&b, "payload");
    send_packet(p, (uint8_t)(MQTT_PUBLISH << 4 | qos << 1 | (how & 32 ? 1 : 0)), &b);
    buf_free(&b);
}

static void send_ack(struct peer *p, uint8_t type, uint16_t id)
{
    struct buf b = {0};

    put_u16(&b, id);
    send_packet(p, (uint8_t)(type << 4 | (type == MQTT_PUBREL ? 2 : 0)), &b);
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
    send_ack(p, type, id);
}

static void send_short(struct peer *p, uint8_t how)
{
    static const uint8_t firsts[] = {MQTT_PINGREQ << 4, MQTT_DISCONNECT << 4};
    struct buf none = {0};

    send_packet(p, firsts[how % 8 == 0], &none);
}

/* --- steps ------------------------------------------------------------------------ */

static void pass_time(uint64_t ms)
{
    w.now += ms;
    wheel_turn(&w.gateway.wheel);
}

static void writable(struct peer *p)
{
    p->full = false;
    if (p->open && !p->ended)
        clients_conn_ops.writable(&p->conn);
}

static void leave(struct peer *p)
{
    if (p->open && !p->ended) {
        p->ended = true;
        wheel_stop(&p->conn.timer);
        clients_conn_ops.gone(&p->conn);
    }
}

static void turn(void)
{
    (void)hub_turn(w.gateway.hub);
    mqtt_gateway_turn(&w.gateway);
    for (size_t i = 0; i < PEERS; i++)
        check_written(&w.peers[i]);
}

static void step_client(struct peer *p, uint8_t op, uint8_t arg, struct reader *r)
{
    size_t n = arg < r->left ? arg : r->left;

    open_peer(p);
    switch (op) {
    case 0:
        receive(p, reader_bytes(r, n));
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
        send_ack(p, MQTT_PUBREL, (uint16_t)(arg / 16 + 1));
        break;
    case 6:
        send_unsubscribe(p, arg);
        break;
    default:
        send_short(p, arg);
    }
}

static void step_world(struct peer *p, uint8_t op, uint8_t arg)
{
    switch (op) {
    case 8:
        answer(ERR_NONE);
        break;
    case 9:
        answer((enum sluice_error)(arg % 31));
        break;
    case 10:
        events(arg);
        break;
    case 11:
        played_filters_live(w.gateway.hub, w.head);
        break;
    case 12:
        read_answer(arg);
        break;
    case 13:
        p->full = arg % 2 == 0;
        if (!p->full)
            writable(p);
        break;
    case 14:
        pass_time((uint64_t)arg * 20);
        break;
    default:
        if (arg % 4 == 0)
            played.full = !played.full;
        else if (arg % 4 == 1)
            leave(p);
        else if (arg % 4 == 2 && p->ended)
            free_peer(p);
        else if (arg == 255 && p->open && !p->ended)
            clients_conn_ops.drain(&p->conn);
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

static uint64_t fake_clock(void *arg)
{
    (void)arg;
    return w.now;
}

static void start_process(void)
{
    static char *argv[] = {(char *)(uintptr_t) "sluice-mqtt", NULL};
    enum config_outcome outcome;

    log_set_level((enum log_level)(LOG_ERROR + 1));
    clock_replace(fake_clock, NULL);
    w.now = 1000000;
    outcome = config_load(&w.gateway.config, "mqtt", 1, argv);
    assert(outcome == CONFIG_GO);
    (void)uv_loop_init(&w.gateway.loop);
    wheel_init(&w.gateway.wheel, &w.gateway.loop);
    reaper_init(&w.gateway.reaper, &w.gateway.wheel);
}

static void begin(void)
{
    static const struct hub_limits limits = {.ring = 4000, .page_cache = 2000, .turn = 1 << 20};
    struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = 1000};

    w.head = 1000;
    w.gateway.hub = hub_new(&played_hub_link, &limits);
    hub_up(w.gateway.hub, &hello);
    mqtt_gateway_start(&w.gateway);
}

static void forget_sessions(void)
{
    struct kept *k, *next;

    DL_FOREACH_SAFE (w.kept, k, next) {
        DL_DELETE(w.kept, k);
        buf_free(&k->items);
        free(k);
    }
}

/* Everything that is still open closes, and nothing is left. */
static void end(void)
{
    struct mqttd *m = w.gateway.protocol;

    turn();
    for (size_t i = 0; i < PEERS; i++)
        leave(&w.peers[i]);
    turn();
    assert(m->clients == NULL && m->sessions == NULL && m->transports.held == 0);
    while (played.publishes != NULL)
        answer(ERR_UNAVAILABLE);
    mqtt_gateway_stop(&w.gateway);
    hub_free(w.gateway.hub);
    reaper_close(&w.gateway.reaper);
    forget_sessions();
    for (size_t i = 0; i < PEERS; i++)
        free_peer(&w.peers[i]);
    played_end();
    buf_free(&w.log);
    buf_free(&w.retained);
    (void)uv_run(&w.gateway.loop, UV_RUN_NOWAIT);
    mqtt_gateway_free(&w.gateway);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct reader r = reader_of(p, len);

    if (w.gateway.config == NULL)
        start_process();
    begin();
    while (r.left > 0) {
        step(&r);
        turn();
    }
    end();
    return 0;
}
