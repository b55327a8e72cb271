/*
 * store_impl.h - what the files of the SQLite store share.
 *
 * Who calls whom, from above:
 *
 *   store_sqlite     the loop's side: open, submit, announce, close
 *   store_recover    what the file says, and the start's transaction
 *   store_writer     the thread: what is queued, then a step of each chore
 *   store_txn        one transaction of units     store_delete    DELETE
 *   store_expire     what is too old or too much  store_removal   rows leave in slices
 *   store_producers  idempotent producers         store_links     idempotent links
 *   store_state      the map beside the log       store_retained  retained messages
 *   store_stats      counts of topics             store_retention what is configured
 *   store_write      a transaction begins, ends, fails
 *   store_forget     topics that go, and their numbers' way back
 *   store_outcome    what is finished, on its way to the loop
 *   store_row, store_meta, store_schema, db
 *
 * Threads: the writer owns the connection `db` and everything below "writer";
 * the loop thread owns what is below "loop"; readers have connections of their
 * own and look at topics (under their lock), holes (fixed) and `given`.
 */
#ifndef STORE_IMPL_H
#define STORE_IMPL_H

#include "db.h"
#include "store.h"
#include "store_gate.h"
#include "store_holes.h"
#include "store_ids.h"
#include "store_sql.h"
#include "store_topics.h"

#define BATCH_EVENTS 2000u
#define BATCH_CHANGES 8000u /* each takes about a quarter of an event's time */
#define BATCH_BYTES (4u << 20)
#define SLICE_ROWS 1000u
#define CHECKPOINT_FRAMES 4000u
#define RETRY_MS 500u /* between tries while appends are refused */
#define CHECKPOINT_RETRY_MS 5000u
#define STATS_MS 1000u      /* between writes of changed topics */
#define RETENTION_MS 1000u  /* between looks at what is too old or too much */
#define ID_LIMIT_MS 500u    /* how far volatile IDs may run ahead of what is stored */
#define PRODUCER_SEQS 1024u /* repeats of the last so many are answered with their ID */
#define LINK_SEQS 4096u
#define STATE_ENTRY 32u        /* what an entry of the map counts beside its bytes: STATE_SIZE */
#define SEQS_EACH 4u           /* earlier numbers that are remembered, per producer that may be */
#define PRODUCER_MIN_MS 60000u /* a producer is not forgotten sooner, whatever the crowd */

/* Keys of the table meta. */
enum meta_key {
    META_IDENTITY = 1, /* 16 random bytes */
    META_LAST,         /* no ID up to this one will be given out again */
    META_ID_LIMIT,     /* nor one up to this, after an unclean stop; 0 after a clean one */
    META_STATS_UPTO,   /* every topic's row counts at least the events up to here */
    META_FORGOTTEN_TO, /* topics.forgotten_to */
    META_SEEN,         /* the time of the last start or clean stop, ms UTC */
};

/* Retention as configured; owned, replaced as a whole. */
struct retention {
    struct retention_rule *rules;
    size_t count;
    uint64_t max_bytes, max_age_ms, topic_idle_ms, producer_idle_ms;
    uint32_t max_topics; /* 0: no limit but that of numbers */
    uint64_t max_retained_bytes, max_state_bytes, max_producers; /* 0: no limit */
    uint64_t log_age_ms; /* the longest any topic keeps; 0: some keep for ever */
};
/* Something that the writer has finished and the loop thread announces, in order. */
struct outcome {
    struct store_request *requests; /* to be called back */
    struct store_batch batch;       /* count 0: nothing to follow */
    struct store_item *items;
    size_t item_room;
    const struct topic *removed; /* a DELETE emptied it */
    uint64_t removed_to;
    struct buf forgotten; /* numbers of topics, u32 each */
    bool failing_changed;
    const char *failing;
    bool last; /* the thread ends with it */
    struct outcome *prev, *next;
};

struct link_record; /* store_links.c */
struct removal;     /* store_removal.c */

struct store {
    /* Fixed once open. */
    uv_loop_t *loop;
    struct store_follower follower;
    char *path; /* of the database file */
    int lock_fd;
    bool fsync;
    struct wire_uuid identity;
    struct holes holes;

    /* Shared. */
    struct topics topics;
    struct gate gate;
    _Atomic uint64_t given; /* the highest ID that anyone may have seen */
    _Atomic uint64_t events, bytes, retained, wal_frames;
    _Atomic uint64_t retained_bytes, state_bytes, producers;
    _Atomic uint64_t announced; /* outcomes */
    _Atomic uint64_t max_topics;
    _Atomic bool topics_full;
    uv_mutex_t lock; /* of the five below */
    uv_cond_t wake;
    struct store_request *queue;
    struct outcome *outcomes;
    struct outcome *spare; /* to be used again, with its room */
    struct retention *new_retention;
    bool closing;

