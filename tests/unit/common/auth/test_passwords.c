/* Unit tests of passwords: right ones and others, what they cost, who waits. */
#include <crypt.h>
#include <math.h>
#include <time.h>

#include "auth_file.h"
#include "metrics.h"
#include "passwords.h"

#define ASKS 64

static struct config *config;
static struct roles *roles;
static struct passwords *passwords;
static char hash[CRYPT_OUTPUT_SIZE]; /* of "wonderland" */

struct question {
    struct password_ask *ask;
    unsigned answers;
    enum auth_outcome outcome;
    struct findings found;
};
static struct question questions[ASKS];

static const char *hash_of(const char *password, const char *setting)
{
    static struct crypt_data data;
    const char *made = crypt_rn(password, setting, &data, sizeof data);

    ck_assert_ptr_nonnull(made);
    return made;
}

static void begin(void)
{
    world_begin();
    memset(questions, 0, sizeof questions);
    (void)strcpy(hash, hash_of("wonderland", "$y$j75$..........A4"));
    config = world_config("[auth]\nusers = ~/users\npassword_checks = 16\n"
                          "[role \"a\"]\npublish = #\n[role \"b\"]\n");
    roles = roles_open(config);
}

static void end(void)
{
    passwords_close(passwords);
    passwords = NULL;
    for (size_t i = 0; i < ASKS; i++)
        findings_free(&questions[i].found);
    roles_close(roles);
    config_free(config);
    world_end();
}

static bool open_with(const char *text)
{
    world_write("users", text);
    passwords_close(passwords);
    passwords = passwords_open(&loop, config, roles);
    return passwords != NULL;
}

static void open_user(const char *name, const char *of, const char *role)
{
    char line[1024];

    (void)snprintf(line, sizeof line, "%s:%s:%s\n", name, of, role);
    ck_assert(open_with(line));
}

static void on_answer(void *arg, struct source_answer *answer)
{
    struct question *q = arg;

    q->ask = NULL;
    q->answers++;
    q->outcome = answer->outcome;
    q->found = answer->found;
}

static struct credentials shown(const char *user, const char *password, const char *address)
{
    return (struct credentials){.kind = CREDENTIALS_PASSWORD,
                                .user = slice_of(user),
                                .password = slice_of(password),
                                .address = slice_of(address)};
}

/* The answer that is there at once, or AUTH_KNOWN. */
static enum auth_outcome ask_from(size_t i, const char *user, const char *password,
                                  const char *address)
{
    struct credentials c = shown(user, password, address);
    struct source_answer now = {0};

    questions[i].ask = passwords_ask(passwords, &c, &now, on_answer, &questions[i]);
    ck_assert_uint_eq(questions[i].answers, 0);
    return questions[i].ask == NULL ? now.outcome : AUTH_KNOWN;
}

static enum auth_outcome outcome_of(const char *user, const char *password)
{
    findings_free(&questions[0].found);
    questions[0] = (struct question){0};
    if (ask_from(0, user, password, "10.0.0.1") != AUTH_KNOWN)
        return AUTH_WRONG;
    RUN_UNTIL(questions[0].answers > 0);
    return questions[0].outcome;
}

START_TEST(a_right_password_is_known_with_its_roles)
{
    open_user("alice", hash, "a,b");
    ck_assert_int_eq(outcome_of("alice", "wonderland"), AUTH_KNOWN);
    ck_assert_str_eq(questions[0].found.name, "alice");
    ck_assert_int_eq(questions[0].found.kind, PRINCIPAL_USER);
    ck_assert_uint_eq(questions[0].found.roles.len, 6);
    ck_assert_int_eq(outcome_of("alice", "wonderlan"), AUTH_WRONG);
    ck_assert_int_eq(outcome_of("bob", "wonderland"), AUTH_WRONG);
    ck_assert(passwords_know(passwords, SLICE("alice")));
    ck_assert(!passwords_know(passwords, SLICE("bob")));
}
END_TEST

static const char *const settings[] = {
    "$y$j75$..........A4",      "$7$2/..../....abcdefgh",   "$2b$04$abcdefghijklmnopqrstuu",
    "$6$rounds=1000$abcdefgh$", "$5$rounds=1000$abcdefgh$", "$1$abcdefgh$",
};

