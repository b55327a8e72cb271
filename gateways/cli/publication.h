/*
 * publication.h - what `sluice pub` says to sluice-zmq (DESIGN 3.1): the
 * headers, from options or from a line in JSON form.  Pure.
 */
#ifndef CLI_PUBLICATION_H
#define CLI_PUBLICATION_H

#include "bytes.h"
#include "event.h"

/* One event on its way. */
struct publication {
    struct buf topic, headers, payload;
    bool repeatable; /* it names a producer: sending it twice is harmless */
};

/* Headers are written as an object that is open until publication_end. */
void publication_begin(struct buf *headers);
void publication_text(struct buf *headers, const char *name, struct slice value); /* valid UTF-8 */
void publication_raw(struct buf *headers, const char *name, struct slice json);
void publication_producer(struct buf *headers, const struct producer *p);
void publication_end(struct buf *headers);

/* From a line in JSON form; topic stands in where the line names none.  Its `id`
 * and `time` are passed over, so that what sub and history print can be
 * published again.  On failure false, and *error says what is wrong. */
bool publication_from_json(struct publication *p, struct slice line, struct slice topic,
                           struct buf *error);
void publication_free(struct publication *p);

#endif
