/*
 * mqtt_world.h - the world around the MQTT gateway, played: the sockets of its clients, the
 * link, and a broker that keeps a log and sessions in memory.  The gateway and its hub are
 * the real ones.  Nothing happens by itself: whoever includes this (once) says when the
 * broker answers, time passes, a turn ends.
 */
#ifndef TESTS_MQTT_WORLD_H
#define TESTS_MQTT_WORLD_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "authority.h"
#include "channel.h"
#include "clients.h"
#include "clock.h"
#include "http.h"
#include "log.h"
#include "mem.h"
#include "mqtt_gateway.h"
#include "played_link.h"
#include "run_write.h"
#include "session_state.h"
#include "topic.h"
#include "upgrade.h"

#define PEERS 3
struct peer {
    struct conn conn;
    bool open, full, offering, ended;
    struct buf in, written;
    uint8_t version;
    uint32_t max_packet;
    uint16_t receive_maximum;
    bool greeted, refused, over;
    uint8_t in_use[65536 / 8]; /* our packet identifiers, not acknowledged by the client */
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
    struct buf log, retained; /* records */
    struct buf done;          /* entries of DONE that the gateway has told */
    uint64_t credit;          /* in all that it has told of them */
    uint64_t head, epoch, now, position;
    const char *auth;   /* [auth] and what follows; NULL: everybody is anonymous */
    unsigned withdrawn; /* wills */
    bool will;          /* what the last DETACH said of one */
} w;

static inline struct peer *peer_of(const struct conn *c)
{
    return CONTAINER_OF((uintptr_t)c, struct peer, conn);
}

/* --- the socket ---------------------------------------------------------------------- */

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

