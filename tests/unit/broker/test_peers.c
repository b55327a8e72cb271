/*
 * test_peers.c - the broker's side of the link: hello, filters, live messages and their
 * credit, publishes and their window, frames that cannot be read, and how a gateway ends.
 *
 * The store and the socket are played, fan-out and sessions are the real ones.  What is
 * sent to a connection is kept as text, `heard` returns and forgets it:
 *
 *     hello-ok 100            head; "reset" behind it
 *     hello-no 22             the error
 *     live 7 100, no 7 3      filter 7: from where, or the error
 *     (100,102] one two       a live message: its range, its payloads
 *     removed a 102
 *     acks 1=101 2=102,103 3!24       seq = IDs, "r" behind a repeat; seq ! error
 *     session 4=0             an answer to a unit of sessions: its error
 *     call
 */
#include <inttypes.h>
#include <stdio.h>

#include "peers.h"
#include "played_store.h"
#include "played_zsock.h"
#include "run_suite.h"

#define CREDIT 2000
#define WINDOW 1000

static uv_loop_t loop;
static struct sessions *sessions;
static struct peers *peers;
static uint64_t now;
static struct buf sent[PLAYED_CONNECTIONS]; /* text, by the connection's letter */

/* --- libuv's clock is the test's -------------------------------------------------------- */

static struct {
    uv_timer_t *t;
    uv_timer_cb cb;
    uint64_t every;
} timers[2];
static unsigned timer_count;

int uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    (void)timeout;
    ck_assert_uint_lt(timer_count, ARRAY_LEN(timers));
    timers[timer_count].t = t;
    timers[timer_count].cb = cb;
    timers[timer_count++].every = repeat;
    return 0;
}

static uv_check_t *turn;
static uv_check_cb turn_cb;

int uv_check_start(uv_check_t *c, uv_check_cb cb)
{
    turn = c;
    turn_cb = cb;
    return 0;
}

static uint64_t read_now(void *arg)
{
    (void)arg;
    return now;
}

/* What is due of the store, then the turn's end. */
static void run(void)
{
    store_run();
    turn_cb(turn);
}

static void pass(uint64_t ms)
{
    for (; ms > 0; ms -= 100) {
        now += 100;
        for (unsigned i = 0; i < timer_count; i++) {
            if (now % timers[i].every == 0)
                timers[i].cb(timers[i].t);
        }
        run();
    }
}

/* --- what is sent ------------------------------------------------------------------------- */

static struct buf *sent_to(const char *name)
{
    return &sent[(unsigned char)name[0]];
}

static void live_text(struct buf *out, const void *p, size_t len)
{
    uint64_t after, upto;
    struct reader r;
    struct event e;

    ck_assert(wire_live_get(p, len, &after, &upto, &r));
    buf_printf(out, "(%" PRIu64 ",%" PRIu64 "]", after, upto);
    while (r.left > 0 && event_record_get(&r, &e))
        buf_printf(out, " %.*s", e.payload.len > 8 ? 1 : (int)e.payload.len, e.payload.p);
    ck_assert(reader_done(&r));
}

static void acks_text(struct buf *out, const void *p, size_t len)
{
    struct reader r = wire_acks_reader(p, len);
    struct wire_ack a;

    buf_puts(out, "acks");
    while (wire_ack_get(&r, &a)) {
        struct reader ids = reader_of(a.ids.p, a.ids.len);

        buf_printf(out, " %" PRIu64 "%c", a.seq, a.error != 0 ? '!' : '=');
        if (a.error != 0)
            buf_printf(out, "%u", a.error);
        for (uint32_t i = 0; i < a.count; i++) {
            uint64_t id = reader_u64(&ids);

            buf_printf(out, "%s%" PRIu64 "%s", i > 0 ? "," : "", id & ~WIRE_ACK_REPEAT,
                       (id & WIRE_ACK_REPEAT) != 0 ? "r" : "");
        }
    }
    ck_assert(!r.bad);
}

