/*
 * metrics.h - counters, gauges and histograms, declared once in
 * metrics_list.h, rendered in Prometheus' text format (0.0.4).
 *
 * Any thread; relaxed atomics.  A process renders the metrics of its own kind.
 */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include "bytes.h"

enum metric {
#define X(id, who, type, name, help) M_##id,
#include "metrics_list.h"
#undef X
    M_COUNT
};

void metric_add(enum metric m, uint64_t n);
void metric_sub(enum metric m, uint64_t n); /* gauges */
void metric_set(enum metric m, uint64_t v); /* gauges */
uint64_t metric_get(enum metric m);
/* Peaks, in microseconds: the highest since the last rendering. */
void metric_peak_us(enum metric m, uint64_t us);
void metric_observe_us(enum metric m, uint64_t us); /* histograms, in microseconds */
/* who: 'b' the broker, 'g' a gateway; metrics declared for '*' belong to both. */
void metrics_render(struct buf *b, char who);

#endif
