/*
 * The whole configuration: sources and their order, what follows from what, and
 * the texts that come out of the table.
 */
#include "config_internal.h"
#include "fixture.h"
#include "mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXAMPLE "deploy/sluice.conf.example" /* tests run in the root of the tree */

static struct config *c;
static char output[64 << 10]; /* of the last load, both streams */

static void begin(void)
{
    c = NULL;
}

static void end(void)
{
    config_free(c);
    (void)unsetenv("SLUICE_CONFIG");
    (void)unsetenv("SLUICE_SSE_LISTEN");
    (void)unsetenv("SLUICE_PORT_BASE");
    (void)unsetenv("SLUICE_LIMITS_RING");
    (void)unsetenv("SLUICE_PROCESS_READY_FD");
}

static int redirect(int fd, int to)
{
    int saved = dup(fd);

    ck_assert_int_ge(saved, 0);
    ck_assert_int_ge(dup2(to, fd), 0);
    return saved;
}

static void restore(int fd, int saved)
{
    (void)dup2(saved, fd);
    (void)close(saved);
}

/* Loads for `section` with these arguments after the program's name. */
static enum config_outcome load(const char *section, const char *const *args)
{
    char *argv[16] = {mem_strdup("prog")};
    enum config_outcome outcome;
    FILE *f = tmpfile();
    int argc = 1, out, err;

    for (; *args != NULL; args++)
        argv[argc++] = mem_strdup(*args);
    (void)fflush(stdout);
    out = redirect(STDOUT_FILENO, fileno(f));
    err = redirect(STDERR_FILENO, fileno(f));
    outcome = config_load(&c, section, argc, argv);
    (void)fflush(stdout);
    restore(STDOUT_FILENO, out);
    restore(STDERR_FILENO, err);
    rewind(f);
    output[fread(output, 1, sizeof output - 1, f)] = '\0';
    (void)fclose(f);
    while (argc-- > 0)
        free(argv[argc]);
    ck_assert((outcome == CONFIG_GO) == (c != NULL));
    return outcome;
}
#define LOAD(section, ...) load(section, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static char path[] = "/tmp/test_config_XXXXXX";

static const char *write_file(const char *text)
{
    int fd;

    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    return path;
}

/* --- sources ------------------------------------------------------------------- */

START_TEST(nothing_said_gives_the_defaults)
{
    ck_assert_int_eq(LOAD("sse"), CONFIG_GO);
    ck_assert_str_eq(config_listen(c, "sse"), "127.0.0.1:8081");
    ck_assert_str_eq(config_admin_listen(c, "broker"), "127.0.0.1:8090");
    ck_assert_uint_eq(config_num(c, CFG_MAX_AGE), 7 * 86400000ULL);
    ck_assert_uint_eq(config_num(c, CFG_MAX_BYTES), 1 << 30);
    ck_assert(!config_bool(c, CFG_ALLOW_ANONYMOUS));
    ck_assert_int_eq((int)config_num(c, CFG_READY_FD), -1);
    ck_assert(!config_is_set(c, CFG_SSE_LISTEN));
}
END_TEST

START_TEST(environment_overrides_the_file_and_flags_override_both)
{
    const char *file = write_file("[sse]\nlisten = f:1\nretry = 7s\n[limits]\nring = 3M\n");

    (void)setenv("SLUICE_SSE_LISTEN", "e:1", 1);
    (void)setenv("SLUICE_LIMITS_RING", "4M", 1);
    ck_assert_int_eq(LOAD("sse", "--config", file, "--limits-ring=5M"), CONFIG_GO);
    (void)unlink(file);
    ck_assert_uint_eq(config_num(c, CFG_SSE_RETRY), 7000);
    ck_assert_str_eq(config_text(c, CFG_SSE_LISTEN), "e:1");
    ck_assert_uint_eq(config_num(c, CFG_RING), 5 << 20);
}
END_TEST

START_TEST(the_environment_may_name_the_file)
{
    const char *file = write_file("[sse]\nretry = 7s\n");

    (void)setenv("SLUICE_CONFIG", file, 1);
    ck_assert_int_eq(LOAD("sse"), CONFIG_GO);
    (void)unlink(file);
    ck_assert_uint_eq(config_num(c, CFG_SSE_RETRY), 7000);
}
END_TEST

