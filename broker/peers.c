/*
 * peers.c - see peers.h: the table of gateways, what they ask, what they get.
 *
 *   hello ──▶ hello-ok; filter-add ──▶ filter-live; publish ──▶ (peer_publish.c)
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
#include "peers.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "peer.h"

#define TICK_MS 500    /* `upto` travels at least every second */
#define PROBE_TICKS 10 /* an idle gateway that is gone is noticed within 5 s … */
#define HELD_TICKS 2   /* … within 1 s when sessions hang on it */
#define HEARTBEAT_MS 1000
#define UNIT_MIN 44          /* bytes of the smallest publish: 12 and a record's head */
#define SPARE_MESSAGES 10000 /* filter replies and the like, within the marks */

/* --- sending ------------------------------------------------------------------ */

/* To anyone, also one that is no peer.  0 or a negative errno. */
static int peers_send_hello_no(struct peers *all, struct slice id, enum sluice_error why,
                               const char *text)
{
    struct buf b = {0};
    struct zmsg m;
    int rc;

    wire_hello_no_put(&b, why, slice_of(text));
    zmsg_init_buf(&m, &b);
    rc = zsock_send(all->sock, id, &m);
    zmsg_close(&m);
    return rc;
}

/* --- answers of sessions ---------------------------------------------------------- */

static void peers_session_ack(void *peer, const struct wire_session_ack *a)
{
    peer_ack_session(peer, a);
}

/* Behind what was answered before: a FENCE must not overtake the answer to the ATTACH
 * whose session it takes away again. */
static void peers_session_call(void *peer, struct buf *frame)
{
    peer_send_session_acks(peer);
    peer_send_buf(peer, frame);
}

static void peers_send_acks(struct peers *all)
{
    struct peer *p, *next;

    if (!all->acks_waiting)
        return;
    all->acks_waiting = false;
    HASH_ITER (hh, all->table, p, next)
        peer_send_acks(p);
}

/* --- coming and going -------------------------------------------------------------- */

static void peer_leave(struct peer *p)
{
    if (p->in_fanout == NULL)
        return;
    fanout_leave(p->all->fanout, p->in_fanout);
    sessions_leave(p->in_sessions, p);
    p->in_fanout = NULL;
    p->in_sessions = NULL;
    p->all->up--;
    metric_set(M_GATEWAYS, p->all->up);
}

/* Out of the table.  Not from inside the fan-out. */
static void peer_forget(struct peer *p, const char *why)
{
    log_info("gateway left", LOG_S("name", p->name), LOG_S("why", why));
    peer_leave(p);
    HASH_DEL(p->all->table, p);
    p->state = PEER_GONE;
    peer_maybe_free(p);
}

/* Tells a lost peer, if its connection takes anything; else a later tick does. */
static void peer_tell_lost(struct peer *p)
{
    int rc = peers_send_hello_no(p->all, peer_id(p), p->lost_why, "Say hello again");

    if (rc == 0)
        peer_forget(p, p->lost_why == ERR_BAD_REQUEST ? "malformed frame" : "its queue was full");
    else if (rc != UV_EAGAIN)
        peer_forget(p, "disconnected");
}

static void peers_tell_lost(struct peers *all)
{
    struct peer *p, *next;

    HASH_ITER (hh, all->table, p, next) {
        if (p->state == PEER_LOST)
            peer_tell_lost(p);
    }
}

/* What peer_lose left to do. */
static void peers_sweep(struct peers *all)
{
    struct peer *p, *next;

    if (!all->losses)
        return;
    all->losses = false;
    HASH_ITER (hh, all->table, p, next) {
        if (p->state == PEER_LOST)
            peer_leave(p);
    }
    peers_tell_lost(all);
}

static struct peer *peer_find(struct peers *all, struct slice id)
{
    struct peer *p;

    HASH_FIND(hh, all->table, id.p, id.len, p);
    return p;
}

#define NOT_ADMITTED "The key of this gateway is not in [broker] gateway_keys"