static void session_acks_text(struct buf *out, const void *p, size_t len)
{
    struct reader r = wire_session_acks_reader(p, len);
    struct wire_session_ack a;

    buf_puts(out, "session");
    while (wire_session_ack_get(&r, &a))
        buf_printf(out, " %" PRIu64 "=%u", a.seq, a.error);
    ck_assert(!r.bad);
}

static void hello_text(struct buf *out, const void *p, size_t len)
{
    struct wire_hello_ok ok;
    struct slice text;
    uint16_t error;

    if (wire_kind(p, len) == WIRE_HELLO_NO) {
        ck_assert(wire_hello_no_get(p, len, &error, &text));
        buf_printf(out, "hello-no %u", error);
        return;
    }
    ck_assert(wire_hello_ok_get(p, len, &ok));
    ck_assert_uint_eq(ok.window, WINDOW);
    buf_printf(out, "hello-ok %" PRIu64 "%s", ok.head, ok.reset ? " reset" : "");
}

static void filter_text(struct buf *out, const void *p, size_t len)
{
    uint64_t from;
    uint16_t error;
    uint32_t ref;

    if (wire_filter_live_get(p, len, &ref, &from)) {
        buf_printf(out, "live %u %" PRIu64, ref, from);
        return;
    }
    ck_assert(wire_filter_no_get(p, len, &ref, &error));
    buf_printf(out, "no %u %u", ref, error);
}

static void removed_text(struct buf *out, const void *p, size_t len)
{
    struct slice topic;
    uint64_t upto;

    ck_assert(wire_removed_get(p, len, &upto, &topic));
    buf_printf(out, "removed %.*s %" PRIu64, (int)topic.len, topic.p, upto);
}

static void socket_on_sent(const char *name, const void *p, size_t len)
{
    struct buf *out = sent_to(name);

    if (out->len > 0)
        buf_puts(out, "; ");
    switch (wire_kind(p, len)) {
    case WIRE_HELLO_OK:
    case WIRE_HELLO_NO:
        hello_text(out, p, len);
        break;
    case WIRE_FILTER_LIVE:
    case WIRE_FILTER_NO:
        filter_text(out, p, len);
        break;
    case WIRE_LIVE:
        live_text(out, p, len);
        break;
    case WIRE_REMOVED:
        removed_text(out, p, len);
        break;
    case WIRE_ACKS:
        acks_text(out, p, len);
        break;
    case WIRE_SESSION_ACKS:
        session_acks_text(out, p, len);
        break;
    case WIRE_CALL:
        buf_puts(out, "call");
        break;
    default:
        ck_abort_msg("a message of an unknown kind");
    }
}

static const char *heard(const char *name)
{
    static char text[512];
    struct buf *b = sent_to(name);

    snprintf(text, sizeof text, "%.*s", (int)b->len, b->p != NULL ? (char *)b->p : "");
    buf_clear(b);
    return text;
}

/* --- what gateways say --------------------------------------------------------------------- */

static void say_hello(const char *name, struct wire_hello h)
{
    struct buf frame = {0};

    h.version = h.version != 0 ? h.version : WIRE_VERSION;
    h.name = SLICE("mqtt");
    wire_hello_put(&frame, &h);
    socket_say(name, &frame);
}
#define HELLO(name, ...) say_hello(name, (struct wire_hello){__VA_ARGS__})

/* A gateway of that letter has said hello. */
static void join(const char *name)
{
    HELLO(name, .instance = {{(uint8_t)name[0]}});
    ck_assert_str_eq(heard(name), "hello-ok 100");
}

static void filter_add(const char *name, uint32_t ref, const char *filter)
{
    struct buf frame = {0};

    wire_filter_add_put(&frame, ref, slice_of(filter));
    socket_say(name, &frame);
}

/* It has said hello and wants all. */
static void join_all(const char *name)
{
    join(name);
    filter_add(name, 1, "#");
    heard(name);
}

static void confirm(const char *name, uint64_t upto)
{
    struct buf frame = {0};

    wire_confirm_put(&frame, upto);
    socket_say(name, &frame);
}

