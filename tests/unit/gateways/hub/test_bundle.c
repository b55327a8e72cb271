/*
 * test_bundle.c - several subscriptions of one client: what they are handed at the
 * head comes once and in order, and whoever is full falls back and loses nothing.
 */
#include <stdio.h>

#include "feed.h"
#include "mem.h"
#include "run_suite.h"

#define SUBS 4

struct client {
    struct subscription sub;
    char name;
};

static struct hub *hub;
static uint64_t head;
static struct client clients[SUBS];
static struct bundle bundle;
static size_t patience; /* entries that the client still takes */
static struct buf seen; /* "101ab 102b …": shared; "103c! …": handed to one alone */

static void on_add(void *link, uint32_t ref, struct slice filter)
{
    (void)link;
    (void)filter;
    hub_filter_live(hub, ref, head);
}

static void on_drop(void *link, uint32_t ref)
{
    (void)link;
    (void)ref;
}

static void on_read(void *link, struct link_read *r)
{
    (void)link;
    buf_free(&r->frame); /* never answered */
}

static void on_cancel(void *link, struct link_read *r)
{
    (void)link;
    (void)r;
}

static void on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    (void)s;
    (void)cursor;
    ck_assert_ptr_null(gap);
}

static void on_gap(struct subscription *s, const struct gap *gap)
{
    (void)s;
    (void)gap;
    ck_abort();
}

static void on_failed(struct subscription *s, enum sluice_error error, struct slice text)
{
    (void)s;
    (void)error;
    (void)text;
    ck_abort();
}

static size_t on_alone(struct subscription *s, struct run *r)
{
    const struct client *c = s->data;
    size_t n = 0;

    for (; n < r->count && patience > 0; n++, patience--)
        buf_printf(&seen, "%llu%c! ", (unsigned long long)r->entries[n]->e.id, c->name);
    return n;
}

static size_t on_shared(struct bundle *b, struct bundle_run *r)
{
    size_t n = 0, from = 0;

    ck_assert_ptr_eq(b, &bundle);
    for (; n < r->run->count && patience > 0; from = r->ends[n++], patience--) {
        char names[SUBS + 1] = {0};
        size_t count = r->ends[n] - from;

        for (size_t k = 0; k < count; k++)
            names[k] = ((struct client *)r->shares[from + k]->data)->name;
        buf_printf(&seen, "%llu%s ", (unsigned long long)r->run->entries[n]->e.id, names);
    }
    return n;
}

static const struct subscription_ops ops = {
    .started = on_started, .events = on_alone, .gap = on_gap, .failed = on_failed};

static void setup(void)
{
    const struct hub_link link = {
        .filter_add = on_add, .filter_drop = on_drop, .read = on_read, .read_cancel = on_cancel};
    const struct hub_limits limits = {
        .ring = 1 << 20, .page_cache = 1 << 20, .turn = 1 << 20, .linger_ms = 1000};
    const struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = 100};

    head = 100;
    patience = SIZE_MAX;
    bundle = (struct bundle){.events = on_shared};
    hub = hub_new(&link, &limits);
    hub_up(hub, &hello);
}

static void teardown(void)
{
    for (size_t i = 0; i < SUBS; i++)
        if (clients[i].name != '\0')
            subscription_close(&clients[i].sub);
    memset(clients, 0, sizeof clients);
    buf_free(&seen);
    hub_free(hub);
}

static void subscribe(size_t i, struct slice filter)
{
    clients[i].name = (char)('a' + i);
    subscription_open(&clients[i].sub, hub, &filter, 1, (struct start){START_NOW, 0}, &ops,
                      &clients[i]);
    bundle_join(&bundle, &clients[i].sub);
    (void)hub_turn(hub);
    (void)hub_turn(hub);
    ck_assert(subscription_at_head(&clients[i].sub));
}

