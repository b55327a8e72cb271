/*
 * mqttd.c - settings out of the configuration, and how much is logged.
 */
#include "mqttd.h"

#define PACKET_ROOM (128u * 1024) /* what may stand around a payload: topic, properties */

static uint32_t seconds_or_no_limit(uint64_t ms)
{
    uint64_t s = ms / 1000;

    return ms == 0 || s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static uint32_t packet_max(uint64_t payload)
{
    uint64_t size = payload + PACKET_ROOM;

    return size < MQTT_REMAINING_MAX ? (uint32_t)size : MQTT_REMAINING_MAX;
}

/* A place among them is 16 bits (sub.h). */
static uint32_t mqttd_max_filters(const struct config *c)
{
    uint64_t n = config_num(c, CFG_MQTT_MAX_FILTERS);

    return n < WIRE_FILTERS_MAX ? (uint32_t)n : WIRE_FILTERS_MAX;
}

void mqttd_settings_read(struct mqttd_settings *s, const struct config *c)
{
    *s = (struct mqttd_settings){
        .connect_timeout_ms = config_num(c, CFG_MQTT_CONNECT_TIMEOUT),
        .max_payload = config_num(c, CFG_MAX_PAYLOAD),
        .max_packet = packet_max(config_num(c, CFG_MAX_PAYLOAD)),
        .max_session_expiry = seconds_or_no_limit(config_num(c, CFG_MQTT_MAX_SESSION_EXPIRY)),
        .max_keep_alive = (uint16_t)(config_num(c, CFG_MQTT_MAX_KEEP_ALIVE) / 1000),
        .receive_maximum = (uint16_t)config_num(c, CFG_MQTT_RECEIVE_MAXIMUM),
        .max_inflight = (uint16_t)config_num(c, CFG_MQTT_MAX_INFLIGHT),
        .topic_alias_maximum = (uint16_t)config_num(c, CFG_MQTT_TOPIC_ALIAS_MAXIMUM),
        .max_qos = (uint8_t)config_num(c, CFG_MQTT_MAX_QOS),
        .retain_available = config_bool(c, CFG_MQTT_RETAIN_AVAILABLE),
        .max_subscriptions = (uint32_t)config_num(c, CFG_MQTT_MAX_SUBSCRIPTIONS),
        .max_shared = (uint32_t)config_num(c, CFG_MQTT_MAX_GROUPS),
        .max_filters = mqttd_max_filters(c),
        .properties_all = config_num(c, CFG_MQTT_PROPERTIES) == 1,
        .max_client_id = (uint32_t)config_num(c, CFG_MQTT_MAX_CLIENT_ID),
        .queue_qos0 = config_bool(c, CFG_MQTT_QUEUE_QOS0),
        .drop_session_on_gap = config_num(c, CFG_MQTT_ON_GAP) == 1,
    };
    if (config_text(c, CFG_MQTT_SERVER_REFERENCE)[0] != '\0')
        s->server_reference = config_text(c, CFG_MQTT_SERVER_REFERENCE);
}

bool mqttd_may_log(struct mqttd *m)
{
    if (m->log_left == 0)
        return false;
    m->log_left--;
    return true;
}
