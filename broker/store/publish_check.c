/*
 * publish_check.c - see publish_check.h.
 */
#include "publish_check.h"

#include "topic.h"

/* The volatile mark is the store's to set. */
#define FLAGS_ALLOWED (EVENT_RETAIN | EVENT_HAS_EXPIRY | EVENT_QOS_MASK)

static enum sluice_error check_flags(const struct event *e, const char **text)
{
    if ((e->flags & ~FLAGS_ALLOWED) != 0)
        *text = "Unknown flags";
    else if (event_qos(e) > 2)
        *text = "There is no QoS 3";
    else if (e->expiry != 0 && (e->flags & EVENT_HAS_EXPIRY) == 0)
        *text = "An expiry without its flag";
    else
        return ERR_NONE;
    return ERR_BAD_EVENT;
}

static enum sluice_error check_props(struct store_event *se, const char **text)
{
    struct event_props props;
    enum event_verdict v;

    if (se->e.props.len > EVENT_PROPS_MAX)
        v = EVENT_PROPS_TOO_LARGE;
    else
        v = event_props_get(se->e.props, &props);
    if (v == EVENT_OK)
        v = event_props_check(&props);
    if (v != EVENT_OK) {
        *text = event_verdict_text(v);
        return ERR_BAD_EVENT;
    }
    se->producer = props.producer;
    se->publisher = props.origin;
    return ERR_NONE;
}

enum sluice_error publish_check(struct store_event *se, uint64_t max_payload, const char **text)
{
    enum topic_verdict topic = topic_check_publish(se->e.topic);
    enum sluice_error error;

    se->producer = (struct producer){.seq = 0};
    se->publisher = (struct slice){0};
    if (topic != TOPIC_OK) {
        *text = topic_verdict_text(topic);
        return ERR_BAD_TOPIC;
    }
    if (se->e.payload.len > max_payload) {
        *text = "The payload is larger than max_payload";
        return ERR_TOO_LARGE;
    }
    error = check_flags(&se->e, text);
    if (error != ERR_NONE || se->e.props.len == 0)
        return error;
    return check_props(se, text);
}
