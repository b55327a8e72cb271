/*
 * event.c - event records and their properties.
 *
 * Reading is by bounded cursor and allocates nothing; what a peer got wrong is
 * a false or a verdict.  Writing asserts the lengths: event_props_check comes
 * first for anything that a client sent.
 */
#include "event.h"

#include <assert.h>

#include "topic.h"

#define PROP_HEAD 3      /* tag u8, length u16 */
#define PRODUCER_HEAD 16 /* epoch u64, seq u64 */

const char *event_verdict_text(enum event_verdict v)
{
    switch (v) {
    case EVENT_OK:
        return "it is valid";
    case EVENT_MALFORMED:
        return "the properties are malformed";
    case EVENT_BAD_TYPE:
        return "the type must be UTF-8, at most 256 bytes, without control characters, "
               "and may not begin with sluice.";
    case EVENT_BAD_TEXT:
        return "a text property is not UTF-8 or holds a control character";
    case EVENT_PROPS_TOO_LARGE:
        return "the properties are longer than 64 KiB together";
    case EVENT_BAD_RESPONSE_TOPIC:
        return "the response topic is not a valid topic name";
    case EVENT_BAD_PAYLOAD_FORMAT:
        return "the payload format must be 0 or 1";
    }
    return "it is not valid";
}

const char *event_gap_reason_text(enum gap_reason r)
{
    switch (r) {
    case GAP_NONE:
        return "none";
    case GAP_EXPIRED:
        return "expired";
    case GAP_DELETED:
        return "deleted";
    case GAP_RESET:
        return "reset";
    case GAP_FUTURE:
        return "future";
    case GAP_VOLATILE:
        return "volatile";
    }
    return "unknown";
}

/* --- records ---------------------------------------------------------------- */

size_t event_record_size(const struct event *e)
{
    return EVENT_RECORD_HEAD + e->topic.len + e->props.len + e->payload.len;
}

void event_record_put(struct buf *b, const struct event *e)
{
    size_t size = event_record_size(e);
    uint8_t *p = buf_reserve(b, size);

    assert(size <= UINT32_MAX && e->topic.len <= UINT16_MAX && e->props.len <= EVENT_PROPS_MAX);
    le32_put(p, (uint32_t)size);
    le32_put(p + 4, (uint32_t)e->props.len);
    le64_put(p + 8, e->id);
    le64_put(p + 16, e->time);
    le16_put(p + 24, (uint16_t)e->topic.len);
    le16_put(p + 26, e->flags);
    le32_put(p + 28, e->expiry);
    b->len += EVENT_RECORD_HEAD;
    buf_put_slice(b, e->topic);
    buf_put_slice(b, e->props);
    buf_put_slice(b, e->payload);
}

bool event_record_get(struct reader *r, struct event *e)
{
    const uint8_t *p = r->p;
    size_t size, props_len, topic_len, runs;

    if (r->left < EVENT_RECORD_HEAD)
        goto bad;
    size = le32_get(p);
    props_len = le32_get(p + 4);
    topic_len = le16_get(p + 24);
    if (size > r->left || size < EVENT_RECORD_HEAD || props_len > EVENT_PROPS_MAX)
        goto bad;
    runs = size - EVENT_RECORD_HEAD;
    if (topic_len + props_len > runs)
        goto bad;

    e->id = le64_get(p + 8);
    e->time = le64_get(p + 16);
    e->flags = le16_get(p + 26);
    e->expiry = le32_get(p + 28);
    p += EVENT_RECORD_HEAD;
    e->topic = (struct slice){(const char *)p, topic_len};
    p += topic_len;
    e->props = (struct slice){(const char *)p, props_len};
    p += props_len;
    e->payload = (struct slice){(const char *)p, runs - topic_len - props_len};
    r->p += size;
    r->left -= size;
    return true;
bad:
    reader_fail(r);
    return false;
}

bool event_expired(const struct event *e, uint64_t now_ms)
{
    return (e->flags & EVENT_HAS_EXPIRY) != 0 && now_ms >= e->time &&
           now_ms - e->time >= UINT64_C(1000) * e->expiry;
}

/* --- properties: decode ------------------------------------------------------ */

static enum event_verdict producer_get(struct producer *out, struct slice value)
{
    struct reader r = reader_of(value.p, value.len);

    out->epoch = reader_u64(&r);
    out->seq = reader_u64(&r);
    out->id = reader_bytes(&r, r.left);
    return out->id.len != 0 ? EVENT_OK : EVENT_MALFORMED;
}

static enum event_verdict payload_format_get(int *out, struct slice value)
{
    if (value.len != 1)
        return EVENT_MALFORMED;
    *out = (unsigned char)value.p[0];
    return *out <= 1 ? EVENT_OK : EVENT_BAD_PAYLOAD_FORMAT;
}

/* The run of PROP_USER grows by this one, which lies right behind it. */
static enum event_verdict user_get(struct slice *run, struct slice value)
{
    struct reader r = reader_of(value.p, value.len);

    if (run->p == NULL)
        run->p = value.p - PROP_HEAD;
    run->len += PROP_HEAD + value.len;
    reader_str16(&r);
    return r.bad ? EVENT_MALFORMED : EVENT_OK;
}

