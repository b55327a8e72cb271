/*
 * store_retention.c - what is configured to be kept, and what that means for a topic.
 *
 * Every key comes from the last rule that matches the topic and has it.
 */
#include <stdlib.h>

#include "mem.h"
#include "store_impl.h"
#include "topic.h"

static uint64_t longest_age(const struct retention *r)
{
    uint64_t age = r->max_age_ms;

    for (size_t i = 0; i < r->count && age != 0; i++)
        if (r->rules[i].has_age && (r->rules[i].max_age_ms == 0 || r->rules[i].max_age_ms > age))
            age = r->rules[i].max_age_ms;
    return age;
}

struct retention *retention_new(const struct store_options *o)
{
    struct retention *r = mem_zalloc(sizeof *r);

    r->rules = mem_array(o->rule_count, sizeof *r->rules);
    r->count = o->rule_count;
    for (size_t i = 0; i < r->count; i++) {
        r->rules[i] = o->rules[i];
        r->rules[i].filter = mem_strdup(o->rules[i].filter);
    }
    r->max_bytes = o->max_bytes;
    r->max_age_ms = o->max_age_ms;
    r->topic_idle_ms = o->topic_idle_ms;
    r->producer_idle_ms = o->producer_idle_ms;
    r->max_retained_bytes = o->max_retained_bytes;
    r->max_state_bytes = o->max_state_bytes;
    r->max_producers = o->max_producers;
    r->max_topics = o->max_topics == 0 || o->max_topics >= TOPICS_END ? 0 : o->max_topics;
    r->log_age_ms = longest_age(r);
    return r;
}

void retention_free(struct retention *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        free(r->rules[i].filter);
    free(r->rules);
    free(r);
}

struct topic_limits retention_limits(const struct retention *r, struct slice topic)
{
    struct topic_limits l = {.max_age_ms = r->max_age_ms};

    for (size_t i = 0; i < r->count; i++) {
        const struct retention_rule *rule = &r->rules[i];

        if (!filter_match(slice_of(rule->filter), topic))
            continue;
        if (rule->has_age)
            l.max_age_ms = rule->max_age_ms;
        if (rule->has_events)
            l.max_events = rule->max_events;
        if (rule->has_bytes)
            l.max_bytes = rule->max_bytes;
        if (rule->has_history)
            l.volatile_ = rule->volatile_;
    }
    return l;
}

void retention_apply(struct store *s, struct retention *r)
{
    struct topic *t, *next;

    retention_free(s->retention);
    s->retention = r;
    HASH_ITER (hh, s->topics.by_name, t, next)
        t->limits = retention_limits(r, t->name);
    s->retention_at = 0;
    s->retention_next = 0;
}
