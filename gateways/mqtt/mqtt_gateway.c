/*
 * mqtt_gateway.c - the process: listeners, the end of a turn, calls of the broker.
 *
 *   start   settings, the listeners of MQTT over TCP (WebSocket's is the gateway's own)
 *   turn    sessions write what must precede packets, clients say what they gathered
 *   up      the broker is told which sessions are held here
 *   call    the broker fences a session, assigns a shared event, or tells $SYS
 *   tick    once a second: checkpoints; now and then: the counters for $SYS
 *
 * While the broker is away clients stay: they are answered what needs no broker, and
 * what they publish waits in the link, up to its limit.
 */
#include "mqtt_gateway.h"

#include <stdlib.h>

#include "aliases.h"
#include "clients.h"
#include "deliver.h"
#include "mem.h"
#include "metrics.h"
#include "session_commit.h"
#include "session_life.h"
#include "share.h"
#include "sys_topics.h"

#define TICK_MS 1000
#define REPORT_TICKS 2

/* --- the broker's calls ---------------------------------------------------------------- */

static struct session *mqtt_gateway_find_session(const struct mqttd *m, struct slice id)
{
    struct session *s;

    HASH_FIND(hh, m->sessions, id.p, id.len, s);
    return s;
}

/* A session that has gone meanwhile needs no fence: its DETACH is on the way. */
static void mqtt_gateway_fence(struct mqttd *m, struct reader body)
{
    struct session *s;
    struct slice id;
    uint64_t epoch;

    if (!wire_fence_get(&body, &id, &epoch)) {
        metric_add(M_BAD_FRAMES, 1);
        return;
    }
    s = mqtt_gateway_find_session(m, id);
    if (s != NULL && s->epoch == epoch)
        client_fence(s->client);
}

void mqtt_gateway_call(struct gateway *g, uint8_t op, struct reader body)
{
    struct mqttd *m = mqttd_of(g);

    switch (op) {
    case WIRE_CALL_FENCE:
        mqtt_gateway_fence(m, body);
        break;
    case WIRE_CALL_ASSIGN:
        share_assign(m, body);
        break;
    case WIRE_CALL_SYS:
        sys_topics_update(m, body);
        break;
    default:
        metric_add(M_BAD_FRAMES, 1);
    }
}

void mqtt_gateway_up(struct gateway *g)
{
    sessions_hold(mqttd_of(g));
    share_up(mqttd_of(g));
}

/* --- time -------------------------------------------------------------------------------- */

static void mqtt_gateway_report(struct mqttd *m)
{
    struct buf frame = {0};

    m->report.bytes_received = m->transports.received;
    conns_refresh(&m->gateway->conns);
    m->report.bytes_sent = metric_get(M_SENT_BYTES);
    wire_tell_begin(&frame, WIRE_TELL_REPORT);
    wire_report_put(&frame, &m->report);
    link_tell(m->gateway->link, &frame);
}

static void mqtt_gateway_on_tick(struct wheel_timer *t)
{
    struct mqttd *m = CONTAINER_OF(t, struct mqttd, tick);

    m->log_left = MQTTD_LOGS_PER_TICK;
    aliases_tick(m->aliases);
    session_commit_checkpoint(m);
    if (m->ticks++ % REPORT_TICKS == 0)
        mqtt_gateway_report(m);
    wheel_start(&m->gateway->wheel, t, TICK_MS, mqtt_gateway_on_tick);
}

static void mqtt_gateway_on_idle(uv_idle_t *idle)
{
    (void)idle; /* the loop must not sleep */
}

/* What clients are shown at last may concern sessions again: then the loop goes on. */
void mqtt_gateway_turn(struct gateway *g)
{
    struct mqttd *m = mqttd_of(g);

    if (m->stopped)
        return;
    session_commit_turn(m);
    share_turn(m); /* who reads that it has joined a group is counted on by then */
    clients_turn(m);
    share_turn(m);
    if (m->committing != NULL)
        (void)uv_idle_start(&m->idle, mqtt_gateway_on_idle);
    else
        (void)uv_idle_stop(&m->idle);
}

/* --- the process --------------------------------------------------------------------------- */

static void mqtt_gateway_on_upgrade(struct exchange *x)
{
    struct mqttd *m = x->own;
    struct caller shown = {0};
    struct conn *c;

    caller_copy(&shown, &x->caller); /* the exchange does not outlive its head */
    c = transport_accept(x);
    if (c != NULL)
        clients_open_websocket(m, c, &shown);
    caller_end(&shown);
}

/* GET on the WebSocket's address. */
static void mqtt_gateway_open_site(struct mqttd *m)
{
    struct gateway *g = m->gateway;
    const struct site_parts parts = {g->config, g->authority, g->hub,
                                     g->link,   &g->wheel,    &g->reaper};
    const struct route upgrade = {"GET", "/", ROUTE_TUNNEL, mqtt_gateway_on_upgrade, m, "*"};

    site_init(&m->site, &parts, "mqtt");
    site_add(&m->site, &upgrade, 1);
    m->http = http_new(&m->site);
}

void mqtt_gateway_start(struct gateway *g)
{
    struct mqttd *m = mem_zalloc(sizeof *m);

    m->gateway = g;
    g->protocol = m;
    mqttd_settings_read(&m->settings, g->config);
    m->transports.packet_max = m->settings.max_packet;
    m->transports.held_max = config_num(g->config, CFG_PUBLISH_QUEUE);
    m->aliases = aliases_new();
    m->writing = deliver_writing_new();
    m->log_left = MQTTD_LOGS_PER_TICK;
    mqtt_gateway_open_site(m);
    (void)uv_idle_init(&g->loop, &m->idle);
    wheel_start(&g->wheel, &m->tick, TICK_MS, mqtt_gateway_on_tick);
}

bool mqtt_gateway_listen(struct gateway *g)
{
    static const char *const alpn[] = {"mqtt", NULL};
    struct mqttd *m = mqttd_of(g);
    struct listener_options websocket = http_listener(m->http);
    struct listener_options tcp = {
        .conn_size = sizeof(struct conn), .ops = &clients_conn_ops, .data = m, .alpn = alpn};

    return gateway_listen_own(g, &tcp) &&
           gateway_listen(g, config_address(g->config, CFG_MQTT_LISTEN_WS), &websocket) &&
           gateway_listen_plain(g, config_text(g->config, CFG_MQTT_LISTEN_WS_PLAIN), &websocket);
}

void mqtt_gateway_stop(struct gateway *g)
{
    struct mqttd *m = mqttd_of(g);

    m->stopped = true;
    wheel_stop(&m->tick);
    uv_close((uv_handle_t *)&m->idle, NULL);
}

void mqtt_gateway_free(struct gateway *g)
{
    struct mqttd *m = mqttd_of(g);

    sys_topics_free(m);
    share_free(m);
    aliases_free(m->aliases);
    buf_free(&m->props);
    buf_free(&m->users);
    buf_free(&m->packet);
    buf_free(&m->item_key);
    buf_free(&m->item_value);
    deliver_writing_free(m->writing);
    http_free(m->http);
    site_free(&m->site);
    free(m);
}
