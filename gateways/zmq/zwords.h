/*
 * zwords.h - what a request says about events: a filter or filters, and options as JSON.
 *
 *   filters   a filter, or a JSON array of them
 *   options   {"after": ID, "since": …, "last": N, "on_gap": "fail", …}, {} or nothing
 *
 * The words and what they mean are those of every gateway (subscribe.h).
 */
#ifndef ZMQ_ZWORDS_H
#define ZMQ_ZWORDS_H

#include "subscribe.h"
#include "zpeer.h"

/* What only this request knows: a number ("credit", "limit"), or what `take` reads. */
struct zword {
    const char *name;
    uint64_t value; /* in: what it is unless said */
    uint64_t min, max;
    bool (*take)(void *arg, struct slice value, struct problem *why); /* NULL: a number */
    void *arg;
};

/* May it?  False: *why names verb and filter, and it is said in the audit log. */
bool zwords_permitted(const struct zpeer *peer, enum auth_verb verb, struct slice filter,
                      struct problem *why);
/* Initialises *words, which is freed by the caller in any case. */
bool zwords_read(const struct zpeer *peer, struct slice filters, struct slice options,
                 struct zword *own, size_t own_count, struct subscribe *words, struct problem *why);

#endif
