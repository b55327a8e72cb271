/*
 * link.c - see link.h: the table of gateways, what they ask, what they get.
 *
 *   hello ──▶ hello-ok; filter-add ──▶ filter-live; publish ──▶ (link_publish.c)
 *   store's batch ──▶ fanout ──▶ live messages;  then the commit's callbacks ──▶
 *   acks gathered per gateway ──▶ sent at the end of the loop's turn
 *
 * So a gateway has seen an event before it gets the acknowledgement for it, and
 * all acknowledgements of a turn are one message.
 *
 * No routing ID is ever set, so each connection is a fresh peer: what it sends
 * before hello is a leftover and is discarded.
 *
 * How a peer ends:
 *   - it says hello again, here or on another connection: replaced, silently;
 *   - a message bounces (EHOSTUNREACH): gone.  An idle one shows itself when the
 *     tick's probe bounces; a frozen one once ZeroMQ's heartbeats have given up;
 *   - its queue is full (EAGAIN), or it sent a malformed frame: lost, and told so
 *     by a hello-no as soon as one can be sent.
 * In each case its publishes that are with the store are finished; the gateway
 * resends what it has no acknowledgement for.
 */
#include "link.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "link_peer.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"

#define TICK_MS 500    /* `upto` travels at least every second */
#define PROBE_TICKS 10 /* an idle gateway that is gone is noticed within 5 s … */
#define HELD_TICKS 2   /* … within 1 s when sessions hang on it */
#define HEARTBEAT_MS 1000
#define UNIT_MIN 44          /* bytes of the smallest publish: 12 and a record's head */
#define SPARE_MESSAGES 10000 /* filter replies and the like, within the marks */

/* --- sending ------------------------------------------------------------------ */

static struct slice peer_id(const struct peer *p)
{
    return (struct slice){p->id, p->id_len};
}

/* May run inside the fan-out, so it only marks; link_sweep does the rest. */
void peer_lose(struct peer *p, enum sluice_error why)
{
    if (p->state != PEER_UP)
        return;
    p->state = PEER_LOST;
    p->lost_why = why;
    p->link->losses = true;
}

bool peer_send(struct peer *p, struct zmsg *m)
{
    int rc;

    if (p->state != PEER_UP) {
        zmsg_close(m);
        return false;
    }
    rc = zsock_send(p->link->sock, peer_id(p), m);
    zmsg_close(m);
    if (rc != 0)
        peer_lose(p, ERR_UNAVAILABLE);
    return rc == 0;
}

static bool peer_send_buf(struct peer *p, struct buf *b)
{
    struct zmsg m;

    zmsg_init_buf(&m, b);
    return peer_send(p, &m);
}

/* To anyone, also one that is no peer.  0 or a negative errno. */
static int send_hello_no(struct link *l, struct slice id, enum sluice_error why, const char *text)
{
    struct buf b = {0};
    struct zmsg m;
    int rc;

    wire_hello_no_put(&b, why, slice_of(text));
    zmsg_init_buf(&m, &b);
    rc = zsock_send(l->sock, id, &m);
    zmsg_close(&m);
    return rc;
}

/* --- acknowledgements ------------------------------------------------------------ */

static bool acks_begin(struct peer *p)
{
    if (p->state != PEER_UP)
        return false;
    if (p->acks.len == 0)
        wire_acks_begin(&p->acks);
    p->link->acks_waiting = true;
    return true;
}

void peer_ack_error(struct peer *p, const struct wire_ack *a)
{
    metric_add(M_REFUSED, 1);
    if (acks_begin(p))
        wire_ack_error_put(&p->acks, a);
}

void peer_ack_ok(struct peer *p, uint64_t seq, const uint64_t *ids, uint32_t count)
{
    if (acks_begin(p))
        wire_ack_ok_put(&p->acks, seq, ids, count);
}

/* Of sessions. */
static void peer_acknowledge(void *peer, const struct wire_session_ack *a)
{
    struct peer *p = peer;

    if (p->state != PEER_UP)
        return;
    if (p->session_acks.len == 0)
        wire_session_acks_begin(&p->session_acks);
    wire_session_ack_put(&p->session_acks, a);
    p->link->acks_waiting = true;
}

/* Behind what was answered before: a FENCE must not overtake the answer to the ATTACH
 * whose session it takes away again. */
static void peer_call(void *peer, struct buf *frame)
{
    struct peer *p = peer;

    if (p->session_acks.len > 0)
        (void)peer_send_buf(p, &p->session_acks);
    (void)peer_send_buf(p, frame);
}

