/*
 * drops.h - keys of items that must go away: `gone` is for the next WRITE, `going` is in
 * the one under way.  Rare, so a session has none of it until it needs it.
 */
#ifndef MQTT_DROPS_H
#define MQTT_DROPS_H

#include "bytes.h"

struct drops {
    struct buf gone, going; /* in the owner's form */
};

/* Where to add one; *d is made if it is NULL. */
struct buf *drops_add(struct drops **d);
/* What the next WRITE says; from now on it is going.  Valid until the next call. */
struct reader drops_begin(struct drops *d);
/* The outcome of that write. */
void drops_written(struct drops **d, bool ok);
void drops_free(struct drops **d);

static inline bool drops_any(const struct drops *d) /* for the next WRITE */
{
    return d != NULL && d->gone.len > 0;
}
static inline bool drops_none(const struct drops *d) /* and none is going */
{
    return d == NULL || d->gone.len + d->going.len == 0;
}

#endif
