/*
 * test_reads.c - history reads: whose step is next, what is taken back, who is told that
 * it takes long, and what becomes of those who have gone.
 *
 * The socket and the store are played.  A request asks for so many steps, and a thread of
 * the pool stands before each until the test lets it:
 *
 *     ask("A", 7, 3);      gateway A's request 7, of three steps
 *     at_work(1);          so many threads stand before a step
 *     step();              one of them goes on
 *     steps()              "A7 B1 A7": whose steps were taken since, in order
 *     answers()            "B1 A7": who was answered what since; a sign of life is "A~",
 *                          a refusal "A7!24"
 */
#include <inttypes.h>
#include <stdio.h>

#include "played_zsock.h"
#include "read_answer.h"
#include "reads.h"
#include "run_suite.h"
#include "warden.h"

static uv_loop_t loop;
static struct reads *reads;
static struct buf answered; /* text */

/* --- libuv's clock is the test's ------------------------------------------------------- */

static uv_timer_t *signs;
static uv_timer_cb signs_cb;

int uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    ck_assert(timeout > 0 && repeat > 0);
    signs = t;
    signs_cb = cb;
    return 0;
}

int uv_timer_stop(uv_timer_t *t)
{
    if (t == signs)
        signs = NULL;
    return 0;
}

/* --- who is let in --------------------------------------------------------------------- */

static bool admits = true;

bool warden_admits(const struct warden *w, const char *key)
{
    (void)w;
    (void)key;
    return admits;
}

/* --- the store's readers --------------------------------------------------------------- */

struct store_reader {
    bool open;
};
struct store_read {
    uint64_t ref, left;
};

static struct {
    uv_mutex_t lock;
    uv_cond_t moved;
    unsigned grants, standing;
    uint64_t only; /* the grant is for that one; 0: for any */
    bool free_run;
    struct buf log; /* refs, u64 each, of the steps taken */
    unsigned reads_alive, readers_alive, readers_max;
    struct store_reader readers[8];
} pool;

struct store_reader *store_reader_open(struct store *s)
{
    struct store_reader *r = &pool.readers[pool.readers_alive];

    (void)s;
    if (pool.readers_alive == pool.readers_max)
        return NULL;
    pool.readers_alive++;
    r->open = true;
    return r;
}

void store_reader_close(struct store_reader *r)
{
    ck_assert(r->open);
    r->open = false;
    pool.readers_alive--;
}

struct store_read *read_answer_begin(const void *frame, size_t len, struct buf *reply)
{
    struct store_read *w;
    uint64_t ref, count;

    (void)reply;
    if (!wire_event_req_get(frame, len, &ref, &count))
        return NULL;
    w = mem_zalloc(sizeof *w);
    w->ref = ref;
    w->left = count;
    uv_mutex_lock(&pool.lock);
    pool.reads_alive++;
    uv_mutex_unlock(&pool.lock);
    return w;
}

void store_read_free(struct store_read *w)
{
    if (w == NULL)
        return;
    uv_mutex_lock(&pool.lock);
    pool.reads_alive--;
    uv_mutex_unlock(&pool.lock);
    free(w);
}

bool store_read_step(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    uv_mutex_lock(&pool.lock);
    ck_assert(r->open);
    pool.standing++;
    uv_cond_broadcast(&pool.moved);
    while (!pool.free_run && (pool.grants == 0 || (pool.only != 0 && pool.only != w->ref)))
        uv_cond_wait(&pool.moved, &pool.lock);
    if (!pool.free_run)
        pool.grants--;
    pool.only = 0;
    pool.standing--;
    buf_u64(&pool.log, w->ref);
    uv_cond_broadcast(&pool.moved);
    uv_mutex_unlock(&pool.lock);
    if (--w->left > 0)
        return false;
    buf_u64(reply, w->ref);
    return true;
}

/* --- the test's hand ------------------------------------------------------------------- */

