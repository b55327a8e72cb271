/*
 * Which requests the gate lets in.
 */
#include "http_gate.h"

#include "fixture.h"
#include "mem.h"

static const struct http_gate plain = {.hosts = {NULL, 0}};

static struct http_request request_of(const char *method, const char *host, const char *origin,
                                      const char *site)
{
    struct http_request r = {.method = slice_of(method), .path = SLICE("/"), .minor = 1};

    if (host != NULL)
        r.headers[r.header_count++] = (struct http_header){SLICE("Host"), slice_of(host)};
    if (origin != NULL)
        r.headers[r.header_count++] = (struct http_header){SLICE("Origin"), slice_of(origin)};
    if (site != NULL)
        r.headers[r.header_count++] = (struct http_header){SLICE("Sec-Fetch-Site"), slice_of(site)};
    return r;
}

static enum http_gate_verdict ask(const struct http_gate *g, const char *method, const char *host,
                                  const char *origin, const char *site, bool secure)
{
    struct http_request r = request_of(method, host, origin, site);

    return http_gate_check(g, &r, secure);
}

static const struct {
    const char *host, *hosts, *listen;
    bool passes;
} hosts[] = {
    {NULL, "", "", true}, /* HTTP/1.0 */
    {"", "", "", true},
    {"localhost", "", "", true},
    {"LocalHost:8081", "", "", true},
    {"a.localhost:8081", "", "", true},
    {"localhost.:80", "", "", true},
    {"127.0.0.1:8081", "", "", true},
    {"127.8.8.8", "", "", true},
    {"[::1]:8081", "", "", true},
    {"192.168.1.7:8081", "", "", true},
    {"[2001:db8::1]", "", "", true},
    {"sse:8081", "", "", true},
    {"evil.example", "", "", false},
    {"evil.example:8081", "", "", false},
    {"127.0.0.1.evil.example", "", "", false},
    {"1.2.3", "", "", false},
    {"1.2.3.4.5", "", "", false},
    {"localhost.evil.example", "", "", false},
    {"xlocalhost.example", "", "", false},
    {"a.example", "b.example, a.example", "", true},
    {"A.Example.:99", "a.example", "", true},
    {"b.a.example", "a.example", "", false},
    {"b.a.example", "*.a.example", "", true},
    {"c.b.a.example", "*.a.example", "", true},
    {"a.example", "*.a.example", "", false},
    {"ba.example", "*.a.example", "", false},
    {"evil.example", "*", "", true},
    {"evil.example", "", "[::]:80, sluice.example:80", false},
    {"sluice.example:81", "", "[::]:80, sluice.example:80", true},
};

START_TEST(a_host_is_a_name_of_ours)
{
    struct http_gate g = {.hosts = slice_of(hosts[_i].hosts)};

    g.listen[1] = slice_of(hosts[_i].listen);
    ck_assert_msg((ask(&g, "GET", hosts[_i].host, NULL, NULL, false) == HTTP_GATE_PASSES) ==
                      hosts[_i].passes,
                  "%s", hosts[_i].host);
    if (!hosts[_i].passes)
        ck_assert_int_eq(ask(&g, "OPTIONS", hosts[_i].host, NULL, NULL, false), HTTP_GATE_HOST);
}
END_TEST

START_TEST(an_absolute_target_says_who_is_asked)
{
    struct http_request r = {.method = SLICE("GET"), .minor = 1};

    ck_assert(http_request_target_set(&r, SLICE("http://evil.example:80/a")));
    r.headers[r.header_count++] = (struct http_header){SLICE("Host"), SLICE("localhost")};
    ck_assert_int_eq(http_gate_check(&plain, &r, false), HTTP_GATE_HOST);
}
END_TEST