/* A unit of `count` events on topic a, each with that payload. */
static void unit_put(struct buf *frame, uint64_t seq, uint32_t count, const char *payload)
{
    const struct event e = {.topic = SLICE("a"), .payload = slice_of(payload)};

    if (frame->len == 0)
        wire_publish_begin(frame);
    wire_unit_begin(frame, seq, count);
    for (uint32_t i = 0; i < count; i++)
        event_record_put(frame, &e);
}

static void publish(const char *name, uint64_t seq, const char *payload)
{
    struct buf frame = {0};

    unit_put(&frame, seq, 1, payload);
    socket_say(name, &frame);
}

static void delete_topic(const char *name, uint64_t seq, const char *topic)
{
    struct buf frame = {0};

    wire_delete_put(&frame, seq, slice_of(topic));
    socket_say(name, &frame);
}

static void attach(const char *name, uint64_t seq, const char *client)
{
    const struct wire_attach m = {.client = slice_of(client), .version = 5};
    struct buf frame = {0}, body = {0};

    wire_attach_put(&body, &m);
    wire_session_begin(&frame);
    wire_session_unit_put(&frame, seq, WIRE_ATTACH, buf_slice(&body));
    buf_free(&body);
    socket_say(name, &frame);
}

/* --- begin and end --------------------------------------------------------------------------- */

static void on_batch(const struct store_batch *b)
{
    peers_batch(peers, b);
    sessions_batch(sessions, b);
}

static void on_loaded(void *arg, bool ok)
{
    *(bool *)arg = ok;
}

static void setup(void)
{
    const struct sessions_options so = {.window = WINDOW, .max_payload = 1000};
    const struct peers_options po = {
        .credit = CREDIT,
        .window = WINDOW,
        .max_payload = 1500,
        .max_body = 5000,
        .max_batch = 10,
    };
    bool loaded = false;

    now = 1700000000000;
    clock_replace(read_now, NULL);
    timer_count = 0;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    store_begin();
    store.follow = on_batch;
    store.oldest = 50;
    sessions = sessions_new(&loop, &store, &so);
    peers = peers_new(&loop, &store, sessions, &po);
    ck_assert_ptr_nonnull(peers);
    sessions_load(sessions, on_loaded, &loaded);
    store_run();
    ck_assert(loaded);
}

static unsigned closed_count;

static void on_closed(void *arg)
{
    (void)arg;
    closed_count++;
}

static void teardown(void)
{
    peers_stop(peers);
    sessions_stop(sessions);
    store_run();
    closed_count = 0;
    sessions_close(sessions, on_closed, NULL);
    peers_close(peers, 0, on_closed, NULL);
    socket_closed();
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_uint_eq(closed_count, 2);
    peers_free(peers);
    sessions_free(sessions);
    store_end();
    for (size_t i = 0; i < ARRAY_LEN(sent); i++)
        buf_free(&sent[i]);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    clock_replace(NULL, NULL);
}

/* --- hello --------------------------------------------------------------------------------------
 */

START_TEST(hello_is_answered_with_the_head)
{
    HELLO("A");
    ck_assert_str_eq(heard("A"), "hello-ok 100");
}
END_TEST

START_TEST(a_position_that_the_log_knows_needs_no_reset)
{
    HELLO("A", .log = store_identity(&store), .seen = 70);
    ck_assert_str_eq(heard("A"), "hello-ok 100");
}
END_TEST

START_TEST(a_position_that_the_log_has_lost_needs_one)
{
    HELLO("A", .log = store_identity(&store), .seen = 7);
    ck_assert_str_eq(heard("A"), "hello-ok 100 reset");
    HELLO("A", .log = {{7}}, .seen = 70);
    ck_assert_str_eq(heard("A"), "hello-ok 100 reset");
}
END_TEST

START_TEST(another_version_is_refused)
{
    HELLO("A", .version = WIRE_VERSION + 1);
    ck_assert_str_eq(heard("A"), "hello-no 22");
    HELLO("A");
    ck_assert_str_eq(heard("A"), "hello-ok 100");
}
END_TEST

