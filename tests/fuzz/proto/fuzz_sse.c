/*
 * fuzz_sse.c - an SSE reader written to the letter of WHATWG HTML, 9.2, gets back
 * the type, the ID and the payload of whatever is sent, and nothing more; a chunk
 * around it comes off again.
 *
 * Input: the length of the type, the type, the payload.
 */
#include <assert.h>
#include <stdlib.h>

#include "event_json.h"
#include "http1.h"
#include "sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/* What a client knows after reading a stream. */
struct reading {
    struct buf type, data, last_id; /* of the block being read */
    struct buf event_type, event_data, event_id;
    unsigned dispatched;
};

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static void set(struct buf *b, struct slice s)
{
    buf_clear(b);
    buf_put_slice(b, s);
}

static void read_field(struct reading *r, struct slice name, struct slice value)
{
    if (slice_eq(name, SLICE("event")))
        set(&r->type, value);
    if (slice_eq(name, SLICE("data"))) {
        buf_put_slice(&r->data, value);
        buf_u8(&r->data, '\n');
    }
    if (slice_eq(name, SLICE("id")) && (value.len == 0 || memchr(value.p, '\0', value.len) == NULL))
        set(&r->last_id, value);
}

static void dispatch(struct reading *r)
{
    set(&r->event_id, bytes_of(&r->last_id));
    if (r->data.len > 0) {
        set(&r->event_type, bytes_of(&r->type));
        set(&r->event_data, (struct slice){(char *)r->data.p, r->data.len - 1});
        r->dispatched++;
    }
    buf_clear(&r->type);
    buf_clear(&r->data);
}

static void read_line(struct reading *r, struct slice line)
{
    const char *colon;
    struct slice value = {NULL, 0};

    if (line.len == 0) {
        dispatch(r);
        return;
    }
    colon = memchr(line.p, ':', line.len);
    if (colon == line.p)
        return; /* a comment */
    if (colon != NULL) {
        value = (struct slice){colon + 1, (size_t)(line.p + line.len - colon - 1)};
        if (value.len > 0 && value.p[0] == ' ')
            value = (struct slice){value.p + 1, value.len - 1};
        line.len = (size_t)(colon - line.p);
    }
    read_field(r, line, value);
}

/* Lines end with CRLF, LF or CR alone; what no line ends is not read. */
static void read_stream(struct reading *r, struct slice s)
{
    size_t start = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] != '\n' && s.p[i] != '\r')
            continue;
        read_line(r, (struct slice){s.p + start, i - start});
        if (s.p[i] == '\r' && i + 1 < s.len && s.p[i + 1] == '\n')
            i++;
        start = i + 1;
    }
}

static void reading_free(struct reading *r)
{
    struct buf *all[] = {&r->type,       &r->data,       &r->last_id,
                         &r->event_type, &r->event_data, &r->event_id};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        buf_free(all[i]);
}

static void check_json(struct slice json, const struct event *e)
{
    static const char *const allow[] = {"id", NULL};
    struct buf store = {0};
    struct event back;
    const char *field, *why;

    assert(event_json_get(json, 0, allow, &store, &back, &field, &why));
    assert(slice_eq(back.topic, e->topic) && slice_eq(back.payload, e->payload));
    assert(slice_eq(back.props, e->props));
    buf_free(&store);
}

static void check_stream(struct slice stream, const struct event *e, struct slice type, bool json)
{
    struct reading r = {0};
    bool fallback;

    read_stream(&r, stream);
    assert(r.dispatched == 1 && slice_eq(bytes_of(&r.event_id), SLICE("7")));
    fallback = slice_eq(bytes_of(&r.event_type), SLICE("sluice.json"));
    assert(fallback || slice_eq(bytes_of(&r.event_type), type));
    assert(!(fallback && json));
    if (json || fallback)
        check_json(bytes_of(&r.event_data), e);
    else
        assert(slice_eq(bytes_of(&r.event_data), e->payload));
    reading_free(&r);
}

/* One event of its own type, whose data is text; the payload itself where that is. */
static void check_text(struct slice stream, const struct event *e, struct slice type)
{
    struct reading r = {0};
    struct slice data;

    read_stream(&r, stream);
    data = bytes_of(&r.event_data);
    assert(r.dispatched == 1 && slice_eq(bytes_of(&r.event_type), type));
    assert(utf8_valid(data.p, data.len) &&
           (data.len == 0 || memchr(data.p, '\0', data.len) == NULL));
    if (utf8_valid(e->payload.p, e->payload.len) && e->payload.len > 0 &&
        memchr(e->payload.p, '\r', e->payload.len) == NULL &&
        memchr(e->payload.p, '\0', e->payload.len) == NULL)
        assert(slice_eq(data, e->payload));
    reading_free(&r);
}

static void check_chunk(struct buf *b)
{
    struct buf copy = {0};
    struct http1_chunked c = {0};
    struct slice data;
    bool done;
    int n;

    buf_put_slice(&copy, bytes_of(b));
    chunk_wrap(&copy, 0);
    n = http1_chunked_decode(&c, (char *)copy.p, copy.len, &data, &done);
    assert(n > 0 && slice_eq(data, bytes_of(b)));
    assert(http1_chunked_decode(&c, (char *)copy.p + n, copy.len - (size_t)n, &data, &done) == 2);
    buf_free(&copy);
}

static void check_event(const struct event *e, struct slice type)
{
    struct buf b = {0};

    sse_put_raw(&b, e);
    check_stream(bytes_of(&b), e, type, false);
    check_chunk(&b);
    buf_clear(&b);
    sse_put_text(&b, e);
    check_text(bytes_of(&b), e, type);
    buf_clear(&b);
    sse_put_json(&b, e);
    check_stream(bytes_of(&b), e, type, true);
    buf_clear(&b);
    ndjson_put_event(&b, e);
    assert(memchr(b.p, '\n', b.len) == b.p + b.len - 1);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct event_props props = {.payload_format = -1};
    struct event e = {.id = 7, .topic = SLICE("t")};
    struct buf encoded = {0};
    size_t type_len;

    if (len == 0 || len - 1 < p[0])
        return 0;
    type_len = p[0];
    props.type = (struct slice){(const char *)p + 1, type_len};
    if (event_props_check(&props) != EVENT_OK)
        return 0;
    event_props_put(&encoded, &props);
    e.props = bytes_of(&encoded);
    e.payload = (struct slice){(const char *)p + 1 + type_len, len - 1 - type_len};
    check_event(&e, props.type);
    buf_free(&encoded);
    return 0;
}
