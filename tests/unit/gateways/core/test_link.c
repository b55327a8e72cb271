/*
 * test_link.c - the link and reads against a broker of ours: a ROUTER for each,
 * in the same loop, that answers what a test tells it to.
 */
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
    uint32_t window;
    uint64_t log;
} broker;

static void broker_send(struct zsock *z, const char *peer, size_t len, struct buf *b)
{
    struct zmsg m;

    zmsg_init_buf(&m, b);
    ck_assert_int_eq(zsock_send(z, (struct slice){peer, len}, &m), 0);
    zmsg_close(&m);
}

static void to_link(struct buf *b)
{
    broker_send(broker.link, broker.peer, broker.peer_len, b);
}

static void say_hello_ok(void)
{
    struct wire_hello_ok ok = {.version = WIRE_VERSION, .head = 100, .window = broker.window};
    struct buf b = {0};

    memcpy(ok.log.b, &broker.log, sizeof broker.log);
    wire_hello_ok_put(&b, &ok);
    to_link(&b);
}

static void see_publish(const struct zmsg *m)
{
    struct reader r = wire_publish_reader(zmsg_data(m), zmsg_size(m));
    struct wire_unit u;

    broker.frames++;
    while (wire_unit_get(&r, &u))
        broker.seqs[broker.seq_count++ % SEEN_MAX] = u.seq;
    ck_assert(!r.bad);
}

static void see_session(const struct zmsg *m)
{
    struct reader r = wire_session_reader(zmsg_data(m), zmsg_size(m));
    struct wire_session_unit u;

    broker.frames++;
    while (wire_session_unit_get(&r, &u))
        broker.seqs[broker.seq_count++ % SEEN_MAX] = u.seq;
    ck_assert(!r.bad);
}

static void on_link_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
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

static void on_reads_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
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
static struct zsock *bound(const struct zsock_ops *ops, const char *endpoint)
{
    struct zsock_options o = {.mandatory = true};
    struct zsock *z = zsock_new(&loop, ZSOCK_ROUTER, &o, ops, NULL);
    int rc, tries = 0;

    while ((rc = zsock_bind(z, endpoint)) == -EADDRINUSE && tries++ < 100000)
        uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(rc, 0);
    return z;
}

static void broker_start(void)
{
    broker.link = bound(&broker_link_ops, link_endpoint);
    broker.reads = bound(&broker_reads_ops, reads_endpoint);
}

/* As kill -9 does: connections end, nothing queued survives. */
static void broker_kill(void)
{
    if (broker.link != NULL)
        zsock_close(broker.link, 0, NULL);
    if (broker.reads != NULL)
        zsock_close(broker.reads, 0, NULL);
    broker.link = broker.reads = NULL;
}

static void send_acks(uint64_t seq, enum sluice_error error)
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

static void send_session_ack(uint64_t seq, enum sluice_error error, const char *data)
{
    struct wire_session_ack a = {.seq = seq, .error = (uint16_t)error, .data = slice_of(data)};
    struct buf b = {0};

    wire_session_acks_begin(&b);
    wire_session_ack_put(&b, &a);
    to_link(&b);
}

static void send_fence(uint64_t epoch)
{
    struct buf b = {0};

    wire_call_begin(&b, WIRE_CALL_FENCE);
    wire_fence_put(&b, SLICE("c"), epoch);
    to_link(&b);
}

static void send_live(uint64_t after, uint64_t upto, size_t payload)
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

static void answer_read(uint64_t ref, enum sluice_error error)
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
} seen;

static void tell_hold(void)
{
    struct buf b = {0};

    wire_tell_begin(&b, WIRE_TELL_HOLD);
    wire_hold_put(&b, &(struct wire_hold){.client = SLICE("c"), .epoch = 3});
    link_tell(link_, &b);
}

static void on_up(void *arg, const struct wire_hello_ok *hello)
{
    (void)arg;
    (void)hello;
    seen.up++;
    if (seen.add_in_up)
        link_filter_add(link_, 7, SLICE("a/#"));
    if (seen.tell_in_up)
        tell_hold();
}

