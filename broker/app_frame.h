/*
 * app_frame.h - what an application sends on the apps socket, taken apart.
 * Pure: no socket, borrows its input.
 *
 *   [""] "publish" ref topic headers payload     one ZeroMQ part each
 *
 * The empty first part is what a REQ socket puts there; the answer mirrors it.
 * headers are the members of an event's JSON form (DESIGN 2.7), without topic
 * and payload; `{}` or nothing for none.
 */
#ifndef BROKER_APP_FRAME_H
#define BROKER_APP_FRAME_H

#include "errors.h"
#include "event.h"

#define APP_REF_MAX 256
#define APP_PARTS_MAX 6 /* of a well-formed message */

struct app_frame {
    bool delimited; /* begins with an empty part */
    bool has_ref;
    size_t ref_part; /* its place among the parts; topic, headers, payload follow */
};

/* ERR_NONE, or why not: *text is static.  delimited, has_ref and ref_part are
 * set as far as they are known, so that the refusal can be sent. */
enum sluice_error app_frame_get(const struct slice *parts, size_t count, struct app_frame *out,
                                const char **text) MUST_CHECK;

/* Sets what headers say of *e: flags, expiry, props; QoS is 2.  What they need
 * is copied into `store`, which is empty before and outlives *e.  On an error
 * *field names the member ("" for none) and may point into `store`; *text says
 * what is wrong, static. */
enum sluice_error app_headers_get(struct slice headers, struct buf *store, struct event *e,
                                  const char **field, const char **text) MUST_CHECK;

#endif