void peers_review(struct peers *all)
{
    struct peer *p, *next;

    HASH_ITER (hh, all->table, p, next) {
        if (p->key[0] == '\0' || warden_admits(all->options.warden, p->key))
            continue;
        (void)peers_send_hello_no(all, peer_id(p), ERR_UNAUTHORIZED, NOT_ADMITTED);
        peer_forget(p, "its key is not listed any more");
    }
}

/* A gateway that has reconnected before its old connection was known to be gone. */
static void peers_replace(struct peers *all, const struct wire_uuid *instance)
{
    struct peer *p, *next;

    HASH_ITER (hh, all->table, p, next) {
        if (memcmp(&p->instance, instance, sizeof *instance) == 0)
            peer_forget(p, "said hello again");
    }
}

/* --- hello ----------------------------------------------------------------------------- */

/* Names come from outside and go into logs: what is not printable is dropped. */
static void peer_name_copy(char *out, size_t room, struct slice name)
{
    size_t n = 0;

    for (size_t i = 0; i < name.len && n + 1 < room; i++) {
        if (name.p[i] > ' ' && name.p[i] < 0x7f)
            out[n++] = name.p[i];
    }
    out[n] = '\0';
}

static struct peer *peer_add(struct peers *all, struct slice id, const struct wire_hello *h)
{
    struct peer *p = mem_zalloc(sizeof *p + id.len);

    p->in_fanout = fanout_join(all->fanout, p, store_head(all->store));
    if (p->in_fanout == NULL) {
        free(p);
        return NULL;
    }
    p->all = all;
    p->state = PEER_UP;
    p->instance = h->instance;
    peer_name_copy(p->name, sizeof p->name, h->name);
    p->id_len = id.len;
    memcpy(p->id, id.p, id.len);
    HASH_ADD(hh, all->table, id, id.len, p);
    p->in_sessions = sessions_join(all->sessions, &p->instance, p->name, p);
    all->up++;
    metric_set(M_GATEWAYS, all->up);
    return p;
}

