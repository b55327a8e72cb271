/*
 * http_chars.c - the table behind http_chars.h.
 *
 * A target admits, beyond RFC 3986, what browsers send as it is in a query
 * (WHATWG URL): [ ] \ ^ ` { | }.  They mean nothing to us, so nobody can read
 * them in two ways.  It does not admit what no client sends: quotes, angle
 * brackets, a fragment, bytes above ASCII.
 */
#include "http_chars.h"

#define T CHAR_TOKEN
#define U CHAR_TARGET
#define F CHAR_FIELD
#define H CHAR_HOST
#define R CHAR_UNRESERVED

/* clang-format off */
const uint8_t http_chars[256] = {
    ['\t'] = F,
    [' '] = F,
    ['!'] = T | U | F | H,
    ['"'] = F,
    ['#'] = T | F,
    ['$' ... '\''] = T | U | F | H, /* $ % & ' */
    ['(' ... ')'] = U | F | H,
    ['*' ... '+'] = T | U | F | H,
    [','] = U | F,
    ['-' ... '.'] = T | U | F | H | R,
    ['/'] = U | F,
    ['0' ... '9'] = T | U | F | H | R,
    [':' ... ';'] = U | F | H,
    ['<'] = F,
    ['='] = U | F | H,
    ['>'] = F,
    ['?' ... '@'] = U | F,
    ['A' ... 'Z'] = T | U | F | H | R,
    ['['] = U | F | H,
    ['\\'] = U | F,
    [']'] = U | F | H,
    ['^'] = T | U | F,
    ['_'] = T | U | F | H | R,
    ['`'] = T | U | F,
    ['a' ... 'z'] = T | U | F | H | R,
    ['{'] = U | F,
    ['|'] = T | U | F,
    ['}'] = U | F,
    ['~'] = T | U | F | H | R,
    [0x80 ... 0xff] = F, /* obs-text */
};
/* clang-format on */
