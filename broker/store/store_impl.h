/*
 * store_impl.h - what the files of the SQLite store share.
 *
 *   store_sqlite.c     open, recover, close; the small public functions
 *   store_schema.c     tables, settings, the meta row, checks of the file
 *   store_writer.c     the writer thread: queue in, finished commits out
 *   store_txn.c        one transaction of appends
 *   store_producers.c  idempotent producers     store_links.c  idempotent links
 *   store_state.c      the map beside the log  store_retained.c   retained messages
 *   store_stats.c      counts of topics: written now and then, recounted at start
 *   store_remove.c     removing old rows in slices; DELETE
 *   store_retention.c  what is to be removed, and when
 *   store_reader.c     snapshots and rows       store_filters.c  which topics
 *   store_page.c       pages                    store_lookup.c   the other replies
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
#include "store_ids.h"
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

/* Retained messages past their expiry at ?1, in the terms of their index. */
#define STALE " WHERE expiry IS NOT NULL AND time + expiry * 1000 <= ?1"

/* Every statement of the writer, prepared at open. */
#define WRITER_STATEMENTS(X)                                                                       \
    X(begin, "BEGIN IMMEDIATE")                                                                    \
    X(commit, "COMMIT")                                                                            \
    X(savepoint, "SAVEPOINT unit")                                                                 \
    X(undo, "ROLLBACK TO unit")                                                                    \
    X(release, "RELEASE unit")                                                                     \
    X(set_meta, "UPDATE meta SET value = ?2 WHERE key = ?1")                                       \
    X(insert_event, "INSERT INTO events(id, topic_id, time, flags, expiry, props, data)"           \
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                         \
    X(insert_topic, "INSERT INTO topics(id, name, volatile, used, born)"                           \
                    " VALUES(?1, ?2, ?3, ?4, ?5)")                                                 \
    X(update_topic, "UPDATE topics SET head = ?2, oldest = ?3, events = ?4, bytes = ?5,"           \
                    " removed_to = ?6, removed_reason = ?7, volatile = ?8, used = ?9,"             \
                    " counted_to = ?10 WHERE id = ?1")                                             \
    X(delete_topic, "DELETE FROM topics WHERE id = ?1")                                            \
    X(get_producer, "SELECT epoch, last_seq, last_id, seqs FROM producers"                         \
                    " WHERE key = ?1 AND topic = ?2")                                              \
    X(put_producer, "INSERT OR REPLACE INTO producers(key, topic, epoch, last_seq, last_id,"       \
                    " seqs, used) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                             \
    X(get_seq, "SELECT id FROM producer_seqs WHERE seqs = ?1 AND seq = ?2")                        \
    X(put_seq, "INSERT INTO producer_seqs(seqs, seq, id) VALUES(?1, ?2, ?3)")                      \
    X(drop_seq, "DELETE FROM producer_seqs WHERE seqs = ?1 AND seq = ?2")                          \
    X(drop_seqs, "DELETE FROM producer_seqs WHERE seqs = ?1")                                      \
    X(walk_producers, "SELECT key, topic, seqs, used FROM producers"                               \
                      " WHERE (key, topic) > (?1, ?2) ORDER BY key, topic LIMIT ?3")               \
    X(drop_producer, "DELETE FROM producers WHERE key = ?1 AND topic = ?2")                        \
    X(get_link, "SELECT id, used FROM links WHERE instance = ?1")                                  \
    X(put_link, "INSERT INTO links(instance, used) VALUES(?1, ?2)")                                \
    X(touch_link, "UPDATE links SET used = ?2 WHERE id = ?1")                                      \
    X(idle_link, "SELECT id FROM links WHERE used < ?1 LIMIT 1")                                   \
    X(drop_link, "DELETE FROM links WHERE id = ?1")                                                \
    X(get_acks, "SELECT acks FROM link_acks WHERE link = ?1 ORDER BY last_seq")                    \
    X(put_acks, "INSERT INTO link_acks(link, last_seq, acks) VALUES(?1, ?2, ?3)")                  \
    X(drop_acks, "DELETE FROM link_acks WHERE link = ?1 AND last_seq < ?2")                        \
    X(drop_all_acks, "DELETE FROM link_acks WHERE link = ?1")                                      \
    X(oldest_of_topic, "SELECT id, length(props) + length(data) FROM events"                       \
                       " WHERE topic_id = ?1 ORDER BY id LIMIT ?2")                                \
    X(remove_of_topic, "DELETE FROM events WHERE topic_id = ?1 AND id <= ?2")                      \
    X(oldest_of_all, "SELECT id, topic_id, length(props) + length(data) FROM events"               \
                     " ORDER BY id LIMIT ?1")                                                      \
    X(remove_of_all, "DELETE FROM events WHERE id <= ?1")                                          \
    X(first_of_topic, "SELECT id FROM events WHERE topic_id = ?1 ORDER BY id LIMIT 1")             \
    X(put_state, "REPLACE INTO state(space, owner, key, value) VALUES(?1, ?2, ?3, ?4)")            \
    X(drop_state, "DELETE FROM state WHERE space = ?1 AND owner = ?2 AND key = ?3")                \
    X(drop_owner, "DELETE FROM state WHERE space = ?1 AND owner = ?2")                             \
    X(get_owner, "SELECT owner, key, value FROM state WHERE space = ?1 AND owner = ?2"             \
                 " ORDER BY key")                                                                  \
    X(walk_state, "SELECT owner, key, value FROM state"                                            \
                  " WHERE space = ?1 AND (owner, key) > (?2, ?3) ORDER BY owner, key")             \
    X(add_retained, "INSERT INTO retained(topic, id, time, flags, expiry, props, data)"            \
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                         \
    X(set_retained, "UPDATE retained SET id = ?2, time = ?3, flags = ?4, expiry = ?5,"             \
                    " props = ?6, data = ?7 WHERE topic = ?1")                                     \
    X(drop_retained, "DELETE FROM retained WHERE topic = ?1")                                      \
    X(find_stale, "SELECT 1 FROM retained INDEXED BY retained_expiry" STALE " LIMIT 1")            \
    X(drop_stale, "DELETE FROM retained WHERE n IN"                                                \
                  " (SELECT n FROM retained INDEXED BY retained_expiry" STALE " LIMIT ?2)")

struct writer_statements {
#define X(name, sql) struct db_stmt *name;
    WRITER_STATEMENTS(X)
#undef X
};

/* Keys of the table meta. */
enum meta_key {
    META_IDENTITY = 1, /* 16 random bytes */
    META_LAST,         /* no ID up to this one will be given out again */
    META_ID_LIMIT,     /* nor one up to this, after an unclean stop; 0 after a clean one */
    META_STATS_UPTO,   /* every topic's row counts at least the events up to here */
    META_FORGOTTEN_TO, /* topics.forgotten_to */
};

/* Retention as configured; owned, replaced as a whole. */
struct retention {
    struct retention_rule *rules;
    size_t count;
    uint64_t max_bytes, max_age_ms, topic_idle_ms, producer_idle_ms;
    uint64_t log_age_ms; /* the longest any topic keeps; 0: some keep for ever */
};
struct retention *retention_new(const struct store_options *o);
void retention_free(struct retention *r);
struct limits retention_limits(const struct retention *r, struct slice topic);

struct request_queue {
    struct store_request *head, **end;
};
void queue_init(struct request_queue *q);
void queue_add(struct request_queue *q, struct store_request *r);
void queue_move(struct request_queue *to, struct request_queue *from); /* from is empty after */
struct store_request *queue_pop(struct request_queue *q);              /* head is not NULL */

/* Something that the writer has finished and the loop thread announces, in order. */
struct outcome {
    struct request_queue requests; /* to be called back */
    struct store_batch batch;      /* count 0: nothing to follow */
    struct buf records;
    struct store_item *items;
    size_t item_room;
    const struct topic *removed; /* a DELETE emptied it */
    uint64_t removed_to;
    bool failing_changed;
    const char *failing;
    struct outcome *next;
};

struct link;
struct removal; /* store_remove.c */

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
    uv_mutex_t lock; /* of the five below */
    uv_cond_t wake;
    struct request_queue queue;
    struct outcome *outcomes, **outcomes_end;
    struct outcome *spare; /* to be used again, with its room */
    struct retention *new_retention;
    bool closing;

    /* Loop. */
    uv_async_t async;
    uv_idle_t turn;                 /* active while `submitted` holds something */
    unsigned handles;               /* not yet closed */
    struct request_queue submitted; /* in this turn of the loop */
    uint64_t head;                  /* `upto` of the last followed batch */
    uint64_t queued_bytes;
    const char *failing_seen;
    void (*closed)(void *arg);
    void *closed_arg;

    /* Writer. */
    uv_thread_t thread;
    struct db *db;
    struct writer_statements st;
    struct retention *retention;
    uint64_t last;                /* the highest ID given out */
    uint64_t id_limit;            /* META_ID_LIMIT as stored */
    struct request_queue pending; /* taken from the queue, not yet begun */
    struct request_queue deletes; /* begun, a slice at a time */
    const char *failing;
    uint64_t retry_at, checkpoint_at;
    struct topic *dirty, *flushing; /* rows to write: next time, and in this pass */
    uint64_t flush_at;              /* monotonic ms, as are all times of chores */
    uint64_t flush_upto;
    struct link *links;
    struct buf producer_key; /* where the walk over idle producers stands */
    uint64_t producer_topic;
    struct removal *removal;
    uint64_t retention_at, idle_at; /* when to look again */
    uint32_t retention_next;        /* the pass stands at this topic; 0: none runs */
    struct outcome *current;        /* being filled */
    bool stopped;                   /* the thread's last word */
};

/* --- store_sqlite.c ------------------------------------------------------- */
void store_release(struct store *s); /* all that store_open made; the thread is gone */

/* --- store_schema.c ------------------------------------------------------- */
/* Opens and checks the database, creates its tables; NULL and *why. */
struct db *schema_open(const char *path, bool fsync, const char **why);
bool schema_prepare(struct store *s);
void schema_finalize(struct store *s);
uint64_t meta_get(struct db *db, enum meta_key key);
void meta_set(struct store *s, enum meta_key key, uint64_t value);
const char *schema_reason(enum db_error e);      /* why opening failed, and what to do */
const char *store_error_reason(enum db_error e); /* for `failing` and refusals */

/* --- store_writer.c ------------------------------------------------------- */
void writer_start(struct store *s);
/* Writer: hands over what was finished since; the loop thread announces it. */
void writer_deliver(struct store *s);
struct outcome *writer_outcome(struct store *s); /* the one being filled */
/* Writer: a transaction failed or succeeded; rolls back and reports changes. */
void writer_failed(struct store *s);
void writer_fine(struct store *s);
/* A small transaction around a step of housekeeping. */
void writer_begin(struct store *s);
bool writer_commit(struct store *s); /* false: undone, reported */

/* --- store_txn.c ---------------------------------------------------------- */
/* Takes from `pending` what fits into one transaction, up to the next DELETE, and
 * commits it.  Returns how many events that made. */
uint32_t txn_run(struct store *s);
/* Parameters 3 to 7: what a row of an event and one of a retained copy have in common. */
void event_bind(struct db_stmt *st, const struct event *e);

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
                                     struct store_result *result);
