/*
 * document.c - members are looked for where they are wanted; nothing is kept.
 */
#include "document.h"

#include <stdio.h>

#include "json.h"

bool document_member(struct slice object, const char *name, struct slice *raw)
{
    struct json_iter it = json_iter_of(object);
    struct slice key;

    while (json_member(&it, &key, raw))
        if (json_string_is(key, name))
            return true;
    return false;
}

void document_text(struct slice object, const char *name, struct buf *out)
{
    struct slice raw;

    if (!document_member(object, name, &raw))
        return;
    switch (json_kind_of(raw)) {
    case JSON_STRING:
        json_string_get(raw, out);
        break;
    case JSON_NUMBER:
        buf_put_slice(out, raw);
        break;
    default:
        break;
    }
}

void document_problem(unsigned status, struct slice body, struct buf *out)
{
    size_t start;

    if (json_check(body) != JSON_OBJECT) {
        buf_printf(out, "the answer was %u", status);
        if (slice_starts(body, SLICE("This port speaks TLS")))
            buf_puts(out, ": that port speaks TLS; say --tls-certificate FILE");
        return;
    }
    document_text(body, "code", out);
    buf_puts(out, ": ");
    start = out->len;
    document_text(body, "detail", out);
    if (out->len == start)
        document_text(body, "title", out);
}

void document_tell_gap(struct slice gap)
{
    struct buf removed = {0}, reason = {0};

    if (json_check(gap) != JSON_OBJECT)
        return;
    document_text(gap, "removed_to", &removed);
    document_text(gap, "reason", &reason);
    fprintf(stderr, "sluice: gap: events up to %.*s are gone (%.*s)\n", (int)removed.len,
            (char *)removed.p, (int)reason.len, (char *)reason.p);
    buf_free(&removed);
    buf_free(&reason);
}

void document_payload(struct slice event, struct buf *out)
{
    struct slice raw;

    if (document_member(event, "data", &raw)) {
        if (json_kind_of(raw) == JSON_STRING)
            json_string_get(raw, out);
        else
            buf_put_slice(out, raw);
    } else if (document_member(event, "data_base64", &raw)) {
        (void)json_get_base64(raw, out); /* what is no base64 adds nothing */
    }
}
