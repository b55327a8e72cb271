/*
 * site.c - a list of routes and some pointers.
 */
#include "site.h"

#include <stdlib.h>

#include "clock.h"
#include "mem.h"

void site_init(struct site *s, const struct site_parts *parts, enum config_key allow_origin)
{
    *s = (struct site){.use = *parts};
    s->routes.allow_origin = slice_of(config_text(parts->config, allow_origin));
}

void site_add(struct site *s, const struct route *routes, size_t count)
{
    size_t had = s->routes.count;
    struct route *list = mem_array(had + count, sizeof *list);

    for (size_t i = 0; i < had + count; i++)
        list[i] = i < had ? s->routes.list[i] : routes[i - had];
    free((void *)(uintptr_t)s->routes.list);
    s->routes.list = list;
    s->routes.count = had + count;
}

struct run *site_run(struct site *s)
{
    if (s->run == NULL)
        s->run = mem_zalloc(sizeof *s->run);
    run_clear(s->run);
    return s->run;
}

void site_free(struct site *s)
{
    free(s->run);
    s->run = NULL;
    free((void *)(uintptr_t)s->routes.list);
    s->routes.list = NULL;
    s->routes.count = 0;
}

struct subscribe_limits site_subscribe_limits(const struct site *s)
{
    return (struct subscribe_limits){.max_filters = config_num(s->use.config, CFG_MAX_FILTERS),
                                     .max_last = config_num(s->use.config, CFG_MAX_LAST),
                                     .now_ms = clock_ms()};
}

struct publish_limits site_publish_limits(const struct site *s, const struct principal *who)
{
    return (struct publish_limits){.who = who,
                                   .max_payload = config_num(s->use.config, CFG_MAX_PAYLOAD),
                                   .max_batch = (uint32_t)config_num(s->use.config, CFG_MAX_BATCH)};
}
