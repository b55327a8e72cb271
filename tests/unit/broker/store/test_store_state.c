/*
 * test_store_state.c - the map beside the log: its changes commit with events,
 * in the order in which they were submitted, and scans stand among them.
 *
 * `found` is what a scan answers: "owner/key=value", a blank between entries.
 */
#include "store_disaster.h"

enum { SPACE = 1, OTHER_SPACE = 2 };

static struct store_change put_in(uint8_t space, const char *owner, const char *key,
                                  const char *value)
{
    return (struct store_change){space,         STORE_PUT,       slice_of(owner),
                                 slice_of(key), slice_of(value), false};
}

static struct store_change put(const char *owner, const char *key, const char *value)
{
    return put_in(SPACE, owner, key, value);
}

static struct store_change drop(const char *owner, const char *key)
{
    return (struct store_change){SPACE,         STORE_DROP,   slice_of(owner),
                                 slice_of(key), slice_of(""), false};
}

static struct store_change drop_owner(const char *owner)
{
    return (struct store_change){SPACE,        STORE_DROP_OWNER, slice_of(owner),
                                 slice_of(""), slice_of(""),     false};
}

static enum sluice_error change(const struct store_change *changes, uint32_t count)
{
    struct store_request r = {.changes = changes, .change_count = count};

    return submit(&r);
}

static void change_one(struct store_change c)
{
    ck_assert_int_eq(change(&c, 1), ERR_NONE);
}

/* --- scans ----------------------------------------------------------------------- */

static struct buf text;
static bool more;

static const char *entries(const struct buf *found)
{
    struct reader r = reader_of(found->p, found->len);
    struct store_entry e;

    buf_clear(&text);
    while (store_entry_get(&r, &e))
        buf_printf(&text, "%s%.*s/%.*s=%.*s", text.len > 0 ? " " : "", (int)e.owner.len, e.owner.p,
                   (int)e.key.len, e.key.p, (int)e.value.len, e.value.p);
    ck_assert(reader_done(&r));
    buf_u8(&text, '\0');
    return (const char *)text.p;
}

static const char *scan(struct store_request r)
{
    const char *found;

    r.kind = STORE_SCAN;
    ck_assert_int_eq(submit(&r), ERR_NONE);
    found = entries(&r.found);
    more = r.more;
    buf_free(&r.found);
    return found;
}

static const char *all(void)
{
    return scan((struct store_request){.space = SPACE});
}

static const char *of_owner(const char *owner)
{
    return scan((struct store_request){.space = SPACE, .by_owner = true, .owner = slice_of(owner)});
}

static const char *above(const char *owner, const char *key, uint32_t limit)
{
    return scan((struct store_request){
        .space = SPACE, .owner = slice_of(owner), .key = slice_of(key), .limit = limit});
}

/* --- changes -------------------------------------------------------------------------- */

START_TEST(what_is_put_is_found)
{
    change_one(put("a", "k", "1"));
    ck_assert_str_eq(all(), "a/k=1");
}
END_TEST

START_TEST(a_second_put_replaces)
{
    change_one(put("a", "k", "1"));
    change_one(put("a", "k", ""));
    ck_assert_str_eq(all(), "a/k=");
}
END_TEST

START_TEST(a_dropped_key_is_gone)
{
    change_one(put("a", "k", "1"));
    change_one(put("a", "l", "2"));
    change_one(drop("a", "k"));
    ck_assert_str_eq(all(), "a/l=2");
}
END_TEST

START_TEST(dropping_what_is_not_there_is_fine)
{
    change_one(drop("a", "k"));
    change_one(drop_owner("a"));
    ck_assert_str_eq(all(), "");
}
END_TEST

START_TEST(dropping_an_owner_takes_its_keys_and_no_others)
{
    const struct store_change before[] = {
        put("a", "1", "x"),
        put("a", "2", "x"),
        put("ab", "1", "y"),
        put_in(OTHER_SPACE, "a", "1", "z"),
    };

    ck_assert_int_eq(change(before, 4), ERR_NONE);
    change_one(drop_owner("a"));
    ck_assert_str_eq(all(), "ab/1=y");
    ck_assert_str_eq(scan((struct store_request){.space = OTHER_SPACE}), "a/1=z");
}
END_TEST

START_TEST(changes_are_made_in_order)
{
    const struct store_change list[] = {put("a", "1", "old"), drop_owner("a"), put("a", "2", "new"),
                                        put("a", "2", "newer")};

    ck_assert_int_eq(change(list, 4), ERR_NONE);
    ck_assert_str_eq(all(), "a/2=newer");
}
END_TEST

