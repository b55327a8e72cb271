/*
 * test_store_faults.c - a process killed at any moment, and a disk that fills.
 *
 * The killed process is a child that publishes, deletes and expires on its own
 * store, and writes every acknowledged ID to a pipe after it has followed it.
 */
#include "store_disaster.h"

/* --- killed ------------------------------------------------------------------------- */

enum { TOPICS = 20, IN_FLIGHT = 64 };

static struct wire_uuid gateway = {{9}}; /* the child's link */
static const char *only_topic;           /* the child's; NULL: t/0 to t/19 */
static int acks_fd;
static struct in_flight {
    struct store_request r;
    struct store_event ev;
    char topic[16], payload[16];
} flights[IN_FLIGHT];
static unsigned published;

static void fly(struct in_flight *f);

static void landed(struct store_request *r)
{
    if (r->result.error == ERR_NONE)
        if (write(acks_fd, &r->events[0].id, sizeof r->events[0].id) < 0)
            _exit(1);
    fly(r->data);
}

static void fly(struct in_flight *f)
{
    snprintf(f->topic, sizeof f->topic, "t/%u", published % TOPICS);
    snprintf(f->payload, sizeof f->payload, "%012u", ++published);
    f->ev = event_of(only_topic != NULL ? only_topic : f->topic, f->payload);
    f->r = (struct store_request){.link = &gateway,
                                  .link_seq = published,
                                  .events = &f->ev,
                                  .count = 1,
                                  .cb = landed,
                                  .data = f};
    submit_soon(&f->r);
}

static void live_until_killed(int fd)
{
    acks_fd = fd;
    if (uv_loop_init(&loop) != 0 || !try_open())
        _exit(1);
    for (int i = 0; i < IN_FLIGHT; i++)
        fly(&flights[i]);
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(0);
}

/* Reads what was acknowledged until the child is gone. */
static void read_acks(int fd, struct buf *acks)
{
    ssize_t n;

    while ((n = read(fd, buf_reserve(acks, 65536), 65536)) > 0)
        acks->len += (size_t)n;
    ck_assert_int_eq(n, 0);
}

