/*
 * mqtt_packets.h - MQTT packets written down so that they can be read.
 *
 *   00 3c      bytes in hexadecimal, blanks as one likes
 *   'text'     the bytes of a text
 *   <text>     a string: its length in two bytes, then the text
 *   { … }      properties: their length in one byte, then they
 *
 *   <MQTT> 05 02 003c {11 0000000a} <me>       the body of a CONNECT
 *
 * What is assembled ends where memory ends (guard.h), so a decoder that reads on
 * crashes.
 */
#ifndef TESTS_MQTT_PACKETS_H
#define TESTS_MQTT_PACKETS_H

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard.h"
#include "mqtt.h"

static struct guard guard;

static inline void packets_setup(void)
{
    guard = guard_new(4096);
}

static inline void packets_teardown(void)
{
    guard_free(&guard);
}

/* Reads up to the closing quote; what is returned points at it. */
static inline const char *quoted_put(struct buf *b, const char *p, char close)
{
    for (; *p != close; p++)
        buf_u8(b, (uint8_t)*p);
    return p;
}

static inline const char *string_put(struct buf *b, const char *p)
{
    size_t len = strcspn(p, ">");

    buf_u8(b, (uint8_t)(len >> 8));
    buf_u8(b, (uint8_t)len);
    return quoted_put(b, p, '>');
}

static inline const char *byte_put(struct buf *b, const char *p)
{
    char digits[3] = {p[0], p[1], '\0'};

    ck_assert(isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]));
    buf_u8(b, (uint8_t)strtoul(digits, NULL, 16));
    return p + 1;
}

static inline void assemble(struct buf *b, const char *text)
{
    size_t props = 0; /* where their length stands */

    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\'') {
            p = quoted_put(b, p + 1, '\'');
        } else if (*p == '<') {
            p = string_put(b, p + 1);
        } else if (*p == '{') {
            props = b->len;
            buf_u8(b, 0);
        } else if (*p == '}') {
            ck_assert(b->len - props - 1 < 0x80);
            b->p[props] = (uint8_t)(b->len - props - 1);
        } else if (*p != ' ') {
            p = byte_put(b, p);
        }
    }
}

static inline struct slice guarded(const void *p, size_t n)
{
    return (struct slice){(const char *)guard_put(&guard, p, n), n};
}

/* Valid until the next. */
static inline struct slice packet(const char *text)
{
    struct buf b = {0};
    struct slice s;

    assemble(&b, text);
    s = guarded(b.p, b.len);
    buf_free(&b);
    return s;
}

/* The same bytes? */
static inline bool is(struct slice s, const char *text)
{
    return slice_eq(s, slice_of(text));
}

static inline bool same(const struct buf *b, const char *text)
{
    struct buf want = {0};
    bool equal;

    assemble(&want, text);
    equal = want.len == b->len && (b->len == 0 || memcmp(want.p, b->p, b->len) == 0);
    buf_free(&want);
    return equal;
}

/* --- tables ---------------------------------------------------------------------- */

typedef enum mqtt_reason decode_fn(struct slice body);

/* A body and what is said of it. */
struct verdict {
    const char *body;
    enum mqtt_reason reason;
};

static inline void check_verdict(decode_fn *decode, const struct verdict *v)
{
    enum mqtt_reason reason = decode(packet(v->body));

    ck_assert_msg(reason == v->reason, "%s: %s, not %s", v->body, mqtt_reason_text((uint8_t)reason),
                  mqtt_reason_text((uint8_t)v->reason));
}

/* Every prefix of a body, one character for each length: '.' is a packet of its own,
 * 'x' is malformed, 'p' a protocol error. */
struct prefixes {
    const char *body, *verdicts;
};

static inline void check_prefixes(decode_fn *decode, const struct prefixes *t)
{
    struct buf whole = {0};

    assemble(&whole, t->body);
    ck_assert_uint_eq(strlen(t->verdicts), whole.len + 1);
    for (size_t n = 0; n <= whole.len; n++) {
        enum mqtt_reason reason = decode(guarded(whole.p, n));
        char got = '?';

        if (reason == MQTT_OK)
            got = '.';
        else if (reason == MQTT_MALFORMED)
            got = 'x';
        else if (reason == MQTT_PROTOCOL_ERROR)
            got = 'p';
        ck_assert_msg(got == t->verdicts[n], "%s: %c at %zu, not %c", t->body, got, n,
                      t->verdicts[n]);
    }
    buf_free(&whole);
}

#endif
