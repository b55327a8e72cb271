/*
 * store_removal.h - one slice of removal; see store_removal.c.
 */
#ifndef STORE_REMOVAL_H
#define STORE_REMOVAL_H

#include "store_impl.h"

/* What has to go from the oldest end of a topic: IDs up to `upto`, and the
 * rest until no more than max_events and max_bytes remain (UINT64_MAX: any). */
struct removal_cut {
    uint64_t upto, max_events, max_bytes;
};

void removal_begin(struct store *s);
/* Both return how many rows they remove, `rows` at most.  A slice holds either
 * one removal_of_all or any number of the others, one a topic. */
uint32_t removal_of_topic(struct store *s, struct topic *t, const struct removal_cut *cut,
                          enum gap_reason reason, uint32_t rows);
uint32_t removal_of_all(struct store *s, uint64_t upto, uint64_t max_bytes, uint32_t rows);
/* An empty topic's removed ID rises all the same. */
void removal_mark(struct store *s, struct topic *t, uint64_t upto, enum gap_reason reason);
/* An empty topic goes; its removed ID joins the log-wide one. */
void removal_forget(struct store *s, struct topic *t);
uint64_t removal_forgets(const struct store *s); /* the weight of those, in this slice */
bool removal_commit(struct store *s);            /* false: nothing was removed */

#endif
