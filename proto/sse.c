/*
 * sse.c - events as Server-Sent Events and as NDJSON lines.
 *
 * A block is `event:` when there is a type, `id:`, one `data:` for each line of
 * the payload, and an empty line.  A reader joins the data lines with LF, so a
 * payload is split at LF alone and comes back exactly; CR would split it too and
 * NUL or bad UTF-8 would not arrive as sent, hence the JSON form for these.
 * Nothing here fails.
 */
#include "sse.h"

#include <assert.h>

#include "event_json.h"

static void sse_put_id_line(struct buf *b, uint64_t id)
{
    buf_put(b, "id: ", 4);
    buf_dec(b, id);
    buf_u8(b, '\n');
}

/* The type without taking all properties apart twice: most events have none. */
static struct slice event_type(const struct event *e)
{
    struct event_props props;

    if (e->props.len == 0 || event_props_get(e->props, &props) != EVENT_OK)
        return (struct slice){NULL, 0};
    return props.type;
}

static void sse_put_head(struct buf *b, const struct event *e)
{
    struct slice type = event_type(e);

    if (type.len > 0) {
        buf_put(b, "event: ", 7);
        buf_put_slice(b, type);
        buf_u8(b, '\n');
    }
    sse_put_id_line(b, e->id);
}

static void sse_put_line(struct buf *b, const char *p, size_t len)
{
    buf_put(b, "data: ", len > 0 ? 6 : 5);
    buf_put(b, p, len);
    buf_u8(b, '\n');
}

/* A payload without a byte is one empty line: without any the client would not
 * dispatch the event. */
static void sse_put_lines(struct buf *b, struct slice payload)
{
    const char *p = payload.p, *lf;
    size_t left = payload.len;

    while (left > 0 && (lf = memchr(p, '\n', left)) != NULL) {
        sse_put_line(b, p, (size_t)(lf - p));
        left -= (size_t)(lf + 1 - p);
        p = lf + 1;
    }
    sse_put_line(b, p, left);
}

static bool fits_raw(struct slice payload)
{
    return payload.len == 0 ||
           (memchr(payload.p, '\r', payload.len) == NULL &&
            memchr(payload.p, '\0', payload.len) == NULL && utf8_valid(payload.p, payload.len));
}

static void put_json_line(struct buf *b, const struct event *e)
{
    buf_put(b, "data: ", 6);
    event_json_put(b, e);
    buf_put(b, "\n\n", 2);
}

void sse_put_raw(struct buf *b, const struct event *e)
{
    if (!fits_raw(e->payload)) {
        buf_puts(b, "event: sluice.json\n");
        sse_put_id_line(b, e->id);
        put_json_line(b, e);
        return;
    }
    sse_put_head(b, e);
    sse_put_lines(b, e->payload);
    buf_u8(b, '\n');
}

/* A line of text that is whole; CR LF ends one line, not two. */
static void sse_put_text_lines(struct buf *b, struct slice text)
{
    size_t start = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] != '\r' && text.p[i] != '\n')
            continue;
        sse_put_line(b, text.p + start, i - start);
        if (text.p[i] == '\r' && i + 1 < text.len && text.p[i + 1] == '\n')
            i++;
        start = i + 1;
    }
    sse_put_line(b, text.p + start, text.len - start);
}

static void put_without_nul(struct buf *b, struct slice s)
{
    const char *nul;

    while (s.len > 0 && (nul = memchr(s.p, '\0', s.len)) != NULL) {
        buf_put(b, s.p, (size_t)(nul - s.p));
        buf_puts(b, "\xef\xbf\xbd");
        s = (struct slice){nul + 1, s.len - (size_t)(nul + 1 - s.p)};
    }
    buf_put_slice(b, s);
}

void sse_put_text(struct buf *b, const struct event *e)
{
    struct buf whole = {0}, text = {0};

    if (fits_raw(e->payload)) {
        sse_put_raw(b, e);
        return;
    }
    utf8_put_whole(&whole, e->payload);
    put_without_nul(&text, buf_slice(&whole));
    sse_put_head(b, e);
    sse_put_text_lines(b, buf_slice(&text));
    buf_u8(b, '\n');
    buf_free(&whole);
    buf_free(&text);
}

void sse_put_json(struct buf *b, const struct event *e)
{
    sse_put_head(b, e);
    put_json_line(b, e);
}