static void on_down(void *arg)
{
    (void)arg;
    seen.down++;
}

static void on_filter_live(void *arg, uint32_t ref, uint64_t live_from)
{
    (void)arg;
    ck_assert_uint_eq(ref, 7);
    seen.filter_live++;
    seen.live_from = live_from;
}

static void on_filter_no(void *arg, uint32_t ref, enum sluice_error error)
{
    (void)arg;
    (void)error;
    seen.filter_no++;
    seen.refused_ref = ref;
}

static void on_live(void *arg, uint64_t after, uint64_t upto, struct zmsg *m, struct reader records)
{
    (void)arg;
    (void)after;
    (void)m;
    ck_assert_uint_gt(records.left, 0);
    seen.live++;
    seen.upto = upto;
}

static void on_removed(void *arg, struct slice topic, uint64_t upto)
{
    (void)arg;
    ck_assert(slice_eq(topic, SLICE("a")));
    ck_assert_uint_eq(upto, 5);
    seen.removed++;
}

static void on_call(void *arg, uint8_t op, struct reader body)
{
    struct slice client;

    (void)arg;
    ck_assert_uint_eq(op, WIRE_CALL_FENCE);
    ck_assert(wire_fence_get(&body, &client, &seen.fenced));
    ck_assert(slice_eq(client, SLICE("c")));
    seen.calls++;
}

static void on_turn(void *arg)
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

static void on_ack(struct link_publish *lp, const struct wire_ack *a)
{
    struct publishing *p = lp->data;

    p->answers++;
    p->error = a->error;
    p->id = a->count > 0 ? le64_get((const uint8_t *)a->ids.p) : 0;
    p->said_why = slice_eq(a->error == ERR_NONE ? a->data : a->text, SLICE("why"));
}

static struct publishing *publish(int i)
{
    struct event e = {.topic = SLICE("t"), .payload = SLICE("x")};
    struct publishing *p = &publishes[i];

    p->lp = (struct link_publish){.count = 1, .cb = on_ack, .data = p};
    event_record_put(&p->lp.records, &e);
    link_publish(link_, &p->lp);
    return p;
}

static struct publishing *publish_session(int i, bool patient)
{
    struct publishing *p = &publishes[i];

    p->lp = (struct link_publish){
        .kind = LINK_SESSION, .op = WIRE_POSITION, .patient = patient, .cb = on_ack, .data = p};
    wire_position_put(&p->lp.records, 1);
    link_publish(link_, &p->lp);
    return p;
}

static struct reading {
    struct link_read r;
    unsigned answers;
    enum sluice_error error;
} readings[64];

static void on_read(struct link_read *r, enum sluice_error error, struct slice text,
                    struct zmsg *reply)
{
    struct reading *g = r->data;

    g->answers++;
    g->error = error;
    ck_assert(error == ERR_NONE ? zmsg_size(reply) > 0 : slice_eq(text, SLICE("why")));
}

static struct reading *ask(int i)
{
    struct reading *g = &readings[i];

    g->r = (struct link_read){.cb = on_read, .data = g};
    wire_event_req_put(&g->r.frame, 0, 1);
    link_read(link_, &g->r);
    return g;
}

static void give_up(uv_timer_t *t)
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

static void link_start(const char *timeout)
{
    char *argv[] = {"sluice-sse",
                    "--broker-link",
                    link_endpoint,
                    "--broker-reads",
                    reads_endpoint,
                    "--limits-publish-timeout",
                    (char *)(uintptr_t)timeout,
                    "--limits-page-requests",
                    "4",
                    NULL};
    struct config *c;

    ck_assert_int_eq(config_load(&c, "sse", 9, argv), CONFIG_GO);
    link_ = link_new(&loop, c, "test", &link_test_ops, NULL);
    ck_assert_ptr_nonnull(link_);
    config_free(c);
}

static void setup(void)
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
    link_start("10s");
}

