/*
 * sender.h - events to sluice-zmq, in order, a window at a time,
 * each acknowledged.  Runs a loop of its own until it is done.
 */
#ifndef CLI_SENDER_H
#define CLI_SENDER_H

#include "login.h"
#include "publication.h"

struct sender_options {
    const char *endpoint;
    struct login *login;
    uint64_t timeout_ms; /* that an event may wait for its answer */
    size_t line_max;     /* bytes */
    bool print_ids;      /* of what is stored, in order, a line each */
    /* Makes an event of a line; number counts them from 0.  False: *error says why
     * not, and nothing of *w is kept. */
    bool (*make)(void *arg, struct slice line, uint64_t number, struct publication *w,
                 struct buf *error);
    void *arg;
};

/* Sends `message`, or with NULL each line of standard input as it comes.  CLI_OK
 * when all are stored, else CLI_FAILED and told on standard error. */
int sender_run(const struct sender_options *o, const char *message);

#endif
