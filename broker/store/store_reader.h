/*
 * store_reader.h - one reading thread: its connection, snapshots, filters, rows; and
 * one request under way.
 *
 *   snapshot_begin ─▶ matcher_set ─▶ rows_open ─▶ rows_next … ─▶ matcher_removed ─▶ snapshot_end
 *
 * The order matters: topics are looked up after the snapshot was taken (every
 * topic in it is in the table), removed IDs after the rows were read (whatever
 * was missing from them is announced).
 *
 * A request (struct store_read) goes forward in steps, each in a snapshot of its own and
 * on whichever reader is free.  A step ends when it has the answer, or when it has
 * taken step_ns; what it has to remember is in the request, never in the reader.
 */
#ifndef STORE_READER_H
#define STORE_READER_H

#include "filter_tree.h"
#include "store_impl.h"

#define FEW_MAX 1024u /* so many topics are merged; more are found by scanning */
#define STEP_NS UINT64_C(4000000)
#define STEP_LOOKS 64u /* between two looks at the clock */
#define CHUNK_IDS 32u
#define SEEN_MAX 4096u

/* The topics that a list of filters matches, kept from page to page and
 * extended as topics appear. */
struct filter_set {
    struct slice key; /* the filters, each followed by a NUL */
    uint64_t *bits;   /* by topic number */
    size_t words;
    uint32_t seen;    /* numbers below have been looked at */
    uint32_t matched; /* how many are set */
    uint32_t *few;    /* which, while they are few; rising */
    uint32_t few_room;
    uint64_t removed_to; /* the highest, as of change `removals` */
    enum gap_reason reason;
    uint64_t removals, reuses; /* so many changes were taken in */
    uint64_t used;             /* the step that asked last */
    UT_hash_handle hh;
};

/* A topic to read, above its `from`. */
struct few_topic {
    uint32_t number;
    uint64_t from;
};

/* What the filters of a request mean, in this step. */
struct matcher {
    const struct wire_filter *filters;
    size_t count;
    const struct filter_tree *tree; /* of them, when they are many */
    struct filter_set *set;         /* NULL: no filter has a wildcard */
    uint64_t from_low, from_high;
    bool is_few;
    size_t few_count;
    struct few_topic few[FEW_MAX]; /* rising */
};

/* A place in one topic's index. */
struct row_cursor {
    uint32_t topic;
    uint64_t low, high; /* IDs not yet read are between */
    uint8_t at, count;
    bool last; /* no chunk follows */
    uint64_t ids[CHUNK_IDS];
};

/* Rows in order of ID, of a few topics or of the whole log. */
struct rows {
    bool descending;
    bool scan; /* the whole log; a row may come that does not match */
    bool begun;
    uint32_t scanned;   /* rows looked at in this step */
    uint32_t most;      /* a scan stops at so many */
    size_t count;       /* of the heap */
    uint64_t id;        /* of the row that it stands at */
    struct db_stmt *st; /* at the row, after rows_row */
    struct row_cursor *cursors;
    uint16_t heap[FEW_MAX]; /* of cursors that stand at an ID; the next one first */
};

struct store_reader {
    struct store *s;
    struct db *db;
    struct db_stmt *begin, *end, *last, *one, *topics;
    struct db_stmt *retained, *retained_names; /* one by its topic; topics in order */
    struct db_stmt *scan[2];                   /* ascending, descending */
    struct db_stmt *by_topic[2];
    struct filter_set *sets;
    size_t set_bytes;
    uint64_t steps;
    uint64_t step_ns;   /* what a step may take */
    uint64_t step_ends; /* monotonic ns */
    uint32_t looks;
    struct matcher matcher;
    struct rows rows;
    struct filter_tree *seeking; /* of the request at hand: a scan asks it, not the matcher */
    struct seen_topic {          /* what was found of a topic in this step */
        uint64_t step;
        uint32_t topic;
        uint64_t from; /* its events above are wanted */
    } seen[SEEN_MAX];
    struct buf head; /* scratch */
};

