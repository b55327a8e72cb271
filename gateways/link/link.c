/*
 * link.c - a gateway's two sockets to the broker.
 *
 * link: a DEALER that lives as long as one connection.  When the connection is
 * lost the socket is thrown away and a new one connects, because ZeroMQ would
 * deliver what is queued in the old one to the broker's successor, ahead of our
 * hello.  So a connection always begins with hello, and nothing stale follows.
 *
 *   DOWN ──connected──▶ HELLO ──hello-ok──▶ UP
 *    ▲  ◀──lost───────────┴──────lost───────┘
 *
 * UP runs up() first (the hub registers its filters, MQTT tells which sessions it
 * holds), then sends what is unacknowledged, in order (publisher.c).  Publishes of one turn are
 * gathered: link_publish only queues, the uv_check at the end of the turn sends.  The uv_idle keeps
 * the loop from sleeping when they were queued later than that.
 *
 * reads: a DEALER that stays; requests are copied into it, so that they can be
 * asked again when the connection comes back or no answer came in time.  Late
 * second answers find no request and are dropped.
 *
 * Refused in the handshake (keys): said in the log and by link_trouble, and tried again with
 * sockets that are new, for ZeroMQ gives up on some refusals.
 *
 * One coarse timer, running only while something is pending: deadlines of
 * publishes, the confirmation that is due after a quiet second, reads to ask
 * again, a hello without an answer.  A full queue (EAGAIN) on link ends the
 * connection; on reads the request waits for the next tick.
 */
#include "link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <utlist.h>

#include "clock.h"
#include "link_keys.h"
#include "log.h"
#include "loglimit.h"
#include "mem.h"
#include "metrics.h"
#include "publisher.h"
#include "read_queue.h"

#define TICK_MS 50
#define CONFIRM_MS 900      /* after the last live message: "about a second" */
#define HELLO_AGAIN_MS 1000 /* after a hello-no */
#define HELLO_MS 10000      /* a hello without any answer: connect anew */
#define REFUSED_AGAIN_MS 1000
#define READ_AGAIN_MS 10000
#define REPLIES_A_TURN 2u /* pages of history, up to 1 MiB each: then the loop looks elsewhere */
#define READ_BUSY_MS 50
#define HEARTBEAT_MS 1000
#define CLOSE_LINGER_MS 200   /* the ends of clients are the last that is said */
#define QUEUE_MESSAGES 100000 /* above both windows, which count bytes */

enum link_state { LINK_DOWN, LINK_HELLO, LINK_UP, LINK_CLOSING };

struct link {
    uv_loop_t *loop;
    const struct link_ops *ops;
    void *arg;
    char *name, *link_endpoint, *reads_endpoint;
    struct link_keys keys;
    char trouble[160];         /* why the broker does not take us; empty: it does, or is away */
    uint64_t refused_at;       /* the socket of link is to be made anew */
    uint64_t reads_refused_at; /* and that of reads */
    struct log_limit refusals;

    struct zsock *link;
    enum link_state state;
    struct wire_uuid instance, log;
    uint64_t seen;
    uint64_t hello_at; /* HELLO: say it (again) then; 0: not planned */
    uint64_t hello_ends;
    size_t credit; /* confirm when so many live bytes came */
    size_t unconfirmed;
    uint64_t confirm_upto, confirm_at;
    struct publisher publisher;
    bool ran;    /* a callback ran in this turn */
    bool broken; /* it took no more: to be replaced at the turn's end */

    struct zsock *reads;
    bool reads_up;
    struct read_queue queue;
    uint64_t next_ref;
    uint64_t reads_hold; /* the broker is busy: ask nothing before */

