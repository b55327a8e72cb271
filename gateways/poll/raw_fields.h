/*
 * raw_fields.h - an event's properties as header fields, named as publishing
 * over HTTP names them.
 */
#ifndef POLL_RAW_FIELDS_H
#define POLL_RAW_FIELDS_H

#include "event.h"
#include "exchange.h"

#define RAW_FIELDS_MAX 64  /* clients stop reading at about a hundred fields, … */
#define RAW_BYTES_MAX 8192 /* … or at 16 KiB of head */

struct raw_fields {
    const char *content_type; /* into text, or a constant */
    struct answer_field list[RAW_FIELDS_MAX];
    size_t count;
    struct buf text; /* what the values point into; stays where it is */
};

/* False: header fields cannot carry this event (too much, a control character,
 * a name that holds "="); *f is empty then. */
MUST_CHECK bool raw_fields_make(struct raw_fields *f, const struct event *e);
void raw_fields_free(struct raw_fields *f);

#endif