static bool peers_uuid_is(const struct wire_uuid *a, const struct wire_uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* The gateway's ring is of another log, or of a past that this log has lost. */
static bool hello_needs_reset(const struct peers *all, const struct wire_hello *h)
{
    static const struct wire_uuid none;
    struct wire_uuid log = store_identity(all->store);

    if (!peers_uuid_is(&h->log, &none) && !peers_uuid_is(&h->log, &log))
        return true;
    return h->seen != 0 && !store_knows(all->store, h->seen);
}

static void hello_answer(struct peer *p, const struct wire_hello *h)
{
    struct peers *all = p->all;
    uint64_t window = all->options.window;
    struct wire_hello_ok ok = {
        .version = WIRE_VERSION,
        .log = store_identity(all->store),
        .head = store_head(all->store),
        .window = window < UINT32_MAX ? (uint32_t)window : UINT32_MAX,
        .reset = hello_needs_reset(all, h),
    };
    struct buf b = {0};

    wire_hello_ok_put(&b, &ok);
    log_info("gateway joined", LOG_S("name", p->name), LOG_U("seen", h->seen),
             LOG_U("head", ok.head), LOG_S("ring", ok.reset ? "reset" : "kept"));
    peer_send_buf(p, &b);
}

static void peers_bad_frame(struct peers *all, const char *what)
{
    uint64_t skipped;

    metric_add(M_BAD_FRAMES, 1);
    if (log_limit_pass(&all->bad_frames, &skipped))
        log_warn("malformed frame on link", LOG_S("frame", what), LOG_U("not_logged", skipped));
}

static void peers_hello(struct peers *all, struct slice id, struct zmsg *m)
{
    struct peer *old = peer_find(all, id);
    const char *key = zmsg_key(m);
    struct wire_hello h;
    struct peer *p;

    if (old != NULL)
        peer_forget(old, "said hello again");
    if (!warden_admits(all->options.warden, key)) {
        (void)peers_send_hello_no(all, id, ERR_UNAUTHORIZED, NOT_ADMITTED);
        return;
    }
    if (!wire_hello_get(zmsg_data(m), zmsg_size(m), &h)) {
        peers_bad_frame(all, "hello");
        (void)peers_send_hello_no(all, id, ERR_BAD_REQUEST, "The hello is malformed");
        return;
    }
    if (h.version != WIRE_VERSION) {
        log_warn("gateway refused", LOG_S("why", "another wire version"),
                 LOG_U("version", h.version));
        (void)peers_send_hello_no(all, id, ERR_NOT_IMPLEMENTED,
                                  "Another wire version is spoken here");
        return;
    }
    peers_replace(all, &h.instance);
    p = peer_add(all, id, &h);
    if (p == NULL) {
        log_warn("gateway refused", LOG_S("why", "too many gateways"));
        (void)peers_send_hello_no(all, id, ERR_TOO_MANY, "Too many gateways");
        return;
    }
    if (key != NULL)
        (void)snprintf(p->key, sizeof p->key, "%s", key);
    hello_answer(p, &h);
    sessions_greet(p->in_sessions);
}

/* --- what a gateway asks ------------------------------------------------------------------ */

static bool peer_filter_add(struct peer *p, struct zmsg *m)
{
    struct peers *all = p->all;
    enum sluice_error error;
    struct slice filter;
    struct buf b = {0};
    uint32_t ref;

    if (!wire_filter_add_get(zmsg_data(m), zmsg_size(m), &ref, &filter))
        return false;
    error = fanout_filter_add(all->fanout, p->in_fanout, ref, filter);
    if (error == ERR_NONE)
        wire_filter_live_put(&b, ref, store_head(all->store));
    else
        wire_filter_no_put(&b, ref, error);
    peer_send_buf(p, &b);
    return true;
}

static bool peer_filter_drop(struct peer *p, struct zmsg *m)
{
    uint32_t ref;

    if (!wire_filter_drop_get(zmsg_data(m), zmsg_size(m), &ref))
        return false;
    fanout_filter_drop(p->all->fanout, p->in_fanout, ref);
    return true;
}

static bool peer_confirm(struct peer *p, struct zmsg *m)
{
    uint64_t upto;

    if (!wire_confirm_get(zmsg_data(m), zmsg_size(m), &upto))
        return false;
    fanout_confirm(p->all->fanout, p->in_fanout, upto, store_head(p->all->store));
    return true;
}

static bool peer_session(struct peer *p, struct zmsg *m)
{
    return sessions_units(p->in_sessions, m);
}

static bool peer_tell(struct peer *p, struct zmsg *m)
{
    return sessions_tell(p->in_sessions, m);
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
    peers_bad_frame(p->all, name);
    peer_lose(p, ERR_BAD_REQUEST);
}

static void peers_on_message(void *arg, struct slice id, struct zmsg *parts, size_t count)
{
    struct peers *all = arg;
    struct peer *p;

    if (count == 1 && wire_kind(zmsg_data(parts), zmsg_size(parts)) == WIRE_HELLO) {
        peers_hello(all, id, parts);
        return;
    }
    p = peer_find(all, id);
    if (p == NULL || p->state != PEER_UP)
        return;
    if (count == 1) {
        peer_message(p, parts);
        return;
    }
    peers_bad_frame(all, "several parts");
    peer_lose(p, ERR_BAD_REQUEST);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void peers_end_turn(struct peers *all)
{
    peers_send_acks(all);
    peers_sweep(all);
}

/* After a drain: refusals made in it must not wait for the next turn. */
static void peers_on_drained(void *arg)
{
    peers_end_turn(arg);
}

/* After the poll phase, in which the store's callbacks run. */
static void peers_on_turn(uv_check_t *check)
{
    peers_end_turn(check->data);
}

static void peers_on_tick(uv_timer_t *timer)
{
    struct peers *all = timer->data;
    unsigned every = sessions_held(all->sessions) ? HELD_TICKS : PROBE_TICKS;

    peers_tell_lost(all);
    fanout_tick(all->fanout, store_head(all->store), ++all->ticks % every == 0);
    peers_end_turn(all);
}

void peers_batch(struct peers *all, const struct store_batch *b)
{
    fanout_batch(all->fanout, b);
}

void peers_topic_forgotten(struct peers *all, uint32_t topic)
{
    fanout_topic_forgotten(all->fanout, topic);
}

void peers_removed(struct peers *all, struct slice topic, uint64_t upto)
{
    fanout_removed(all->fanout, topic, upto);
}

/* --- begin and end ---------------------------------------------------------------- */

static bool peers_fanout_send(void *gateway, struct zmsg *m)
{
    return peer_send(gateway, m);
}

static struct slice peers_topic_name(void *store, uint32_t topic)
{
    return store_topic_name(store, topic);
}

/* More messages than both windows can hold, so that only a peer that has given
 * up reading ever meets the mark. */
static int peers_send_mark(const struct peers_options *o)
{
    uint64_t most = o->credit / WIRE_LIVE_HEAD + o->window / UNIT_MIN + SPARE_MESSAGES;

    return most < INT_MAX ? (int)most : INT_MAX;
}

static struct zsock *peers_socket_new(struct peers *all)
{
    static const struct zsock_ops ops = {.message = peers_on_message, .drained = peers_on_drained};
    const struct peers_options *o = &all->options;
    const struct zsock_options so = {
        .send_hwm = peers_send_mark(o),
        .heartbeat_ms = HEARTBEAT_MS,
        /* A unit is a body's events: records may be several times their JSON. */
        .max_message = o->window + 4 * o->max_body + o->max_payload,
        .mandatory = true,
    };

    return zsock_new(all->loop, ZSOCK_ROUTER, &so, &ops, all);
}

struct peers *peers_new(uv_loop_t *loop, struct store *store, struct sessions *sessions,
                        const struct peers_options *o)
{
    static const struct sessions_ops session_ops = {peers_session_ack, peers_session_call};
    const struct fanout_ops ops = {peers_fanout_send, peers_topic_name, store};
    struct peers *all = mem_zalloc(sizeof *all);

    all->loop = loop;
    all->store = store;
    all->sessions = sessions;
    all->options = *o;
    all->sock = peers_socket_new(all);
    if (all->sock == NULL) {
        free(all);
        return NULL;
    }
    all->fanout = fanout_new(&ops, o->credit, o->filters);
    (void)uv_check_init(loop, &all->turn);
    (void)uv_timer_init(loop, &all->tick);
    all->turn.data = all;
    all->tick.data = all;
    sessions_serve(sessions, &session_ops);
    (void)uv_check_start(&all->turn, peers_on_turn);
    (void)uv_timer_start(&all->tick, peers_on_tick, TICK_MS, TICK_MS);
    return all;
}

struct zsock *peers_socket(struct peers *all)
{
    return all->sock;
}

void peers_stop(struct peers *all)
{
    zsock_pause(all->sock, true);
    (void)uv_timer_stop(&all->tick);
}

static void peers_closed_one(struct peers *all)
{
    if (--all->closing == 0)
        all->closed(all->closed_arg);
}

static void peers_on_handle_closed(uv_handle_t *h)
{
    peers_closed_one(h->data);
}

static void peers_on_socket_closed(void *arg)
{
    peers_closed_one(arg);
}

void peers_close(struct peers *all, unsigned linger_ms, void (*closed)(void *arg), void *arg)
{
    if (all == NULL)
        return;
    all->closed = closed;
    all->closed_arg = arg;
    all->closing = 3;
    peers_end_turn(all);
    uv_close((uv_handle_t *)&all->turn, peers_on_handle_closed);
    uv_close((uv_handle_t *)&all->tick, peers_on_handle_closed);
    zsock_close(all->sock, linger_ms, peers_on_socket_closed);
}

void peers_free(struct peers *all)
{
    struct peer *p, *next;

    if (all == NULL)
        return;
    HASH_ITER (hh, all->table, p, next)
        peer_forget(p, "the broker ends");
    peer_frames_free(all);
    fanout_free(all->fanout);
    free(all);
}