START_TEST(own_keys_have_bare_flags_and_others_their_section)
{
    ck_assert_int_eq(LOAD("sse", "--listen", "a:1", "--data", "d", "--zmq-listen", "tcp://x:1"),
                     CONFIG_GO);
    ck_assert_str_eq(config_text(c, CFG_SSE_LISTEN), "a:1");
    ck_assert_str_eq(config_text(c, CFG_DATA), "d");
    ck_assert_str_eq(config_text(c, CFG_ZMQ_LISTEN), "tcp://x:1");
}
END_TEST

START_TEST(flags_can_be_handed_on_to_the_process_that_they_are_for)
{
    ck_assert_int_eq(LOAD("sse", "--sse-listen", "a:1"), CONFIG_GO);
    ck_assert_str_eq(config_text(c, CFG_SSE_LISTEN), "a:1");
}
END_TEST

START_TEST(a_process_without_keys_of_its_own_takes_all_flags)
{
    ck_assert_int_eq(LOAD("up", "--sse-listen", "a:1", "--port-base", "9000"), CONFIG_GO);
    ck_assert_str_eq(config_text(c, CFG_SSE_LISTEN), "a:1");
}
END_TEST

START_TEST(a_boolean_flag_needs_no_value_and_takes_one)
{
    ck_assert_int_eq(LOAD("sse", "--allow-anonymous"), CONFIG_GO);
    ck_assert(config_bool(c, CFG_ALLOW_ANONYMOUS));
    config_free(c);
    ck_assert_int_eq(LOAD("sse", "--allow-anonymous=no"), CONFIG_GO);
    ck_assert(!config_bool(c, CFG_ALLOW_ANONYMOUS));
}
END_TEST

START_TEST(operands_are_left_over_in_order)
{
    char **operands;
    int count;

    ck_assert_int_eq(LOAD("cli", "a/b", "--data", "d", "hello", "--", "--x"), CONFIG_GO);
    operands = config_operands(c, &count);
    ck_assert_int_eq(count, 3);
    ck_assert_str_eq(operands[0], "a/b");
    ck_assert_str_eq(operands[1], "hello");
    ck_assert_str_eq(operands[2], "--x");
}
END_TEST

START_TEST(a_supervisors_descriptor_comes_by_flag_alone)
{
    (void)setenv("SLUICE_PROCESS_READY_FD", "5", 1);
    ck_assert_int_eq(LOAD("sse"), CONFIG_GO);
    ck_assert_int_eq((int)config_num(c, CFG_READY_FD), -1);
    config_free(c);
    ck_assert_int_eq(LOAD("sse", "--ready-fd", "7"), CONFIG_GO);
    ck_assert_int_eq((int)config_num(c, CFG_READY_FD), 7);
}
END_TEST

/* --- errors -------------------------------------------------------------------- */

START_TEST(an_error_names_the_file_and_line)
{
    const char *file = write_file("[sse]\nlistn = x\n");
    char expected[128];

    ck_assert_int_eq(LOAD("sse", "--config", file), CONFIG_EXIT_BAD);
    (void)unlink(file);
    (void)snprintf(expected, sizeof expected, "prog: %s:2: [sse] has no key listn\n", file);
    ck_assert_str_eq(output, expected);
}
END_TEST

START_TEST(an_error_names_the_variable)
{
    (void)setenv("SLUICE_PORT_BASE", "x", 1);
    ck_assert_int_eq(LOAD("sse"), CONFIG_EXIT_BAD);
    ck_assert_str_eq(output, "prog: SLUICE_PORT_BASE: port_base: \"x\" is not a number\n");
}
END_TEST

START_TEST(an_error_names_the_flag)
{
    ck_assert_int_eq(LOAD("sse", "--limits-ring", "x"), CONFIG_EXIT_BAD);
    ck_assert_str_eq(output, "prog: --limits-ring: ring: \"x\" is not a size such as 512, 64k, "
                             "32M or 1G\n");
}
END_TEST