/* What gateway `who` asks under `n`: so that refs tell gateways apart. */
static uint64_t ref_of(const char *who, unsigned n)
{
    return (uint64_t)who[0] << 32 | n;
}

static void text_of_ref(struct buf *text, uint64_t ref)
{
    buf_printf(text, "%s%c%" PRIu64, text->len > 0 ? " " : "", (char)(ref >> 32), ref & 0xffff);
}

static void ask(const char *who, unsigned n, uint64_t count)
{
    struct buf frame = {0};

    wire_event_req_put(&frame, ref_of(who, n), count);
    socket_say(who, &frame);
}

static void take_back(const char *who, unsigned n)
{
    struct buf frame = {0};

    wire_cancel_put(&frame, ref_of(who, n));
    socket_say(who, &frame);
}

static void wait_for(bool (*is_so)(uint64_t n), uint64_t n)
{
    uv_mutex_lock(&pool.lock);
    while (!is_so(n))
        ck_assert_int_eq(uv_cond_timedwait(&pool.moved, &pool.lock, UINT64_C(20000000000)), 0);
    uv_mutex_unlock(&pool.lock);
}

static bool are_standing(uint64_t n)
{
    return pool.standing == n;
}

static bool are_taken(uint64_t n)
{
    return pool.log.len / 8 >= n;
}

static void at_work(unsigned threads)
{
    wait_for(are_standing, threads);
}

/* One more step, of the request with that ref, is over. */
static void step_of(uint64_t ref)
{
    uint64_t taken;

    uv_mutex_lock(&pool.lock);
    pool.only = ref;
    taken = pool.log.len / 8;
    pool.grants++;
    uv_cond_broadcast(&pool.moved);
    uv_mutex_unlock(&pool.lock);
    wait_for(are_taken, taken + 1);
}

static void step(void)
{
    step_of(0);
}

static const char *text_taken(struct buf *text)
{
    static char last[1024];

    snprintf(last, sizeof last, "%.*s", (int)text->len, text->p != NULL ? (char *)text->p : "");
    buf_clear(text);
    return last;
}

static const char *steps(void)
{
    struct buf text = {0};
    const char *said;
    struct reader r;

    uv_mutex_lock(&pool.lock);
    r = reader_of(pool.log.p, pool.log.len);
    while (r.left > 0)
        text_of_ref(&text, reader_u64(&r));
    buf_clear(&pool.log);
    uv_mutex_unlock(&pool.lock);
    said = text_taken(&text);
    buf_free(&text);
    return said;
}

static void socket_on_sent(const char *name, const void *p, size_t len)
{
    struct reader r = reader_of(p, len);
    struct buf working = {0};
    uint64_t ref;

    wire_working_put(&working);
    if (working.len == len && memcmp(working.p, p, len) == 0) {
        buf_printf(&answered, "%s%s~", answered.len > 0 ? " " : "", name);
    } else if (len == 8) {
        ref = reader_u64(&r);
        ck_assert_int_eq(name[0], (char)(ref >> 32));
        text_of_ref(&answered, ref);
    } else {
        (void)reader_u8(&r);
        text_of_ref(&answered, reader_u64(&r));
        buf_printf(&answered, "!%u", reader_u16(&r));
    }
    buf_free(&working);
}

/* Waits for `count` answers, or looks whether there are any when it is 0. */
static const char *answers(size_t count)
{
    uint64_t end = uv_hrtime() + UINT64_C(20000000000);
    size_t there = 0;

    while (there < count || count == 0) {
        uv_run(&loop, UV_RUN_NOWAIT);
        there = answered.len > 0;
        for (size_t i = 0; i < answered.len; i++)
            there += answered.p[i] == ' ';
        if (count == 0)
            break;
        ck_assert(uv_hrtime() < end);
        uv_sleep(1);
    }
    return text_taken(&answered);
}

static void begin(unsigned threads)
{
    reads = reads_new(&loop, NULL, NULL, threads);
    ck_assert_ptr_nonnull(reads);
    ck_assert(reads_start(reads));
}

