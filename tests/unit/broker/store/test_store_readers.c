/*
 * test_store_readers.c - readers at work while the writer publishes, expires
 * and deletes: whatever a page does not hold, it announces.
 *
 * Every topic's payloads count 1, 2, 3 ….  A reader that replays the log and
 * finds a number missing must have been told, by this page or an earlier one,
 * that something above the last event it saw was removed.
 */
#include <stdatomic.h>
#include <sys/stat.h>

#include "store_fixture.h"

enum { TOPICS = 40, READERS = 2, ROUNDS = 400, ROWS = 20000, UNIT = 25 };

static atomic_bool writing;
static atomic_uint faults, rows_read, notices;

struct replay {
    struct store_reader *r;
    struct wire_filter filter;
    struct buf reply;
    uint64_t told;
    uint64_t number[TOPICS], id[TOPICS]; /* of the last event of each topic */
};

static void check_event(struct replay *p, const struct event *e)
{
    uint64_t topic = 0, number = 0;

    ck_assert(slice_u64((struct slice){e->topic.p + 2, e->topic.len - 2}, &topic));
    if (!slice_u64(e->payload, &number) || number <= p->number[topic])
        atomic_fetch_add(&faults, 1);
    else if (number != p->number[topic] + 1 && p->told <= p->id[topic])
        atomic_fetch_add(&faults, 1);
    p->number[topic] = number;
    p->id[topic] = e->id;
    atomic_fetch_add(&rows_read, 1);
}

/* From the beginning to the head; returns when it has got there. */
static void replay_once(struct replay *p)
{
    struct wire_page_req q = {.filter_count = 1, .filters = &p->filter};
    struct wire_page m;

    memset(p->number, 0, sizeof p->number);
    memset(p->id, 0, sizeof p->id);
    p->told = 0;
    do {
        struct reader records;
        struct event e;

        buf_clear(&p->reply);
        answer_read(p->r, store_read_page(&q), &p->reply);
        if (!wire_page_get(p->reply.p, p->reply.len, &m) || m.error != ERR_NONE) {
            atomic_fetch_add(&faults, 1);
            return;
        }
        if (m.removed_to > p->told) {
            p->told = m.removed_to;
            atomic_fetch_add(&notices, 1);
        }
        records = reader_of(m.records.p, m.records.len);
        while (event_record_get(&records, &e))
            check_event(p, &e);
        q.after = m.upto;
    } while (m.upto != m.head);
}

static void read_along(void *arg)
{
    struct replay p = {.filter = {0, slice_of(arg)}};

    p.r = store_reader_open(store);
    while (p.r != NULL && atomic_load(&writing))
        replay_once(&p);
    store_reader_close(p.r);
    buf_free(&p.reply);
}

/* The head, again and again: there is always a reader somewhere. */
static void read_quietly(void *arg)
{
    struct store_reader *r = store_reader_open(store);
    struct wire_filter filter = {0, SLICE("#")};
    struct wire_page_req q = {.filter_count = 1, .filters = &filter};
    struct buf reply = {0};

    (void)arg;
    while (r != NULL && atomic_load(&writing)) {
        buf_clear(&reply);
        answer_read(r, store_read_page(&q), &reply);
    }
    store_reader_close(r);
    buf_free(&reply);
}

static void publish_round(uint64_t *numbers, unsigned *seed)
{
    static char names[UNIT][16], payloads[UNIT][24];
    struct store_event unit[UNIT];
    struct store_request r = {.events = unit, .count = UNIT};

    for (int i = 0; i < UNIT; i++) {
        unsigned topic = (unsigned)rand_r(seed) % TOPICS;

        snprintf(names[i], sizeof names[i], "t/%u", topic);
        snprintf(payloads[i], sizeof payloads[i], "%" PRIu64, ++numbers[topic]);
        unit[i] = event_of(names[i], payloads[i]);
    }
    ck_assert_int_eq(submit(&r), ERR_NONE);
}

