/*
 * trace_context.h - W3C Trace Context (2021): are traceparent and tracestate well-formed?
 *
 * What is not is dropped by whoever meets it (3.3.1.1), never refused.
 */
#ifndef PROTO_TRACE_CONTEXT_H
#define PROTO_TRACE_CONTEXT_H

#include "bytes.h"

#define TRACE_STATE_MEMBERS 32

/* version-trace_id-parent_id-flags in lower-case hexadecimal, neither ID all zeros; versions
 * above 00 may say more. */
bool trace_context_parent_ok(struct slice value);
/* key=value, … as one header line; empty members count for nothing.  Counts into *members,
 * 0 at first, for a header that comes in several lines. */
bool trace_context_state_ok(struct slice value, unsigned *members);

#endif
