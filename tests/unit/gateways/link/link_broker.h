/*
 * link_broker.h - a broker for the link and reads of one test program: a ROUTER for each,
 * in the same loop, that answers what a test tells it to; and what its gateway saw.
 * Included once.
 */
#ifndef TESTS_LINK_BROKER_H
#define TESTS_LINK_BROKER_H

#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "run_suite.h"
#include "wire_session.h"

#define PATIENCE_MS 20000
#define SEEN_MAX 256

static uv_loop_t loop;
static struct link *link_;
static char folder[64], link_endpoint[96], reads_endpoint[96];

/* --- the broker ----------------------------------------------------------------- */

static struct broker {
    struct zsock *link, *reads;
    char peer[256], reads_peer[256];
    size_t peer_len, reads_peer_len;
    uint8_t kinds[SEEN_MAX]; /* of the messages on link, in order */
    size_t kind_count;
    struct wire_hello hello;
    unsigned hellos;
    uint64_t seqs[SEEN_MAX]; /* of the units, in order */
    size_t seq_count, frames;
    uint64_t confirmed;
    unsigned confirms;
    uint64_t refs[SEEN_MAX]; /* of the requests, in order */
    size_t ref_count;
    bool silent; /* says no hello-ok */
    bool reset;  /* the hello-ok says so */
    uint32_t window;
    uint64_t log;
} broker;

static inline void broker_send(struct zsock *z, const char *peer, size_t len, struct buf *b)
{
    struct zmsg m;

    zmsg_init_buf(&m, b);
    ck_assert_int_eq(zsock_send(z, (struct slice){peer, len}, &m), 0);
    zmsg_close(&m);
}

static inline void to_link(struct buf *b)
{
    broker_send(broker.link, broker.peer, broker.peer_len, b);
}

static inline void say_hello_ok(void)
{
    struct wire_hello_ok ok = {
        .version = WIRE_VERSION, .head = 100, .window = broker.window, .reset = broker.reset};
    struct buf b = {0};

    memcpy(ok.log.b, &broker.log, sizeof broker.log);
    wire_hello_ok_put(&b, &ok);
    to_link(&b);
}

static inline void see_publish(const struct zmsg *m)
{
    struct reader r = wire_publish_reader(zmsg_data(m), zmsg_size(m));
    struct wire_unit u;

    broker.frames++;
    while (wire_unit_get(&r, &u)) {
        struct event e;

        broker.seqs[broker.seq_count++ % SEEN_MAX] = u.seq;
        while (u.count > 0 && event_record_get(&r, &e))
            u.count--;
    }
    ck_assert(!r.bad);
}

static inline void see_session(const struct zmsg *m)
{
    struct reader r = wire_session_reader(zmsg_data(m), zmsg_size(m));
    struct wire_session_unit u;

    broker.frames++;
    while (wire_session_unit_get(&r, &u))
        broker.seqs[broker.seq_count++ % SEEN_MAX] = u.seq;
    ck_assert(!r.bad);
}

static inline void on_link_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    uint8_t kind = wire_kind(zmsg_data(&parts[0]), zmsg_size(&parts[0]));

    (void)arg;
    ck_assert_uint_eq(count, 1);
    memcpy(broker.peer, peer.p, peer.len);
    broker.peer_len = peer.len;
    broker.kinds[broker.kind_count++ % SEEN_MAX] = kind;
    if (kind == WIRE_HELLO) {
        ck_assert(wire_hello_get(zmsg_data(&parts[0]), zmsg_size(&parts[0]), &broker.hello));
        broker.hellos++;
        if (!broker.silent)
            say_hello_ok();
    } else if (kind == WIRE_PUBLISH) {
        see_publish(&parts[0]);
    } else if (kind == WIRE_SESSION) {
        see_session(&parts[0]);
    } else if (kind == WIRE_CONFIRM) {
        ck_assert(wire_confirm_get(zmsg_data(&parts[0]), zmsg_size(&parts[0]), &broker.confirmed));
        broker.confirms++;
    }
}

static inline void on_reads_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    uint64_t ref;
    uint8_t kind;

    (void)arg;
    (void)count;
    memcpy(broker.reads_peer, peer.p, peer.len);
    broker.reads_peer_len = peer.len;
    ck_assert(wire_read_head(zmsg_data(&parts[0]), zmsg_size(&parts[0]), &kind, &ref));
    broker.refs[broker.ref_count++ % SEEN_MAX] = ref;
}

static const struct zsock_ops broker_link_ops = {.message = on_link_message};
static const struct zsock_ops broker_reads_ops = {.message = on_reads_message};

/* A predecessor's socket closes on ZeroMQ's own thread, in its own time. */
static inline struct zsock *bound(const struct zsock_ops *ops, const char *endpoint)
{
    struct zsock_options o = {.mandatory = true};
    struct zsock *z = zsock_new(&loop, ZSOCK_ROUTER, &o, ops, NULL);
    int rc, tries = 0;

    while ((rc = zsock_bind(z, endpoint)) == -EADDRINUSE && tries++ < 100000)
        uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(rc, 0);
    return z;
}

