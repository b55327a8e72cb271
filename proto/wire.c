/*
 * wire.c - the messages on link: both directions of each from one list.
 *
 * A message's fields are declared once, in a list such as HELLO below; the
 * encoder and the decoder are that list with PUT or GET in place of X.  So the
 * two cannot disagree, and README.md is checked against them by the vectors.
 *
 * Decoding never reads past the frame, allocates nothing and has one way to
 * fail: the reader turns bad, and the function returns false.
 */
#include "wire.h"

#include <assert.h>

#include "wire_fields.h"

/* X(type, name); the kind byte comes before */
#define HELLO(X) X(uuid, instance) X(uuid, log) X(u64, seen) X(text, name)
#define HELLO_OK(X) X(uuid, log) X(u64, head) X(u32, window) X(flag, reset)
#define HELLO_NO(X) X(u16, error) X(text, text)
#define FILTER_ADD(X) X(u32, ref) X(text, filter)
#define FILTER_DROP(X) X(u32, ref)
#define FILTER_LIVE(X) X(u32, ref) X(u64, live_from)
#define FILTER_NO(X) X(u32, ref) X(u16, error)
#define UNIT(X) X(u64, seq) X(u32, count)
#define DELETE(X) X(u64, seq) X(text, topic)
#define ACK(X) X(u64, seq) X(u16, error)
#define ACK_ERROR(X)                                                                               \
    X(u32, index) X(u64, expected_seq) X(u64, received_seq) X(u64, epoch) X(text, text)
#define CONFIRM(X) X(u64, upto)
#define LIVE(X) X(u64, after) X(u64, upto)
#define REMOVED(X) X(u64, upto) X(text, topic)

uint8_t wire_kind(const void *p, size_t len)
{
    return len != 0 ? *(const uint8_t *)p : 0;
}

/* --- hello -------------------------------------------------------------------- */

void wire_hello_put(struct buf *b, const struct wire_hello *m)
{
    buf_u8(b, WIRE_HELLO);
    buf_u16(b, m->version);
    HELLO(PUT_FIELD)
}

bool wire_hello_get(const void *p, size_t len, struct wire_hello *m)
{
    struct reader r = wire_body(p, len, WIRE_HELLO);

    *m = (struct wire_hello){.version = reader_u16(&r)};
    if (m->version != WIRE_VERSION)
        return !r.bad;
    HELLO(GET_FIELD)
    return reader_done(&r);
}

void wire_hello_ok_put(struct buf *b, const struct wire_hello_ok *m)
{
    buf_u8(b, WIRE_HELLO_OK);
    buf_u16(b, m->version);
    HELLO_OK(PUT_FIELD)
}

bool wire_hello_ok_get(const void *p, size_t len, struct wire_hello_ok *m)
{
    struct reader r = wire_body(p, len, WIRE_HELLO_OK);

    *m = (struct wire_hello_ok){.version = reader_u16(&r)};
    if (m->version != WIRE_VERSION)
        return !r.bad;
    HELLO_OK(GET_FIELD)
    return reader_done(&r);
}

void wire_hello_no_put(struct buf *b, enum sluice_error e, struct slice text)
{
    uint16_t error = (uint16_t)e;

    buf_u8(b, WIRE_HELLO_NO);
    HELLO_NO(PUT_VALUE)
}

bool wire_hello_no_get(const void *p, size_t len, uint16_t *error, struct slice *text)
{
    struct reader r = wire_body(p, len, WIRE_HELLO_NO);

    HELLO_NO(GET_VALUE)
    return reader_done(&r);
}

/* --- filters ------------------------------------------------------------------ */

void wire_filter_add_put(struct buf *b, uint32_t ref, struct slice filter)
{
    buf_u8(b, WIRE_FILTER_ADD);
    FILTER_ADD(PUT_VALUE)
}

bool wire_filter_add_get(const void *p, size_t len, uint32_t *ref, struct slice *filter)
{
    struct reader r = wire_body(p, len, WIRE_FILTER_ADD);

    FILTER_ADD(GET_VALUE)
    return reader_done(&r);
}

void wire_filter_drop_put(struct buf *b, uint32_t ref)
{
    buf_u8(b, WIRE_FILTER_DROP);
    FILTER_DROP(PUT_VALUE)
}

bool wire_filter_drop_get(const void *p, size_t len, uint32_t *ref)
{
    struct reader r = wire_body(p, len, WIRE_FILTER_DROP);

    FILTER_DROP(GET_VALUE)
    return reader_done(&r);
}

void wire_filter_live_put(struct buf *b, uint32_t ref, uint64_t live_from)
{
    buf_u8(b, WIRE_FILTER_LIVE);
    FILTER_LIVE(PUT_VALUE)
}

