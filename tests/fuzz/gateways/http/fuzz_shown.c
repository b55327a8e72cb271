/*
 * fuzz_shown.c - whatever a request shows of who it comes from is read as one way, or refused
 * with a problem that says nothing of it; the same bytes are read the same again.
 *
 * The input is an HTTP/1.1 request.
 */
#include <assert.h>

#include "http1.h"
#include "publish_trace.h"
#include "shown.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static const struct http1_limits limits = {.head_max = 16384, .target_max = 8192};

static void check_refused(const struct problem *p)
{
    struct buf b = {0};

    assert(p->error == ERR_UNAUTHORIZED || p->error == ERR_BAD_REQUEST);
    assert((p->error == ERR_UNAUTHORIZED) == (p->challenge != NULL));
    problem_put(&b, p);
    assert(utf8_valid((char *)b.p, b.len));
    buf_free(&b);
}

static void check_read(const struct shown *s, const struct credentials *c)
{
    assert((s->way == SHOWN_NOTHING) == (c->kind == CREDENTIALS_NONE));
    assert(!s->repeated);
    if (c->kind == CREDENTIALS_PASSWORD) {
        assert(s->way == SHOWN_AUTHORIZATION);
        assert(utf8_valid(c->user.p, c->user.len) && utf8_valid(c->password.p, c->password.len));
        assert(c->user.len == 0 || memchr(c->user.p, ':', c->user.len) == NULL);
        assert(c->password.len == 0 || memchr(c->password.p, '\0', c->password.len) == NULL);
    } else if (c->kind == CREDENTIALS_TOKEN) {
        assert(c->token.len <= s->raw.len);
        assert(s->way != SHOWN_COOKIE || c->token.len > 0);
    }
}

static void read_shown(const struct http_request *r, struct slice cookie)
{
    struct shown s = shown_find(r, cookie), again = shown_find(r, cookie);
    struct credentials c = {.kind = CREDENTIALS_NONE};
    struct problem p = {0};
    struct buf text = {0};

    assert(s.way == again.way && slice_eq(s.raw, again.raw));
    assert(cookie.len > 0 || s.way != SHOWN_COOKIE);
    if (shown_read(&s, &c, &text, &p))
        check_read(&s, &c);
    else
        check_refused(&p);
    buf_free(&text);
}

static void read_trace(const struct http_request *r)
{
    struct event_props props = {.payload_format = -1};
    struct buf user = {0}, encoded = {0};

    publish_trace_add(&user, 0, r);
    props.user = buf_slice(&user);
    assert(event_props_check(&props) == EVENT_OK);
    event_props_put(&encoded, &props);
    assert(event_props_get(buf_slice(&encoded), &props) == EVENT_OK);
    buf_free(&user);
    buf_free(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct http_request r;

    if (http1_request_parse(&r, (const char *)p, len, &limits) <= 0)
        return 0;
    read_shown(&r, SLICE("sid"));
    read_shown(&r, (struct slice){NULL, 0});
    read_trace(&r);
    return 0;
}
