/*
 * What a verified token says: each claim right, missing, and wrong.
 */
#include "claims.h"

#include "../fixture.h"
#include "mem.h"

#define NOW 1700000000000u /* ms */
static const struct claims_rules any = {
    .issuer = "", .audience = "", .leeway_ms = 5000, .grants_max = 4};

static struct findings found;
static const char *why;

static void end(void)
{
    findings_free(&found);
}

/* ' for " */
static enum claims_verdict judge_by(const struct claims_rules *r, const char *claims)
{
    char *json = mem_strdup(claims);
    enum claims_verdict v;

    for (char *p = json; *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    findings_free(&found);
    v = claims_read(slice_of(json), r, NOW, &found, &why);
    free(json);
    ck_assert((v == CLAIMS_GOOD) == (found.name != NULL));
    return v;
}

static const struct {
    const char *claims;
    enum claims_verdict verdict;
} cases[] = {
    {"{'sub':'alice'}", CLAIMS_GOOD},
    {" {'sub':'alice'}\n", CLAIMS_GOOD},
    {"{}", CLAIMS_WRONG},
    {"", CLAIMS_WRONG},
    {"[]", CLAIMS_WRONG},
    {"'alice'", CLAIMS_WRONG},
    {"{'sub':''}", CLAIMS_WRONG},
    {"{'sub':7}", CLAIMS_WRONG},
    {"{'sub':null}", CLAIMS_WRONG},
    {"{'sub':'a\\u0000b'}", CLAIMS_WRONG},
    {"{'sub':'a\\nb'}", CLAIMS_WRONG},
    {"{'sub':'\\ud800'}", CLAIMS_WRONG},
    {"{'sub':'alice','sub':'bob'}", CLAIMS_WRONG},
    {"{'sub':'alice','s\\u0075b':'bob'}", CLAIMS_WRONG},
    {"{'sub':'auth0|5f7c8ec7c33c6c004bbafe82'}", CLAIMS_GOOD},
    {"{'sub':'a','jti':''}", CLAIMS_WRONG},
    {"{'sub':'a','jti':7}", CLAIMS_WRONG},
    {"{'sub':'a','jti':'7'}", CLAIMS_GOOD},

    {"{'sub':'a','exp':1700000001}", CLAIMS_GOOD},
    {"{'sub':'a','exp':1700000000}", CLAIMS_GOOD}, /* leeway */
    {"{'sub':'a','exp':1699999996}", CLAIMS_GOOD},
    {"{'sub':'a','exp':1699999995}", CLAIMS_EXPIRED},
    {"{'sub':'a','exp':0}", CLAIMS_EXPIRED},
    {"{'sub':'a','exp':-0}", CLAIMS_EXPIRED},
    {"{'sub':'a','exp':-1}", CLAIMS_WRONG},
    {"{'sub':'a','exp':1700000000.5}", CLAIMS_GOOD},
    {"{'sub':'a','exp':1.7e9}", CLAIMS_GOOD},
    {"{'sub':'a','exp':'1700000001'}", CLAIMS_WRONG},
    {"{'sub':'a','exp':null}", CLAIMS_WRONG},
    {"{'sub':'a','exp':true}", CLAIMS_WRONG},
    {"{'sub':'a','exp':[1700000001]}", CLAIMS_WRONG},
    {"{'sub':'a','exp':1e400}", CLAIMS_WRONG},
    {"{'sub':'a','exp':1e12}", CLAIMS_GOOD},
    {"{'sub':'a','exp':1700000000000}", CLAIMS_WRONG}, /* ms */
    {"{'sub':'a','exp':99999999999999999999999999999999999999999}", CLAIMS_WRONG},
    {"{'sub':'a','nbf':1700000005}", CLAIMS_GOOD},
    {"{'sub':'a','nbf':1700000006}", CLAIMS_NOT_YET},
    {"{'sub':'a','nbf':'1'}", CLAIMS_WRONG},
    {"{'sub':'a','iat':1700000005}", CLAIMS_GOOD},
    {"{'sub':'a','iat':1700000006}", CLAIMS_NOT_YET},
    {"{'sub':'a','iat':1,'nbf':1,'exp':2e9}", CLAIMS_GOOD},
    {"{'sub':'a','iss':7}", CLAIMS_WRONG},
    {"{'sub':'a','aud':[7]}", CLAIMS_WRONG},
    {"{'sub':'a','aud':{}}", CLAIMS_WRONG},

    {"{'sub':'a','sluice':null}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':[]}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':{}}", CLAIMS_GOOD},
    {"{'sub':'a','sluice':{'publish':[]}}", CLAIMS_GOOD},
    {"{'sub':'a','sluice':{'publish':'a/#'}}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':{'publish':[7]}}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':{'publish':['a/#/b']}}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':{'publish':['']}}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':{'publish':['a\\u0000']}}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':{'publish':['a'],'publish':['#']}}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':{'roles':['']}}", CLAIMS_WRONG},
    {"{'sub':'a','sluice':{'later':1}}", CLAIMS_GOOD},
    {"{'sub':'a','sluice':{'publish':['a','b'],'subscribe':['%u/#'],'roles':['r']}}", CLAIMS_GOOD},
    {"{'sub':'a','sluice':{'publish':['a','b'],'subscribe':['c','d'],'roles':['r']}}",
     CLAIMS_WRONG},
};

START_TEST(claims_are_judged)
{
    enum claims_verdict v = judge_by(&any, cases[_i].claims);

    ck_assert_msg(v == cases[_i].verdict, "%s: %d (%s)", cases[_i].claims, v, why);
}
END_TEST

static const struct {
    const char *issuer, *audience, *claims;
    bool good;
} parties[] = {
    {"https://id", "", "{'sub':'a','iss':'https://id'}", true},
    {"https://id", "", "{'sub':'a','iss':'https://id/'}", false},
    {"https://id", "", "{'sub':'a'}", false},
    {"", "us", "{'sub':'a','aud':'us'}", true},
    {"", "us", "{'sub':'a','aud':['them','us']}", true},
    {"", "them, us", "{'sub':'a','aud':'us'}", true},
    {"", "us", "{'sub':'a','aud':[]}", false},
    {"", "us", "{'sub':'a','aud':''}", false},
    {"", "us", "{'sub':'a'}", false},
    {"", "us", "{'sub':'a','aud':'US'}", false},
};

START_TEST(issuer_and_audience_are_ours)
{
    struct claims_rules r = any;

    ck_assert_int_eq(judge_by(&any, parties[_i].claims), CLAIMS_GOOD);
    r.issuer = parties[_i].issuer;
    r.audience = parties[_i].audience;
    ck_assert(claims_stand(&found, &r) == parties[_i].good);
    ck_assert_int_eq(judge_by(&r, parties[_i].claims) == CLAIMS_GOOD, parties[_i].good);
}
END_TEST

START_TEST(findings_hold_what_was_said)
{
    ck_assert_int_eq(judge_by(&any, "{'sub':'al\\u0069ce','jti':'t','exp':1700000060,'sluice':{"
                                    "'publish':['a'],'manage':['m/#'],'roles':['r','s']}}"),
                     CLAIMS_GOOD);
    ck_assert_str_eq(found.name, "alice");
    ck_assert_str_eq(found.jti, "t");
    ck_assert_int_eq(found.kind, PRINCIPAL_TOKEN);
    ck_assert_uint_eq(found.expires_ms, 1700000065000u);
    ck_assert(slice_eq(buf_slice(&found.roles), SLICE("\1\0r\1\0s")));
    ck_assert(slice_eq(buf_slice(&found.grants), SLICE("\0\1\0a\2\3\0m/#")));
    ck_assert_int_eq(judge_by(&any, "{'sub':'a'}"), CLAIMS_GOOD);
    ck_assert_uint_eq(found.expires_ms, 0);
}
END_TEST

START_TEST(more_members_than_anybody_needs_are_too_many)
{
    struct buf b = {0};

    buf_puts(&b, "{'sub':'a'");
    for (unsigned i = 1; i < 128; i++)
        buf_printf(&b, ",'m%u':0", i);
    buf_puts(&b, "}");
    buf_u8(&b, '\0');
    ck_assert_int_eq(judge_by(&any, (char *)b.p), CLAIMS_GOOD);
    b.len -= 2;
    buf_puts(&b, ",'z':0}");
    buf_u8(&b, '\0');
    ck_assert_int_eq(judge_by(&any, (char *)b.p), CLAIMS_WRONG);
    buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("claims");
    TCase *t = tcase_create("claims");

    tcase_add_checked_fixture(t, NULL, end);
    tcase_add_loop_test(t, claims_are_judged, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(t, issuer_and_audience_are_ours, 0, (int)ARRAY_LEN(parties));
    tcase_add_test(t, findings_hold_what_was_said);
    tcase_add_test(t, more_members_than_anybody_needs_are_too_many);
    suite_add_tcase(s, t);
    return run_suite(s);
}
