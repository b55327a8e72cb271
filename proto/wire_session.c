/*
 * wire_session.c - sessions on link, and the retained messages on reads.
 *
 * Built like wire.c, each message from one list.  A frame of units, or of
 * acknowledgements, is cut apart without a look into the bodies: each body has a
 * decoder of its own, so that one malformed body is one refused unit and not
 * the end of the link.  Lists inside a body (items, events taken over, records)
 * are checked whole when it is decoded, so walking one later cannot fail.
 */
#include "wire_session.h"

#include <assert.h>

#include "wire_fields.h"

/* X(type, name) */
#define UNIT(X) X(u64, seq) X(u8, op) X(bytes, body)
#define ACK(X) X(u64, seq) X(u16, error) X(bytes, data)
#define ATTACH(X)                                                                                  \
    X(client, client)                                                                              \
    X(text, principal) X(u8, version) X(flag, clean) X(u32, expiry) X(flag, has_will)
#define ATTACH_WILL(X) X(u32, will_delay) X(record, will)
#define ATTACHED(X) X(u64, epoch) X(u64, head) X(flag, present) X(items, items)
#define WRITE(X)                                                                                   \
    X(client, client) X(u64, epoch) X(optional_record, record) X(takens, groups) X(items, items)
#define DETACH(X) X(client, client) X(u64, epoch) X(flag, will) X(u32, expiry) X(items, items)
#define POSITION(X) X(u64, position)
#define TAKEN(X) X(text, group) X(u64, id)
#define WITHDRAW(X) X(client, client) X(u64, epoch)
#define HOLD(X) X(client, client) X(u64, epoch) X(u32, expiry) X(text, principal)
#define CREDIT(X) X(client, client) X(u64, epoch) X(u32, credit)
#define DONE(X) X(client, client) X(u64, epoch) X(text, group) X(u64, id) X(flag, returned)
#define FENCE(X) X(client, client) X(u64, epoch)
#define ASSIGN(X) X(client, client) X(u64, epoch) X(text, group) X(last_record, record)
#define SYS(X) X(text, topic) X(text, value)
#define RETAINED_REQ(X) X(text, filter) X(text, after) X(u32, limit)
#define RETAINED(X) X(u64, head) X(flag, more) X(u32, count)

/* Where wire_retained_finish patches, from the frame's start. */
#define RETAINED_MORE (WIRE_REPLY_HEAD + 8)
#define RETAINED_COUNT (RETAINED_MORE + 1)

/* --- items ---------------------------------------------------------------------- */

void wire_item_put(struct buf *b, const struct wire_item *m)
{
    assert(m->key.len != 0 && m->key.len <= WIRE_ITEM_KEY_MAX);
    put_flag(b, !m->drop);
    put_text(b, m->key);
    if (!m->drop)
        put_text(b, m->value);
}

bool wire_item_get(struct reader *reader, struct wire_item *m)
{
    struct reader r = *reader;

    if (r.left == 0)
        return false;
    *m = (struct wire_item){.drop = !get_flag(&r)};
    m->key = get_text(&r);
    if (m->key.len == 0 || m->key.len > WIRE_ITEM_KEY_MAX)
        reader_fail(&r);
    if (!m->drop)
        m->value = get_text(&r);
    *reader = r;
    return !r.bad;
}

void wire_taken_put(struct buf *b, struct slice group, uint64_t id)
{
    TAKEN(PUT_VALUE)
}

bool wire_taken_get(struct reader *reader, struct wire_taken *m)
{
    struct reader r = *reader;

    if (r.left == 0)
        return false;
    TAKEN(GET_FIELD)
    *reader = r;
    return !r.bad;
}

/* --- types of fields that only sessions have -------------------------------------- */

static void put_client(struct buf *b, struct slice client)
{
    assert(client.len != 0);
    put_text(b, client);
}

static struct slice get_client(struct reader *r)
{
    struct slice client = get_text(r);

    if (client.len == 0 || !utf8_valid(client.p, client.len))
        reader_fail(r);
    return client;
}

static void put_bytes(struct buf *b, struct slice bytes)
{
    assert(bytes.len <= UINT32_MAX);
    put_u32(b, (uint32_t)bytes.len);
    buf_put_slice(b, bytes);
}

static struct slice get_bytes(struct reader *r)
{
    return reader_bytes(r, get_u32(r));
}

static void put_record(struct buf *b, struct slice record)
{
    assert(record.len >= EVENT_RECORD_HEAD);
    buf_put_slice(b, record);
}

static struct slice get_record(struct reader *r)
{
    return wire_records(r, 1);
}

/* To the frame's end; empty: as the one before. */
static void put_last_record(struct buf *b, struct slice record)
{
    if (record.len != 0)
        put_record(b, record);
}

static struct slice get_last_record(struct reader *r)
{
    return r->left > 0 ? get_record(r) : (struct slice){NULL, 0};
}

static void put_optional_record(struct buf *b, struct slice record)
{
    put_flag(b, record.len != 0);
    if (record.len != 0)
        put_record(b, record);
}

