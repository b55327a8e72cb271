/*
 * Tokens from a question to the end of who they were: asked at once and later, remembered, run
 * out, revoked, narrowed, undisturbed by what does not concern them.
 */
#include "auth_world.h"
#include "metrics.h"
#include "played_http.h"

#include <time.h>

#define BOTH "{'sub':'alice','jti':'t1','sluice':{'roles':['reader'],'publish':['a/#']}}"
#define ROLES "[role \"reader\"]\nsubscribe = r/#\n"

static struct authority *authority;
static struct jwk old_key, new_key;
static struct played_http server;

static struct caller caller;
static unsigned changes;

static struct auth_answer last;
static unsigned answers;

static void begin(void)
{
    world_begin();
    key_make(&old_key, "old");
    key_make(&new_key, "new");
    played_http_open(&server, &loop);
    changes = answers = 0;
    last = (struct auth_answer){0};
    caller = (struct caller){0};
}

static void end(void)
{
    caller_end(&caller);
    authority_close(authority);
    authority = NULL;
    played_http_close(&server, &loop);
    loop_end();
    jwk_free(&old_key);
    jwk_free(&new_key);
    world_end();
}

/* --- words ---------------------------------------------------------------------------- */

/* %s of text: the server's URL, or the path of the keys' file. */
static struct config *configured(const char *text, bool url)
{
    static char from[128];
    struct buf all = {0};
    struct config *c;

    if (url)
        (void)snprintf(from, sizeof from, "http://127.0.0.1:%u/keys", server.port);
    else
        (void)snprintf(from, sizeof from, "%s", world_path("keys.jwks"));
    buf_printf(&all, "[auth]\njwks = %s\n%s\n", from, text);
    buf_u8(&all, '\0');
    c = world_config((const char *)all.p);
    buf_free(&all);
    return c;
}

static void open_with(const char *text, bool url)
{
    config = configured(text, url);
    authority = authority_open(&loop, config);
    ck_assert_ptr_nonnull(authority);
}

static bool reload_with(const char *text, bool url)
{
    config_free(config);
    config = configured(text, url);
    return authority_reload(authority, config);
}

static void on_answer(void *arg, const struct auth_answer *answer)
{
    ck_assert_ptr_eq(arg, &answers);
    last = *answer;
    answers++;
}

static struct auth_ask *ask_with(const char *token)
{
    struct credentials c = {.kind = CREDENTIALS_TOKEN, .token = slice_of(token)};
    char *copy = mem_strdup(token); /* what is shown goes away */
    struct auth_ask *q;

    c.token.p = copy;
    q = authority_ask(authority, &c, &last, on_answer, &answers);
    memset(copy, 'x', strlen(copy));
    free(copy);
    return q;
}

static enum auth_outcome outcome(const struct jwk *k, const char *claims)
{
    char *token = token_make(k, claims);
    unsigned before = answers;

    if (ask_with(token) != NULL)
        RUN_UNTIL(answers > before);
    free(token);
    if (last.outcome == AUTH_KNOWN)
        principal_unref(last.principal);
    return last.outcome;
}

static void on_changed(struct caller *c)
{
    ck_assert_ptr_eq(c, &caller);
    changes++;
}

static void act_as(const struct jwk *k, const char *claims)
{
    char *token = token_make(k, claims);
    unsigned before = answers;

    if (ask_with(token) != NULL)
        RUN_UNTIL(answers > before);
    free(token);
    ck_assert_int_eq(last.outcome, AUTH_KNOWN);
    caller.changed = on_changed;
    caller_begin(&caller, last.principal);
}

static void assert_name(const char *name)
{
    ck_assert(slice_eq(caller_name(&caller), slice_of(name)));
}

#define MAY(verb, filter) caller_may(&caller, verb, SLICE(filter))

/* --- nothing is configured ------------------------------------------------------------------ */

START_TEST(without_auth_everybody_may)
{
    config = world_config("");
    authority = authority_open(&loop, config);
    ck_assert(authority_admits_strangers(authority));
    ck_assert_ptr_null(ask_with("whatever"));
    ck_assert_int_eq(last.outcome, AUTH_KNOWN);
    caller_begin(&caller, last.principal);
    assert_name("anonymous");
    ck_assert(MAY(AUTH_MANAGE, "$SYS/#"));
}
END_TEST