    /* Loop. */
    uv_async_t async;
    uv_idle_t turn;                  /* active while `submitted` holds something */
    unsigned handles;                /* not yet closed */
    struct store_request *submitted; /* in this turn of the loop */
    uint64_t head;                   /* `upto` of the last followed batch */
    uint64_t queued_bytes;
    const char *failing_seen;
    void (*closed)(void *arg);
    void *closed_arg;

    /* Writer. */
    uv_thread_t thread;
    struct db *db;
    struct writer_statements st;
    struct retention *retention;
    uint64_t last;                 /* the highest ID given out */
    uint64_t id_limit;             /* META_ID_LIMIT as stored */
    struct store_request *pending; /* taken from the queue, not yet begun */
    struct store_request *deletes; /* begun, a slice at a time */
    const char *failing;           /* why nothing can be written */
    enum db_error failed_by;       /* the last failure */
    uint64_t retry_at, checkpoint_at;
    struct topic *dirty, *flushing; /* rows to write: next time, and in this pass */
    uint64_t flush_at;              /* monotonic ms, as are all times of chores */
    uint64_t flush_upto;
    struct link_record *links;
    struct buf producer_key; /* where the walk over idle producers stands */
    uint64_t producer_topic;
    uint64_t seqs;           /* rows of producer_seqs */
    unsigned producer_press; /* passes of that walk since the table became crowded */
    struct removal *removal;
    uint64_t retention_at, idle_at; /* when to look again */
    uint32_t retention_next;        /* the pass stands at this topic; 0: none runs */
    struct outcome *current;        /* being filled */
    uint64_t delivered;             /* outcomes handed to the loop */
    uint64_t release_at;            /* when to look at limbo again */
};

/* --- store_schema.c ------------------------------------------------------- */
/* Opens and checks the database, creates its tables; NULL and *why. */
struct db *schema_open(const char *path, bool fsync, const char **why) MUST_CHECK;
bool schema_prepare(struct store *s) MUST_CHECK;
void schema_finalize(struct store *s);
const char *schema_reason(enum db_error e); /* why opening failed, and what to do */

/* --- store_meta.c --------------------------------------------------------- */
uint64_t meta_get(struct db *db, enum meta_key key);
void meta_set(struct store *s, enum meta_key key, uint64_t value);

/* --- store_row.c ---------------------------------------------------------- */
/* Parameters 3 to 7 of a statement that writes an event's row or a retained copy. */
void row_bind(struct db_stmt *st, const struct event *e);
/* The same five, read from the column `first` on; borrowed until the next step. */
void row_get(struct db_stmt *st, int first, struct event *e);

/* --- store_recover.c ------------------------------------------------------ */
/* NULL, or why the log cannot be taken up. */
const char *recover_log(struct store *s, const struct wall_rules *clock) MUST_CHECK;

/* --- store_writer.c ------------------------------------------------------- */
void writer_start(struct store *s);

/* --- store_outcome.c ------------------------------------------------------ */
struct outcome *outcome_open(struct store *s);                 /* the one being filled */
void outcome_answer(struct store *s, struct store_request *r); /* r is done */
/* The topic is no more, and the loop hears of it: once `announced` is as high as its
 * let_go.  With the topics' lock held. */
void outcome_forget(struct store *s, struct topic *t);
void outcome_deliver(struct store *s);                            /* what was filled, if anything */
struct outcome *outcome_take_all(struct store *s);                /* loop; in order */
void outcome_recycle(struct store *s, struct outcome *announced); /* loop */
void outcome_free(struct outcome *o);                             /* NULL does nothing */

/* --- store_write.c -------------------------------------------------------- */
void write_begin(struct store *s);
bool write_commit(struct store *s) MUST_CHECK; /* false: undone, reported */
/* For who commits by itself: it failed (rolls back, reports), it succeeded. */
void write_failed(struct store *s);
void write_fine(struct store *s);
struct store_result write_refusal(const struct store *s); /* of what the last failure undid */
void write_retry(struct store *s);                        /* while failing, if it is time */

/* --- store_txn.c ---------------------------------------------------------- */
/* Takes from `pending` what fits into one transaction, up to the next DELETE, and
 * commits it.  Returns how many events that made. */
uint32_t txn_run(struct store *s);

