/*
 * test_store_restart.c - one life of the log after the other: holes, a lost
 * database, an older copy, volatile topics, other versions, locks and damage.
 */
#include <fcntl.h>

#include "db.h"
#include "store_fixture.h"

static struct retention_rule volatile_rule = {
    .filter = (char *)"v/#", .has_history = true, .volatile_ = true};

static void make_volatile(void)
{
    close_store();
    options.rules = &volatile_rule;
    options.rule_count = 1;
    open_store();
}

static void copy_file(const char *from, const char *to)
{
    static char command[300];

    snprintf(command, sizeof command, "cp '%s/%s' '%s/%s'", folder, from, folder, to);
    ck_assert_int_eq(system(command), 0);
}

/* What a cursor is told, and where the page says that the loss ends. */
static int reason_at(uint64_t cursor)
{
    page(cursor, "#");
    return got.reason;
}

/* --- holes -------------------------------------------------------------------------- */

START_TEST(what_was_stored_is_there_after_a_restart)
{
    uint64_t id = publish("a", "one");

    reopen();
    ck_assert_uint_gt(store_head(store), id);
    ck_assert_uint_gt(publish("a", "two"), store_head(store) - 1);
    ck_assert_str_eq(page(0, "a"), "one two");
    ck_assert_str_eq(page(id, "a"), "two");
}
END_TEST

START_TEST(a_cursor_older_than_the_log_is_reset)
{
    uint64_t birth = store_head(store);

    ck_assert_int_eq(reason_at(birth - 1), GAP_RESET);
    ck_assert_uint_eq(got.removed_to, birth);
    ck_assert_int_eq(reason_at(1), GAP_RESET);
    ck_assert_int_eq(reason_at(birth), GAP_NONE);
    ck_assert_int_eq(reason_at(0), GAP_NONE);
}
END_TEST

START_TEST(each_start_leaves_a_hole)
{
    uint64_t id, now = clock_ms(), head;

    set_clock(now);
    id = publish("a", "one");
    set_clock(now + 5000);
    reopen();
    head = store_head(store);
    publish("a", "two");
    ck_assert_int_eq(reason_at(id), GAP_NONE);
    ck_assert_int_eq(reason_at(id + 1), GAP_RESET);
    ck_assert_uint_eq(got.removed_to, head);
    ck_assert_uint_eq(got.count, 1);
    ck_assert_int_eq(reason_at(head - 1), GAP_RESET);
    ck_assert_int_eq(reason_at(head), GAP_NONE);
    reopen();
    ck_assert_int_eq(reason_at(id + 1), GAP_RESET);
}
END_TEST

START_TEST(the_store_knows_what_it_gave_out)
{
    uint64_t id, now = clock_ms();

    set_clock(now);
    id = publish("a", "one");
    ck_assert(store_knows(store, id));
    ck_assert(store_knows(store, 0));
    ck_assert(!store_knows(store, id + 1));
    set_clock(now + 1000);
    reopen();
    ck_assert(store_knows(store, id));
    ck_assert(!store_knows(store, id + 1));
    ck_assert(store_knows(store, store_head(store)));
}
END_TEST

START_TEST(ids_rise_over_a_restart_with_the_clock_set_back)
{
    uint64_t now = clock_ms(), id;

    set_clock(now);
    id = publish("a", "one");
    set_clock(now - 3600000);
    reopen();
    ck_assert_uint_gt(publish("a", "two"), id);
    ck_assert_int_eq(reason_at(id), GAP_NONE);
}
END_TEST

START_TEST(a_lost_database_gives_no_id_twice)
{
    struct wire_uuid before = store_identity(store), after;
    uint64_t id = publish("a", "one");

    close_store();
    ck_assert_int_eq(unlink(path_of("sluice.db")), 0);
    open_store();
    after = store_identity(store);
    ck_assert_int_ne(memcmp(&before, &after, sizeof before), 0);
    ck_assert(!store_knows(store, id));
    ck_assert_uint_gt(publish("a", "new"), id);
    ck_assert_str_eq(page(id, "a"), "new");
    ck_assert_int_eq(got.reason, GAP_RESET);
}
END_TEST

START_TEST(an_older_copy_gives_no_id_twice)
{
    uint64_t kept = publish("a", "kept"), lost;

    close_store();
    copy_file("sluice.db", "older.db");
    open_store();
    lost = publish("a", "lost");
    close_store();
    copy_file("older.db", "sluice.db");
    open_store();
    ck_assert(store_knows(store, kept));
    ck_assert(!store_knows(store, lost));
    ck_assert_uint_gt(publish("a", "new"), lost);
    ck_assert_str_eq(page(lost, "a"), "new");
    ck_assert_int_eq(got.reason, GAP_RESET);
    ck_assert_str_eq(page(kept, "a"), "new");
    ck_assert_int_eq(got.reason, GAP_NONE);
}
END_TEST

