/*
 * http_chars.h - which bytes may stand where in HTTP/1.1 and in URLs; for the
 * codecs of this folder.
 */
#ifndef PROTO_HTTP_CHARS_H
#define PROTO_HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum http_char {
    CHAR_TOKEN = 1,       /* RFC 9110, 5.6.2: methods, field names */
    CHAR_TARGET = 2,      /* a request target */
    CHAR_FIELD = 4,       /* a field value: no control character but HTAB */
    CHAR_HOST = 8,        /* RFC 3986, 3.2.2 and a port, without userinfo and commas */
    CHAR_UNRESERVED = 16, /* RFC 3986, 2.3 */
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, enum http_char set)
{
    return (http_chars[(unsigned char)c] & set) != 0;
}

#endif
