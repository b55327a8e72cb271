/*
 * publish_trace.h - traceparent and tracestate of a request become user properties of the
 * events that it publishes; pure.
 */
#ifndef HTTP_PUBLISH_TRACE_H
#define HTTP_PUBLISH_TRACE_H

#include "event.h"
#include "http_request.h"

/* Appends them to an encoded PROP_USER run, unless it has a traceparent of its own.  What is
 * malformed, or does not fit beside so many bytes of other properties, is left out. */
void publish_trace_add(struct buf *user, size_t others, const struct http_request *r);

#endif
