/*
 * store.h - the broker's log: append, follow, read.
 *
 * One contract, several engines: store_sqlite.c is the default.  Appends,
 * deletes and their callbacks, and follow, run on the loop thread; readers are
 * synchronous, one per pool thread.  The store makes the IDs, in the order in
 * which everybody sees the events.
 *
 *   append ──▶ queue ──▶ [writer thread: one transaction] ──▶ loop thread:
 *                                         follow(batch), then each request's cb
 *
 * So an event is durable before it is visible, and visible before it is
 * acknowledged.  A transaction that fails (full disk) calls every request of
 * the batch back with an error, follows nothing and leaves no trace.
 */
#ifndef STORE_H
#define STORE_H

#include <uv.h>

#include "config.h"
#include "event.h"
#include "wall.h"
#include "wire_session.h"

struct store;

/* --- append ------------------------------------------------------------- */

struct store_event {
    struct event e; /* in: a view of `record`; id and time are ignored; props are checked */
    /* In: its whole record, as it was received.  The store writes the event's ID, time and
     * flags into it, and those who follow get these very bytes. */
    uint8_t *record;
    struct producer producer; /* in: of e.props; id.len == 0: none */
    struct slice publisher;   /* in: whose producer it is; empty: nobody's in particular */
    uint64_t id;              /* out: its ID; with repeat the first one's, 0 if forgotten */
    bool repeat;              /* out: stored before, by the same producer and seq */
};

struct store_result {
    enum sluice_error error;                    /* ERR_NONE: all events are stored */
    uint32_t index;                             /* of the refused event */
    uint64_t expected_seq, received_seq, epoch; /* ERR_PRODUCER_GAP, ERR_FENCED */
    const char *text;                           /* static, for a person */
};

/* Beside the log the store keeps a small ordered map, whose changes commit with
 * events: what sessions are made of.  (space, owner, key) → value; the spaces are
 * the caller's to divide. */
struct store_change {
    uint8_t space;
    enum { STORE_PUT, STORE_DROP, STORE_DROP_OWNER } act; /* the last: all of an owner's keys */
    struct slice owner, key, value;
    bool wants_room; /* STORE_PUT of an entry that is not there: refused when the map is full */
};

struct store_request;
typedef void (*store_request_cb)(struct store_request *r);

/* One unit: all its events or none.  The caller owns it and all it points at, and
 * leaves it alone until cb has run; cb may free it.  Topics are already checked. */
struct store_request {
    enum {
        STORE_APPEND,
        STORE_DELETE,
        STORE_SCAN, /* reads the map, in its place among the changes */
    } kind;
    /* A gateway's publishes are idempotent by (link, link_seq): a repeat is
     * answered with the first IDs, also after a restart.  NULL: none. */
    const struct wire_uuid *link;
    uint64_t link_seq;
    struct store_event *events; /* STORE_APPEND */
    uint32_t count;             /* may be 0, when there are changes */
    /* STORE_APPEND: made in order, in the transaction of the events, and only if they
     * are stored; also when they are a repeat (they are idempotent). */
    const struct store_change *changes;
    uint32_t change_count;
    struct slice topic;  /* STORE_DELETE: empty this topic's history */
    uint64_t removed_to; /* out, STORE_DELETE */
    /* STORE_SCAN: entries of a space in the order of (owner, key).  By owner: all
     * keys of `owner`.  Else those above (owner, key), at most `limit` entries; both
     * empty is below them all but one that has neither, which nobody should make. */
    uint8_t space;
    bool by_owner;
    uint32_t limit; /* 0: none */
    struct slice owner, key;
    struct buf found;           /* out, the caller frees: store_entry_get */
    bool more;                  /* out: there are others above the last one */
    struct store_result result; /* out */
    store_request_cb cb;
    void *data; /* the caller's */
    /* private */
    uint64_t bytes; /* what it counts in queued_bytes */
    bool guarded;   /* a producer may refuse an event that is not the first */
    struct store_request *prev, *next;
};

/* Reads `found`, entry by entry; false at the end. */
struct store_entry {
    struct slice owner, key, value;
};
bool store_entry_get(struct reader *r, struct store_entry *out) MUST_CHECK;

/* --- follow -------------------------------------------------------------- */

/* What one transaction made visible: every event once, in ID order, also the
 * volatile ones.  Borrowed: valid until the follower's callback returns. */
struct store_batch {
    uint64_t after; /* the `upto` of the batch before */
    uint64_t upto;
    uint32_t count;
    const struct store_item {
        const uint8_t *record; /* of the request that it came in */
        uint32_t size;
        uint32_t topic; /* dense number of the topic, its own until it is forgotten */
    } * items;
};

