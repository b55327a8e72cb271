/*
 * store_fixture.h - a store in a folder of its own, driven step by step.
 *
 * The store's tests are written against store.h alone (test_store_*.c): linked
 * with another engine they are its conformance suite.  A call here submits and
 * runs the loop until it is answered; what the follower hears is kept.
 *
 *     id = publish("a/b", "one");
 *     ck_assert_str_eq(page(0, "a/#"), "one");    payloads, a blank between them
 *     ck_assert_uint_eq(got.upto, got.head);      the rest of that page
 */
#ifndef TESTS_BROKER_STORE_FIXTURE_H
#define TESTS_BROKER_STORE_FIXTURE_H

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "store_reader.h"
#include "suite.h"

static uv_loop_t loop;
static struct store *store;
static struct store_reader *reader;
static struct store_options options;
static char folder[64];
static const char *why;

/* What the follower heard. */
static struct heard {
    struct buf ids;        /* u64 each */
    struct buf text;       /* payloads, a blank after each; "-topic " for a removal */
    uint64_t upto;         /* of the last batch */
    uint64_t removed_to;   /* of the last removal */
    const uint8_t *record; /* of the last event, while it is told */
    unsigned batches;
    unsigned forgotten; /* topics */
    const char *failing;
    unsigned failures; /* how often it changed */
} heard;

/* --- the clock ------------------------------------------------------------------ */

static _Atomic uint64_t test_now;

static inline uint64_t read_test_clock(void *arg)
{
    (void)arg;
    return test_now;
}

static inline void set_clock(uint64_t ms)
{
    test_now = ms;
    clock_replace(read_test_clock, NULL);
}

/* --- following ------------------------------------------------------------------- */

static inline void hear_batch(void *arg, const struct store_batch *b)
{
    struct reader r;
    struct event e;

    (void)arg;
    heard.batches++;
    ck_assert_uint_eq(b->after, heard.upto);
    for (uint32_t i = 0; i < b->count; i++) {
        struct slice name = store_topic_name(store, b->items[i].topic);

        r = reader_of(b->items[i].record, b->items[i].size);
        ck_assert(event_record_get(&r, &e));
        ck_assert(reader_done(&r));
        ck_assert_uint_eq(event_record_id(b->items[i].record), e.id);
        ck_assert(slice_eq(name, e.topic));
        ck_assert_uint_gt(e.id, heard.upto);
        heard.upto = e.id;
        heard.record = b->items[i].record;
        buf_u64(&heard.ids, e.id);
        buf_put_slice(&heard.text, e.payload);
        buf_u8(&heard.text, ' ');
    }
    ck_assert_uint_eq(b->upto, heard.upto);
}

static inline void hear_removed(void *arg, struct slice topic, uint64_t upto)
{
    (void)arg;
    buf_printf(&heard.text, "-%.*s ", (int)topic.len, topic.p);
    heard.removed_to = upto;
}

static inline void hear_forgotten(void *arg, uint32_t topic)
{
    (void)arg;
    (void)topic;
    heard.forgotten++;
}

static inline void hear_failing(void *arg, const char *reason)
{
    (void)arg;
    heard.failing = reason;
    heard.failures++;
}

static inline const char *heard_text(void)
{
    buf_u8(&heard.text, '\0');
    heard.text.len--;
    if (heard.text.len > 0) /* without the last blank */
        heard.text.p[heard.text.len - 1] = '\0';
    return (const char *)heard.text.p;
}

/* --- open and close ---------------------------------------------------------------- */

static inline bool try_open(void)
{
    struct store_follower f = {hear_batch, hear_removed, hear_forgotten, hear_failing, NULL};

    store = store_open(&loop, &options, &f, &why);
    if (store == NULL)
        return false;
    heard.upto = store_head(store);
    return true;
}

static inline void open_store(void)
{
    ck_assert_msg(try_open(), "%s", why);
    reader = store_reader_open(store);
    ck_assert_ptr_nonnull(reader);
    reader->step_ns = UINT64_MAX / 2; /* what ends a reply is the store, not a slow machine */
}

static inline void mark_closed(void *arg)
{
    *(bool *)arg = true;
}

