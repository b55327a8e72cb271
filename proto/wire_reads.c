/*
 * wire_reads.c - the messages on reads: requests, and the replies to them.
 *
 * Built like wire.c.  Every request begins with kind and ref, every reply with
 * kind, ref and an error; a reply with an error holds a text and nothing else.
 * Lists are checked whole when the reply is decoded, so walking one later
 * cannot fail.
 */
#include <assert.h>

#include "wire.h"
#include "wire_fields.h"

/* X(type, name); kind and ref come before, and in replies the error */
#define PAGE_REQ(X)                                                                                \
    X(u64, after) X(u64, until) X(u32, limit) X(flag, descending) X(u16, filter_count)
#define START_REQ(X) X(u8, mode) X(u64, arg) X(u16, filter_count)
#define EVENT_REQ(X) X(u64, id)
#define TOPICS_REQ(X) X(text, filter) X(text, after) X(u32, limit)
#define PAGE(X) X(u64, upto) X(u64, head) X(u64, removed_to) X(u8, reason) X(u32, count)
#define START(X) X(u64, head) X(u16, count)
#define TOPICS(X) X(flag, more) X(u32, count)
#define FILTER(X) X(u64, from) X(text, filter)
#define TOPIC(X) X(text, topic) X(u64, head) X(u64, oldest) X(u64, events) X(u64, bytes)

/* Where wire_page_finish and wire_topics_finish patch, from the frame's start. */
#define PAGE_UPTO WIRE_REPLY_HEAD
#define PAGE_COUNT (WIRE_REPLY_HEAD + 8 + 8 + 8 + 1)
#define TOPICS_MORE WIRE_REPLY_HEAD
#define TOPICS_COUNT (WIRE_REPLY_HEAD + 1)

void wire_read_error_put(struct buf *b, uint8_t request_kind, uint64_t ref, enum sluice_error error,
                         struct slice text)
{
    assert(error != ERR_NONE);
    wire_reply_begin(b, request_kind, ref, error);
    buf_str16(b, text);
}

void wire_cancel_put(struct buf *b, uint64_t ref)
{
    wire_request_begin(b, WIRE_CANCEL, ref);
}

bool wire_cancel_get(const void *p, size_t len, uint64_t *ref)
{
    struct reader r = wire_body(p, len, WIRE_CANCEL);

    *ref = reader_u64(&r);
    return reader_done(&r);
}

void wire_working_put(struct buf *b)
{
    wire_reply_begin(b, WIRE_CANCEL, 0, ERR_NONE);
}

bool wire_read_head(const void *p, size_t len, uint8_t *kind, uint64_t *ref)
{
    struct reader r = reader_of(p, len);

    *kind = reader_u8(&r);
    *ref = reader_u64(&r);
    return !r.bad;
}

/* --- filters in a request ------------------------------------------------------ */

static void filters_put(struct buf *b, const struct wire_filter *filters, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        const struct wire_filter *m = &filters[i];

        FILTER(PUT_FIELD)
    }
}

static void filters_get(struct reader *reader, struct wire_filter *filters, uint16_t count,
                        size_t max)
{
    struct reader r = *reader;

    if (count > max)
        reader_fail(&r);
    for (uint16_t i = 0; i < count && !r.bad; i++) {
        struct wire_filter *m = &filters[i];

        FILTER(GET_FIELD)
    }
    *reader = r;
}

/* --- pages ---------------------------------------------------------------------- */

void wire_page_req_put(struct buf *b, const struct wire_page_req *m)
{
    wire_request_begin(b, WIRE_PAGE, m->ref);
    PAGE_REQ(PUT_FIELD)
    filters_put(b, m->filters, m->filter_count);
}

bool wire_page_req_get(const void *p, size_t len, struct wire_page_req *m,
                       struct wire_filter *filters, size_t max)
{
    struct reader r = wire_body(p, len, WIRE_PAGE);

    *m = (struct wire_page_req){.ref = reader_u64(&r), .filters = filters};
    PAGE_REQ(GET_FIELD)
    filters_get(&r, filters, m->filter_count, max);
    return reader_done(&r);
}

void wire_page_begin(struct buf *b, const struct wire_page *m)
{
    assert(m->error == ERR_NONE);
    wire_reply_begin(b, m->request != 0 ? m->request : WIRE_PAGE, m->ref, ERR_NONE);
    PAGE(PUT_FIELD)
}

void wire_page_finish(struct buf *b, size_t start, uint64_t upto, uint32_t count)
{
    buf_patch_u64(b, start + PAGE_UPTO, upto);
    buf_patch_u32(b, start + PAGE_COUNT, count);
}