static void link_send_acks(struct link *l)
{
    struct peer *p, *next;

    if (!l->acks_waiting)
        return;
    l->acks_waiting = false;
    HASH_ITER (hh, l->peers, p, next) {
        if (p->acks.len > 0)
            (void)peer_send_buf(p, &p->acks);
        if (p->session_acks.len > 0)
            (void)peer_send_buf(p, &p->session_acks);
    }
}

/* --- coming and going -------------------------------------------------------------- */

static void peer_maybe_free(struct peer *p)
{
    if (p->state != PEER_GONE || p->frames > 0)
        return;
    buf_free(&p->acks);
    buf_free(&p->session_acks);
    free(p);
}

void peer_frame_done(struct peer *p)
{
    assert(p->frames > 0);
    p->frames--;
    peer_maybe_free(p);
}

static void peer_leave(struct peer *p)
{
    if (p->fan == NULL)
        return;
    fanout_leave(p->link->fanout, p->fan);
    sessions_leave(p->holder, p);
    p->fan = NULL;
    p->holder = NULL;
    p->link->up--;
    metric_set(M_GATEWAYS, p->link->up);
}

/* Out of the table.  Not from inside the fan-out. */
static void peer_forget(struct peer *p, const char *why)
{
    log_info("gateway left", LOG_S("name", p->name), LOG_S("why", why));
    peer_leave(p);
    HASH_DEL(p->link->peers, p);
    p->state = PEER_GONE;
    peer_maybe_free(p);
}

/* Tells a lost peer, if its connection takes anything; else a later tick does. */
static void lost_tell(struct peer *p)
{
    int rc = send_hello_no(p->link, peer_id(p), p->lost_why, "Say hello again");

    if (rc == 0)
        peer_forget(p, p->lost_why == ERR_BAD_REQUEST ? "malformed frame" : "its queue was full");
    else if (rc != UV_EAGAIN)
        peer_forget(p, "disconnected");
}

static void link_tell_lost(struct link *l)
{
    struct peer *p, *next;

    HASH_ITER (hh, l->peers, p, next) {
        if (p->state == PEER_LOST)
            lost_tell(p);
    }
}

/* What peer_lose left to do. */
static void link_sweep(struct link *l)
{
    struct peer *p, *next;

    if (!l->losses)
        return;
    l->losses = false;
    HASH_ITER (hh, l->peers, p, next) {
        if (p->state == PEER_LOST)
            peer_leave(p);
    }
    link_tell_lost(l);
}

static struct peer *peer_find(struct link *l, struct slice id)
{
    struct peer *p;

    HASH_FIND(hh, l->peers, id.p, id.len, p);
    return p;
}

/* A gateway that has reconnected before its old connection was known to be gone. */
static void instance_replace(struct link *l, const struct wire_uuid *instance)
{
    struct peer *p, *next;

    HASH_ITER (hh, l->peers, p, next) {
        if (memcmp(&p->instance, instance, sizeof *instance) == 0)
            peer_forget(p, "said hello again");
    }
}

/* --- hello ----------------------------------------------------------------------------- */

/* Names come from outside and go into logs: what is not printable is dropped. */
static void name_copy(char *out, size_t room, struct slice name)
{
    size_t n = 0;

    for (size_t i = 0; i < name.len && n + 1 < room; i++) {
        if (name.p[i] > ' ' && name.p[i] < 0x7f)
            out[n++] = name.p[i];
    }
    out[n] = '\0';
}

static struct peer *peer_add(struct link *l, struct slice id, const struct wire_hello *h)
{
    struct peer *p = mem_zalloc(sizeof *p + id.len);

    p->fan = fanout_join(l->fanout, p, store_head(l->store));
    if (p->fan == NULL) {
        free(p);
        return NULL;
    }
    p->link = l;
    p->state = PEER_UP;
    p->instance = h->instance;
    name_copy(p->name, sizeof p->name, h->name);
    p->id_len = id.len;
    memcpy(p->id, id.p, id.len);
    HASH_ADD(hh, l->peers, id, id.len, p);
    p->holder = sessions_join(l->sessions, &p->instance, p->name, p);
    l->up++;
    metric_set(M_GATEWAYS, l->up);
    return p;
}

