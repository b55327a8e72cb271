/*
 * sub_index.h - a session's filters by name, while a packet of many is looked at: so that
 * it costs its length, not its length times the session's filters.
 *
 * Made for one packet and freed behind it: a session that rests pays nothing for it.
 */
#ifndef MQTT_SUB_INDEX_H
#define MQTT_SUB_INDEX_H

#include "sub.h"

struct sub_index;

/* Room for so many more. */
MUST_CHECK struct sub_index *sub_index_new(const struct session *s, size_t more);
void sub_index_free(struct sub_index *x);
struct sub *sub_index_find(const struct sub_index *x, struct slice filter); /* NULL: none */
void sub_index_put(struct sub_index *x, struct sub *sub);
/* It is about to be freed. */
void sub_index_drop(struct sub_index *x, const struct sub *sub);

#endif
