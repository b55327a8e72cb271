/*
 * gateway.c - the common main of all gateways.
 *
 * Order of start, each step needing the ones before it:
 *
 *   configuration, log    say what is wrong with the rest
 *   signals, timers       from here on SIGTERM ends in order
 *   hub, link             begin to reach for the broker; they need each other
 *   admin                 probes see a process that is not ready yet
 *   protocol, listeners   the doors open last
 *   ready                 once the broker has greeted us
 *
 * Every turn of the loop ends in hub_turn, which hands out what came in: from
 * the link's turn() after messages, and from our uv_check after what clients
 * did.  While the hub has more to do the uv_idle keeps the loop from sleeping.
 *
 * Order of end (SIGTERM): no more clients; those that are here finish what they
 * began; when the last is closed, and the broker has what sessions had to say, or
 * `drain` is over, the rest closes and the loop has nothing left.
 */
#include "gateway.h"

#include <stdlib.h>

#include "access_log.h"
#include "admin.h"
#include "audit.h"
#include "authority.h"
#include "log.h"
#include "mem.h"
#include "process.h"
#include "reach.h"
#include "topic.h"

#define HUB_TICK_MS 1000
#define LINGER_MS 10000 /* of feeds that nobody subscribes to any more */

/* --- the hub and the link ------------------------------------------------------- */

static void gateway_on_idle(uv_idle_t *idle)
{
    (void)idle; /* the loop must not sleep */
}

static void gateway_turn(struct gateway *g)
{
    if (g->hub == NULL)
        return;
    wheel_refresh(&g->wheel);
    if (hub_turn(g->hub))
        (void)uv_idle_start(&g->idle, gateway_on_idle);
    else
        (void)uv_idle_stop(&g->idle);
    if (g->spec->turn != NULL && g->started)
        g->spec->turn(g);
}

static void gateway_on_tick(struct wheel_timer *t)
{
    struct gateway *g = CONTAINER_OF(t, struct gateway, tick);

    hub_tick(g->hub);
    wheel_start(&g->wheel, t, HUB_TICK_MS, gateway_on_tick);
}

static void gateway_on_up(void *arg, const struct wire_hello_ok *hello)
{
    struct gateway *g = arg;

    hub_up(g->hub, hello);
    if (g->spec->up != NULL && g->started)
        g->spec->up(g);
    if (g->ready || g->draining)
        return;
    g->ready = true;
    log_info("ready");
    process_ready((int)config_num(g->config, CFG_READY_FD));
}

static void gateway_on_down(void *arg)
{
    struct gateway *g = arg;

    link_set_seen(g->link, hub_seen(g->hub));
    hub_down(g->hub);
}

static void gateway_on_filter_live(void *arg, uint32_t ref, uint64_t live_from)
{
    struct gateway *g = arg;

    hub_filter_live(g->hub, ref, live_from);
}

static void gateway_on_filter_no(void *arg, uint32_t ref, enum sluice_error error)
{
    struct gateway *g = arg;

    hub_filter_no(g->hub, ref, error);
}

static void gateway_on_live(void *arg, uint64_t after, uint64_t upto, struct zmsg *m,
                            struct reader records)
{
    struct gateway *g = arg;

    hub_live(g->hub, after, upto, m, records);
}

static void gateway_on_removed(void *arg, struct slice topic, uint64_t upto)
{
    struct gateway *g = arg;

    hub_removed(g->hub, topic, upto);
}

static void gateway_on_call(void *arg, uint8_t op, struct reader body)
{
    struct gateway *g = arg;

    if (g->spec->call != NULL && g->started)
        g->spec->call(g, op, body);
}

static void gateway_on_turn(void *arg)
{
    gateway_turn(arg);
}

static const struct link_ops link_ops = {.up = gateway_on_up,
                                         .down = gateway_on_down,
                                         .filter_live = gateway_on_filter_live,
                                         .filter_no = gateway_on_filter_no,
                                         .live = gateway_on_live,
                                         .removed = gateway_on_removed,
                                         .call = gateway_on_call,
                                         .turn = gateway_on_turn};

static void gateway_filter_add(void *arg, uint32_t ref, struct slice filter)
{
    struct gateway *g = arg;

    link_filter_add(g->link, ref, filter);
}

