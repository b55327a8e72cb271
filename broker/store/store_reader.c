/*
 * store_reader.c - one reading thread's connection: opened, closed.
 *
 * What it answers is above: store_page.c, store_lookup.c, store_retained.c.
 */
#include "store_reader.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"

static void reader_prepare(struct store_reader *r)
{
    r->begin = db_prepare(r->db, "BEGIN");
    r->end = db_prepare(r->db, "COMMIT");
    r->last = db_prepare(r->db, "SELECT value FROM meta WHERE key = 2");
    r->one = db_prepare(r->db, ROWS_SELECT " WHERE id = ?1");
    r->topics = db_prepare(r->db, "SELECT name FROM topics WHERE name >= ?1 ORDER BY name");
    r->retained = db_prepare(r->db, "SELECT id, time, flags, expiry, props, data FROM retained"
                                    " WHERE topic = ?1");
    r->retained_names = db_prepare(r->db, "SELECT topic FROM retained"
                                          " WHERE topic >= ?1 ORDER BY topic");
    rows_prepare(r);
}

struct store_reader *store_reader_open(struct store *s)
{
    struct store_reader *r = mem_zalloc(sizeof *r);
    enum db_error error;

    r->s = s;
    r->step_ns = STEP_NS;
    r->db = db_open(s->path, true, &error);
    if (r->db != NULL) {
        db_exec(r->db, "PRAGMA cache_size = -8192; PRAGMA query_only = ON;");
        reader_prepare(r);
        if (db_error(r->db) == DB_FINE)
            return r;
    }
    log_error("a reader cannot open the database", LOG_S("path", s->path),
              LOG_S("says", r->db != NULL ? db_error_text(r->db) : schema_reason(error)));
    store_reader_close(r);
    return NULL;
}

void store_reader_close(struct store_reader *r)
{
    struct db_stmt *const all[] = {r->begin,  r->end,      r->last,          r->one,
                                   r->topics, r->retained, r->retained_names};

    matcher_free(r);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        db_finalize(all[i]);
    rows_finalize(r);
    db_close(r->db);
    buf_free(&r->head);
    free(r);
}
