/*
 * fuzz_wire.c - every decoder of the wire, chosen by the kind byte: whatever it
 * takes must encode to the very same bytes.  So must the body of each unit of a
 * session, which is decoded apart.
 */
#include <stdlib.h>

#include "wire_session.h"

static struct buf out;

static void must_equal(const uint8_t *p, size_t len)
{
    if (out.len != len || memcmp(out.p, p, len) != 0)
        abort();
}

static void copy_records(struct slice records)
{
    struct reader r = reader_of(records.p, records.len);
    struct event e;

    while (r.left != 0) {
        if (!event_record_get(&r, &e))
            abort(); /* the frame's decoder has counted them */
        event_record_put(&out, &e);
    }
}

static bool hello(const uint8_t *p, size_t len)
{
    struct wire_hello m;

    if (!wire_hello_get(p, len, &m) || m.version != WIRE_VERSION)
        return false;
    wire_hello_put(&out, &m);
    return true;
}

static bool hello_ok(const uint8_t *p, size_t len)
{
    struct wire_hello_ok m;

    if (!wire_hello_ok_get(p, len, &m) || m.version != WIRE_VERSION)
        return false;
    wire_hello_ok_put(&out, &m);
    return true;
}

static bool hello_no(const uint8_t *p, size_t len)
{
    uint16_t error;
    struct slice text;

    if (!wire_hello_no_get(p, len, &error, &text))
        return false;
    wire_hello_no_put(&out, (enum sluice_error)error, text);
    return true;
}

static bool filter_add(const uint8_t *p, size_t len)
{
    uint32_t ref;
    struct slice filter;

    if (!wire_filter_add_get(p, len, &ref, &filter))
        return false;
    wire_filter_add_put(&out, ref, filter);
    return true;
}

static bool filter_drop(const uint8_t *p, size_t len)
{
    uint32_t ref;

    if (!wire_filter_drop_get(p, len, &ref))
        return false;
    wire_filter_drop_put(&out, ref);
    return true;
}

static bool filter_live(const uint8_t *p, size_t len)
{
    uint32_t ref;
    uint64_t live_from;

    if (!wire_filter_live_get(p, len, &ref, &live_from))
        return false;
    wire_filter_live_put(&out, ref, live_from);
    return true;
}

static bool filter_no(const uint8_t *p, size_t len)
{
    uint32_t ref;
    uint16_t error;

    if (!wire_filter_no_get(p, len, &ref, &error))
        return false;
    wire_filter_no_put(&out, ref, (enum sluice_error)error);
    return true;
}

static bool publish(const uint8_t *p, size_t len)
{
    struct reader r = wire_publish_reader(p, len);
    struct wire_unit unit;

    wire_publish_begin(&out);
    while (wire_unit_get(&r, &unit)) {
        struct event e;

        wire_unit_begin(&out, unit.seq, unit.count);
        for (uint32_t i = 0; i < unit.count && event_record_get(&r, &e); i++)
            event_record_put(&out, &e);
    }
    return reader_done(&r);
}

static bool delete (const uint8_t *p, size_t len)
{
    uint64_t seq;
    struct slice topic;

    if (!wire_delete_get(p, len, &seq, &topic))
        return false;
    wire_delete_put(&out, seq, topic);
    return true;
}

static void copy_ack_ok(const struct wire_ack *ack)
{
    struct reader r = reader_of(ack->ids.p, ack->ids.len);
    uint64_t *ids = malloc(ack->ids.len);

    for (uint32_t i = 0; i < ack->count; i++)
        ids[i] = reader_u64(&r);
    if (!reader_done(&r))
        abort();
    wire_ack_ok_put(&out, ack->seq, ids, ack->count);
    free(ids);
}

