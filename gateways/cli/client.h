/*
 * client.h - asking a server of ours, and telling what it refused.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli.h"

#define CLIENT_TIMEOUT_MS 10000u
#define CLIENT_ANSWER_MAX (64u * 1024 * 1024)

/* The first address that clients of a section ("sse") are served on. */
void client_address(const struct config *c, const char *section, struct buf *out);
/* What is shown there: see http_get; NULL when TLS is off. */
const char *client_certificates(const struct config *c, const char *section);
/* Appends ?name=value or &name=value, encoded; value NULL: nothing. */
void client_query(struct buf *target, const char *name, const char *value);
/* GETs a JSON object.  CLI_OK, or CLI_FAILED and told on standard error. */
int client_get(const struct config *c, const char *target, struct buf *answer);
/* What a refusal (RFC 9457) says: "bad_topic: …". */
void client_problem(unsigned status, struct slice body, struct buf *out);

/* The member of a JSON object; false when it has none of that name. */
bool client_member(struct slice object, const char *name, struct slice *raw);
/* A member that is a string (its text) or a number (its digits); empty when absent. */
void client_member_text(struct slice object, const char *name, struct buf *out);
/* Tells a gap notice (DESIGN 2.6) on standard error. */
void client_tell_gap(struct slice gap);
/* Appends the payload of an event in JSON form: a string's text, base64's bytes,
 * any other value's JSON. */
void client_payload(struct slice event, struct buf *out);

#endif