/* The next events, one a topic, in one live message. */
static void publish(const char *const *topics, size_t count)
{
    uint64_t after = head;
    struct buf b = {0};
    struct zmsg z;

    for (size_t i = 0; i < count; i++) {
        struct event e = {.id = ++head, .time = 1, .topic = slice_of(topics[i])};
        event_record_put(&b, &e);
    }
    zmsg_init_copy(&z, b.p, b.len);
    buf_free(&b);
    hub_live(hub, after, head, &z, reader_of(zmsg_data(&z), zmsg_size(&z)));
    zmsg_close(&z);
}
#define PUBLISH(...)                                                                               \
    publish((const char *const[]){__VA_ARGS__},                                                    \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void saw(const char *expected)
{
    buf_u8(&seen, '\0');
    ck_assert_str_eq((char *)seen.p, expected);
    buf_clear(&seen);
}

START_TEST(test_an_event_comes_once_for_all_that_it_is_for)
{
    subscribe(0, SLICE("x"));
    subscribe(1, SLICE("#"));
    subscribe(2, SLICE("x"));
    subscribe(3, SLICE("y"));
    PUBLISH("x", "y", "z");
    (void)hub_turn(hub);
    saw("101abc 102bd 103b ");
}
END_TEST

START_TEST(test_one_turn_is_one_merge_however_many_messages_came)
{
    subscribe(0, SLICE("x"));
    subscribe(1, SLICE("y"));
    PUBLISH("x", "y");
    PUBLISH("y", "x");
    (void)hub_turn(hub);
    saw("101a 102b 103b 104a ");
}
END_TEST

START_TEST(test_whoever_is_full_goes_on_alone_and_misses_nothing)
{
    subscribe(0, SLICE("x"));
    subscribe(1, SLICE("#"));
    patience = 2;
    PUBLISH("x", "y", "x", "y");
    (void)hub_turn(hub);
    saw("101ab 102b ");
    ck_assert(!subscription_at_head(&clients[0].sub));
    patience = SIZE_MAX;
    subscription_resume(&clients[0].sub);
    subscription_resume(&clients[1].sub);
    (void)hub_turn(hub);
    saw("103a! 103b! 104b! ");
    PUBLISH("x");
    (void)hub_turn(hub);
    saw("105ab ");
}
END_TEST

START_TEST(test_who_has_all_of_its_own_stays_at_the_head)
{
    subscribe(0, SLICE("x"));
    subscribe(1, SLICE("y"));
    patience = 1;
    PUBLISH("x", "y");
    (void)hub_turn(hub);
    saw("101a ");
    ck_assert(subscription_at_head(&clients[0].sub));
    ck_assert(!subscription_at_head(&clients[1].sub));
}
END_TEST

START_TEST(test_nothing_is_taken)
{
    subscribe(0, SLICE("x"));
    subscribe(1, SLICE("x"));
    patience = 0;
    PUBLISH("x");
    (void)hub_turn(hub);
    ck_assert_uint_eq(subscription_cursor(&clients[0].sub), 100);
    patience = SIZE_MAX;
    subscription_resume(&clients[0].sub);
    subscription_resume(&clients[1].sub);
    (void)hub_turn(hub);
    saw("101a! 101b! ");
}
END_TEST

START_TEST(test_who_has_left_is_alone)
{
    subscribe(0, SLICE("x"));
    subscribe(1, SLICE("x"));
    bundle_leave(&clients[1].sub);
    bundle_leave(&clients[1].sub);
    PUBLISH("x");
    (void)hub_turn(hub);
    saw("101b! 101a ");
}
END_TEST

/* More than a run holds, so several runs; the order stays. */
START_TEST(test_a_long_turn)
{
    static const char *topics[3 * RUN_ENTRIES];
    unsigned long long id = 101;
    const char *at;

    subscribe(0, SLICE("x"));
    subscribe(1, SLICE("+"));
    for (size_t i = 0; i < ARRAY_LEN(topics); i++)
        topics[i] = i % 3 == 0 ? "x" : "y";
    publish(topics, ARRAY_LEN(topics));
    (void)hub_turn(hub);
    buf_u8(&seen, '\0');
    at = (char *)seen.p;
    for (size_t i = 0; i < ARRAY_LEN(topics); i++, id++) {
        char expected[32];
        int n = snprintf(expected, sizeof expected, "%llu%s ", id, i % 3 == 0 ? "ab" : "b");

        ck_assert_int_eq(strncmp(at, expected, (size_t)n), 0);
        at += n;
    }
    ck_assert_str_eq(at, "");
}
END_TEST

int main(void)
{
    return RUN_TESTS("bundle", setup, teardown, test_an_event_comes_once_for_all_that_it_is_for,
                     test_one_turn_is_one_merge_however_many_messages_came,
                     test_whoever_is_full_goes_on_alone_and_misses_nothing,
                     test_who_has_all_of_its_own_stays_at_the_head, test_nothing_is_taken,
                     test_who_has_left_is_alone, test_a_long_turn);
}
