/*
 * base64url.h - base64 for URLs, without padding (RFC 7515, 2; RFC 4648, 5).
 */
#ifndef AUTH_BASE64URL_H
#define AUTH_BASE64URL_H

#include "bytes.h"

/* Appends.  Strict, one text for each value: no padding, no white space, no bits that no byte
 * takes.  False: *out is as it was. */
bool base64url_get(struct slice text, struct buf *out) MUST_CHECK;
void base64url_put(struct buf *out, struct slice bytes);
bool base64url_is_digit(char c);

#endif
