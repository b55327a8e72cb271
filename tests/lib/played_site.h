/*
 * played_site.h - a gateway's site for fuzz targets, with a clock that stands still and an
 * authority whose sources say what they are told to: a process that is started once, and a
 * world for each input.  Included once.
 */
#ifndef FUZZ_PLAYED_SITE_H
#define FUZZ_PLAYED_SITE_H

#include <stdlib.h>
#include <unistd.h>

#include "audit.h"
#include "authority.h"
#include "clock.h"
#include "log.h"
#include "played_link.h"
#include "played_sources.h"
#include "reaper.h"
#include "site.h"
#include "wheel.h"

static struct played_site {
    struct config *config;
    uv_loop_t loop, authority_loop;
    struct wheel wheel;
    struct reaper reaper;
    struct site site;
    uint64_t now;
} world;

static uint64_t played_clock(void *arg)
{
    (void)arg;
    return world.now;
}

/* For what has to wake a loop: each step has a turn. */
static void played_wake(void *arg)
{
    (void)arg;
}

static void played_config(const char *section)
{
    static const char text[] = "[sluice]\nlog_audit = off\n"
                               "[auth]\nusers = played\njwks = played\n"
                               "[limits]\nmax_filters = 4\nmax_last = 100\nmax_payload = 256\n"
                               "max_batch = 3\nprincipal_subscriptions = 12\n";
    char path[] = "/tmp/played-site-XXXXXX";
    char *argv[] = {(char *)(uintptr_t) "fuzz", (char *)(uintptr_t) "--config", path};
    int fd = mkstemp(path);
    enum config_outcome outcome;

    assert(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    outcome = config_load(&world.config, section, ARRAY_LEN(argv), argv);
    assert(outcome == CONFIG_GO);
    (void)outcome;
    (void)close(fd);
    (void)unlink(path);
}

static void played_site_start(const char *section)
{
    log_set_level((enum log_level)(LOG_ERROR + 1));
    played_config(section);
    audit_configure(world.config);
    clock_replace(played_clock, NULL);
    world.now = 1000000;
    (void)uv_loop_init(&world.loop);
    (void)uv_loop_init(&world.authority_loop);
    wheel_init(&world.wheel, &world.loop);
    reaper_init(&world.reaper, &world.wheel);
    site_init(&world.site,
              &(struct site_parts){world.config, NULL, NULL, NULL, &world.wheel, &world.reaper},
              section);
}

static void played_site_begin(const struct hub_limits *limits, uint64_t head)
{
    struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = head};

    memset(&played_sources, 0, sizeof played_sources);
    world.site.use.authority = authority_open(&world.authority_loop, world.config);
    assert(world.site.use.authority != NULL);
    gatekeeper_init(&world.site.gatekeeper, world.site.use.authority, world.config, false);
    world.site.use.hub = hub_new(&played_hub_link, limits);
    hub_up(world.site.use.hub, &hello);
}

/* Everything is closed, and nobody acts as anybody any more. */
static void played_site_end(void)
{
    hub_free(world.site.use.hub);
    reaper_close(&world.reaper);
    authority_close(world.site.use.authority);
    (void)uv_run(&world.authority_loop, UV_RUN_DEFAULT);
    played_end();
}

static void played_site_time(uint64_t ms)
{
    world.now += ms;
    wheel_turn(&world.wheel);
}

/* --- who is believed -------------------------------------------------------------------- */

static const char *const played_tokens[] = {".a", ".al", ".aln", ".b", ".bn", ".al2", ".bl", "x"};

static inline const char *played_token(uint8_t which)
{
    return played_tokens[which % ARRAY_LEN(played_tokens)];
}

/* Whose word is taken is read anew, with somebody revoked or shrunk, or as it was. */
static void played_reload(uint8_t which)
{
    unsigned char letter = which % 2 ? 'a' : 'b';
    bool ok;

    played_sources.revoked[letter] = which % 8 == 2 || which % 8 == 7;
    played_sources.shrunk[letter] = which % 4 == 1;
    ok = authority_reload(world.site.use.authority, world.config);
    assert(ok);
    (void)ok;
}

/* Answers to what is asked, keys that come, a reload. */
static void played_identity(uint8_t which)
{
    static const enum auth_outcome outcomes[] = {AUTH_KNOWN, AUTH_WRONG, AUTH_KNOWN,
                                                 AUTH_BUSY,  AUTH_KNOWN, AUTH_UNAVAILABLE};

    if (which % 4 == 0)
        played_sources_keys();
    else if (which % 4 == 1)
        played_reload(which / 4);
    else
        (void)played_sources_answer(outcomes[which / 4 % ARRAY_LEN(outcomes)]);
}

#endif