START_TEST(hashes_of_other_makes_are_known)
{
    open_user("alice", hash_of("wonderland", settings[_i]), "a");
    ck_assert_int_eq(outcome_of("alice", "wonderland"), AUTH_KNOWN);
    ck_assert_int_eq(outcome_of("alice", "Wonderland"), AUTH_WRONG);
}
END_TEST

static const char *const bad_files[] = {
    "alice::a\n",
    "alice:wonderland:a\n",
    "alice:abJnggxhB/yWI:a\n", /* DES */
    "alice:*:a\n",
    "alice:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$:a\n",
    "alice:$9$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7:a\n",
    "alice:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7:c\n",
};

START_TEST(a_bad_file_is_refused)
{
    ck_assert(!open_with(bad_files[_i]));
}
END_TEST

START_TEST(what_no_password_can_be_is_wrong_at_once)
{
    char text[CRYPT_MAX_PASSPHRASE_SIZE + 1];
    struct credentials c = shown("alice", "", "");
    struct source_answer now = {0};

    open_user("alice", hash, "a");
    ck_assert_int_eq(ask_from(0, "alice", "", ""), AUTH_WRONG);
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(ask_from(0, "alice", text, ""), AUTH_WRONG);
    c.password = SLICE("wonder\0land");
    ck_assert_ptr_null(passwords_ask(passwords, &c, &now, on_answer, NULL));
    ck_assert_int_eq(now.outcome, AUTH_WRONG);
    ck_assert(open_with(""));
    ck_assert_int_eq(outcome_of("alice", "wonderland"), AUTH_WRONG);
}
END_TEST

START_TEST(a_user_stands_while_the_hash_is_the_same)
{
    open_user("alice", hash, "a,b");
    ck_assert_int_eq(outcome_of("alice", "wonderland"), AUTH_KNOWN);
    open_user("alice", hash, "b");
    ck_assert(passwords_stand(passwords, &questions[0].found));
    ck_assert_uint_eq(questions[0].found.roles.len, 3);
    open_user("alice", hash_of("wonderland", "$y$j75$..........A5"), "b");
    ck_assert(!passwords_stand(passwords, &questions[0].found));
    open_user("bob", hash, "b");
    ck_assert(!passwords_stand(passwords, &questions[0].found));
}
END_TEST

/* password_checks is 16. */
START_TEST(a_bounded_number_waits_and_one_address_has_half)
{
    char text[16];

    open_user("alice", hash, "a");
    for (size_t i = 0; i < 8; i++) {
        (void)snprintf(text, sizeof text, "p%zu", i);
        ck_assert_int_eq(ask_from(i, "alice", text, "2001:db8::1"), AUTH_KNOWN);
    }
    ck_assert_int_eq(ask_from(8, "alice", "another", "2001:db8::2"), AUTH_BUSY);
    for (size_t i = 8; i < 16; i++) {
        (void)snprintf(text, sizeof text, "p%zu", i);
        ck_assert_int_eq(ask_from(i, "alice", text, "10.0.0.2"), AUTH_KNOWN);
    }
    ck_assert_int_eq(ask_from(16, "alice", "another", "10.0.0.3"), AUTH_BUSY);
    ck_assert_int_eq(ask_from(16, "alice", "p3", "10.0.0.3"), AUTH_KNOWN); /* shares one */
    for (size_t i = 0; i <= 16; i++)
        RUN_UNTIL(questions[i].answers == 1);
    ck_assert_int_eq(ask_from(17, "alice", "wonderland", "10.0.0.3"), AUTH_KNOWN);
    RUN_UNTIL(questions[17].answers == 1);
    ck_assert_int_eq(questions[17].outcome, AUTH_KNOWN);
}
END_TEST

START_TEST(those_who_show_the_same_share_a_hash)
{
    uint64_t before = metric_get(M_PASSWORDS_HASHED);

    open_user("alice", hash, "a");
    for (size_t i = 0; i < ASKS; i++)
        ck_assert_int_eq(ask_from(i, "alice", "wonderland", "10.0.0.1"), AUTH_KNOWN);
    password_ask_cancel(questions[3].ask);
    for (size_t i = 0; i < ASKS; i++)
        if (i != 3)
            RUN_UNTIL(questions[i].answers == 1);
    ck_assert_uint_eq(questions[3].answers, 0);
    ck_assert_uint_eq(metric_get(M_PASSWORDS_HASHED) - before, 1);
}
END_TEST