    uv_timer_t timer;
    uv_check_t check;
    uv_idle_t idle;
    unsigned open; /* sockets and handles that have yet to close */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void link_tick_need(struct link *l);

static void link_on_idle(uv_idle_t *idle)
{
    (void)idle; /* only keeps the loop from sleeping before link_on_check */
}

/* link_turn_end runs before the loop sleeps. */
static void link_turn_need(struct link *l)
{
    uv_idle_start(&l->idle, link_on_idle);
}

/* --- sending on link --------------------------------------------------------- */

/* A link that takes no more is at its end: the broker reads nothing, or is
 * flooded beyond both windows.  A new connection starts in order; not at once,
 * because down() must not run from inside link_filter_add. */
static bool link_send(struct link *l, struct buf *frame)
{
    struct zmsg m;
    int rc;

    zmsg_init_buf(&m, frame);
    rc = l->broken ? -EAGAIN : zsock_send(l->link, (struct slice){NULL, 0}, &m);
    zmsg_close(&m);
    if (rc == 0)
        return true;
    l->broken = true;
    link_turn_need(l);
    return false;
}

static void link_say_hello(struct link *l)
{
    struct wire_hello h = {.version = WIRE_VERSION,
                           .instance = l->instance,
                           .log = l->log,
                           .seen = l->seen,
                           .name = slice_of(l->name)};
    struct buf b = {0};

    l->hello_at = 0;
    l->hello_ends = clock_mono_ms() + HELLO_MS;
    wire_hello_put(&b, &h);
    (void)link_send(l, &b);
}

static void link_confirm(struct link *l)
{
    struct buf b = {0};

    l->unconfirmed = 0;
    wire_confirm_put(&b, l->confirm_upto);
    (void)link_send(l, &b);
}

static void link_flush(struct link *l)
{
    struct link_publish *end;
    struct buf frame = {0};

    while (l->state == LINK_UP && publisher_frame(&l->publisher, &frame, &end)) {
        if (!link_send(l, &frame))
            return;
        publisher_sent(&l->publisher, end);
    }
}

/* --- messages from the broker --------------------------------------------------- */

static void link_on_hello_ok(struct link *l, const struct zmsg *m)
{
    struct wire_hello_ok ok;

    if (!wire_hello_ok_get(zmsg_data(m), zmsg_size(m), &ok) || ok.version != WIRE_VERSION) {
        metric_add(M_BAD_FRAMES, 1);
        l->hello_at = clock_mono_ms() + HELLO_AGAIN_MS;
        return;
    }
    l->state = LINK_UP;
    l->log = ok.log;
    l->unconfirmed = 0;
    metric_set(M_LINK_UP, 1);
    log_info("connected to the broker", LOG_U("head", ok.head), LOG_U("reset", ok.reset));
    publisher_begin(&l->publisher, ok.window);
    l->ops->up(l->arg, &ok);
    link_flush(l);
}

static void link_on_hello_no(struct link *l, const struct zmsg *m)
{
    struct slice text = SLICE("malformed refusal");
    uint16_t error = 0;

    if (!wire_hello_no_get(zmsg_data(m), zmsg_size(m), &error, &text))
        metric_add(M_BAD_FRAMES, 1);
    log_warn("the broker refuses this gateway", LOG_S("code", error_code(error)),
             LOG_SLICE("text", text));
    (void)snprintf(l->trouble, sizeof l->trouble, "the broker says: %.*s", (int)text.len, text.p);
    if (l->state == LINK_UP) {
        l->broken = true; /* it has dropped us: connect anew */
        link_turn_need(l);
    } else {
        l->hello_at = clock_mono_ms() + HELLO_AGAIN_MS;
    }
}

static bool link_on_live(struct link *l, struct zmsg *m)
{
    size_t size = zmsg_size(m);
    struct reader records;
    uint64_t after, upto;

    if (!wire_live_get(zmsg_data(m), size, &after, &upto, &records))
        return false;
    if (upto > after) { /* else it only shows a hole, and costs no credit */
        l->unconfirmed += size;
        l->confirm_upto = upto;
        l->confirm_at = clock_mono_ms() + CONFIRM_MS;
    }
    l->ops->live(l->arg, after, upto, m, records);
    if (l->state == LINK_UP && l->unconfirmed >= l->credit)
        link_confirm(l);
    return true;
}

static bool link_on_filter_answer(struct link *l, const struct zmsg *m, uint8_t kind)
{
    uint64_t live_from;
    uint32_t ref;
    uint16_t error;

    if (kind == WIRE_FILTER_LIVE) {
        if (!wire_filter_live_get(zmsg_data(m), zmsg_size(m), &ref, &live_from))
            return false;
        l->ops->filter_live(l->arg, ref, live_from);
        return true;
    }
    if (!wire_filter_no_get(zmsg_data(m), zmsg_size(m), &ref, &error))
        return false;
    l->ops->filter_no(l->arg, ref, error);
    return true;
}

static bool link_on_removed(struct link *l, const struct zmsg *m)
{
    struct slice topic;
    uint64_t upto;

    if (!wire_removed_get(zmsg_data(m), zmsg_size(m), &upto, &topic))
        return false;
    l->ops->removed(l->arg, topic, upto);
    return true;
}

static bool link_on_call(struct link *l, const struct zmsg *m)
{
    struct reader body;
    uint8_t op = wire_call_get(zmsg_data(m), zmsg_size(m), &body);

    if (op != 0 && l->ops->call != NULL)
        l->ops->call(l->arg, op, body);
    return op != 0;
}

static bool link_on_message_up(struct link *l, struct zmsg *m, uint8_t kind)
{
    switch (kind) {
    case WIRE_LIVE:
        return link_on_live(l, m);
    case WIRE_ACKS:
        return publisher_acks(&l->publisher, wire_acks_reader(zmsg_data(m), zmsg_size(m)));
    case WIRE_SESSION_ACKS:
        return publisher_session_acks(&l->publisher,
                                      wire_session_acks_reader(zmsg_data(m), zmsg_size(m)));
    case WIRE_CALL:
        return link_on_call(l, m);
    case WIRE_FILTER_LIVE:
    case WIRE_FILTER_NO:
        return link_on_filter_answer(l, m, kind);
    case WIRE_REMOVED:
        return link_on_removed(l, m);
    default:
        return false;
    }
}

static void link_on_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    struct link *l = arg;
    uint8_t kind = wire_kind(zmsg_data(&parts[0]), zmsg_size(&parts[0]));

