/* Unit tests of files of name:proof:roles lines. */
#include "auth_file.h"
#include "roster.h"

static struct roster roster;
static struct roster_error error;
static struct roles *roles;

static const char *proof_wrong(struct slice proof)
{
    return slice_eq(proof, SLICE("bad")) ? "the proof is bad" : NULL;
}

static const struct roster_form form = {.secret = true, .proof_wrong = proof_wrong};

static void begin(void)
{
    struct config *c;

    world_begin();
    c = world_config("[role \"editor\"]\npublish = #\n[role \"night shift\"]\nsubscribe = #\n");
    roles = roles_open(c);
    config_free(c);
}

static void end(void)
{
    roster_free(&roster);
    roles_close(roles);
    world_end();
}

static bool parse(const char *text)
{
    roster_free(&roster);
    return roster_parse(&roster, slice_of(text), &form, roles, &error);
}

static void expect_roles(const char *name, const char *expected)
{
    const struct roster_entry *e = roster_find(&roster, slice_of(name));
    struct reader in;
    struct buf text = {0};

    ck_assert_ptr_nonnull(e);
    in = reader_of(e->roles.p, e->roles.len);
    while (in.left > 0) {
        buf_put_slice(&text, reader_str16(&in));
        buf_puts(&text, ";");
    }
    buf_put(&text, "", 1);
    ck_assert_str_eq((const char *)text.p, expected);
    buf_free(&text);
}

START_TEST(lines_are_entries)
{
    ck_assert(parse("# all of us\n\nalice:one:editor, night shift\r\n \tbob:two:\ncarol:three\n"
                    "Zo\xc3\xab M\xc3\xbcller:$y$x:editor"));
    ck_assert_uint_eq(HASH_COUNT(roster.by_name), 4);
    expect_roles("alice", "editor;night shift;");
    expect_roles("bob", "");
    expect_roles("carol", "");
    expect_roles("Zo\xc3\xab M\xc3\xbcller", "editor;");
    ck_assert_str_eq(roster_find(&roster, SLICE("bob"))->proof, "two");
    ck_assert_uint_eq(roster_find(&roster, SLICE("bob"))->line, 4);
    ck_assert_ptr_null(roster_find(&roster, SLICE("Alice")));
    ck_assert_ptr_null(roster_find(&roster, SLICE("")));
}
END_TEST

static const struct {
    const char *text;
    size_t line;
    const char *why;
} bad[] = {
    {"alice", 1, "no name:"},
    {"a:b\n\n# c\nalice", 4, "no name:"},
    {":one:editor", 1, "empty"},
    {"alice:bad:editor", 1, "the proof is bad"},
    {"alice:one:editor\nbob:two\nalice:three\n", 3, "that of line 1"},
    {"alice:one:editor,author\n", 1, "no role \"author\""},
    {"alice:one:editor:more\n", 1, "no role \"editor:more\""},
    {"al\x01ice:one:editor\n", 1, "control"},
    {"al\x7fice:one:editor\n", 1, "control"},
    {"al\xc2\x85ice:one:editor\n", 1, "control"},
    {"al\xffice:one:editor\n", 1, "UTF-8"},
    {"alice :one:editor\n", 1, "blank"},
    {"alice:one:\xff\n", 1, "a role that the configuration"},
};

START_TEST(a_bad_line_is_named)
{
    ck_assert(!parse(bad[_i].text));
    ck_assert_uint_eq(error.line, bad[_i].line);
    ck_assert_msg(strstr(error.why, bad[_i].why) != NULL, "%s: %s", bad[_i].text, error.why);
    ck_assert_ptr_null(roster.by_name);
}
END_TEST

START_TEST(a_nul_and_what_is_too_long_are_refused)
{
    char text[ROSTER_LINE + 8];

    ck_assert(!roster_parse(&roster, SLICE("alice:o\0ne"), &form, roles, &error));
    ck_assert_ptr_nonnull(strstr(error.why, "NUL"));
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    ck_assert(!parse(text));
    ck_assert_ptr_nonnull(strstr(error.why, "4096"));
    text[ROSTER_NAME + 1] = ':';
    text[ROSTER_NAME + 9] = '\0';
    ck_assert(!parse(text));
    ck_assert_ptr_nonnull(strstr(error.why, "255"));
    ck_assert(parse(text + 1));
}
END_TEST

START_TEST(a_proof_of_known_length_may_have_colons)
{
    static const struct roster_form five = {.proof_len = 5, .proof_wrong = proof_wrong};

    ck_assert(roster_parse(&roster, SLICE("a::o:n::editor\nb:o:ne:"), &five, roles, &error));
    ck_assert_str_eq(roster_find(&roster, SLICE("a"))->proof, ":o:n:");
    ck_assert_str_eq(roster_find(&roster, SLICE("b"))->proof, "o:ne:");
    expect_roles("a", "editor;");
    roster_free(&roster);
    ck_assert(!roster_parse(&roster, SLICE("a:bad:editor"), &five, roles, &error));
    ck_assert(!roster_parse(&roster, SLICE("a:o:neee:editor"), &five, roles, &error));
    ck_assert_str_eq(error.why, "the configuration has no role \"neee:editor\"");
}
END_TEST

START_TEST(any_roles_do_where_none_are_given)
{
    ck_assert(roster_parse(&roster, SLICE("alice:one:author"), &form, NULL, &error));
    expect_roles("alice", "author;");
}
END_TEST

START_TEST(a_file_is_read_or_not)
{
    world_write("users", "alice:one:editor\n");
    ck_assert(roster_read(&roster, world_path("users"), &form, roles));
    expect_roles("alice", "editor;");
    roster_free(&roster);
    world_write("users", "alice:bad:editor\n");
    ck_assert(!roster_read(&roster, world_path("users"), &form, roles));
    ck_assert(!roster_read(&roster, world_path("missing"), &form, roles));
    ck_assert(!roster_read(&roster, world_folder, &form, roles));
    ck_assert_ptr_null(roster.by_name);
}
END_TEST

START_TEST(names_that_no_line_could_have_are_told)
{
    ck_assert_ptr_null(roster_name_wrong(SLICE("alice")));
    ck_assert_ptr_null(roster_name_wrong(SLICE("a b/c#d+e%u")));
    ck_assert_ptr_nonnull(roster_name_wrong(SLICE("#alice")));
    ck_assert_ptr_nonnull(roster_name_wrong(SLICE(" alice")));
    ck_assert_ptr_nonnull(roster_name_wrong(SLICE("a:b")));
    ck_assert_ptr_nonnull(roster_name_wrong(SLICE("a\nb")));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("roster");
    TCase *t = tcase_create("roster");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, lines_are_entries);
    tcase_add_loop_test(t, a_bad_line_is_named, 0, ARRAY_LEN(bad));
    tcase_add_test(t, a_nul_and_what_is_too_long_are_refused);
    tcase_add_test(t, a_proof_of_known_length_may_have_colons);
    tcase_add_test(t, any_roles_do_where_none_are_given);
    tcase_add_test(t, a_file_is_read_or_not);
    tcase_add_test(t, names_that_no_line_could_have_are_told);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