static void put_place(struct buf *b, const char *name, uint64_t id)
{
    buf_printf(b, "event: sluice.%s\n", name);
    sse_put_id_line(b, id);
    buf_printf(b, "data: {\"%s\":\"", name);
    buf_dec(b, id);
    buf_u8(b, '"');
}

void sse_put_start(struct buf *b, uint64_t id, const struct gap *g)
{
    put_place(b, "start", id);
    if (g != NULL) {
        buf_puts(b, ",\"gap\":");
        event_json_put_gap(b, g);
    }
    buf_put(b, "}\n\n", 3);
}

void sse_put_position(struct buf *b, uint64_t id)
{
    put_place(b, "position", id);
    buf_put(b, "}\n\n", 3);
}

void sse_put_gap(struct buf *b, const struct gap *g)
{
    buf_puts(b, "event: sluice.gap\n");
    sse_put_id_line(b, g->resumed_from);
    buf_put(b, "data: ", 6);
    event_json_put_gap(b, g);
    buf_put(b, "\n\n", 2);
}

static void put_expired(struct buf *b, const char *reason, uint64_t id)
{
    buf_printf(b, "{\"reason\":\"%s\"", reason);
    if (id != 0)
        buf_printf(b, ",\"position\":\"%llu\"", (unsigned long long)id);
    buf_u8(b, '}');
}

void sse_put_expired(struct buf *b, const char *reason, uint64_t id)
{
    buf_puts(b, "event: sluice.expired\n");
    if (id != 0)
        sse_put_id_line(b, id);
    buf_puts(b, "data: ");
    put_expired(b, reason, id);
    buf_puts(b, "\n\n");
}

void sse_put_retry(struct buf *b, unsigned ms)
{
    buf_puts(b, "retry: ");
    buf_dec(b, ms);
    buf_u8(b, '\n');
}

void sse_put_comment(struct buf *b, const char *text)
{
    assert(strpbrk(text, "\r\n") == NULL);
    buf_put(b, ": ", 2);
    buf_puts(b, text);
    buf_u8(b, '\n');
}

void ndjson_put_event(struct buf *b, const struct event *e)
{
    event_json_put(b, e);
    buf_u8(b, '\n');
}

void ndjson_put_gap(struct buf *b, const struct gap *g)
{
    buf_puts(b, "{\"gap\":");
    event_json_put_gap(b, g);
    buf_put(b, "}\n", 2);
}

void ndjson_put_upto(struct buf *b, uint64_t id)
{
    buf_puts(b, "{\"upto\":\"");
    buf_dec(b, id);
    buf_put(b, "\"}\n", 3);
}

void ndjson_put_expired(struct buf *b, const char *reason, uint64_t id)
{
    buf_puts(b, "{\"expired\":");
    put_expired(b, reason, id);
    buf_puts(b, "}\n");
}

static void put_resource(struct buf *b, const struct event *e)
{
    buf_puts(b, "/history?id=");
    buf_dec(b, e->id);
}

void sse_put_push(struct buf *b, const struct event *e)
{
    buf_puts(b, "event: sluice.push\n");
    sse_put_id_line(b, e->id);
    buf_puts(b, "data: ");
    put_resource(b, e);
    buf_puts(b, "\n\n");
}

void ndjson_put_push(struct buf *b, const struct event *e)
{
    buf_puts(b, "{\"push\":\"");
    put_resource(b, e);
    buf_puts(b, "\"}\n");
}

/* The size line: hexadecimal, CRLF.  Returns its length. */
static size_t chunk_head(char out[18], size_t size)
{
    static const char hex[] = "0123456789abcdef";
    size_t digits = 1;

    while (digits < 16 && size >> (4 * digits) != 0)
        digits++;
    for (size_t i = 0; i < digits; i++)
        out[i] = hex[size >> (4 * (digits - 1 - i)) & 15];
    memcpy(out + digits, "\r\n", 2);
    return digits + 2;
}

void chunk_wrap(struct buf *b, size_t start)
{
    size_t size = b->len - start, head_len;
    char head[18];

    assert(start <= b->len);
    if (size == 0) /* would be the last chunk */
        return;
    head_len = chunk_head(head, size);
    (void)buf_reserve(b, head_len + 2);
    memmove(b->p + start + head_len, b->p + start, size);
    memcpy(b->p + start, head, head_len);
    b->len += head_len;
    buf_put(b, "\r\n", 2);
}

void ndjson_put_event_chunk(struct buf *b, const struct event *e)
{
    size_t start = b->len;

    ndjson_put_event(b, e);
    chunk_wrap(b, start);
}
