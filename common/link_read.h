/*
 * link_read.h - a request for history on its way to the broker (DESIGN 3.3): what who
 * asks and who carries it (gateways/link) share.
 *
 * Owned by who asks, until cb or the carrier's cancel; cb runs exactly once, never from
 * inside the call that asked.  Loop thread.
 */
#ifndef COMMON_LINK_READ_H
#define COMMON_LINK_READ_H

#include "bytes.h"
#include "errors.h"
#include "zsock.h"

struct link_read;
/* error: ERR_NONE and the whole reply frame, which the callee may move, or an
 * error of the broker's with `text`. */
typedef void (*link_read_cb)(struct link_read *r, enum sluice_error error, struct slice text,
                             struct zmsg *reply);
struct link_read {
    struct buf
        frame; /* a request of proto/wire.h; its ref is set, and it is freed, by the carrier */
    link_read_cb cb;
    void *data;        /* the asker's */
    const void *asker; /* whom it is for: askers take turns; NULL: nobody in particular */
    uint64_t ref;      /* the carrier's, as all below */
    uint64_t asked_at;
    bool sent;
    struct link_read *prev, *next;
};

#endif
