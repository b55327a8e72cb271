/*
 * fuzz_sse_reader.c - any bytes, whole and cut in two: never past the end, and
 * the same messages either way.
 */
#include <assert.h>
#include <stdint.h>

#include "sse_reader.h"

#define MAX 200 /* small, so that the limit is met */

struct result {
    struct buf messages;
    struct buf last_id;
    bool refused;
};

static void feed(struct sse_reader *r, struct result *out, const char *p, size_t len)
{
    while (len != 0 && !out->refused) {
        struct sse_message m;
        bool got;
        ptrdiff_t n = sse_reader_feed(r, p, len, &m, &got);

        out->refused = n < 0;
        if (out->refused)
            return;
        assert(n > 0 && (size_t)n <= len);
        if (got) {
            buf_put_slice(&out->messages, m.type);
            buf_u8(&out->messages, 0);
            buf_put_slice(&out->messages, m.data);
            buf_u8(&out->messages, 0);
        }
        p += n;
        len -= (size_t)n;
    }
}

static struct result read_cut(const char *p, size_t len, size_t cut)
{
    struct sse_reader r = {.max = MAX};
    struct result out = {0};

    feed(&r, &out, p, cut);
    feed(&r, &out, p + cut, len - cut);
    buf_put(&out.last_id, r.last_id.p, r.last_id.len);
    sse_reader_close(&r);
    return out;
}

static struct slice slice_of_buf(const struct buf *b)
{
    return buf_slice(b);
}

static void result_free(struct result *r)
{
    buf_free(&r->messages);
    buf_free(&r->last_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = size != 0 ? (const char *)data : "";
    struct result whole = read_cut(p, size, size);
    struct result cut = read_cut(p, size, size / 2);

    assert(whole.refused == cut.refused);
    assert(slice_eq(slice_of_buf(&whole.messages), slice_of_buf(&cut.messages)));
    assert(slice_eq(slice_of_buf(&whole.last_id), slice_of_buf(&cut.last_id)));
    result_free(&whole);
    result_free(&cut);
    return 0;
}
