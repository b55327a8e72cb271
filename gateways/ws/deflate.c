/*
 * deflate.c - zlib behind deflate.h.
 *
 * Both streams are reset before each message.  The deflater ends with a sync
 * flush, which ends on a byte with an empty stored block: 00 00 ff ff, or what is
 * cut off.  The inflater gets those four bytes back and must then stand between
 * two blocks, on a byte; it inflates into a buffer that grows as bytes come out.
 *
 * What fails: zlib without memory ends the process (mem.h says why), bytes that
 * are not DEFLATE are INFLATE_BAD, and a bomb is INFLATE_TOO_BIG at its first byte
 * over the limit.
 */
#define ZLIB_CONST /* its input pointers are const, then */
#include "deflate.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "mem.h"

#define RAW_WINDOW (-15) /* the largest, without zlib's own header */
#define MEMORY_LEVEL 8
#define TAIL 4           /* 00 00 ff ff */
#define STORED_MAX 65535 /* bytes of a stored block (RFC 1951, 3.2.4) */
#define ROOM_FIRST 4096

/* zlib counts in unsigned int: more is given to it piece by piece. */
static unsigned piece(size_t n)
{
    return n < UINT_MAX ? (unsigned)n : UINT_MAX;
}

static void feed(z_stream *z, struct slice *in)
{
    unsigned n = piece(in->len);

    z->next_in = (const Bytef *)in->p;
    z->avail_in = n;
    if (n > 0)
        *in = (struct slice){in->p + n, in->len - n};
}

static void *allocate(void *opaque, unsigned n, unsigned size)
{
    (void)opaque;
    return mem_array(n, size);
}

static void release(void *opaque, void *p)
{
    (void)opaque;
    free(p);
}

/* --- out -------------------------------------------------------------------------- */

struct deflater {
    z_stream z;
};

struct deflater *deflater_new(int level)
{
    struct deflater *d = mem_zalloc(sizeof *d);
    int rc;

    d->z.zalloc = allocate;
    d->z.zfree = release;
    rc = deflateInit2(&d->z, level, Z_DEFLATED, RAW_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    assert(rc == Z_OK);
    (void)rc;
    return d;
}

void deflater_free(struct deflater *d)
{
    if (d == NULL)
        return;
    (void)deflateEnd(&d->z);
    free(d);
}

/* Runs until the given input is in and, with a flush, all of it is out. */
static void deflate_piece(z_stream *z, int flush, struct buf *out)
{
    do {
        unsigned room = piece(deflateBound(z, z->avail_in) + 2 * TAIL);
        int rc;

        z->next_out = buf_reserve(out, room);
        z->avail_out = room;
        rc = deflate(z, flush);
        assert(rc == Z_OK || rc == Z_BUF_ERROR); /* the latter: there was nothing left to do */
        (void)rc;
        out->len += room - z->avail_out;
    } while (z->avail_out == 0);
    assert(z->avail_in == 0);
}

void deflater_put_prefix(struct deflater *d, struct slice prefix, struct buf *out)
{
    (void)deflateReset(&d->z);
    do {
        feed(&d->z, &prefix);
        deflate_piece(&d->z, prefix.len > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH, out);
    } while (prefix.len > 0);
}

void deflater_put(struct deflater *d, struct slice message, struct buf *out)
{
    deflater_put_prefix(d, message, out);
    assert(out->len >= TAIL && memcmp(out->p + out->len - TAIL, "\0\0\xff\xff", TAIL) == 0);
    out->len -= TAIL;
}

/* After a sync flush the stream stands on a byte, so stored blocks are bytes. */
void deflate_put_rest(struct slice rest, struct buf *out)
{
    while (rest.len > 0) {
        size_t n = rest.len < STORED_MAX ? rest.len : STORED_MAX;

        buf_u8(out, 0);
        buf_u16(out, (uint16_t)n);
        buf_u16(out, (uint16_t)~n);
        buf_put(out, rest.p, n);
        rest = (struct slice){rest.p + n, rest.len - n};
    }
    buf_u8(out, 0); /* an empty one, less its 00 00 ff ff */
}

/* --- in --------------------------------------------------------------------------- */

struct inflater {
    z_stream z;
};

struct inflater *inflater_new(void)
{
    struct inflater *i = mem_zalloc(sizeof *i);
    int rc;

    i->z.zalloc = allocate;
    i->z.zfree = release;
    rc = inflateInit2(&i->z, RAW_WINDOW);
    assert(rc == Z_OK);
    (void)rc;
    return i;
}

void inflater_free(struct inflater *i)
{
    if (i == NULL)
        return;
    (void)inflateEnd(&i->z);
    free(i);
}

/* One byte more than may come is room enough to see that it does. */
static unsigned next_room(size_t have, size_t max)
{
    size_t room = have < ROOM_FIRST ? ROOM_FIRST : have;

    return piece(room <= max - have ? room : max - have + 1);
}

/* Inflates one run of input to its end. */
static enum inflate_verdict inflate_run(z_stream *z, size_t start, size_t max, struct buf *out)
{
    for (;;) {
        unsigned room = next_room(out->len - start, max);
        int rc;

        z->next_out = buf_reserve(out, room);
        z->avail_out = room;
        rc = inflate(z, Z_SYNC_FLUSH);
        out->len += room - z->avail_out;
        if (out->len - start > max)
            return INFLATE_TOO_BIG;
        /* 7.2.3.4: a sender may call a block the last; what follows begins anew. */
        if (rc == Z_STREAM_END)
            rc = inflateReset(z);
        else if (z->avail_out > 0)
            return rc == Z_OK || rc == Z_BUF_ERROR ? INFLATE_OK : INFLATE_BAD;
        if (rc != Z_OK && rc != Z_BUF_ERROR)
            return INFLATE_BAD;
    }
}

static enum inflate_verdict inflate_all(z_stream *z, struct slice in, size_t start, size_t max,
                                        struct buf *out)
{
    enum inflate_verdict verdict = INFLATE_OK;

    while (in.len > 0 && verdict == INFLATE_OK) {
        feed(z, &in);
        verdict = inflate_run(z, start, max, out);
    }
    return verdict;
}

/* zlib tells where it stopped: 128 right after a block, and how many bits of the
 * last byte it has not used. */
static bool between_blocks(const z_stream *z)
{
    return (z->data_type & 128) != 0 && (z->data_type & 63) == 0;
}

enum inflate_verdict inflater_put(struct inflater *i, struct slice message, size_t max,
                                  struct buf *out)
{
    static const struct slice tail = {"\0\0\xff\xff", TAIL};
    enum inflate_verdict verdict;
    size_t start = out->len;

    (void)inflateReset(&i->z);
    verdict = inflate_all(&i->z, message, start, max, out);
    if (verdict == INFLATE_OK)
        verdict = inflate_all(&i->z, tail, start, max, out);
    if (verdict == INFLATE_OK && !between_blocks(&i->z))
        verdict = INFLATE_BAD;
    return verdict;
}