static inline void close_store(void)
{
    bool closed = false;

    if (store == NULL)
        return;
    if (reader != NULL)
        store_reader_close(reader);
    reader = NULL;
    store_close(store, mark_closed, &closed);
    while (!closed)
        uv_run(&loop, UV_RUN_ONCE);
    store = NULL;
}

static inline void reopen(void)
{
    close_store();
    open_store();
}

static inline int remove_one(const char *path, const struct stat *s, int kind, struct FTW *f)
{
    (void)s;
    (void)kind;
    (void)f;
    return remove(path);
}

static inline void remove_folder(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void begin(void)
{
    log_init("test", LOG_ERROR + 1, LOG_TEXT);
    snprintf(folder, sizeof folder, "/tmp/sluice-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    options = (struct store_options){.path = folder};
    memset(&heard, 0, sizeof heard);
}

static inline void begin_open(void)
{
    begin();
    open_store();
}

/* --- bytes that stay until the test's end ------------------------------------------ */

static struct kept {
    struct kept *next;
    struct buf bytes;
} * kept_bytes;

static inline struct buf *keep_bytes(void)
{
    struct kept *k = mem_zalloc(sizeof *k);

    k->next = kept_bytes;
    kept_bytes = k;
    return &k->bytes;
}

static inline void free_kept(void)
{
    struct kept *k;

    while ((k = kept_bytes) != NULL) {
        kept_bytes = k->next;
        buf_free(&k->bytes);
        free(k);
    }
}

static struct buf page_reply, page_text;

static inline void end(void)
{
    close_store();
    clock_replace(NULL, NULL);
    buf_free(&heard.ids);
    buf_free(&heard.text);
    buf_free(&page_reply);
    buf_free(&page_text);
    free_kept();
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    remove_folder(folder);
}

/* The path of a file in the store's folder; a static buffer. */
static inline const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* --- publishing ------------------------------------------------------------------------ */

static inline void mark_answered(struct store_request *r)
{
    *(bool *)r->data = true;
}

/* Makes ev's record; all of ev is a view of it then. */
static inline void lay_record(struct store_event *ev, struct buf *record)
{
    size_t producer = (size_t)(ev->producer.id.p - ev->e.props.p); /* it lies in there */
    struct reader r;

    event_record_put(record, &ev->e);
    r = reader_of(record->p, record->len);
    ck_assert(event_record_get(&r, &ev->e));
    ev->record = record->p;
    if (ev->producer.id.len > 0)
        ev->producer.id.p = ev->e.props.p + producer;
}

/* With records, made of what the events say by now. */
static inline void submit_soon(struct store_request *r)
{
    for (uint32_t i = 0; r->kind == STORE_APPEND && i < r->count; i++)
        lay_record(&r->events[i], keep_bytes());
    store_submit(store, r);
}

/* Submits and waits for the answer. */
static inline enum sluice_error submit(struct store_request *r)
{
    bool answered = false;

    r->cb = mark_answered;
    r->data = &answered;
    submit_soon(r);
    ck_assert(!answered);
    while (!answered)
        uv_run(&loop, UV_RUN_ONCE);
    return r->result.error;
}

static inline struct store_event event_of(const char *topic, const char *payload)
{
    return (struct store_event){
        .e = {.topic = slice_of(topic), .payload = slice_of(payload)},
    };
}

static inline enum sluice_error submit_event(struct store_event *ev, struct store_request *r)
{
    *r = (struct store_request){.kind = STORE_APPEND, .events = ev, .count = 1};
    return submit(r);
}

static inline uint64_t publish(const char *topic, const char *payload)
{
    struct store_event ev = event_of(topic, payload);
    struct store_request r;

    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    ck_assert(!ev.repeat);
    return ev.id;
}

static inline struct store_event produced(const char *topic, const char *producer, uint64_t epoch,
                                          uint64_t seq)
{
    struct store_event ev = event_of(topic, "x");
    struct event_props props = {.payload_format = -1, .producer = {slice_of(producer), epoch, seq}};
    struct buf *encoded = keep_bytes();

    event_props_put(encoded, &props);
    ev.e.props = buf_slice(encoded);
    ck_assert_int_eq(event_props_get(ev.e.props, &props), EVENT_OK);
    ev.producer = props.producer;
    return ev;
}

/* The answer to a DELETE; *removed_to may be NULL. */
static inline enum sluice_error delete_topic(const char *topic, uint64_t *removed_to)
{
    struct store_request r = {.kind = STORE_DELETE, .topic = slice_of(topic)};
    enum sluice_error error = submit(&r);

    if (removed_to != NULL)
        *removed_to = r.removed_to;
    return error;
}

/* --- reading ------------------------------------------------------------------------------ */

/* Takes the request to its end, in however many steps; returns how many. */
static inline unsigned answer_read(struct store_reader *r, struct store_read *read,
                                   struct buf *reply)
{
    unsigned steps = 1;

    while (!store_read_step(read, r, reply))
        steps++;
    store_read_free(read);
    return steps;
}

static struct wire_page got; /* the last page */
static uint64_t got_ids[WIRE_PAGE_ROWS];

static inline const char *read_page(const struct wire_page_req *q)
{
    struct reader records;
    struct event e;

    buf_clear(&page_reply);
    buf_clear(&page_text);
    answer_read(reader, store_read_page(q), &page_reply);
    ck_assert(wire_page_get(page_reply.p, page_reply.len, &got));
    ck_assert_int_eq(got.error, ERR_NONE);
    records = reader_of(got.records.p, got.records.len);
    for (uint32_t i = 0; i < got.count; i++) {
        ck_assert(event_record_get(&records, &e));
        got_ids[i] = e.id;
        buf_puts(&page_text, i > 0 ? " " : "");
        buf_put_slice(&page_text, e.payload);
    }
    ck_assert(reader_done(&records));
    buf_u8(&page_text, '\0');
    return (const char *)page_text.p;
}

/* Filters: up to four, separated by blanks. */
static inline const char *page_from(uint64_t after, const char *filters, const uint64_t *froms)
{
    struct wire_filter list[4];
    char copy[128], *save = NULL, *word;
    struct wire_page_req q = {.ref = 1, .after = after, .filters = list};

    snprintf(copy, sizeof copy, "%s", filters);
    for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        list[q.filter_count].filter = slice_of(word);
        list[q.filter_count].from = froms != NULL ? froms[q.filter_count] : 0;
        q.filter_count++;
    }
    return read_page(&q);
}

static inline const char *page(uint64_t after, const char *filters)
{
    return page_from(after, filters, NULL);
}

/* All pages after a cursor; returns how many events there were, checks their order. */
static inline uint64_t count_all(uint64_t after, const char *filter)
{
    uint64_t n = 0, last = after;

    do {
        page(after, filter);
        for (uint32_t i = 0; i < got.count; i++) {
            ck_assert_uint_gt(got_ids[i], last);
            last = got_ids[i];
        }
        n += got.count;
        after = got.upto;
    } while (got.upto != got.head);
    return n;
}

/* The topic's line in the list of topics; false when it is not there. */
static inline bool topic_line(const char *name, struct wire_topic *out)
{
    static struct buf reply;
    struct wire_topics_req q = {.filter = slice_of(name)};
    struct wire_topics topics;
    bool found;

    buf_clear(&reply);
    answer_read(reader, store_read_topics(&q), &reply);
    ck_assert(wire_topics_get(reply.p, reply.len, &topics));
    found = topics.count == 1 && wire_topic_get(&topics.list, out);
    out->topic = slice_of(name);
    buf_free(&reply);
    return found;
}

/* Runs the loop until the condition holds; the writer works on its own time. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t wait_end = uv_hrtime() + UINT64_C(20000000000);                                   \
        while (!(condition)) {                                                                     \
            ck_assert_msg(uv_hrtime() < wait_end, "never became true: %s", #condition);            \
            uv_run(&loop, UV_RUN_NOWAIT);                                                          \
            uv_sleep(1);                                                                           \
        }                                                                                          \
    } while (0)

/* Runs one suite of tests, each with a fresh fixture; main's whole body. */
static inline int run_tests(const char *name, const TTest *const *tests, size_t count,
                            void (*setup)(void))
{
    Suite *suite = suite_create(name);
    TCase *c = tcase_create(name);

    tcase_add_checked_fixture(c, setup, end);
    tcase_set_timeout(c, 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}

#endif