    (void)peer;
    l->ran = true;
    if (l->state == LINK_HELLO && kind == WIRE_HELLO_OK)
        link_on_hello_ok(l, &parts[0]);
    else if (l->state >= LINK_HELLO && l->state <= LINK_UP && kind == WIRE_HELLO_NO)
        link_on_hello_no(l, &parts[0]);
    else if (l->state == LINK_UP && (count != 1 || !link_on_message_up(l, &parts[0], kind)))
        metric_add(M_BAD_FRAMES, 1);
    link_tick_need(l);
}

/* --- the connection ----------------------------------------------------------------- */

static void link_maybe_closed(struct link *l)
{
    if (--l->open > 0 || l->state != LINK_CLOSING)
        return;
    if (l->closed != NULL)
        l->closed(l->closed_arg);
    free(l->name);
    free(l->link_endpoint);
    free(l->reads_endpoint);
    explicit_bzero(&l->keys, sizeof l->keys);
    free(l);
}

static void link_on_socket_closed(void *arg)
{
    link_maybe_closed(arg);
}

static void link_lost(struct link *l);

static void link_turn_end(struct link *l)
{
    if (l->state == LINK_CLOSING)
        return;
    uv_idle_stop(&l->idle);
    l->ran |= publisher_refuse(&l->publisher);
    link_flush(l);
    if (l->broken) {
        log_warn("the link takes no more: connecting anew");
        link_lost(l);
    }
    if (l->ran) {
        l->ran = false;
        l->ops->turn(l->arg);
    }
    link_tick_need(l);
}

static void link_on_connected(void *arg)
{
    struct link *l = arg;

    if (l->state != LINK_DOWN)
        return;
    l->state = LINK_HELLO;
    link_say_hello(l);
    link_tick_need(l);
}

static void link_on_disconnected(void *arg)
{
    struct link *l = arg;

    if (l->state == LINK_HELLO || l->state == LINK_UP)
        link_lost(l);
}

static void link_on_drained(void *arg)
{
    link_turn_end(arg);
}

static void link_note_refusal(struct link *l, const char *endpoint, const char *why)
{
    uint64_t skipped;

    (void)snprintf(l->trouble, sizeof l->trouble, "the broker does not let us in: %s", why);
    if (log_limit_pass(&l->refusals, &skipped))
        log_warn("the broker does not let us in", LOG_S("endpoint", endpoint), LOG_S("why", why),
                 LOG_U("not_logged", skipped));
}

static void link_on_refused(void *arg, const char *why)
{
    struct link *l = arg;

    link_note_refusal(l, l->link_endpoint, why);
    l->refused_at = clock_mono_ms();
    link_tick_need(l);
}

static const struct zsock_ops link_socket_ops = {.message = link_on_message,
                                                 .drained = link_on_drained,
                                                 .connected = link_on_connected,
                                                 .disconnected = link_on_disconnected,
                                                 .refused = link_on_refused};

