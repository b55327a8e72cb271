/*
 * store_reader.h - one reading thread: its connection, snapshots, filters, rows.
 *
 *   snapshot_begin ─▶ matcher_set ─▶ rows_open ─▶ rows_next … ─▶ matcher_removed ─▶ snapshot_end
 *
 * The order matters: topics are looked up after the snapshot was taken (every
 * topic in it is in the table), removed IDs after the rows were read (whatever
 * was missing from them is announced).
 */
#ifndef STORE_READER_H
#define STORE_READER_H

#include "store_impl.h"

#define CURSORS 16u /* so many topics are merged; more are found by scanning */

/* The topics that a wildcard filter matches, kept from page to page and
 * extended as topics appear. */
struct filter_set {
    struct slice filter;
    uint64_t *bits; /* by topic number */
    size_t words;
    uint32_t seen;                 /* numbers below have been looked at */
    uint32_t matched;              /* how many are set */
    uint32_t few[CURSORS];         /* the first of them */
    uint64_t removed_to, removals; /* the highest, as of topics.removals */
    enum gap_reason reason;
    uint64_t used; /* the request that asked last */
    UT_hash_handle hh;
};

/* One filter of a request. */
struct match {
    uint64_t from;
    struct topic *exact;    /* no wildcard: its topic, NULL if there is none */
    struct filter_set *set; /* else */
};

struct matcher {
    size_t count;
    struct match list[WIRE_FILTERS_MAX];
};

struct row_cursor {
    struct db_stmt *st;
    uint64_t id; /* of the row that it stands at; 0: at the end */
};

/* Rows in order of ID, of a few topics or of the whole log. */
struct rows {
    bool descending;
    bool scan;        /* the whole log; a row may come that does not match */
    uint32_t scanned; /* rows looked at; a scan stops at WIRE_PAGE_SCAN */
    size_t count;
    struct row_cursor cursors[CURSORS];
    struct row_cursor *at; /* the row */
};

struct store_reader {
    struct store *s;
    struct db *db;
    struct db_stmt *begin, *end, *last, *one, *topics;
    struct db_stmt *retained, *retained_names; /* one by its topic; topics in order */
    struct db_stmt *scan[2];                   /* ascending, descending */
    struct db_stmt *by_topic[2][CURSORS];      /* prepared when first needed */
    struct filter_set *sets;
    size_t set_bytes;
    uint64_t requests;
    struct matcher matcher;
    struct rows rows;
    struct buf head; /* scratch */
};

/* --- store_snapshot.c ----------------------------------------------------- */
/* Enters the gate and fixes what is seen; returns the log's head. */
uint64_t snapshot_begin(struct store_reader *r);
/* False: something failed, and the reply is an error now. */
bool snapshot_end(struct store_reader *r, uint8_t kind, uint64_t ref, struct buf *reply,
                  size_t start) MUST_CHECK;

/* --- store_matcher.c ------------------------------------------------------ */
void matcher_set(struct store_reader *r, const struct wire_filter *filters, size_t count);
bool matcher_test(const struct matcher *m, uint32_t topic, uint64_t id);
uint64_t matcher_lowest(const struct matcher *m); /* of all froms */
/* The highest removed ID that the filters match, and why. */
uint64_t matcher_removed(struct store_reader *r, uint64_t upto, enum gap_reason *reason);
void matcher_free(struct store_reader *r);

/* --- store_rows.c --------------------------------------------------------- */
#define ROWS_SELECT "SELECT id, topic_id, time, flags, expiry, props, data FROM events"
void rows_prepare(struct store_reader *r); /* an error sticks to the connection */
void rows_finalize(struct store_reader *r);
/* IDs above low and below high. */
void rows_open(struct store_reader *r, uint64_t low, uint64_t high, bool descending);
bool rows_next(struct rows *rows) MUST_CHECK;
void rows_close(struct rows *rows);
uint32_t rows_topic(const struct rows *rows);
/* The event at a row of ROWS_SELECT, borrowed until the next step; false: its topic is not
 * known, so the database is damaged. */
bool rows_event(const struct store *s, struct db_stmt *st, struct event *e) MUST_CHECK;

/* In the order of names, byte by byte. */
static inline bool name_above(struct slice name, struct slice other)
{
    size_t common = name.len < other.len ? name.len : other.len;
    int order = common > 0 ? memcmp(name.p, other.p, common) : 0;

    return order > 0 || (order == 0 && name.len > other.len);
}

#endif
