/* Unit tests of callers: what they may, what they count, and being told while others go. */
#include "auth_file.h"
#include "authority.h"

#define CALLERS 5

static struct authority *authority;
static struct one {
    struct caller caller;
    unsigned told;
    struct one *ends; /* once told */
    struct one *begins;
} all[CALLERS];

static const char *const text = "[auth]\nkeys = ~/keys\nanonymous = guest\n"
                                "[limits]\nprincipal_connections = 2\n[role \"guest\"]\n%s\n"
                                "[role \"pump\"]\n%s\n";
#define KEYS                                                                                       \
    "pump:HelloWorldHelloWorldHelloWorldHelloWorld:pump\n"                                         \
    "valve:rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7:pump\n"

static const uint8_t pump[] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b, 0x86, 0x4f, 0xd2,
                               0x6f, 0xb5, 0x59, 0xf7, 0x5b, 0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59,
                               0xf7, 0x5b, 0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};

static struct config *config_with(const char *guest_grants, const char *pump_grants)
{
    char filled[512];

    (void)snprintf(filled, sizeof filled, text, guest_grants, pump_grants);
    return world_config(filled);
}

static void begin(void)
{
    struct config *c;

    world_begin();
    world_write("keys", KEYS);
    memset(all, 0, sizeof all);
    c = config_with("subscribe = #", "publish = %u/%c/#");
    authority = authority_open(&loop, c);
    ck_assert_ptr_nonnull(authority);
    config_free(c);
}

static void end(void)
{
    for (size_t i = 0; i < CALLERS; i++)
        caller_end(&all[i].caller);
    authority_close(authority);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    world_end();
}

static void reload(const char *keys, const char *guest_grants, const char *pump_grants)
{
    struct config *c = config_with(guest_grants, pump_grants);

    world_write("keys", keys);
    ck_assert(authority_reload(authority, c));
    config_free(c);
}

static void act(struct one *one, const struct credentials *c)
{
    struct auth_answer answer;

    ck_assert_ptr_null(authority_ask(authority, c, &answer, NULL, NULL));
    ck_assert_int_eq(answer.outcome, AUTH_KNOWN);
    caller_begin(&one->caller, answer.principal);
}

static void act_as_guest(struct one *one)
{
    act(one, &(struct credentials){.kind = CREDENTIALS_NONE});
}

static void act_as_pump(struct one *one)
{
    act(one,
        &(struct credentials){.kind = CREDENTIALS_KEY, .key = {(const char *)pump, sizeof pump}});
}

static void on_changed(struct caller *c)
{
    struct one *one = CONTAINER_OF(c, struct one, caller);

    one->told++;
    if (one->ends != NULL)
        caller_end(&one->ends->caller);
    if (one->begins != NULL)
        act_as_guest(one->begins);
}

/* Each acts, and hears of changes; the last one is told first. */
static void all_act(void (*as)(struct one *one))
{
    for (size_t i = 0; i < CALLERS; i++) {
        all[i].caller.changed = on_changed;
        as(&all[i]);
    }
}

START_TEST(nobody_may_nothing)
{
    struct caller *c = &all[0].caller;

    ck_assert(!caller_may(c, AUTH_SUBSCRIBE, SLICE("a")) && !caller_stands(c));
    ck_assert(caller_is_anonymous(c) && caller_name(c).len == 0);
    ck_assert(!caller_connect(c));
    caller_end(c);
    caller_copy(c, &all[1].caller);
    ck_assert_ptr_null(c->principal);
}
END_TEST

START_TEST(who_acts_may_what_is_granted)
{
    struct caller *c = &all[0].caller;

    act_as_guest(&all[0]);
    ck_assert(caller_may(c, AUTH_SUBSCRIBE, SLICE("a/#")) && caller_is_anonymous(c));
    ck_assert(!caller_may(c, AUTH_PUBLISH, SLICE("a")));
    act_as_pump(&all[0]);
    ck_assert(slice_eq(caller_name(c), SLICE("key:pump")) && !caller_is_anonymous(c));
    ck_assert(!caller_may(c, AUTH_PUBLISH, SLICE("pump/1/x")));
    c->client = SLICE("1");
    ck_assert(caller_may(c, AUTH_PUBLISH, SLICE("pump/1/x")));
    ck_assert(!caller_may(c, AUTH_SUBSCRIBE, SLICE("a")));
    caller_copy(&all[1].caller, c);
    ck_assert_ptr_eq(all[1].caller.principal, c->principal);
    ck_assert(!caller_may(&all[1].caller, AUTH_PUBLISH, SLICE("pump/1/x"))); /* no client */
}
END_TEST

