/*
 * Metrics as Prometheus reads them.
 */
#include "fixture.h"
#include "metrics.h"

#include <string.h>

static struct buf b;

static const char *render(char who)
{
    buf_clear(&b);
    metrics_render(&b, who);
    buf_u8(&b, '\0');
    return (char *)b.p;
}

static void end(void)
{
    buf_free(&b);
}

static bool shows(char who, const char *line)
{
    return strstr(render(who), line) != NULL;
}

START_TEST(a_counter_counts)
{
    uint64_t before = metric_get(M_COMMITS);

    metric_add(M_COMMITS, 1);
    metric_add(M_COMMITS, 41);
    ck_assert_uint_eq(metric_get(M_COMMITS), before + 42);
}
END_TEST

START_TEST(a_gauge_rises_falls_and_is_set)
{
    metric_set(M_GATEWAYS, 5);
    metric_add(M_GATEWAYS, 2);
    metric_sub(M_GATEWAYS, 4);
    ck_assert_uint_eq(metric_get(M_GATEWAYS), 3);
    ck_assert(shows('b', "\n# HELP sluice_gateways Gateways connected\n"
                         "# TYPE sluice_gateways gauge\nsluice_gateways 3\n"));
}
END_TEST

START_TEST(a_process_shows_its_own_metrics_and_the_common_ones)
{
    ck_assert(shows('b', "\nsluice_gateways "));
    ck_assert(!shows('b', "sluice_connections"));
    ck_assert(shows('b', "\nsluice_pages_total "));
    ck_assert(shows('g', "\nsluice_connections "));
    ck_assert(!shows('g', "sluice_gateways"));
    ck_assert(shows('g', "\nsluice_pages_total "));
}
END_TEST

START_TEST(a_histogram_has_cumulative_buckets_sum_and_count)
{
    metric_observe_us(M_COMMIT_US, 10);
    metric_observe_us(M_COMMIT_US, 50); /* a bound belongs to its bucket */
    metric_observe_us(M_COMMIT_US, 51);
    metric_observe_us(M_COMMIT_US, 2000000);
    metric_observe_us(M_COMMIT_US, 20000000);
    ck_assert(shows('b', "# TYPE sluice_commit_seconds histogram\n"
                         "sluice_commit_seconds_bucket{le=\"0.00005\"} 2\n"
                         "sluice_commit_seconds_bucket{le=\"0.0001\"} 3\n"));
    ck_assert(shows('b', "{le=\"1\"} 3\nsluice_commit_seconds_bucket{le=\"2.5\"} 4\n"));
    ck_assert(shows('b', "{le=\"10\"} 4\nsluice_commit_seconds_bucket{le=\"+Inf\"} 5\n"
                         "sluice_commit_seconds_sum 22.000111\n"
                         "sluice_commit_seconds_count 5\n"));
}
END_TEST

START_TEST(a_peak_is_told_once)
{
    metric_peak_us(M_LOOP_STALL, 1500);
    metric_peak_us(M_LOOP_STALL, 20);
    ck_assert(shows('g', "\nsluice_loop_stall_seconds 0.001500\n"));
    ck_assert(shows('g', "\nsluice_loop_stall_seconds 0.000000\n"));
}
END_TEST

START_TEST(every_line_is_help_type_or_sample)
{
    for (const char *p = render('b'); *p != '\0'; p = strchr(p, '\n') + 1) {
        ck_assert_ptr_nonnull(strchr(p, '\n'));
        ck_assert_msg(strncmp(p, "# HELP sluice_", 14) == 0 ||
                          strncmp(p, "# TYPE sluice_", 14) == 0 || strncmp(p, "sluice_", 7) == 0,
                      "%.40s", p);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");

    tcase_add_checked_fixture(t, NULL, end);
    tcase_add_test(t, a_counter_counts);
    tcase_add_test(t, a_gauge_rises_falls_and_is_set);
    tcase_add_test(t, a_process_shows_its_own_metrics_and_the_common_ones);
    tcase_add_test(t, a_histogram_has_cumulative_buckets_sum_and_count);
    tcase_add_test(t, a_peak_is_told_once);
    tcase_add_test(t, every_line_is_help_type_or_sample);
    suite_add_tcase(s, t);
    return run_suite(s);
}
