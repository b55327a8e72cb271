/*
 * answer.h - the head of an answer, whatever carries it.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "bytes.h"

struct answer_field {
    const char *name;
    struct slice value;
};

/* An answer's head.  The texts are copied or written before the call returns. */
#define ANSWER_FIELDS 6
struct answer {
    int status;
    const char *content_type; /* NULL: there is no body */
    struct answer_field fields[ANSWER_FIELDS];
    size_t field_count;
    const struct answer_field *more; /* the handler's own, behind them */
    size_t more_count;
};
void answer_field(struct answer *a, const char *name, struct slice value);

#endif