static void live_and_kill(unsigned ms, struct buf *acks)
{
    int ends[2];
    pid_t child;

    gateway.b[1]++; /* each life is sent to by a gateway of its own */
    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        live_until_killed(ends[1]);
    close(ends[1]);
    uv_sleep(ms);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    read_acks(ends[0], acks);
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

static bool is_kept(uint64_t id)
{
    struct wire_page p;

    buf_clear(&page_reply);
    answer_read(reader, store_read_event(1, id), &page_reply);
    ck_assert(wire_page_get(page_reply.p, page_reply.len, &p));
    return p.error == ERR_NONE;
}

static void check_topic_counts(void)
{
    uint64_t sum = 0;
    struct store_status status;

    for (int i = 0; i < TOPICS; i++) {
        struct wire_topic t = {0};
        char name[16];

        snprintf(name, sizeof name, "t/%d", i);
        if (!topic_line(name, &t))
            continue;
        ck_assert_uint_eq(t.events, count_all(0, name));
        ck_assert_uint_eq(t.bytes, t.events * (EVENT_RECORD_HEAD + 12));
        page(0, name);
        ck_assert_uint_eq(t.oldest, got.count > 0 ? got_ids[0] : 0);
        sum += t.events;
    }
    store_status(store, &status);
    ck_assert_uint_eq(status.events, sum);
}

/* Lives of 0 to 300 ms, one after the other on the same folder. */
static void lives(struct buf *acks)
{
    unsigned seed = 7;

    for (int life = 0; life < 8; life++)
        live_and_kill(20 + (unsigned)rand_r(&seed) % 300, acks);
}

START_TEST(a_killed_store_loses_nothing_acknowledged)
{
    struct buf acks = {0};
    uint64_t last = 0;

    lives(&acks);
    open_store();
    ck_assert_uint_gt(acks.len, 0);
    for (size_t i = 0; i + 8 <= acks.len; i += 8) {
        uint64_t id = le64_get(acks.p + i);

        ck_assert_uint_gt(id, last); /* over all lives: never twice, always rising */
        ck_assert(is_kept(id));
        last = id;
    }
    ck_assert_uint_gt(store_head(store), last);
    check_topic_counts();
    buf_free(&acks);
}
END_TEST

START_TEST(counts_are_right_when_killed_during_retention)
{
    struct retention_rule rule = {.filter = (char *)"#", .has_events = true, .max_events = 5};
    struct buf acks = {0};

    options.rules = &rule;
    options.rule_count = 1;
    options.max_bytes = 60 * (EVENT_RECORD_HEAD + 12);
    for (int life = 0; life < 3; life++)
        live_and_kill(1100 + (unsigned)life * 57, &acks);
    options.rule_count = 0;
    options.max_bytes = 0;
    open_store();
    check_topic_counts();
    buf_free(&acks);
}
END_TEST

/* What the gateway does when the broker is back: it sends again all that it has
 * no answer to. */
static void send_again(unsigned from, unsigned count)
{
    for (unsigned seq = from; seq < from + count; seq++) {
        char payload[16];
        struct store_event ev;
        struct store_request r = {.link = &gateway, .link_seq = seq, .events = &ev, .count = 1};

        snprintf(payload, sizeof payload, "%012u", seq);
        ev = event_of("t/0", payload);
        ck_assert_int_eq(submit(&r), ERR_NONE);
    }
}

/* Every payload from 1 up to n, once, in order. */
static void check_once_each(unsigned n)
{
    unsigned next = 1;
    uint64_t after = 0;

    do {
        struct reader records;
        struct event e;

        page(after, "t/#");
        records = reader_of(got.records.p, got.records.len);
        while (event_record_get(&records, &e)) {
            uint64_t number = 0;

            ck_assert(slice_u64(e.payload, &number));
            ck_assert_uint_eq(number, next);
            next++;
        }
        after = got.upto;
    } while (got.upto != got.head);
    ck_assert_uint_eq(next, n + 1);
}

START_TEST(what_a_gateway_sends_again_is_stored_once)
{
    struct buf acks = {0};
    unsigned acked;

    live_and_kill(250, &acks);
    acked = (unsigned)(acks.len / 8);
    open_store();
    send_again(acked + 1, IN_FLIGHT);
    check_once_each(acked + IN_FLIGHT);
    buf_free(&acks);
}
END_TEST

START_TEST(volatile_ids_are_not_given_twice_after_a_kill)
{
    struct retention_rule rule = {.filter = (char *)"v", .has_history = true, .volatile_ = true};
    struct buf acks = {0};
    uint64_t last;

    options.rules = &rule;
    options.rule_count = 1;
    only_topic = "v";
    live_and_kill(250, &acks);
    only_topic = NULL;
    ck_assert_uint_gt(acks.len, 0);
    last = le64_get(acks.p + acks.len - 8);
    open_store();
    ck_assert_uint_gt(store_head(store), last);
    ck_assert_uint_gt(publish("a", "x"), last);
    page(last - 1, "v");
    ck_assert_int_ne(got.reason, GAP_NONE);
    buf_free(&acks);
}
END_TEST

/* --- a disk that fills ---------------------------------------------------------------- */

START_TEST(a_full_disk_refuses_and_recovers)
{
    uint64_t kept = 0, before = publish("a", "before");
    enum sluice_error error;

    limit_files(1 << 20);
    while ((error = publish_large()) == ERR_NONE)
        kept++;
    ck_assert_int_eq(error, ERR_STORE_FULL);
    ck_assert_ptr_nonnull(heard.failing);
    ck_assert_uint_eq(heard.failures, 1);
    ck_assert_uint_eq(count_all(before, "a"), kept); /* reading goes on */
    unlimit_files();
    WAIT_UNTIL(heard.failing == NULL); /* without a publish */
    ck_assert_uint_eq(heard.failures, 2);
    publish("a", "after");
    ck_assert_uint_eq(count_all(before, "a"), kept + 1);
}
END_TEST

START_TEST(a_refused_batch_leaves_no_trace)
{
    struct wire_topic t;
    struct store_event ev;
    struct store_request r;
    uint64_t head;

    fill_disk();
    head = store_head(store);
    ev = produced("new", "p", 0, 0);
    ck_assert_int_eq(submit_event(&ev, &r), ERR_STORE_FULL);
    ck_assert_str_ne(r.result.text, "");
    ck_assert(!topic_line("new", &t));
    ck_assert_uint_eq(store_head(store), head);
    unlimit_files();
    WAIT_UNTIL(heard.failing == NULL);
    ev = produced("new", "p", 0, 0);
    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    ck_assert(!ev.repeat);
    ck_assert(topic_line("new", &t));
}
END_TEST

START_TEST(a_delete_on_a_full_disk_is_refused)
{
    fill_disk();
    ck_assert_int_eq(delete_topic("a", NULL), ERR_STORE_FULL);
    unlimit_files();
    WAIT_UNTIL(heard.failing == NULL);
    ck_assert_int_eq(delete_topic("a", NULL), ERR_NONE);
    ck_assert_uint_eq(count_all(0, "a"), 0);
}
END_TEST

START_TEST(a_full_store_closes)
{
    fill_disk();
    close_store();
    unlimit_files();
    open_store();
    publish("a", "after");
}
END_TEST

static int run_limited(void)
{
    const TTest *tests[] = {
        a_full_disk_refuses_and_recovers,
        a_refused_batch_leaves_no_trace,
        a_delete_on_a_full_disk_is_refused,
        a_full_store_closes,
    };

    return run_tests("store on a full disk", tests, sizeof tests / sizeof tests[0], begin_limited);
}

int main(void)
{
    const TTest *tests[] = {
        a_killed_store_loses_nothing_acknowledged,
        counts_are_right_when_killed_during_retention,
        what_a_gateway_sends_again_is_stored_once,
        volatile_ids_are_not_given_twice_after_a_kill,
    };
    int killed = run_tests("store killed", tests, sizeof tests / sizeof tests[0], begin);
    int limited = run_limited();

    return killed == EXIT_SUCCESS ? limited : killed;
}