START_TEST(bytes_are_kept_as_they_are)
{
    static char value[65535];
    struct store_change c = put("a", "k", "");
    struct store_request r = {.kind = STORE_SCAN, .space = SPACE};
    struct store_entry e;
    struct reader found;

    memset(value, '\0', sizeof value);
    c.owner = (struct slice){"\0\xff", 2};
    c.value = (struct slice){value, sizeof value};
    change_one(c);
    ck_assert_int_eq(submit(&r), ERR_NONE);
    found = reader_of(r.found.p, r.found.len);
    ck_assert(store_entry_get(&found, &e));
    ck_assert(slice_eq(e.owner, c.owner) && slice_eq(e.value, c.value));
    ck_assert(!store_entry_get(&found, &e));
    buf_free(&r.found);
}
END_TEST

/* --- scans ------------------------------------------------------------------------------ */

static void put_some(void)
{
    const struct store_change list[] = {put("b", "1", "3"), put("a", "2", "2"), put("c", "", "4"),
                                        put("a", "1", "1"), put_in(OTHER_SPACE, "a", "1", "no")};

    ck_assert_int_eq(change(list, 5), ERR_NONE);
}

START_TEST(a_scan_goes_in_the_order_of_owner_and_key)
{
    put_some();
    ck_assert_str_eq(all(), "a/1=1 a/2=2 b/1=3 c/=4");
    ck_assert(!more);
}
END_TEST

START_TEST(a_scan_by_owner_gives_all_its_keys)
{
    put_some();
    ck_assert_str_eq(of_owner("a"), "a/1=1 a/2=2");
    ck_assert_str_eq(of_owner("nobody"), "");
}
END_TEST

START_TEST(a_limited_scan_goes_on_where_it_ended)
{
    put_some();
    ck_assert_str_eq(above("", "", 3), "a/1=1 a/2=2 b/1=3");
    ck_assert(more);
    ck_assert_str_eq(above("b", "1", 3), "c/=4");
    ck_assert(!more);
}
END_TEST

START_TEST(a_scan_that_just_fits_has_no_more)
{
    put_some();
    ck_assert_str_eq(above("a", "1", 3), "a/2=2 b/1=3 c/=4");
    ck_assert(!more);
}
END_TEST

/* Submits all, then waits for all. */
static void submit_together(struct store_request *const *list, unsigned count)
{
    bool answered[8] = {false};

    for (unsigned i = 0; i < count; i++) {
        list[i]->cb = mark_answered;
        list[i]->data = &answered[i];
        submit_soon(list[i]);
    }
    for (unsigned i = 0; i < count; i++)
        while (!answered[i])
            uv_run(&loop, UV_RUN_ONCE);
}

START_TEST(a_scan_sees_what_was_submitted_before_it_and_nothing_after)
{
    struct store_change one = put("a", "1", "x"), two = put("a", "2", "y");
    struct store_request first = {.changes = &one, .change_count = 1},
                         second = {.changes = &two, .change_count = 1},
                         look = {.kind = STORE_SCAN, .space = SPACE};

    submit_together((struct store_request *[]){&first, &look, &second}, 3);
    ck_assert_str_eq(entries(&look.found), "a/1=x");
    ck_assert_str_eq(all(), "a/1=x a/2=y");
    buf_free(&look.found);
}
END_TEST

START_TEST(a_scan_after_a_delete_is_answered)
{
    struct store_change one = put("a", "1", "x");
    struct store_request first = {.changes = &one, .change_count = 1},
                         del = {.kind = STORE_DELETE, .topic = SLICE("t")},
                         look = {.kind = STORE_SCAN, .space = SPACE};

    submit_together((struct store_request *[]){&first, &del, &look}, 3);
    ck_assert_str_eq(entries(&look.found), "a/1=x");
    buf_free(&look.found);
}
END_TEST

/* --- with events --------------------------------------------------------------------------- */

START_TEST(changes_commit_with_their_events)
{
    struct store_event ev = event_of("t", "x");
    struct store_change c = put("a", "in", "1");
    struct store_request r = {.events = &ev, .count = 1, .changes = &c, .change_count = 1};

    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert_str_eq(page(0, "t"), "x");
    ck_assert_str_eq(all(), "a/in=1");
}
END_TEST

