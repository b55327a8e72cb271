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
#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

#include "clock.h"
#include "feed.h"
#include "http.h"
#include "log.h"
#include "mem.h"
#include "session.h"
#include "topic.h"
#include "upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define PEERS 3
static const char *const topics[] = {
    "a",         "a/b", "c",          "$SYS/x", "a/+", "#", "$share/g/a/#", "$after/5/a/b",
    "$last/2/#", "a/#", "$after/0/c", "+/b"};
#define TOPICS 3
static const char *const names[] = {"x", "y", ""};

struct peer {
    struct conn conn;
    bool open, full, offering, ended;
    struct buf in, written;
    uint8_t version;
    uint32_t max_packet;
    uint16_t receive_maximum;
    bool greeted, refused, over;
    bool in_use[65536]; /* our packet identifiers, not acknowledged by the client */
    uint8_t phase[65536];
    unsigned flying;
    struct buf owed; /* acknowledgements: type u8, identifier u16 */
};

/* What the broker keeps of a session. */
struct kept {
    struct kept *next, *prev;
    char name[64];
    uint64_t epoch;
    bool held;
    struct buf items; /* as written, one after the other */
};

static struct world {
    struct gateway gateway;
    struct peer peers[PEERS];
    struct kept *kept;
    struct link_publish *publishes;
    struct link_read *reads;
    struct buf filters;       /* refs that are not live yet */
    struct buf log, retained; /* records */
    bool link_full, link_down;
    uint64_t head, epoch, now;
} w;

static struct peer *peer_of(const struct conn *c)
{
    return CONTAINER_OF((uintptr_t)c, struct peer, conn);
}

/* --- the socket ------------------------------------------------------------------- */

bool conn_pending(const struct conn *c)
{
    return peer_of(c)->full;
}

void conn_write(struct conn *c, const void *p, size_t len)
{
    assert(!peer_of(c)->ended);
    buf_put(&peer_of(c)->written, p, len);
}

void conn_write_shared(struct conn *c, struct slice head, struct shared *body)
{
    conn_write(c, head.p, head.len);
    conn_write(c, body->bytes.p, body->bytes.len);
}

size_t conn_write_run(struct conn *c, struct run *r, unsigned form, form_encode encode)
{
    struct peer *p = peer_of(c);
    size_t n = p->full ? 0 : r->count;

    assert(!p->ended);
    for (size_t i = 0; i < n; i++) {
        struct slice s = entry_encoded(r->entries[i], form, encode);
        buf_put_slice(&p->written, s);
    }
    return n;
}

size_t conn_write_pieces(struct conn *c, const struct conn_piece *pieces, size_t count)
{
    struct peer *p = peer_of(c);
    size_t n = p->full ? 0 : count;

    assert(!p->ended && count > 0 && count <= CONN_PIECES_MAX);
    for (size_t i = 0; i < n; i++) {
        buf_put_slice(&p->written, pieces[i].head);
        buf_put_slice(&p->written, pieces[i].shared);
        buf_put_slice(&p->written, pieces[i].rest);
    }
    return n;
}

void conn_finish(struct conn *c)
{
    struct peer *p = peer_of(c);

    assert(!p->ended);
    p->ended = true;
    wheel_stop(&c->timer);
}

void conn_close(struct conn *c)
{
    conn_finish(c);
}

void conn_pump(struct conn *c)
{
    struct peer *p = peer_of(c);
    size_t used;

    if (p->ended || p->offering || p->in.len == 0)
        return;
    p->offering = true;
    used = client_tcp_ops.input(c, (struct slice){(char *)p->in.p, p->in.len});
    p->offering = false;
    assert(used <= p->in.len);
    buf_consume(&p->in, used);
}

void conn_timer(struct conn *c, uint64_t ms, void (*fire)(struct wheel_timer *t))
{
    assert(!peer_of(c)->ended);
    if (ms == 0)
        wheel_stop(&c->timer);
    else
        wheel_start(&w.gateway.wheel, &c->timer, ms, fire);
}

struct conn *conn_of_timer(struct wheel_timer *t)
{
    return CONTAINER_OF(t, struct conn, timer);
}

void conn_take_over(struct conn *c, const struct conn_ops *ops, void *data)
{
    (void)ops;
    c->data = data;
}

void conns_refresh(struct conns *cs)
{
    (void)cs;
}

/* --- doors that are not entered here --------------------------------------------------- */

bool gateway_listen(struct gateway *g, const char *addresses, const struct listener_options *o)
{
    (void)g;
    (void)addresses;
    return o->ops == &client_tcp_ops;
}