struct store_follower {
    /* Loop thread, after the commit, before the requests' callbacks. */
    void (*batch)(void *arg, const struct store_batch *b);
    /* A DELETE emptied the topic up to and with this ID; before its callback. */
    void (*removed)(void *arg, struct slice topic, uint64_t upto);
    /* The topic of that number is no more; a later batch may give it to another. */
    void (*forgotten)(void *arg, uint32_t topic);
    /* The store refuses appends (reason), or takes them again (NULL). */
    void (*failing)(void *arg, const char *reason);
    void *arg;
};

/* --- the store ------------------------------------------------------------ */

/* What a topic and a producer count against max_bytes. */
#define STORE_TOPIC_BYTES 256u
#define STORE_PRODUCER_BYTES 128u

struct store_options {
    const char *path;    /* folder of the database */
    bool fsync;          /* else commits survive a killed process only */
    uint64_t max_age_ms; /* of the whole log; 0: no limit */
    /* Of all that is kept; 0: no limit.  Events make room for what is none, up to a half. */
    uint64_t max_bytes;
    uint64_t topic_idle_ms, producer_idle_ms;
    uint64_t max_retained_bytes; /* then further retained messages are refused; 0: any */
    uint64_t max_state_bytes;    /* of the map; then what wants room is refused; 0: no limit */
    uint64_t max_producers;      /* then others are refused; 0: no limit */
    struct wall_rules clock;     /* step_ms 0: the clock is believed whatever it does */
    uint32_t max_topics;         /* more are refused (ERR_TOO_MANY); 0: no limit */
    const struct retention_rule *rules; /* copied */
    size_t rule_count;
};

struct store_status {
    uint64_t head, bytes, events, topics, retained, wal_frames, queued_bytes;
    uint64_t retained_bytes, state_bytes, producers;
    uint64_t max_topics; /* 0: no limit */
    bool topics_full;    /* a new one would be refused */
    const char *failing; /* NULL: appends are taken */
};

/* Opens or creates, recovers, and waits until the clock has passed every ID
 * ever given out (1 s at most).  On failure returns NULL and *why says what to
 * do, for a person (static or owned by the store module).  Blocks. */
struct store *store_open(uv_loop_t *loop, const struct store_options *o,
                         const struct store_follower *f, const char **why) MUST_CHECK;
struct wire_uuid store_identity(const struct store *s);
uint64_t store_head(const struct store *s); /* upto of the last followed batch; loop thread */
/* `seen` was given out by this very log and nothing under it was lost since. */
bool store_knows(const struct store *s, uint64_t seen);
/* Never fails at once: cb runs exactly once, later.  The caller bounds what it
 * has in flight (store_status.queued_bytes). */
void store_submit(struct store *s, struct store_request *r);
void store_set_retention(struct store *s, const struct store_options *o);
void store_status(struct store *s, struct store_status *out); /* loop thread */
/* Name of a topic by its number, of the batch at hand. Loop thread. */
struct slice store_topic_name(const struct store *s, uint32_t topic);
/* Finishes what was submitted, stores the exact last ID, then closed().  Readers
 * are closed before; nothing is submitted after. */
void store_close(struct store *s, void (*closed)(void *arg), void *arg);

/* --- read: any thread, one reader per thread ------------------------------ */

struct store_reader;
struct store_reader *store_reader_open(struct store *s) MUST_CHECK; /* NULL: logged */
void store_reader_close(struct store_reader *r);

/* One request of proto/wire.h under way.  Filters are already checked; what the request
 * names must stay until it is freed. */
struct store_read;
struct store_read *store_read_page(const struct wire_page_req *q) MUST_CHECK;
struct store_read *store_read_start(const struct wire_start_req *q) MUST_CHECK;
struct store_read *store_read_event(uint64_t ref, uint64_t id) MUST_CHECK;
struct store_read *store_read_topics(const struct wire_topics_req *q) MUST_CHECK;
/* Retained messages: of each topic the last event with EVENT_RETAIN, copied in its
 * own transaction; an empty payload takes the copy away.  Those past their expiry
 * are left out. */
struct store_read *store_read_retained(const struct wire_retained_req *q) MUST_CHECK;
/* One step, of a few milliseconds, in a short read transaction; each may be another
 * reader's.  reply: empty before the first, else as the last step left it.  True: it is
 * the whole reply frame, perhaps an error. */
bool store_read_step(struct store_read *w, struct store_reader *r, struct buf *reply) MUST_CHECK;
void store_read_free(struct store_read *w); /* NULL does nothing */

#endif