static inline void broker_start(void)
{
    broker.link = bound(&broker_link_ops, link_endpoint);
    broker.reads = bound(&broker_reads_ops, reads_endpoint);
}

/* As kill -9 does: connections end, nothing queued survives. */
static inline void broker_kill(void)
{
    if (broker.link != NULL)
        zsock_close(broker.link, 0, NULL);
    if (broker.reads != NULL)
        zsock_close(broker.reads, 0, NULL);
    broker.link = broker.reads = NULL;
}

static inline void say_hello_no(enum sluice_error why)
{
    struct buf b = {0};

    wire_hello_no_put(&b, why, SLICE("not now"));
    to_link(&b);
}

static inline void send_acks(uint64_t seq, enum sluice_error error)
{
    struct wire_ack refusal = {.seq = seq, .error = (uint16_t)error};
    uint64_t id = seq * 10;
    struct buf b = {0};

    wire_acks_begin(&b);
    if (error == ERR_NONE)
        wire_ack_ok_put(&b, seq, &id, 1);
    else
        wire_ack_error_put(&b, &refusal);
    to_link(&b);
}

static inline void send_session_ack(uint64_t seq, enum sluice_error error, const char *data)
{
    struct wire_session_ack a = {.seq = seq, .error = (uint16_t)error, .data = slice_of(data)};
    struct buf b = {0};

    wire_session_acks_begin(&b);
    wire_session_ack_put(&b, &a);
    to_link(&b);
}

static inline void send_fence(uint64_t epoch)
{
    struct buf b = {0};

    wire_call_begin(&b, WIRE_CALL_FENCE);
    wire_fence_put(&b, SLICE("c"), epoch);
    to_link(&b);
}

static inline void send_live(uint64_t after, uint64_t upto, size_t payload)
{
    struct event e = {.id = upto, .time = 1, .topic = SLICE("t")};
    char *bytes = calloc(1, payload + 1);
    struct buf b = {0};

    e.payload = (struct slice){bytes, payload};
    wire_live_begin(&b, after, upto);
    event_record_put(&b, &e);
    to_link(&b);
    free(bytes);
}

static inline void answer_read(uint64_t ref, enum sluice_error error)
{
    struct buf b = {0};

    if (error != ERR_NONE) {
        wire_read_error_put(&b, WIRE_EVENT, ref, error, SLICE("why"));
    } else {
        buf_u8(&b, WIRE_EVENT + 64);
        buf_u64(&b, ref);
        buf_u16(&b, 0);
    }
    broker_send(broker.reads, broker.reads_peer, broker.reads_peer_len, &b);
}

/* --- the gateway ------------------------------------------------------------------ */

static struct seen {
    unsigned up, down, live, turns, removed, filter_live, filter_no, calls;
    uint64_t upto, live_from, fenced;
    uint32_t refused_ref;
    bool add_in_up, tell_in_up;
    struct wire_hello_ok hello; /* the last */
} seen;

static inline void tell_hold(void)
{
    struct buf b = {0};

    wire_tell_begin(&b, WIRE_TELL_HOLD);
    wire_hold_put(&b, &(struct wire_hold){.client = SLICE("c"), .epoch = 3});
    link_tell(link_, &b);
}

static inline void on_up(void *arg, const struct wire_hello_ok *hello)
{
    (void)arg;
    seen.hello = *hello;
    seen.up++;
    if (seen.add_in_up)
        link_filter_add(link_, 7, SLICE("a/#"));
    if (seen.tell_in_up)
        tell_hold();
}

static inline void on_down(void *arg)
{
    (void)arg;
    seen.down++;
}

static inline void on_filter_live(void *arg, uint32_t ref, uint64_t live_from)
{
    (void)arg;
    ck_assert_uint_eq(ref, 7);
    seen.filter_live++;
    seen.live_from = live_from;
}

static inline void on_filter_no(void *arg, uint32_t ref, enum sluice_error error)
{
    (void)arg;
    (void)error;
    seen.filter_no++;
    seen.refused_ref = ref;
}

static inline void on_live(void *arg, uint64_t after, uint64_t upto, struct zmsg *m,
                           struct reader records)
{
    (void)arg;
    (void)after;
    (void)m;
    ck_assert_uint_gt(records.left, 0);
    seen.live++;
    seen.upto = upto;
}

static inline void on_removed(void *arg, struct slice topic, uint64_t upto)
{
    (void)arg;
    ck_assert(slice_eq(topic, SLICE("a")));
    ck_assert_uint_eq(upto, 5);
    seen.removed++;
}

static inline void on_call(void *arg, uint8_t op, struct reader body)
{
    struct slice client;

    (void)arg;
    ck_assert_uint_eq(op, WIRE_CALL_FENCE);
    ck_assert(wire_fence_get(&body, &client, &seen.fenced));
    ck_assert(slice_eq(client, SLICE("c")));
    seen.calls++;
}

