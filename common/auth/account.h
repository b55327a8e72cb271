/*
 * account.h - what is counted by a principal's name in this process, whatever credentials
 * and however many connections it comes with.
 *
 * Strangers have none: they are counted by their address (gateways/net).  Every limit is a
 * key of [limits]; 0 is no limit.  Loop thread.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include <uthash.h>

#include "bytes.h"

struct account_limits {
    uint64_t connections;   /* principal_connections */
    uint64_t subscriptions; /* principal_subscriptions */
    uint64_t events;        /* principal_publish_rate: events a second, as many at once */
    uint64_t bytes;         /* principal_publish_bytes: the same of payload bytes */
};

/* Filled to the top at first; takes what is wanted while anything is in it, and may go
 * below its bottom: what is larger than it is once let through, and paid for after. */
struct account_bucket {
    double level;
    uint64_t at_ms; /* monotonic; of `level` */
};

struct account {
    char *name; /* the principal's, with its kind */
    const struct account_limits *limits;
    uint32_t references; /* principals */
    uint64_t connections, subscriptions;
    struct account_bucket events, bytes;
    UT_hash_handle hh;
};

/* Each of these takes NULL for a stranger, who may. */

/* False: the limit is reached; nothing is counted. */
bool account_connect(struct account *a);
void account_disconnect(struct account *a);
bool account_subscribe(struct account *a, uint64_t count);
void account_unsubscribe(struct account *a, uint64_t count);
/* 0: counted, go on.  Else nothing is counted, and so many ms from now it may go. */
uint64_t account_publish(struct account *a, uint64_t events, uint64_t bytes);

#endif
