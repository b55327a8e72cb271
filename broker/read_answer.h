/*
 * read_answer.h - one request on the reads socket, decoded, checked, answered.
 * Any thread that owns its reader; knows no socket.
 */
#ifndef BROKER_READ_ANSWER_H
#define BROKER_READ_ANSWER_H

#include "store.h"

/* Appends the whole reply, an error reply for a malformed request.  False when
 * the frame is too short to be answered. */
bool read_answer(struct store_reader *reader, const void *frame, size_t len, struct buf *reply);

#endif