static bool acks(const uint8_t *p, size_t len)
{
    struct reader r = wire_acks_reader(p, len);
    struct wire_ack ack;

    wire_acks_begin(&out);
    while (wire_ack_get(&r, &ack)) {
        if (ack.error == ERR_NONE)
            copy_ack_ok(&ack);
        else
            wire_ack_error_put(&out, &ack);
    }
    return reader_done(&r);
}

static bool confirm(const uint8_t *p, size_t len)
{
    uint64_t upto;

    if (!wire_confirm_get(p, len, &upto))
        return false;
    wire_confirm_put(&out, upto);
    return true;
}

static bool live(const uint8_t *p, size_t len)
{
    uint64_t after, upto;
    struct reader r;
    struct event e;

    if (!wire_live_get(p, len, &after, &upto, &r))
        return false;
    wire_live_begin(&out, after, upto);
    while (r.left != 0 && event_record_get(&r, &e))
        event_record_put(&out, &e);
    return reader_done(&r);
}

static bool removed(const uint8_t *p, size_t len)
{
    uint64_t upto;
    struct slice topic;

    if (!wire_removed_get(p, len, &upto, &topic))
        return false;
    wire_removed_put(&out, upto, topic);
    return true;
}

/* --- reads ---------------------------------------------------------------------- */

static bool page_req(const uint8_t *p, size_t len)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_page_req m;

    if (!wire_page_req_get(p, len, &m, filters, WIRE_FILTERS_MAX))
        return false;
    wire_page_req_put(&out, &m);
    return true;
}

static bool page(const uint8_t *p, size_t len)
{
    struct wire_page m;

    if (!wire_page_get(p, len, &m))
        return false;
    if (m.error != ERR_NONE) {
        wire_read_error_put(&out, m.request, m.ref, (enum sluice_error)m.error, m.text);
        return true;
    }
    wire_page_begin(&out, &m);
    copy_records(m.records);
    wire_page_finish(&out, 0, m.upto, m.count);
    return true;
}

static bool start_req(const uint8_t *p, size_t len)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_start_req m;

    if (!wire_start_req_get(p, len, &m, filters, WIRE_FILTERS_MAX))
        return false;
    wire_start_req_put(&out, &m);
    return true;
}

static bool start(const uint8_t *p, size_t len)
{
    uint64_t froms[UINT16_MAX];
    struct wire_start m;
    struct reader r;

    if (!wire_start_get(p, len, &m))
        return false;
    if (m.error != ERR_NONE) {
        wire_read_error_put(&out, WIRE_START, m.ref, (enum sluice_error)m.error, m.text);
        return true;
    }
    r = reader_of(m.froms.p, m.froms.len);
    for (uint16_t i = 0; i < m.count; i++)
        froms[i] = reader_u64(&r);
    wire_start_put(&out, m.ref, m.head, froms, m.count);
    return true;
}

static bool event_req(const uint8_t *p, size_t len)
{
    uint64_t ref, id;

    if (!wire_event_req_get(p, len, &ref, &id))
        return false;
    wire_event_req_put(&out, ref, id);
    return true;
}

static bool topics_req(const uint8_t *p, size_t len)
{
    struct wire_topics_req m;

    if (!wire_topics_req_get(p, len, &m))
        return false;
    wire_topics_req_put(&out, &m);
    return true;
}

static bool topics(const uint8_t *p, size_t len)
{
    struct wire_topics m;
    struct wire_topic topic;

    if (!wire_topics_get(p, len, &m))
        return false;
    if (m.error != ERR_NONE) {
        wire_read_error_put(&out, WIRE_TOPICS, m.ref, (enum sluice_error)m.error, m.text);
        return true;
    }
    wire_topics_begin(&out, m.ref);
    while (wire_topic_get(&m.list, &topic))
        wire_topic_put(&out, &topic);
    wire_topics_finish(&out, 0, m.more, m.count);
    return true;
}

static bool retained_req(const uint8_t *p, size_t len)
{
    struct wire_retained_req m;

    if (!wire_retained_req_get(p, len, &m))
        return false;
    wire_retained_req_put(&out, &m);
    return true;
}