/* principal_connections is 2. */
START_TEST(connections_are_counted_by_name)
{
    for (size_t i = 0; i < 3; i++)
        act_as_pump(&all[i]);
    ck_assert(caller_connect(&all[0].caller) && caller_connect(&all[0].caller));
    ck_assert(caller_connect(&all[1].caller) && !caller_connect(&all[2].caller));
    act_as_pump(&all[1]); /* the same name: its place stays */
    ck_assert(!caller_connect(&all[2].caller));
    act_as_guest(&all[1]);
    ck_assert(caller_connect(&all[2].caller));
    caller_end(&all[2].caller);
    ck_assert(!all[2].caller.connected);
    for (size_t i = 0; i < CALLERS; i++) {
        act_as_guest(&all[i]);
        ck_assert(caller_connect(&all[i].caller)); /* strangers are counted elsewhere */
    }
}
END_TEST

START_TEST(all_are_told_when_grants_change_and_not_when_they_stay)
{
    all_act(act_as_guest);
    reload(KEYS, "subscribe = #", "publish = #");
    for (size_t i = 0; i < CALLERS; i++)
        ck_assert_uint_eq(all[i].told, 0);
    reload(KEYS, "subscribe = a/#", "publish = #");
    for (size_t i = 0; i < CALLERS; i++) {
        ck_assert_uint_eq(all[i].told, 1);
        ck_assert(!caller_may(&all[i].caller, AUTH_SUBSCRIBE, SLICE("b")));
        ck_assert(caller_may(&all[i].caller, AUTH_SUBSCRIBE, SLICE("a/b")));
    }
}
END_TEST

START_TEST(who_is_revoked_is_told_once_and_may_nothing_more)
{
    all_act(act_as_pump);
    reload("", "subscribe = #", "publish = #");
    reload("", "subscribe = #", "publish = a");
    for (size_t i = 0; i < CALLERS; i++) {
        ck_assert_uint_eq(all[i].told, 1);
        ck_assert(!caller_stands(&all[i].caller));
        ck_assert_int_eq(all[i].caller.principal->state, PRINCIPAL_REVOKED);
        ck_assert(!caller_may(&all[i].caller, AUTH_PUBLISH, SLICE("a")));
    }
}
END_TEST

START_TEST(who_is_told_may_end_itself)
{
    all_act(act_as_pump);
    for (size_t i = 0; i < CALLERS; i++)
        all[i].ends = &all[i];
    reload("", "", "");
    for (size_t i = 0; i < CALLERS; i++)
        ck_assert(all[i].told == 1 && all[i].caller.principal == NULL);
}
END_TEST

START_TEST(who_is_told_may_end_the_next_one_or_one_before)
{
    all_act(act_as_pump);
    all[4].ends = &all[3]; /* the next */
    all[2].ends = &all[4]; /* one before */
    reload("", "", "");
    ck_assert_uint_eq(all[3].told, 0);
    for (size_t i = 0; i < CALLERS; i++)
        ck_assert(i == 3 || all[i].told == 1);
}
END_TEST

START_TEST(who_is_told_may_end_all_others)
{
    all_act(act_as_pump);
    for (size_t i = 0; i < CALLERS; i++)
        all[i].ends = &all[(i + CALLERS - 1) % CALLERS];
    reload("", "", "");
    ck_assert_uint_eq(all[4].told, 1);
    ck_assert_uint_eq(all[3].told, 0);
    ck_assert_uint_eq(all[2].told, 1);
    ck_assert_uint_eq(all[1].told, 0);
}
END_TEST

START_TEST(who_is_told_may_act_as_somebody_else)
{
    all_act(act_as_pump);
    for (size_t i = 0; i < CALLERS; i++)
        all[i].begins = &all[i];
    reload("", "subscribe = #", "");
    for (size_t i = 0; i < CALLERS; i++) {
        ck_assert_uint_eq(all[i].told, 1);
        ck_assert(caller_is_anonymous(&all[i].caller) && caller_stands(&all[i].caller));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("caller");
    TCase *t = tcase_create("caller");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, nobody_may_nothing);
    tcase_add_test(t, who_acts_may_what_is_granted);
    tcase_add_test(t, connections_are_counted_by_name);
    tcase_add_test(t, all_are_told_when_grants_change_and_not_when_they_stay);
    tcase_add_test(t, who_is_revoked_is_told_once_and_may_nothing_more);
    tcase_add_test(t, who_is_told_may_end_itself);
    tcase_add_test(t, who_is_told_may_end_the_next_one_or_one_before);
    tcase_add_test(t, who_is_told_may_end_all_others);
    tcase_add_test(t, who_is_told_may_act_as_somebody_else);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
