/*
 * peers_fixture.h - the broker's side of the link: fan-out and sessions are the real ones.
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
#ifndef TESTS_PEERS_FIXTURE_H
#define TESTS_PEERS_FIXTURE_H

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

/* --- keys ------------------------------------------------------------------------------------ */

static const char *listed_key; /* the only one */

bool warden_admits(const struct warden *w, const char *key)
{
    (void)w;
    return key == NULL || (listed_key != NULL && strcmp(key, listed_key) == 0);
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

    played_key = listed_key = NULL;
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

#endif
