/*
 * ws.h - WebSocket frames and messages (RFC 6455), the server's side, as pure
 * functions.
 *
 *   bytes of a client ──▶ ws_decode ──▶ whole messages, pings, pongs, the close
 *   message           ──▶ ws_frame_wrap, ws_header_put ──▶ bytes for all clients
 *
 * An error is a close code, negated: send that close frame, end the connection.
 * Extensions and subprotocols are chosen in ws_handshake.h.
 */
#ifndef PROTO_WS_H
#define PROTO_WS_H

#include "bytes.h"

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

/* Close codes, RFC 6455, 7.4.1 and the IANA registry; 4xxx are our own. */
enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL = 1002,
    WS_CLOSE_UNSUPPORTED = 1003,
    WS_CLOSE_NO_STATUS = 1005, /* never sent: a close frame that names no code */
    WS_CLOSE_BAD_DATA = 1007,
    WS_CLOSE_POLICY = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_INTERNAL = 1011,
    WS_CLOSE_RESTART = 1012,
    WS_CLOSE_UNAUTHORIZED = 4401,
    WS_CLOSE_FORBIDDEN = 4403,
    WS_CLOSE_GAP = 4410,
    WS_CLOSE_TOO_MANY = 4429,
};

enum ws_error {
    WS_EPROTO = -WS_CLOSE_PROTOCOL,
    WS_EDATA = -WS_CLOSE_BAD_DATA, /* not UTF-8 where text must stand */
    WS_ETOOBIG = -WS_CLOSE_TOO_BIG,
};

#define WS_CONTROL_MAX 125 /* payload of a control frame */
#define WS_HEADER_MAX 10   /* a server's frame header; a client's has a mask, too */

/* --- from a client -------------------------------------------------------------- */

struct ws_header {
    bool fin;
    bool compressed; /* RSV1 */
    uint8_t opcode;
    uint8_t mask[4];
    uint64_t payload;
};

/* Decodes one frame header (RFC 6455, 5.2).  Returns its size in bytes, 0 when
 * more input is needed, or WS_EPROTO.  RSV1 may only be set when permessage-deflate
 * was negotiated.  Writes *h only on success and remembers nothing: call again
 * with the same bytes and more. */
int ws_header_decode(struct ws_header *h, const uint8_t *p, size_t len, bool deflate) MUST_CHECK;

/* Copies n payload bytes, unmasked; `at` is the first one's place in its frame.
 * out may be in. */
void ws_unmask(uint8_t *out, const uint8_t *in, size_t n, const uint8_t mask[4], uint64_t at);

/* One connection's input.  Zero-initialised and given its limits, it is at the
 * start; ws_decoder_free at the end. */
struct ws_decoder {
    size_t message_max; /* payload of one message, bytes; before inflating, a quarter
                           more: what does not compress becomes longer */
    bool deflate;       /* permessage-deflate was negotiated */

    uint8_t state;                   /* below: private */
    uint8_t opcode;                  /* of the message begun; WS_CONTINUATION: none is */
    bool compressed;                 /* it is */
    struct utf8_check utf8;          /* of it, unless compressed */
    struct buf message;              /* its payload so far */
    struct ws_header frame;          /* being read */
    uint64_t got;                    /* bytes of its payload */
    uint8_t control[WS_CONTROL_MAX]; /* its payload when it is a control frame */
    uint8_t head[14];                /* a header that came in pieces */
    uint8_t head_len;
    int error;
};

/* What came whole: a text or binary message, or a control frame. */
struct ws_message {
    uint8_t opcode;       /* WS_CONTINUATION: nothing yet */
    bool compressed;      /* inflate it; whether text is UTF-8 is only seen then */
    struct slice payload; /* unmasked; stays until the next call on the decoder */
    uint16_t close_code;  /* WS_CLOSE: the peer's, WS_CLOSE_NO_STATUS for none;
                             the payload is its reason */
};

/* Takes bytes up to the end of the next message or control frame; returns how many
 * it took, all of them unless m->opcode says that something is whole, or an error:
 * then and ever after.  After a close frame everything is passed over (5.5.1). */
int ws_decode(struct ws_decoder *d, const void *p, size_t len, struct ws_message *m) MUST_CHECK;
/* Gives back the memory of the message handed out; call it when a run of input
 * is done, so that a quiet client costs none. */
void ws_decoder_trim(struct ws_decoder *d);
void ws_decoder_free(struct ws_decoder *d);

/* --- to clients ------------------------------------------------------------------- */

/* The header of a whole, unmasked frame; returns its size. */
size_t ws_header_put(uint8_t out[WS_HEADER_MAX], enum ws_opcode opcode, bool compressed,
                     uint64_t payload);
/* From `start` to the end of b becomes the payload of one frame. */
void ws_frame_wrap(struct buf *b, size_t start, enum ws_opcode opcode, bool compressed);
void ws_frame_put(struct buf *b, enum ws_opcode opcode, struct slice payload);
/* A reason longer than fits is cut at a character; WS_CLOSE_NO_STATUS sends
 * neither code nor reason, as an answer to a close frame that had none. */
void ws_close_put(struct buf *b, unsigned code, const char *reason);

/* A close frame's payload (5.5.1, 7.4).  Returns 0, WS_EPROTO for a code that may
 * not be sent or half a one, or WS_EDATA for a reason that is not UTF-8. */
int ws_close_get(struct slice payload, uint16_t *code, struct slice *reason) MUST_CHECK;

#endif
