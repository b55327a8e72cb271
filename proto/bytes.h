/*
 * bytes.h - borrowed bytes, a bounded cursor to read them, a buffer to grow.
 *
 * slice   a pointer and a length; owns nothing; p may be NULL when len is 0.
 * reader  reads little-endian numbers and runs of bytes.  The first read past
 *         the end sets `bad`; from then on every read returns 0 or an empty
 *         slice, so a decoder chains its reads and checks once.
 * buf     bytes that grow at the end.  Zero-initialised is empty and valid.
 *
 *         p            p+len           p+cap
 *         |  written   |     room      |
 */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *p;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
struct slice slice_of(const char *s); /* strlen; NULL gives the empty slice */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_nocase(struct slice a, struct slice b); /* ASCII case only */
bool slice_starts(struct slice s, struct slice prefix);
/* Decimal, whole slice, no sign, no blanks; false on overflow or anything else. */
bool slice_u64(struct slice s, uint64_t *out);
/* RFC 3629: no overlongs, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(const char *p, size_t len);

struct reader {
    const uint8_t *p;
    size_t left;
    bool bad;
};

struct reader reader_of(const void *p, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
struct slice reader_bytes(struct reader *r, size_t n);
struct slice reader_str16(struct reader *r); /* u16 length, then the bytes */
bool reader_done(const struct reader *r);    /* not bad and nothing is left */

struct buf {
    uint8_t *p;
    size_t len;
    size_t cap;
};

void buf_free(struct buf *b);   /* back to empty and valid */
void buf_clear(struct buf *b);  /* len = 0, room kept */
uint8_t *buf_reserve(struct buf *b, size_t n); /* room for n more at p + len */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_put_slice(struct buf *b, struct slice s);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_str16(struct buf *b, struct slice s); /* asserts len <= 65535 */
void buf_dec(struct buf *b, uint64_t v);       /* as decimal text */
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_consume(struct buf *b, size_t n);     /* drop the first n bytes */
void buf_patch_u32(struct buf *b, size_t at, uint32_t v); /* at + 4 <= len */

/* Little-endian at a fixed place, alignment free. */
void le32_put(uint8_t *p, uint32_t v);
void le64_put(uint8_t *p, uint64_t v);
uint32_t le32_get(const uint8_t *p);
uint64_t le64_get(const uint8_t *p);

#endif