size_t run_write(struct conn *c, struct run *r, unsigned form, form_encode encode)
{
    struct peer *p = peer_of(c);
    size_t n = p->full ? 0 : r->count;

    assert(!p->ended);
    for (size_t i = 0; i < n; i++) {
        struct slice s = block_encoded(r->entries[i], form, encode);
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
    used = clients_conn_ops.input(c, buf_slice(&p->in));
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

struct slice conn_peer_subject(const struct conn *c)
{
    (void)c;
    return (struct slice){NULL, 0};
}

struct slice conn_peer_address(const struct conn *c, char text[CONN_ADDRESS_MAX])
{
    (void)c;
    (void)text;
    return (struct slice){NULL, 0};
}

void conns_refresh(struct conns *cs)
{
    (void)cs;
}

void gateway_wake(struct gateway *g)
{
    (void)g;
}

/* --- doors that are not entered here ------------------------------------------------- */

bool gateway_listen(struct gateway *g, const char *addresses, const struct listener_options *o)
{
    (void)g;
    (void)addresses;
    return o->ops == &clients_conn_ops;
}

bool gateway_listen_plain(struct gateway *g, const char *addresses,
                          const struct listener_options *o)
{
    return gateway_listen(g, addresses, o);
}

bool gateway_listen_own(struct gateway *g, const struct listener_options *o)
{
    return gateway_listen(g, "", o);
}

struct http *http_new(struct site *site)
{
    (void)site;
    return NULL;
}

void http_free(struct http *h)
{
    (void)h;
}

struct listener_options http_listener(struct http *h)
{
    (void)h;
    return (struct listener_options){.ops = NULL};
}

void upgrade_accept(struct ws_acceptance *a, const struct ws_handshake *h)
{
    (void)a;
    (void)h;
}

void upgrade_tunnel(struct exchange *x, const struct ws_acceptance *a, struct channel *c)
{
    (void)x;
    (void)a;
    (void)c;
}

struct conn *channel_conn(const struct channel *c)
{
    (void)c;
    return NULL;
}

bool upgrade_read(struct exchange *x, const char *const *subprotocols, struct ws_handshake *h)
{
    (void)x;
    (void)subprotocols;
    (void)h;
    return false;
}

/* --- the link ------------------------------------------------------------------------ */

void link_tell(struct link *l, struct buf *frame)
{
    struct wire_credit c;
    struct reader body;
    uint8_t op = wire_tell_get(frame->p, frame->len, &body);

    (void)l;
    if (op == WIRE_TELL_DONE)
        buf_put(&w.done, body.p, body.left);
    while (op == WIRE_TELL_CREDIT && wire_credit_get(&body, &c))
        w.credit += c.credit;
    buf_free(frame);
}

/* --- the broker: events -------------------------------------------------------------- */

static inline void world_live(struct event *e)
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

static inline void world_store(struct slice records)
{
    struct reader r = reader_of(records.p, records.len);
    struct event e;

    assert(event_record_get(&r, &e));
    world_live(&e);
}

/* --- the broker: reads --------------------------------------------------------------- */

static inline bool wants(const struct wire_page_req *q, const struct event *e)
{
    for (size_t i = 0; i < q->filter_count; i++)
        if (e->id > q->filters[i].from && filter_match(q->filters[i].filter, e->topic))
            return e->id > q->after;
    return false;
}

/* gone: all of it was removed. */
static inline void page_put(struct buf *b, const struct buf *request, bool gone)
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

static inline void event_put(struct buf *b, const struct buf *request, bool gone)
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

static inline void start_put(struct buf *b, const struct buf *request)
{
    struct wire_filter filters[64];
    struct wire_start_req q = {.filters = filters};
    uint64_t froms[64] = {0};

    assert(wire_start_req_get(request->p, request->len, &q, filters, 64));
    wire_start_put(b, 0, w.head, froms, q.filter_count);
}

static inline void retained_put(struct buf *b)
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

static inline void reply_put(struct buf *b, const struct buf *request, uint8_t how)
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
static inline void world_answer_read(uint8_t how)
{
    struct link_read *r = played_next_read();
    struct buf b = {0};

    if (r == NULL)
        return;
    if (how % 8 != 2)
        reply_put(&b, &r->frame, how);
    played_answer(r, &b, how % 2 == 0 ? ERR_BAD_FILTER : ERR_NOT_FOUND);
}

/* --- the broker: sessions ------------------------------------------------------------ */

static inline struct kept *keep(struct slice name)
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

static inline void drop_item(struct kept *k, struct slice key)
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

static inline void apply(struct kept *k, struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item i;

    while (wire_item_get(&r, &i)) {
        drop_item(k, i.key);
        if (!i.drop)
            wire_item_put(&k->items, &i);
    }
}

static inline void fence(const struct kept *k)
{
    struct buf b = {0};

    wire_fence_put(&b, slice_of(k->name), k->epoch);
    struct reader body;
    uint8_t op = wire_call_get(b.p, b.len, &body);
    mqtt_gateway_call(&w.gateway, op, body);
    buf_free(&b);
}

static inline enum sluice_error attach(struct slice body, struct buf *answer)
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
    a.items = buf_slice(&k->items);
    wire_attached_put(answer, &a);
    return ERR_NONE;
}

static inline enum sluice_error write_items(struct slice body, struct buf *answer)
{
    struct wire_write m;
    struct kept *k;

    assert(wire_write_get(body, &m));
    k = keep(m.client);
    if (k->epoch != m.epoch)
        return ERR_FENCED;
    apply(k, m.items);
    if (m.record.len > 0)
        world_store(m.record);
    buf_u64(answer, m.record.len > 0 ? w.head : 0);
    return ERR_NONE;
}

static inline enum sluice_error detach(struct slice body)
{
    struct wire_detach m;
    struct kept *k;

    assert(wire_detach_get(body, &m));
    k = keep(m.client);
    if (k->epoch != m.epoch)
        return ERR_FENCED;
    w.will = m.will;
    apply(k, m.items);
    if (m.expiry == 0)
        buf_free(&k->items);
    k->held = false;
    return ERR_NONE;
}

static inline enum sluice_error session_unit(const struct link_publish *p, struct buf *answer)
{
    struct slice body = buf_slice(&p->records);

    switch (p->op) {
    case WIRE_ATTACH:
        return attach(body, answer);
    case WIRE_WRITE:
        return write_items(body, answer);
    case WIRE_DETACH:
        return detach(body);
    case WIRE_WITHDRAW:
        w.withdrawn++;
        return ERR_NONE;
    default:
        assert(p->op == WIRE_POSITION && wire_position_get(body, &w.position));
        return ERR_NONE;
    }
}

/* The next unit is answered: carried out, or refused with the error. */
static inline void world_answer(enum sluice_error error)
{
    struct link_publish *p = played.publishes;
    struct wire_ack a = {.count = 1};
    struct buf data = {0};

    if (p == NULL)
        return;
    DL_DELETE(played.publishes, p);
    if (error == ERR_NONE && p->kind == LINK_EVENTS)
        world_store(buf_slice(&p->records));
    else if (error == ERR_NONE)
        error = session_unit(p, &data);
    if (p->kind == LINK_EVENTS && error == ERR_NONE)
        buf_u64(&data, w.head);
    a.error = (uint16_t)error;
    a.ids = a.data = buf_slice(&data);
    a.text = error == ERR_NONE ? SLICE("") : SLICE("5");
    p->cb(p, &a);
    buf_free(&data);
}

/* --- clients ------------------------------------------------------------------------ */

static inline void peer_open(struct peer *p)
{
    if (p->open)
        return;
    p->conn = (struct conn){.data = w.gateway.protocol};
    p->open = true;
    clients_conn_ops.opened(&p->conn);
}

static inline void peer_free(struct peer *p)
{
    buf_free(&p->in);
    buf_free(&p->written);
    buf_free(&p->owed);
    memset(p, 0, sizeof *p);
}

static inline void peer_receive(struct peer *p, struct slice bytes)
{
    if (p->ended || !p->open)
        return;
    buf_put_slice(&p->in, bytes);
    conn_pump(&p->conn);
}

static inline void peer_send(struct peer *p, uint8_t first, const struct buf *body)
{
    struct buf b = {0};

    buf_u8(&b, first);
    mqtt_varint_put(&b, (uint32_t)body->len);
    buf_put(&b, body->p, body->len);
    peer_receive(p, buf_slice(&b));
    buf_free(&b);
}

static inline void packet_put_u16(struct buf *b, uint16_t v)
{
    buf_u8(b, (uint8_t)(v >> 8));
    buf_u8(b, (uint8_t)v);
}

static inline void packet_put_text(struct buf *b, struct slice s)
{
    packet_put_u16(b, (uint16_t)s.len);
    buf_put_slice(b, s);
}

static inline void packet_put_props(struct buf *b, const struct buf *props)
{
    mqtt_varint_put(b, (uint32_t)props->len);
    buf_put(b, props->p, props->len);
}

static inline void peer_send_ack(struct peer *p, uint8_t type, uint16_t id)
{
    struct buf b = {0};

    packet_put_u16(&b, id);
    peer_send(p, (uint8_t)(type << 4 | (type == MQTT_PUBREL ? 2 : 0)), &b);
    buf_free(&b);
}

static inline void world_pass_time(uint64_t ms)
{
    w.now += ms;
    wheel_turn(&w.gateway.wheel);
}

static inline void peer_writable(struct peer *p)
{
    p->full = false;
    if (p->open && !p->ended)
        clients_conn_ops.writable(&p->conn);
}

static inline void peer_leave(struct peer *p)
{
    if (p->open && !p->ended) {
        p->ended = true;
        wheel_stop(&p->conn.timer);
        clients_conn_ops.gone(&p->conn);
    }
}

/* --- the process -------------------------------------------------------------------- */

static inline uint64_t world_clock(void *arg)
{
    (void)arg;
    return w.now;
}

/* Without a place in the file system. */
static inline char *world_config_file(void)
{
    static char path[64];
    int fd = memfd_create("config", 0);
    size_t len = strlen(w.auth);

    assert(fd >= 0 && write(fd, w.auth, len) == (ssize_t)len);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static inline void world_start_process(void)
{
    static char *argv[] = {(char *)(uintptr_t) "sluice-mqtt", NULL, NULL, NULL};
    enum config_outcome outcome;

    log_set_level((enum log_level)(LOG_ERROR + 1));
    clock_replace(world_clock, NULL);
    w.now = 1000000;
    if (w.auth != NULL) {
        argv[1] = (char *)(uintptr_t) "--config";
        argv[2] = world_config_file();
    }
    outcome = config_load(&w.gateway.config, "mqtt", w.auth != NULL ? 3 : 1, argv);
    assert(outcome == CONFIG_GO);
    (void)uv_loop_init(&w.gateway.loop);
    wheel_init(&w.gateway.wheel, &w.gateway.loop);
    reaper_init(&w.gateway.reaper, &w.gateway.wheel);
}

static inline void world_begin(void)
{
    static const struct hub_limits limits = {.ring = 4000, .page_cache = 2000, .turn = 1 << 20};
    struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = 1000};

    if (w.gateway.config == NULL)
        world_start_process();
    w.head = 1000;
    w.gateway.hub = hub_new(&played_hub_link, &limits);
    hub_up(w.gateway.hub, &hello);
    if (w.auth != NULL) {
        w.gateway.authority = authority_open(&w.gateway.loop, w.gateway.config);
        assert(w.gateway.authority != NULL);
    }
    mqtt_gateway_start(&w.gateway);
}

static inline void world_forget_sessions(void)
{
    struct kept *k, *next;

    DL_FOREACH_SAFE (w.kept, k, next) {
        DL_DELETE(w.kept, k);
        buf_free(&k->items);
        free(k);
    }
}

static inline void world_turn(void)
{
    (void)hub_turn(w.gateway.hub);
    mqtt_gateway_turn(&w.gateway);
}

/* Everything that is still open closes, and nothing is left. */
static inline void world_end(void)
{
    struct mqttd *m = w.gateway.protocol;

    world_turn();
    for (size_t i = 0; i < PEERS; i++)
        peer_leave(&w.peers[i]);
    world_turn();
    assert(m->clients == NULL && m->sessions == NULL && m->transports.held == 0);
    while (played.publishes != NULL)
        world_answer(ERR_UNAVAILABLE);
    mqtt_gateway_stop(&w.gateway);
    hub_free(w.gateway.hub);
    reaper_close(&w.gateway.reaper);
    world_forget_sessions();
    for (size_t i = 0; i < PEERS; i++)
        peer_free(&w.peers[i]);
    played_end();
    buf_free(&w.log);
    buf_free(&w.retained);
    buf_free(&w.done);
    w.position = 0;
    authority_close(w.gateway.authority);
    w.gateway.authority = NULL;
    (void)uv_run(&w.gateway.loop, UV_RUN_NOWAIT);
    mqtt_gateway_free(&w.gateway);
}

#endif
