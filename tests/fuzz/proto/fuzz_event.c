/*
 * fuzz_event.c - one input as a record and as properties: what decodes encodes
 * to the same bytes, and what the check lets through can be put and read back.
 */
#include <stdlib.h>

#include "event.h"

static struct buf out;

static void must_equal(struct slice s)
{
    if (!slice_eq(buf_slice(&out), s))
        abort();
}

static void walk_users(struct slice user)
{
    struct slice rest = user, name, value;

    buf_clear(&out);
    while (event_user_next(&rest, &name, &value))
        event_user_put(&out, name, value);
    must_equal(user);
}

static void try_props(struct slice props)
{
    struct event_props p;
    enum event_verdict checked;

    if (event_props_get(props, &p) != EVENT_OK)
        return;
    checked = event_props_check(&p);
    if (checked == EVENT_PROPS_TOO_LARGE || checked == EVENT_MALFORMED)
        abort(); /* event_props_get has seen to that */
    walk_users(p.user);
    buf_clear(&out);
    event_props_put(&out, &p);
    must_equal(props);
}

static void try_record(const uint8_t *p, size_t len)
{
    struct reader r = reader_of(p, len);
    struct event e;

    if (!event_record_get(&r, &e))
        return;
    buf_clear(&out);
    event_record_put(&out, &e);
    must_equal((struct slice){(const char *)p, len - r.left});
    (void)event_expired(&e, UINT64_MAX);
    try_props(e.props);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    try_record(p, len);
    try_props((struct slice){(const char *)p, len});
    return 0;
}
