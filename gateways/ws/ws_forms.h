/*
 * ws_forms.h - events as WebSocket frames, once for all clients.
 *
 *   PATH   sluice.json to whoever subscribes by the address alone: a whole frame,
 *          with "subs":["path"]
 *   RAW    sluice.raw: a whole frame, the payload
 *   OPEN   sluice.json to everybody else: {…,"subs":[ without a frame around it;
 *          the refs follow, and differ from client to client
 *
 * Each has a packed twin for clients that negotiated permessage-deflate.  Where
 * compressing gains nothing, the twin of a whole frame is the plain frame, and the
 * twin of OPEN is empty.
 */
#ifndef WS_FORMS_H
#define WS_FORMS_H

#include "block.h"
#include "deflate.h"
#include "forms.h"

/* A packed form follows its plain one. */
enum ws_form {
    WS_FORM_PATH = FORMS_WS,
    WS_FORM_PATH_PACKED,
    WS_FORM_RAW,
    WS_FORM_RAW_PACKED,
    WS_FORM_OPEN,
    WS_FORM_OPEN_PACKED
};

/* What the packed forms are made with. */
struct ws_forms {
    struct deflater *deflater; /* NULL: permessage-deflate is off */
    struct buf plain;          /* the message that is packed */
};
/* The process's one; before any of the packed forms is made, loop thread only. */
void ws_forms_init(struct ws_forms *f);
void ws_forms_close(struct ws_forms *f);
struct slice ws_form_of(struct entry *e, enum ws_form form);
extern const form_encode ws_form_encoders[];

#define WS_PATH_REF "\"path\""

#endif