START_TEST(the_identity_stays)
{
    struct wire_uuid before = store_identity(store), after;

    reopen();
    after = store_identity(store);
    ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
}
END_TEST

START_TEST(counts_survive_a_restart)
{
    struct wire_topic t;

    publish("a", "12");
    publish("a", "345");
    reopen();
    ck_assert(topic_line("a", &t));
    ck_assert_uint_eq(t.events, 2);
    ck_assert_uint_eq(t.bytes, 2 * EVENT_RECORD_HEAD + 5);
}
END_TEST

/* --- volatile topics ---------------------------------------------------------------- */

START_TEST(a_volatile_event_is_published_in_its_place_and_not_stored)
{
    struct store_event unit[] = {event_of("a", "1"), event_of("v/x", "2"), event_of("a", "3")};
    struct store_request r = {.events = unit, .count = 3};

    make_volatile();
    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert_str_eq(heard_text(), "1 2 3");
    ck_assert_uint_eq(unit[2].id, unit[0].id + 2);
    ck_assert_str_eq(page(0, "#"), "1 3");
}
END_TEST

START_TEST(a_cursor_below_a_volatile_event_is_told)
{
    uint64_t before, id;

    make_volatile();
    before = publish("v/x", "1");
    id = publish("v/x", "2");
    page(before, "v/#");
    ck_assert_int_eq(got.reason, GAP_VOLATILE);
    ck_assert_uint_eq(got.removed_to, id);
    ck_assert_uint_eq(got.head, id);
    page(before, "a");
    ck_assert_int_eq(got.reason, GAP_NONE);
    page(id, "v/x");
    ck_assert_uint_le(got.removed_to, id);
}
END_TEST

START_TEST(a_volatile_cursor_is_never_in_the_future)
{
    uint64_t id;

    make_volatile();
    id = publish("v/x", "1");
    page(id, "v/x");
    ck_assert_int_ne(got.reason, GAP_FUTURE);
    ck_assert_uint_eq(got.upto, id);
}
END_TEST

START_TEST(a_restart_loses_what_was_volatile_and_says_so)
{
    uint64_t id;

    make_volatile();
    id = publish("v/x", "1");
    reopen();
    ck_assert(store_knows(store, id));
    page(id - 1, "v/x");
    ck_assert_int_eq(got.reason, GAP_VOLATILE);
    ck_assert_uint_eq(got.removed_to, got.head);
}
END_TEST

START_TEST(a_topic_that_was_volatile_says_so_when_it_no_longer_is)
{
    uint64_t id;

    make_volatile();
    id = publish("v/x", "1");
    close_store();
    options.rule_count = 0;
    open_store();
    publish("v/x", "2");
    ck_assert_str_eq(page(id - 1, "v/x"), "2");
    ck_assert_int_eq(got.reason, GAP_VOLATILE);
    reopen();
    ck_assert_str_eq(page(id - 1, "v/x"), "2");
    ck_assert_int_eq(got.reason, GAP_VOLATILE);
}
END_TEST

START_TEST(a_topic_made_volatile_while_running_says_so_after_a_restart)
{
    uint64_t id = publish("v/x", "kept");

    options.rules = &volatile_rule;
    options.rule_count = 1;
    store_set_retention(store, &options);
    WAIT_UNTIL(count_all(0, "v/x") == 0); /* history = none removes it */
    publish("v/x", "gone");
    reopen();
    page(id, "v/x");
    ck_assert_int_eq(got.reason, GAP_VOLATILE);
}
END_TEST

/* --- another version's file ------------------------------------------------------------ */

static void edit_file(const char *sql)
{
    enum db_error error;
    struct db *db = db_open(path_of("sluice.db"), false, &error);

    ck_assert_ptr_nonnull(db);
    db_exec(db, sql);
    ck_assert_int_eq(db_error(db), DB_FINE);
    db_close(db);
}

static void use_what_is_new(void)
{
    struct store_change c = {1, STORE_PUT, SLICE("owner"), SLICE("key"), SLICE("value"), false};
    struct store_event ev = event_of("a", "retained");
    struct store_request r = {.events = &ev, .count = 1, .changes = &c, .change_count = 1};
    struct store_request look = {.kind = STORE_SCAN, .space = 1};
    struct store_status status;

    ev.e.flags = EVENT_RETAIN;
    ck_assert_int_eq(submit(&r), ERR_NONE);
    ck_assert_int_eq(submit(&look), ERR_NONE);
    ck_assert_uint_gt(look.found.len, 0);
    buf_free(&look.found);
    store_status(store, &status);
    ck_assert_uint_eq(status.retained, 1);
}

