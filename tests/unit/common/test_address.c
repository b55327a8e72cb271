/*
 * Addresses as text, and which of them stay on the machine.
 */
#include "address.h"
#include "fixture.h"
#include "mem.h"
#include "reach.h"

#include <netinet/in.h>
#include <string.h>

static const struct {
    const char *text;
    const char *formatted; /* NULL: refused */
    bool loopback;
} addresses[] = {
    {"1.2.3.4:80", "1.2.3.4:80", false},
    {"127.0.0.1:8081", "127.0.0.1:8081", true},
    {"127.9.9.9:0", "127.9.9.9:0", true},
    {"[::1]:80", "[::1]:80", true},
    {"[::]:65535", "[::]:65535", false},
    {"[2001:db8::1]:80", "[2001:db8::1]:80", false},
    {"[::ffff:127.0.0.1]:80", "127.0.0.1:80", true},
    {"[::ffff:10.0.0.1]:80", "10.0.0.1:80", false},
    {"0.0.0.0:80", "0.0.0.0:80", false},
    {"localhost:80", "127.0.0.1:80", true},
    {"", NULL, false},
    {"80", NULL, false},
    {"1.2.3.4", NULL, false},
    {"1.2.3.4:", NULL, false},
    {"1.2.3.4:65536", NULL, false},
    {"1.2.3.4:-1", NULL, false},
    {"1.2.3.4:80x", NULL, false},
    {"::1:80", NULL, false},
    {"[::1:80", NULL, false},
    {"[::1]80", NULL, false},
    {"*:80", NULL, false},
};

START_TEST(an_address_is_read_and_written)
{
    struct sockaddr_storage a;
    char text[64];
    socklen_t len;
    int rc = address_parse(addresses[_i].text, &a, &len);

    ck_assert_msg((rc == 0) == (addresses[_i].formatted != NULL), "%s: %d", addresses[_i].text, rc);
    if (rc != 0)
        return;
    address_format((struct sockaddr *)&a, text, sizeof text);
    ck_assert_str_eq(text, addresses[_i].formatted);
    ck_assert_int_eq(address_is_loopback((struct sockaddr *)&a), addresses[_i].loopback);
}
END_TEST

START_TEST(no_host_means_every_address)
{
    struct sockaddr_storage a;
    socklen_t len;

    ck_assert_int_eq(address_parse(":80", &a, &len), 0);
    ck_assert(!address_is_loopback((struct sockaddr *)&a));
    ck_assert(len == sizeof(struct sockaddr_in6) || len == sizeof(struct sockaddr_in));
}
END_TEST

static const struct {
    const char *listen;
    bool allowed;
} listens[] = {
    {"127.0.0.1:8081", true},
    {"[::1]:8081", true},
    {"localhost:8081", true},
    {"127.0.0.1:1, [::1]:1", true},
    {"tcp://127.0.0.1:5550", true},
    {"tcp://[::1]:5550", true},
    {"ipc:///srv/run/link", true},
    {"inproc://x", true},
    {"", true},
    {"0.0.0.0:8081", false},
    {":8081", false},
    {"[::]:8081", false},
    {"127.0.0.1:1,10.0.0.1:1", false},
    {"tcp://*:5550", false},
    {"tcp://eth0:5550", false},
    {"tcp://0.0.0.0:5550", false},
    {"nonsense", false},
};

static bool allowed(const char *listen, const char *flag)
{
    char name[] = "prog", *argv[] = {name, flag == NULL ? NULL : mem_strdup(flag)};
    struct config *c;
    bool result;

    ck_assert_int_eq(config_load(&c, "sse", flag == NULL ? 1 : 2, argv), CONFIG_GO);
    result = reach_allows_clients(c, listen);
    config_free(c);
    free(argv[1]);
    return result;
}

START_TEST(beyond_loopback_needs_a_word)
{
    ck_assert_msg(allowed(listens[_i].listen, NULL) == listens[_i].allowed, "%s",
                  listens[_i].listen);
    ck_assert(allowed(listens[_i].listen, "--allow-anonymous"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("address");
    TCase *t = tcase_create("address");

    tcase_add_loop_test(t, an_address_is_read_and_written, 0, ARRAY_LEN(addresses));
    tcase_add_test(t, no_host_means_every_address);
    tcase_add_loop_test(t, beyond_loopback_needs_a_word, 0, ARRAY_LEN(listens));
    suite_add_tcase(s, t);
    return run_suite(s);
}