START_TEST(a_malformed_hello_is_refused)
{
    struct buf frame = {0};

    wire_hello_put(&frame, &(const struct wire_hello){.version = WIRE_VERSION});
    frame.len--;
    socket_say("A", &frame);
    ck_assert_str_eq(heard("A"), "hello-no 1");
}
END_TEST

START_TEST(what_precedes_hello_is_discarded)
{
    publish("A", 1, "one");
    confirm("A", 1);
    attach("A", 2, "c");
    run();
    ck_assert_str_eq(heard("A"), "");
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(the_same_instance_on_a_new_connection_replaces_the_old)
{
    join_all("A");
    HELLO("B", .instance = {{'A'}});
    heard("B");
    store_publish("a", "one", 0);
    pass(1000);
    ck_assert_str_eq(heard("A"), "");
    ck_assert_str_eq(heard("B"), "(100,101]"); /* it has asked for nothing yet */
}
END_TEST

START_TEST(a_second_hello_begins_anew)
{
    join_all("A");
    join("A");
    store_publish("a", "one", 0);
    ck_assert_str_eq(heard("A"), "");
    filter_add("A", 1, "#");
    ck_assert_str_eq(heard("A"), "live 1 101");
}
END_TEST

START_TEST(of_257_gateways_the_last_is_refused)
{
    char name[8];

    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "g%d", i);
        HELLO(name, .instance = {{(uint8_t)i, 1}});
    }
    heard("g");
    HELLO("z", .instance = {{'z'}});
    ck_assert_str_eq(heard("z"), "hello-no 19");
}
END_TEST

/* --- filters and live messages
 * -------------------------------------------------------------------- */

START_TEST(a_filter_is_live_from_the_head)
{
    join("A");
    store_publish("a/x", "before", 0);
    filter_add("A", 5, "a/+");
    ck_assert_str_eq(heard("A"), "live 5 101");
    store_publish("a/y", "one", 0);
    store_publish("b", "not", 0);
    store_publish("a/z", "two", 0);
    ck_assert_str_eq(heard("A"), "(100,102] one; (102,104] two");
}
END_TEST

START_TEST(a_bad_filter_is_refused_and_the_link_goes_on)
{
    join("A");
    filter_add("A", 1, "a/#/b");
    filter_add("A", 1, "a/#");
    filter_add("A", 1, "b");
    ck_assert_str_eq(heard("A"), "no 1 3; live 1 100; no 1 1");
}
END_TEST

START_TEST(a_dropped_filter_is_silent)
{
    struct buf frame = {0};

    join("A");
    filter_add("A", 1, "a");
    filter_add("A", 2, "b");
    heard("A");
    wire_filter_drop_put(&frame, 1);
    socket_say("A", &frame);
    store_publish("a", "one", 0);
    store_publish("b", "two", 0);
    ck_assert_str_eq(heard("A"), "(100,102] two");
}
END_TEST

START_TEST(the_position_travels_without_events)
{
    join("A");
    store_publish("a", "one", 0);
    ck_assert_str_eq(heard("A"), "");
    pass(500);
    ck_assert_str_eq(heard("A"), "(100,101]");
    pass(500);
    ck_assert_str_eq(heard("A"), "");
}
END_TEST

START_TEST(a_deletion_is_told_to_who_wants_the_topic)
{
    join_all("A");
    join("B");
    peers_removed(peers, SLICE("a"), 70);
    ck_assert_str_eq(heard("A"), "removed a 70");
    ck_assert_str_eq(heard("B"), "");
}
END_TEST

/* --- credit
 * ------------------------------------------------------------------------------------------ */

/* An event of 600 bytes. */
static void publish_large(void)
{
    static char payload[600];

    memset(payload, 'x', sizeof payload - 1);
    store_publish("a", payload, 0);
}

START_TEST(a_gateway_that_does_not_confirm_is_paused_then_sees_the_hole)
{
    join_all("A");
    for (int i = 0; i < 6; i++)
        publish_large();
    ck_assert_str_eq(heard("A"), "(100,101] x; (101,102] x; (102,103] x");
    confirm("A", 101);
    ck_assert_str_eq(heard("A"), "");
    confirm("A", 103);
    ck_assert_str_eq(heard("A"), "(106,106]");
    publish_large();
    ck_assert_str_eq(heard("A"), "(106,107] x");
}
END_TEST