static bool retained(const uint8_t *p, size_t len)
{
    struct wire_retained m;

    if (!wire_retained_get(p, len, &m))
        return false;
    if (m.error != ERR_NONE) {
        wire_read_error_put(&out, WIRE_RETAINED, m.ref, (enum sluice_error)m.error, m.text);
        return true;
    }
    wire_retained_begin(&out, m.ref, m.head);
    copy_records(m.records);
    wire_retained_finish(&out, 0, m.more, m.count, m.upto);
    return true;
}

/* --- sessions --------------------------------------------------------------------- */

/* Takes the list apart and puts it together again; its decoder has checked it. */
static struct buf copy_items(struct slice items)
{
    struct reader r = reader_of(items.p, items.len);
    struct wire_item item;
    struct buf b = {0};

    while (wire_item_get(&r, &item))
        wire_item_put(&b, &item);
    if (!reader_done(&r))
        abort();
    return b;
}

static struct buf copy_groups(struct slice groups)
{
    struct reader r = reader_of(groups.p, groups.len);
    struct wire_taken taken;
    struct buf b = {0};

    while (wire_taken_get(&r, &taken))
        wire_taken_put(&b, taken.group, taken.id);
    if (!reader_done(&r))
        abort();
    return b;
}

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static bool attach(struct slice body, struct buf *b)
{
    struct wire_attach m;

    if (!wire_attach_get(body, &m))
        return false;
    wire_attach_put(b, &m);
    return true;
}

static bool write_unit(struct slice body, struct buf *b)
{
    struct buf items, groups;
    struct wire_write m;

    if (!wire_write_get(body, &m))
        return false;
    items = copy_items(m.items);
    groups = copy_groups(m.groups);
    m.items = bytes_of(&items);
    m.groups = bytes_of(&groups);
    wire_write_put(b, &m);
    buf_free(&items);
    buf_free(&groups);
    return true;
}

static bool detach(struct slice body, struct buf *b)
{
    struct wire_detach m;
    struct buf items;

    if (!wire_detach_get(body, &m))
        return false;
    items = copy_items(m.items);
    m.items = bytes_of(&items);
    wire_detach_put(b, &m);
    buf_free(&items);
    return true;
}

static bool position(struct slice body, struct buf *b)
{
    uint64_t at;

    if (!wire_position_get(body, &at))
        return false;
    wire_position_put(b, at);
    return true;
}

static bool withdraw(struct slice body, struct buf *b)
{
    struct slice client;
    uint64_t epoch;

    if (!wire_withdraw_get(body, &client, &epoch))
        return false;
    wire_withdraw_put(b, client, epoch);
    return true;
}

static bool attached(struct slice answer, struct buf *b)
{
    struct wire_attached m;
    struct buf items;

    if (!wire_attached_get(answer, &m))
        return false;
    items = copy_items(m.items);
    m.items = bytes_of(&items);
    wire_attached_put(b, &m);
    buf_free(&items);
    return true;
}

static void check_body(bool (*copy_body)(struct slice body, struct buf *b), struct slice body)
{
    struct buf b = {0};

    if (copy_body(body, &b) && !slice_eq(bytes_of(&b), body))
        abort();
    buf_free(&b);
}

static bool session(const uint8_t *p, size_t len)
{
    static bool (*const bodies[])(struct slice body, struct buf * b) = {
        [WIRE_ATTACH] = attach,     [WIRE_WRITE] = write_unit,  [WIRE_DETACH] = detach,
        [WIRE_POSITION] = position, [WIRE_WITHDRAW] = withdraw,
    };
    struct reader r = wire_session_reader(p, len);
    struct wire_session_unit unit;

    wire_session_begin(&out);
    while (wire_session_unit_get(&r, &unit)) {
        check_body(bodies[unit.op], unit.body);
        wire_session_unit_put(&out, unit.seq, unit.op, unit.body);
    }
    return reader_done(&r);
}

