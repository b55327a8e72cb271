/*
 * test_quota.c - what one client may hold of a gateway's filters.
 */
#include "quota.h"

#include <stdio.h>
#include <string.h>

#include "hub.h"
#include "run_suite.h"

enum { TOTAL = 1600, LEVELS = 1000 };

static struct hub *hub;

static void link_filter_ignore(void *link, uint32_t ref, struct slice filter)
{
    (void)link;
    (void)ref;
    (void)filter;
}

static void link_drop_ignore(void *link, uint32_t ref)
{
    (void)link;
    (void)ref;
}

static void begin(void)
{
    static const struct hub_link link = {.filter_add = link_filter_ignore,
                                         .filter_drop = link_drop_ignore};
    static const struct hub_limits limits = {
        .ring = 1000, .page_cache = 1000, .turn = 1000, .filters = TOTAL, .filter_levels = LEVELS};

    hub = hub_new(&link, &limits);
}

static void end(void)
{
    hub_free(hub);
}

static const struct subscription_ops no_ops;

/* So many subscriptions until it is refused, `most` at most. */
static size_t take(struct quota *q, struct subscription *list, size_t most, const char *format)
{
    static unsigned number;
    char text[64];
    size_t n = 0;

    for (; n < most; n++) {
        struct slice filter = {text, (size_t)snprintf(text, sizeof text, format, ++number)};

        if (!quota_allows(hub, q, &filter, 1))
            break;
        subscription_open(&list[n], hub, &filter, 1, (struct start){START_NOW, 0}, &no_ops, NULL);
        quota_charge(q, &list[n]);
    }
    return n;
}

static void drop(struct subscription *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        subscription_close(&list[i]);
}

START_TEST(a_client_has_a_sixteenth_of_what_is_free)
{
    static struct subscription list[TOTAL];
    struct quota q = {0};
    size_t n = take(&q, list, TOTAL, "a/%u");

    ck_assert_uint_le(n, TOTAL / 16);
    ck_assert_uint_ge(n, TOTAL / 20);
    drop(list, n);
    ck_assert_uint_eq(q.filters, 0);
    ck_assert_uint_eq(q.levels, 0);
}
END_TEST

START_TEST(forty_greedy_clients_leave_room_for_another)
{
    static struct subscription list[40][TOTAL / 16], one;
    struct quota q[40] = {{0}}, honest = {0};
    size_t n[40];

    for (size_t i = 0; i < 40; i++)
        n[i] = take(&q[i], list[i], TOTAL / 16, "a/%u");
    ck_assert_uint_eq(take(&honest, &one, 1, "b/%u"), 1);
    drop(&one, 1);
    for (size_t i = 0; i < 40; i++)
        drop(list[i], n[i]);
}
END_TEST

START_TEST(levels_count_and_those_beside_a_plus_more)
{
    static struct subscription list[TOTAL];
    struct quota q = {0};
    size_t n = take(&q, list, TOTAL, "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/%u");

    ck_assert_uint_eq(n, LEVELS / 20);
    drop(list, n);
    n = take(&q, list, TOTAL, "a/+/c/d/%u");
    ck_assert_uint_eq(n, LEVELS / 20);
    drop(list, n);
    ck_assert_uint_eq(q.levels, 0);
}
END_TEST

START_TEST(a_filter_that_is_there_costs_nobody_a_filter)
{
    static struct subscription list[TOTAL], again;
    struct quota q = {0};
    size_t n = take(&q, list, TOTAL, "a/%u");
    struct slice same = SLICE("a/common");

    subscription_open(&again, hub, &same, 1, (struct start){START_NOW, 0}, &no_ops, NULL);
    ck_assert(quota_allows(hub, &q, &same, 1));
    drop(&again, 1);
    drop(list, n);
}
END_TEST

int main(void)
{
    return RUN_TESTS("quota", begin, end, a_client_has_a_sixteenth_of_what_is_free,
                     forty_greedy_clients_leave_room_for_another,
                     levels_count_and_those_beside_a_plus_more,
                     a_filter_that_is_there_costs_nobody_a_filter);
}