/* --- one request ------------------------------------------------------------------ */

struct newest { /* last=N, of one filter */
    uint64_t wanted, found;
    uint64_t below; /* the walk stands here */
    uint64_t from;  /* the cursor below the last one found */
    bool seeking;   /* it is in the tree: found by scanning */
};

struct store_read {
    uint8_t kind;
    uint64_t ref;
    bool begun;
    uint64_t head, now;
    struct wire_filter *filters; /* page, start; what they name is the asker's */
    size_t filter_count;
    struct filter_tree *tree; /* page: of all filters; start: of those that are sought */
    uint32_t limit, count;

    /* page */
    uint64_t after, until;
    bool descending;
    uint64_t upto;
    uint32_t scanned;
    bool damaged;

    /* start */
    uint8_t mode;
    struct newest *newest;
    size_t at; /* the filter at hand */
    uint64_t below;
    size_t sought; /* filters in the tree */

    uint64_t id; /* event */

    /* topics, retained: names */
    struct slice filter;
    struct buf name, last; /* go on above this one; the last one looked at */
    bool more, done;
};

/* Each is one step: true, the reply is whole. */
bool page_step(struct store_read *w, struct store_reader *r, struct buf *reply) MUST_CHECK;
bool start_step(struct store_read *w, struct store_reader *r, struct buf *reply) MUST_CHECK;
bool lookup_event(struct store_read *w, struct store_reader *r, struct buf *reply) MUST_CHECK;
bool lookup_topics(struct store_read *w, struct store_reader *r, struct buf *reply) MUST_CHECK;
bool retained_read(struct store_read *w, struct store_reader *r, struct buf *reply) MUST_CHECK;

/* --- store_snapshot.c ----------------------------------------------------- */
/* Enters the gate and fixes what is seen; returns the log's head. */
uint64_t snapshot_begin(struct store_reader *r);
/* False: something failed, and the reply is an error now. */
bool snapshot_end(struct store_reader *r, uint8_t kind, uint64_t ref, struct buf *reply) MUST_CHECK;
/* The place of what is remembered of the topic in this step: fresh when its step is
 * another. */
struct seen_topic *snapshot_seen(struct store_reader *r, uint32_t topic);
/* The step has taken its time.  Looks at the clock now and then. */
bool snapshot_is_over(struct store_reader *r) MUST_CHECK;

/* --- store_matcher.c ------------------------------------------------------ */
/* False: the step ended before all topics were looked at.  tree: of all the filters, or
 * NULL when they are few enough to be asked one by one. */
bool matcher_set(struct store_reader *r, const struct wire_filter *filters, size_t count,
                 const struct filter_tree *tree) MUST_CHECK;
bool matcher_test(struct store_reader *r, uint32_t topic, uint64_t id);
/* The highest removed ID that the filters match, and why. */
uint64_t matcher_removed(struct store_reader *r, uint64_t upto, enum gap_reason *reason);
void matcher_free(struct store_reader *r);

/* --- store_rows.c --------------------------------------------------------- */
#define ROWS_SELECT "SELECT id, topic_id, time, flags, expiry, props, data FROM events"
void rows_prepare(struct store_reader *r); /* an error sticks to the connection */
void rows_finalize(struct store_reader *r);
/* Those of the matcher, IDs above low and below high; a scan looks at `most`. */
void rows_open(struct store_reader *r, uint64_t low, uint64_t high, bool descending, uint32_t most);
/* The whole log, for what r->seeking matches. */
void rows_open_seeking(struct store_reader *r, uint64_t high, uint32_t most);
bool rows_next(struct store_reader *r) MUST_CHECK;
/* A scan had to stop here, whether this row matches or not. */
bool rows_stopped(const struct store_reader *r);
void rows_close(struct store_reader *r);
/* Reads the row that the walk stands at; false: it is not there. */
bool rows_row(struct store_reader *r) MUST_CHECK;
uint32_t rows_topic(const struct rows *rows);
bool rows_expired(const struct rows *rows, uint64_t now);
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
