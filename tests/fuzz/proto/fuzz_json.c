/*
 * fuzz_json.c - JSON that passes the check can be walked, unescaped and written
 * again; as an event's payload it is shown byte for byte and read back the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "event_json.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static void check_string(struct slice raw)
{
    struct buf text = {0}, again = {0}, back = {0};

    json_string_get(raw, &text);
    assert(utf8_valid((const char *)text.p, text.len));
    json_put_string(&again, bytes_of(&text));
    assert(json_check(bytes_of(&again)) == JSON_STRING);
    json_string_get(bytes_of(&again), &back);
    assert(slice_eq(bytes_of(&text), bytes_of(&back)));
    buf_u8(&text, '\0');
    if (strlen((char *)text.p) + 1 == text.len)
        assert(json_string_is(raw, (char *)text.p));
    buf_clear(&back);
    (void)json_get_base64(raw, &back);
    buf_free(&text);
    buf_free(&again);
    buf_free(&back);
}

/* Each value walked is a valid value of the kind that its first byte says. */
static void walk(struct slice value)
{
    enum json_kind kind = json_check(value);
    struct slice key, raw;
    struct json_iter it;
    uint64_t number;

    assert(kind != JSON_BAD && kind == json_kind_of(value));
    assert(!json_u64(value, &number) || kind == JSON_NUMBER || kind == JSON_STRING);
    if (kind == JSON_STRING)
        check_string(value);
    if (kind != JSON_OBJECT && kind != JSON_ARRAY)
        return;
    it = json_iter_of(value);
    while (kind == JSON_OBJECT ? json_member(&it, &key, &raw) : json_element(&it, &raw)) {
        if (kind == JSON_OBJECT)
            check_string(key);
        walk(raw);
    }
}

static struct slice trim(struct slice s)
{
    while (strchr(" \t\r\n", s.p[0]) != NULL)
        s = (struct slice){s.p + 1, s.len - 1};
    while (strchr(" \t\r\n", s.p[s.len - 1]) != NULL)
        s.len--;
    return s;
}

/* Shown as the payload of an event and published again, it is the same bytes. */
static void round_trip(struct slice value)
{
    struct event_props p = {.content_type = SLICE("application/json"), .payload_format = -1};
    struct event e = {.topic = SLICE("t"), .payload = value};
    struct buf props = {0}, json = {0}, line = {0}, store = {0};
    const char *field, *why;

    event_props_put(&props, &p);
    e.props = bytes_of(&props);
    event_json_put(&json, &e);
    json_put_one_line(&line, value);
    assert(memchr(json.p, '\n', json.len) == NULL && memchr(json.p, '\r', json.len) == NULL);
    if (json_check_depth(value, EVENT_JSON_DEPTH_MAX) != JSON_BAD) {
        assert(event_json_get(bytes_of(&json), 0, NULL, &store, &e, &field, &why));
        assert(slice_eq(e.payload, bytes_of(&line)));
    }
    buf_free(&props);
    buf_free(&json);
    buf_free(&line);
    buf_free(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct slice s = {(const char *)p, len};

    if (json_check(s) == JSON_BAD)
        return 0;
    s = trim(s);
    walk(s);
    round_trip(s);
    return 0;
}
