/*
 * store_meta.c - the log's few numbers, in the table meta.
 */
#include <stdio.h>

#include "store_impl.h"

uint64_t meta_get(struct db *db, enum meta_key key)
{
    char sql[64];

    snprintf(sql, sizeof sql, "SELECT value FROM meta WHERE key = %d", (int)key);
    return db_number(db, sql);
}

void meta_set(struct store *s, enum meta_key key, uint64_t value)
{
    db_bind(s->st.set_meta, 1, key);
    db_bind(s->st.set_meta, 2, value);
    db_run(s->st.set_meta);
}
