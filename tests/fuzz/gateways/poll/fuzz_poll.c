/*
 * fuzz_poll.c - what a poll asks for, and an event's properties as header fields.
 *
 * The input is taken twice: as a request, which is refused by name or within
 * its limits; and as an event record, whose fields, when there are any, must be
 * safe to stand in a head.
 */
#include <assert.h>

#include "http1.h"
#include "poll_request.h"
#include "raw_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct poll_limits limits = {
    .wait_ms = 30000,
    .wait_max_ms = 300000,
    .limit = 100,
    .limit_max = 500,
    .subscribe = {.max_filters = 4, .max_last = 10, .now_ms = UINT64_C(1800000000000)},
};

static void request(const char *p, size_t len)
{
    const struct http1_limits http = {.head_max = 16384, .target_max = 8192};
    struct problem problem = {0};
    struct http_request r;
    struct poll_request q;
    struct slice rest;

    if (http1_request_parse(&r, p, len, &http) <= 0)
        return;
    rest = (struct slice){r.path.p + 1, r.path.len - 1};
    if (!poll_request_read(&q, &limits, &r, rest, &problem)) {
        assert(problem.error != ERR_NONE);
        return;
    }
    assert(q.wait_ms <= limits.wait_max_ms && q.limit >= 1 && q.limit <= limits.limit_max);
    assert(!q.conditional || q.subscribe.start.kind == START_AFTER ||
           q.subscribe.start.kind == START_NOW);
    assert(q.subscribe.start.kind != START_AFTER || q.subscribe.start.arg <= EVENT_ID_MAX);
    poll_request_free(&q);
}

static void check_value(struct slice value)
{
    assert(value.len == 0 || (value.p[0] != ' ' && value.p[value.len - 1] != ' '));
    for (size_t i = 0; i < value.len; i++)
        assert((unsigned char)value.p[i] >= 0x20 && value.p[i] != 0x7f);
}

static void fields(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(data, size);
    struct raw_fields f;
    struct event e;

    if (!event_record_get(&r, &e) || !raw_fields_make(&f, &e))
        return;
    assert(f.count <= RAW_FIELDS_MAX && f.text.len <= RAW_BYTES_MAX);
    check_value(slice_of(f.content_type));
    for (size_t i = 0; i < f.count; i++)
        check_value(f.list[i].value);
    raw_fields_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    request((const char *)data, size);
    fields(data, size);
    return 0;
}
