/*
 * app_frame.c - see app_frame.h.
 */
#include "app_frame.h"

#include "event_json.h"

enum sluice_error app_frame_get(const struct slice *parts, size_t count, struct app_frame *out,
                                const char **text)
{
    size_t at = count > 0 && parts[0].len == 0 ? 1 : 0;
    size_t left = count - at;

    *out = (struct app_frame){.delimited = at == 1};
    if (left >= 2 && parts[at + 1].len <= APP_REF_MAX) {
        out->has_ref = true;
        out->ref_part = at + 1;
    }
    if (left == 0)
        *text = "An empty message";
    else if (!slice_eq(parts[at], SLICE("publish")))
        *text = "The first part is not \"publish\"";
    else if (left != 5)
        *text = "A publish has five parts: publish, ref, topic, headers, payload";
    else if (!out->has_ref)
        *text = "The ref is longer than 256 bytes";
    else
        return ERR_NONE;
    return ERR_BAD_REQUEST;
}

enum sluice_error app_headers_get(struct slice headers, struct buf *store, struct event *e,
                                  const char **field, const char **text)
{
    struct event from = {.flags = 2 << EVENT_QOS_SHIFT};

    *field = "";
    if (headers.len != 0 && !slice_eq(headers, SLICE("{}"))) {
        if (!event_json_get(headers, EVENT_JSON_TOPIC_OPTIONAL | EVENT_JSON_NO_PAYLOAD, NULL, store,
                            &from, field, text))
            return ERR_BAD_EVENT;
        if (from.topic.len > 0) {
            *field = "topic";
            *text = "the topic is a part of its own";
            return ERR_BAD_EVENT;
        }
    }
    e->props = from.props;
    e->expiry = from.expiry;
    e->flags = from.flags;
    return ERR_NONE;
}