/* --- keys in a file ----------------------------------------------------------------------------
 */

START_TEST(a_token_is_known_at_once)
{
    world_write("keys.jwks", JWKS(&old_key));
    open_with(ROLES, false);
    act_as(&old_key, BOTH);
    ck_assert_uint_eq(answers, 0);
    assert_name("token:alice");
    ck_assert(MAY(AUTH_PUBLISH, "a/b"));
    ck_assert(MAY(AUTH_SUBSCRIBE, "r/+"));
    ck_assert(!MAY(AUTH_SUBSCRIBE, "a/b"));
    ck_assert(!MAY(AUTH_PUBLISH, "#"));
}
END_TEST

START_TEST(the_same_token_is_the_same_principal)
{
    struct caller other = {0};
    char *token = token_make(&old_key, BOTH);

    world_write("keys.jwks", JWKS(&old_key));
    open_with("", false);
    ck_assert_ptr_null(ask_with(token));
    caller_begin(&caller, last.principal);
    ck_assert_ptr_null(ask_with(token));
    caller_begin(&other, last.principal);
    ck_assert_ptr_eq(caller.principal, other.principal);
    caller_end(&other);
    free(token);
}
END_TEST

START_TEST(what_is_wrong_is_refused_and_told_why)
{
    world_write("keys.jwks", JWKS(&old_key));
    open_with("leeway = 0s\naudience = us, them\nissuer = https://id.example\n", false);
#define GOOD "'sub':'a','iss':'https://id.example','aud':['us','x']"
    ck_assert_int_eq(outcome(&old_key, "{" GOOD "}"), AUTH_KNOWN);
    ck_assert_int_eq(outcome(&new_key, "{" GOOD "}"), AUTH_WRONG);
    ck_assert_str_eq(last.why, "no key for it (kid, alg)");
    ck_assert_int_eq(outcome(&old_key, "{" GOOD ",'exp':1}"), AUTH_EXPIRED);
    ck_assert_int_eq(outcome(&old_key, "{" GOOD ",'nbf':4102444800}"), AUTH_NOT_YET);
    ck_assert_int_eq(outcome(&old_key, "{" GOOD ",'exp':'soon'}"), AUTH_WRONG);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'a','iss':'https://id.example'}"), AUTH_WRONG);
    ck_assert_str_eq(last.why, "for another audience (aud)");
    ck_assert_ptr_null(ask_with("no.token"));
    ck_assert_int_eq(last.outcome, AUTH_WRONG);
    ck_assert_ptr_null(last.principal);
}
END_TEST

START_TEST(a_jwt_in_the_passwords_place_is_a_token)
{
    char *token = token_make(&old_key, BOTH);
    struct credentials c = {
        .kind = CREDENTIALS_PASSWORD, .user = SLICE("bob"), .password = slice_of(token)};

    world_write("keys.jwks", JWKS(&old_key));
    open_with("", false);
    ck_assert_ptr_null(authority_ask(authority, &c, &last, on_answer, &answers));
    ck_assert_int_eq(last.outcome, AUTH_KNOWN);
    caller_begin(&caller, last.principal);
    assert_name("token:alice");
    free(token);
}
END_TEST

START_TEST(a_secret_signs_too)
{
    struct jwk secret;
    const char *why;
    char text[300];

    world_write("secret", "0123456789abcdef0123456789abcdef\n");
    world_write("keys.jwks", JWKS(&old_key));
    ck_assert(jwk_read_secret(&secret, SLICE("0123456789abcdef0123456789abcdef"), &why));
    secret.kid = mem_strdup("any");
    (void)snprintf(text, sizeof text, "hmac_key_file = %s\n", world_path("secret"));
    open_with(text, false);
    ck_assert_int_eq(outcome(&secret, "{'sub':'a'}"), AUTH_KNOWN);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'a'}"), AUTH_KNOWN);
    jwk_free(&secret);
}
END_TEST

static const char *const bad_files[] = {
    "", "{}", "{\"keys\":[]}", "{\"keys\":[],\"keys\":[]}",
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}"};