START_TEST(an_unknown_flag_is_an_error)
{
    ck_assert_int_eq(LOAD("sse", "--bogus"), CONFIG_EXIT_BAD);
    ck_assert_ptr_nonnull(strstr(output, "--bogus: there is no such flag"));
}
END_TEST

START_TEST(a_flag_without_its_value_is_an_error)
{
    ck_assert_int_eq(LOAD("sse", "--data"), CONFIG_EXIT_BAD);
    ck_assert_str_eq(output, "prog: --data: the flag needs a value\n");
}
END_TEST

START_TEST(a_missing_file_is_an_error)
{
    ck_assert_int_eq(LOAD("sse", "--config", "/nowhere/x.conf"), CONFIG_EXIT_BAD);
    ck_assert_str_eq(output, "prog: /nowhere/x.conf: No such file or directory\n");
}
END_TEST

START_TEST(a_port_base_leaves_room_for_all_ports)
{
    ck_assert_int_eq(LOAD("sse", "--port-base", "65001"), CONFIG_EXIT_BAD);
    ck_assert_int_eq(LOAD("sse", "--port-base", "-1"), CONFIG_EXIT_BAD);
    ck_assert_int_eq(LOAD("sse", "--port-base", "65000"), CONFIG_GO);
    ck_assert_str_eq(config_listen(c, "sse"), "127.0.0.1:65001");
}
END_TEST

START_TEST(a_data_folder_too_long_for_its_sockets_is_an_error)
{
    char fits[98] = "", longer[99] = "";

    memset(fits, 'd', sizeof fits - 1);
    memset(longer, 'd', sizeof longer - 1);
    ck_assert_int_eq(LOAD("sse", "--data", longer), CONFIG_EXIT_BAD);
    ck_assert_int_eq(LOAD("sse", "--data", ""), CONFIG_EXIT_BAD);
    ck_assert_int_eq(LOAD("sse", "--data", fits), CONFIG_GO);
    ck_assert_uint_eq(strlen(config_reads(c)), strlen("ipc://") + 107);
}
END_TEST

/* --- what follows from what ---------------------------------------------------- */

START_TEST(a_port_base_stands_in_for_the_defaults)
{
    ck_assert_int_eq(LOAD("up", "--port-base", "9000"), CONFIG_GO);
    ck_assert_str_eq(config_listen(c, "sse"), "127.0.0.1:9001");
    ck_assert_str_eq(config_address(c, CFG_ZMQ_LISTEN), "127.0.0.1:9007");
    ck_assert_str_eq(config_admin_listen(c, "zmq"), "127.0.0.1:9017");
    ck_assert_str_eq(config_admin_listen(c, "broker"), "127.0.0.1:9010");
    ck_assert_str_eq(config_admin_listen(c, "sse"), "127.0.0.1:9011");
}
END_TEST

START_TEST(an_address_that_was_set_stays)
{
    ck_assert_int_eq(
        LOAD("sse", "--port-base", "9000", "--listen", "127.0.0.1:8081", "--zmq-listen", ""),
        CONFIG_GO);
    ck_assert_str_eq(config_listen(c, "sse"), "127.0.0.1:8081");
    ck_assert_str_eq(config_address(c, CFG_ZMQ_LISTEN), "");
}
END_TEST

START_TEST(the_link_is_in_the_data_folder)
{
    ck_assert_int_eq(LOAD("sse", "--data", "/srv/s"), CONFIG_GO);
    ck_assert_str_eq(config_link(c), "ipc:///srv/s/run/link");
    ck_assert_str_eq(config_reads(c), "ipc:///srv/s/run/reads");
}
END_TEST

START_TEST(the_broker_binds_every_link_and_a_gateway_connects_to_the_first)
{
    ck_assert_int_eq(LOAD("broker", "--link", "ipc:///a, tcp://h:1"), CONFIG_GO);
    ck_assert_str_eq(config_link(c), "ipc:///a, tcp://h:1");
    config_free(c);
    ck_assert_int_eq(LOAD("sse", "--broker-link", "ipc:///a, tcp://h:1"), CONFIG_GO);
    ck_assert_str_eq(config_link(c), "ipc:///a");
}
END_TEST

