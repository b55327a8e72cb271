/*
 * fuzz_event_json.c - a publish in JSON form that is taken can be shown, and what
 * is shown can be published again and is the same event.  The first byte chooses
 * the flags.
 */
#include <assert.h>
#include <stdlib.h>

#include "event_json.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static const char *const allow[] = {"op", "ref", NULL};

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

/* A JSON content type on a payload that is not on one line of JSON: the form has
 * no way to say so, or says it with other white space. */
static bool returns_unchanged(const struct event *e, const struct event_props *p)
{
    struct buf line = {0};
    bool same = true;

    if (event_json_is_content_type(p->content_type) && utf8_valid(e->payload.p, e->payload.len)) {
        json_put_one_line(&line, e->payload);
        same = json_check_depth(e->payload, EVENT_JSON_DEPTH_MAX) != JSON_BAD &&
               slice_eq(e->payload, bytes_of(&line)) && strchr(" \t", e->payload.p[0]) == NULL &&
               strchr(" \t", e->payload.p[e->payload.len - 1]) == NULL;
    }
    buf_free(&line);
    return same;
}

static bool record_eq(const struct event *a, const struct event *b)
{
    return slice_eq(a->topic, b->topic) && slice_eq(a->payload, b->payload) &&
           slice_eq(a->props, b->props) && a->flags == b->flags && a->expiry == b->expiry;
}

/* payload_format has no place in what is shown. */
static void drop_payload_format(struct event *e, struct event_props *p, struct buf *props)
{
    p->payload_format = -1;
    event_props_put(props, p);
    e->props = bytes_of(props);
}

static void check_event(struct event e)
{
    struct buf props = {0}, json = {0}, store = {0};
    struct event_props p;
    struct event again;
    const char *field, *why;
    enum event_verdict verdict = event_props_get(e.props, &p);

    assert(verdict == EVENT_OK && event_props_check(&p) == EVENT_OK && p.origin.p == NULL);
    drop_payload_format(&e, &p, &props);
    event_json_put(&json, &e);
    assert(json_check(bytes_of(&json)) == JSON_OBJECT);
    if (e.topic.len > 0 && returns_unchanged(&e, &p)) {
        assert(event_json_get(bytes_of(&json), 0, NULL, &store, &again, &field, &why));
        assert(record_eq(&e, &again));
    }
    buf_free(&props);
    buf_free(&json);
    buf_free(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct buf store = {0};
    struct event e;
    const char *field = NULL, *why = NULL;
    struct slice json;

    if (len == 0)
        return 0;
    json = (struct slice){(const char *)p + 1, len - 1};
    if (event_json_get(json, p[0] & 3, (p[0] & 4) != 0 ? allow : NULL, &store, &e, &field, &why))
        check_event(e);
    else
        assert(field != NULL && utf8_valid(field, strlen(field)) && why != NULL);
    buf_free(&store);
    return 0;
}