START_TEST(keys_that_are_of_no_use_refuse_the_start)
{
    world_write("keys.jwks", bad_files[_i]);
    config = configured("", false);
    ck_assert_ptr_null(authority_open(&loop, config));
}
END_TEST

START_TEST(a_secret_that_is_short_refuses_the_start)
{
    char text[300];

    world_write("secret", "0123456789abcdef0123456789abcde\n"); /* 31 */
    (void)snprintf(text, sizeof text, "[auth]\nhmac_key_file = %s\n", world_path("secret"));
    config = world_config(text);
    ck_assert_ptr_null(authority_open(&loop, config));
}
END_TEST

START_TEST(plain_http_to_somebody_else_refuses_the_start)
{
    config = world_config("[auth]\njwks = http://id.example/keys\n");
    ck_assert_ptr_null(authority_open(&loop, config));
}
END_TEST

/* --- their end
 * ------------------------------------------------------------------------------------ */

static char *expiring(const char *sub, unsigned in_ms)
{
    struct buf b = {0};
    uint64_t at = clock_ms() + in_ms;
    char *made;

    buf_printf(&b, "{'sub':'%s','exp':%llu.%03u}", sub, (unsigned long long)(at / 1000),
               (unsigned)(at % 1000));
    made = mem_strndup((const char *)b.p, b.len);
    buf_free(&b);
    return made;
}

START_TEST(who_runs_out_is_told)
{
    uint64_t begun = clock_mono_ms();
    char *claims = expiring("alice", 300);

    world_write("keys.jwks", JWKS(&old_key));
    open_with("leeway = 0s\n", false);
    act_as(&old_key, claims);
    ck_assert(caller_stands(&caller));
    RUN_UNTIL(changes == 1);
    ck_assert_int_eq(caller.principal->state, PRINCIPAL_EXPIRED);
    ck_assert_uint_ge(clock_mono_ms() - begun, 290);
    ck_assert_uint_lt(clock_mono_ms() - begun, 1290);
    ck_assert_int_eq(outcome(&old_key, claims), AUTH_EXPIRED);
    free(claims);
}
END_TEST

START_TEST(leeway_is_given_at_both_ends)
{
    char *claims = expiring("alice", 0);

    world_write("keys.jwks", JWKS(&old_key));
    open_with("leeway = 60s\n", false);
    act_as(&old_key, claims);
    ck_assert_uint_ge(caller.principal->expires_ms, clock_ms() + 50000);
    free(claims);
}
END_TEST

static void deny(const char *list)
{
    char text[300];

    world_write("revoked", list);
    (void)snprintf(text, sizeof text, "revoked = %s\n" ROLES, world_path("revoked"));
    ck_assert(reload_with(text, false));
}

START_TEST(a_jti_that_is_denied_ends_at_once)
{
    world_write("keys.jwks", JWKS(&old_key));
    open_with(ROLES, false);
    act_as(&old_key, BOTH);
    deny("# stolen\nt2\n\n  t0 \r\n");
    ck_assert_uint_eq(changes, 0);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob','jti':'t2'}"), AUTH_WRONG);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob','jti':'t0'}"), AUTH_WRONG);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob','jti':'t'}"), AUTH_KNOWN);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob','jti':'# stolen'}"), AUTH_KNOWN);
    deny("t1\nt2\nt3\n");
    ck_assert_uint_eq(changes, 1);
    ck_assert_int_eq(caller.principal->state, PRINCIPAL_REVOKED);
    ck_assert(!MAY(AUTH_PUBLISH, "a/b"));
    ck_assert_int_eq(outcome(&old_key, BOTH), AUTH_WRONG);
    ck_assert_str_eq(last.why, "it was revoked");
}
END_TEST

START_TEST(a_role_that_shrinks_takes_away_and_no_more)
{
    world_write("keys.jwks", JWKS(&old_key));
    open_with(ROLES, false);
    act_as(&old_key, BOTH);
    ck_assert(reload_with(ROLES, false));
    ck_assert_uint_eq(changes, 0);
    ck_assert(reload_with("[role \"reader\"]\nsubscribe = r/1\n", false));
    ck_assert_uint_eq(changes, 1);
    ck_assert(caller_stands(&caller));
    ck_assert(MAY(AUTH_SUBSCRIBE, "r/1"));
    ck_assert(!MAY(AUTH_SUBSCRIBE, "r/2"));
    ck_assert(MAY(AUTH_PUBLISH, "a/b"));
}
END_TEST

