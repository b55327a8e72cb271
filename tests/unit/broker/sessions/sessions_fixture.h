/*
 * sessions_fixture.h - sessions over a played store, two gateways `a` and `b` that have
 * said hello and hold nothing, and time that passes when the test says so.
 *
 *     struct held c = ATTACH(a, "c", .expiry = 60);
 *     put(SLICE("Fx"), SLICE("\1"));
 *     ck_assert_int_eq(write_now(c), ERR_NONE);      what was put, and no more
 *     ck_assert_int_eq(detach_now(c, .expiry = 60), ERR_NONE);
 *     pass(3000);                                    with every tick
 *
 * The calls that end in _now run the store; send_* only say it, and `answer` finds what
 * came back.  With store_is_late the test runs the store itself, in pass, too.
 */
#ifndef TESTS_SESSIONS_FIXTURE_H
#define TESTS_SESSIONS_FIXTURE_H

#include "played_reads.h"
#include "run_suite.h"
#include "session_rows.h"
#include "sessions.h"

#define START_MS UINT64_C(1700000000000)
#define SECONDS UINT64_C(1000)
#define UNANSWERED 0xffff

struct answer {
    uint64_t seq;
    uint16_t error;
    struct buf data;
    struct answer *next;
};

struct gateway {
    struct session_peer *peer; /* NULL: no link */
    struct wire_uuid instance;
    uint64_t seq;
    struct answer *answers;
    struct buf fences;   /* "client client" */
    struct buf assigned; /* "client=payload client=payload" */
    struct buf sys;      /* the last frame of $SYS */
    unsigned sys_told;
};

/* A session as its gateway knows it. */
struct held {
    struct gateway *by;
    const char *client;
    struct slice principal;
    uint16_t error; /* of ATTACH */
    uint64_t epoch;
    uint32_t expiry;
    bool present;
    struct slice items;
};

static uv_loop_t loop;
static struct sessions *sessions;
static struct sessions_options options;
static struct gateway gateways[3];
static struct gateway *const a = &gateways[0], *const b = &gateways[1];
static bool store_is_late;
static struct buf items, record, groups_taken; /* of the next write or detach */
static struct buf will;

/* --- time ---------------------------------------------------------------------------- */

static uint64_t now;
static uv_timer_t *timer;
static uv_timer_cb tick;

/* In libuv's place: nothing here waits. */
int uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    (void)timeout;
    ck_assert_uint_eq(repeat, 100);
    timer = t;
    tick = cb;
    return 0;
}

static inline uint64_t read_now(void *arg)
{
    (void)arg;
    return now;
}

/* And reads of history. */
static inline void run_store(void)
{
    bool more = !store_is_late;

    while (more) {
        more = read_answer();
        more = store_answer() || more;
    }
}

static inline void pass(uint64_t ms)
{
    for (; ms > 0; ms -= 100) {
        now += 100;
        tick(timer);
        run_store();
    }
}

/* --- what comes to gateways ------------------------------------------------------------- */

static inline void on_answer(void *link, const struct wire_session_ack *m)
{
    struct gateway *g = link;
    struct answer *an = mem_zalloc(sizeof *an);

    an->seq = m->seq;
    an->error = m->error;
    buf_put_slice(&an->data, m->data);
    LL_PREPEND(g->answers, an);
}

static inline void text_add(struct buf *text, struct slice s, const char *between)
{
    if (text->len > 0)
        buf_puts(text, between);
    buf_put_slice(text, s);
}

static inline void take_assign(struct gateway *g, struct reader body)
{
    static struct buf last;
    struct wire_assign m;
    struct event e;
    struct reader r;

    ck_assert(wire_assign_get(&body, &m));
    if (m.record.len > 0) { /* none: that of the one before */
        buf_clear(&last);
        buf_put_slice(&last, m.record);
    }
    r = reader_of(last.p, last.len);
    ck_assert(event_record_get(&r, &e));
    text_add(&g->assigned, m.client, " ");
    buf_u8(&g->assigned, '=');
    buf_put_slice(&g->assigned, e.payload);
}

