/*
 * fuzz_http1.c - the answers do not depend on how the bytes were cut.
 *
 * A head is the same whatever follows it, and whatever came before its end was
 * "more" or the error that it got at last.  A chunked body is the same whole and
 * byte by byte.  URLs that decode are encoded and decoded to the same bytes.
 */
#include <assert.h>
#include <stdlib.h>

#include "http1.h"
#include "url.h"

#define SHORT 512 /* inputs up to this are tried at every prefix */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static const struct http1_limits limits = {.head_max = 1024, .target_max = 128};

static void check_slice(struct slice s, const char *p, size_t len)
{
    assert(s.len == 0 || slice_eq(s, SLICE("/")) || (s.p >= p && s.p + s.len <= p + len));
}

static void check_request(const struct http_request *r, const char *p, size_t len)
{
    check_slice(r->method, p, len);
    check_slice(r->path, p, len);
    check_slice(r->query, p, len);
    assert(r->method.len > 0 && r->path.len > 0 && r->minor <= 1);
    assert(r->header_count <= HTTP_HEADERS_MAX);
    assert(!(r->chunked && r->has_length));
    assert(r->has_length || r->content_length == 0);
    for (size_t i = 0; i < r->header_count; i++) {
        check_slice(r->headers[i].name, p, len);
        check_slice(r->headers[i].value, p, len);
        assert(r->headers[i].name.len > 0);
    }
}

static void check_prefixes(const char *p, size_t len, int whole)
{
    bool refused = false;

    for (size_t n = 0; n < len; n++) {
        struct http_request r;
        char *copy = malloc(n > 0 ? n : 1); /* the sanitizer sees a byte too many */
        int rc;

        memcpy(copy, p, n);
        rc = http1_request_parse(&r, copy, n, &limits);
        assert(rc == whole || (rc == 0 && !refused));
        refused = rc < 0;
        free(copy);
    }
}

static void url(struct slice s)
{
    struct buf text = {0}, encoded = {0}, back = {0};
    struct slice name, value, query = s;

    while (url_query_next(&query, &name, &value))
        assert(name.len + value.len <= s.len);
    if (url_decode(s, &text)) {
        url_encode(buf_slice(&text), &encoded);
        assert(url_decode(buf_slice(&encoded), &back));
        assert(slice_eq(buf_slice(&text), buf_slice(&back)));
    }
    buf_free(&text);
    buf_free(&encoded);
    buf_free(&back);
}

static void head(const char *p, size_t len)
{
    struct http_request r;
    int rc = http1_request_parse(&r, p, len, &limits);

    assert(rc <= (int)len);
    if (rc > 0) {
        check_request(&r, p, len);
        url(r.path);
        url(r.query);
    }
    if (len <= SHORT)
        check_prefixes(p, len, rc);
}

struct decoded {
    struct buf body;
    size_t consumed;
    int last; /* what the last call returned */
    bool done;
};

static struct decoded decode(const char *p, size_t len, size_t step)
{
    struct http1_chunked c = {0};
    struct decoded d = {.last = 1};

    while (d.consumed < len && d.last > 0 && !d.done) {
        size_t n = len - d.consumed < step ? len - d.consumed : step;
        struct slice data;

        d.last = http1_chunked_decode(&c, p + d.consumed, n, &data, &d.done);
        assert(d.last != 0 && d.last <= (int)n);
        if (d.last < 0)
            break;
        d.consumed += (size_t)d.last;
        buf_put_slice(&d.body, data);
    }
    return d;
}

static void chunked(const char *p, size_t len)
{
    struct decoded whole = decode(p, len, len), bytes = decode(p, len, 1);

    assert(whole.done == bytes.done && (whole.last < 0) == (bytes.last < 0));
    if (whole.last >= 0) {
        assert(whole.consumed == bytes.consumed && whole.body.len == bytes.body.len);
        assert(whole.body.len == 0 || memcmp(whole.body.p, bytes.body.p, whole.body.len) == 0);
    }
    buf_free(&whole.body);
    buf_free(&bytes.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    head((const char *)p, len);
    chunked((const char *)p, len);
    return 0;
}
