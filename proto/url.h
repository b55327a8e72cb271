/*
 * url.h - the parts of a URL that a request carries, taken apart and made.
 */
#ifndef PROTO_URL_H
#define PROTO_URL_H

#include "bytes.h"

/* %-decoding only: '+' stays a plus, dot segments stay as they are.  Appends to
 * out; false on a bad escape. */
MUST_CHECK bool url_decode(struct slice s, struct buf *out);
/* Takes the next name=value off *query, still encoded; false at the end. */
MUST_CHECK bool url_query_next(struct slice *query, struct slice *name, struct slice *value);
/* %-encodes all but unreserved characters and '/'. */
void url_encode(struct slice s, struct buf *out);

#endif
