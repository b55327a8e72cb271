/*
 * h2_walk.h - from frame to frame in the bytes that come: nghttp2 tells nothing of those
 * that it passes over, DATA on streams that it has forgotten and PRIORITY.
 *
 * It looks at 13 bytes of a frame at most.  Pure.
 */
#ifndef H2_H2_WALK_H
#define H2_H2_WALK_H

#include "bytes.h"

struct h2_frame {
    uint8_t type, flags;
    uint32_t stream;
    uint32_t dependency; /* of a PRIORITY */
};

/* All zero: a frame begins. */
struct h2_walk {
    uint8_t head[13]; /* of the frame: its header, and what a PRIORITY begins with */
    uint8_t have;
    uint32_t left; /* bytes until the next frame */
};

/* Goes on from *at; true: the header of a frame that concerns a stream's life (HEADERS,
 * DATA, RST_STREAM, PRIORITY) ends there, and *f is it.  False: all bytes are passed. */
bool h2_walk(struct h2_walk *w, struct slice in, size_t *at, struct h2_frame *f);

#endif
