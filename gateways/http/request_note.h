/*
 * request_note.h - what is kept of a request beside its answer: its ID, and what the access
 * log says of it when it is over.
 *
 *   request_note_begin ──▶ status, bytes ──▶ request_note_end: a line, where there is a log
 *
 * The ID is what the client, or a proxy in front, calls it in X-Request-Id; else one is made,
 * once somebody wants to know.  Nothing is allocated for a request without either.
 */
#ifndef HTTP_REQUEST_NOTE_H
#define HTTP_REQUEST_NOTE_H

#include "caller.h"
#include "http_request.h"

#define REQUEST_ID_MAX 128 /* longer ones are not taken */

/* Zero-initialised: of no request. */
struct request_note {
    char *id; /* NULL: none yet */
    /* For the log, else empty: str16 of method, path, address, topic. */
    struct buf text;
    uint64_t begun_ms; /* monotonic */
    uint64_t bytes;    /* of its answer's body */
    int status;        /* 0: not answered yet */
};

void request_note_begin(struct request_note *n, const struct http_request *r);
/* A log is kept; then, at its begin, where it comes from (without a port) and which topic its
 * path names, %-encoded. */
static inline bool request_note_logs(const struct request_note *n)
{
    return n->text.len > 0;
}
void request_note_place(struct request_note *n, struct slice address, struct slice topic);
struct slice request_note_id(struct request_note *n); /* makes one if there is none */
void request_note_end(struct request_note *n, const struct caller *who); /* may come again */

#endif
