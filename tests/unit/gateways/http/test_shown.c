/* test_shown.c - what a request shows of who it comes from, and what is no way to show it. */
#include "shown.h"

#include "run_suite.h"

static struct http_request r;
static struct credentials c;
static struct buf text;
static struct problem p;

static void setup(void)
{
    memset(&r, 0, sizeof r);
    memset(&c, 0, sizeof c);
    memset(&p, 0, sizeof p);
}

static void teardown(void)
{
    buf_free(&text);
}

static void header(const char *name, const char *value)
{
    r.headers[r.header_count++] = (struct http_header){slice_of(name), slice_of(value)};
}

static bool read_as(enum shown_way way)
{
    struct shown s = shown_find(&r, SLICE("sid"));

    ck_assert_int_eq(s.way, way);
    buf_clear(&text);
    return shown_read(&s, &c, &text, &p);
}

static bool authorization(const char *value)
{
    setup();
    header("AUTHORIZATION", value);
    return read_as(SHOWN_AUTHORIZATION);
}

static void check_token(enum shown_way way, const char *token)
{
    ck_assert(read_as(way));
    ck_assert_int_eq(c.kind, CREDENTIALS_TOKEN);
    ck_assert(slice_eq(c.token, slice_of(token)));
}

static void check_malformed(const char *value)
{
    ck_assert(!authorization(value));
    ck_assert_int_eq(p.error, ERR_UNAUTHORIZED);
    ck_assert_ptr_nonnull(p.challenge);
    ck_assert_int_eq(c.kind, CREDENTIALS_NONE);
}

START_TEST(test_bearer_is_one_token)
{
    ck_assert(authorization("Bearer a.b-c_d~+/=="));
    ck_assert(slice_eq(c.token, SLICE("a.b-c_d~+/==")));
    ck_assert(authorization("bEARER   x"));
    ck_assert(slice_eq(c.token, SLICE("x")));
    check_malformed("Bearer");
    check_malformed("Bearer ");
    check_malformed("Bearer a b");
    check_malformed("Bearer =");
    check_malformed("Bearer a=b");
    check_malformed("Bearer \"a\"");
    check_malformed("Bearer\ta");
}
END_TEST

START_TEST(test_basic_is_a_name_and_a_password)
{
    ck_assert(authorization("Basic YWxpY2U6c2VjcmV0OjE="));
    ck_assert_int_eq(c.kind, CREDENTIALS_PASSWORD);
    ck_assert(slice_eq(c.user, SLICE("alice")) && slice_eq(c.password, SLICE("secret:1")));
    ck_assert(authorization("basic Og==")); /* both are empty: wrong, but well-formed */
    ck_assert(c.user.len == 0 && c.password.len == 0);
    ck_assert(authorization("Basic w6Q6w6Q=")); /* UTF-8 */
}
END_TEST

START_TEST(test_basic_is_read_strictly)
{
    check_malformed("Basic");
    check_malformed("Basic YWxpY2U=");             /* no colon */
    check_malformed("Basic YWxpY2U6c2VjcmV0OjE");  /* no padding */
    check_malformed("Basic YWxpY2U6c2VjcmV0OjF="); /* bits that no byte takes */
    check_malformed("Basic YWxp Y2U6");
    check_malformed("Basic YWxpY2U6cw-_");
    check_malformed("Basic YTpiAA=="); /* NUL */
    check_malformed("Basic 5Drk");     /* Latin-1 */
    check_malformed("Basic \\u0041");
}
END_TEST

START_TEST(test_another_scheme_is_not_passed_over)
{
    check_malformed("");
    check_malformed("Digest username=\"a\"");
    check_malformed("eyJhbGciOiJub25lIn0.e30.");
    setup();
    header("Authorization", "Bearer a");
    header("Authorization", "Bearer a");
    ck_assert(!read_as(SHOWN_AUTHORIZATION));
}
END_TEST

START_TEST(test_access_token_stands_in_the_query)
{
    r.query = SLICE("topic=a&access_token=a%2Eb+c&last=1");
    check_token(SHOWN_ACCESS_TOKEN, "a.b+c");
    r.query = SLICE("access%5Ftoken=x");
    check_token(SHOWN_ACCESS_TOKEN, "x");
    r.query = SLICE("access_token=");
    check_token(SHOWN_ACCESS_TOKEN, "");
    r.query = SLICE("access_tokens=x&Access_Token=y&xaccess_token=z");
    ck_assert(read_as(SHOWN_NOTHING));
}
END_TEST

START_TEST(test_access_token_is_said_once_and_decodes)
{
    static const char *const bad[] = {"access_token=a&access_token=a", "access_token=%",
                                      "access_token=%00", "access_token=%ff"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setup();
        r.query = slice_of(bad[i]);
        ck_assert(!read_as(SHOWN_ACCESS_TOKEN));
        ck_assert_int_eq(p.error, ERR_BAD_REQUEST);
        ck_assert_str_eq(p.field, "access_token");
    }
}
END_TEST

START_TEST(test_a_cookie_counts_by_its_whole_name)
{
    header("Cookie", "xsid=1; sid2=2;SID=3; sid=a=b; sid=c");
    check_token(SHOWN_COOKIE, "a=b");
    setup();
    header("cookie", "a=1");
    header("cookie", "sid=\"q\""); /* HTTP/2 sends one a field */
    check_token(SHOWN_COOKIE, "q");
    setup();
    header("Cookie", "sid=; sid");
    ck_assert(read_as(SHOWN_NOTHING));
    setup();
    header("Cookie", ";;=;sid;=sid");
    ck_assert(read_as(SHOWN_NOTHING));
}
END_TEST

START_TEST(test_without_a_name_no_cookie_counts)
{
    header("Cookie", "sid=x; =y");
    ck_assert_int_eq(shown_find(&r, (struct slice){0}).way, SHOWN_NOTHING);
}
END_TEST

START_TEST(test_authorization_goes_before_the_query_and_that_before_a_cookie)
{
    header("Cookie", "sid=c");
    r.query = SLICE("access_token=q");
    check_token(SHOWN_ACCESS_TOKEN, "q");
    header("Authorization", "Bearer a");
    check_token(SHOWN_AUTHORIZATION, "a");
    r.headers[1].value = SLICE("Bearer");
    ck_assert(!read_as(SHOWN_AUTHORIZATION));
}
END_TEST

START_TEST(test_what_is_said_never_holds_what_was_shown)
{
    check_malformed("Bearer secret secret");
    ck_assert_ptr_null(strstr(p.detail, "secret"));
    setup();
    r.query = SLICE("access_token=secret%zz");
    ck_assert(!read_as(SHOWN_ACCESS_TOKEN));
    ck_assert_ptr_null(strstr(p.detail, "secret"));
}
END_TEST

int main(void)
{
    return RUN_TESTS("shown", setup, teardown, test_bearer_is_one_token,
                     test_basic_is_a_name_and_a_password, test_basic_is_read_strictly,
                     test_another_scheme_is_not_passed_over, test_access_token_stands_in_the_query,
                     test_access_token_is_said_once_and_decodes,
                     test_a_cookie_counts_by_its_whole_name, test_without_a_name_no_cookie_counts,
                     test_authorization_goes_before_the_query_and_that_before_a_cookie,
                     test_what_is_said_never_holds_what_was_shown);
}