START_TEST(a_paused_gateway_holds_up_nobody)
{
    join_all("A");
    join_all("B");
    for (uint64_t id = 101; id <= 106; id++) {
        publish_large();
        confirm("B", id);
    }
    ck_assert_str_eq(heard("B"), "(100,101] x; (101,102] x; (102,103] x; (103,104] x; "
                                 "(104,105] x; (105,106] x");
}
END_TEST

/* --- publishing
 * ----------------------------------------------------------------------------------------- */

START_TEST(units_of_a_turn_are_acknowledged_in_one_message)
{
    struct buf frame = {0};

    join("A");
    unit_put(&frame, 1, 1, "one");
    unit_put(&frame, 2, 2, "two");
    socket_say("A", &frame);
    ck_assert_str_eq(heard("A"), "");
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101 2=102,103");
    ck_assert_str_eq(store_published(), "a=one a=two a=two");
}
END_TEST

START_TEST(a_gateway_sees_its_event_before_the_acknowledgement)
{
    join_all("A");
    publish("A", 1, "one");
    run();
    ck_assert_str_eq(heard("A"), "(100,101] one; acks 1=101");
}
END_TEST

START_TEST(a_unit_that_comes_twice_is_known)
{
    join("A");
    publish("A", 1, "one");
    run();
    publish("A", 1, "one");
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101; acks 1=101r");
    ck_assert_str_eq(store_published(), "a=one");
}
END_TEST

START_TEST(a_unit_that_comes_again_on_a_new_link_is_known)
{
    join("A");
    publish("A", 1, "one");
    run();
    HELLO("B", .instance = {{'A'}});
    heard("B");
    publish("B", 1, "one");
    run();
    ck_assert_str_eq(heard("B"), "acks 1=101r");
}
END_TEST

START_TEST(the_same_number_of_another_gateway_is_another_unit)
{
    join("A");
    join("B");
    publish("A", 1, "one");
    run();
    publish("B", 1, "two");
    run();
    ck_assert_str_eq(heard("B"), "acks 1=102");
}
END_TEST

START_TEST(what_the_store_refuses_is_refused)
{
    join("A");
    store.refuses = ERR_STORE_FULL;
    publish("A", 1, "one");
    run();
    store.refuses = ERR_NONE;
    publish("A", 2, "two");
    run();
    ck_assert_str_eq(heard("A"), "acks 1!25; acks 2=101");
}
END_TEST

START_TEST(a_bad_event_refuses_its_unit_alone)
{
    struct buf frame = {0};
    const struct event bad = {.topic = SLICE("a/+")};

    join("A");
    unit_put(&frame, 1, 1, "one");
    wire_unit_begin(&frame, 2, 2);
    event_record_put(&frame, &(const struct event){.topic = SLICE("a")});
    event_record_put(&frame, &bad);
    unit_put(&frame, 3, 1, "three");
    socket_say("A", &frame);
    run();
    ck_assert_str_eq(heard("A"), "acks 2!2; acks 1=101 3=102");
    ck_assert_str_eq(store_published(), "a=one a=three");
}
END_TEST

START_TEST(more_events_than_a_batch_may_have_refuse_the_unit)
{
    struct buf frame = {0};

    join("A");
    unit_put(&frame, 1, 11, "");
    socket_say("A", &frame);
    run();
    ck_assert_str_eq(heard("A"), "acks 1!15");
}
END_TEST

START_TEST(more_than_the_window_is_busy_until_there_is_room)
{
    char payload[600];

    memset(payload, 'x', sizeof payload);
    payload[sizeof payload - 1] = '\0';
    join("A");
    publish("A", 1, payload);
    publish("A", 2, payload);
    ck_assert_str_eq(heard("A"), "acks 2!24");
    run();
    publish("A", 3, payload);
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101; acks 3=102");
}
END_TEST