/* Remembers ev->id as that of its seq; `state` is from producer_check. */
void producer_advance(struct store *s, const struct topic *topic, const struct store_event *ev,
                      const struct producer_state *state, uint64_t now);
bool producers_expire(struct store *s, uint64_t before); /* one slice; true: more */

/* --- store_links.c -------------------------------------------------------- */
/* Answers r from an earlier one with the same link and link_seq; false: new. */
bool link_repeat(struct store *s, struct store_request *r);
void link_mark(struct store *s, const struct store_request *r);
void links_write(struct store *s, uint64_t now); /* the marks, within the transaction */
void links_settle(struct store *s, uint64_t now, bool committed);
void links_expire(struct store *s, uint64_t now, uint64_t before); /* one link, if any */
void links_free(struct store *s);

/* --- store_state.c -------------------------------------------------------- */
uint32_t state_change(struct store *s, const struct store_change *c); /* rows it took */
uint32_t state_scan(struct store *s, struct store_request *r);        /* entries found */

/* --- store_retained.c ----------------------------------------------------- */
/* Within a transaction: what e, an event with EVENT_RETAIN, makes of its topic.
 * Returns by how many that changes their number: 1, 0 or -1. */
int retained_set(struct store *s, const struct event *e);
/* One slice of those past their expiry; true: more. */
bool retained_expire(struct store *s, uint64_t now, uint32_t rows);

/* --- store_stats.c -------------------------------------------------------- */
void stats_dirty(struct store *s, struct topic *t);
void stats_write_row(struct store *s, const struct topic *t, const struct topic_stats *stats);
void stats_count(struct store *s, const struct store_batch *b); /* after the commit */
void stats_step(struct store *s, bool all); /* some rows, if it is time; or all */
bool stats_load(struct store *s);           /* at start: rows, then a recount */

/* --- store_remove.c ------------------------------------------------------- */
void removal_free(struct store *s);
void delete_begin(struct store *s, struct store_request *r); /* fixes how far it reaches */
bool delete_step(struct store *s); /* one slice of the oldest DELETE; false: none */

/* --- store_retention.c ---------------------------------------------------- */
/* One slice of what is due; `rows` more or less.  True: more is due now. */
bool retention_step(struct store *s, uint32_t rows);
void retention_apply(struct store *s, struct retention *r); /* takes r */

#endif
