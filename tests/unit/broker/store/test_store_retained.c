/*
 * test_store_retained.c - of each topic the last event that was to be retained.
 *
 * `retained(filter)` is what a reader answers: "topic=payload", a blank between
 * them, all replies one after the other.
 */
#include "store_disaster.h"

static struct retention_rule volatile_rule = {
    .filter = (char *)"v/#", .has_history = true, .volatile_ = true};

/* --- publishing and asking -------------------------------------------------------- */

static uint64_t publish_event(struct store_event ev)
{
    struct store_request r;

    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    return ev.id;
}

static struct store_event retain_event(const char *topic, const char *payload)
{
    struct store_event ev = event_of(topic, payload);

    ev.e.flags = EVENT_RETAIN;
    return ev;
}

static uint64_t retain(const char *topic, const char *payload)
{
    return publish_event(retain_event(topic, payload));
}

static void retain_for(const char *topic, const char *payload, uint32_t seconds)
{
    struct store_event ev = retain_event(topic, payload);

    ev.e.flags |= EVENT_HAS_EXPIRY;
    ev.e.expiry = seconds;
    publish_event(ev);
}

static struct wire_retained reply; /* the last one */
static struct buf reply_frame, text;

static void ask(const char *filter, const char *after, uint32_t limit)
{
    struct wire_retained_req q = {7, slice_of(filter), slice_of(after), limit};

    buf_clear(&reply_frame);
    answer_read(reader, store_read_retained(&q), &reply_frame);
    ck_assert(wire_retained_get(reply_frame.p, reply_frame.len, &reply));
    ck_assert_int_eq(reply.error, ERR_NONE);
    ck_assert_uint_eq(reply.ref, 7);
}

static void add_text(void)
{
    struct reader r = reader_of(reply.records.p, reply.records.len);
    struct event e;

    for (uint32_t i = 0; i < reply.count; i++) {
        ck_assert(event_record_get(&r, &e));
        ck_assert_uint_le(e.id, reply.head);
        buf_printf(&text, "%s%.*s=%.*s", text.len > 0 ? " " : "", (int)e.topic.len, e.topic.p,
                   (int)e.payload.len, e.payload.p);
    }
    ck_assert(reader_done(&r));
}

static const char *text_end(void)
{
    buf_u8(&text, '\0');
    return (const char *)text.p;
}

static const char *one_reply(const char *filter, const char *after, uint32_t limit)
{
    buf_clear(&text);
    ask(filter, after, limit);
    add_text();
    return text_end();
}

static unsigned replies; /* that the last `retained` took */

/* Asks again with `upto` while there is more. */
static const char *retained_by(const char *filter, uint32_t limit)
{
    char after[TOPIC_MAX + 1] = "";

    buf_clear(&text);
    for (replies = 1;; replies++) {
        ask(filter, after, limit);
        add_text();
        if (!reply.more)
            return text_end();
        snprintf(after, sizeof after, "%.*s", (int)reply.upto.len, reply.upto.p);
    }
}

static const char *retained(const char *filter)
{
    return retained_by(filter, 0);
}

/* --- what is kept --------------------------------------------------------------------- */

START_TEST(a_retained_event_is_kept_beside_the_log)
{
    uint64_t id = retain("a", "on");

    ck_assert_str_eq(retained("a"), "a=on");
    ck_assert_uint_eq(reply.head, id);
    ck_assert_str_eq(page(0, "a"), "on");
}
END_TEST

START_TEST(what_is_not_to_be_retained_changes_nothing)
{
    publish("a", "first");
    ck_assert_str_eq(retained("a"), "");
    retain("a", "on");
    publish("a", "later");
    ck_assert_str_eq(retained("a"), "a=on");
}
END_TEST

START_TEST(the_last_one_counts)
{
    retain("a", "on");
    retain("a", "off");
    ck_assert_str_eq(retained("a"), "a=off");
}
END_TEST

START_TEST(an_empty_payload_takes_it_away_and_is_an_event)
{
    uint64_t id = retain("a", "on"), cleared = retain("a", "");

    ck_assert_str_eq(retained("a"), "");
    ck_assert_uint_eq(reply.head, cleared);
    page(id, "a");
    ck_assert_uint_eq(got.count, 1);
    ck_assert_uint_eq(heard.upto, cleared);
}
END_TEST

