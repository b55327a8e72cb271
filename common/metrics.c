/*
 * metrics.c - the numbers of metrics_list.h and their text form.
 *
 * Every number is a relaxed atomic: a scrape sees each one whole, but not all
 * of one moment.  A histogram's count is the sum of its buckets, so that count
 * and +Inf always agree.
 */
#include <assert.h>
#include <stdatomic.h>

#include "mem.h"
#include "metrics.h"

enum metric_type { COUNTER, GAUGE, HISTOGRAM, PEAK };

static const struct {
    char who;
    enum metric_type type;
    const char *name;
    const char *help;
} list[M_COUNT] = {
#define X(id, who, type, name, help) [M_##id] = {who, type, name, help},
#include "metrics_list.h"
#undef X
};

static const struct {
    uint64_t us;
    const char *le; /* the same in seconds */
} buckets[] = {
    {50, "0.00005"},  {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},
    {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"},
    {5000000, "5"},   {10000000, "10"},
};
#define BUCKETS ARRAY_LEN(buckets)

/* A counter, gauge or peak uses value; a histogram the rest, its last bucket being
 * all that is above the highest bound. */
static struct {
    _Atomic uint64_t value;
    _Atomic uint64_t bucket[BUCKETS + 1];
    _Atomic uint64_t sum_us;
} cells[M_COUNT];

void metric_add(enum metric m, uint64_t n)
{
    atomic_fetch_add_explicit(&cells[m].value, n, memory_order_relaxed);
}

void metric_sub(enum metric m, uint64_t n)
{
    assert(list[m].type == GAUGE);
    atomic_fetch_sub_explicit(&cells[m].value, n, memory_order_relaxed);
}

void metric_set(enum metric m, uint64_t v)
{
    assert(list[m].type == GAUGE);
    atomic_store_explicit(&cells[m].value, v, memory_order_relaxed);
}

static uint64_t metrics_load(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

uint64_t metric_get(enum metric m)
{
    return metrics_load(&cells[m].value);
}

void metric_peak_us(enum metric m, uint64_t us)
{
    uint64_t seen = atomic_load_explicit(&cells[m].value, memory_order_relaxed);

    assert(list[m].type == PEAK);
    while (us > seen && !atomic_compare_exchange_weak_explicit(
                            &cells[m].value, &seen, us, memory_order_relaxed, memory_order_relaxed))
        continue;
}

void metric_observe_us(enum metric m, uint64_t us)
{
    size_t i = 0;

    assert(list[m].type == HISTOGRAM);
    while (i < BUCKETS && us > buckets[i].us)
        i++;
    atomic_fetch_add_explicit(&cells[m].bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells[m].sum_us, us, memory_order_relaxed);
}

static void render_histogram(struct buf *b, enum metric m)
{
    const char *name = list[m].name;
    uint64_t sum = metrics_load(&cells[m].sum_us), count = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        count += metrics_load(&cells[m].bucket[i]);
        buf_printf(b, "%s_bucket{le=\"%s\"} %llu\n", name, buckets[i].le,
                   (unsigned long long)count);
    }
    count += metrics_load(&cells[m].bucket[BUCKETS]);
    buf_printf(b, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)count);
    buf_printf(b, "%s_sum %llu.%06llu\n", name, (unsigned long long)(sum / 1000000),
               (unsigned long long)(sum % 1000000));
    buf_printf(b, "%s_count %llu\n", name, (unsigned long long)count);
}

static void render_us(struct buf *b, const char *name, uint64_t us)
{
    buf_printf(b, "%s %llu.%06llu\n", name, (unsigned long long)(us / 1000000),
               (unsigned long long)(us % 1000000));
}

/* What was highest is told once. */
static void render_peak(struct buf *b, enum metric m)
{
    render_us(b, list[m].name, atomic_exchange_explicit(&cells[m].value, 0, memory_order_relaxed));
}

static void render_one(struct buf *b, enum metric m)
{
    static const char *const type_names[] = {"counter", "gauge", "histogram", "gauge"};
    const char *name = list[m].name;

    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, list[m].help, name,
               type_names[list[m].type]);
    if (list[m].type == HISTOGRAM)
        render_histogram(b, m);
    else if (list[m].type == PEAK)
        render_peak(b, m);
    else
        buf_printf(b, "%s %llu\n", name, (unsigned long long)metric_get(m));
}

void metrics_render(struct buf *b, char who)
{
    for (enum metric m = 0; m < M_COUNT; m++)
        if (list[m].who == who || list[m].who == '*')
            render_one(b, m);
}
