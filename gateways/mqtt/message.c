/*
 * message.c - from properties of MQTT to those of events.
 */
#include "message.h"

#include "topic.h"

static bool message_put_users(struct buf *users, struct slice props)
{
    struct mqtt_prop p;

    buf_clear(users);
    while (mqtt_prop_next(&props, &p)) {
        if (p.id != MQTT_PROP_USER_PROPERTY || event_user_is_ours(p.text))
            continue;
        if (p.text.len + p.value.len > EVENT_USER_MAX)
            return false;
        event_user_put(users, p.text, p.value);
    }
    return true;
}

static enum mqtt_reason message_reason_of(enum event_verdict v)
{
    switch (v) {
    case EVENT_OK:
        return MQTT_OK;
    case EVENT_PROPS_TOO_LARGE:
        return MQTT_QUOTA;
    case EVENT_BAD_RESPONSE_TOPIC:
        return MQTT_BAD_TOPIC;
    default:
        return MQTT_IMPLEMENTATION;
    }
}

static enum mqtt_reason message_put_props(struct mqttd *m, const struct message *message)
{
    const struct mqtt_props *from = message->props;
    struct event_props to = {.origin = message->origin, .payload_format = -1};
    enum event_verdict v;

    if (!message_put_users(&m->users, from->bytes))
        return MQTT_QUOTA;
    to.user = buf_slice(&m->users);
    to.content_type = mqtt_prop_text(from, MQTT_PROP_CONTENT_TYPE);
    to.response_topic = mqtt_prop_text(from, MQTT_PROP_RESPONSE_TOPIC);
    to.correlation = mqtt_prop_text(from, MQTT_PROP_CORRELATION_DATA);
    if (mqtt_has(from, MQTT_PROP_PAYLOAD_FORMAT))
        to.payload_format = (int)mqtt_prop_number(from, MQTT_PROP_PAYLOAD_FORMAT, 0);
    v = event_props_check(&to);
    buf_clear(&m->props);
    if (v == EVENT_OK)
        event_props_put(&m->props, &to);
    return message_reason_of(v);
}

static enum mqtt_reason message_check(const struct mqttd *m, const struct caller *who,
                                      const struct message *message)
{
    if (topic_check_publish(message->topic) != TOPIC_OK)
        return MQTT_BAD_TOPIC;
    if (!caller_may(who, AUTH_PUBLISH, message->topic))
        return MQTT_NOT_AUTHORIZED;
    return message->payload.len <= m->settings.max_payload ? MQTT_OK : MQTT_QUOTA;
}

enum mqtt_reason message_put(struct mqttd *m, const struct caller *who,
                             const struct message *message, struct buf *record)
{
    struct event e = {.topic = message->topic, .payload = message->payload};
    enum mqtt_reason reason = message_check(m, who, message);

    if (reason == MQTT_OK)
        reason = message_put_props(m, message);
    if (reason != MQTT_OK)
        return reason;
    e.props = buf_slice(&m->props);
    e.flags = (uint16_t)(message->qos << EVENT_QOS_SHIFT | (message->retain ? EVENT_RETAIN : 0));
    if (mqtt_has(message->props, MQTT_PROP_MESSAGE_EXPIRY)) {
        e.flags |= EVENT_HAS_EXPIRY;
        e.expiry = mqtt_prop_number(message->props, MQTT_PROP_MESSAGE_EXPIRY, 0);
    }
    event_record_put(record, &e);
    return MQTT_OK;
}

bool message_is_bridge_state(struct slice topic)
{
    return slice_starts(topic, SLICE("$SYS/broker/connection/"));
}
