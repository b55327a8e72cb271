/*
 * site.c - a list of routes and some pointers.
 */
#include "site.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "mem.h"

static enum config_key site_key(const char *section, const char *name)
{
    return config_find(slice_of(section), slice_of(name));
}

/* Names in the addresses that are listened on are names of ours. */
static void site_gate_init(struct http_gate *g, const struct config *c, const char *section)
{
    static const char *const listens[] = {"listen", "listen_plain", "listen_ws", "listen_ws_plain"};
    enum config_key k;

    static_assert(ARRAY_LEN(listens) == HTTP_GATE_LISTENS, "there is room for each");
    g->hosts = slice_of(config_text(c, CFG_HTTP_HOSTS));
    g->origins = slice_of(config_text(c, site_key(section, "allow_origin")));
    for (size_t i = 0; i < ARRAY_LEN(listens); i++) {
        k = site_key(section, listens[i]);
        if (k < CFG_COUNT)
            g->listen[i] = slice_of(config_address(c, k));
    }
}

void site_init(struct site *s, const struct site_parts *parts, const char *section)
{
    const struct config *c = parts->config;
    struct routes *rs = &s->routes;

    *s = (struct site){.use = *parts, .door = section};
    site_gate_init(&rs->gate, c, section);
    rs->cors.origins = rs->gate.origins;
    rs->cors.headers = slice_of(config_text(c, site_key(section, "allow_headers")));
    rs->cors.credentials = config_bool(c, site_key(section, "allow_credentials"));
    gatekeeper_init(&s->gatekeeper, parts->authority, c, rs->cors.credentials);
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

struct publish_limits site_publish_limits(const struct site *s, const struct caller *who)
{
    return (struct publish_limits){.who = who,
                                   .max_payload = config_num(s->use.config, CFG_MAX_PAYLOAD),
                                   .max_batch = (uint32_t)config_num(s->use.config, CFG_MAX_BATCH)};
}