static inline void on_call(void *link, struct buf *frame)
{
    struct gateway *g = link;
    struct slice client;
    struct reader body;
    uint64_t epoch;

    switch (wire_call_get(frame->p, frame->len, &body)) {
    case WIRE_CALL_FENCE:
        ck_assert(wire_fence_get(&body, &client, &epoch));
        text_add(&g->fences, client, " ");
        break;
    case WIRE_CALL_ASSIGN:
        take_assign(g, body);
        break;
    case WIRE_CALL_SYS:
        buf_clear(&g->sys);
        buf_put_slice(&g->sys, buf_slice(frame));
        g->sys_told++;
        break;
    default:
        ck_abort_msg("a call of an unknown kind");
    }
    buf_free(frame);
}

/* The text so far, which is empty again. */
static inline const char *taken_text(struct buf *text)
{
    static char last[256];

    snprintf(last, sizeof last, "%.*s", (int)text->len, text->p != NULL ? (char *)text->p : "");
    buf_clear(text);
    return last;
}

static inline const char *fences(struct gateway *g)
{
    return taken_text(&g->fences);
}

static inline const char *assigned(struct gateway *g)
{
    return taken_text(&g->assigned);
}

static inline const struct answer *answer(const struct gateway *g, uint64_t seq)
{
    static const struct answer none = {.error = UNANSWERED};
    const struct answer *an;

    LL_FOREACH (g->answers, an) {
        if (an->seq == seq)
            return an;
    }
    return &none;
}

/* --- what gateways say ------------------------------------------------------------------- */

static inline void join_as(struct gateway *g, const char *name)
{
    g->peer = sessions_join(sessions, &g->instance, name, g);
    sessions_greet(g->peer);
}

static inline void leave(struct gateway *g)
{
    sessions_leave(g->peer, g);
    g->peer = NULL;
    run_store();
}

/* False: malformed. */
static inline bool say(struct gateway *g, struct buf *frame)
{
    bool units = wire_kind(frame->p, frame->len) == WIRE_SESSION, ok;
    struct zmsg m;

    zmsg_init_buf(&m, frame);
    ok = units ? sessions_units(g->peer, &m) : sessions_tell(g->peer, &m);
    zmsg_close(&m);
    return ok;
}

/* HOLD of these sessions. */
static inline void hold_all(struct gateway *g, const struct held *list, size_t count)
{
    struct buf frame = {0};

    wire_tell_begin(&frame, WIRE_TELL_HOLD);
    for (size_t i = 0; i < count; i++) {
        const struct wire_hold m = {slice_of(list[i].client), list[i].epoch, list[i].expiry,
                                    list[i].principal};

        wire_hold_put(&frame, &m);
    }
    ck_assert(say(g, &frame));
    run_store();
}
#define HOLD(g, ...)                                                                               \
    hold_all((g), (const struct held[]){__VA_ARGS__},                                              \
             sizeof((const struct held[]){__VA_ARGS__}) / sizeof(struct held))

static inline void join(struct gateway *g)
{
    join_as(g, "mqtt");
    hold_all(g, NULL, 0);
}

/* One unit, with this number; takes the body's bytes. */
static inline void send_unit(struct gateway *g, uint64_t seq, uint8_t op, struct buf *body)
{
    struct buf frame = {0};

    wire_session_begin(&frame);
    wire_session_unit_put(&frame, seq, op, buf_slice(body));
    buf_free(body);
    ck_assert(say(g, &frame));
}

static inline void send_attach_again(struct gateway *g, uint64_t seq, const struct wire_attach *m)
{
    struct buf body = {0};

    wire_attach_put(&body, m);
    send_unit(g, seq, WIRE_ATTACH, &body);
}

static inline uint64_t send_attach(struct gateway *g, const struct wire_attach *m)
{
    send_attach_again(g, ++g->seq, m);
    return g->seq;
}
#define SEND_ATTACH(g, name, ...)                                                                  \
    send_attach((g), &(const struct wire_attach){.client = SLICE(name), .version = 5, __VA_ARGS__})

