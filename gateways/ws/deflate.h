/*
 * deflate.h - permessage-deflate's compression (RFC 7692, 7.2), over zlib.
 *
 * No context is kept from message to message, on either side: a message is
 * compressed once for all clients, and one deflater and one inflater serve a whole
 * process.  A compressed message is raw DEFLATE that ends on a byte, less the
 * last four bytes, 00 00 ff ff.
 *
 * A client that asked for a window of 2^n bytes (server_max_window_bits) may be
 * sent what a larger window made as long as the message is no longer than 2^n; a
 * longer one goes to it uncompressed.
 *
 * Loop thread.
 */
#ifndef WS_DEFLATE_H
#define WS_DEFLATE_H

#include "bytes.h"

struct deflater;
struct deflater *deflater_new(int level); /* 1 (fast) to 9 */
void deflater_free(struct deflater *d);
/* Appends the message compressed. */
void deflater_put(struct deflater *d, struct slice message, struct buf *out);

/* The same in two parts, of which the first is shared by messages that end
 * differently: prefix, appended compressed, then the rest, appended as it is. */
void deflater_put_prefix(struct deflater *d, struct slice prefix, struct buf *out);
void deflate_put_rest(struct slice rest, struct buf *out);

enum inflate_verdict {
    INFLATE_OK,
    INFLATE_BAD,     /* not DEFLATE, or cut short */
    INFLATE_TOO_BIG, /* more than max bytes came out */
};

struct inflater;
struct inflater *inflater_new(void);
void inflater_free(struct inflater *i);
/* Appends the message inflated: max bytes at most, and never much more memory
 * than came out.  Unless it is INFLATE_OK, what was appended means nothing. */
MUST_CHECK enum inflate_verdict inflater_put(struct inflater *i, struct slice message, size_t max,
                                             struct buf *out);

#endif
