/* Unit tests of the file of CURVE keys. */
#include "auth_file.h"
#include "keys.h"
#include "z85.h"

#define HELLO "HelloWorldHelloWorldHelloWorldHelloWorld"
#define OTHER "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static struct config *config;
static struct roles *roles;
static struct keys *keys;
static struct findings found;

static void begin(void)
{
    world_begin();
    config = world_config("[auth]\nkeys = ~/keys\n[role \"a\"]\npublish = #\n[role \"b\"]\n");
    roles = roles_open(config);
}

static void end(void)
{
    findings_free(&found);
    keys_close(keys);
    keys = NULL;
    roles_close(roles);
    config_free(config);
    world_end();
}

static bool open_with(const char *text)
{
    keys_close(keys);
    world_write("keys", text);
    keys = keys_open(config, roles);
    return keys != NULL;
}

static bool find(const char *text)
{
    uint8_t key[Z85_KEY];

    ck_assert(z85_get(slice_of(text), key));
    findings_free(&found);
    return keys_find(keys, (struct slice){(const char *)key, sizeof key}, &found);
}

static void expect_roles(const char *expected)
{
    ck_assert_uint_eq(found.roles.len, 3 * strlen(expected));
    for (size_t i = 0; expected[i] != '\0'; i++)
        ck_assert_int_eq(found.roles.p[3 * i + 2], expected[i]);
}

START_TEST(a_key_has_a_name_and_roles)
{
    ck_assert(open_with("# plants\npump:" HELLO ":a,b\nvalve:" OTHER ":b\n"));
    ck_assert(find(HELLO));
    ck_assert_str_eq(found.name, "pump");
    ck_assert_int_eq(found.kind, PRINCIPAL_KEY);
    expect_roles("ab");
    ck_assert(find(OTHER));
    ck_assert_str_eq(found.name, "valve");
    ck_assert(keys_know(keys, SLICE("pump")) && !keys_know(keys, SLICE("tap")));
    ck_assert(!keys_find(keys, SLICE("short"), &found));
    ck_assert(open_with("pump:" HELLO ":a\n"));
    ck_assert(!find(OTHER));
}
END_TEST

START_TEST(a_key_stands_while_it_is_that_names)
{
    ck_assert(open_with("pump:" HELLO ":a\n") && find(HELLO));
    ck_assert(open_with("valve:" OTHER ":a\npump:" HELLO ":b\n"));
    ck_assert(keys_stand(keys, &found));
    expect_roles("b");
    ck_assert(open_with("valve:" HELLO ":a\n"));
    ck_assert(!keys_stand(keys, &found));
    ck_assert(open_with("pump:" OTHER ":a\n"));
    ck_assert(!keys_stand(keys, &found));
}
END_TEST

static const char *const bad[] = {
    "pump:HelloWorld:a\n",
    "pump::a\n",
    "pump:" HELLO ":c\n",
    "pump:" HELLO ":a\nvalve:" HELLO ":a\n",
    "pump:" HELLO ":a\npump:" OTHER ":a\n",
};

START_TEST(a_bad_file_is_refused)
{
    ck_assert(!open_with(bad[_i]));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("keys");
    TCase *t = tcase_create("keys");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_key_has_a_name_and_roles);
    tcase_add_test(t, a_key_stands_while_it_is_that_names);
    tcase_add_loop_test(t, a_bad_file_is_refused, 0, ARRAY_LEN(bad));
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