bool gateway_listen_plain(struct gateway *g, const char *addresses,
                          const struct listener_options *o)
{
    return gateway_listen(g, addresses, o);
}

struct conn *http_take_conn(struct exchange *x)
{
    (void)x;
    return NULL;
}

bool upgrade_read(struct exchange *x, const char *const *subprotocols, struct ws_handshake *h)
{
    (void)x;
    (void)subprotocols;
    (void)h;
    return false;
}

/* --- the link --------------------------------------------------------------------------- */

void link_publish(struct link *l, struct link_publish *p)
{
    (void)l;
    assert(p->records.len > 0);
    DL_APPEND(w.publishes, p);
}

bool link_publish_full(const struct link *l)
{
    (void)l;
    return w.link_full;
}

bool link_is_up(const struct link *l)
{
    (void)l;
    return !w.link_down;
}

void link_tell(struct link *l, struct buf *frame)
{
    (void)l;
    buf_free(frame);
}

static void read_ask(void *link, struct link_read *r)
{
    (void)link;
    DL_APPEND(w.reads, r);
}

static void read_cancel(void *link, struct link_read *r)
{
    (void)link;
    DL_DELETE(w.reads, r);
    buf_free(&r->frame);
}

void link_read(struct link *l, struct link_read *r)
{
    (void)l;
    read_ask(NULL, r);
}

void link_read_cancel(struct link *l, struct link_read *r)
{
    (void)l;
    read_cancel(NULL, r);
}

static void filter_add(void *link, uint32_t ref, struct slice filter)
{
    (void)link;
    (void)filter;
    buf_u32(&w.filters, ref);
}

static void filter_drop(void *link, uint32_t ref)
{
    (void)link;
    (void)ref;
}

static void filters_live(void)
{
    struct reader r = reader_of(w.filters.p, w.filters.len);

    while (r.left > 0)
        hub_filter_live(w.gateway.hub, reader_u32(&r), w.head);
    buf_clear(&w.filters);
}

/* --- the broker: events -------------------------------------------------------------------- */

static void live(struct event *e)
{
    uint64_t after = w.head;
    struct buf b = {0};
    struct zmsg z;

    e->id = ++w.head;
    e->time = w.now;
    event_record_put(&b, e);
    buf_put(&w.log, b.p, b.len);
    if ((e->flags & EVENT_RETAIN) != 0) {
        buf_clear(&w.retained);
        if (e->payload.len > 0)
            buf_put(&w.retained, b.p, b.len);
    }
    zmsg_init_buf(&z, &b);
    hub_live(w.gateway.hub, after, w.head, &z, reader_of(zmsg_data(&z), zmsg_size(&z)));
    zmsg_close(&z);
}

static void store(struct slice records)
{
    struct reader r = reader_of(records.p, records.len);
    struct event e;

    assert(event_record_get(&r, &e));
    live(&e);
}

static void events(uint8_t which)
{
    for (unsigned i = 0; i < 1u + which / 32; i++) {
        struct event e = {.topic = slice_of(topics[(which + i) % TOPICS]),
                          .payload = which % 2 ? SLICE("text") : SLICE("\xff\x00")};

        e.flags = (uint16_t)((which % 3) << EVENT_QOS_SHIFT);
        live(&e);
    }
}

/* --- the broker: reads ------------------------------------------------------------------------ */

static bool wants(const struct wire_page_req *q, const struct event *e)
{
    for (size_t i = 0; i < q->filter_count; i++)
        if (e->id > q->filters[i].from && filter_match(q->filters[i].filter, e->topic))
            return e->id > q->after;
    return false;
}

/* gone: all of it was removed. */
static void page_put(struct buf *b, const struct buf *request, bool gone)
{
    struct wire_filter filters[64];
    struct wire_page_req q = {.filters = filters};
    struct wire_page page = {
        .head = w.head, .removed_to = gone ? w.head : 0, .reason = gone ? GAP_EXPIRED : GAP_NONE};
    struct reader r = reader_of(w.log.p, w.log.len);
    uint32_t count = 0;
    struct event e;

    assert(wire_page_req_get(request->p, request->len, &q, filters, 64));
    wire_page_begin(b, &page);
    while (r.left > 0 && event_record_get(&r, &e)) {
        if (gone || !wants(&q, &e))
            continue;
        event_record_put(b, &e);
        count++;
    }
    wire_page_finish(b, 0, w.head, count);
}

static void event_put(struct buf *b, const struct buf *request, bool gone)
{
    struct wire_page page = {.request = WIRE_EVENT, .head = w.head};
    struct reader r = reader_of(w.log.p, w.log.len);
    uint64_t ref, id;
    struct event e;

    assert(wire_event_req_get(request->p, request->len, &ref, &id));
    while (!gone && r.left > 0 && event_record_get(&r, &e)) {
        if (e.id != id)
            continue;
        wire_page_begin(b, &page);
        event_record_put(b, &e);
        wire_page_finish(b, 0, id, 1);
        return;
    }
}

