/*
 * problem.h - an error as a client sees it: RFC 9457 problem JSON.
 *
 *   {"type":"about:blank","title":"Bad Request","status":400,"code":"bad_topic",
 *    "detail":"topic: '+' or '#' in a name","field":"topic"}
 */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include "errors.h"
#include "event.h"

struct problem {
    enum sluice_error error;
    char detail[240];        /* a sentence for a person; empty: the error's own text */
    char field[48];          /* empty: no single one is at fault */
    uint64_t line;           /* of a batch, from 1; 0: none */
    bool has_seq, has_epoch; /* which of these are said */
    uint64_t expected_seq, received_seq, epoch;
    const char *verb;      /* a 403 of what may not be done: "publish"; static */
    char filter[256];      /* to which topic, or filter; cut if it is longer */
    const struct gap *gap; /* ERR_GONE: what is gone; NULL: none */
    /* Said in the answer's head, not in the document. */
    uint64_t retry_ms;     /* Retry-After, rounded up; 0: none but what a 503 has */
    const char *challenge; /* 401: WWW-Authenticate; static */
    bool challenge_basic;  /* and that a name and a password would do */
    const char *why;       /* more than `detail`, for the audit log alone; static; NULL: none */
};

/* Returns false, so that a parser can `return problem_set(…)`. */
bool problem_set(struct problem *p, enum sluice_error error, const char *field, const char *detail);
bool problem_setf(struct problem *p, enum sluice_error error, const char *field, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* A 403.  verb: auth_verb_names'. */
bool problem_forbid(struct problem *p, const char *field, const char *verb, struct slice filter);
void problem_put(struct buf *b, const struct problem *p);
const char *http_status_text(int status); /* "Not Found" */

#endif
