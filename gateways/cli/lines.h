/*
 * lines.h - lines out of bytes that come in pieces.  Pure.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "bytes.h"

struct lines {
    struct buf bytes; /* from `used` on not yet handed out */
    size_t used;
    size_t searched; /* up to here there is no LF */
};

void lines_add(struct lines *l, const void *p, size_t len);
/* The next line without its LF, valid until lines_add; false when there is none.
 * ended: no bytes will follow, so the rest, if any, is a line. */
bool lines_next(struct lines *l, bool ended, struct slice *line);
/* Bytes of a line that has not ended yet, or of those not handed out. */
size_t lines_waiting(const struct lines *l);
void lines_close(struct lines *l);

#endif
