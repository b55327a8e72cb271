/*
 * fuzz_publish.c - whatever headers and body say, a publish becomes records that
 * the broker takes, or a problem that says why not.
 *
 * The input is an HTTP/1.1 request; what follows its head is the body, taken as
 * a payload and as a batch.  The query and path are read as a subscription too.
 */
#include <assert.h>
#include <stdlib.h>

#include "http1.h"
#include "publish_parse.h"
#include "subscribe.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static const struct http1_limits http_limits = {.head_max = 16384, .target_max = 8192};
static struct caller anyone;
static const struct publish_limits limits = {&anyone, .max_payload = 4096, .max_batch = 16};
static const struct subscribe_limits subscribe_limits = {
    .max_filters = 8, .max_last = 1000, .now_ms = UINT64_C(1700000000000)};

static void check_problem(const struct problem *p)
{
    struct buf b = {0};

    assert(p->error != ERR_NONE && error_status(p->error) >= 400);
    problem_put(&b, p);
    assert(utf8_valid((char *)b.p, b.len));
    buf_free(&b);
}

static void check_records(const struct buf *records, uint32_t count)
{
    struct reader r = reader_of(records->p, records->len);
    struct event_props props;
    struct event e;

    while (count-- > 0) {
        assert(event_record_get(&r, &e));
        assert(topic_check_publish(e.topic) == TOPIC_OK);
        assert(e.payload.len <= limits.max_payload);
        assert(event_props_get(e.props, &props) == EVENT_OK);
        assert(event_props_check(&props) == EVENT_OK);
        assert(event_qos(&e) == 2);
    }
    assert(reader_done(&r));
}

static void publish(const struct http_request *r, struct slice body)
{
    struct slice topic = {r->path.p + 1, r->path.len - 1};
    struct problem p = {0};
    struct buf record = {0};

    if (publish_parse(r, topic, body, &limits, &record, &p))
        check_records(&record, 1);
    else
        check_problem(&p);
    buf_free(&record);
}

static void batch(const struct http_request *r, struct slice body)
{
    struct buf records = {0}, lines = {0};
    struct problem p = {0};
    uint32_t count;

    if (publish_parse_batch(r, body, &limits, &records, &count, &lines, &p)) {
        assert(count > 0 && count <= limits.max_batch && lines.len == count * 4);
        check_records(&records, count);
    } else {
        check_problem(&p);
    }
    buf_free(&records);
    buf_free(&lines);
}

static void subscribe(const struct http_request *r)
{
    struct slice path = {r->path.p + 1, r->path.len - 1};
    struct problem p = {0};
    struct subscribe s;

    if (!subscribe_request(&s, &subscribe_limits, r, path, &p)) {
        check_problem(&p);
        return;
    }
    assert(s.filter_count > 0 && s.filter_count <= subscribe_limits.max_filters);
    for (size_t i = 0; i < s.filter_count; i++)
        assert(filter_check(s.filters[i]) == TOPIC_OK);
    subscribe_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    if (anyone.principal == NULL)
        caller_begin(&anyone, principal_everybody());
    struct http_request r;
    int n = http1_request_parse(&r, (const char *)p, len, &http_limits);

    if (n <= 0 || r.path.p[0] != '/')
        return 0;
    publish(&r, (struct slice){(const char *)p + n, len - (size_t)n});
    batch(&r, (struct slice){(const char *)p + n, len - (size_t)n});
    subscribe(&r);
    return 0;
}