START_TEST(a_unit_above_the_window_passes_when_it_is_alone)
{
    char payload[1400];

    memset(payload, 'x', sizeof payload);
    payload[sizeof payload - 1] = '\0';
    join("A");
    publish("A", 1, payload);
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101");
}
END_TEST

START_TEST(deleting_a_topic_is_acknowledged_with_what_went)
{
    join("A");
    store_publish("a", "one", 0);
    store_publish("b", "two", 0);
    delete_topic("A", 1, "a");
    delete_topic("A", 2, "a/#");
    run();
    ck_assert_str_eq(heard("A"), "acks 2!2; acks 1=101");
    ck_assert_str_eq(store_published(), "b=two");
}
END_TEST

/* --- sessions
 * ------------------------------------------------------------------------------------------ */

START_TEST(units_of_sessions_are_answered_behind_those_of_publishes)
{
    join("A");
    publish("A", 1, "one");
    attach("A", 2, "c");
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101; session 2=0");
}
END_TEST

START_TEST(a_fence_does_not_overtake_the_answer_to_the_attach)
{
    join("A");
    join("B");
    attach("A", 1, "c");
    store_run(); /* answered, but the turn has not ended */
    attach("B", 1, "c");
    ck_assert_str_eq(heard("A"), "session 1=0; call");
}
END_TEST

START_TEST(sessions_of_a_gateway_that_has_gone_are_ended)
{
    join("A");
    attach("A", 1, "c");
    run();
    ck_assert(sessions_held(sessions));
    socket_refuse("A", -EHOSTUNREACH);
    pass(1000); /* the probe bounces: it is asked each second while sessions hang on it */
    ck_assert(sessions_held(sessions));
    pass(4000);
    ck_assert(!sessions_held(sessions));
}
END_TEST

/* --- frames that cannot be read
 * ---------------------------------------------------------------------------- */

START_TEST(a_malformed_frame_ends_the_link_and_nothing_of_it_is_taken)
{
    static const uint8_t kinds[] = {WIRE_PUBLISH, WIRE_CONFIRM, WIRE_FILTER_ADD, WIRE_FILTER_DROP,
                                    WIRE_DELETE,  WIRE_SESSION, WIRE_TELL,       WIRE_LIVE};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct buf frame = {0};

        join("A");
        buf_u8(&frame, kinds[i]);
        buf_u8(&frame, 9);
        socket_say("A", &frame);
        ck_assert_str_eq(heard("A"), "hello-no 1");
        publish("A", 1, "one"); /* it must say hello first */
        run();
        ck_assert_str_eq(heard("A"), "");
    }
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(a_publish_that_is_malformed_at_its_end_is_refused_whole)
{
    struct buf frame = {0};

    join("A");
    unit_put(&frame, 1, 1, "one");
    unit_put(&frame, 2, 1, "two");
    frame.len--;
    socket_say("A", &frame);
    ck_assert_ptr_null(store.queue);
    ck_assert_str_eq(heard("A"), "hello-no 1");
}
END_TEST

START_TEST(several_parts_are_malformed)
{
    struct buf frame = {0};

    join("A");
    unit_put(&frame, 1, 1, "one");
    socket_say_parts("A", &frame, 2);
    ck_assert_str_eq(heard("A"), "hello-no 1");
}
END_TEST

START_TEST(an_empty_message_is_malformed)
{
    struct buf frame = {0};

    join("A");
    socket_say("A", &frame);
    ck_assert_str_eq(heard("A"), "hello-no 1");
}
END_TEST

/* --- how a gateway ends
 * --------------------------------------------------------------------------------------- */

START_TEST(a_gateway_whose_queue_is_full_is_told_when_there_is_room)
{
    join_all("A");
    socket_refuse("A", -EAGAIN);
    store_publish("a", "one", 0);
    run();
    pass(1000);
    socket_refuse("A", 0);
    store_publish("a", "two", 0);
    ck_assert_str_eq(heard("A"), "");
    pass(500);
    ck_assert_str_eq(heard("A"), "hello-no 23");
    HELLO("A", .instance = {{'A'}});
    ck_assert_str_eq(heard("A"), "hello-ok 102");
}
END_TEST