static struct zsock *link_socket_open(struct link *l, const struct zsock_ops *ops,
                                      const char *endpoint)
{
    struct zsock_options o = {.send_hwm = QUEUE_MESSAGES,
                              .recv_hwm = QUEUE_MESSAGES,
                              .heartbeat_ms = HEARTBEAT_MS,
                              .monitor = true};
    struct zsock *z = zsock_new(l->loop, ZSOCK_DEALER, &o, ops, l);
    int rc = UV_EMFILE;

    if (z != NULL) {
        link_keys_use(&l->keys, z, endpoint);
        rc = zsock_connect(z, endpoint);
    }
    if (rc != 0) {
        log_error("cannot connect to the broker", LOG_S("endpoint", endpoint),
                  LOG_S("error", uv_strerror(rc)));
        if (z != NULL)
            zsock_close(z, 0, NULL);
        return NULL;
    }
    l->open++;
    return z;
}

static void link_open(struct link *l)
{
    l->state = LINK_DOWN;
    l->refused_at = 0;
    l->link = link_socket_open(l, &link_socket_ops, l->link_endpoint);
}

static void link_lost(struct link *l)
{
    bool was_up = l->state == LINK_UP;
    struct zsock *old = l->link;

    l->state = LINK_DOWN;
    l->link = NULL;
    l->broken = false;
    l->unconfirmed = 0;
    metric_set(M_LINK_UP, 0);
    publisher_begin(&l->publisher, 0);
    zsock_close(old, 0, link_on_socket_closed);
    if (was_up) {
        log_warn("the broker is away");
        l->ops->down(l->arg);
        l->ran = true;
    }
    link_open(l);
    link_turn_need(l);
    link_tick_need(l);
}

/* --- reads ----------------------------------------------------------------------------- */

static bool read_send(struct link *l, struct link_read *r)
{
    struct zmsg m;
    int rc;

    zmsg_init_copy(&m, r->frame.p, r->frame.len);
    rc = zsock_send(l->reads, (struct slice){NULL, 0}, &m);
    zmsg_close(&m);
    return rc == 0;
}

static void reads_flush(struct link *l)
{
    struct link_read *r;
    uint64_t now;

    if (!l->reads_up || l->state == LINK_CLOSING || read_queue_is_empty(&l->queue))
        return;
    now = clock_mono_ms();
    while (now >= l->reads_hold && (r = read_queue_next(&l->queue)) != NULL && read_send(l, r)) {
        read_queue_send(&l->queue, r);
        r->asked_at = now;
    }
}

static void read_done(struct link *l, struct link_read *r, enum sluice_error error,
                      struct slice text, struct zmsg *reply)
{
    read_queue_remove(&l->queue, r);
    buf_free(&r->frame);
    l->ran = true;
    r->cb(r, error, text, reply);
}

static void link_on_reply(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    size_t size = zmsg_size(&parts[0]);
    struct reader body = reader_of(zmsg_data(&parts[0]), size);
    struct slice text = {NULL, 0};
    struct link *l = arg;
    struct link_read *r;
    uint16_t error;
    uint64_t ref;
    uint8_t kind;

    (void)peer;
    kind = reader_u8(&body);
    ref = reader_u64(&body);
    error = reader_u16(&body);
    if (error != ERR_NONE)
        text = reader_str16(&body);
    if (body.bad || count != 1) {
        metric_add(M_BAD_FRAMES, 1);
        return;
    }
    r = read_queue_find(&l->queue, ref);
    if (r == NULL || kind != r->frame.p[0] + 64)
        return; /* the second answer to what was asked twice */
    if (error == ERR_BUSY) {
        read_queue_back(&l->queue, r);
        l->reads_hold = clock_mono_ms() + READ_BUSY_MS;
        link_tick_need(l);
        return;
    }
    read_done(l, r, error, text, &parts[0]);
}

static void link_on_reads_drained(void *arg)
{
    struct link *l = arg;

    reads_flush(l);
    link_turn_end(l);
}

static void link_on_reads_connected(void *arg)
{
    struct link *l = arg;

    l->reads_up = true;
    reads_flush(l);
    link_tick_need(l);
}

/* The connection takes what was asked on it along: ask it all on the next. */
static void link_on_reads_disconnected(void *arg)
{
    struct link *l = arg;

    l->reads_up = false;
    read_queue_back_all(&l->queue);
}