START_TEST(a_refused_unit_changes_nothing)
{
    struct store_event unit[] = {event_of("t", "x"), produced("t", "p", 1, 5)};
    struct store_change c = put("a", "k", "1");
    struct store_request r = {.events = unit, .count = 2, .changes = &c, .change_count = 1};

    publish("t", "before");
    unit[1].producer.seq = 0;
    ck_assert_int_eq(submit(&r), ERR_NONE);
    unit[1].producer.seq = 7;
    c = put("a", "k", "2");
    ck_assert_int_eq(submit(&r), ERR_PRODUCER_GAP);
    ck_assert_str_eq(all(), "a/k=1");
}
END_TEST

START_TEST(a_refused_unit_leaves_the_rest_of_its_batch)
{
    struct store_event gap = produced("t", "p", 1, 5), start = produced("t", "p", 1, 0);
    struct store_change one = put("a", "1", "x"), two = put("a", "2", "y");
    struct store_request opens = {.events = &start, .count = 1},
                         first = {.changes = &one, .change_count = 1},
                         refused = {.events = &gap, .count = 1, .changes = &two, .change_count = 1};

    submit_together((struct store_request *[]){&opens, &first, &refused}, 3);
    ck_assert_int_eq(refused.result.error, ERR_PRODUCER_GAP);
    ck_assert_str_eq(all(), "a/1=x");
}
END_TEST

/* The first answer was lost; what the unit changes is changed again. */
START_TEST(a_link_repeat_makes_its_changes)
{
    static const struct wire_uuid link = {{1}};
    struct store_event ev = event_of("t", "x");
    struct store_change c = put("a", "k", "1");
    struct store_request r = {
        .link = &link, .link_seq = 1, .events = &ev, .count = 1, .changes = &c, .change_count = 1};

    ck_assert_int_eq(submit(&r), ERR_NONE);
    change_one(drop("a", "k"));
    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert_str_eq(all(), "a/k=1");
    ck_assert_uint_eq(count_all(0, "t"), 1);
}
END_TEST

START_TEST(a_links_unit_of_changes_alone_may_be_sent_again)
{
    static const struct wire_uuid link = {{1}};
    struct store_change c = put("a", "k", "1");
    struct store_request r = {.link = &link, .link_seq = 1, .changes = &c, .change_count = 1};

    ck_assert_int_eq(submit(&r), ERR_NONE);
    reopen();
    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert_str_eq(all(), "a/k=1");
}
END_TEST

START_TEST(changes_alone_are_no_news)
{
    uint64_t head = store_head(store);
    unsigned batches = heard.batches;

    change_one(put("a", "k", "1"));
    ck_assert_uint_eq(store_head(store), head);
    ck_assert_uint_eq(heard.batches, batches);
}
END_TEST

START_TEST(a_unit_of_nothing_is_answered)
{
    ck_assert_int_eq(change(NULL, 0), ERR_NONE);
}
END_TEST

START_TEST(what_is_queued_counts_changes)
{
    static char value[10000];
    struct store_change c = put("a", "k", "");
    struct store_request r = {.changes = &c, .change_count = 1};
    struct store_status status;
    bool answered = false;

    c.value = (struct slice){value, sizeof value};
    r.cb = mark_answered;
    r.data = &answered;
    submit_soon(&r);
    store_status(store, &status);
    ck_assert_uint_ge(status.queued_bytes, sizeof value);
    while (!answered)
        uv_run(&loop, UV_RUN_ONCE);
    store_status(store, &status);
    ck_assert_uint_eq(status.queued_bytes, 0);
}
END_TEST

/* --- many ---------------------------------------------------------------------------------- */

enum { MANY = 20000 };

static void count_answer(struct store_request *r)
{
    ck_assert_int_eq(r->result.error, ERR_NONE);
    (*(unsigned *)r->data)++;
}

static uint32_t count_entries(const struct buf *found)
{
    struct reader r = reader_of(found->p, found->len);
    struct store_entry e;
    uint32_t n = 0;

    while (store_entry_get(&r, &e))
        n++;
    return n;
}

/* More than one transaction takes. */
START_TEST(a_flood_of_changes_is_made_in_order)
{
    struct store_request *r = mem_array(MANY, sizeof *r);
    struct store_request look = {.kind = STORE_SCAN, .space = SPACE};
    struct store_change *c = mem_array(MANY, sizeof *c);
    char(*keys)[8] = mem_array(MANY, sizeof *keys);
    unsigned answered = 0;

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "%05u", i / 2);
        c[i] = i % 4 == 3 ? drop("a", keys[i]) : put("a", keys[i], "x");
        r[i] = (struct store_request){
            .changes = &c[i], .change_count = 1, .cb = count_answer, .data = &answered};
        submit_soon(&r[i]);
    }
    ck_assert_int_eq(submit(&look), ERR_NONE);
    ck_assert_uint_eq(answered, MANY); /* the scan was the last */
    ck_assert_uint_eq(count_entries(&look.found), MANY / 4);
    buf_free(&look.found);
    free(keys);
    free(c);
    free(r);
}
END_TEST