static const struct {
    const char *origins, *host, *origin, *site;
    bool secure, passes;
} origins[] = {
    {"", "localhost:81", NULL, NULL, false, true},
    {"", "localhost:81", NULL, "same-origin", false, true},
    {"", "localhost:81", NULL, "none", false, true},
    {"", "localhost:81", NULL, "cross-site", false, false},
    {"", "localhost:81", "http://localhost:81", "same-origin", false, true},
    {"", "localhost:81", "https://localhost:81", NULL, false, true}, /* behind a proxy */
    {"", "localhost:81", "http://localhost:81", NULL, true, false},
    {"", "localhost:81", "https://localhost:81", NULL, true, true},
    {"", "localhost", "https://localhost", NULL, true, true},
    {"", "localhost:443", "https://localhost", NULL, true, true},
    {"", "localhost", "http://localhost:80", NULL, false, true},
    {"", "localhost:81", "http://localhost:82", "same-site", false, false},
    {"", "localhost:81", "http://localhost", NULL, false, false},
    {"", "localhost:81", "http://127.0.0.1:81", NULL, false, false},
    {"", "localhost:81", "ftp://localhost:81", NULL, false, false},
    {"", "localhost:81", "null", NULL, false, false},
    {"", "localhost:81", "", NULL, false, false},
    {"", "localhost:81", "https://evil.example", NULL, false, false},
    {"", NULL, "https://evil.example", NULL, false, false},
    {"", NULL, "https://", NULL, false, false},
    {"https://a.example", "localhost:81", "https://a.example", "cross-site", false, true},
    {"https://a.example", "localhost:81", "https://a.example:443", NULL, false, true},
    {"https://a.example:443", "localhost:81", "https://a.example", NULL, false, true},
    {"https://a.example", "localhost:81", "http://a.example", NULL, false, false},
    {"https://a.example", "localhost:81", "https://a.example:8443", NULL, false, false},
    {"https://a.example", "localhost:81", "https://a.example.evil", NULL, false, false},
    {"https://*.a.example", "localhost:81", "https://b.a.example", NULL, false, true},
    {"https://*.a.example", "localhost:81", "https://a.example", NULL, false, false},
    {"https://*.a.example", "localhost:81", "https://xn--a.example", NULL, false, false},
    {"https://*.a.example", "localhost:81", "https://evila.example", NULL, false, false},
    {"https://*.a.example:9", "localhost:81", "https://b.a.example:9", NULL, false, true},
    {"*", "localhost:81", "null", NULL, false, true},
    {"*", "localhost:81", NULL, "cross-site", false, true},
    {"null", "localhost:81", "null", NULL, false, true},
    {"https://a.example", "localhost:81", NULL, "cross-site", false, false},
};

START_TEST(an_origin_is_ours_or_listed)
{
    struct http_gate g = {.origins = slice_of(origins[_i].origins)};
    enum http_gate_verdict want = origins[_i].passes ? HTTP_GATE_PASSES : HTTP_GATE_ORIGIN;
    const char *const methods[] = {"POST", "DELETE", "GET", "HEAD", "PUT"};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        ck_assert_int_eq(ask(&g, methods[i], origins[_i].host, origins[_i].origin, origins[_i].site,
                             origins[_i].secure),
                         want);
    ck_assert_int_eq(ask(&g, "OPTIONS", origins[_i].host, origins[_i].origin, origins[_i].site,
                         origins[_i].secure),
                     HTTP_GATE_PASSES);
}
END_TEST

static const struct {
    const char *origin, *site;
    bool own;
} senders[] = {
    {NULL, NULL, true},
    {NULL, "same-origin", true},
    {NULL, "Same-Origin", true},
    {NULL, "none", true},
    {NULL, "same-site", false},
    {NULL, "cross-site", false},
    {NULL, "", false},
    {"http://localhost:81", NULL, true},
    {"http://localhost:82", "same-site", false},
    {"null", NULL, false},
};

START_TEST(a_page_is_ours_at_the_very_address_only)
{
    struct http_request r = request_of("GET", "localhost:81", senders[_i].origin, senders[_i].site);

    ck_assert(http_gate_is_own(&r, false) == senders[_i].own);
}
END_TEST

static const struct {
    const char *list;
    bool good;
} lists[] = {
    {"", true},
    {"*", true},
    {"null", true},
    {"https://a.example, http://[::1]:80,https://*.a.example:8443", true},
    {"chrome-extension://abcdef", true},
    {"a.example", false},
    {"https://a.example/", false},
    {"https://a.example, https://", false},
    {"https://*", false},
    {"https://a.*.example", false},
    {"https://*a.example", false},
    {"*.example", false},
    {"https://a.example:x", false},
    {"https://u@a.example", false},
    {"ht tp://a.example", false},
};

START_TEST(a_list_of_origins_is_checked)
{
    ck_assert_msg((http_gate_origins_wrong(slice_of(lists[_i].list)) == NULL) == lists[_i].good,
                  "%s", lists[_i].list);
}
END_TEST

START_TEST(a_list_of_hosts_is_checked)
{
    ck_assert_ptr_null(http_gate_hosts_wrong(SLICE("")));
    ck_assert_ptr_null(http_gate_hosts_wrong(SLICE("a.example, *.b.example, sse:8081, *")));
    ck_assert_ptr_nonnull(http_gate_hosts_wrong(SLICE("a.example, http://b.example")));
    ck_assert_ptr_nonnull(http_gate_hosts_wrong(SLICE("a.*.example")));
    ck_assert_ptr_nonnull(http_gate_hosts_wrong(SLICE("a/b")));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http_gate");
    TCase *t = tcase_create("http_gate");

    tcase_add_loop_test(t, a_host_is_a_name_of_ours, 0, ARRAY_LEN(hosts));
    tcase_add_test(t, an_absolute_target_says_who_is_asked);
    tcase_add_loop_test(t, an_origin_is_ours_or_listed, 0, ARRAY_LEN(origins));
    tcase_add_loop_test(t, a_page_is_ours_at_the_very_address_only, 0, ARRAY_LEN(senders));
    tcase_add_loop_test(t, a_list_of_origins_is_checked, 0, ARRAY_LEN(lists));
    tcase_add_test(t, a_list_of_hosts_is_checked);
    suite_add_tcase(s, t);
    return run_suite(s);
}