START_TEST(the_first_versions_file_is_upgraded_in_place)
{
    struct wire_uuid before = store_identity(store), after;
    uint64_t id = publish("a", "one");

    close_store();
    edit_file("DROP TABLE state; DROP TABLE retained; PRAGMA user_version = 1");
    open_store();
    after = store_identity(store);
    ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
    ck_assert(store_knows(store, id));
    ck_assert_str_eq(page(0, "a"), "one");
    use_what_is_new();
    reopen();
    ck_assert_str_eq(page(0, "a"), "one retained");
}
END_TEST

START_TEST(an_upgrade_may_find_its_tables_there)
{
    close_store();
    edit_file("PRAGMA user_version = 1");
    open_store();
    use_what_is_new();
}
END_TEST

START_TEST(a_newer_versions_file_is_refused)
{
    close_store();
    edit_file("PRAGMA user_version = 3");
    ck_assert(!try_open());
    ck_assert_ptr_nonnull(strstr(why, "newer"));
}
END_TEST

/* --- what cannot be opened -------------------------------------------------------------- */

START_TEST(a_second_store_is_refused)
{
    struct store *first = store;

    ck_assert(!try_open());
    ck_assert_ptr_nonnull(strstr(why, "another broker"));
    store = first;
}
END_TEST

static void overwrite(off_t at, size_t size)
{
    int fd = open(path_of("sluice.db"), O_WRONLY | O_CLOEXEC);
    char *junk = mem_zalloc(size);

    memset(junk, 0xa5, size);
    ck_assert_int_eq(pwrite(fd, junk, size, at), (ssize_t)size);
    free(junk);
    close(fd);
}

START_TEST(a_damaged_head_is_refused_with_advice)
{
    publish("a", "one");
    close_store();
    overwrite(0, 100);
    ck_assert(!try_open());
    ck_assert_ptr_nonnull(strstr(why, "damaged"));
    ck_assert_ptr_nonnull(strstr(why, "backup"));
}
END_TEST

START_TEST(damage_inside_is_found_at_start)
{
    for (int i = 0; i < 200; i++)
        publish("a", "some payload that fills a few pages of the database");
    close_store();
    overwrite(4096 * 3, 4096 * 4);
    ck_assert(!try_open());
    ck_assert_ptr_nonnull(strstr(why, "damaged"));
}
END_TEST

START_TEST(a_file_of_somebody_else_is_refused)
{
    int fd;

    close_store();
    ck_assert_int_eq(unlink(path_of("sluice.db")), 0);
    fd = open(path_of("sluice.db"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "This is not a database, nor was it ever.", 40), 40);
    close(fd);
    ck_assert(!try_open());
}
END_TEST

START_TEST(an_empty_file_is_a_new_log)
{
    close_store();
    ck_assert_int_eq(truncate(path_of("sluice.db"), 0), 0);
    open_store();
    ck_assert_str_eq(page(publish("a", "1") - 1, "a"), "1");
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_refused)
{
    close_store();
    options.path = "/proc/nothing/here";
    ck_assert(!try_open());
    ck_assert_ptr_nonnull(strstr(why, "folder"));
    options.path = folder;
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_stored_is_there_after_a_restart,
        a_cursor_older_than_the_log_is_reset,
        each_start_leaves_a_hole,
        the_store_knows_what_it_gave_out,
        ids_rise_over_a_restart_with_the_clock_set_back,
        a_lost_database_gives_no_id_twice,
        an_older_copy_gives_no_id_twice,
        the_identity_stays,
        counts_survive_a_restart,
        a_volatile_event_is_published_in_its_place_and_not_stored,
        a_cursor_below_a_volatile_event_is_told,
        a_volatile_cursor_is_never_in_the_future,
        a_restart_loses_what_was_volatile_and_says_so,
        a_topic_that_was_volatile_says_so_when_it_no_longer_is,
        a_topic_made_volatile_while_running_says_so_after_a_restart,
        the_first_versions_file_is_upgraded_in_place,
        an_upgrade_may_find_its_tables_there,
        a_newer_versions_file_is_refused,
        a_second_store_is_refused,
        a_damaged_head_is_refused_with_advice,
        damage_inside_is_found_at_start,
        a_file_of_somebody_else_is_refused,
        an_empty_file_is_a_new_log,
        a_folder_that_cannot_be_made_is_refused,
    };

    return run_tests("store restart", tests, sizeof tests / sizeof tests[0], begin_open);
}