static void teardown(void)
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

/* --- the connection ------------------------------------------------------------------ */

START_TEST(test_a_connection_begins_with_hello)
{
    RUN_UNTIL(seen.up == 1);
    ck_assert_uint_eq(broker.kinds[0], WIRE_HELLO);
    ck_assert_uint_eq(broker.hello.version, WIRE_VERSION);
    ck_assert(link_is_up(link_));
    ck_assert_uint_gt(seen.turns, 0);
}
END_TEST

START_TEST(test_filters_come_before_publishes_that_waited)
{
    seen.add_in_up = true;
    publish(0);
    RUN_UNTIL(broker.seq_count == 1);
    ck_assert_uint_eq(broker.kinds[0], WIRE_HELLO);
    ck_assert_uint_eq(broker.kinds[1], WIRE_FILTER_ADD);
    ck_assert_uint_eq(broker.kinds[2], WIRE_PUBLISH);
}
END_TEST

START_TEST(test_nothing_counts_before_hello_ok)
{
    broker.silent = true;
    RUN_UNTIL(broker.hellos == 1);
    send_live(0, 50, 1);
    send_acks(1, ERR_NONE);
    say_hello_ok();
    RUN_UNTIL(seen.up == 1);
    ck_assert_uint_eq(seen.live, 0);
}
END_TEST

START_TEST(test_a_refused_hello_is_said_again)
{
    struct buf b = {0};

    broker.silent = true;
    RUN_UNTIL(broker.hellos == 1);
    wire_hello_no_put(&b, ERR_BUSY, SLICE("not now"));
    to_link(&b);
    broker.silent = false;
    RUN_UNTIL(seen.up == 1);
    ck_assert_uint_eq(broker.hellos, 2);
}
END_TEST

START_TEST(test_a_successor_is_greeted_by_the_same_instance_with_what_was_seen)
{
    struct wire_uuid first;

    RUN_UNTIL(seen.up == 1);
    first = broker.hello.instance;
    link_set_seen(link_, 4711);
    broker.log = 9;
    broker_kill();
    RUN_UNTIL(seen.down == 1);
    ck_assert(!link_is_up(link_));
    broker_start();
    RUN_UNTIL(seen.up == 2);
    ck_assert_uint_eq(broker.hello.seen, 4711);
    ck_assert_mem_eq(&broker.hello.instance, &first, sizeof first);
}
END_TEST

START_TEST(test_answers_reach_their_ops)
{
    struct buf b = {0};

    RUN_UNTIL(seen.up == 1);
    wire_filter_live_put(&b, 7, 123);
    to_link(&b);
    wire_filter_no_put(&b, 8, ERR_BAD_FILTER);
    to_link(&b);
    wire_removed_put(&b, 5, SLICE("a"));
    to_link(&b);
    RUN_UNTIL(seen.removed == 1);
    ck_assert_uint_eq(seen.live_from, 123);
    ck_assert_uint_eq(seen.refused_ref, 8);
}
END_TEST

START_TEST(test_a_malformed_message_is_skipped)
{
    struct buf b = {0};

    RUN_UNTIL(seen.up == 1);
    buf_u8(&b, WIRE_LIVE);
    to_link(&b);
    buf_u8(&b, 250);
    to_link(&b);
    send_live(100, 101, 1);
    RUN_UNTIL(seen.live == 1);
    ck_assert(link_is_up(link_));
}
END_TEST

/* --- credit ------------------------------------------------------------------------------ */

START_TEST(test_a_lone_live_message_is_confirmed_in_a_while)
{
    RUN_UNTIL(seen.up == 1);
    send_live(100, 101, 1);
    RUN_UNTIL(broker.confirms == 1);
    ck_assert_uint_eq(broker.confirmed, 101);
}
END_TEST

START_TEST(test_a_flood_is_confirmed_at_once)
{
    RUN_UNTIL(seen.up == 1);
    for (uint64_t i = 0; i < 30; i++)
        send_live(100 + i, 101 + i, 100000);
    RUN_UNTIL(seen.live == 30 && broker.confirms >= 5);
    ck_assert_uint_ge(broker.confirmed, 120);
}
END_TEST

