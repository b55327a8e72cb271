/*
 * sys.c - see sys.h.
 *
 * A load is a rate per minute, smoothed over 1, 5 and 15 minutes like a machine's load
 * average: at each update it moves to the rate since the last one, the further the
 * longer that is ago.
 */
#include "sys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "unknown"
#endif

#define MINUTE 60.0

/* X(topic below load/, counter) */
#define LOADS(X)                                                                                   \
    X("messages/received", gateways.messages_received)                                             \
    X("messages/sent", gateways.messages_sent)                                                     \
    X("publish/received", gateways.publish_received)                                               \
    X("publish/sent", gateways.publish_sent)                                                       \
    X("publish/dropped", gateways.publish_dropped)                                                 \
    X("bytes/received", gateways.bytes_received)                                                   \
    X("bytes/sent", gateways.bytes_sent)                                                           \
    X("connections", attaches)

/* X(topic, value) */
#define NUMBERS(X)                                                                                 \
    X("clients/connected", now->connected)                                                         \
    X("clients/active", now->connected)                                                            \
    X("clients/disconnected", now->disconnected)                                                   \
    X("clients/inactive", now->disconnected)                                                       \
    X("clients/total", now->connected + now->disconnected)                                         \
    X("clients/maximum", s->maximum)                                                               \
    X("clients/expired", now->expired)                                                             \
    X("messages/received", now->gateways.messages_received)                                        \
    X("messages/sent", now->gateways.messages_sent)                                                \
    X("messages/stored", now->events)                                                              \
    X("publish/messages/received", now->gateways.publish_received)                                 \
    X("publish/messages/sent", now->gateways.publish_sent)                                         \
    X("publish/messages/dropped", now->gateways.publish_dropped)                                   \
    X("bytes/received", now->gateways.bytes_received)                                              \
    X("bytes/sent", now->gateways.bytes_sent)                                                      \
    X("subscriptions/count", now->gateways.subscriptions)                                          \
    X("shared_subscriptions/count", now->shared)                                                   \
    X("retained messages/count", now->retained)                                                    \
    X("store/messages/count", now->events)                                                         \
    X("store/messages/bytes", now->bytes)                                                          \
    X("heap/current", now->heap)                                                                   \
    X("heap/maximum", s->heap_maximum)

static const char *const load_names[] = {
#define X(name, counter) name,
    LOADS(X)
#undef X
};
static const unsigned load_minutes[] = {1, 5, 15};

struct sys {
    uint64_t started_ms;
    uint64_t maximum, heap_maximum;
    struct sys_now now;
    double loads[ARRAY_LEN(load_names)][ARRAY_LEN(load_minutes)];
};

struct sys *sys_new(uint64_t now_ms)
{
    struct sys *s = mem_zalloc(sizeof *s);

    s->started_ms = now_ms;
    s->now.ms = now_ms;
    return s;
}

void sys_free(struct sys *s)
{
    free(s);
}

/* --- averages -------------------------------------------------------------------- */

static void load_move(double *loads, uint64_t before, uint64_t after, double seconds)
{
    double rate = (double)(after - before) * MINUTE / seconds;

    for (size_t i = 0; i < ARRAY_LEN(load_minutes); i++) {
        double keep = exp(-seconds / (MINUTE * load_minutes[i]));

        loads[i] = rate + keep * (loads[i] - rate);
    }
}

static void loads_move(struct sys *s, const struct sys_now *now)
{
    double seconds = (double)(now->ms - s->now.ms) / 1000;
    size_t i = 0;

    if (now->ms <= s->now.ms)
        return;
#define X(name, counter) load_move(s->loads[i++], s->now.counter, now->counter, seconds);
    LOADS(X)
#undef X
}

void sys_update(struct sys *s, const struct sys_now *now)
{
    loads_move(s, now);
    s->now = *now;
    if (now->connected > s->maximum)
        s->maximum = now->connected;
    if (now->heap > s->heap_maximum)
        s->heap_maximum = now->heap;
}

/* --- the frame -------------------------------------------------------------------- */

/* Both buffers are used again and again; value is empty after. */
static void topic_put(struct buf *b, const char *name, struct buf *topic, struct buf *value)
{
    buf_clear(topic);
    buf_puts(topic, "$SYS/broker/");
    buf_puts(topic, name);
    wire_sys_put(b, (struct slice){(const char *)topic->p, topic->len},
                 (struct slice){(const char *)value->p, value->len});
    buf_clear(value);
}

static void number_put(struct buf *b, const char *name, uint64_t n, struct buf *topic,
                       struct buf *value)
{
    buf_dec(value, n);
    topic_put(b, name, topic, value);
}

static void loads_put(const struct sys *s, struct buf *b, struct buf *topic, struct buf *value)
{
    char name[64];

    for (size_t i = 0; i < ARRAY_LEN(load_names); i++) {
        for (size_t m = 0; m < ARRAY_LEN(load_minutes); m++) {
            (void)snprintf(name, sizeof name, "load/%s/%umin", load_names[i], load_minutes[m]);
            buf_printf(value, "%.2f", s->loads[i][m]);
            topic_put(b, name, topic, value);
        }
    }
}

void sys_frame(const struct sys *s, struct buf *b)
{
    const struct sys_now *now = &s->now;
    struct buf topic = {0}, value = {0};

    wire_call_begin(b, WIRE_CALL_SYS);
    buf_puts(&value, "sluice " SLUICE_VERSION);
    topic_put(b, "version", &topic, &value);
    buf_dec(&value, (now->ms - s->started_ms) / 1000);
    buf_puts(&value, " seconds");
    topic_put(b, "uptime", &topic, &value);
#define X(name, n) number_put(b, name, n, &topic, &value);
    NUMBERS(X)
#undef X
    loads_put(s, b, &topic, &value);
    buf_free(&topic);
    buf_free(&value);
}
