/*
 * store_topics.h - every topic the log knows, in memory, shared with readers.
 *
 * The writer thread alone changes the table; it holds the lock for writing
 * while it does, and needs none to look.  Other threads hold it for reading,
 * except where a function says otherwise.  A topic, once in the table, stays at
 * its address until the table is closed, and its number and name never change.
 *
 * A topic enters the table before the transaction that creates it commits, so
 * whoever reads an event finds its topic here.
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
    bool forgotten;         /* its row is gone; the name lives on for its number's sake */

    /* The writer's own. */
    struct topic_limits limits;
    bool has_row;
    uint64_t born;       /* an ID that no other topic was made at: names it in producers' rows */
    bool dirty;          /* on the list of rows to write */
    uint64_t used;       /* ms, the last publish */
    uint64_t counted_to; /* the row's stats cover IDs up to here */
    uint32_t mark;       /* scratch of one removal slice */
    struct topic *next_dirty;
    UT_hash_handle hh;
};

struct topics {
    uv_rwlock_t lock;
    struct topic *by_name;
    _Atomic(_Atomic(struct topic *) *) chunks[TOPICS_CHUNKS];
    _Atomic uint32_t end;  /* all numbers in use are below */
    uint32_t next_free;    /* no number below is free */
    _Atomic uint64_t rows; /* topics in the database */
    /* The highest removed ID of topics since forgotten: counts for every filter. */
    uint64_t forgotten_to;
    uint64_t removals;        /* rises with any removed_to */
    struct topic **volatile_; /* all that ever had a last_volatile */
    size_t volatile_count, volatile_room;
};

void topics_init(struct topics *t);
void topics_destroy(struct topics *t);

/* Any thread, no lock: the topic of that number, or NULL. */
struct topic *topics_at(const struct topics *t, uint32_t number);
/* Under the lock (the writer: without).  Forgotten ones are found too. */
struct topic *topics_find(const struct topics *t, struct slice name);
/* How many can be added at least. */
uint32_t topics_room(const struct topics *t);
/* Writer.  Adds a name that is not there under the lowest free number, or under
 * `number` if that is not 0; NULL when all numbers are taken. */
struct topic *topics_add(struct topics *t, struct slice name, uint32_t number) MUST_CHECK;
void topics_forget(struct topics *t, struct topic *topic); /* with the lock held */
/* With the lock held: an ID went out that will not be stored. */
void topics_raise_volatile(struct topics *t, struct topic *topic, uint64_t id);
void topics_revive(struct topics *t, struct topic *topic);

#endif