/* --- lives ------------------------------------------------------------------------------------ */

START_TEST(a_restart_keeps_the_map)
{
    put_some();
    reopen();
    ck_assert_str_eq(all(), "a/1=1 a/2=2 b/1=3 c/=4");
}
END_TEST

enum { COUNTERS = 16 };

/* Each unit counts its owner up, in the map and in the log. */
static struct counter {
    struct store_request r;
    struct store_event ev;
    struct store_change c;
    unsigned n;
    char owner[8], number[16];
} counters[COUNTERS];

static void count_up(struct store_request *done)
{
    struct counter *k = done->data;

    snprintf(k->number, sizeof k->number, "%u", ++k->n);
    k->ev = event_of(k->owner, k->number);
    k->c = put(k->owner, "n", k->number);
    k->r = (struct store_request){.events = &k->ev,
                                  .count = 1,
                                  .changes = &k->c,
                                  .change_count = 1,
                                  .cb = count_up,
                                  .data = k};
    submit_soon(&k->r);
}

static void start_counting(void)
{
    for (int i = 0; i < COUNTERS; i++) {
        snprintf(counters[i].owner, sizeof counters[i].owner, "c%d", i);
        counters[i].r.data = &counters[i];
        count_up(&counters[i].r);
    }
}

/* What the map says of an owner is the payload of its last event. */
static void check_counter(const char *owner)
{
    uint64_t events = count_all(0, owner);
    char expected[64];

    if (events == 0)
        snprintf(expected, sizeof expected, "%s", "");
    else
        snprintf(expected, sizeof expected, "%s/n=%" PRIu64, owner, events);
    ck_assert_str_eq(of_owner(owner), expected);
}

START_TEST(a_killed_store_has_changes_and_events_together)
{
    close_store();
    for (unsigned ms = 40; ms < 400; ms += 120) {
        remove_folder(folder);
        live_for(ms, start_counting);
        open_store();
        for (int i = 0; i < COUNTERS; i++) {
            char owner[8];

            snprintf(owner, sizeof owner, "c%d", i);
            check_counter(owner);
        }
        close_store();
    }
}
END_TEST

/* --- a disk that fills ------------------------------------------------------------ */

static struct store_change put_large(const char *owner, const char *key)
{
    static char value[65535];
    struct store_change c = put(owner, key, "");

    c.value = (struct slice){value, sizeof value};
    return c;
}

START_TEST(a_refused_change_leaves_no_trace)
{
    const struct store_change list[] = {put("a", "k", "1"), put_large("a", "l")};

    fill_disk();
    ck_assert_ptr_nonnull(heard.failing);
    ck_assert_int_eq(change(list, 2), ERR_STORE_FULL);
    ck_assert_str_eq(of_owner("a"), ""); /* scans go on */
    unlimit_files();
    WAIT_UNTIL(heard.failing == NULL);
    ck_assert_str_eq(of_owner("a"), "");
    change_one(list[0]);
    ck_assert_str_eq(of_owner("a"), "a/k=1");
}
END_TEST

START_TEST(a_scan_in_a_failed_transaction_fails_with_it)
{
    struct store_change c = put_large("large", "last");
    struct store_request first = {.changes = &c, .change_count = 1},
                         look = {.kind = STORE_SCAN, .space = SPACE, .owner = SLICE("large")};

    fill_disk();
    submit_together((struct store_request *[]){&first, &look}, 2);
    ck_assert_int_eq(first.result.error, ERR_STORE_FULL);
    ck_assert_int_eq(look.result.error, ERR_STORE_FULL);
    ck_assert_uint_eq(look.found.len, 0);
    unlimit_files();
}
END_TEST

/* --- what it weighs ---------------------------------------------------------------- */

static uint64_t weight(void)
{
    struct store_status s;

    store_status(store, &s);
    return s.state_bytes;
}

static uint64_t entry(size_t bytes)
{
    return bytes + 32;
}