static void gateway_filter_drop(void *arg, uint32_t ref)
{
    struct gateway *g = arg;

    link_filter_drop(g->link, ref);
}

static void gateway_read(void *arg, struct link_read *r)
{
    struct gateway *g = arg;

    link_read(g->link, r);
}

static void gateway_read_cancel(void *arg, struct link_read *r)
{
    struct gateway *g = arg;

    link_read_cancel(g->link, r);
}

static bool gateway_open_broker(struct gateway *g)
{
    struct hub_link to_link = {.filter_add = gateway_filter_add,
                               .filter_drop = gateway_filter_drop,
                               .read = gateway_read,
                               .read_cancel = gateway_read_cancel,
                               .link = g};
    uint64_t linger_ms = g->spec->linger_ms;
    struct hub_limits limits = {.ring = config_num(g->config, CFG_RING),
                                .page_cache = config_num(g->config, CFG_PAGE_CACHE),
                                .turn = config_num(g->config, CFG_REPLAY_TURN),
                                .filters = config_num(g->config, CFG_MAX_FILTERS_TOTAL),
                                .filter_levels = config_num(g->config, CFG_MAX_FILTER_LEVELS),
                                .linger_ms = linger_ms != 0 ? linger_ms : LINGER_MS};

    g->hub = hub_new(&to_link, &limits);
    g->link = link_new(&g->loop, g->config, g->spec->section, &link_ops, g);
    return g->link != NULL;
}

void gateway_wake(struct gateway *g)
{
    (void)uv_idle_start(&g->idle, gateway_on_idle);
}

/* --- the end ----------------------------------------------------------------------- */

static void gateway_on_part_closed(void *arg)
{
    (void)arg; /* when all parts are closed the loop has nothing left */
}

/* The hub goes before the link: it takes its page requests back. */
static void gateway_close_rest(struct gateway *g)
{
    if (g->closing)
        return;
    g->closing = true;
    if (g->spec->stop != NULL && g->started)
        g->spec->stop(g);
    wheel_stop(&g->tick);
    reaper_close(&g->reaper);
    hub_free(g->hub);
    g->hub = NULL;
    authority_close(g->authority);
    if (g->link != NULL)
        link_close(g->link, gateway_on_part_closed, NULL);
    admin_close(g->admin, NULL, NULL);
    process_close(g->process, NULL, NULL);
    wheel_close(&g->wheel, NULL, NULL);
    uv_close((uv_handle_t *)&g->check, NULL);
    uv_close((uv_handle_t *)&g->idle, NULL);
}

/* A session's last unit may only come at the end of the turn in which its client
 * was closed, and must not be lost with the link. */
static bool gateway_sessions_wait(const struct gateway *g)
{
    return !g->abandoned && link_is_up(g->link) && link_sessions_wait(g->link);
}

static void gateway_on_check(uv_check_t *check)
{
    struct gateway *g = CONTAINER_OF(check, struct gateway, check);

    gateway_turn(g);
    if (g->empty && !g->closing && !gateway_sessions_wait(g))
        gateway_close_rest(g);
}

static void gateway_on_empty(void *arg)
{
    struct gateway *g = arg;

    g->empty = true;
    if (g->link != NULL && link_is_up(g->link))
        (void)uv_idle_start(&g->idle, gateway_on_idle); /* gateway_on_check decides */
    else
        gateway_close_rest(g);
}

static void gateway_drain(struct gateway *g)
{
    if (g->draining)
        return;
    g->draining = true;
    for (size_t i = 0; i < g->listener_count; i++)
        listener_close(g->listeners[i]);
    conns_drain(&g->conns, gateway_on_empty, g);
}

static void gateway_on_drain(void *arg)
{
    gateway_drain(arg);
}

static void gateway_on_abandon(void *arg)
{
    struct gateway *g = arg;

    g->abandoned = true;
    conns_close_all(&g->conns);
    (void)uv_idle_start(&g->idle, gateway_on_idle); /* gateway_on_check is to see it */
}

static void gateway_reload_tls(struct gateway *g, const struct config *fresh)
{
    if (config_tls(fresh, g->spec->section) != (g->tls != NULL))
        log_warn("TLS is turned on or off when the process starts anew");
    else if (g->tls != NULL)
        (void)tls_server_reload(g->tls, fresh);
}

