/*
 * test_key_file.c - a secret key out of a file, and the list of those who may come.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key_file.h"
#include "log.h"
#include "mem.h"
#include "run_suite.h"

#define KEY "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define OTHER "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static char file[32];
static struct key_list list;
static uint8_t key[Z85_KEY], other[Z85_KEY];

static void begin(void)
{
    log_set_level((enum log_level)(LOG_ERROR + 1));
    (void)snprintf(file, sizeof file, "/tmp/sluice-keys-XXXXXX");
    (void)close(mkstemp(file));
    ck_assert(z85_get(SLICE(KEY), key) && z85_get(SLICE(OTHER), other));
}

static void end(void)
{
    key_file_free(&list);
    (void)unlink(file);
}

static void holds(const char *text, mode_t mode)
{
    FILE *f = fopen(file, "w");

    ck_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
    ck_assert_int_eq(chmod(file, mode), 0);
}

START_TEST(a_secret_is_a_key_or_a_certificate)
{
    static const char *const good[] = {KEY, KEY "\n", KEY "\r\n",
                                       "metadata\ncurve\n    public-key = \"" OTHER
                                       "\"\n    secret-key = \"" KEY "\"\n"};
    uint8_t secret[Z85_KEY];

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        holds(good[i], 0600);
        ck_assert(key_file_secret(file, secret));
        ck_assert_mem_eq(secret, key, Z85_KEY);
    }
}
END_TEST

START_TEST(what_is_no_secret_is_refused)
{
    static const char *const bad[] = {"",
                                      "\n",
                                      KEY "x",
                                      "short",
                                      "secret-key",
                                      "secret-key = \"",
                                      "secret-key = \"" KEY,
                                      "secret-key = " KEY};
    uint8_t secret[Z85_KEY];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        holds(bad[i], 0600);
        ck_assert(!key_file_secret(file, secret));
    }
    holds(KEY, 0644);
    ck_assert(!key_file_secret(file, secret));
    ck_assert(!key_file_secret("/nonexistent", secret));
}
END_TEST

START_TEST(a_list_has_names_and_keys)
{
    holds("# gateways\n\n  one:" KEY "\ntwo:" OTHER ":role,role\r\n", 0644);
    ck_assert(key_file_list(file, &list));
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(key_file_find(&list, key), "one");
    ck_assert_str_eq(key_file_find(&list, other), "two");
    holds("", 0644);
    ck_assert(key_file_list(file, &list));
    ck_assert(key_file_find(&list, key) == NULL);
}
END_TEST

START_TEST(a_list_that_makes_no_sense_leaves_the_one_before)
{
    static const char *const bad[] = {
        "one",
        "one:",
        ":" KEY "\n",
        "one:short\n",
        "one:" KEY "x\n",
        "one:" KEY "\ntwo:\n",
        "a-name-that-is-longer-than-any-name-of-a-gateway-has-a-right-to-be:" KEY "\n"};

    holds("one:" KEY "\n", 0644);
    ck_assert(key_file_list(file, &list));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        holds(bad[i], 0644);
        ck_assert(!key_file_list(file, &list));
        ck_assert_uint_eq(list.count, 1);
    }
    ck_assert(!key_file_list("/nonexistent", &list));
    ck_assert_str_eq(key_file_find(&list, key), "one");
}
END_TEST

int main(void)
{
    return RUN_TESTS("key_file", begin, end, a_secret_is_a_key_or_a_certificate,
                     what_is_no_secret_is_refused, a_list_has_names_and_keys,
                     a_list_that_makes_no_sense_leaves_the_one_before);
}
