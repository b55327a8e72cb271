/*
 * test_session_owner.c - whose a session is, and who may have it.
 */
#include "session_owner.h"

#include "mem.h"
#include "run_suite.h"

static const struct session_owners open_to_all = {false, false}, known_only = {true, false},
                                   with_strangers = {true, true};

static bool admits(const struct session_owners *o, const char *owner, const char *principal)
{
    const struct session_head h = {.version = 5, .principal = slice_of(owner)};

    return session_owner_admits(o, &h, slice_of(principal));
}

static bool bare_admits(const struct session_owners *o, const char *owner, const char *principal)
{
    const struct session_head h = {.version = 5, .principal = slice_of(owner), .bare = true};

    return session_owner_admits(o, &h, slice_of(principal));
}

START_TEST(a_session_is_its_principals_alone)
{
    const struct session_owners *const all[] = {&known_only, &with_strangers};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ck_assert(admits(all[i], "user:ann", "user:ann"));
        ck_assert(!admits(all[i], "user:ann", "user:bob"));
        ck_assert(!admits(all[i], "user:ann", "cert:ann"));
        ck_assert(!admits(all[i], "user:ann", "token:ann"));
        ck_assert(!admits(all[i], "user:ann", "user:an"));
        ck_assert(!admits(all[i], "user:ann", "user:anna"));
        ck_assert(!admits(all[i], "user:ann", ""));
    }
}
END_TEST

START_TEST(strangers_share_what_they_have_and_keep_it)
{
    ck_assert(admits(&with_strangers, "", ""));
    ck_assert(!admits(&with_strangers, "", "user:ann"));
}
END_TEST

START_TEST(where_no_stranger_comes_any_more_what_they_had_is_anybodys)
{
    ck_assert(admits(&known_only, "", "user:ann"));
    ck_assert(admits(&known_only, "", "cert:c"));
}
END_TEST

START_TEST(without_auth_only_certificates_keep_theirs)
{
    ck_assert(admits(&open_to_all, "", ""));
    ck_assert(admits(&open_to_all, "user:ann", ""));
    ck_assert(admits(&open_to_all, "token:ann", ""));
    ck_assert(admits(&open_to_all, "cert:ann", "cert:ann"));
    ck_assert(!admits(&open_to_all, "cert:ann", ""));
    ck_assert(!admits(&open_to_all, "cert:ann", "cert:bob"));
    ck_assert(!admits(&open_to_all, "user:ann", "cert:ann"));
    ck_assert(!admits(&open_to_all, "", "cert:ann"));
}
END_TEST

START_TEST(a_name_without_a_kind_is_the_users_or_the_certificates)
{
    const struct session_owners *const all[] = {&known_only, &with_strangers};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ck_assert(bare_admits(all[i], "ann", "user:ann"));
        ck_assert(bare_admits(all[i], "ann", "cert:ann"));
        ck_assert(!bare_admits(all[i], "ann", "token:ann"));
        ck_assert(!bare_admits(all[i], "ann", "user:bob"));
        ck_assert(!bare_admits(all[i], "ann", ""));
        ck_assert(
            !bare_admits(all[i], "user:ann", "user:ann")); /* somebody had called himself so */
    }
    ck_assert(bare_admits(&open_to_all, "ann", ""));
    ck_assert(bare_admits(&open_to_all, "ann", "cert:ann"));
    ck_assert(!bare_admits(&open_to_all, "ann", "cert:bob"));
}
END_TEST

START_TEST(a_subject_of_before_is_the_certificates)
{
    ck_assert(bare_admits(&known_only, "CN=ann", "cert:ann"));
    ck_assert(bare_admits(&known_only, "CN=ann,O=Example", "cert:ann"));
    ck_assert(bare_admits(&open_to_all, "OU=x,CN=ann", "cert:ann"));
    ck_assert(!bare_admits(&known_only, "CN=ann,O=Example", "cert:bob"));
    ck_assert(!bare_admits(&known_only, "CN=anna", "cert:ann"));
    ck_assert(!bare_admits(&known_only, "O=CN=ann", "cert:ann"));
    ck_assert(!bare_admits(&known_only, "CN=ann", "user:ann"));
}
END_TEST

int main(void)
{
    return RUN_TESTS("session_owner", NULL, NULL, a_session_is_its_principals_alone,
                     strangers_share_what_they_have_and_keep_it,
                     where_no_stranger_comes_any_more_what_they_had_is_anybodys,
                     without_auth_only_certificates_keep_theirs,
                     a_name_without_a_kind_is_the_users_or_the_certificates,
                     a_subject_of_before_is_the_certificates);
}