bool wire_filter_live_get(const void *p, size_t len, uint32_t *ref, uint64_t *live_from)
{
    struct reader r = wire_body(p, len, WIRE_FILTER_LIVE);

    FILTER_LIVE(GET_VALUE)
    return reader_done(&r);
}

void wire_filter_no_put(struct buf *b, uint32_t ref, enum sluice_error e)
{
    uint16_t error = (uint16_t)e;

    buf_u8(b, WIRE_FILTER_NO);
    FILTER_NO(PUT_VALUE)
}

bool wire_filter_no_get(const void *p, size_t len, uint32_t *ref, uint16_t *error)
{
    struct reader r = wire_body(p, len, WIRE_FILTER_NO);

    FILTER_NO(GET_VALUE)
    return reader_done(&r);
}

/* --- publishing --------------------------------------------------------------- */

void wire_publish_begin(struct buf *b)
{
    buf_u8(b, WIRE_PUBLISH);
}

void wire_unit_begin(struct buf *b, uint64_t seq, uint32_t count)
{
    assert(count != 0);
    UNIT(PUT_VALUE)
}

struct reader wire_publish_reader(const void *p, size_t len)
{
    return wire_body(p, len, WIRE_PUBLISH);
}

bool wire_unit_get(struct reader *reader, struct wire_unit *m)
{
    struct reader r = *reader;

    if (r.left == 0)
        return false;
    UNIT(GET_FIELD)
    if (m->count == 0 || m->count > r.left / EVENT_RECORD_HEAD)
        reader_fail(&r);
    *reader = r;
    return !r.bad;
}

void wire_delete_put(struct buf *b, uint64_t seq, struct slice topic)
{
    buf_u8(b, WIRE_DELETE);
    DELETE(PUT_VALUE)
}

bool wire_delete_get(const void *p, size_t len, uint64_t *seq, struct slice *topic)
{
    struct reader r = wire_body(p, len, WIRE_DELETE);

    DELETE(GET_VALUE)
    return reader_done(&r);
}

void wire_acks_begin(struct buf *b)
{
    buf_u8(b, WIRE_ACKS);
}

void wire_ack_ok_put(struct buf *b, uint64_t seq, const uint64_t *ids, uint32_t count)
{
    uint16_t error = ERR_NONE;

    assert(count != 0);
    ACK(PUT_VALUE)
    buf_u32(b, count);
    for (uint32_t i = 0; i < count; i++)
        buf_u64(b, ids[i]);
}

void wire_ack_error_put(struct buf *b, const struct wire_ack *m)
{
    assert(m->error != ERR_NONE);
    ACK(PUT_FIELD)
    ACK_ERROR(PUT_FIELD)
}

struct reader wire_acks_reader(const void *p, size_t len)
{
    return wire_body(p, len, WIRE_ACKS);
}

bool wire_ack_get(struct reader *reader, struct wire_ack *m)
{
    struct reader r = *reader;

    if (r.left == 0)
        return false;
    *m = (struct wire_ack){0};
    ACK(GET_FIELD)
    if (m->error == ERR_NONE) {
        m->count = reader_u32(&r);
        if (m->count == 0)
            reader_fail(&r);
        m->ids = wire_u64s(&r, m->count);
    } else {
        ACK_ERROR(GET_FIELD)
    }
    *reader = r;
    return !r.bad;
}

/* --- live --------------------------------------------------------------------- */

void wire_confirm_put(struct buf *b, uint64_t upto)
{
    buf_u8(b, WIRE_CONFIRM);
    CONFIRM(PUT_VALUE)
}

bool wire_confirm_get(const void *p, size_t len, uint64_t *upto)
{
    struct reader r = wire_body(p, len, WIRE_CONFIRM);

    CONFIRM(GET_VALUE)
    return reader_done(&r);
}

void wire_live_begin(struct buf *b, uint64_t after, uint64_t upto)
{
    assert(after <= upto);
    buf_u8(b, WIRE_LIVE);
    LIVE(PUT_VALUE)
}

bool wire_live_get(const void *p, size_t len, uint64_t *after, uint64_t *upto,
                   struct reader *records)
{
    struct reader r = wire_body(p, len, WIRE_LIVE);

    LIVE(GET_VALUE)
    *records = r;
    return !r.bad && *after <= *upto;
}

void wire_removed_put(struct buf *b, uint64_t upto, struct slice topic)
{
    buf_u8(b, WIRE_REMOVED);
    REMOVED(PUT_VALUE)
}

bool wire_removed_get(const void *p, size_t len, uint64_t *upto, struct slice *topic)
{
    struct reader r = wire_body(p, len, WIRE_REMOVED);

    REMOVED(GET_VALUE)
    return reader_done(&r);
}