START_TEST(a_list_is_walked_without_blanks_and_empty_items)
{
    struct slice rest = SLICE(" a:1 ,,b:2, "), item;

    ck_assert(config_list_next(&rest, &item) && slice_eq(item, SLICE("a:1")));
    ck_assert(config_list_next(&rest, &item) && slice_eq(item, SLICE("b:2")));
    ck_assert(!config_list_next(&rest, &item));
}
END_TEST

START_TEST(every_port_that_a_base_moves_is_moved_out_of_the_defaults_way)
{
    char value[32];

    for (enum config_key k = 0; k < CFG_COUNT; k++) {
        bool address = strstr(config_keys[k].deflt, "127.0.0.1:") != NULL;

        if (!address)
            continue;
        ck_assert_int_eq(LOAD("up", "--port-base", "9000"), CONFIG_GO);
        ck_assert_msg(c->derived[k] != NULL, "%s.%s has no place after port_base",
                      config_keys[k].section, config_keys[k].name);
        (void)snprintf(value, sizeof value, "%s", c->derived[k]);
        ck_assert_ptr_nonnull(strstr(value, "127.0.0.1:90"));
        config_free(c);
    }
    c = NULL;
}
END_TEST

/* --- reload -------------------------------------------------------------------- */

START_TEST(a_reload_reads_the_same_sources_anew)
{
    const char *file = write_file("[sse]\nretry = 1s\n");
    struct config *fresh;
    FILE *f;

    ck_assert_int_eq(LOAD("sse", "x", "--config", file, "--data", "d"), CONFIG_GO);
    f = fopen(file, "w");
    (void)fputs("[sse]\nretry = 2s\n[retention \"a\"]\n", f);
    (void)fclose(f);
    fresh = config_reload(c);
    (void)unlink(file);
    ck_assert_ptr_nonnull(fresh);
    ck_assert_uint_eq(config_num(fresh, CFG_SSE_RETRY), 2000);
    ck_assert_uint_eq(fresh->rule_count, 1);
    ck_assert_str_eq(config_text(fresh, CFG_DATA), "d");
    ck_assert_uint_eq(config_num(c, CFG_SSE_RETRY), 1000);
    config_free(fresh);
}
END_TEST

START_TEST(a_bad_reload_gives_nothing)
{
    const char *file = write_file("[sse]\nretry = 1s\n");

    ck_assert_int_eq(LOAD("sse", "--config", file), CONFIG_GO);
    (void)unlink(file);
    ck_assert_ptr_null(config_reload(c));
}
END_TEST

/* --- texts --------------------------------------------------------------------- */

START_TEST(help_names_every_flag_and_hides_what_is_internal)
{
    char flag[80];

    ck_assert_int_eq(LOAD("sse", "--help"), CONFIG_EXIT_OK);
    ck_assert_ptr_nonnull(strstr(output, "\n  --listen LIST\n"));
    ck_assert_ptr_nonnull(strstr(output, "\n[broker]\n  --broker-durability fsync|commit\n"));
    ck_assert_ptr_null(strstr(output, "ready-fd"));
    ck_assert_int_eq(LOAD("sse"), CONFIG_GO);
    ck_assert_int_eq(config_find(SLICE("sse"), SLICE("listen")), CFG_SSE_LISTEN);
    config_flag_name(c, CFG_MAX_PER_ADDRESS, flag, sizeof flag);
    ck_assert_str_eq(flag, "limits-max-connections-per-address");
}
END_TEST

START_TEST(version_says_so)
{
    ck_assert_int_eq(LOAD("sse", "--version"), CONFIG_EXIT_OK);
    ck_assert_str_eq(output, "sluice " SLUICE_VERSION "\n");
}
END_TEST

