/*
 * sse_reader.c - lines into fields, fields into a block, an empty line ends it.
 *
 * A line ends in LF, CR LF or CR.  A CR ends it at once, and an LF that comes
 * next is skipped, even when it arrives in the following read: waiting for it
 * would hold back a message that is complete.
 */
#include "sse_reader.h"

#define RETRY_MAX_MS (10u * 60 * 1000)

/* Moves p forward over the rest of the present line, copying it.  Returns the
 * bytes consumed; *whole: the line has ended.  -1: it is longer than max. */
static ptrdiff_t line_take(struct sse_reader *r, const char *p, size_t len, bool *whole)
{
    const char *lf = memchr(p, '\n', len);
    size_t n = lf != NULL ? (size_t)(lf - p) : len;
    const char *cr = memchr(p, '\r', n);

    if (cr != NULL)
        n = (size_t)(cr - p);
    if (n > r->max - r->line.len)
        return -1;
    buf_put(&r->line, p, n);
    *whole = n < len;
    r->after_cr = cr != NULL;
    return (ptrdiff_t)(n + *whole);
}

static void retry_set(struct sse_reader *r, struct slice value)
{
    uint64_t ms;

    if (!slice_u64(value, &ms))
        return;
    r->retry_ms = ms < RETRY_MAX_MS ? (unsigned)ms : RETRY_MAX_MS;
    r->has_retry = true;
}

static void field(struct sse_reader *r, struct slice name, struct slice value)
{
    if (slice_eq(name, SLICE("data"))) {
        buf_put_slice(&r->data, value);
        buf_u8(&r->data, '\n');
        r->has_data = true;
    } else if (slice_eq(name, SLICE("event"))) {
        buf_clear(&r->type);
        buf_put_slice(&r->type, value);
    } else if (slice_eq(name, SLICE("id"))) {
        if (memchr(value.p, '\0', value.len) != NULL)
            return;
        buf_clear(&r->id);
        buf_put_slice(&r->id, value);
        r->has_id = true;
    } else if (slice_eq(name, SLICE("retry"))) {
        retry_set(r, value);
    }
}

static struct slice slice_of_buf(const struct buf *b)
{
    return (struct slice){(const char *)b->p, b->len};
}

/* The line without its end; a comment begins with a colon. */
static void line_read(struct sse_reader *r)
{
    struct slice line = slice_of_buf(&r->line), value = {"", 0};
    const char *colon;

    if (!r->begun && slice_starts(line, SLICE("\xEF\xBB\xBF"))) {
        line.p += 3;
        line.len -= 3;
    }
    colon = line.len != 0 ? memchr(line.p, ':', line.len) : NULL;
    if (colon != NULL) {
        value = (struct slice){colon + 1, line.len - (size_t)(colon - line.p) - 1};
        line.len = (size_t)(colon - line.p);
        if (value.len != 0 && value.p[0] == ' ') {
            value.p++;
            value.len--;
        }
    }
    field(r, line, value);
}

static void block_begin(struct sse_reader *r)
{
    buf_clear(&r->type);
    buf_clear(&r->data);
    r->has_data = false;
    r->has_id = false;
    r->returned = false;
}

/* The empty line: the ID counts even when there is no data, but a block
 * without data is no message. */
static bool block_end(struct sse_reader *r, struct sse_message *m)
{
    if (r->has_id) {
        buf_clear(&r->last_id);
        buf_put(&r->last_id, r->id.p, r->id.len);
        r->has_id = false;
    }
    if (!r->has_data) {
        block_begin(r);
        return false;
    }
    r->returned = true;
    m->type = slice_of_buf(&r->type);
    m->data = (struct slice){(const char *)r->data.p, r->data.len - 1}; /* the last LF */
    return true;
}

ptrdiff_t sse_reader_feed(struct sse_reader *r, const char *p, size_t len, struct sse_message *m,
                          bool *got)
{
    size_t used = 0;

    *got = false;
    if (r->returned)
        block_begin(r); /* the caller has had it */
    while (used < len && !*got) {
        bool whole = false;
        ptrdiff_t n;

        if (r->after_cr && p[used] == '\n') {
            r->after_cr = false;
            used++;
            continue;
        }
        n = line_take(r, p + used, len - used, &whole);
        if (n < 0 || r->data.len > r->max)
            return -1;
        used += (size_t)n;
        if (!whole)
            break;
        if (r->line.len == 0)
            *got = block_end(r, m);
        else
            line_read(r);
        r->begun = true;
        buf_clear(&r->line);
    }
    return (ptrdiff_t)used;
}

void sse_reader_restart(struct sse_reader *r)
{
    block_begin(r);
    buf_clear(&r->line);
    r->after_cr = false;
    r->begun = false;
}

void sse_reader_close(struct sse_reader *r)
{
    buf_free(&r->last_id);
    buf_free(&r->line);
    buf_free(&r->type);
    buf_free(&r->data);
    buf_free(&r->id);
}