/* What that ATTACH was answered; error UNANSWERED: nothing yet. */
static inline struct held attached(struct gateway *g, uint64_t seq, const char *client,
                                   uint32_t expiry)
{
    const struct answer *an = answer(g, seq);
    struct held h = {.by = g, .client = client, .error = an->error, .expiry = expiry};
    struct wire_attached m;

    if (an->error != ERR_NONE)
        return h;
    ck_assert(wire_attached_get(buf_slice(&an->data), &m));
    h.epoch = m.epoch;
    h.present = m.present;
    h.items = m.items;
    return h;
}

static inline struct held attach_now(struct gateway *g, const struct wire_attach *m,
                                     const char *client)
{
    uint64_t seq = send_attach(g, m);
    struct held h;

    run_store();
    h = attached(g, seq, client, m->expiry);
    h.principal = m->principal;
    return h;
}
#define ATTACH(g, name, ...)                                                                       \
    attach_now((g), &(const struct wire_attach){.client = SLICE(name), .version = 5, __VA_ARGS__}, \
               name)

/* Parts of the next write or detach. */
static inline void put(struct slice key, struct slice value)
{
    wire_item_put(&items, &(const struct wire_item){.key = key, .value = value});
}

static inline void drop(struct slice key)
{
    wire_item_put(&items, &(const struct wire_item){.drop = true, .key = key});
}

static inline void put_progress(uint64_t cursor, bool follows)
{
    struct buf value = {0};

    buf_u64(&value, cursor);
    buf_u8(&value, follows);
    put(SLICE("P"), buf_slice(&value));
    buf_free(&value);
}

static inline void event(const char *topic, const char *payload)
{
    const struct event e = {
        .topic = slice_of(topic),
        .payload = slice_of(payload),
        .flags = 2 << EVENT_QOS_SHIFT,
    };

    event_record_put(&record, &e);
}

static inline void send_write_again(struct held h, uint64_t seq)
{
    const struct wire_write m = {
        .client = slice_of(h.client),
        .epoch = h.epoch,
        .record = buf_slice(&record),
        .groups = buf_slice(&groups_taken),
        .items = buf_slice(&items),
    };
    struct buf body = {0};

    wire_write_put(&body, &m);
    send_unit(h.by, seq, WIRE_WRITE, &body);
    buf_clear(&record);
    buf_clear(&groups_taken);
    buf_clear(&items);
}

static inline uint64_t send_write(struct held h)
{
    send_write_again(h, ++h.by->seq);
    return h.by->seq;
}

static inline uint16_t write_now(struct held h)
{
    uint64_t seq = send_write(h);

    run_store();
    return answer(h.by, seq)->error;
}

static inline uint64_t send_detach(struct held h, struct wire_detach m)
{
    struct buf body = {0};

    m.client = slice_of(h.client);
    m.epoch = h.epoch;
    m.items = buf_slice(&items);
    wire_detach_put(&body, &m);
    send_unit(h.by, ++h.by->seq, WIRE_DETACH, &body);
    buf_clear(&items);
    return h.by->seq;
}
#define SEND_DETACH(h, ...) send_detach((h), (struct wire_detach){__VA_ARGS__})

static inline uint16_t detach_now(struct held h, struct wire_detach m)
{
    uint64_t seq = send_detach(h, m);

    run_store();
    return answer(h.by, seq)->error;
}
#define DETACH(h, ...) detach_now((h), (struct wire_detach){__VA_ARGS__})

static inline uint16_t withdraw_now(struct held h)
{
    struct buf body = {0};

    wire_withdraw_put(&body, slice_of(h.client), h.epoch);
    send_unit(h.by, ++h.by->seq, WIRE_WITHDRAW, &body);
    run_store();
    return answer(h.by, h.by->seq)->error;
}

static inline uint16_t position_now(struct gateway *g, uint64_t position)
{
    struct buf body = {0};

    wire_position_put(&body, position);
    send_unit(g, ++g->seq, WIRE_POSITION, &body);
    run_store();
    return answer(g, g->seq)->error;
}

