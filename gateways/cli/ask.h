/*
 * ask.h - where a server of ours is, and asking it for a JSON object.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli.h"
#include "fetch.h"

#define ASK_TIMEOUT_MS 10000u
#define ASK_ANSWER_MAX (64u * 1024 * 1024)

/* The first address that clients of a section ("sse") are served on, NUL-terminated. */
void ask_address(const struct config *c, const char *section, struct buf *out);
/* What is shown there: see fetch.h; NULL when TLS is off. */
const char *ask_certificates(const struct config *c, const char *section);
/* Appends ?name=value or &name=value, encoded; value NULL: nothing. */
void ask_query(struct buf *target, const char *name, const char *value);
/* What every request to the gateway has: where it is, and who asks. */
struct fetch_request ask_request(const struct invocation *in, const char *target);
/* GETs a JSON object.  CLI_OK, or another code and told on standard error. */
int ask_get(const struct invocation *in, const char *target, struct buf *answer);
int ask_delete(const struct invocation *in, const char *target, struct buf *answer);
/* What an answer other than 2xx says, and what a person can do about it; the exit code. */
int ask_refused(const struct fetch *f, struct slice body, struct buf *text);

#endif