/* Only what can change while clients are here. */
static void gateway_on_reload(void *arg)
{
    static const enum config_key applied[] = {CFG_LOG_LEVEL,
                                              CFG_LOG_AUDIT,
                                              CFG_LOG_ACCESS,
                                              CFG_TLS_CERTIFICATE,
                                              CFG_TLS_KEY,
                                              CFG_TLS_CLIENT_CA,
                                              CFG_TLS_VERIFY,
                                              CFG_TLS_MIN_VERSION,
                                              CFG_TLS_HANDSHAKE_TIMEOUT,
                                              CFG_TLS_MAX_HANDSHAKES,
                                              CFG_AUTH_USERS,
                                              CFG_AUTH_JWKS,
                                              CFG_AUTH_JWKS_REFRESH,
                                              CFG_AUTH_HMAC_KEY,
                                              CFG_AUTH_ISSUER,
                                              CFG_AUTH_AUDIENCE,
                                              CFG_AUTH_LEEWAY,
                                              CFG_AUTH_REVOKED,
                                              CFG_AUTH_CERTIFICATE_ROLES,
                                              CFG_AUTH_KEYS,
                                              CFG_AUTH_CALLBACK,
                                              CFG_AUTH_CALLBACK_TIMEOUT,
                                              CFG_AUTH_CALLBACK_REQUESTS,
                                              CFG_AUTH_CA,
                                              CFG_AUTH_ANONYMOUS,
                                              CFG_AUTH_PASSWORD_CHECKS,
                                              CFG_AUTH_MAX_GRANTS,
                                              CFG_AUTH_REMEMBER,
                                              CFG_PRINCIPAL_CONNECTIONS,
                                              CFG_PRINCIPAL_SUBSCRIPTIONS,
                                              CFG_PRINCIPAL_PUBLISH_RATE,
                                              CFG_PRINCIPAL_PUBLISH_BYTES};
    struct gateway *g = arg;
    struct config *fresh = config_reload(g->config);

    if (fresh == NULL)
        return;
    config_log_unapplied(g->config, fresh, applied, ARRAY_LEN(applied));
    log_set_level((enum log_level)config_num(fresh, CFG_LOG_LEVEL));
    audit_configure(fresh);
    access_log_configure(fresh);
    gateway_reload_tls(g, fresh);
    (void)authority_reload(g->authority, fresh);
    config_free(fresh);
    log_info("configuration reloaded");
}

/* --- the start ---------------------------------------------------------------------- */

static bool gateway_is_ready(void *arg)
{
    const struct gateway *g = arg;

    return !g->draining && g->ready && link_is_up(g->link);
}

static const char *gateway_note(void *arg)
{
    const struct gateway *g = arg;

    return link_trouble(g->link);
}

static void gateway_refresh(void *arg)
{
    struct gateway *g = arg;

    conns_refresh(&g->conns);
    if (g->hub != NULL)
        hub_tick(g->hub);
}

static bool gateway_open_admin(struct gateway *g)
{
    static const struct admin_ops ops = {
        .ready = gateway_is_ready, .refresh = gateway_refresh, .note = gateway_note};
    const char *listen = config_admin_listen(g->config, g->spec->section);

    if (*listen == '\0')
        return true;
    if (!reach_allows(g->config, listen))
        return false;
    g->admin = admin_start(&g->loop, listen, config_text(g->config, CFG_HTTP_HOSTS), 'g', &ops, g);
    return g->admin != NULL;
}

static bool gateway_listen_with(struct gateway *g, const char *addresses, struct tls_server *tls,
                                const struct listener_options *o)
{
    struct slice rest = slice_of(addresses), one;
    struct listener *l;
    char *address;

    if (!reach_allows_clients(g->config, addresses))
        return false;
    while (config_list_next(&rest, &one)) {
        if (g->listener_count == ARRAY_LEN(g->listeners)) {
            log_error("too many addresses to listen on", LOG_S("listen", addresses));
            return false;
        }
        address = mem_strndup(one.p, one.len);
        l = listener_open(&g->conns, address, tls, o);
        free(address);
        if (l == NULL)
            return false;
        g->listeners[g->listener_count++] = l;
    }
    return true;
}