static inline void credit(struct held h, uint32_t n)
{
    const struct wire_credit m = {slice_of(h.client), h.epoch, n};
    struct buf frame = {0};

    wire_tell_begin(&frame, WIRE_TELL_CREDIT);
    wire_credit_put(&frame, &m);
    ck_assert(say(h.by, &frame));
    run_store();
}

/* With that event of the group, or it goes back. */
static inline void done(struct held h, const char *group, uint64_t id, bool returned)
{
    const struct wire_done m = {slice_of(h.client), h.epoch, slice_of(group), id, returned};
    struct buf frame = {0};

    wire_tell_begin(&frame, WIRE_TELL_DONE);
    wire_done_put(&frame, &m);
    ck_assert(say(h.by, &frame));
    run_store();
}

/* --- what is there ------------------------------------------------------------------------- */

/* The value of an item; p NULL: it is not there. */
static inline struct slice item(struct held h, struct slice key)
{
    struct reader r = reader_of(h.items.p, h.items.len);
    struct wire_item i;

    while (wire_item_get(&r, &i)) {
        if (slice_eq(i.key, key))
            return i.value;
    }
    return (struct slice){NULL, 0};
}

static inline bool item_is(struct held h, struct slice key, struct slice value)
{
    struct slice found = item(h, key);

    return found.p != NULL && slice_eq(found, value);
}

static inline uint64_t cursor_of(struct held h)
{
    struct slice value = item(h, SLICE("P"));
    struct reader r = reader_of(value.p, value.len);

    return reader_u64(&r);
}

/* --- begin and end --------------------------------------------------------------------------- */

static inline void on_loaded(void *arg, bool ok)
{
    *(int *)arg = ok;
}

/* 1 or 0: it has ended, well or not; -1: it has not. */
static inline int load(void)
{
    static const struct sessions_ops ops = {on_answer, on_call};
    static int loaded;

    sessions = sessions_new(&loop, &store, &options);
    sessions_serve(sessions, &ops);
    loaded = -1;
    sessions_load(sessions, on_loaded, &loaded);
    store_run();
    return loaded;
}

static inline void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static inline void unload(void)
{
    bool closed = false;

    sessions_stop(sessions);
    store_run();
    sessions_close(sessions, on_closed, &closed);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert(closed);
    sessions_free(sessions);
    reads_drop();
}

/* The broker ends and starts; no gateway has come yet. */
static inline void restart(void)
{
    unload();
    for (size_t i = 0; i < ARRAY_LEN(gateways); i++)
        gateways[i].peer = NULL;
    ck_assert_int_eq(load(), 1);
}

static inline void on_batch(const struct store_batch *batch)
{
    sessions_batch(sessions, batch);
}

static inline void setup(void)
{
    const struct event e = {.topic = SLICE("wills/c"), .payload = SLICE("gone")};

    now = START_MS;
    clock_replace(read_now, NULL);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    store_begin();
    store.follow = on_batch;
    store_is_late = false;
    options = (struct sessions_options){
        .owners = {.auth = true, .strangers = true},
        .reads = {.ask = reads_on_ask},
        .window = 1000,
        .max_payload = 1000,
    };
    ck_assert_int_eq(load(), 1);
    for (size_t i = 0; i < ARRAY_LEN(gateways); i++)
        gateways[i] = (struct gateway){.instance = {{(uint8_t)(i + 1)}}};
    join(a);
    join(b);
    event_record_put(&will, &e);
}

static inline void gateway_free(struct gateway *g)
{
    struct answer *an, *next;

    LL_FOREACH_SAFE (g->answers, an, next) {
        buf_free(&an->data);
        free(an);
    }
    buf_free(&g->fences);
    buf_free(&g->assigned);
    buf_free(&g->sys);
}

static inline void teardown(void)
{
    store.refuses = store.blind = ERR_NONE;
    unload();
    store_end();
    for (size_t i = 0; i < ARRAY_LEN(gateways); i++)
        gateway_free(&gateways[i]);
    buf_free(&items);
    buf_free(&record);
    buf_free(&groups_taken);
    buf_free(&will);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    clock_replace(NULL, NULL);
}

#endif