START_TEST(another_audience_ends_who_came_for_the_first)
{
    world_write("keys.jwks", JWKS(&old_key));
    open_with("audience = us\n", false);
    act_as(&old_key, "{'sub':'alice','aud':'us'}");
    ck_assert(reload_with("audience = them, us\n", false));
    ck_assert_uint_eq(changes, 0);
    ck_assert(reload_with("audience = them\n", false));
    ck_assert_int_eq(caller.principal->state, PRINCIPAL_REVOKED);
}
END_TEST

START_TEST(a_key_that_leaves_the_file_takes_its_tokens_along)
{
    world_write("keys.jwks", JWKS(&old_key, &new_key));
    open_with("", false);
    act_as(&old_key, BOTH);
    world_write("keys.jwks", JWKS(&old_key));
    ck_assert(reload_with("", false));
    ck_assert_uint_eq(changes, 0);
    world_write("keys.jwks", JWKS(&new_key));
    ck_assert(reload_with("", false));
    ck_assert_int_eq(caller.principal->state, PRINCIPAL_REVOKED);
}
END_TEST

START_TEST(a_reload_that_cannot_be_leaves_all_as_it_was)
{
    world_write("keys.jwks", JWKS(&old_key));
    open_with("", false);
    act_as(&old_key, BOTH);
    world_write("keys.jwks", "{");
    ck_assert(!reload_with("", false));
    ck_assert_uint_eq(changes, 0);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob'}"), AUTH_KNOWN);
}
END_TEST

START_TEST(who_acts_outlives_the_authority)
{
    world_write("keys.jwks", JWKS(&old_key));
    open_with("", false);
    act_as(&old_key, BOTH);
    authority_close(authority);
    authority = NULL;
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_name("token:alice");
}
END_TEST

START_TEST(so_many_are_remembered_and_no_more)
{
    char claims[64];

    world_write("keys.jwks", JWKS(&old_key));
    open_with("remember = 3\n", false);
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(claims, sizeof claims, "{'sub':'u%u'}", i);
        ck_assert_int_eq(outcome(&old_key, claims), AUTH_KNOWN);
    }
}
END_TEST

/* --- keys of a URL
 * ----------------------------------------------------------------------------------- */

START_TEST(who_comes_before_the_keys_waits_for_them)
{
    char *token = token_make(&old_key, BOTH);

    server.body = JWKS(&old_key);
    open_with("", true);
    ck_assert_ptr_nonnull(ask_with(token));
    ck_assert_ptr_nonnull(ask_with(token));
    ck_assert_uint_eq(answers, 0);
    RUN_UNTIL(answers == 2);
    ck_assert_int_eq(last.outcome, AUTH_KNOWN);
    ck_assert_uint_eq(last.principal->references, 2); /* one, for both */
    principal_unref(last.principal);
    principal_unref(last.principal);
    free(token);
}
END_TEST

START_TEST(who_is_forgotten_hears_nothing)
{
    char *token = token_make(&old_key, BOTH);

    server.body = JWKS(&old_key);
    open_with("", true);
    authority_forget(ask_with(token));
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob'}"), AUTH_KNOWN);
    ck_assert_uint_eq(answers, 1);
    free(token);
}
END_TEST

START_TEST(an_authority_closes_while_somebody_waits)
{
    char *token = token_make(&old_key, BOTH);

    server.head = NULL;
    open_with("", true);
    ck_assert_ptr_nonnull(ask_with(token));
    RUN_UNTIL(server.requests == 1);
    authority_close(authority);
    authority = NULL;
    uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_uint_eq(answers, 0);
    free(token);
}
END_TEST

