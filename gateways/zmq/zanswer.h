/*
 * zanswer.h - what a DEALER or REQ is answered: verb, ref, and what belongs to it.
 *
 *   [""] "ok"    ref …          "pong"  ref
 *   [""] "error" ref code text  "gap"   ref JSON
 *
 * The empty first part is there when the request had one.
 */
#ifndef ZMQ_ZANSWER_H
#define ZMQ_ZANSWER_H

#include "errors.h"
#include "event.h"
#include "problem.h"
#include "zpeer.h"

/* Whom: which of the peer's requests. */
struct zanswer {
    struct slice ref;
    bool delimited;
};

void zanswer_ok(struct zpeer *p, const struct zanswer *to, struct slice said);
void zanswer_ok_id(struct zpeer *p, const struct zanswer *to, uint64_t id); /* 0: "" */
void zanswer_pong(struct zpeer *p, const struct zanswer *to);
void zanswer_error(struct zpeer *p, const struct zanswer *to, enum sluice_error error,
                   const char *text);
/* The same, with the field named in its text. */
void zanswer_problem(struct zpeer *p, const struct zanswer *to, const struct problem *why);
void zanswer_gap(struct zpeer *p, const struct zanswer *to, const struct gap *gap);

#endif