static struct slice get_optional_record(struct reader *r)
{
    return get_flag(r) ? get_record(r) : (struct slice){NULL, 0};
}

static void put_takens(struct buf *b, struct slice list)
{
    put_bytes(b, list);
}

static struct slice get_takens(struct reader *r)
{
    struct slice list = get_bytes(r);
    struct reader rest = reader_of(list.p, list.len);
    struct wire_taken taken;

    while (wire_taken_get(&rest, &taken))
        continue;
    if (rest.bad)
        reader_fail(r);
    return list;
}

/* Items are what is left of the body. */
static void put_items(struct buf *b, struct slice items)
{
    buf_put_slice(b, items);
}

static struct slice get_items(struct reader *r)
{
    struct slice items = {(const char *)r->p, r->left};
    struct wire_item item;

    while (wire_item_get(r, &item))
        continue;
    return items;
}

/* --- units ------------------------------------------------------------------------ */

void wire_session_begin(struct buf *b)
{
    buf_u8(b, WIRE_SESSION);
}

void wire_session_unit_put(struct buf *b, uint64_t seq, uint8_t op, struct slice body)
{
    UNIT(PUT_VALUE)
}

struct reader wire_session_reader(const void *p, size_t len)
{
    return wire_body(p, len, WIRE_SESSION);
}

bool wire_session_unit_get(struct reader *reader, struct wire_session_unit *m)
{
    struct reader r = *reader;

    if (r.left == 0)
        return false;
    UNIT(GET_FIELD)
    if (m->op < WIRE_ATTACH || m->op > WIRE_WITHDRAW)
        reader_fail(&r);
    *reader = r;
    return !r.bad;
}

void wire_attach_put(struct buf *b, const struct wire_attach *m)
{
    ATTACH(PUT_FIELD)
    if (m->has_will) {
        ATTACH_WILL(PUT_FIELD)
    }
}

bool wire_attach_get(struct slice body, struct wire_attach *m)
{
    struct reader r = reader_of(body.p, body.len);

    *m = (struct wire_attach){0};
    ATTACH(GET_FIELD)
    if (m->version != 4 && m->version != 5)
        reader_fail(&r);
    if (m->has_will) {
        ATTACH_WILL(GET_FIELD)
    }
    return reader_done(&r);
}

void wire_attached_put(struct buf *b, const struct wire_attached *m)
{
    assert(m->present || m->items.len == 0);
    ATTACHED(PUT_FIELD)
}

bool wire_attached_get(struct slice answer, struct wire_attached *m)
{
    struct reader r = reader_of(answer.p, answer.len);

    ATTACHED(GET_FIELD)
    return reader_done(&r) && (m->present || m->items.len == 0);
}

void wire_write_put(struct buf *b, const struct wire_write *m)
{
    WRITE(PUT_FIELD)
}

bool wire_write_get(struct slice body, struct wire_write *m)
{
    struct reader r = reader_of(body.p, body.len);

    WRITE(GET_FIELD)
    return reader_done(&r);
}

void wire_detach_put(struct buf *b, const struct wire_detach *m)
{
    DETACH(PUT_FIELD)
}

bool wire_detach_get(struct slice body, struct wire_detach *m)
{
    struct reader r = reader_of(body.p, body.len);

    DETACH(GET_FIELD)
    return reader_done(&r);
}

void wire_position_put(struct buf *b, uint64_t position)
{
    POSITION(PUT_VALUE)
}

bool wire_position_get(struct slice body, uint64_t *position)
{
    struct reader r = reader_of(body.p, body.len);

    POSITION(GET_VALUE)
    return reader_done(&r);
}

void wire_withdraw_put(struct buf *b, struct slice client, uint64_t epoch)
{
    WITHDRAW(PUT_VALUE)
}

bool wire_withdraw_get(struct slice body, struct slice *client, uint64_t *epoch)
{
    struct reader r = reader_of(body.p, body.len);

    WITHDRAW(GET_VALUE)
    return reader_done(&r);
}

void wire_session_acks_begin(struct buf *b)
{
    buf_u8(b, WIRE_SESSION_ACKS);
}

void wire_session_ack_put(struct buf *b, const struct wire_session_ack *m)
{
    ACK(PUT_FIELD)
}

struct reader wire_session_acks_reader(const void *p, size_t len)
{
    return wire_body(p, len, WIRE_SESSION_ACKS);
}

bool wire_session_ack_get(struct reader *reader, struct wire_session_ack *m)
{
    struct reader r = *reader;

    if (r.left == 0)
        return false;
    ACK(GET_FIELD)
    *reader = r;
    return !r.bad;
}

/* --- tell --------------------------------------------------------------------------- */

/* The op, which must be one of 1 to last; else 0. */
static uint8_t op_get(const void *p, size_t len, uint8_t kind, uint8_t last, struct reader *body)
{
    struct reader r = wire_body(p, len, kind);
    uint8_t op = get_u8(&r);

    *body = r;
    return op <= last ? op : 0;
}