static void start_put(struct buf *b, const struct buf *request)
{
    struct wire_filter filters[64];
    struct wire_start_req q = {.filters = filters};
    uint64_t froms[64] = {0};

    assert(wire_start_req_get(request->p, request->len, &q, filters, 64));
    wire_start_put(b, 0, w.head, froms, q.filter_count);
}

static void retained_put(struct buf *b)
{
    struct reader r = reader_of(w.retained.p, w.retained.len);
    struct slice upto = {NULL, 0};
    struct event e;

    wire_retained_begin(b, 0, w.head);
    buf_put(b, w.retained.p, w.retained.len);
    if (r.left > 0 && event_record_get(&r, &e))
        upto = e.topic;
    wire_retained_finish(b, 0, false, upto.p != NULL, upto);
}

static void reply_put(struct buf *b, const struct buf *request, uint8_t how)
{
    switch (request->p[0]) {
    case WIRE_PAGE:
        page_put(b, request, how % 8 == 1);
        break;
    case WIRE_EVENT:
        event_put(b, request, how % 8 == 1);
        break;
    case WIRE_START:
        start_put(b, request);
        break;
    case WIRE_RETAINED:
        retained_put(b);
        break;
    default:
        assert(false);
    }
}

/* An error when there is no reply. */
static void read_answer(uint8_t how)
{
    struct link_read *r = w.reads;
    struct buf b = {0};
    struct zmsg z;

    if (r == NULL)
        return;
    DL_DELETE(w.reads, r);
    if (how % 8 != 2)
        reply_put(&b, &r->frame, how);
    buf_free(&r->frame);
    if (b.len == 0) {
        r->cb(r, how % 2 == 0 ? ERR_BAD_FILTER : ERR_NOT_FOUND, SLICE("refused"), NULL);
        return;
    }
    zmsg_init_buf(&z, &b);
    r->cb(r, ERR_NONE, SLICE(""), &z);
    zmsg_close(&z);
}

/* --- the broker: sessions ----------------------------------------------------------------------
 */

static struct kept *keep(struct slice name)
{
    struct kept *k;

    DL_FOREACH (w.kept, k) {
        if (slice_eq(slice_of(k->name), name))
            return k;
    }
    k = mem_zalloc(sizeof *k);
    assert(name.len < sizeof k->name);
    memcpy(k->name, name.p, name.len);
    DL_APPEND(w.kept, k);
    return k;
}

static void drop_item(struct kept *k, struct slice key)
{
    struct reader r = reader_of(k->items.p, k->items.len);
    struct buf rest = {0};
    struct wire_item i;

    while (wire_item_get(&r, &i))
        if (!slice_eq(i.key, key))
            wire_item_put(&rest, &i);
    buf_free(&k->items);
    k->items = rest;
}

static void apply(struct kept *k, struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item i;

    while (wire_item_get(&r, &i)) {
        drop_item(k, i.key);
        if (!i.drop)
            wire_item_put(&k->items, &i);
    }
}

static void fence(const struct kept *k)
{
    struct buf b = {0};

    wire_fence_put(&b, slice_of(k->name), k->epoch);
    struct reader body;
    uint8_t op = wire_call_get(b.p, b.len, &body);
    mqtt_call(&w.gateway, op, body);
    buf_free(&b);
}

static enum sluice_error attach(struct slice body, struct buf *answer)
{
    struct wire_attached a = {.head = w.head};
    struct wire_attach m;
    struct kept *k;

    assert(wire_attach_get(body, &m));
    k = keep(m.client);
    if (k->held)
        fence(k);
    if (m.clean || m.expiry == 0)
        buf_free(&k->items);
    k->held = true;
    a.epoch = k->epoch = ++w.epoch;
    a.present = k->items.len > 0;
    a.items = (struct slice){(char *)k->items.p, k->items.len};
    wire_attached_put(answer, &a);
    return ERR_NONE;
}

static enum sluice_error write_items(struct slice body, struct buf *answer)
{
    struct wire_write m;
    struct kept *k;

    assert(wire_write_get(body, &m));
    k = keep(m.client);
    if (k->epoch != m.epoch)
        return ERR_FENCED;
    apply(k, m.items);
    if (m.record.len > 0)
        store(m.record);
    buf_u64(answer, m.record.len > 0 ? w.head : 0);
    return ERR_NONE;
}

