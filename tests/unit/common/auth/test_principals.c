/*
 * What principals cost: ten thousand with three filters each, in bytes and in time.  Printed;
 * the ceilings are several times what a slow machine needs.
 */
#include <malloc.h>
#include <time.h>

#include "auth_file.h"
#include "authority.h"
#include "z85.h"

#define PRINCIPALS 10000
#define BYTES_MAX 2048.0
#define NS_MAX 20000.0
#define ROUNDS 20

static struct authority *authority;
static struct caller callers[PRINCIPALS];

static struct slice key_of(uint32_t i)
{
    static uint8_t key[Z85_KEY];

    le32_put(key, i);
    return (struct slice){(const char *)key, sizeof key};
}

static void write_keys(void)
{
    struct buf text = {0};
    char z85[Z85_TEXT + 1];

    for (uint32_t i = 0; i < PRINCIPALS; i++) {
        z85_put((const uint8_t *)key_of(i).p, z85);
        buf_printf(&text, "device%u:%s:device\n", i, z85);
    }
    buf_put(&text, "", 1);
    world_write("keys", (const char *)text.p);
    buf_free(&text);
}

static void begin(void)
{
    struct config *c;

    world_begin();
    write_keys();
    c = world_config("[auth]\nkeys = ~/keys\n[role \"device\"]\npublish = fleet/%u/#, alarm/+/%u\n"
                     "subscribe = command/%u/#\n");
    authority = authority_open(&loop, c);
    ck_assert_ptr_nonnull(authority);
    config_free(c);
}

static void end(void)
{
    for (size_t i = 0; i < PRINCIPALS; i++)
        caller_end(&callers[i]);
    authority_close(authority);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    world_end();
}

/* Check's own assertions would cost more than what is measured. */
static void act(uint32_t i)
{
    struct credentials c = {.kind = CREDENTIALS_KEY, .key = key_of(i)};
    struct auth_answer answer;

    if (authority_ask(authority, &c, &answer, NULL, NULL) != NULL || answer.outcome != AUTH_KNOWN)
        abort();
    caller_begin(&callers[i], answer.principal);
}

static double now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The last of three filters is the one. */
static double ns_of_may(void)
{
    static struct slice topics[PRINCIPALS];
    static char text[PRINCIPALS][48];
    size_t may = 0;
    double start;

    for (uint32_t i = 0; i < PRINCIPALS; i++)
        topics[i] = (struct slice){
            text[i], (size_t)snprintf(text[i], sizeof text[i], "command/device%u/now/please", i)};
    start = now_ns();
    for (unsigned round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < PRINCIPALS; i++)
            may += caller_may(&callers[i], AUTH_SUBSCRIBE, topics[i]);
    start = now_ns() - start;
    ck_assert_uint_eq(may, (size_t)ROUNDS * PRINCIPALS);
    return start / ROUNDS / PRINCIPALS;
}

START_TEST(ten_thousand_with_three_filters_each)
{
    size_t before = mallinfo2().uordblks;
    double start = now_ns(), asked, bytes, may;

    for (uint32_t i = 0; i < PRINCIPALS; i++)
        act(i);
    asked = (now_ns() - start) / PRINCIPALS;
    bytes = (double)(mallinfo2().uordblks - before) / PRINCIPALS;
    may = ns_of_may();
    printf("a principal: %.0f bytes, made in %.0f ns; caller_may: %.0f ns\n", bytes, asked, may);
    ck_assert_uint_eq(callers[0].principal->grants.count, 3);
    ck_assert_double_lt(bytes, BYTES_MAX); /* sanitizers allocate by themselves: 0 there */
    ck_assert_double_lt(may, NS_MAX);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("principals");
    TCase *t = tcase_create("principals");

    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, ten_thousand_with_three_filters_each);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