void wire_tell_begin(struct buf *b, enum wire_tell_op op)
{
    buf_u8(b, WIRE_TELL);
    buf_u8(b, (uint8_t)op);
}

uint8_t wire_tell_get(const void *p, size_t len, struct reader *body)
{
    return op_get(p, len, WIRE_TELL, WIRE_TELL_REPORT, body);
}

void wire_hold_put(struct buf *b, const struct wire_hold *m)
{
    HOLD(PUT_FIELD)
}

bool wire_hold_get(struct reader *body, struct wire_hold *m)
{
    struct reader r = *body;

    if (r.left == 0)
        return false;
    HOLD(GET_FIELD)
    *body = r;
    return !r.bad;
}

void wire_credit_put(struct buf *b, const struct wire_credit *m)
{
    CREDIT(PUT_FIELD)
}

bool wire_credit_get(struct reader *body, struct wire_credit *m)
{
    struct reader r = *body;

    if (r.left == 0)
        return false;
    CREDIT(GET_FIELD)
    *body = r;
    return !r.bad;
}

void wire_done_put(struct buf *b, const struct wire_done *m)
{
    DONE(PUT_FIELD)
}

bool wire_done_get(struct reader *body, struct wire_done *m)
{
    struct reader r = *body;

    if (r.left == 0)
        return false;
    DONE(GET_FIELD)
    *body = r;
    return !r.bad;
}

void wire_report_put(struct buf *b, const struct wire_report *m)
{
#define X(name) put_u64(b, m->name);
    WIRE_REPORT(X)
#undef X
}

bool wire_report_get(struct reader *body, struct wire_report *m)
{
#define X(name) m->name = get_u64(body);
    WIRE_REPORT(X)
#undef X
    return reader_done(body);
}

/* --- call --------------------------------------------------------------------------- */

void wire_call_begin(struct buf *b, enum wire_call_op op)
{
    buf_u8(b, WIRE_CALL);
    buf_u8(b, (uint8_t)op);
}

uint8_t wire_call_get(const void *p, size_t len, struct reader *body)
{
    return op_get(p, len, WIRE_CALL, WIRE_CALL_SYS, body);
}

void wire_fence_put(struct buf *b, struct slice client, uint64_t epoch)
{
    FENCE(PUT_VALUE)
}

bool wire_fence_get(struct reader *body, struct slice *client, uint64_t *epoch)
{
    struct reader r = *body;

    FENCE(GET_VALUE)
    *body = r;
    return reader_done(&r);
}

void wire_assign_put(struct buf *b, const struct wire_assign *m)
{
    ASSIGN(PUT_FIELD)
}

bool wire_assign_get(struct reader *body, struct wire_assign *m)
{
    struct reader r = *body;

    ASSIGN(GET_FIELD)
    *body = r;
    return reader_done(&r);
}

void wire_sys_put(struct buf *b, struct slice topic, struct slice value)
{
    SYS(PUT_VALUE)
}

bool wire_sys_get(struct reader *body, struct slice *topic, struct slice *value)
{
    struct reader r = *body;

    if (r.left == 0)
        return false;
    SYS(GET_VALUE)
    *body = r;
    return !r.bad;
}

/* --- retained messages, on reads ------------------------------------------------------ */

void wire_retained_req_put(struct buf *b, const struct wire_retained_req *m)
{
    wire_request_begin(b, WIRE_RETAINED, m->ref);
    RETAINED_REQ(PUT_FIELD)
}

bool wire_retained_req_get(const void *p, size_t len, struct wire_retained_req *m)
{
    struct reader r = wire_body(p, len, WIRE_RETAINED);

    *m = (struct wire_retained_req){.ref = get_u64(&r)};
    RETAINED_REQ(GET_FIELD)
    return reader_done(&r);
}

void wire_retained_begin(struct buf *b, uint64_t ref, uint64_t head)
{
    bool more = false;
    uint32_t count = 0;

    wire_reply_begin(b, WIRE_RETAINED, ref, ERR_NONE);
    RETAINED(PUT_VALUE)
}

void wire_retained_finish(struct buf *b, size_t start, bool more, uint32_t count, struct slice upto)
{
    assert(b->len >= start + RETAINED_COUNT);
    b->p[start + RETAINED_MORE] = more ? 1 : 0;
    buf_patch_u32(b, start + RETAINED_COUNT, count);
    put_text(b, upto);
}

bool wire_retained_get(const void *p, size_t len, struct wire_retained *m)
{
    struct reader r = wire_body(p, len, WIRE_RETAINED + WIRE_REPLY);

    *m = (struct wire_retained){.ref = get_u64(&r)};
    m->error = get_u16(&r);
    if (m->error != ERR_NONE) {
        m->text = get_text(&r);
        return reader_done(&r);
    }
    RETAINED(GET_FIELD)
    m->records = wire_records(&r, m->count);
    m->upto = get_text(&r);
    return reader_done(&r);
}
