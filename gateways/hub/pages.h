/*
 * pages.h - history pages, asked for once and shared by all who replay the same.
 *
 * A page covers (after, upto] of a feed.  While the broker reads it, everybody
 * who needs it waits behind it; then it stays in the cache, so that clients who
 * replay together cost one read and one encoding.  A page for per-filter starts
 * (last=N) belongs to its one subscription and is not found by others.
 *
 * The cache is bounded in bytes; the page unused longest goes first.
 */
#ifndef HUB_PAGES_H
#define HUB_PAGES_H

#include "block.h"
#include "link_read.h"

struct feed;
struct subscription;

struct page {
    struct feed *feed;
    struct page *prev, *next;         /* of the feed */
    struct page *lru_prev, *lru_next; /* of the cache; used last comes last */
    uint64_t after, upto, head, removed_to;
    enum gap_reason reason;
    const struct subscription *owner; /* NULL: shared */
    struct block *block;              /* NULL while it is being read */
    bool fresh;                       /* just came: whoever waited may take it as it is */
    bool stale;                       /* a topic was emptied meanwhile: only while fresh */
    struct subscription *waiters;
    struct link_read read;
};

struct page_cache {
    size_t limit, bytes;
    struct page *lru;
    bool any_fresh;
};

/* The page to read on from `cursor` for s; one that was asked for at just this
 * cursor if nobody has checked that yet.  If it is not here, s waits behind it (in
 * its own wait list) and the answer is NULL. */
struct page *pages_get(struct subscription *s, uint64_t cursor) MUST_CHECK;
/* The first entry above `cursor`, or the end of the page's entries. */
struct entry *page_entry_after(const struct page *p, uint64_t cursor);
/* Reads the page behind this one before it is asked for. */
void pages_ahead(struct page *p);
/* At the end of each turn.  pumped: everybody who waited has had his turn; else
 * what came is kept for those who have not. */
void pages_trim(struct page_cache *c, bool pumped);
void pages_drop_feed(struct feed *f); /* cancels what is being read */
void pages_drop_owned(struct subscription *s);
/* A topic was emptied or the log is another one: forget what was read. */
void pages_invalidate(struct feed *f);

#endif