bool gateway_listen(struct gateway *g, const char *addresses, const struct listener_options *o)
{
    return gateway_listen_with(g, addresses, g->tls, o);
}

bool gateway_listen_plain(struct gateway *g, const char *addresses,
                          const struct listener_options *o)
{
    return gateway_listen_with(g, addresses, NULL, o);
}

static enum config_key gateway_own_key(const struct gateway *g, const char *name)
{
    return config_find(slice_of(g->spec->section), slice_of(name));
}

bool gateway_listen_own(struct gateway *g, const struct listener_options *o)
{
    return gateway_listen(g, config_address(g->config, gateway_own_key(g, "listen")), o) &&
           gateway_listen_plain(g, config_text(g->config, gateway_own_key(g, "listen_plain")), o);
}

static bool gateway_open_tls(struct gateway *g)
{
    if (!config_tls(g->config, g->spec->section))
        return true;
    g->tls = tls_server_new(g->config);
    return g->tls != NULL;
}

static void gateway_name_claims(struct gateway *g)
{
    struct buf folder = {0};

    buf_printf(&folder, "%s/run", config_text(g->config, CFG_DATA));
    buf_u8(&folder, 0);
    g->claims = (char *)folder.p;
    g->conns.claims = g->claims;
    g->conns.kind = g->spec->section;
}

static bool gateway_open_doors(struct gateway *g)
{
    g->conns.max = config_num(g->config, CFG_MAX_CONNECTIONS);
    g->conns.max_per_address = config_num(g->config, CFG_MAX_PER_ADDRESS);
    g->conns.held.max = config_num(g->config, CFG_RING_PINNED);
    gateway_name_claims(g);
    if (!gateway_open_tls(g))
        return false;
    g->spec->start(g);
    g->started = true;
    return g->spec->listen(g);
}

/* Our uv_check is made first: libuv runs the newest first, so hub_turn comes
 * behind the sockets' own work of the same turn. */
static void gateway_make_loop(struct gateway *g)
{
    static const struct process_ops ops = {
        .reload = gateway_on_reload, .drain = gateway_on_drain, .abandon = gateway_on_abandon};

    (void)uv_loop_init(&g->loop);
    (void)uv_check_init(&g->loop, &g->check);
    (void)uv_check_start(&g->check, gateway_on_check);
    (void)uv_idle_init(&g->loop, &g->idle);
    wheel_init(&g->wheel, &g->loop);
    reaper_init(&g->reaper, &g->wheel);
    conns_init(&g->conns, &g->loop, &g->wheel);
    g->process = process_start(&g->loop, config_num(g->config, CFG_DRAIN), &ops, g);
}

static bool gateway_start(struct gateway *g)
{
    g->authority = authority_open(&g->loop, g->config);
    if (g->authority == NULL || !gateway_open_broker(g))
        return false;
    wheel_start(&g->wheel, &g->tick, HUB_TICK_MS, gateway_on_tick);
    return gateway_open_admin(g) && gateway_open_doors(g);
}

static void gateway_free(struct gateway *g)
{
    if (g->started && g->spec->free != NULL)
        g->spec->free(g);
    tls_server_free(g->tls);
    free(g->claims);
    zsock_shutdown();
    config_free(g->config);
}

int gateway_main(const struct gateway_spec *spec, int argc, char **argv)
{
    static struct gateway g;
    enum config_outcome outcome = config_load(&g.config, spec->section, argc, argv);
    int code = EXIT_SUCCESS;

    if (outcome != CONFIG_GO)
        return outcome == CONFIG_EXIT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
    g.spec = spec;
    log_init(spec->section, (enum log_level)config_num(g.config, CFG_LOG_LEVEL),
             (enum log_format)config_num(g.config, CFG_LOG_FORMAT));
    audit_configure(g.config);
    access_log_configure(g.config);
    topic_limit_levels((unsigned)config_num(g.config, CFG_MAX_LEVELS));
    gateway_make_loop(&g);
    if (!gateway_start(&g)) {
        code = EXIT_FAILURE;
        gateway_drain(&g);
    }
    (void)uv_run(&g.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&g.loop) != 0)
        log_error("the loop did not drain");
    gateway_free(&g);
    return code;
}