START_TEST(what_a_page_does_not_hold_it_announces)
{
    struct retention_rule rules[] = {
        {.filter = (char *)"t/1", .has_events = true, .max_events = 3},
        {.filter = (char *)"t/2", .has_events = true, .max_events = 1},
    };
    static char *const filters[READERS] = {(char *)"t/#", (char *)"t/+"};
    uv_thread_t threads[READERS];
    uint64_t numbers[TOPICS] = {0};
    unsigned seed = 1;

    options.rules = rules;
    options.rule_count = ARRAY_LEN(rules);
    options.max_bytes = 3000 * (EVENT_RECORD_HEAD + 2);
    set_clock(clock_ms());
    store_set_retention(store, &options);
    atomic_store(&writing, true);
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(uv_thread_create(&threads[i], read_along, filters[i]), 0);
    for (int round = 0; round < ROUNDS || atomic_load(&rows_read) < ROWS; round++) {
        publish_round(numbers, &seed);
        if (round % 50 == 49)
            ck_assert_int_eq(delete_topic("t/3", NULL), ERR_NONE);
        test_now += 100; /* retention looks every second of it */
    }
    atomic_store(&writing, false);
    for (int i = 0; i < READERS; i++)
        uv_thread_join(&threads[i]);
    ck_assert_uint_eq(atomic_load(&faults), 0);
    ck_assert_uint_gt(atomic_load(&notices), 0);
}
END_TEST

START_TEST(the_write_ahead_log_stays_small_beside_steady_readers)
{
    static char payload[4000];
    uv_thread_t thread;
    struct store_status status;
    struct stat file;

    memset(payload, 'x', sizeof payload - 1);
    atomic_store(&writing, true);
    ck_assert_int_eq(uv_thread_create(&thread, read_quietly, NULL), 0);
    for (int i = 0; i < 300; i++) {
        struct store_event unit[40];
        struct store_request r = {.events = unit, .count = 40};

        for (int k = 0; k < 40; k++)
            unit[k] = event_of("a", payload);
        ck_assert_int_eq(submit(&r), ERR_NONE);
    }
    atomic_store(&writing, false);
    uv_thread_join(&thread);
    store_status(store, &status);
    ck_assert_uint_lt(status.wal_frames, 5000);
    ck_assert_int_eq(stat(path_of("sluice.db-wal"), &file), 0);
    ck_assert_int_lt(file.st_size, 24 << 20);
}
END_TEST

/* While one topic's retained message is all that is published, it is always the
 * log's head: what a reply holds and the head it names are of one moment. */
static void read_retained(void *arg)
{
    struct store_reader *r = store_reader_open(store);
    const struct wire_retained_req q = {.filter = SLICE("#")};
    struct wire_retained m;
    struct buf reply = {0};

    (void)arg;
    while (r != NULL && atomic_load(&writing)) {
        struct reader records;
        struct event e;

        buf_clear(&reply);
        answer_read(r, store_read_retained(&q), &reply);
        if (!wire_retained_get(reply.p, reply.len, &m) || m.error != ERR_NONE || m.count != 1)
            break;
        records = reader_of(m.records.p, m.records.len);
        if (!event_record_get(&records, &e) || e.id != m.head)
            break;
        atomic_fetch_add(&rows_read, 1);
    }
    if (atomic_load(&writing))
        atomic_fetch_add(&faults, 1);
    store_reader_close(r);
    buf_free(&reply);
}

static void publish_retained(void)
{
    struct store_event ev = event_of("r", "x");
    struct store_request r;

    ev.e.flags = EVENT_RETAIN;
    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
}

START_TEST(a_reply_of_retained_messages_and_its_head_are_of_one_moment)
{
    uv_thread_t thread;

    publish_retained();
    atomic_store(&faults, 0);
    atomic_store(&rows_read, 0);
    atomic_store(&writing, true);
    ck_assert_int_eq(uv_thread_create(&thread, read_retained, NULL), 0);
    while (atomic_load(&rows_read) < 1000 && atomic_load(&faults) == 0)
        publish_retained();
    atomic_store(&writing, false);
    uv_thread_join(&thread);
    ck_assert_uint_eq(atomic_load(&faults), 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_a_page_does_not_hold_it_announces,
        the_write_ahead_log_stays_small_beside_steady_readers,
        a_reply_of_retained_messages_and_its_head_are_of_one_moment,
    };

    return run_tests("store readers", tests, sizeof tests / sizeof tests[0], begin_open);
}
