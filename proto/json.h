/*
 * json.h - strict JSON (RFC 8259) as a scanner over bytes, and a writer.
 *
 * The scanner builds no tree: it validates a value and hands out raw slices,
 * so that a payload's JSON passes byte for byte.  UTF-8 is checked, depth is at most
 * JSON_DEPTH_MAX.  Half a surrogate pair (\ud83d alone) is valid JSON and no text: who
 * unescapes a string asks json_is_text before.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "bytes.h"

/* Deep enough for any payload that means something, and half of what the common
 * readers of JSON take; the scanner recurses. */
#define JSON_DEPTH_MAX 512

enum json_kind {
    JSON_BAD,
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* Validates the one value that s holds (white space around it is fine). */
enum json_kind json_check(struct slice s) MUST_CHECK;
/* The same for a value that will stand inside others: depth_max <= JSON_DEPTH_MAX. */
enum json_kind json_check_depth(struct slice s, unsigned depth_max) MUST_CHECK;

/* Walks the members of an object or the elements of an array that json_check
 * has accepted.  raw is the value with no white space around it. */
struct json_iter {
    const char *p;
    const char *end;
};
struct json_iter json_iter_of(struct slice value);
bool json_member(struct json_iter *it, struct slice *key_raw, struct slice *raw);
bool json_element(struct json_iter *it, struct slice *raw);
enum json_kind json_kind_of(struct slice raw);

/* Does every string in a value that json_check has accepted stand for characters? */
bool json_is_text(struct slice value);
/* Unescapes a JSON string (quotes included in raw), appending to out; half a surrogate
 * pair becomes U+FFFD. */
void json_string_get(struct slice raw, struct buf *out);
bool json_string_is(struct slice raw, const char *text);   /* unescaped equals */
bool json_u64(struct slice raw, uint64_t *out) MUST_CHECK; /* an integer, or a string of digits */

/* Writes a quoted string; s must be valid UTF-8. */
void json_put_string(struct buf *b, struct slice s);
void json_put_base64(struct buf *b, struct slice s);            /* quoted, RFC 4648 4 */
bool json_get_base64(struct slice raw_string, struct buf *out); /* padded, strict */
/* Copies valid JSON, newlines outside strings becoming spaces. */
void json_put_one_line(struct buf *b, struct slice value);

#endif