START_TEST(clearing_where_there_is_none_is_an_event_too)
{
    uint64_t before = store_head(store), cleared = retain("a", "");

    ck_assert_str_eq(retained("#"), "");
    page(before, "a");
    ck_assert_uint_eq(got.upto, cleared);
    ck_assert_uint_eq(got.count, 1);
}
END_TEST

START_TEST(all_of_the_event_is_kept)
{
    struct event_props props = {.content_type = SLICE("text/plain"), .payload_format = 1};
    struct store_event ev = retain_event("a", "on");
    struct buf b = {0};
    struct reader r;
    struct event e;

    event_props_put(&b, &props);
    ev.e.props = buf_slice(&b);
    ev.e.flags |= EVENT_HAS_EXPIRY | 2 << EVENT_QOS_SHIFT;
    ev.e.expiry = 3600;
    set_clock(clock_ms());
    ev.id = publish_event(ev);
    ask("a", "", 0);
    r = reader_of(reply.records.p, reply.records.len);
    ck_assert(event_record_get(&r, &e));
    ck_assert_uint_eq(e.id, ev.id);
    ck_assert_uint_eq(e.time, clock_ms());
    ck_assert_uint_eq(e.flags, ev.e.flags);
    ck_assert_uint_eq(e.expiry, 3600);
    ck_assert(slice_eq(e.props, ev.e.props));
    buf_free(&b);
}
END_TEST

START_TEST(a_volatile_topic_has_one_too)
{
    options.rules = &volatile_rule;
    options.rule_count = 1;
    reopen();
    retain("v/a", "on");
    ck_assert_str_eq(page(0, "v/a"), "");
    ck_assert_str_eq(retained("v/#"), "v/a=on");
    reopen();
    ck_assert_str_eq(retained("v/#"), "v/a=on");
    retain("v/a", "");
    ck_assert_str_eq(retained("v/#"), "");
}
END_TEST

START_TEST(the_last_one_of_a_unit_counts)
{
    struct store_event unit[] = {retain_event("a", "1"), retain_event("a", ""),
                                 retain_event("a", "2"), retain_event("b", "3")};
    struct store_request r = {.events = unit, .count = 4};

    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert_str_eq(retained("#"), "a=2 b=3");
}
END_TEST

START_TEST(a_repeat_does_not_bring_it_back)
{
    struct store_event ev = produced("a", "p", 1, 0);
    struct store_request r;

    ev.e.flags |= EVENT_RETAIN;
    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    retain("a", "");
    ck_assert_int_eq(submit_event(&ev, &r), ERR_NONE);
    ck_assert(ev.repeat);
    ck_assert_str_eq(retained("a"), "");
}
END_TEST

START_TEST(a_refused_unit_retains_nothing)
{
    struct store_event unit[] = {retain_event("a", "new"), produced("b", "p", 1, 0)};
    struct store_request r = {.events = unit, .count = 2};

    retain("a", "old");
    ck_assert_int_eq(submit(&r), ERR_NONE);
    retain("a", "kept");
    unit[1].producer.seq = 5;
    ck_assert_int_eq(submit(&r), ERR_PRODUCER_GAP);
    ck_assert_str_eq(retained("#"), "a=kept");
}
END_TEST

/* --- what it outlives ---------------------------------------------------------------------- */

START_TEST(a_restart_keeps_it)
{
    retain("a", "on");
    reopen();
    ck_assert_str_eq(retained("a"), "a=on");
}
END_TEST

START_TEST(deleting_the_history_leaves_it)
{
    retain("a", "on");
    ck_assert_int_eq(delete_topic("a", NULL), ERR_NONE);
    ck_assert_str_eq(page(0, "a"), "");
    ck_assert_str_eq(retained("a"), "a=on");
}
END_TEST

