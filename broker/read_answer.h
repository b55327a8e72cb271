/*
 * read_answer.h - one request on the reads socket, decoded and checked.
 * Any thread; knows no socket.
 */
#ifndef BROKER_READ_ANSWER_H
#define BROKER_READ_ANSWER_H

#include "store.h"

/* The request, to be taken on step by step; the frame must stay until it is freed.  NULL:
 * the reply is an error, or empty when the frame is too short to be answered. */
struct store_read *read_answer_begin(const void *frame, size_t len, struct buf *reply) MUST_CHECK;

#endif