static enum sluice_error detach(struct slice body)
{
    struct wire_detach m;
    struct kept *k;

    assert(wire_detach_get(body, &m));
    k = keep(m.client);
    if (k->epoch != m.epoch)
        return ERR_FENCED;
    apply(k, m.items);
    if (m.expiry == 0)
        buf_free(&k->items);
    k->held = false;
    return ERR_NONE;
}

static enum sluice_error session_unit(const struct link_publish *p, struct buf *answer)
{
    struct slice body = {(char *)p->records.p, p->records.len};

    switch (p->op) {
    case WIRE_ATTACH:
        return attach(body, answer);
    case WIRE_WRITE:
        return write_items(body, answer);
    case WIRE_DETACH:
        return detach(body);
    default:
        return ERR_NONE;
    }
}

/* The next unit is answered: carried out, or refused with the error. */
static void answer(enum sluice_error error)
{
    struct link_publish *p = w.publishes;
    struct wire_ack a = {.count = 1};
    struct buf data = {0};

    if (p == NULL)
        return;
    DL_DELETE(w.publishes, p);
    if (error == ERR_NONE && p->kind == LINK_EVENTS)
        store((struct slice){(char *)p->records.p, p->records.len});
    else if (error == ERR_NONE)
        error = session_unit(p, &data);
    if (p->kind == LINK_EVENTS && error == ERR_NONE)
        buf_u64(&data, w.head);
    a.error = (uint16_t)error;
    a.ids = a.data = (struct slice){(char *)data.p, data.len};
    a.text = error == ERR_NONE ? SLICE("") : SLICE("5");
    p->cb(p, &a);
    buf_free(&data);
}

/* --- what went out ------------------------------------------------------------------------------
 */

static void owe(struct peer *p, uint8_t type, uint16_t id)
{
    buf_u8(&p->owed, type);
    buf_u16(&p->owed, id);
}

static void put_in_flight(struct peer *p, uint16_t id, uint8_t qos)
{
    assert(id != 0 && !p->in_use[id]);
    p->in_use[id] = true;
    p->phase[id] = qos;
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

/* --- the client
 * ------------------------------------------------------------------------------------ */

static void open_peer(struct peer *p)
{
    if (p->open)
        return;
    p->conn = (struct conn){.data = w.gateway.protocol};
    p->open = true;
    client_tcp_ops.opened(&p->conn);
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
    if (type != MQTT_PUBREC && p->in_use[id]) {
        p->in_use[id] = false;
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

/* --- steps
 * ------------------------------------------------------------------------------------------ */

static void pass_time(uint64_t ms)
{
    w.now += ms;
    wheel_turn(&w.gateway.wheel);
}

static void writable(struct peer *p)
{
    p->full = false;
    if (p->open && !p->ended)
        client_tcp_ops.writable(&p->conn);
}

static void leave(struct peer *p)
{
    if (p->open && !p->ended) {
        p->ended = true;
        wheel_stop(&p->conn.timer);
        client_tcp_ops.gone(&p->conn);
    }
}

static void turn(void)
{
    (void)hub_turn(w.gateway.hub);
    mqtt_turn(&w.gateway);
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
        filters_live();
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
            w.link_full = !w.link_full;
        else if (arg % 4 == 1)
            leave(p);
        else if (arg % 4 == 2 && p->ended)
            free_peer(p);
        else if (arg == 255 && p->open && !p->ended)
            client_tcp_ops.drain(&p->conn);
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

/* --- one input
 * ---------------------------------------------------------------------------------------- */

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
    struct hub_link link = {filter_add, filter_drop, read_ask, read_cancel, NULL};
    struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = 1000};
    bool started;

    w.head = 1000;
    w.gateway.hub = hub_new(&link, &limits);
    hub_up(w.gateway.hub, &hello);
    started = mqtt_start(&w.gateway);
    assert(started);
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
    struct mqtt *m = w.gateway.protocol;

    turn();
    for (size_t i = 0; i < PEERS; i++)
        leave(&w.peers[i]);
    turn();
    assert(m->clients == NULL && m->sessions == NULL && m->transports.held == 0);
    while (w.publishes != NULL)
        answer(ERR_UNAVAILABLE);
    mqtt_stop(&w.gateway);
    hub_free(w.gateway.hub);
    assert(w.reads == NULL);
    reaper_close(&w.gateway.reaper);
    forget_sessions();
    for (size_t i = 0; i < PEERS; i++)
        free_peer(&w.peers[i]);
    buf_free(&w.filters);
    buf_free(&w.log);
    buf_free(&w.retained);
    w.link_full = w.link_down = false;
    (void)uv_run(&w.gateway.loop, UV_RUN_NOWAIT);
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
