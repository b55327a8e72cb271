/*
 * sse_reader.h - a Server-Sent Events stream taken apart (WHATWG HTML, 9.2.6).
 *
 * Bytes go in as they come; messages come out one at a time.  The reader keeps
 * the last event ID and the retry time as an EventSource would.  Pure.
 */
#ifndef CLI_SSE_READER_H
#define CLI_SSE_READER_H

#include "bytes.h"

struct sse_message {
    struct slice type; /* `event:`; empty: "message" */
    struct slice data; /* lines joined by LF */
};

/* Zero-initialised, but for max, is the start of a stream. */
struct sse_reader {
    size_t max;         /* bytes of one line, and of one message's data */
    struct buf last_id; /* of the last whole block */
    unsigned retry_ms;  /* what the stream last said */
    bool has_retry;

    /* private: the block being read */
    struct buf line, type, data, id;
    bool has_data, has_id, after_cr, begun, returned;
};

/* Reads until one message is whole or the bytes end.  Returns the bytes
 * consumed; *got says whether *m is one, valid until the next call.  Returns -1
 * when max is passed. */
ptrdiff_t sse_reader_feed(struct sse_reader *r, const char *p, size_t len, struct sse_message *m,
                          bool *got);
/* A new connection: drops a half-read block, keeps last_id and retry_ms. */
void sse_reader_restart(struct sse_reader *r);
void sse_reader_close(struct sse_reader *r);

#endif