bool wire_page_get(const void *p, size_t len, struct wire_page *m)
{
    uint8_t request = wire_kind(p, len) == WIRE_EVENT + WIRE_REPLY ? WIRE_EVENT : WIRE_PAGE;
    struct reader r = wire_body(p, len, (uint8_t)(request + WIRE_REPLY));

    *m = (struct wire_page){.request = request};
    m->ref = reader_u64(&r);
    m->error = reader_u16(&r);
    if (m->error != ERR_NONE) {
        m->text = reader_str16(&r);
        return reader_done(&r);
    }
    PAGE(GET_FIELD)
    if (m->reason > GAP_VOLATILE)
        reader_fail(&r);
    m->records = wire_records(&r, m->count);
    return reader_done(&r);
}

void wire_event_req_put(struct buf *b, uint64_t ref, uint64_t id)
{
    wire_request_begin(b, WIRE_EVENT, ref);
    EVENT_REQ(PUT_VALUE)
}

bool wire_event_req_get(const void *p, size_t len, uint64_t *ref, uint64_t *id)
{
    struct reader r = wire_body(p, len, WIRE_EVENT);

    *ref = reader_u64(&r);
    EVENT_REQ(GET_VALUE)
    return reader_done(&r);
}

/* --- starts --------------------------------------------------------------------- */

void wire_start_req_put(struct buf *b, const struct wire_start_req *m)
{
    wire_request_begin(b, WIRE_START, m->ref);
    START_REQ(PUT_FIELD)
    filters_put(b, m->filters, m->filter_count);
}

bool wire_start_req_get(const void *p, size_t len, struct wire_start_req *m,
                        struct wire_filter *filters, size_t max)
{
    struct reader r = wire_body(p, len, WIRE_START);

    *m = (struct wire_start_req){.ref = reader_u64(&r), .filters = filters};
    START_REQ(GET_FIELD)
    if (m->mode != WIRE_SINCE && m->mode != WIRE_LAST)
        reader_fail(&r);
    filters_get(&r, filters, m->filter_count, max);
    return reader_done(&r);
}

void wire_start_put(struct buf *b, uint64_t ref, uint64_t head, const uint64_t *froms,
                    uint16_t count)
{
    wire_reply_begin(b, WIRE_START, ref, ERR_NONE);
    START(PUT_VALUE)
    for (uint16_t i = 0; i < count; i++)
        buf_u64(b, froms[i]);
}

bool wire_start_get(const void *p, size_t len, struct wire_start *m)
{
    struct reader r = wire_body(p, len, WIRE_START + WIRE_REPLY);

    *m = (struct wire_start){.ref = reader_u64(&r)};
    m->error = reader_u16(&r);
    if (m->error != ERR_NONE) {
        m->text = reader_str16(&r);
        return reader_done(&r);
    }
    START(GET_FIELD)
    m->froms = wire_u64s(&r, m->count);
    return reader_done(&r);
}

/* --- topics --------------------------------------------------------------------- */

void wire_topics_req_put(struct buf *b, const struct wire_topics_req *m)
{
    wire_request_begin(b, WIRE_TOPICS, m->ref);
    TOPICS_REQ(PUT_FIELD)
}

bool wire_topics_req_get(const void *p, size_t len, struct wire_topics_req *m)
{
    struct reader r = wire_body(p, len, WIRE_TOPICS);

    *m = (struct wire_topics_req){.ref = reader_u64(&r)};
    TOPICS_REQ(GET_FIELD)
    return reader_done(&r);
}

void wire_topics_begin(struct buf *b, uint64_t ref)
{
    bool more = false;
    uint32_t count = 0;

    wire_reply_begin(b, WIRE_TOPICS, ref, ERR_NONE);
    TOPICS(PUT_VALUE)
}

void wire_topic_put(struct buf *b, const struct wire_topic *m)
{
    TOPIC(PUT_FIELD)
}

void wire_topics_finish(struct buf *b, size_t start, bool more, uint32_t count)
{
    assert(b->len >= start + TOPICS_COUNT);
    b->p[start + TOPICS_MORE] = more ? 1 : 0;
    buf_patch_u32(b, start + TOPICS_COUNT, count);
}

bool wire_topic_get(struct reader *list, struct wire_topic *m)
{
    struct reader r = *list;

    if (r.left == 0)
        return false;
    TOPIC(GET_FIELD)
    *list = r;
    return !r.bad;
}

bool wire_topics_get(const void *p, size_t len, struct wire_topics *m)
{
    struct reader r = wire_body(p, len, WIRE_TOPICS + WIRE_REPLY);
    struct wire_topic topic;
    uint32_t left;

    *m = (struct wire_topics){.ref = reader_u64(&r)};
    m->error = reader_u16(&r);
    if (m->error != ERR_NONE) {
        m->text = reader_str16(&r);
        return reader_done(&r);
    }
    TOPICS(GET_FIELD)
    m->list = r;
    for (left = m->count; left != 0 && wire_topic_get(&r, &topic); left--)
        continue;
    return left == 0 && reader_done(&r);
}
