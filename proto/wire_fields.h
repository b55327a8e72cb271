/*
 * wire_fields.h - the field types of wire messages; for wire.c, wire_reads.c
 * and wire_session.c alone.
 *
 * A message is a list of X(type, name).  Given as X, PUT_FIELD writes m->name
 * to the buffer b, GET_FIELD reads it from the reader r; PUT_VALUE and
 * GET_VALUE do the same with an argument of that name.
 */
#ifndef PROTO_WIRE_FIELDS_H
#define PROTO_WIRE_FIELDS_H

#include "wire.h"

#define WIRE_REPLY 64      /* on reads, a reply's kind is its request's and this */
#define WIRE_REPLY_HEAD 11 /* kind, ref, error */

#define PUT_FIELD(type, name) put_##type(b, m->name);
#define GET_FIELD(type, name) m->name = get_##type(&r);
#define PUT_VALUE(type, name) put_##type(b, name);
#define GET_VALUE(type, name) *name = get_##type(&r);

#define put_u8 buf_u8
#define put_u16 buf_u16
#define put_u32 buf_u32
#define put_u64 buf_u64
#define put_text buf_str16
#define get_u8 reader_u8
#define get_u16 reader_u16
#define get_u32 reader_u32
#define get_u64 reader_u64
#define get_text reader_str16

static inline void put_flag(struct buf *b, bool v)
{
    buf_u8(b, v ? 1 : 0);
}

/* One byte, 0 or 1: anything else would not come back as it was. */
static inline bool get_flag(struct reader *r)
{
    uint8_t v = reader_u8(r);

    if (v > 1)
        reader_fail(r);
    return v == 1;
}

static inline void put_uuid(struct buf *b, struct wire_uuid v)
{
    buf_put(b, v.b, sizeof v.b);
}

static inline struct wire_uuid get_uuid(struct reader *r)
{
    struct wire_uuid v = {{0}};
    const uint8_t *p = reader_take(r, sizeof v.b);

    if (p != NULL)
        memcpy(v.b, p, sizeof v.b);
    return v;
}

/* What follows the kind; bad when the frame is of another one. */
static inline struct reader wire_body(const void *p, size_t len, uint8_t kind)
{
    struct reader r = reader_of(p, len);

    if (reader_u8(&r) != kind)
        reader_fail(&r);
    return r;
}

/* A run of count numbers, still encoded. */
static inline struct slice wire_u64s(struct reader *r, size_t count)
{
    if (count > r->left / 8)
        reader_fail(r);
    return reader_bytes(r, r->bad ? 0 : count * 8);
}

/* A run of count records, the lengths in each checked. */
static inline struct slice wire_records(struct reader *r, uint32_t count)
{
    const uint8_t *start = r->p;
    struct event e;

    while (count != 0 && event_record_get(r, &e))
        count--;
    return (struct slice){(const char *)start, r->bad ? 0 : (size_t)(r->p - start)};
}

static inline void wire_request_begin(struct buf *b, uint8_t kind, uint64_t ref)
{
    buf_u8(b, kind);
    buf_u64(b, ref);
}

static inline void wire_reply_begin(struct buf *b, uint8_t request, uint64_t ref,
                                    enum sluice_error error)
{
    wire_request_begin(b, (uint8_t)(request + WIRE_REPLY), ref);
    buf_u16(b, (uint16_t)error);
}

#endif