START_TEST(who_waits_may_go_and_so_may_the_file)
{
    open_user("alice", hash, "a");
    for (size_t i = 0; i < 8; i++) {
        char text[16];

        (void)snprintf(text, sizeof text, "p%zu", i);
        ck_assert_int_eq(ask_from(i, "alice", text, "10.0.0.1"), AUTH_KNOWN);
    }
    for (size_t i = 0; i < 4; i++)
        password_ask_cancel(questions[2 * i].ask);
    passwords_close(passwords);
    passwords = NULL;
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    for (size_t i = 0; i < 8; i++)
        ck_assert_uint_eq(questions[i].answers, 0);
}
END_TEST

/* --- time ---------------------------------------------------------------------------------- */

static double now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double time_of(const char *user, const char *password)
{
    double start = now_us();

    ck_assert_int_eq(outcome_of(user, password), AUTH_WRONG);
    return now_us() - start;
}

#define SAMPLES 150

/* How far, in deviations, the ranks of two samples are from those of one distribution (Mann and
 * Whitney): whatever else the machine does, it does to both alike. */
static double apart(const double *a, const double *b)
{
    double wins = 0, n = SAMPLES;

    for (size_t i = 0; i < SAMPLES; i++)
        for (size_t k = 0; k < SAMPLES; k++)
            wins += a[i] > b[k] ? 1 : a[i] < b[k] ? 0 : 0.5;
    return fabs(wins - n * n / 2) / sqrt(n * n * (2 * n + 1) / 12);
}

enum kind { WRONG_USER, WRONG_PASSWORD, NO_PASSWORD, KINDS };

/* As many of each kind in an order of chance: what ran before leaves its traces. */
static void shuffle(enum kind *order)
{
    for (size_t i = 0; i < KINDS * SAMPLES; i++) {
        size_t k = (size_t)random() % (i + 1);

        order[i] = order[k];
        order[k] = (enum kind)(i % KINDS);
    }
}

static double time_of_kind(enum kind kind, size_t i)
{
    char name[24];

    (void)snprintf(name, sizeof name, "user%zu", i);
    return kind == WRONG_USER       ? time_of(name, "looking-glass")
           : kind == WRONG_PASSWORD ? time_of("alice", "looking-glass")
                                    : time_of("alice", "");
}

START_TEST(a_wrong_user_takes_as_long_as_a_wrong_password)
{
    double taken[KINDS][SAMPLES];
    size_t counts[KINDS] = {0};
    enum kind order[KINDS * SAMPLES];
    char text[2048];

    (void)snprintf(text, sizeof text, "alice:%s:a\nbob:%s:a\n", hash, hash);
    ck_assert(open_with(text));
    shuffle(order);
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        taken[order[i]][counts[order[i]]++] = time_of_kind(order[i], i);
    ck_assert_double_lt(apart(taken[WRONG_USER], taken[WRONG_PASSWORD]), 5);
    ck_assert_double_gt(apart(taken[NO_PASSWORD], taken[WRONG_PASSWORD]), 5); /* it can tell */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("passwords");
    TCase *t = tcase_create("passwords");

    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_right_password_is_known_with_its_roles);
    tcase_add_loop_test(t, hashes_of_other_makes_are_known, 0, ARRAY_LEN(settings));
    tcase_add_loop_test(t, a_bad_file_is_refused, 0, ARRAY_LEN(bad_files));
    tcase_add_test(t, what_no_password_can_be_is_wrong_at_once);
    tcase_add_test(t, a_user_stands_while_the_hash_is_the_same);
    tcase_add_test(t, a_bounded_number_waits_and_one_address_has_half);
    tcase_add_test(t, those_who_show_the_same_share_a_hash);
    tcase_add_test(t, who_waits_may_go_and_so_may_the_file);
    tcase_add_test(t, a_wrong_user_takes_as_long_as_a_wrong_password);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