/* --- publishing --------------------------------------------------------------------------- */

START_TEST(test_publishes_of_a_turn_share_a_frame)
{
    RUN_UNTIL(seen.up == 1);
    for (int i = 0; i < 5; i++)
        publish(i);
    RUN_UNTIL(broker.seq_count == 5);
    ck_assert_uint_eq(broker.frames, 1);
    send_acks(1, ERR_NONE);
    send_acks(3, ERR_STORE_FULL);
    RUN_UNTIL(publishes[2].answers == 1);
    ck_assert_uint_eq(publishes[0].id, 10);
    ck_assert_uint_eq(publishes[2].error, ERR_STORE_FULL);
    ck_assert_uint_eq(publishes[1].answers, 0);
}
END_TEST

START_TEST(test_a_successor_gets_what_is_unanswered_in_order)
{
    RUN_UNTIL(seen.up == 1);
    publish(0), publish(1), publish(2);
    RUN_UNTIL(broker.seq_count == 3);
    send_acks(2, ERR_NONE);
    RUN_UNTIL(publishes[1].answers == 1);
    broker_kill();
    publish(3);
    RUN_UNTIL(seen.down == 1);
    broker.seq_count = 0;
    broker_start();
    RUN_UNTIL(broker.seq_count == 3);
    ck_assert_uint_eq(broker.seqs[0], 1);
    ck_assert_uint_eq(broker.seqs[1], 3);
    ck_assert_uint_eq(broker.seqs[2], 4);
    for (uint64_t seq = 1; seq <= 4; seq++)
        send_acks(seq, ERR_NONE);
    RUN_UNTIL(publishes[3].answers == 1);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(publishes[i].answers, 1);
}
END_TEST

static void restart_with_timeout(const char *timeout)
{
    link_close(link_, NULL, NULL);
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    memset(&seen, 0, sizeof seen);
    link_start(timeout);
}

START_TEST(test_deadlines_say_what_may_have_happened)
{
    restart_with_timeout("200ms");
    RUN_UNTIL(seen.up == 1);
    publish(0);
    RUN_UNTIL(publishes[0].answers == 1);
    ck_assert_uint_eq(publishes[0].error, ERR_UNKNOWN_OUTCOME);
    send_acks(1, ERR_NONE);
    broker_kill();
    RUN_UNTIL(seen.down == 1);
    publish(1);
    RUN_UNTIL(publishes[1].answers == 1);
    ck_assert_uint_eq(publishes[1].error, ERR_UNAVAILABLE);
    ck_assert_uint_eq(publishes[0].answers, 1);
}
END_TEST

START_TEST(test_closing_answers_what_is_left)
{
    RUN_UNTIL(seen.up == 1);
    publish(0);
    RUN_UNTIL(broker.seq_count == 1);
    publish(1);
    link_close(link_, NULL, NULL);
    ck_assert_uint_eq(publishes[0].error, ERR_UNKNOWN_OUTCOME);
    ck_assert_uint_eq(publishes[1].error, ERR_UNAVAILABLE);
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    link_start("10s"); /* for teardown */
}
END_TEST

/* --- sessions --------------------------------------------------------------------------------- */

START_TEST(test_units_of_sessions_are_answered_among_publishes)
{
    RUN_UNTIL(seen.up == 1);
    publish(0), publish_session(1, true), publish_session(2, false), publish(3);
    ck_assert(link_sessions_wait(link_));
    RUN_UNTIL(broker.seq_count == 4);
    ck_assert_uint_eq(broker.frames, 3);
    for (uint64_t i = 0; i < 4; i++)
        ck_assert_uint_eq(broker.seqs[i], i + 1);
    send_acks(4, ERR_NONE);
    send_session_ack(2, ERR_NONE, "why");
    send_session_ack(3, ERR_FENCED, "why");
    RUN_UNTIL(publishes[2].answers == 1);
    ck_assert_uint_eq(publishes[3].id, 40);
    ck_assert_uint_eq(publishes[1].error, ERR_NONE);
    ck_assert(publishes[1].said_why);
    ck_assert_uint_eq(publishes[2].error, ERR_FENCED);
    ck_assert(publishes[2].said_why);
    ck_assert(!link_sessions_wait(link_));
}
END_TEST

