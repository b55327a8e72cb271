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

/* A number that only this request knows: "credit", "limit". */
struct zword {
    const char *name;
    uint64_t value; /* in: what it is unless said */
    uint64_t min, max;
};

/* Initialises *words, which is freed by the caller in any case. */
bool zwords_read(const struct zpeer *peer, struct slice filters, struct slice options,
                 struct zword *own, struct subscribe *words, struct problem *why);

#endif