START_TEST(what_it_weighs_is_exact)
{
    struct store_change twice[] = {put("c", "k", "12345"), put("c", "k", "1")};

    ck_assert_uint_eq(weight(), 0);
    change_one(put("a", "k", "123"));
    ck_assert_uint_eq(weight(), entry(5));
    change_one(put("a", "k", "1"));
    ck_assert_uint_eq(weight(), entry(3));
    change_one(put("a", "long", ""));
    ck_assert_uint_eq(weight(), entry(3) + entry(5));
    change_one(drop("a", "none"));
    change_one(drop_owner("b"));
    ck_assert_int_eq(change(twice, 2), ERR_NONE);
    ck_assert_uint_eq(weight(), entry(3) + entry(5) + entry(3));
    reopen();
    ck_assert_uint_eq(weight(), entry(3) + entry(5) + entry(3));
    change_one(drop("c", "k"));
    ck_assert_uint_eq(weight(), entry(3) + entry(5));
    change_one(drop_owner("a"));
    ck_assert_uint_eq(weight(), 0);
}
END_TEST

static struct store_change ask(const char *owner, const char *key, const char *value)
{
    struct store_change c = put(owner, key, value);

    c.wants_room = true;
    return c;
}

static enum sluice_error ask_one(struct store_change c)
{
    return change(&c, 1);
}

START_TEST(a_full_map_refuses_what_wants_room_and_is_new)
{
    struct store_change unit[] = {drop("a", "k"), put("a", "l", "1"), ask("a", "n", "1")};

    options.max_state_bytes = 2 * entry(3);
    reopen();
    ck_assert_int_eq(ask_one(ask("a", "k", "1")), ERR_NONE);
    ck_assert_int_eq(ask_one(ask("b", "k", "1")), ERR_NONE);
    ck_assert_int_eq(ask_one(ask("c", "k", "1")), ERR_TOO_MANY);
    ck_assert_int_eq(ask_one(ask("a", "k", "longer")), ERR_NONE);
    ck_assert_int_eq(change(unit, 3), ERR_TOO_MANY);
    ck_assert_str_eq(scan((struct store_request){.space = SPACE}), "a/k=longer b/k=1");
    change_one(put("c", "k", "1"));
    ck_assert_int_eq(ask_one(ask("d", "k", "1")), ERR_TOO_MANY);
    change_one(drop_owner("a"));
    change_one(drop_owner("c"));
    ck_assert_int_eq(ask_one(ask("d", "k", "1")), ERR_NONE);
    ck_assert_uint_eq(weight(), 2 * entry(3));
}
END_TEST

START_TEST(a_unit_that_finds_no_room_publishes_nothing)
{
    struct store_change c = ask("a", "k", "1");
    struct store_event ev = event_of("t", "x");
    struct store_request r = {.events = &ev, .count = 1, .changes = &c, .change_count = 1};

    options.max_state_bytes = 1;
    reopen();
    ck_assert_int_eq(submit(&r), ERR_TOO_MANY);
    ck_assert_uint_eq(count_all(0, "#"), 0);
    ck_assert_uint_eq(weight(), 0);
}
END_TEST

static int run_limited(void)
{
    const TTest *tests[] = {
        what_it_weighs_is_exact,
        a_full_map_refuses_what_wants_room_and_is_new,
        a_unit_that_finds_no_room_publishes_nothing,
        a_refused_change_leaves_no_trace,
        a_scan_in_a_failed_transaction_fails_with_it,
    };

    return run_tests("store state on a full disk", tests, sizeof tests / sizeof tests[0],
                     begin_limited);
}

int main(void)
{
    const TTest *tests[] = {
        what_is_put_is_found,
        a_second_put_replaces,
        a_dropped_key_is_gone,
        dropping_what_is_not_there_is_fine,
        dropping_an_owner_takes_its_keys_and_no_others,
        changes_are_made_in_order,
        bytes_are_kept_as_they_are,
        a_scan_goes_in_the_order_of_owner_and_key,
        a_scan_by_owner_gives_all_its_keys,
        a_limited_scan_goes_on_where_it_ended,
        a_scan_that_just_fits_has_no_more,
        a_scan_sees_what_was_submitted_before_it_and_nothing_after,
        a_scan_after_a_delete_is_answered,
        changes_commit_with_their_events,
        a_refused_unit_changes_nothing,
        a_refused_unit_leaves_the_rest_of_its_batch,
        a_link_repeat_makes_its_changes,
        a_links_unit_of_changes_alone_may_be_sent_again,
        changes_alone_are_no_news,
        a_unit_of_nothing_is_answered,
        what_is_queued_counts_changes,
        a_flood_of_changes_is_made_in_order,
        a_restart_keeps_the_map,
        a_killed_store_has_changes_and_events_together,
    };
    int fine = run_tests("store state", tests, sizeof tests / sizeof tests[0], begin_open);
    int limited = run_limited();

    buf_free(&text);
    return fine == EXIT_SUCCESS ? limited : fine;
}