static void link_on_reads_refused(void *arg, const char *why)
{
    struct link *l = arg;

    link_note_refusal(l, l->reads_endpoint, why);
    l->reads_refused_at = clock_mono_ms();
    link_tick_need(l);
}

static const struct zsock_ops reads_socket_ops = {.message = link_on_reply,
                                                  .drained = link_on_reads_drained,
                                                  .connected = link_on_reads_connected,
                                                  .disconnected = link_on_reads_disconnected,
                                                  .refused = link_on_reads_refused};

static void reads_open(struct link *l)
{
    l->reads_refused_at = 0;
    l->reads = link_socket_open(l, &reads_socket_ops, l->reads_endpoint);
    if (l->reads != NULL)
        zsock_budget(l->reads, REPLIES_A_TURN);
}

/* Nothing was ever asked on it: the requests wait. */
static void reads_open_again(struct link *l)
{
    if (l->reads != NULL)
        zsock_close(l->reads, 0, link_on_socket_closed);
    if (l->reads_up)
        link_on_reads_disconnected(l);
    reads_open(l);
}

void link_read(struct link *l, struct link_read *r)
{
    assert(r->frame.len >= 9 && r->cb != NULL);
    r->ref = l->next_ref++;
    buf_patch_u64(&r->frame, 1, r->ref);
    read_queue_add(&l->queue, r);
    reads_flush(l);
    link_tick_need(l);
}

/* The broker need not go on with it.  When this does not get through it answers in vain. */
static void read_tell_cancelled(struct link *l, const struct link_read *r)
{
    struct buf frame = {0};
    struct zmsg m;

    if (!l->reads_up || l->state == LINK_CLOSING)
        return;
    wire_cancel_put(&frame, r->ref);
    zmsg_init_buf(&m, &frame);
    (void)zsock_send(l->reads, (struct slice){NULL, 0}, &m);
    zmsg_close(&m);
}

void link_read_cancel(struct link *l, struct link_read *r)
{
    if (r->sent)
        read_tell_cancelled(l, r);
    read_queue_remove(&l->queue, r);
    buf_free(&r->frame);
    reads_flush(l); /* there may be room for another */
}

/* Those asked longest ago come first in the list. */
static void reads_ask_again(struct link *l, uint64_t now)
{
    struct link_read *r;

    while (l->reads_up && (r = l->queue.sent) != NULL && r->asked_at + READ_AGAIN_MS <= now) {
        if (!read_send(l, r))
            return;
        r->asked_at = now;
        read_queue_again(&l->queue, r);
    }
}

/* --- the timer ---------------------------------------------------------------------------- */

static void link_hello_tick(struct link *l, uint64_t now)
{
    if (l->hello_at != 0 && l->hello_at <= now)
        link_say_hello(l);
    else if (l->hello_at == 0 && l->hello_ends <= now)
        link_lost(l);
}

static bool link_pending(const struct link *l)
{
    return l->link == NULL || l->reads == NULL || l->refused_at != 0 || l->reads_refused_at != 0 ||
           l->state == LINK_HELLO || l->unconfirmed > 0 || l->publisher.first != NULL ||
           !read_queue_is_empty(&l->queue);
}

static void link_refused_tick(struct link *l, uint64_t now)
{
    if (l->refused_at != 0 && l->refused_at + REFUSED_AGAIN_MS <= now)
        link_lost(l);
    if (l->reads == NULL ||
        (l->reads_refused_at != 0 && l->reads_refused_at + REFUSED_AGAIN_MS <= now))
        reads_open_again(l);
}

static void link_on_tick(uv_timer_t *t)
{
    struct link *l = t->data;
    uint64_t now = clock_mono_ms();

    if (l->link == NULL)
        link_open(l);
    link_refused_tick(l, now);
    if (l->state == LINK_HELLO)
        link_hello_tick(l, now);
    if (l->state == LINK_UP && l->unconfirmed > 0 && l->confirm_at <= now)
        link_confirm(l);
    l->ran |= publisher_expire(&l->publisher, now);
    reads_ask_again(l, now);
    reads_flush(l);
    link_turn_end(l);
    if (!link_pending(l))
        uv_timer_stop(t);
}

static void link_tick_need(struct link *l)
{
    if (l->state != LINK_CLOSING && link_pending(l) && !uv_is_active((uv_handle_t *)&l->timer))
        uv_timer_start(&l->timer, link_on_tick, TICK_MS, TICK_MS);
}