START_TEST(without_keys_it_is_not_known_until_there_are_some)
{
    uint64_t failures = metric_get(M_AUTH_JWKS_FAILURES);

    server.head = "503 Service Unavailable";
    open_with("jwks_refresh = 1s\n", true);
    ck_assert_int_eq(outcome(&old_key, BOTH), AUTH_UNAVAILABLE);
    ck_assert_uint_gt(metric_get(M_AUTH_JWKS_FAILURES), failures);
    server.head = "200 OK";
    server.body = "{\"keys\":[]}";
    RUN_UNTIL(server.requests >= 2);
    ck_assert_int_eq(outcome(&old_key, BOTH), AUTH_UNAVAILABLE);
    server.body = JWKS(&old_key);
    RUN_UNTIL(outcome(&old_key, BOTH) == AUTH_KNOWN);
    ck_assert_uint_gt(metric_get(M_AUTH_JWKS_FETCHED), 0);
}
END_TEST

START_TEST(the_last_good_keys_stay)
{
    server.body = JWKS(&old_key);
    open_with("jwks_refresh = 1s\n", true);
    act_as(&old_key, BOTH);
    server.head = "500 Oops";
    RUN_UNTIL(server.requests >= 2);
    ck_assert_uint_eq(changes, 0);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob'}"), AUTH_KNOWN);
    ck_assert_int_eq(outcome(&new_key, "{'sub':'bob'}"), AUTH_UNAVAILABLE);
}
END_TEST

START_TEST(an_unknown_key_is_asked_for_once_a_minute)
{
    server.body = JWKS(&old_key);
    open_with("", true);
    ck_assert_int_eq(outcome(&old_key, BOTH), AUTH_KNOWN);
    ck_assert_uint_eq(server.requests, 1);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(outcome(&new_key, BOTH), AUTH_WRONG);
    ck_assert_uint_eq(server.requests, 2);
}
END_TEST

static uint64_t a_minute_later(void *arg)
{
    (void)arg;
    return (uint64_t)time(NULL) * 1000 + 61000;
}

static uint64_t now_of_both(void *arg)
{
    return a_minute_later(arg) - 61000;
}

START_TEST(and_again_a_minute_later)
{
    clock_replace(now_of_both, NULL);
    server.body = JWKS(&old_key);
    open_with("", true);
    ck_assert_int_eq(outcome(&new_key, BOTH), AUTH_WRONG);
    ck_assert_int_eq(outcome(&new_key, BOTH), AUTH_WRONG);
    ck_assert_uint_eq(server.requests, 2);
    clock_replace(a_minute_later, NULL);
    server.body = JWKS(&old_key, &new_key);
    ck_assert_int_eq(outcome(&new_key, BOTH), AUTH_KNOWN);
    ck_assert_uint_eq(server.requests, 3);
    clock_replace(NULL, NULL);
}
END_TEST

START_TEST(keys_rotate_and_nobody_is_disturbed_before_theirs_is_gone)
{
    server.body = JWKS(&old_key);
    open_with("jwks_refresh = 1s\n", true);
    act_as(&old_key, BOTH);
    server.body = JWKS(&old_key, &new_key);
    ck_assert_int_eq(outcome(&new_key, "{'sub':'bob'}"), AUTH_KNOWN);
    ck_assert_uint_eq(changes, 0);
    server.body = JWKS(&new_key);
    RUN_UNTIL(changes > 0);
    ck_assert_int_eq(caller.principal->state, PRINCIPAL_REVOKED);
    ck_assert_int_eq(outcome(&new_key, "{'sub':'bob'}"), AUTH_KNOWN);
}
END_TEST

START_TEST(a_reload_keeps_the_keys_while_they_are_fetched_anew)
{
    unsigned requests;

    server.body = JWKS(&old_key);
    open_with("", true);
    act_as(&old_key, BOTH);
    requests = server.requests;
    server.head = NULL; /* silent */
    ck_assert(reload_with("", true));
    RUN_UNTIL(server.requests > requests);
    ck_assert_uint_eq(changes, 0);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob'}"), AUTH_KNOWN);
}
END_TEST

START_TEST(a_reload_asks_for_the_keys_and_ends_whose_are_gone)
{
    server.body = JWKS(&old_key);
    open_with("", true);
    act_as(&old_key, BOTH);
    server.body = JWKS(&new_key);
    ck_assert(reload_with("", true));
    ck_assert_uint_eq(changes, 0);
    RUN_UNTIL(changes == 1);
    ck_assert_int_eq(caller.principal->state, PRINCIPAL_REVOKED);
}
END_TEST

