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

/* Each answers one kind: ERR_NONE, or the error to reply with. */

static enum sluice_error answer_page(struct store_reader *reader, const void *frame, size_t len,
                                     struct buf *reply)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_page_req q;

    if (!wire_page_req_get(frame, len, &q, filters, WIRE_FILTERS_MAX))
        return ERR_BAD_REQUEST;
    if (!filters_valid(q.filters, q.filter_count))
        return ERR_BAD_FILTER;
    metric_add(M_PAGES, 1);
    store_read_page(reader, &q, reply);
    return ERR_NONE;
}

static enum sluice_error answer_start(struct store_reader *reader, const void *frame, size_t len,
                                      struct buf *reply)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_start_req q;

    if (!wire_start_req_get(frame, len, &q, filters, WIRE_FILTERS_MAX) ||
        (q.mode != WIRE_SINCE && q.mode != WIRE_LAST))
        return ERR_BAD_REQUEST;
    if (!filters_valid(q.filters, q.filter_count))
        return ERR_BAD_FILTER;
    store_read_start(reader, &q, reply);
    return ERR_NONE;
}

static enum sluice_error answer_event(struct store_reader *reader, const void *frame, size_t len,
                                      struct buf *reply)
{
    uint64_t ref, id;

    if (!wire_event_req_get(frame, len, &ref, &id))
        return ERR_BAD_REQUEST;
    store_read_event(reader, ref, id, reply);
    return ERR_NONE;
}

static enum sluice_error answer_topics(struct store_reader *reader, const void *frame, size_t len,
                                       struct buf *reply)
{
    struct wire_topics_req q;

    if (!wire_topics_req_get(frame, len, &q))
        return ERR_BAD_REQUEST;
    if (q.filter.len != 0 && filter_check(q.filter) != TOPIC_OK)
        return ERR_BAD_FILTER;
    store_read_topics(reader, &q, reply);
    return ERR_NONE;
}

static enum sluice_error answer_retained(struct store_reader *reader, const void *frame, size_t len,
                                         struct buf *reply)
{
    struct wire_retained_req q;

    if (!wire_retained_req_get(frame, len, &q))
        return ERR_BAD_REQUEST;
    if (filter_check(q.filter) != TOPIC_OK)
        return ERR_BAD_FILTER;
    store_read_retained(reader, &q, reply);
    return ERR_NONE;
}

static enum sluice_error answer(struct store_reader *reader, uint8_t kind, const void *frame,
                                size_t len, struct buf *reply)
{
    switch (kind) {
    case WIRE_PAGE:
        return answer_page(reader, frame, len, reply);
    case WIRE_START:
        return answer_start(reader, frame, len, reply);
    case WIRE_EVENT:
        return answer_event(reader, frame, len, reply);
    case WIRE_TOPICS:
        return answer_topics(reader, frame, len, reply);
    case WIRE_RETAINED:
        return answer_retained(reader, frame, len, reply);
    default:
        return ERR_BAD_REQUEST;
    }
}

bool read_answer(struct store_reader *reader, const void *frame, size_t len, struct buf *reply)
{
    enum sluice_error error;
    uint8_t kind;
    uint64_t ref;

    if (!wire_read_head(frame, len, &kind, &ref)) {
        metric_add(M_BAD_FRAMES, 1);
        return false;
    }
    error = answer(reader, kind, frame, len, reply);
    if (error == ERR_NONE)
        return true;
    metric_add(M_BAD_FRAMES, 1);
    wire_read_error_put(reply, kind, ref, error, slice_of(error_text(error)));
    return true;
}
