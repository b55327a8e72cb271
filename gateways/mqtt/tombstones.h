/*
 * tombstones.h - keys of items that must go away: `gone` is for the next WRITE, `going` is in
 * the one under way.  Rare, so a session has none of it until it needs it.
 */
#ifndef MQTT_TOMBSTONES_H
#define MQTT_TOMBSTONES_H

#include "bytes.h"

struct tombstones {
    struct buf gone, going; /* in the owner's form */
};

/* Where to add one; *d is made if it is NULL. */
struct buf *tombstones_add(struct tombstones **d);
/* What the next WRITE says; from now on it is going.  Valid until the next call. */
struct reader tombstones_begin(struct tombstones *d);
/* The outcome of that write. */
void tombstones_written(struct tombstones **d, bool ok);
void tombstones_free(struct tombstones **d);

static inline bool tombstones_any(const struct tombstones *d) /* for the next WRITE */
{
    return d != NULL && d->gone.len > 0;
}
static inline bool tombstones_none(const struct tombstones *d) /* and none is going */
{
    return d == NULL || d->gone.len + d->going.len == 0;
}

#endif