/* --- store_producers.c ---------------------------------------------------- */
enum producer_verdict { PRODUCER_NEXT, PRODUCER_REPEAT, PRODUCER_GAP, PRODUCER_FENCED };
struct producer_state {
    bool known;
    uint64_t epoch, last_seq, last_id;
    uint64_t seqs; /* names its rows in producer_seqs; 0: none yet */
};
/* topic: NULL when there is none of that name yet. */
enum producer_verdict producer_check(struct store *s, const struct topic *topic,
                                     struct store_event *ev, struct producer_state *state,
                                     struct store_result *result) MUST_CHECK;
/* By how many rows a transaction has changed the two tables. */
struct producer_growth {
    int64_t producers, seqs;
};
/* There may be one more, beside what the transaction at hand has made. */
bool producers_have_room(const struct store *s, const struct producer_growth *g);
/* Remembers ev->id as that of its seq; `state` is from producer_check. */
void producer_advance(struct store *s, const struct topic *topic, const struct store_event *ev,
                      const struct producer_state *state, uint64_t now, struct producer_growth *g);
void producers_count(struct store *s, const struct producer_growth *g); /* it is committed */
void producers_load(struct store *s);                                   /* at start: counts them */
/* One slice of those that were not used for idle_ms; true: more. */
bool producers_expire(struct store *s, uint64_t now, uint64_t idle_ms);
bool producers_are_pressed(const struct store *s); /* nearly as many as there may be */

/* --- store_links.c -------------------------------------------------------- */
/* Answers r from an earlier one with the same link and link_seq; false: new. */
bool link_repeat(struct store *s, struct store_request *r) MUST_CHECK;
void link_mark(struct store *s, const struct store_request *r);
void links_write(struct store *s, uint64_t now); /* the marks, within the transaction */
void links_settle(struct store *s, uint64_t now, bool committed);
/* One link at most; false: the store fails. */
bool links_expire(struct store *s, uint64_t now, uint64_t before) MUST_CHECK;
void links_free(struct store *s);

/* --- store_state.c -------------------------------------------------------- */
void state_load(struct store *s); /* at start: weighs it */
/* Rows it took; *growth rises by as many bytes as the map. */
uint32_t state_change(struct store *s, const struct store_change *c, int64_t *growth);
/* Of a map of so many bytes: nothing that r changes is an entry too many. */
bool state_has_room(struct store *s, const struct store_request *r, uint64_t bytes) MUST_CHECK;
uint32_t state_scan(struct store *s, struct store_request *r); /* entries found */

/* --- store_retained.c ----------------------------------------------------- */
/* Within a transaction: what e, an event with EVENT_RETAIN, makes of its topic.
 * Returns by how many that changes their number: 1, 0 or -1. */
int retained_set(struct store *s, const struct event *e);
/* By how many bytes. */
int64_t retained_growth(struct store *s, const struct event *e);
/* One slice of those past their expiry; true: more. */
bool retained_expire(struct store *s, uint64_t now, uint32_t rows);

/* --- store_stats.c -------------------------------------------------------- */
void stats_write_row(struct store *s, const struct topic *t, const struct topic_stats *stats);
void stats_count(struct store *s, const struct store_batch *b); /* after the commit */
void stats_step(struct store *s, bool all);  /* some rows, if it is time; or all */
bool stats_load(struct store *s) MUST_CHECK; /* at start: rows, then a recount */

/* --- store_removal.c ------------------------------------------------------ */
void removal_free(struct store *s); /* store_removal.h has the rest */

/* --- store_forget.c ------------------------------------------------------- */
void forget_release(struct store *s); /* numbers that nobody holds any more */
/* Makes room in a table that fills up, one slice; true: more. */
bool forget_crowd(struct store *s, uint32_t rows);
bool forget_is_pressed(const struct store *s); /* the table is nearly full */

/* --- store_delete.c ------------------------------------------------------- */
void delete_begin(struct store *s, struct store_request *r); /* fixes how far it reaches */
bool delete_step(struct store *s); /* one slice of the oldest DELETE; false: none */

/* --- store_retention.c ---------------------------------------------------- */
struct retention *retention_new(const struct store_options *o);
void retention_free(struct retention *r); /* NULL does nothing */
struct topic_limits retention_limits(const struct retention *r, struct slice topic);
void retention_apply(struct store *s, struct retention *r); /* takes r */

/* --- store_expire.c ------------------------------------------------------- */
/* One slice of what is due; `rows` more or less.  True: more is due now. */
bool expire_step(struct store *s, uint32_t rows);

#endif
