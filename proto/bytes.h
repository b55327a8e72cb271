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
 *
 * What runs for each event is inline here; the rest is in bytes.c.
 */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A result that must be looked at: of a decoder, a parser, a submit. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Little-endian at a fixed place, alignment free.  Compilers make one load or
 * store of each on little-endian machines. */

static inline void le16_put(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void le32_put(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}

static inline void le64_put(uint8_t *p, uint64_t v)
{
    le32_put(p, (uint32_t)v);
    le32_put(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t le16_get(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32_get(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t le64_get(const uint8_t *p)
{
    return (uint64_t)le32_get(p) | (uint64_t)le32_get(p + 4) << 32;
}

/* --- slice ------------------------------------------------------------------ */

struct slice {
    const char *p;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

struct slice slice_of(const char *s);                 /* strlen; NULL gives the empty slice */
bool slice_eq_nocase(struct slice a, struct slice b); /* ASCII case only */
bool slice_starts(struct slice s, struct slice prefix);
/* Decimal, whole slice, no sign, no blanks; false on overflow or anything else. */
bool slice_u64(struct slice s, uint64_t *out) MUST_CHECK;
/* RFC 3629: no overlongs, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(const char *p, size_t len);
struct buf;
/* Appends it with U+FFFD for what is no UTF-8: one for each cut or impossible sequence. */
void utf8_put_whole(struct buf *b, struct slice s);

/* The same for text that comes in pieces, cut anywhere.  Zero-initialised is the
 * start. */
struct utf8_check {
    uint8_t left;      /* bytes that the character begun still needs */
    uint8_t low, high; /* what the next of them may be */
};
/* False at the first byte that no text could have here; then it is over. */
bool utf8_check_next(struct utf8_check *u, const char *p, size_t len) MUST_CHECK;

/* The text may end here: no character is begun. */
static inline bool utf8_check_whole(const struct utf8_check *u)
{
    return u->left == 0;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* --- reader ----------------------------------------------------------------- */

struct reader {
    const uint8_t *p;
    size_t left;
    bool bad;
};

static inline struct reader reader_of(const void *p, size_t len)
{
    return (struct reader){len != 0 ? p : "", len, false};
}

/* For a decoder that finds a value it must refuse: as if the bytes had ended. */
static inline void reader_fail(struct reader *r)
{
    r->left = 0;
    r->bad = true;
}

/* The next n bytes, or NULL (and bad) when there are fewer. */
static inline const uint8_t *reader_take(struct reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->left < n) {
        reader_fail(r);
        return NULL;
    }
    r->p += n;
    r->left -= n;
    return p;
}

static inline uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);

    return p != NULL ? *p : 0;
}

static inline uint16_t reader_u16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);

    return p != NULL ? le16_get(p) : 0;
}

static inline uint32_t reader_u32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);

    return p != NULL ? le32_get(p) : 0;
}

static inline uint64_t reader_u64(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);

    return p != NULL ? le64_get(p) : 0;
}

static inline struct slice reader_bytes(struct reader *r, size_t n)
{
    const uint8_t *p = reader_take(r, n);

    return (struct slice){(const char *)p, p != NULL ? n : 0};
}

/* u16 length, then the bytes */
static inline struct slice reader_str16(struct reader *r)
{
    return reader_bytes(r, reader_u16(r));
}

/* not bad and nothing is left */
static inline bool reader_done(const struct reader *r)
{
    return !r->bad && r->left == 0;
}

/* --- buf -------------------------------------------------------------------- */

struct buf {
    uint8_t *p;
    size_t len;
    size_t cap;
};

void buf_free(struct buf *b);            /* back to empty and valid */
void buf_grow(struct buf *b, size_t n);  /* cap - len >= n after; at least doubles */
void buf_dec(struct buf *b, uint64_t v); /* as decimal text */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_consume(struct buf *b, size_t n);                /* drop the first n bytes */
void buf_str16(struct buf *b, struct slice s);            /* asserts len <= 65535 */
void buf_patch_u32(struct buf *b, size_t at, uint32_t v); /* at + 4 <= len */
void buf_patch_u64(struct buf *b, size_t at, uint64_t v); /* at + 8 <= len */

/* len = 0, room kept */
static inline void buf_clear(struct buf *b)
{
    b->len = 0;
}

/* What is written; valid until the buffer grows. */
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){(const char *)b->p, b->len};
}

/* room for n more at p + len */
static inline uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (b->p == NULL || b->cap - b->len < n)
        buf_grow(b, n);
    return b->p + b->len;
}

static inline void buf_put(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return; /* p may be NULL then, which memcpy may not be given */
    memcpy(buf_reserve(b, n), p, n);
    b->len += n;
}

static inline void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

static inline void buf_put_slice(struct buf *b, struct slice s)
{
    buf_put(b, s.p, s.len);
}

static inline void buf_u8(struct buf *b, uint8_t v)
{
    *buf_reserve(b, 1) = v;
    b->len += 1;
}

static inline void buf_u16(struct buf *b, uint16_t v)
{
    le16_put(buf_reserve(b, 2), v);
    b->len += 2;
}

static inline void buf_u32(struct buf *b, uint32_t v)
{
    le32_put(buf_reserve(b, 4), v);
    b->len += 4;
}

static inline void buf_u64(struct buf *b, uint64_t v)
{
    le64_put(buf_reserve(b, 8), v);
    b->len += 8;
}

#endif