START_TEST(test_a_patient_unit_outlives_the_broker)
{
    restart_with_timeout("200ms");
    RUN_UNTIL(seen.up == 1);
    publish_session(0, true), publish_session(1, false);
    RUN_UNTIL(broker.seq_count == 2);
    broker_kill();
    RUN_UNTIL(publishes[1].answers == 1 && seen.down == 1);
    ck_assert_uint_eq(publishes[1].error, ERR_UNKNOWN_OUTCOME);
    ck_assert_uint_eq(publishes[0].answers, 0);
    broker.seq_count = 0;
    broker_start();
    RUN_UNTIL(broker.seq_count == 1);
    ck_assert_uint_eq(broker.seqs[0], 1);
    send_session_ack(1, ERR_NONE, "why");
    RUN_UNTIL(publishes[0].answers == 1);
}
END_TEST

START_TEST(test_what_up_tells_comes_before_units_that_waited)
{
    seen.add_in_up = seen.tell_in_up = true;
    publish_session(0, true);
    RUN_UNTIL(broker.seq_count == 1);
    ck_assert_uint_eq(broker.kinds[0], WIRE_HELLO);
    ck_assert_uint_eq(broker.kinds[1], WIRE_FILTER_ADD);
    ck_assert_uint_eq(broker.kinds[2], WIRE_TELL);
    ck_assert_uint_eq(broker.kinds[3], WIRE_SESSION);
}
END_TEST

START_TEST(test_what_is_told_while_the_link_is_down_is_lost)
{
    tell_hold();
    publish(0);
    RUN_UNTIL(broker.seq_count == 1);
    ck_assert_uint_eq(broker.kinds[1], WIRE_PUBLISH);
    tell_hold();
    RUN_UNTIL(broker.kind_count == 3);
    ck_assert_uint_eq(broker.kinds[2], WIRE_TELL);
}
END_TEST

START_TEST(test_the_broker_calls_and_is_heard)
{
    struct buf b = {0};

    RUN_UNTIL(seen.up == 1);
    send_fence(1);
    wire_call_begin(&b, (enum wire_call_op)250); /* unknown: counted, no more */
    to_link(&b);
    send_fence(2);
    RUN_UNTIL(seen.calls == 2);
    ck_assert_uint_eq(seen.fenced, 2);
    ck_assert(link_is_up(link_));
}
END_TEST

/* --- reads ------------------------------------------------------------------------------------ */

START_TEST(test_reads_are_answered_by_ref)
{
    ask(0), ask(1);
    RUN_UNTIL(broker.ref_count == 2);
    answer_read(broker.refs[1], ERR_NONE);
    answer_read(broker.refs[0], ERR_NOT_FOUND);
    RUN_UNTIL(readings[0].answers == 1 && readings[1].answers == 1);
    ck_assert_int_eq(readings[0].error, ERR_NOT_FOUND);
    ck_assert_int_eq(readings[1].error, ERR_NONE);
}
END_TEST