START_TEST(retention_and_forgetting_leave_it)
{
    uint64_t now = clock_ms();
    struct wire_topic t;

    set_clock(now);
    options.max_age_ms = 1000;
    options.topic_idle_ms = 1000;
    reopen();
    retain("a", "on");
    set_clock(now + 5000);
    WAIT_UNTIL(!topic_line("a", &t));
    ck_assert_str_eq(retained("#"), "a=on");
    reopen();
    ck_assert_str_eq(retained("a"), "a=on");
    retain("a", "again");
    ck_assert_str_eq(retained("a"), "a=again");
}
END_TEST

/* --- expiry ----------------------------------------------------------------------- */

static uint64_t retained_count(void)
{
    struct store_status status;

    store_status(store, &status);
    return status.retained;
}

START_TEST(one_past_its_expiry_is_not_shown)
{
    uint64_t now = clock_ms();

    set_clock(now);
    retain_for("a", "short", 10);
    retain_for("b", "long", 100);
    retain("c", "for ever");
    set_clock(now + 9999);
    ck_assert_str_eq(retained("#"), "a=short b=long c=for ever");
    set_clock(now + 10000);
    ck_assert_str_eq(retained("#"), "b=long c=for ever");
    ck_assert_str_eq(retained("a"), "");
}
END_TEST

START_TEST(one_past_its_expiry_is_removed_without_a_write)
{
    uint64_t now = clock_ms();

    set_clock(now);
    retain_for("a", "short", 10);
    retain("c", "for ever");
    ck_assert_uint_eq(retained_count(), 2);
    set_clock(now + 10000);
    WAIT_UNTIL(retained_count() == 1);
    set_clock(now); /* it is gone, not hidden */
    ck_assert_str_eq(retained("#"), "c=for ever");
}
END_TEST

START_TEST(one_that_replaces_it_has_its_own_expiry)
{
    uint64_t now = clock_ms();

    set_clock(now);
    retain_for("a", "short", 10);
    retain("a", "for ever");
    set_clock(now + 20000);
    ck_assert_str_eq(retained("a"), "a=for ever");
}
END_TEST

START_TEST(the_count_is_exact)
{
    retain("a", "1");
    retain("a", "2");
    retain("b", "1");
    retain("c", "");
    ck_assert_uint_eq(retained_count(), 2);
    retain("a", "");
    ck_assert_uint_eq(retained_count(), 1);
    reopen();
    ck_assert_uint_eq(retained_count(), 1);
}
END_TEST

/* --- filters ---------------------------------------------------------------------- */

static void retain_all(const char *const *topics, size_t count)
{
    for (size_t i = 0; i < count; i++)
        retain(topics[i], "x");
}

START_TEST(a_filter_matches_as_everywhere)
{
    static const char *const topics[] = {"a",  "a/b", "a/b/c", "a-b", "ab",
                                         "/a", "b/a", "$x/a",  "a/",  "b"};

    retain_all(topics, ARRAY_LEN(topics));
    ck_assert_str_eq(retained("a"), "a=x");
    ck_assert_str_eq(retained("a/#"), "a=x a/=x a/b=x a/b/c=x");
    ck_assert_str_eq(retained("a/+"), "a/=x a/b=x");
    ck_assert_str_eq(retained("a/+/c"), "a/b/c=x");
    ck_assert_str_eq(retained("+/a"), "/a=x b/a=x");
    ck_assert_str_eq(retained("/#"), "/a=x");
    ck_assert_str_eq(retained("$x/#"), "$x/a=x");
    ck_assert_str_eq(retained("none/#"), "");
    ck_assert_str_eq(retained("none"), "");
    ck_assert_str_eq(retained("#"), "/a=x a=x a-b=x a/=x a/b=x a/b/c=x ab=x b=x b/a=x");
}
END_TEST

START_TEST(limited_replies_add_up)
{
    static const char *const topics[] = {"a", "a-b", "a/1", "a/2", "a/3", "b"};

    retain_all(topics, ARRAY_LEN(topics));
    for (uint32_t limit = 1; limit < 6; limit++) {
        ck_assert_str_eq(retained_by("a/#", limit), "a=x a/1=x a/2=x a/3=x");
        ck_assert_str_eq(retained_by("#", limit), "a=x a-b=x a/1=x a/2=x a/3=x b=x");
        ck_assert_str_eq(retained_by("a/2", limit), "a/2=x");
    }
}
END_TEST