static bool session_acks(const uint8_t *p, size_t len)
{
    struct reader r = wire_session_acks_reader(p, len);
    struct wire_session_ack ack;

    wire_session_acks_begin(&out);
    while (wire_session_ack_get(&r, &ack)) {
        check_body(attached, ack.data);
        wire_session_ack_put(&out, &ack);
    }
    return reader_done(&r);
}

static void copy_told(uint8_t op, struct reader *body)
{
    struct wire_hold hold;
    struct wire_credit credit;
    struct wire_done done;
    struct wire_report report;

    while (op == WIRE_TELL_HOLD && wire_hold_get(body, &hold))
        wire_hold_put(&out, &hold);
    while (op == WIRE_TELL_CREDIT && wire_credit_get(body, &credit))
        wire_credit_put(&out, &credit);
    while (op == WIRE_TELL_DONE && wire_done_get(body, &done))
        wire_done_put(&out, &done);
    if (op == WIRE_TELL_REPORT && wire_report_get(body, &report))
        wire_report_put(&out, &report);
}

static bool tell(const uint8_t *p, size_t len)
{
    struct reader body;
    uint8_t op = wire_tell_get(p, len, &body);

    wire_tell_begin(&out, (enum wire_tell_op)op);
    copy_told(op, &body);
    return op != 0 && reader_done(&body);
}

static void copy_called(uint8_t op, struct reader *body)
{
    struct wire_assign assign;
    struct slice client, topic, value;
    uint64_t epoch;

    if (op == WIRE_CALL_FENCE && wire_fence_get(body, &client, &epoch))
        wire_fence_put(&out, client, epoch);
    if (op == WIRE_CALL_ASSIGN && wire_assign_get(body, &assign))
        wire_assign_put(&out, &assign);
    while (op == WIRE_CALL_SYS && wire_sys_get(body, &topic, &value))
        wire_sys_put(&out, topic, value);
}

static bool call(const uint8_t *p, size_t len)
{
    struct reader body;
    uint8_t op = wire_call_get(p, len, &body);

    wire_call_begin(&out, (enum wire_call_op)op);
    copy_called(op, &body);
    return op != 0 && reader_done(&body);
}

#define REPLY 64

static bool (*const copy[256])(const uint8_t *p, size_t len) = {
    [WIRE_HELLO] = hello,
    [WIRE_FILTER_ADD] = filter_add,
    [WIRE_FILTER_DROP] = filter_drop,
    [WIRE_PUBLISH] = publish,
    [WIRE_CONFIRM] = confirm,
    [WIRE_DELETE] = delete,
    [WIRE_SESSION] = session,
    [WIRE_TELL] = tell,
    [WIRE_HELLO_OK] = hello_ok,
    [WIRE_HELLO_NO] = hello_no,
    [WIRE_FILTER_LIVE] = filter_live,
    [WIRE_FILTER_NO] = filter_no,
    [WIRE_ACKS] = acks,
    [WIRE_LIVE] = live,
    [WIRE_REMOVED] = removed,
    [WIRE_SESSION_ACKS] = session_acks,
    [WIRE_CALL] = call,
    [WIRE_PAGE] = page_req,
    [WIRE_START] = start_req,
    [WIRE_EVENT] = event_req,
    [WIRE_TOPICS] = topics_req,
    [WIRE_RETAINED] = retained_req,
    [WIRE_PAGE + REPLY] = page,
    [WIRE_START + REPLY] = start,
    [WIRE_EVENT + REPLY] = page,
    [WIRE_TOPICS + REPLY] = topics,
    [WIRE_RETAINED + REPLY] = retained,
};

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    uint8_t kind = wire_kind(p, len);

    buf_clear(&out);
    if (copy[kind] != NULL && copy[kind](p, len))
        must_equal(p, len);
    return 0;
}
