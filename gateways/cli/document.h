/*
 * document.h - what our servers say in JSON objects: members, events, refusals, gaps.
 */
#ifndef CLI_DOCUMENT_H
#define CLI_DOCUMENT_H

#include "bytes.h"

/* The member of an object; false when it has none of that name. */
bool document_member(struct slice object, const char *name, struct slice *raw);
/* A member that is a string (its text) or a number (its digits); empty when absent. */
void document_text(struct slice object, const char *name, struct buf *out);
/* Appends the payload of an event in JSON form: a string's text, base64's bytes,
 * any other value's JSON. */
void document_payload(struct slice event, struct buf *out);
/* What a refusal (RFC 9457) says: "bad_topic: …". */
void document_problem(unsigned status, struct slice body, struct buf *out);
/* Tells a gap notice (DESIGN 2.6) on standard error. */
void document_tell_gap(struct slice gap);

#endif