START_TEST(the_example_file_is_up_to_date)
{
    struct buf b = {0};
    FILE *f = fopen(EXAMPLE, "r");
    char *file = mem_zalloc(1 << 16);

    ck_assert_msg(f != NULL, "%s is missing: run from the root of the tree", EXAMPLE);
    ck_assert_uint_gt(fread(file, 1, (1 << 16) - 1, f), 0);
    (void)fclose(f);
    config_example_put(&b);
    buf_u8(&b, '\0');
    ck_assert_msg(strcmp(file, (char *)b.p) == 0, "run: sluice-broker --print-config > %s",
                  EXAMPLE);
    free(file);
    buf_free(&b);
}
END_TEST

/* Every commented key taken for real: the example states the defaults, rightly. */
START_TEST(the_example_file_says_the_defaults)
{
    char name[] = "prog", *argv[] = {name};
    struct config *plain = config_new("sse", 1, argv);
    struct buf b = {0};

    config_example_put(&b);
    for (size_t i = 0; i + 1 < b.len; i++)
        if (b.p[i] == '#' && b.p[i + 1] != ' ' && b.p[i + 1] != '\n')
            b.p[i] = ' ';
    c = config_new("sse", 1, argv);
    config_file_parse(c, "example", (char *)b.p, b.len);
    ck_assert_uint_eq(c->errors.len, 0);
    ck_assert_uint_eq(c->rule_count, 1);
    for (enum config_key k = 0; k < CFG_COUNT; k++) {
        ck_assert_str_eq(c->values[k].text, plain->values[k].text);
        ck_assert(c->values[k].num == plain->values[k].num);
        ck_assert(c->values[k].set == (k != CFG_READY_FD));
    }
    config_free(plain);
    buf_free(&b);
}
END_TEST

/* --- values -------------------------------------------------------------------- */

static const struct {
    enum config_type type;
    const char *text;
    bool good;
    uint64_t num;
} values[] = {
    {CONFIG_INT, "0", true, 0},
    {CONFIG_INT, "2147483647", true, 2147483647},
    {CONFIG_INT, "2147483648", false, 0},
    {CONFIG_INT, "", false, 0},
    {CONFIG_INT, "-1", false, 0},
    {CONFIG_INT, "+1", false, 0},
    {CONFIG_INT, "1k", false, 0},
    {CONFIG_INT, "0x1", false, 0},
    {CONFIG_SIZE, "512", true, 512},
    {CONFIG_SIZE, "64k", true, 64 << 10},
    {CONFIG_SIZE, "64K", true, 64 << 10},
    {CONFIG_SIZE, "32M", true, 32 << 20},
    {CONFIG_SIZE, "2g", true, UINT64_C(2) << 30},
    {CONFIG_SIZE, "1T", true, UINT64_C(1) << 40},
    {CONFIG_SIZE, "1kb", false, 0},
    {CONFIG_SIZE, "k", false, 0},
    {CONFIG_SIZE, "1 k", false, 0},
    {CONFIG_SIZE, "1.5M", false, 0},
    {CONFIG_SIZE, "18446744073709551615", true, UINT64_MAX},
    {CONFIG_SIZE, "18446744073709551616", false, 0},
    {CONFIG_SIZE, "18014398509481984k", false, 0},
    {CONFIG_DURATION, "250ms", true, 250},
    {CONFIG_DURATION, "10s", true, 10000},
    {CONFIG_DURATION, "5m", true, 300000},
    {CONFIG_DURATION, "2h", true, 7200000},
    {CONFIG_DURATION, "7d", true, 604800000},
    {CONFIG_DURATION, "0s", true, 0},
    {CONFIG_DURATION, "10", false, 0},
    {CONFIG_DURATION, "0", false, 0},
    {CONFIG_DURATION, "1w", false, 0},
    {CONFIG_DURATION, "213503982335d", false, 0},
    {CONFIG_BOOL, "true", true, 1},
    {CONFIG_BOOL, "Yes", true, 1},
    {CONFIG_BOOL, "on", true, 1},
    {CONFIG_BOOL, "false", true, 0},
    {CONFIG_BOOL, "no", true, 0},
    {CONFIG_BOOL, "OFF", true, 0},
    {CONFIG_BOOL, "1", false, 0},
    {CONFIG_CHOICE, "one", true, 0},
    {CONFIG_CHOICE, "two", true, 1},
    {CONFIG_CHOICE, "three", false, 0},
    {CONFIG_CHOICE, "", false, 0},
    {CONFIG_TEXT, "anything", true, 0},
};

