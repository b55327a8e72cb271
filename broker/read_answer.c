/*
 * read_answer.c - see read_answer.h.
 */
#include "read_answer.h"

#include "metrics.h"
#include "topic.h"
#include "wire_session.h"

static bool filters_valid(const struct wire_filter *filters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (filter_check(filters[i].filter) != TOPIC_OK)
            return false;
    }
    return true;
}

/* Each begins one kind: NULL, and the error to reply with. */

static struct store_read *begin_page(const void *frame, size_t len, enum sluice_error *error)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_page_req q;

    if (!wire_page_req_get(frame, len, &q, filters, WIRE_FILTERS_MAX))
        return NULL;
    *error = ERR_BAD_FILTER;
    if (!filters_valid(q.filters, q.filter_count))
        return NULL;
    metric_add(M_PAGES, 1);
    return store_read_page(&q);
}

static struct store_read *begin_start(const void *frame, size_t len, enum sluice_error *error)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_start_req q;

    if (!wire_start_req_get(frame, len, &q, filters, WIRE_FILTERS_MAX) ||
        (q.mode != WIRE_SINCE && q.mode != WIRE_LAST))
        return NULL;
    *error = ERR_BAD_FILTER;
    return filters_valid(q.filters, q.filter_count) ? store_read_start(&q) : NULL;
}

static struct store_read *begin_event(const void *frame, size_t len)
{
    uint64_t ref, id;

    return wire_event_req_get(frame, len, &ref, &id) ? store_read_event(ref, id) : NULL;
}

static struct store_read *begin_topics(const void *frame, size_t len, enum sluice_error *error)
{
    struct wire_topics_req q;

    if (!wire_topics_req_get(frame, len, &q))
        return NULL;
    *error = ERR_BAD_FILTER;
    if (q.filter.len != 0 && filter_check(q.filter) != TOPIC_OK)
        return NULL;
    return store_read_topics(&q);
}

static struct store_read *begin_retained(const void *frame, size_t len, enum sluice_error *error)
{
    struct wire_retained_req q;

    if (!wire_retained_req_get(frame, len, &q))
        return NULL;
    *error = ERR_BAD_FILTER;
    return filter_check(q.filter) == TOPIC_OK ? store_read_retained(&q) : NULL;
}

static struct store_read *begin(uint8_t kind, const void *frame, size_t len,
                                enum sluice_error *error)
{
    *error = ERR_BAD_REQUEST;
    switch (kind) {
    case WIRE_PAGE:
        return begin_page(frame, len, error);
    case WIRE_START:
        return begin_start(frame, len, error);
    case WIRE_EVENT:
        return begin_event(frame, len);
    case WIRE_TOPICS:
        return begin_topics(frame, len, error);
    case WIRE_RETAINED:
        return begin_retained(frame, len, error);
    default:
        return NULL;
    }
}

struct store_read *read_answer_begin(const void *frame, size_t len, struct buf *reply)
{
    enum sluice_error error;
    struct store_read *read;
    uint8_t kind;
    uint64_t ref;

    if (!wire_read_head(frame, len, &kind, &ref)) {
        metric_add(M_BAD_FRAMES, 1);
        return NULL;
    }
    read = begin(kind, frame, len, &error);
    if (read != NULL)
        return read;
    metric_add(M_BAD_FRAMES, 1);
    wire_read_error_put(reply, kind, ref, error, slice_of(error_text(error)));
    return NULL;
}