START_TEST(a_gateway_whose_message_bounces_is_forgotten)
{
    join_all("A");
    socket_refuse("A", -EHOSTUNREACH);
    store_publish("a", "one", 0);
    run();
    socket_refuse("A", 0);
    store_publish("a", "two", 0);
    pass(1000);
    ck_assert_str_eq(heard("A"), "");
}
END_TEST

START_TEST(an_idle_gateway_is_asked_every_five_seconds)
{
    join("A");
    pass(4900);
    ck_assert_str_eq(heard("A"), "");
    pass(100);
    ck_assert_str_eq(heard("A"), "(100,100]");
    socket_refuse("A", -EHOSTUNREACH);
    pass(5000);
    socket_refuse("A", 0);
    pass(5000);
    ck_assert_str_eq(heard("A"), "");
}
END_TEST

START_TEST(what_a_gateway_that_has_gone_had_published_is_stored)
{
    join("A");
    publish("A", 1, "one");
    join("A"); /* which forgets its earlier self */
    run();
    ck_assert_str_eq(heard("A"), "");
    ck_assert_str_eq(store_published(), "a=one");
}
END_TEST

START_TEST(after_the_stop_what_is_with_the_store_is_acknowledged)
{
    join("A");
    publish("A", 1, "one");
    peers_stop(peers);
    ck_assert(played_socket.paused);
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101");
}
END_TEST

START_TEST(the_socket_takes_no_message_above_what_limits_allow)
{
    ck_assert(played_socket.options.mandatory);
    ck_assert_uint_eq(played_socket.options.max_message, WINDOW + 4 * 5000 + 1500);
    ck_assert_int_ge(played_socket.options.send_hwm, CREDIT / WIRE_LIVE_HEAD + WINDOW / 44);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "peers", setup, teardown, hello_is_answered_with_the_head,
        a_position_that_the_log_knows_needs_no_reset, a_position_that_the_log_has_lost_needs_one,
        another_version_is_refused, a_malformed_hello_is_refused, what_precedes_hello_is_discarded,
        the_same_instance_on_a_new_connection_replaces_the_old, a_second_hello_begins_anew,
        of_257_gateways_the_last_is_refused, a_filter_is_live_from_the_head,
        a_bad_filter_is_refused_and_the_link_goes_on, a_dropped_filter_is_silent,
        the_position_travels_without_events, a_deletion_is_told_to_who_wants_the_topic,
        a_gateway_that_does_not_confirm_is_paused_then_sees_the_hole,
        a_paused_gateway_holds_up_nobody, units_of_a_turn_are_acknowledged_in_one_message,
        a_gateway_sees_its_event_before_the_acknowledgement, a_unit_that_comes_twice_is_known,
        a_unit_that_comes_again_on_a_new_link_is_known,
        the_same_number_of_another_gateway_is_another_unit, what_the_store_refuses_is_refused,
        a_bad_event_refuses_its_unit_alone, more_events_than_a_batch_may_have_refuse_the_unit,
        more_than_the_window_is_busy_until_there_is_room,
        a_unit_above_the_window_passes_when_it_is_alone,
        deleting_a_topic_is_acknowledged_with_what_went,
        units_of_sessions_are_answered_behind_those_of_publishes,
        a_fence_does_not_overtake_the_answer_to_the_attach,
        sessions_of_a_gateway_that_has_gone_are_ended,
        a_malformed_frame_ends_the_link_and_nothing_of_it_is_taken,
        a_publish_that_is_malformed_at_its_end_is_refused_whole, several_parts_are_malformed,
        an_empty_message_is_malformed, a_gateway_whose_queue_is_full_is_told_when_there_is_room,
        a_gateway_whose_message_bounces_is_forgotten, an_idle_gateway_is_asked_every_five_seconds,
        what_a_gateway_that_has_gone_had_published_is_stored,
        after_the_stop_what_is_with_the_store_is_acknowledged,
        the_socket_takes_no_message_above_what_limits_allow);
}
