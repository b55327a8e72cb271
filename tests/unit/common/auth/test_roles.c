/* Unit tests of roles of the configuration. */
#include "roles.h"

#include "auth_file.h"

static struct config *config;
static struct roles *roles;
static struct grants grants;
static struct buf names;

static void begin(void)
{
    world_begin();
    config = world_config("[role \"reader\"]\nsubscribe = a/#, b/#\n"
                          "[role \"own\"]\npublish = own/%u/#\nsubscribe = own/%u/#\n"
                          "manage = own/%u/#\n[role \"nothing\"]\n");
    roles = roles_open(config);
    config_free(config); /* roles are a copy */
    grants = (struct grants){0};
    names = (struct buf){0};
}

static void end(void)
{
    grants_free(&grants);
    buf_free(&names);
    roles_close(roles);
    world_end();
}

static bool may(enum auth_verb verb, const char *filter)
{
    return grants_cover(&grants, verb, slice_of(filter), SLICE(""));
}

START_TEST(roles_grant_what_they_list)
{
    buf_str16(&names, SLICE("reader"));
    buf_str16(&names, SLICE("own"));
    buf_str16(&names, SLICE("nothing"));
    roles_grant(roles, &names, SLICE("alice"), &grants);
    ck_assert_uint_eq(grants.count, 5);
    ck_assert(may(AUTH_SUBSCRIBE, "a/x") && may(AUTH_SUBSCRIBE, "b"));
    ck_assert(may(AUTH_PUBLISH, "own/alice/x") && may(AUTH_MANAGE, "own/alice/#"));
    ck_assert(!may(AUTH_PUBLISH, "a/x") && !may(AUTH_PUBLISH, "own/bob/x"));
}
END_TEST

START_TEST(a_name_that_may_not_stand_in_a_topic_gets_the_rest)
{
    buf_str16(&names, SLICE("reader"));
    buf_str16(&names, SLICE("own"));
    roles_grant(roles, &names, SLICE("#"), &grants);
    ck_assert_uint_eq(grants.count, 2);
    ck_assert(may(AUTH_SUBSCRIBE, "a/x") && !may(AUTH_SUBSCRIBE, "own/x"));
}
END_TEST

START_TEST(roles_that_there_are_not_grant_nothing_and_are_named)
{
    buf_str16(&names, SLICE("reader"));
    ck_assert_ptr_null(roles_missing(roles, &names).p);
    buf_str16(&names, SLICE("author"));
    ck_assert(slice_eq(roles_missing(roles, &names), SLICE("author")));
    roles_grant(roles, &names, SLICE("alice"), &grants);
    ck_assert_uint_eq(grants.count, 2);
    ck_assert(roles_exist(roles, SLICE("own")) && !roles_exist(roles, SLICE("Own")));
    ck_assert(!roles_exist(roles, SLICE("")));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("roles");
    TCase *t = tcase_create("roles");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, roles_grant_what_they_list);
    tcase_add_test(t, a_name_that_may_not_stand_in_a_topic_gets_the_rest);
    tcase_add_test(t, roles_that_there_are_not_grant_nothing_and_are_named);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
