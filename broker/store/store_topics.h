/*
 * store_topics.h - every topic the log knows, in memory, shared with readers.
 *
 * The writer thread alone changes the table; it holds the lock for writing
 * while it does, and needs none to look.  Other threads hold it for reading,
 * except where a function says otherwise.  A topic in the table stays at its
 * address, under its number and name.
 *
 * A topic enters the table before the transaction that creates it commits, so
 * whoever reads an event finds its topic here.
 *
 * One that is forgotten leaves in two steps, so that nobody takes one topic for
 * another.  Its name goes at once; its number stays its own until whoever may hold
 * it has let go (store_forget.c), and is then given to the next new topic.
 */
#ifndef STORE_TOPICS_H
#define STORE_TOPICS_H

#include <stdatomic.h>
#include <uthash.h>
#include <uv.h>

#include "event.h"

#define TOPICS_CHUNK 4096u
#define TOPICS_CHUNKS 4096u
#define TOPICS_END (TOPICS_CHUNK * TOPICS_CHUNKS) /* no number reaches it */
#define TOPICS_LOG 65536u                         /* changes that are remembered one by one */
#define TOPICS_KINDS 256u                         /* first levels, by their hash */

/* What retention keeps of one topic; 0: without limit. */
struct topic_limits {
    uint64_t max_age_ms, max_events, max_bytes;
    bool volatile_; /* history = none: nothing is stored */
};

struct topic_stats {
    uint64_t head;          /* highest ID ever published to it */
    uint64_t oldest;        /* lowest ID kept; 0: none */
    uint64_t events, bytes; /* kept */
};

struct topic {
    struct slice name;
    uint32_t number; /* also its row's ID; from 1 */
    struct topic_stats stats;
    uint64_t removed_to; /* highest ID removed */
    enum gap_reason removed_reason;
    uint64_t last_volatile; /* highest ID published without being stored */
    bool was_volatile;      /* its row says so */
    uint64_t born;          /* an ID that no other topic was made at: names it in producers' rows */
    size_t in_volatile;     /* its place in topics.volatile_, from 1; 0: none */

    /* The writer's own. */
    struct topic_limits limits;
    bool has_row;
    bool forgotten;      /* it has no name any more, and waits in topics.limbo */
    bool dirty;          /* on the list of rows to write */
    uint64_t used;       /* ms, the last publish */
    uint64_t counted_to; /* the row's stats cover IDs up to here */
    uint32_t mark;       /* scratch of one removal slice */
    struct topic *next_dirty;
    struct topic *idle_prev, *idle_next; /* in topics.idle while nothing of it is kept */
    bool idle;
    uint64_t let_go; /* in limbo: of its outcome, see store_forget.c */
    struct topic *next_limbo;
    UT_hash_handle hh;
};

/* The latest changes of one kind, as numbers: change i is at i % TOPICS_LOG.  Under the
 * lock. */
struct topics_log {
    uint64_t count; /* so many, ever */
    uint32_t numbers[TOPICS_LOG];
};

struct topics {
    uv_rwlock_t lock;
    struct topic *by_name;
    _Atomic(_Atomic(struct topic *) *) chunks[TOPICS_CHUNKS];
    _Atomic uint32_t end; /* all numbers in use are below */
    uint32_t next_free;   /* no number below is free, but for those in `spare` */
    uint32_t *spare;      /* let go, to be given again */
    size_t spare_count, spare_room;
    _Atomic uint64_t rows; /* topics in the database */
    uint64_t weight;       /* of all in by_name */
    struct topic *idle;    /* those of which nothing is kept, unused longest first */
    struct topic *limbo, *limbo_last;
    size_t limbo_count;
    /* The highest removed ID of topics since forgotten, by their first level; and of all. */
    uint64_t forgotten_of[TOPICS_KINDS], forgotten_to;
    struct topics_log removed; /* their removed_to rose */
    struct topics_log reused;  /* they are other topics' now */
    struct topic **volatile_;  /* all that have a last_volatile */
    size_t volatile_count, volatile_room;
    uint64_t last_volatile; /* the highest */
};

void topics_init(struct topics *t);
void topics_destroy(struct topics *t);

/* Any thread, no lock: the topic of that number, or NULL. */
struct topic *topics_at(const struct topics *t, uint32_t number);
/* Under the lock (the writer: without). */
struct topic *topics_find(const struct topics *t, struct slice name);
/* How many are in the table, those without a row included.  Writer. */
uint32_t topics_count(const struct topics *t);
/* As how many a topic of that name counts against `max_topics`: long names are dearer. */
uint32_t topics_weight(struct slice name);
/* Under the lock: the highest removed ID of forgotten topics that the filter may have
 * matched. */
uint64_t topics_forgotten_to(const struct topics *t, struct slice filter);
/* The same when it is of one name, and that topic is there: what was forgotten was so
 * before it was made. */
uint64_t topics_forgotten_before(const struct topics *t, const struct topic *topic);
/* Writer.  Adds a name that is not there under the lowest free number, or under
 * `number` if that is not 0; NULL when all numbers are taken. */
struct topic *topics_add(struct topics *t, struct slice name, uint32_t number) MUST_CHECK;
/* With the lock held, as the next four. */
void topics_forget(struct topics *t, struct topic *topic);
void topics_raise_forgotten(struct topics *t, const struct topic *topic, uint64_t upto);
void topics_raise_removed(struct topics *t, struct topic *topic, uint64_t upto,
                          enum gap_reason reason);
/* An ID went out that will not be stored. */
void topics_raise_volatile(struct topics *t, struct topic *topic, uint64_t id);
/* The first in limbo is nobody's any more: frees it, and its number. */
void topics_release(struct topics *t);
/* Writer.  Nothing of it is kept and it was used just now; or something is kept. */
void topics_idle(struct topics *t, struct topic *topic, bool idle);

#endif
