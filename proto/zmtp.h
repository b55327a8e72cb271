/*
 * zmtp.h - ZeroMQ's wire protocol, ZMTP 3.0 and 3.1 (RFC 23, RFC 37): greeting, frames,
 * commands, and messages put together.  Pure: bytes in, bytes out.
 *
 *   greeting   64 bytes each way; a peer of ZMTP 1.0 or 2.0 is known by its first eleven
 *   frame      flags, size, body: a part of a message, or a command
 *   command    name and data; PING may stand between the parts of a message
 *   message    parts, all but the last with MORE
 *
 * What a peer may send is limited while it arrives: a frame by the size that its head
 * names, a message by the sum of them and by ZMTP_PARTS_MAX.
 */
#ifndef PROTO_ZMTP_H
#define PROTO_ZMTP_H

#include "bytes.h"

/* What a decoder returns besides a count of bytes. */
enum zmtp_error {
    ZMTP_EPROTO = -1,  /* not ZMTP, or against its rules */
    ZMTP_ETOOBIG = -2, /* a frame or a message over the limit */
    ZMTP_EPARTS = -3,  /* a message of too many parts */
    ZMTP_EOLD = -4,    /* a peer of ZMTP 1.0 or 2.0 */
    ZMTP_EEARLY = -5,  /* a message where only commands may come */
};
const char *zmtp_error_text(int error); /* for a person, no full stop */

/* --- greeting --------------------------------------------------------------------- */

#define ZMTP_GREETING_SIZE 64
#define ZMTP_MECHANISM_MAX 20

struct zmtp_greeting {
    uint8_t major, minor;
    struct slice mechanism; /* "NULL", into what was read */
    bool as_server;
};

/* ZMTP_GREETING_SIZE, 0 when more input is needed, ZMTP_EPROTO or ZMTP_EOLD as soon as the
 * bytes say so. */
int zmtp_greeting_get(struct zmtp_greeting *g, const void *p, size_t len);
/* Version 3.1. */
void zmtp_greeting_put(uint8_t out[ZMTP_GREETING_SIZE], const char *mechanism, bool as_server);

/* --- frames ----------------------------------------------------------------------- */

enum zmtp_flag { ZMTP_MORE = 1, ZMTP_LONG = 2, ZMTP_IS_COMMAND = 4 };
#define ZMTP_HEAD_MAX 9

struct zmtp_frame {
    uint8_t flags; /* ZMTP_MORE, ZMTP_IS_COMMAND */
    uint64_t size; /* of the body */
};

/* The size of its head, 0 when more input is needed, or ZMTP_EPROTO. */
int zmtp_frame_get(struct zmtp_frame *f, const void *p, size_t len);
/* Writes a head; returns its size. */
size_t zmtp_head_put(uint8_t out[ZMTP_HEAD_MAX], unsigned flags, uint64_t size);
void zmtp_frame_put(struct buf *b, unsigned flags, struct slice body);

/* --- commands --------------------------------------------------------------------- */

struct zmtp_command {
    struct slice name, data;
};

bool zmtp_command_get(struct zmtp_command *c, struct slice body);
/* Appends a frame that is a command. */
void zmtp_command_put(struct buf *b, const char *name, struct slice data);
void zmtp_error_put(struct buf *b, const char *reason); /* ERROR; cut to 255 bytes */

/* READY's and INITIATE's metadata: takes the next off *rest.  1, 0 at the end, or
 * ZMTP_EPROTO. */
int zmtp_property_next(struct slice *rest, struct slice *name, struct slice *value);
void zmtp_property_put(struct buf *b, const char *name, struct slice value);

/* RFC 37, 3.1: the data of PING; its context is at most 16 bytes.  ttl: tenths of a
 * second, 0 for none. */
#define ZMTP_CONTEXT_MAX 16
bool zmtp_ping_get(struct slice data, uint16_t *ttl, struct slice *context);
void zmtp_ping_put(struct buf *b, uint16_t ttl);

/* --- messages --------------------------------------------------------------------- */

#define ZMTP_PARTS_MAX 64

struct zmtp_unit {
    enum { ZMTP_NOTHING, ZMTP_COMMAND, ZMTP_MESSAGE } kind;
    struct slice command; /* its body */
    struct slice parts[ZMTP_PARTS_MAX];
    size_t count;
};

/* Zero-initialised but for the limits. */
struct zmtp_decoder {
    uint64_t command_max; /* bytes of a command */
    uint64_t message_max; /* bytes of a message's parts together; 0: none may come */
    /* frames of what is not whole yet, heads and all:
     *
     *   [head body][head body][head bod
     *                         ^frame_at                        */
    struct buf held;
    size_t frame_at;
    uint64_t bytes; /* of the parts before that */
    uint8_t parts;
    uint8_t given; /* what lies in held was handed out: it goes with the next call */
};

/* Takes from p what makes the next unit, where it lies if all of it is there; u->kind is
 * ZMTP_NOTHING while something is missing.  Returns the bytes taken, at least one of those
 * that are there, or enum zmtp_error, after which the stream means nothing any more.  What
 * *u says lies in p or in the decoder, and holds until the next call. */
int zmtp_decode(struct zmtp_decoder *d, const void *p, size_t len, struct zmtp_unit *u);
/* Lets go of memory that nothing lies in; after that, what was handed out is gone. */
void zmtp_decoder_trim(struct zmtp_decoder *d);
void zmtp_decoder_free(struct zmtp_decoder *d);

#endif
