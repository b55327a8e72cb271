/*
 * zheaders.c - see zheaders.h.
 */
#include "zheaders.h"

#include "event_json.h"

bool zheaders_get(struct slice headers, struct buf *store, struct event *e, struct problem *why)
{
    struct event from = {.flags = 2 << EVENT_QOS_SHIFT};
    const char *field = "", *text = "";

    if (headers.len > ZHEADERS_MAX)
        return problem_set(why, ERR_BAD_EVENT, NULL, "The headers are too large");
    if (headers.len != 0 && !slice_eq(headers, SLICE("{}"))) {
        if (!event_json_get(headers, EVENT_JSON_TOPIC_OPTIONAL | EVENT_JSON_NO_PAYLOAD, NULL, store,
                            &from, &field, &text))
            return problem_set(why, ERR_BAD_EVENT, field, text);
        if (from.topic.len > 0)
            return problem_set(why, ERR_BAD_EVENT, "topic", "the topic is a part of its own");
    }
    e->props = from.props;
    e->expiry = from.expiry;
    e->flags = from.flags;
    return true;
}