static inline void on_turn(void *arg)
{
    (void)arg;
    seen.turns++;
}

static const struct link_ops link_test_ops = {.up = on_up,
                                              .down = on_down,
                                              .filter_live = on_filter_live,
                                              .filter_no = on_filter_no,
                                              .live = on_live,
                                              .removed = on_removed,
                                              .call = on_call,
                                              .turn = on_turn};

static struct publishing {
    struct link_publish lp;
    unsigned answers;
    uint16_t error;
    uint64_t id;
    bool said_why; /* of a unit of a session: "why" as its answer, or as its text */
} publishes[16];

static inline void on_ack(struct link_publish *lp, const struct wire_ack *a)
{
    struct publishing *p = lp->data;

    p->answers++;
    p->error = a->error;
    p->id = a->count > 0 ? le64_get((const uint8_t *)a->ids.p) : 0;
    p->said_why = slice_eq(a->error == ERR_NONE ? a->data : a->text, SLICE("why"));
}

static inline struct publishing *publish(int i)
{
    struct event e = {.topic = SLICE("t"), .payload = SLICE("x")};
    struct publishing *p = &publishes[i];

    p->lp = (struct link_publish){.count = 1, .cb = on_ack, .data = p};
    event_record_put(&p->lp.records, &e);
    link_publish(link_, &p->lp);
    return p;
}

static inline struct publishing *publish_session(int i, bool no_timeout)
{
    struct publishing *p = &publishes[i];

    p->lp = (struct link_publish){.kind = LINK_SESSION,
                                  .op = WIRE_POSITION,
                                  .no_timeout = no_timeout,
                                  .cb = on_ack,
                                  .data = p};
    wire_position_put(&p->lp.records, 1);
    link_publish(link_, &p->lp);
    return p;
}

static struct reading {
    struct link_read r;
    unsigned answers;
    enum sluice_error error;
} readings[64];

static inline void on_read(struct link_read *r, enum sluice_error error, struct slice text,
                           struct zmsg *reply)
{
    struct reading *g = r->data;

    g->answers++;
    g->error = error;
    ck_assert(error == ERR_NONE ? zmsg_size(reply) > 0 : slice_eq(text, SLICE("why")));
}

static inline struct reading *ask(int i)
{
    struct reading *g = &readings[i];

    g->r = (struct link_read){.cb = on_read, .data = g};
    wire_event_req_put(&g->r.frame, 0, 1);
    link_read(link_, &g->r);
    return g;
}

static inline void give_up(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        uv_timer_t patience;                                                                       \
        bool late = false;                                                                         \
        uv_timer_init(&loop, &patience);                                                           \
        patience.data = &late;                                                                     \
        uv_timer_start(&patience, give_up, PATIENCE_MS, 0);                                        \
        while (!(condition) && !late)                                                              \
            uv_run(&loop, UV_RUN_ONCE);                                                            \
        ck_assert_msg(!late, "never became true: %s", #condition);                                 \
        uv_close((uv_handle_t *)&patience, NULL);                                                  \
        uv_run(&loop, UV_RUN_NOWAIT);                                                              \
    } while (0)

static inline void link_start(const char *timeout, const char *queue)
{
    char *argv[] = {"sluice-sse",
                    "--broker-link",
                    link_endpoint,
                    "--broker-reads",
                    reads_endpoint,
                    "--limits-publish-timeout",
                    (char *)(uintptr_t)timeout,
                    "--limits-publish-queue",
                    (char *)(uintptr_t)queue,
                    "--limits-page-requests",
                    "4",
                    NULL};
    struct config *c;

    ck_assert_int_eq(config_load(&c, "sse", 11, argv), CONFIG_GO);
    link_ = link_new(&loop, c, "test", &link_test_ops, NULL);
    ck_assert_ptr_nonnull(link_);
    config_free(c);
}

static inline void setup(void)
{
    memset(&broker, 0, sizeof broker);
    memset(&seen, 0, sizeof seen);
    memset(publishes, 0, sizeof publishes);
    memset(readings, 0, sizeof readings);
    broker.window = 1 << 20;
    (void)snprintf(folder, sizeof folder, "/tmp/test_link_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(link_endpoint, sizeof link_endpoint, "ipc://%s/link", folder);
    (void)snprintf(reads_endpoint, sizeof reads_endpoint, "ipc://%s/reads", folder);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    broker_start();
    link_start("10s", "1M");
}

static inline void teardown(void)
{
    link_close(link_, NULL, NULL);
    broker_kill();
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    zsock_shutdown();
    for (size_t i = 0; i < sizeof publishes / sizeof publishes[0]; i++)
        buf_free(&publishes[i].lp.records);
    for (size_t i = 0; i < sizeof readings / sizeof readings[0]; i++)
        buf_free(&readings[i].r.frame);
    (void)unlink(link_endpoint + strlen("ipc://"));
    (void)unlink(reads_endpoint + strlen("ipc://"));
    ck_assert_int_eq(rmdir(folder), 0);
}

#endif
