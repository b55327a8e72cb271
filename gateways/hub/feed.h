/*
 * feed.h - the hub's inside: filters that the broker knows, and feeds.
 *
 *   filter   one topic filter, registered with the broker while a feed needs
 *            it; live above its live_from
 *   feed     a set of filters and all subscriptions to just that set; it stays
 *            a while without any, for those who poll:
 *            heads    stand at the head; new events are handed to all alike
 *            others   store, ring, ahead or starting
 *
 * Only the hub's own files include this.
 */
#ifndef HUB_FEED_H
#define HUB_FEED_H

#include <uthash.h>

#include "filter_tree.h"
#include "hub.h"
#include "pages.h"
#include "ring.h"

#define IDLE_SHARE 10          /* of all filters, those that linger are a tenth at most … */
#define IDLE_FILTERS_MAX 10000 /* … or so many, where there is no limit */

struct hub_filter {
    UT_hash_handle hh; /* by ref */
    uint32_t ref;
    bool live;
    uint64_t live_from; /* its events above this are in the ring, unless evicted */
    struct feed **feeds;
    uint32_t feed_count, feed_cap;
    size_t len;
    char name[];
};

struct feed {
    UT_hash_handle hh; /* by key: its filters, sorted, each NUL-terminated */
    struct hub *hub;
    struct hub_filter **filters;
    size_t filter_count;
    bool live;          /* all its filters are */
    uint64_t live_from; /* the highest of theirs */
    bool exact;         /* one filter without a wildcard */
    struct subscription *heads, *others;
    size_t members;
    struct feed *idle_prev, *idle_next; /* while it has none */
    uint64_t idle_since;                /* ms */
    struct entry **turn;                /* this turn's events */
    size_t turn_count, turn_cap;
    struct feed *dirty_next;
    bool dirty;
    uint64_t mark;      /* of the last topic that counted it */
    struct page *pages; /* read or being read for it, in no order */
    size_t key_len;
    char key[];
};

struct hub {
    struct hub_link link;
    struct hub_limits limits;
    struct blocks blocks;
    struct ring ring;
    struct page_cache pages;
    struct filter_tree *tree;   /* name -> hub_filter */
    struct hub_filter *filters; /* by ref */
    struct feed *feeds;         /* by key */
    struct feed *idle;          /* without members, longest first; at most … */
    size_t idle_filters;        /* … IDLE_FILTERS_MAX of theirs at a turn's end */
    uint32_t next_ref;
    uint64_t generation; /* of filters and feeds: topics' feed lists hang on it */
    uint64_t mark;
    bool up;
    struct wire_uuid log;
    uint64_t upto;    /* received */
    uint64_t seen;    /* upto, or further: pages run ahead of the live stream */
    uint64_t flushed; /* handed to all heads: their cursor */
    struct feed *dirty;
    struct subscription *queue; /* to be pumped */
    struct subscription *ahead;
    uint32_t turn;                  /* counts turns */
    struct subscription *next_head; /* of the walk in progress; see subscription_close */
    size_t subscriptions;
    uint64_t delivered; /* this turn; the metric gets it at the end */
    uint64_t handed;    /* this turn; about so many bytes to those who pull */
    bool idle_wake;     /* some wait for the next tick */
    struct bundle *due; /* have events of this turn */
    struct run run;
    struct bundle_run bundle_run;
};

struct feed *feed_get(struct hub *h, const struct slice *filters, size_t count) MUST_CHECK;
void feed_put(struct feed *f);     /* without members it lingers, see feeds_linger */
void feed_free(struct feed *f);    /* has no members */
void feed_refresh(struct feed *f); /* live and live_from, anew from its filters */
/* The ring holds everything of the feed above `cursor` (up to hub->upto). */
bool feed_covers(const struct feed *f, uint64_t cursor);
bool feed_matches(const struct feed *f, struct slice topic);
/* Its next entry in the ring after the cursor; *seq is a hint, kept up to date. */
struct entry *feed_ring_after(const struct feed *f, uint64_t cursor, uint64_t *seq);
/* Those of its heads that the ring no longer covers pull for themselves again. */
void feed_fall_back(struct feed *f);
/* Adds the entry to the turn of every feed that matches its topic. */
void feed_dispatch(struct hub *h, struct entry *e);
/* Hands the turn's events to the heads, and tells the bundles among them. */
void feed_flush(struct feed *f);
void feed_settle(struct feed *f);                            /* the turn's events are handed over */
void feeds_filters_down(struct hub *h);                      /* none is live */
void feeds_filters_register(struct hub *h);                  /* tells the link of all */
void feeds_filters_raise(struct hub *h, uint64_t live_from); /* a hole: all live ones */
void feeds_linger(struct hub *h, uint64_t now_ms);           /* frees those idle for linger_ms */
void feeds_trim(struct hub *h);                              /* frees the idle beyond the limit */
void feeds_free(struct hub *h);                              /* all of them are idle */

/* bundle.c */
void bundle_note(struct subscription *s); /* its feed has events in this turn */
void bundles_flush(struct hub *h);        /* hands them over */

/* subscription_place.c */
void subscription_queue(struct subscription *s); /* pump it at the turn's end */
void subscription_wait(struct subscription *s, struct subscription **list);
void subscription_unwait(struct subscription *s);
void subscription_join_head(struct subscription *s);
void subscription_leave_head(struct subscription *s, uint64_t cursor, uint8_t state);
/* ops->events, counted; the run's first n entries are taken. */
size_t subscription_hand(struct subscription *s, struct run *r);

/* subscription.c */
void subscription_pump(struct subscription *s);
void subscription_forget(struct subscription *s);

#endif