START_TEST(text_becomes_a_value_or_is_refused)
{
    uint64_t num;
    const char *wrong =
        config_value_parse(values[_i].type, "one,two", slice_of(values[_i].text), &num);

    ck_assert_msg((wrong == NULL) == values[_i].good, "%s: %s", values[_i].text,
                  wrong == NULL ? "accepted" : wrong);
    if (values[_i].good)
        ck_assert_msg(num == values[_i].num, "%s", values[_i].text);
}
END_TEST

START_TEST(every_name_is_usable_and_no_two_are_alike)
{
    static const char *const sections[] = {"broker", "sse", "up"};
    char a[80], b[80];

    for (size_t s = 0; s < ARRAY_LEN(sections); s++) {
        ck_assert_int_eq(load(sections[s], (const char *const[]){NULL}), CONFIG_GO);
        for (enum config_key i = 0; i < CFG_COUNT; i++) {
            config_flag_name(c, i, a, sizeof a);
            for (enum config_key k = 0; k < i; k++) {
                config_flag_name(c, k, b, sizeof b);
                ck_assert_str_ne(a, b);
            }
        }
        config_free(c);
    }
    c = NULL;
}
END_TEST

static void add_sources(Suite *s)
{
    TCase *t = tcase_create("sources");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, nothing_said_gives_the_defaults);
    tcase_add_test(t, environment_overrides_the_file_and_flags_override_both);
    tcase_add_test(t, the_environment_may_name_the_file);
    tcase_add_test(t, own_keys_have_bare_flags_and_others_their_section);
    tcase_add_test(t, flags_can_be_handed_on_to_the_process_that_they_are_for);
    tcase_add_test(t, a_process_without_keys_of_its_own_takes_all_flags);
    tcase_add_test(t, a_boolean_flag_needs_no_value_and_takes_one);
    tcase_add_test(t, operands_are_left_over_in_order);
    tcase_add_test(t, a_supervisors_descriptor_comes_by_flag_alone);
    tcase_add_test(t, an_error_names_the_file_and_line);
    tcase_add_test(t, an_error_names_the_variable);
    tcase_add_test(t, an_error_names_the_flag);
    tcase_add_test(t, an_unknown_flag_is_an_error);
    tcase_add_test(t, a_flag_without_its_value_is_an_error);
    tcase_add_test(t, a_missing_file_is_an_error);
    tcase_add_test(t, a_reload_reads_the_same_sources_anew);
    tcase_add_test(t, a_bad_reload_gives_nothing);
    suite_add_tcase(s, t);
}

static void add_meaning(Suite *s)
{
    TCase *t = tcase_create("meaning");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_port_base_leaves_room_for_all_ports);
    tcase_add_test(t, a_data_folder_too_long_for_its_sockets_is_an_error);
    tcase_add_test(t, a_port_base_stands_in_for_the_defaults);
    tcase_add_test(t, every_port_that_a_base_moves_is_moved_out_of_the_defaults_way);
    tcase_add_test(t, an_address_that_was_set_stays);
    tcase_add_test(t, the_link_is_in_the_data_folder);
    tcase_add_test(t, the_broker_binds_every_link_and_a_gateway_connects_to_the_first);
    tcase_add_test(t, a_list_is_walked_without_blanks_and_empty_items);
    tcase_add_test(t, help_names_every_flag_and_hides_what_is_internal);
    tcase_add_test(t, version_says_so);
    tcase_add_test(t, the_example_file_is_up_to_date);
    tcase_add_test(t, the_example_file_says_the_defaults);
    tcase_add_test(t, every_name_is_usable_and_no_two_are_alike);
    tcase_add_loop_test(t, text_becomes_a_value_or_is_refused, 0, ARRAY_LEN(values));
    suite_add_tcase(s, t);
}

int main(void)
{
    Suite *s = suite_create("config");

    add_sources(s);
    add_meaning(s);
    return run_suite(s);
}
