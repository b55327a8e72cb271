/*
 * store_row.c - the part of a row that an event and a retained copy have in
 * common: time, flags, expiry, properties, payload, in this order.
 */
#include "store_impl.h"

#define ROW_BIND_FIRST 3 /* behind the ID and what names the topic */

void row_bind(struct db_stmt *st, const struct event *e)
{
    db_bind(st, ROW_BIND_FIRST, e->time);
    db_bind(st, ROW_BIND_FIRST + 1, e->flags);
    if ((e->flags & EVENT_HAS_EXPIRY) != 0)
        db_bind(st, ROW_BIND_FIRST + 2, e->expiry);
    else
        db_bind_null(st, ROW_BIND_FIRST + 2);
    db_bind_blob(st, ROW_BIND_FIRST + 3, e->props);
    db_bind_blob(st, ROW_BIND_FIRST + 4, e->payload);
}

void row_get(struct db_stmt *st, int first, struct event *e)
{
    e->time = db_u64(st, first);
    e->flags = (uint16_t)db_u64(st, first + 1);
    e->expiry = (uint32_t)db_u64(st, first + 2); /* NULL reads as 0 */
    e->props = db_slice(st, first + 3);
    e->payload = db_slice(st, first + 4);
}
