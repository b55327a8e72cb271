/*
 * publish_trace.c - header fields to user properties.
 */
#include "publish_trace.h"

#include "trace_context.h"

#define PARENT SLICE("traceparent")
#define STATE SLICE("tracestate")
#define PROP_HEAD 5 /* tag, length, length of the name */

static bool has_own(const struct buf *user)
{
    struct slice run = buf_slice(user), name, value;

    while (event_user_next(&run, &name, &value))
        if (slice_eq_nocase(name, PARENT))
            return true;
    return false;
}

/* All of its lines, as one list; false: malformed, or there is none. */
static bool trace_state(const struct http_request *r, struct buf *out)
{
    unsigned members = 0;

    for (size_t i = 0; i < r->header_count; i++) {
        if (!slice_eq_nocase(r->headers[i].name, STATE))
            continue;
        if (!trace_context_state_ok(r->headers[i].value, &members))
            return false;
        if (out->len > 0 && r->headers[i].value.len > 0)
            buf_u8(out, ',');
        buf_put_slice(out, r->headers[i].value);
    }
    return members > 0;
}

static void put_if_it_fits(struct buf *user, size_t others, struct slice name, struct slice value)
{
    if (others + user->len + PROP_HEAD + name.len + value.len <= EVENT_PROPS_MAX)
        event_user_put(user, name, value);
}

void publish_trace_add(struct buf *user, size_t others, const struct http_request *r)
{
    bool repeated;
    struct slice parent = http_request_header(r, "traceparent", &repeated);
    struct buf state = {0};

    if (parent.p == NULL || repeated || !trace_context_parent_ok(parent) || has_own(user))
        return;
    put_if_it_fits(user, others, PARENT, parent);
    if (trace_state(r, &state))
        put_if_it_fits(user, others, STATE, buf_slice(&state));
    buf_free(&state);
}
