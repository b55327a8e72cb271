/*
 * source_answer.h - what every source of identity answers.
 */
#ifndef AUTH_SOURCE_ANSWER_H
#define AUTH_SOURCE_ANSWER_H

#include "authority.h"
#include "findings.h"

struct source_answer {
    enum auth_outcome outcome;
    const char *why;       /* as in struct auth_answer */
    struct findings found; /* AUTH_KNOWN: the receiver's */
    uint64_t retry_ms;     /* AUTH_BUSY */
};
/* The answer and what it found are the callee's. */
typedef void (*source_done)(void *arg, struct source_answer *answer);

#endif