static bool uuid_is(const struct wire_uuid *a, const struct wire_uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* The gateway's ring is of another log, or of a past that this log has lost. */
static bool hello_needs_reset(const struct link *l, const struct wire_hello *h)
{
    static const struct wire_uuid none;
    struct wire_uuid log = store_identity(l->store);

    if (!uuid_is(&h->log, &none) && !uuid_is(&h->log, &log))
        return true;
    return h->seen != 0 && !store_knows(l->store, h->seen);
}

static void hello_answer(struct peer *p, const struct wire_hello *h)
{
    struct link *l = p->link;
    uint64_t window = l->options.window;
    struct wire_hello_ok ok = {
        .version = WIRE_VERSION,
        .log = store_identity(l->store),
        .head = store_head(l->store),
        .window = window < UINT32_MAX ? (uint32_t)window : UINT32_MAX,
        .reset = hello_needs_reset(l, h),
    };
    struct buf b = {0};

    wire_hello_ok_put(&b, &ok);
    log_info("gateway joined", LOG_S("name", p->name), LOG_U("seen", h->seen),
             LOG_U("head", ok.head), LOG_S("ring", ok.reset ? "reset" : "kept"));
    (void)peer_send_buf(p, &b);
}

static void bad_frame(struct link *l, const char *what)
{
    uint64_t skipped;

    metric_add(M_BAD_FRAMES, 1);
    if (log_limit_pass(&l->bad_frames, &skipped))
        log_warn("malformed frame on link", LOG_S("frame", what), LOG_U("not_logged", skipped));
}

static void link_hello(struct link *l, struct slice id, const struct zmsg *m)
{
    struct peer *old = peer_find(l, id);
    struct wire_hello h;
    struct peer *p;

    if (old != NULL)
        peer_forget(old, "said hello again");
    if (!wire_hello_get(zmsg_data(m), zmsg_size(m), &h)) {
        bad_frame(l, "hello");
        (void)send_hello_no(l, id, ERR_BAD_REQUEST, "The hello is malformed");
        return;
    }
    if (h.version != WIRE_VERSION) {
        log_warn("gateway refused", LOG_S("why", "another wire version"),
                 LOG_U("version", h.version));
        (void)send_hello_no(l, id, ERR_NOT_IMPLEMENTED, "Another wire version is spoken here");
        return;
    }
    instance_replace(l, &h.instance);
    p = peer_add(l, id, &h);
    if (p == NULL) {
        log_warn("gateway refused", LOG_S("why", "too many gateways"));
        (void)send_hello_no(l, id, ERR_TOO_MANY, "Too many gateways");
        return;
    }
    hello_answer(p, &h);
    sessions_greet(p->holder);
}

/* --- what a gateway asks ------------------------------------------------------------------ */

static bool peer_filter_add(struct peer *p, struct zmsg *m)
{
    struct link *l = p->link;
    enum sluice_error error;
    struct slice filter;
    struct buf b = {0};
    uint32_t ref;

    if (!wire_filter_add_get(zmsg_data(m), zmsg_size(m), &ref, &filter))
        return false;
    error = fanout_filter_add(l->fanout, p->fan, ref, filter);
    if (error == ERR_NONE)
        wire_filter_live_put(&b, ref, store_head(l->store));
    else
        wire_filter_no_put(&b, ref, error);
    (void)peer_send_buf(p, &b);
    return true;
}

static bool peer_filter_drop(struct peer *p, struct zmsg *m)
{
    uint32_t ref;

    if (!wire_filter_drop_get(zmsg_data(m), zmsg_size(m), &ref))
        return false;
    fanout_filter_drop(p->link->fanout, p->fan, ref);
    return true;
}

static bool peer_confirm(struct peer *p, struct zmsg *m)
{
    uint64_t upto;

    if (!wire_confirm_get(zmsg_data(m), zmsg_size(m), &upto))
        return false;
    fanout_confirm(p->link->fanout, p->fan, upto, store_head(p->link->store));
    return true;
}

static bool peer_session(struct peer *p, struct zmsg *m)
{
    return sessions_units(p->holder, m);
}

static bool peer_tell(struct peer *p, struct zmsg *m)
{
    return sessions_tell(p->holder, m);
}

/* Every message a gateway may send, and what its malformed form is called. */
static const struct {
    uint8_t kind;
    const char *name;
    bool (*take)(struct peer *p, struct zmsg *m); /* false: malformed */
} messages[] = {
    {WIRE_PUBLISH, "publish", peer_publish},
    {WIRE_CONFIRM, "confirm", peer_confirm},
    {WIRE_FILTER_ADD, "filter-add", peer_filter_add},
    {WIRE_FILTER_DROP, "filter-drop", peer_filter_drop},
    {WIRE_DELETE, "delete", peer_delete},
    {WIRE_SESSION, "session", peer_session},
    {WIRE_TELL, "tell", peer_tell},
};

static void peer_message(struct peer *p, struct zmsg *m)
{
    uint8_t kind = wire_kind(zmsg_data(m), zmsg_size(m));
    const char *name = "unknown kind";

    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        if (messages[i].kind != kind)
            continue;
        if (messages[i].take(p, m))
            return;
        name = messages[i].name;
    }
    bad_frame(p->link, name);
    peer_lose(p, ERR_BAD_REQUEST);
}