START_TEST(only_topics_above_after_are_given)
{
    static const char *const topics[] = {"a", "a/1", "a/2", "b"};

    retain_all(topics, ARRAY_LEN(topics));
    ck_assert_str_eq(one_reply("a/#", "a", 0), "a/1=x a/2=x");
    ck_assert_str_eq(one_reply("a/#", "a/1", 0), "a/2=x");
    ck_assert_str_eq(one_reply("a/#", "a/1x", 0), "a/2=x");
    ck_assert_str_eq(one_reply("a/#", "z", 0), "");
    ck_assert_str_eq(one_reply("a", "a", 0), "");
    ck_assert_str_eq(one_reply("b", "a", 0), "b=x");
}
END_TEST

static void retain_many(const char *prefix, unsigned count)
{
    struct store_event *unit = mem_array(count, sizeof *unit);
    char(*names)[16] = mem_array(count, sizeof *names);
    struct store_request r = {.events = unit, .count = count};

    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "%s/%06u", prefix, i);
        unit[i] = retain_event(names[i], "x");
    }
    ck_assert_int_eq(submit(&r), ERR_NONE);
    free(unit);
    free(names);
}

START_TEST(a_reply_looks_at_so_many_topics_and_no_more)
{
    retain_many("a", 2 * WIRE_PAGE_SCAN + 1);
    retain("b/match", "x");
    ck_assert_str_eq(one_reply("+/match", "", 0), "");
    ck_assert(reply.more);
    ck_assert_uint_gt(reply.upto.len, 0);
    ck_assert_str_eq(retained("+/match"), "b/match=x");
    ck_assert_uint_eq(replies, 3);
    ck_assert_str_eq(retained("b/#"), "b/match=x"); /* looks at no others */
    ck_assert_uint_eq(replies, 1);
}
END_TEST

START_TEST(a_reply_holds_so_many_rows_and_no_more)
{
    retain_many("a", WIRE_PAGE_ROWS + 1);
    ask("#", "", 100000);
    ck_assert_uint_eq(reply.count, WIRE_PAGE_ROWS);
    ck_assert(reply.more);
    ask("#", "a/000499", 0);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert(!reply.more);
}
END_TEST

START_TEST(a_reply_ends_at_a_page_of_bytes_with_one_at_least)
{
    static char payload[WIRE_PAGE_BYTES + 2];

    memset(payload, 'x', sizeof payload - 1);
    retain("a", payload);
    retain("b", payload);
    payload[WIRE_PAGE_BYTES / 2 - 1000] = '\0';
    retain("c", payload);
    retain("d", payload);
    ask("#", "", 0);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert(slice_eq(reply.upto, SLICE("a")));
    ask("#", "b", 0);
    ck_assert_uint_eq(reply.count, 2);
    ck_assert_uint_le(reply_frame.len, WIRE_PAGE_BYTES + 100);
    ck_assert(!reply.more);
}
END_TEST

/* --- killed, and a disk that fills ------------------------------------------------ */

/* Publishes 1, 2, 3… to one topic; every third time it clears it. */
static struct counter {
    struct store_request r;
    struct store_event ev;
    unsigned n;
    char number[16];
} counter;

static void count_up(struct store_request *done)
{
    struct counter *k = done->data;

    k->n++;
    snprintf(k->number, sizeof k->number, "%u", k->n);
    k->ev = retain_event("n", k->n % 3 == 0 ? "" : k->number);
    k->r = (struct store_request){.events = &k->ev, .count = 1, .cb = count_up, .data = k};
    submit_soon(&k->r);
}

static void start_counting(void)
{
    counter.r.data = &counter;
    count_up(&counter.r);
}

START_TEST(a_killed_store_has_copies_and_events_together)
{
    close_store();
    for (unsigned ms = 40; ms < 400; ms += 90) {
        char expected[32] = "";
        uint64_t n;

        remove_folder(folder);
        live_for(ms, start_counting);
        open_store();
        n = count_all(0, "n");
        if (n % 3 != 0)
            snprintf(expected, sizeof expected, "n=%" PRIu64, n);
        ck_assert_str_eq(retained("n"), expected);
        ck_assert_uint_eq(retained_count(), n % 3 != 0);
        close_store();
    }
}
END_TEST