START_TEST(another_url_takes_nothing_away_before_it_has_answered)
{
    world_write("keys.jwks", JWKS(&old_key));
    open_with("", false);
    act_as(&old_key, BOTH);
    server.body = JWKS(&old_key);
    ck_assert(reload_with("", true));
    ck_assert_uint_eq(changes, 0);
    ck_assert_int_eq(outcome(&old_key, "{'sub':'bob'}"), AUTH_KNOWN);
    ck_assert_uint_eq(changes, 0);
    ck_assert(caller_stands(&caller));
}
END_TEST

START_TEST(who_waits_through_a_reload_is_answered_by_the_new)
{
    char *token = token_make(&new_key, BOTH);

    server.head = NULL;
    open_with("", true);
    ck_assert_ptr_nonnull(ask_with(token));
    world_write("keys.jwks", JWKS(&new_key));
    ck_assert(reload_with("", false));
    ck_assert_uint_eq(answers, 1);
    ck_assert_int_eq(last.outcome, AUTH_KNOWN);
    principal_unref(last.principal);
    free(token);
}
END_TEST

static void close_on_answer(void *arg, const struct auth_answer *answer)
{
    (void)arg;
    answers++;
    principal_unref(answer->principal);
    authority_close(authority);
    authority = NULL;
}

START_TEST(who_is_answered_may_close_it_all)
{
    char *token = token_make(&old_key, BOTH);
    struct credentials c = {.kind = CREDENTIALS_TOKEN, .token = slice_of(token)};

    server.body = JWKS(&old_key);
    open_with("", true);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(authority_ask(authority, &c, &last, close_on_answer, NULL));
    RUN_UNTIL(answers == 1);
    uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_uint_eq(answers, 1);
    free(token);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("authority");
    TCase *t = tcase_create("tokens");

    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 40);
    tcase_add_test(t, without_auth_everybody_may);
    tcase_add_test(t, a_token_is_known_at_once);
    tcase_add_test(t, the_same_token_is_the_same_principal);
    tcase_add_test(t, what_is_wrong_is_refused_and_told_why);
    tcase_add_test(t, a_jwt_in_the_passwords_place_is_a_token);
    tcase_add_test(t, a_secret_signs_too);
    tcase_add_loop_test(t, keys_that_are_of_no_use_refuse_the_start, 0, (int)ARRAY_LEN(bad_files));
    tcase_add_test(t, a_secret_that_is_short_refuses_the_start);
    tcase_add_test(t, plain_http_to_somebody_else_refuses_the_start);
    tcase_add_test(t, who_runs_out_is_told);
    tcase_add_test(t, leeway_is_given_at_both_ends);
    tcase_add_test(t, a_jti_that_is_denied_ends_at_once);
    tcase_add_test(t, a_role_that_shrinks_takes_away_and_no_more);
    tcase_add_test(t, another_audience_ends_who_came_for_the_first);
    tcase_add_test(t, a_key_that_leaves_the_file_takes_its_tokens_along);
    tcase_add_test(t, a_reload_that_cannot_be_leaves_all_as_it_was);
    tcase_add_test(t, who_acts_outlives_the_authority);
    tcase_add_test(t, so_many_are_remembered_and_no_more);
    tcase_add_test(t, who_comes_before_the_keys_waits_for_them);
    tcase_add_test(t, who_is_forgotten_hears_nothing);
    tcase_add_test(t, an_authority_closes_while_somebody_waits);
    tcase_add_test(t, without_keys_it_is_not_known_until_there_are_some);
    tcase_add_test(t, the_last_good_keys_stay);
    tcase_add_test(t, an_unknown_key_is_asked_for_once_a_minute);
    tcase_add_test(t, and_again_a_minute_later);
    tcase_add_test(t, keys_rotate_and_nobody_is_disturbed_before_theirs_is_gone);
    tcase_add_test(t, a_reload_keeps_the_keys_while_they_are_fetched_anew);
    tcase_add_test(t, a_reload_asks_for_the_keys_and_ends_whose_are_gone);
    tcase_add_test(t, another_url_takes_nothing_away_before_it_has_answered);
    tcase_add_test(t, who_waits_through_a_reload_is_answered_by_the_new);
    tcase_add_test(t, who_is_answered_may_close_it_all);
    suite_add_tcase(s, t);
    return run_suite(s);
}
