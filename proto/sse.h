/*
 * sse.h - events as Server-Sent Events (WHATWG HTML, 9.2) and as NDJSON lines.
 *
 * Raw sends the payload as data lines; one with CR, NUL or invalid UTF-8 goes
 * as `event: sluice.json` in JSON form instead.  Text sends it in any case: CR ends a
 * line, NUL and what is no UTF-8 is U+FFFD.  Every function appends.
 */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include "event.h"

void sse_put_raw(struct buf *b, const struct event *e);
void sse_put_text(struct buf *b, const struct event *e);
void sse_put_json(struct buf *b, const struct event *e);
/* Where a stream stands, as events: libraries take an ID from these alone, and some call
 * for a block without data.
 *   event: sluice.start, id: ID, data: {"start":"ID"}, with a gap {"start":"ID","gap":{…}}
 *   event: sluice.position, id: ID, data: {"position":"ID"} */
void sse_put_start(struct buf *b, uint64_t id, const struct gap *g);
void sse_put_position(struct buf *b, uint64_t id);
void sse_put_gap(struct buf *b, const struct gap *g); /* id: resumed_from */
/* The last of a stream whose client may not go on, and why ("expired", "revoked"); id: where a
 * next one goes on, 0 when that is not known.
 *   event: sluice.expired, id: ID, data: {"reason":"expired","position":"ID"} */
void sse_put_expired(struct buf *b, const char *reason, uint64_t id);
/* Lines that no empty one follows: they belong to the block that comes. */
void sse_put_retry(struct buf *b, unsigned ms);
void sse_put_comment(struct buf *b, const char *text); /* ": text" */

void ndjson_put_event(struct buf *b, const struct event *e);
void ndjson_put_gap(struct buf *b, const struct gap *g); /* {"gap":{…}} */
void ndjson_put_upto(struct buf *b, uint64_t id);        /* {"upto":"ID"} */
/* {"expired":{"reason":"expired","position":"ID"}} */
void ndjson_put_expired(struct buf *b, const char *reason, uint64_t id);
/* In place of an event that is pushed (HTTP/2): where it is to be had.
 *   event: sluice.push, id: ID, data: /history?id=ID
 *   {"push":"/history?id=ID"} */
void sse_put_push(struct buf *b, const struct event *e);
void ndjson_put_push(struct buf *b, const struct event *e);
/* The same as one HTTP chunk each (RFC 9112, 7.1): from `start` to the end of
 * b becomes the data of a chunk.  Nothing becomes nothing: an empty chunk would
 * end the body. */
void chunk_wrap(struct buf *b, size_t start);
void ndjson_put_event_chunk(struct buf *b, const struct event *e);

#endif