START_TEST(test_so_many_reads_are_on_the_way_at_once)
{
    for (int i = 0; i < 10; i++)
        ask(i);
    RUN_UNTIL(broker.ref_count == 4);
    answer_read(broker.refs[0], ERR_NONE);
    RUN_UNTIL(broker.ref_count == 5);
    for (size_t next = 1; next < 10; next++) {
        answer_read(broker.refs[next], ERR_NONE);
        RUN_UNTIL(readings[next].answers == 1);
    }
    ck_assert_uint_eq(broker.ref_count, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_uint_eq(broker.refs[i], i + 1);
}
END_TEST

START_TEST(test_busy_is_asked_again_a_little_later)
{
    ask(0);
    RUN_UNTIL(broker.ref_count == 1);
    answer_read(broker.refs[0], ERR_BUSY);
    RUN_UNTIL(broker.ref_count == 2);
    ck_assert_uint_eq(broker.refs[1], broker.refs[0]);
    ck_assert_uint_eq(readings[0].answers, 0);
    answer_read(broker.refs[1], ERR_NONE);
    RUN_UNTIL(readings[0].answers == 1);
}
END_TEST

START_TEST(test_a_successor_is_asked_again)
{
    ask(0), ask(1);
    RUN_UNTIL(broker.ref_count == 2 && seen.up == 1);
    broker_kill();
    RUN_UNTIL(seen.down == 1);
    broker.ref_count = 0;
    broker_start();
    RUN_UNTIL(broker.ref_count >= 2);
    ck_assert_uint_eq(broker.refs[0], 1);
    ck_assert_uint_eq(broker.refs[1], 2);
    answer_read(1, ERR_NONE);
    answer_read(1, ERR_NONE);
    answer_read(2, ERR_NONE);
    RUN_UNTIL(readings[1].answers == 1);
    ck_assert_uint_eq(readings[0].answers, 1);
}
END_TEST

START_TEST(test_a_cancelled_read_is_not_answered)
{
    ask(0), ask(1);
    RUN_UNTIL(broker.ref_count == 2);
    link_read_cancel(link_, &readings[0].r);
    answer_read(1, ERR_NONE);
    answer_read(2, ERR_NONE);
    RUN_UNTIL(readings[1].answers == 1);
    ck_assert_uint_eq(readings[0].answers, 0);
}
END_TEST

START_TEST(test_a_read_cancelled_while_the_broker_is_away_is_not_asked_again)
{
    uint64_t begun;

    ask(0), ask(1);
    RUN_UNTIL(broker.ref_count == 2 && seen.up == 1);
    broker_kill();
    broker.link = bound(&broker_link_ops, link_endpoint);
    RUN_UNTIL(seen.up == 2); /* long after the end of both connections was noticed */
    link_read_cancel(link_, &readings[0].r);
    broker.ref_count = 0;
    begun = uv_hrtime();
    broker.reads = bound(&broker_reads_ops, reads_endpoint);
    RUN_UNTIL(broker.ref_count == 1);
    ck_assert_uint_lt(uv_hrtime() - begun, UINT64_C(5000000000)); /* the others at once */
    ck_assert_uint_eq(broker.refs[0], 2);
    answer_read(2, ERR_NONE);
    RUN_UNTIL(readings[1].answers == 1);
    ck_assert_uint_eq(readings[0].answers, 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "link", setup, teardown, test_a_connection_begins_with_hello,
        test_filters_come_before_publishes_that_waited, test_nothing_counts_before_hello_ok,
        test_a_refused_hello_is_said_again,
        test_a_successor_is_greeted_by_the_same_instance_with_what_was_seen,
        test_answers_reach_their_ops, test_a_malformed_message_is_skipped,
        test_a_lone_live_message_is_confirmed_in_a_while, test_a_flood_is_confirmed_at_once,
        test_publishes_of_a_turn_share_a_frame, test_a_successor_gets_what_is_unanswered_in_order,
        test_deadlines_say_what_may_have_happened, test_closing_answers_what_is_left,
        test_units_of_sessions_are_answered_among_publishes,
        test_a_patient_unit_outlives_the_broker, test_what_up_tells_comes_before_units_that_waited,
        test_what_is_told_while_the_link_is_down_is_lost, test_the_broker_calls_and_is_heard,
        test_reads_are_answered_by_ref, test_so_many_reads_are_on_the_way_at_once,
        test_busy_is_asked_again_a_little_later, test_a_successor_is_asked_again,
        test_a_cancelled_read_is_not_answered,
        test_a_read_cancelled_while_the_broker_is_away_is_not_asked_again);
}