static enum event_verdict prop_get(struct event_props *out, unsigned tag, struct slice value)
{
    switch (tag) {
    case PROP_CONTENT_TYPE:
        out->content_type = value;
        return EVENT_OK;
    case PROP_TYPE:
        out->type = value;
        return EVENT_OK;
    case PROP_RESPONSE_TOPIC:
        out->response_topic = value;
        return EVENT_OK;
    case PROP_CORRELATION:
        out->correlation = value;
        return EVENT_OK;
    case PROP_PAYLOAD_FORMAT:
        return payload_format_get(&out->payload_format, value);
    case PROP_ORIGIN:
        out->origin = value;
        return EVENT_OK;
    case PROP_PRODUCER:
        return producer_get(&out->producer, value);
    case PROP_USER:
        return user_get(&out->user, value);
    }
    return EVENT_MALFORMED;
}

enum event_verdict event_props_get(struct slice props, struct event_props *out)
{
    struct reader r = reader_of(props.p, props.len);
    enum event_verdict v = EVENT_OK;
    unsigned before = 0;

    *out = (struct event_props){.payload_format = -1};
    if (props.len > EVENT_PROPS_MAX)
        return EVENT_PROPS_TOO_LARGE;
    while (v == EVENT_OK && r.left != 0) {
        unsigned tag = reader_u8(&r);
        struct slice value = reader_str16(&r);

        if (r.bad || tag < before || (tag == before && tag != PROP_USER))
            return EVENT_MALFORMED;
        v = prop_get(out, tag, value);
        before = tag;
    }
    return v;
}

bool event_user_next(struct slice *user, struct slice *name, struct slice *value)
{
    struct reader r = reader_of(user->p, user->len);
    struct slice pair;
    struct reader inner;

    if (user->len == 0)
        return false;
    (void)reader_u8(&r);
    pair = reader_str16(&r);
    inner = reader_of(pair.p, pair.len);
    *name = reader_str16(&inner);
    *value = reader_bytes(&inner, inner.left);
    *user = (struct slice){(const char *)r.p, r.left};
    return !r.bad && !inner.bad;
}

/* --- properties: encode ------------------------------------------------------ */

static void prop_begin(struct buf *b, enum prop_tag tag, size_t len)
{
    assert(len <= UINT16_MAX);
    buf_u8(b, (uint8_t)tag);
    buf_u16(b, (uint16_t)len);
}

static void prop_put(struct buf *b, enum prop_tag tag, struct slice value)
{
    if (value.p == NULL)
        return;
    prop_begin(b, tag, value.len);
    buf_put_slice(b, value);
}

static void producer_put(struct buf *b, const struct producer *p)
{
    if (p->id.len == 0)
        return;
    prop_begin(b, PROP_PRODUCER, PRODUCER_HEAD + p->id.len);
    buf_u64(b, p->epoch);
    buf_u64(b, p->seq);
    buf_put_slice(b, p->id);
}

void event_props_put(struct buf *b, const struct event_props *p)
{
    prop_put(b, PROP_CONTENT_TYPE, p->content_type);
    prop_put(b, PROP_TYPE, p->type);
    prop_put(b, PROP_RESPONSE_TOPIC, p->response_topic);
    prop_put(b, PROP_CORRELATION, p->correlation);
    if (p->payload_format >= 0) {
        prop_begin(b, PROP_PAYLOAD_FORMAT, 1);
        buf_u8(b, (uint8_t)p->payload_format);
    }
    prop_put(b, PROP_ORIGIN, p->origin);
    producer_put(b, &p->producer);
    buf_put_slice(b, p->user);
}

void event_user_put(struct buf *user, struct slice name, struct slice value)
{
    assert(name.len + value.len <= EVENT_USER_MAX);
    prop_begin(user, PROP_USER, 2 + name.len + value.len);
    buf_str16(user, name);
    buf_put_slice(user, value);
}

/* --- properties: check ------------------------------------------------------- */

/* U+0000 to U+001F and U+007F to U+009F, in valid UTF-8. */
static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.p[i + 1] < 0xa0)
            return true;
    }
    return false;
}

static bool text_ok(struct slice s)
{
    return utf8_valid(s.p, s.len) && !has_control(s);
}

static bool type_ok(struct slice type)
{
    return type.len <= EVENT_TYPE_MAX && text_ok(type) && !slice_starts(type, SLICE("sluice."));
}

static enum event_verdict user_check(struct slice user)
{
    struct slice name, value;

    while (user.len != 0) {
        if (!event_user_next(&user, &name, &value))
            return EVENT_MALFORMED;
        if (!text_ok(name) || !text_ok(value))
            return EVENT_BAD_TEXT;
    }
    return EVENT_OK;
}

static size_t text_size(struct slice s)
{
    return s.p != NULL ? PROP_HEAD + s.len : 0;
}

static size_t props_size(const struct event_props *p)
{
    return text_size(p->content_type) + text_size(p->type) + text_size(p->response_topic) +
           text_size(p->correlation) + (p->payload_format >= 0 ? PROP_HEAD + 1 : 0) +
           text_size(p->origin) +
           (p->producer.id.len != 0 ? PROP_HEAD + PRODUCER_HEAD + p->producer.id.len : 0) +
           p->user.len;
}

enum event_verdict event_props_check(const struct event_props *p)
{
    if (props_size(p) > EVENT_PROPS_MAX)
        return EVENT_PROPS_TOO_LARGE;
    if (!type_ok(p->type))
        return EVENT_BAD_TYPE;
    if (!text_ok(p->content_type) || !text_ok(p->origin) || !text_ok(p->producer.id))
        return EVENT_BAD_TEXT;
    if (p->response_topic.p != NULL && topic_check(p->response_topic) != TOPIC_OK)
        return EVENT_BAD_RESPONSE_TOPIC;
    if (p->payload_format > 1)
        return EVENT_BAD_PAYLOAD_FORMAT;
    return user_check(p->user);
}