/* --- publishing, telling, filters ------------------------------------------------- */

static void link_on_check(uv_check_t *check)
{
    struct link *l = check->data;

    if (uv_is_active((uv_handle_t *)&l->idle))
        link_turn_end(l);
}

void link_publish(struct link *l, struct link_publish *p)
{
    assert(l->state != LINK_CLOSING);
    publisher_add(&l->publisher, p, clock_mono_ms());
    link_turn_need(l);
}

bool link_publish_full(const struct link *l)
{
    return publisher_full(&l->publisher);
}

void link_tell(struct link *l, struct buf *frame)
{
    if (l->state == LINK_UP)
        (void)link_send(l, frame);
    else
        buf_free(frame);
}

bool link_sessions_wait(const struct link *l)
{
    return l->publisher.sessions > 0;
}

void link_filter_add(struct link *l, uint32_t ref, struct slice filter)
{
    struct buf b = {0};

    if (l->state != LINK_UP)
        return;
    wire_filter_add_put(&b, ref, filter);
    (void)link_send(l, &b);
}

void link_filter_drop(struct link *l, uint32_t ref)
{
    struct buf b = {0};

    if (l->state != LINK_UP)
        return;
    wire_filter_drop_put(&b, ref);
    (void)link_send(l, &b);
}

/* --- life ------------------------------------------------------------------------------------- */

static void make_instance(struct wire_uuid *u)
{
    ssize_t n = getrandom(u->b, sizeof u->b, 0);

    if (n != (ssize_t)sizeof u->b)
        abort(); /* 16 bytes are never short once the kernel has booted */
}

struct link *link_new(uv_loop_t *loop, const struct config *c, const char *name,
                      const struct link_ops *ops, void *arg)
{
    struct link *l = mem_zalloc(sizeof *l);

    l->loop = loop;
    l->ops = ops;
    l->arg = arg;
    l->name = mem_strdup(name);
    l->link_endpoint = link_keys_endpoint(config_link(c));
    l->reads_endpoint = link_keys_endpoint(config_reads(c));
    make_instance(&l->instance);
    l->credit = config_num(c, CFG_GATEWAY_CREDIT) / 8;
    publisher_init(&l->publisher, config_num(c, CFG_PUBLISH_QUEUE),
                   config_num(c, CFG_PUBLISH_TIMEOUT));
    read_queue_init(&l->queue, (unsigned)config_num(c, CFG_PAGE_REQUESTS));
    l->next_ref = 1;

    uv_timer_init(loop, &l->timer);
    uv_check_init(loop, &l->check);
    uv_idle_init(loop, &l->idle);
    l->timer.data = l->check.data = l->idle.data = l;
    uv_check_start(&l->check, link_on_check);
    l->open = 3;

    if (link_keys_read(&l->keys, c, l->link_endpoint) &&
        link_keys_read(&l->keys, c, l->reads_endpoint)) {
        link_open(l);
        reads_open(l);
    }
    if (l->link != NULL && l->reads != NULL)
        return l;
    link_close(l, NULL, NULL);
    return NULL;
}

static void link_on_handle_closed(uv_handle_t *h)
{
    link_maybe_closed(h->data);
}

void link_close(struct link *l, void (*closed)(void *arg), void *arg)
{
    assert(l->state != LINK_CLOSING);
    l->closed = closed;
    l->closed_arg = arg;
    l->state = LINK_CLOSING;
    metric_set(M_LINK_UP, 0);
    publisher_abandon(&l->publisher);
    if (l->link != NULL)
        zsock_close(l->link, CLOSE_LINGER_MS, link_on_socket_closed);
    if (l->reads != NULL)
        zsock_close(l->reads, 0, link_on_socket_closed);
    uv_close((uv_handle_t *)&l->timer, link_on_handle_closed);
    uv_close((uv_handle_t *)&l->check, link_on_handle_closed);
    uv_close((uv_handle_t *)&l->idle, link_on_handle_closed);
}

bool link_is_up(const struct link *l)
{
    return l->state == LINK_UP;
}

const char *link_trouble(const struct link *l)
{
    return l->state != LINK_UP && l->trouble[0] != '\0' ? l->trouble : NULL;
}

void link_set_seen(struct link *l, uint64_t seen)
{
    l->seen = seen;
}