static void on_message(void *arg, struct slice id, struct zmsg *parts, size_t count)
{
    struct link *l = arg;
    struct peer *p;

    if (count == 1 && wire_kind(zmsg_data(parts), zmsg_size(parts)) == WIRE_HELLO) {
        link_hello(l, id, parts);
        return;
    }
    p = peer_find(l, id);
    if (p == NULL || p->state != PEER_UP)
        return;
    if (count == 1) {
        peer_message(p, parts);
        return;
    }
    bad_frame(l, "several parts");
    peer_lose(p, ERR_BAD_REQUEST);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void link_end_turn(struct link *l)
{
    link_send_acks(l);
    link_sweep(l);
}

/* After a drain: refusals made in it must not wait for the next turn. */
static void on_drained(void *arg)
{
    link_end_turn(arg);
}

/* After the poll phase, in which the store's callbacks run. */
static void on_turn(uv_check_t *check)
{
    link_end_turn(check->data);
}

static void on_tick(uv_timer_t *timer)
{
    struct link *l = timer->data;
    unsigned every = sessions_held(l->sessions) ? HELD_TICKS : PROBE_TICKS;

    link_tell_lost(l);
    fanout_tick(l->fanout, store_head(l->store), ++l->ticks % every == 0);
    link_end_turn(l);
}

void link_batch(struct link *l, const struct store_batch *b)
{
    fanout_batch(l->fanout, b);
}

void link_removed(struct link *l, struct slice topic, uint64_t upto)
{
    fanout_removed(l->fanout, topic, upto);
}

/* --- begin and end ---------------------------------------------------------------- */

static bool send_to_gateway(void *gateway, struct zmsg *m)
{
    return peer_send(gateway, m);
}

static struct slice topic_name(void *store, uint32_t topic)
{
    return store_topic_name(store, topic);
}

/* More messages than both windows can hold, so that only a peer that has given
 * up reading ever meets the mark. */
static int send_mark(const struct link_options *o)
{
    uint64_t most = o->credit / WIRE_LIVE_HEAD + o->window / UNIT_MIN + SPARE_MESSAGES;

    return most < INT_MAX ? (int)most : INT_MAX;
}

static struct zsock *socket_new(struct link *l)
{
    static const struct zsock_ops ops = {.message = on_message, .drained = on_drained};
    const struct link_options *o = &l->options;
    const struct zsock_options so = {
        .send_hwm = send_mark(o),
        .heartbeat_ms = HEARTBEAT_MS,
        /* A unit is a body's events: records may be several times their JSON. */
        .max_message = o->window + 4 * o->max_body + o->max_payload,
        .mandatory = true,
    };

    return zsock_new(l->loop, ZSOCK_ROUTER, &so, &ops, l);
}

struct link *link_new(uv_loop_t *loop, struct store *store, struct sessions *sessions,
                      const struct link_options *o)
{
    static const struct sessions_ops session_ops = {peer_acknowledge, peer_call};
    const struct fanout_ops ops = {send_to_gateway, topic_name, store};
    struct link *l = mem_zalloc(sizeof *l);

    l->loop = loop;
    l->store = store;
    l->sessions = sessions;
    l->options = *o;
    l->sock = socket_new(l);
    if (l->sock == NULL) {
        free(l);
        return NULL;
    }
    l->fanout = fanout_new(&ops, o->credit);
    (void)uv_check_init(loop, &l->turn);
    (void)uv_timer_init(loop, &l->tick);
    l->turn.data = l;
    l->tick.data = l;
    sessions_serve(sessions, &session_ops);
    (void)uv_check_start(&l->turn, on_turn);
    (void)uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
    return l;
}

struct zsock *link_socket(struct link *l)
{
    return l->sock;
}

void link_stop(struct link *l)
{
    zsock_pause(l->sock, true);
    (void)uv_timer_stop(&l->tick);
}

static void closed_one(struct link *l)
{
    if (--l->closing == 0)
        l->closed(l->closed_arg);
}

static void on_handle_closed(uv_handle_t *h)
{
    closed_one(h->data);
}

static void on_socket_closed(void *arg)
{
    closed_one(arg);
}

void link_close(struct link *l, unsigned linger_ms, void (*closed)(void *arg), void *arg)
{
    if (l == NULL)
        return;
    l->closed = closed;
    l->closed_arg = arg;
    l->closing = 3;
    link_end_turn(l);
    uv_close((uv_handle_t *)&l->turn, on_handle_closed);
    uv_close((uv_handle_t *)&l->tick, on_handle_closed);
    zsock_close(l->sock, linger_ms, on_socket_closed);
}

void link_free(struct link *l)
{
    struct peer *p, *next;

    if (l == NULL)
        return;
    HASH_ITER (hh, l->peers, p, next)
        peer_forget(p, "the broker ends");
    fanout_free(l->fanout);
    free(l);
}