START_TEST(a_refused_event_leaves_the_copy_as_it_was)
{
    struct store_event ev = retain_event("a", "on");
    struct store_request r;

    publish_event(ev);
    fill_disk();
    ev = retain_event("a", "off");
    ck_assert_int_eq(submit_event(&ev, &r), ERR_STORE_FULL);
    ev = retain_event("b", "on");
    ck_assert_int_eq(submit_event(&ev, &r), ERR_STORE_FULL);
    ck_assert_str_eq(retained("#"), "a=on");
    ck_assert_uint_eq(retained_count(), 1);
    unlimit_files();
    WAIT_UNTIL(heard.failing == NULL);
    ck_assert_str_eq(retained("#"), "a=on");
}
END_TEST

static int run_limited(void)
{
    const TTest *tests[] = {a_refused_event_leaves_the_copy_as_it_was};

    return run_tests("store retained on a full disk", tests, sizeof tests / sizeof tests[0],
                     begin_limited);
}

static enum sluice_error try_retain(const char *topic, const char *payload)
{
    struct store_event ev = event_of(topic, payload);
    struct store_request r;

    ev.e.flags = EVENT_RETAIN;
    return submit_event(&ev, &r);
}

static uint64_t retained_bytes(void)
{
    struct store_status s;

    store_status(store, &s);
    return s.retained_bytes;
}

START_TEST(retained_messages_have_a_limit_of_their_own)
{
    options.max_retained_bytes = 20;
    reopen();
    ck_assert_int_eq(try_retain("a", "0123456"), ERR_NONE);
    ck_assert_int_eq(try_retain("b", "0123456"), ERR_NONE);
    ck_assert_uint_eq(retained_bytes(), 16);
    ck_assert_int_eq(try_retain("c", "0123"), ERR_TOO_MANY);
    ck_assert_int_eq(try_retain("c", "012"), ERR_NONE);
    ck_assert_int_eq(try_retain("a", "01234567"), ERR_TOO_MANY);
    ck_assert_int_eq(try_retain("a", "0000000"), ERR_NONE);
    ck_assert_uint_eq(retained_bytes(), 20);
    publish("c", "not retained");
    ck_assert_int_eq(try_retain("b", ""), ERR_NONE);
    ck_assert_uint_eq(retained_bytes(), 12);
    reopen();
    ck_assert_uint_eq(retained_bytes(), 12);
    ck_assert_int_eq(try_retain("d", "0123456"), ERR_NONE);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        retained_messages_have_a_limit_of_their_own,
        a_retained_event_is_kept_beside_the_log,
        what_is_not_to_be_retained_changes_nothing,
        the_last_one_counts,
        an_empty_payload_takes_it_away_and_is_an_event,
        clearing_where_there_is_none_is_an_event_too,
        all_of_the_event_is_kept,
        a_volatile_topic_has_one_too,
        the_last_one_of_a_unit_counts,
        a_repeat_does_not_bring_it_back,
        a_refused_unit_retains_nothing,
        a_restart_keeps_it,
        deleting_the_history_leaves_it,
        retention_and_forgetting_leave_it,
        one_past_its_expiry_is_not_shown,
        one_past_its_expiry_is_removed_without_a_write,
        one_that_replaces_it_has_its_own_expiry,
        the_count_is_exact,
        a_filter_matches_as_everywhere,
        limited_replies_add_up,
        only_topics_above_after_are_given,
        a_reply_looks_at_so_many_topics_and_no_more,
        a_reply_holds_so_many_rows_and_no_more,
        a_reply_ends_at_a_page_of_bytes_with_one_at_least,
        a_killed_store_has_copies_and_events_together,
    };
    int fine = run_tests("store retained", tests, sizeof tests / sizeof tests[0], begin_open);
    int limited = run_limited();

    buf_free(&reply_frame);
    buf_free(&text);
    return fine == EXIT_SUCCESS ? limited : fine;
}
