/*
 * base64.h - bytes as digits, padded (RFC 4648, 4), and for URLs, without padding
 * (RFC 4648, 5; RFC 7515, 2).
 *
 * Strict, one text for each value: no white space, no bits that no byte takes, padding as it
 * has to be.  All append; where get is false, *out is as it was.
 */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include "bytes.h"

bool base64_get(struct slice text, struct buf *out) MUST_CHECK;
void base64_put(struct buf *out, struct slice bytes);
bool base64_url_get(struct slice text, struct buf *out) MUST_CHECK;
void base64_url_put(struct buf *out, struct slice bytes);
bool base64_url_is_digit(char c);

#endif