static void setup(void)
{
    memset(&pool, 0, sizeof pool);
    (void)uv_mutex_init(&pool.lock);
    (void)uv_cond_init(&pool.moved);
    pool.readers_max = 8;
    signs = NULL;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
}

static void mark_closed(void *arg)
{
    *(bool *)arg = true;
}

static void stop(void)
{
    uv_mutex_lock(&pool.lock);
    pool.free_run = true;
    uv_cond_broadcast(&pool.moved);
    uv_mutex_unlock(&pool.lock);
    reads_stop(reads);
}

static void teardown(void)
{
    bool closed = false;

    stop();
    reads_close(reads, 0, mark_closed, &closed);
    socket_closed();
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(closed);
    reads_free(reads);
    ck_assert_uint_eq(pool.reads_alive, 0);
    ck_assert_uint_eq(pool.readers_alive, 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    buf_free(&pool.log);
    buf_free(&answered);
    uv_cond_destroy(&pool.moved);
    uv_mutex_destroy(&pool.lock);
}

/* --- turns ------------------------------------------------------------------------------- */

START_TEST(who_asked_is_answered)
{
    begin(1);
    ask("A", 1, 1);
    ask("B", 2, 2);
    step(), step(), step();
    ck_assert_str_eq(answers(2), "A1 B2");
    ck_assert_str_eq(steps(), "A1 B2 B2");
}
END_TEST

START_TEST(gateways_take_turns)
{
    begin(1);
    ask("A", 1, 1);
    at_work(1);
    for (unsigned n = 2; n < 6; n++)
        ask("A", n, 1);
    ask("B", 1, 1);
    ask("C", 1, 1);
    ask("B", 2, 1);
    for (int i = 0; i < 8; i++)
        step();
    ck_assert_str_eq(steps(), "A1 A2 B1 C1 A3 B2 A4 A5");
}
END_TEST

START_TEST(what_has_just_come_goes_before_what_goes_on)
{
    begin(1);
    ask("A", 1, 5);
    at_work(1);
    step();
    at_work(1);
    ask("A", 2, 1);
    ask("A", 3, 1);
    step(), step(), step();
    ck_assert_str_eq(steps(), "A1 A1 A2 A3");
    ck_assert_str_eq(answers(2), "A2 A3");
}
END_TEST

START_TEST(what_goes_on_is_not_starved_by_what_comes)
{
    begin(1);
    ask("A", 1, 3);
    at_work(1);
    step();
    at_work(1);
    for (unsigned n = 2; n < 12; n++)
        ask("A", n, 1);
    for (int i = 0; i < 12; i++)
        step();
    ck_assert_str_eq(steps(), "A1 A1 A2 A3 A4 A5 A1 A6 A7 A8 A9 A10 A11");
}
END_TEST

/* Nor are those of several searches, which take turns. */
START_TEST(searches_never_have_all_threads)
{
    begin(2);
    ask("A", 1, 100);
    at_work(1);
    step();
    at_work(1);
    ask("A", 2, 100);
    at_work(2);
    step_of(ref_of("A", 2));
    at_work(1); /* A1 goes on; A2 waits for its turn */
    ask("B", 1, 1);
    at_work(2);
    step_of(ref_of("B", 1));
    at_work(1);
    step_of(ref_of("A", 1));
    at_work(1); /* A2 now */
    ask("B", 2, 1);
    at_work(2);
    step_of(ref_of("B", 2));
    step_of(ref_of("A", 2));
    ck_assert_str_eq(steps(), "A1 A2 B1 A1 B2 A2");
    ck_assert_str_eq(answers(2), "B1 B2");
    take_back("A", 1);
    take_back("A", 2);
}
END_TEST

START_TEST(searches_of_one_gateway_take_turns)
{
    begin(1);
    ask("A", 1, 3);
    ask("A", 2, 3);
    for (int i = 0; i < 6; i++)
        step();
    ck_assert_str_eq(steps(), "A1 A2 A1 A2 A1 A2");
    ck_assert_str_eq(answers(2), "A1 A2");
}
END_TEST

/* --- taking back --------------------------------------------------------------------------- */

START_TEST(what_waits_may_be_taken_back)
{
    begin(1);
    ask("A", 1, 1);
    at_work(1);
    ask("A", 2, 1);
    ask("A", 3, 1);
    take_back("A", 2);
    take_back("A", 99);
    take_back("B", 3); /* not B's */
    step(), step();
    ck_assert_str_eq(answers(2), "A1 A3");
}
END_TEST

START_TEST(what_is_under_way_ends_with_its_step)
{
    begin(1);
    ask("A", 1, 100);
    at_work(1);
    take_back("A", 1);
    ask("A", 2, 1);
    step(), step();
    ck_assert_str_eq(answers(1), "A2");
    ck_assert_str_eq(steps(), "A1 A2");
    ck_assert_str_eq(answers(0), "");
}
END_TEST

START_TEST(what_has_taken_a_step_may_be_taken_back_too)
{
    begin(1);
    ask("A", 1, 100);
    ask("A", 2, 3);
    step();
    at_work(1); /* A2 is under way, A1 waits to go on */
    take_back("A", 1);
    step(), step(), step();
    ck_assert_str_eq(steps(), "A1 A2 A2 A2");
    ck_assert_str_eq(answers(1), "A2");
}
END_TEST

START_TEST(what_is_asked_again_is_the_first)
{
    begin(1);
    ask("A", 1, 2);
    at_work(1);
    ask("A", 1, 2);
    ask("A", 2, 1);
    ask("A", 2, 1);
    step(), step(), step();
    ck_assert_str_eq(answers(2), "A2 A1");
    ck_assert_str_eq(answers(0), "");
}
END_TEST

/* --- limits, and what is malformed ------------------------------------------------------------ */

START_TEST(a_full_queue_says_busy_but_hears_everybody)
{
    begin(1);
    ask("A", 0, 1);
    at_work(1);
    for (unsigned n = 1; n <= READS_QUEUE_MAX; n++)
        ask("A", n, 1);
    ck_assert_str_eq(answers(0), "");
    ask("A", READS_QUEUE_MAX + 1, 1);
    ck_assert_str_eq(answers(1), "A1025!24");
    ask("B", 1, 1);
    ck_assert_str_eq(answers(0), "");
    ask("B", 2, 1);
    ck_assert_str_eq(answers(1), "B2!24");
    take_back("A", 7);
    take_back("A", 8);
    ask("B", 3, 1);
    ck_assert_str_eq(answers(0), "");
}
END_TEST

START_TEST(what_is_malformed_is_dropped)
{
    struct buf frame = {0};

    begin(1);
    wire_event_req_put(&frame, ref_of("A", 1), 1);
    socket_say_parts("A", &frame, 2);
    buf_u8(&frame, 1);
    socket_say("A", &frame); /* too short to name itself */
    wire_cancel_put(&frame, ref_of("A", 1));
    frame.len--;
    socket_say("A", &frame);
    ask("A", 2, 1);
    step();
    ck_assert_str_eq(answers(1), "A2");
    ck_assert_str_eq(answers(0), "");
}
END_TEST

START_TEST(who_is_not_admitted_is_not_heard)
{
    begin(1);
    admits = false;
    ask("A", 1, 1);
    admits = true;
    ask("B", 1, 1);
    step();
    ck_assert_str_eq(answers(1), "B1");
    ck_assert_str_eq(steps(), "B1");
}
END_TEST

/* --- signs of life ------------------------------------------------------------------------------
 */

START_TEST(who_waits_is_told_that_it_goes_on)
{
    begin(1);
    ck_assert_ptr_null(signs);
    ask("A", 1, 2);
    ask("B", 1, 1);
    ck_assert_ptr_nonnull(signs);
    signs_cb(signs);
    ck_assert_str_eq(answers(2), "A~ B~");
    step(), step(), step();
    ck_assert_str_eq(answers(2), "B1 A1");
    signs_cb(signs);
    ck_assert_ptr_null(signs); /* nobody waits */
    ck_assert_str_eq(answers(0), "");
}
END_TEST

START_TEST(who_has_gone_is_worked_for_no_longer)
{
    begin(1);
    ask("A", 1, 100);
    at_work(1);
    ask("A", 2, 100);
    ask("B", 1, 1);
    socket_refuse("A", UV_EHOSTUNREACH);
    signs_cb(signs);
    step(), step();
    ck_assert_str_eq(answers(2), "B~ B1");
    ck_assert_str_eq(steps(), "A1 B1");
    socket_refuse("A", 0);
    ck_assert_str_eq(answers(0), "");
}
END_TEST

/* Its queue is full, it is there. */
START_TEST(who_does_not_read_is_worked_for)
{
    begin(1);
    ask("A", 1, 2);
    ask("B", 1, 1);
    socket_refuse("A", UV_EAGAIN);
    signs_cb(signs);
    step(), step(), step();
    ck_assert_str_eq(steps(), "A1 B1 A1");
    ask("B", 2, 1);
    step();
    ck_assert_str_eq(answers(3), "B~ B1 B2"); /* A's was refused before */
    socket_refuse("A", 0);
    ask("A", 2, 1);
    step();
    ck_assert_str_eq(answers(1), "A2");
}
END_TEST

/* --- the broker's own, begin and end
 * ---------------------------------------------------------------- */

static void take_reply(void *arg, struct slice reply)
{
    struct reader r = reader_of(reply.p, reply.len);

    (void)arg;
    text_of_ref(&answered, reader_u64(&r));
}

START_TEST(the_broker_asks_too_and_has_its_turn)
{
    struct buf frame = {0};

    begin(1);
    ask("A", 1, 1);
    at_work(1);
    ask("A", 2, 1);
    wire_event_req_put(&frame, ref_of("o", 1), 1);
    reads_ask(reads, &frame, take_reply, NULL);
    signs_cb(signs);
    ck_assert_str_eq(answers(1), "A~");
    step(), step(), step();
    ck_assert_str_eq(steps(), "A1 A2 o1");
    ck_assert_str_eq(answers(3), "A1 A2 o1");
}
END_TEST

START_TEST(an_end_answers_nobody)
{
    struct buf frame = {0};

    begin(1);
    wire_event_req_put(&frame, ref_of("o", 1), 1);
    reads_ask(reads, &frame, take_reply, NULL);
    at_work(1);
    ask("A", 1, UINT64_MAX);
    ck_assert(!played_socket.paused);
    step();
    stop();
    ck_assert(played_socket.paused);
    ck_assert_str_eq(answers(0), "");
}
END_TEST

START_TEST(a_reader_that_is_not_to_be_had_fails_the_start)
{
    reads = reads_new(&loop, NULL, NULL, 4);
    pool.readers_max = 2;
    ck_assert(!reads_start(reads));
    ck_assert_uint_eq(pool.readers_alive, 2);
}
END_TEST

int main(void)
{
    return RUN_TESTS("reads", setup, teardown, who_asked_is_answered, gateways_take_turns,
                     what_has_just_come_goes_before_what_goes_on,
                     what_goes_on_is_not_starved_by_what_comes, searches_never_have_all_threads,
                     searches_of_one_gateway_take_turns, what_waits_may_be_taken_back,
                     what_is_under_way_ends_with_its_step,
                     what_has_taken_a_step_may_be_taken_back_too, what_is_asked_again_is_the_first,
                     a_full_queue_says_busy_but_hears_everybody, what_is_malformed_is_dropped,
                     who_is_not_admitted_is_not_heard, who_waits_is_told_that_it_goes_on,
                     who_has_gone_is_worked_for_no_longer, who_does_not_read_is_worked_for,
                     the_broker_asks_too_and_has_its_turn, an_end_answers_nobody,
                     a_reader_that_is_not_to_be_had_fails_the_start);
}
