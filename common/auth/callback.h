/*
 * callback.h - the source that somebody else is: an HTTP callback, JSON in and out.
 *
 * Asked for what no other source knows; README.md has the documents.  Loop thread; requests
 * run on libuv's pool, a bounded number at once.
 */
#ifndef AUTH_CALLBACK_H
#define AUTH_CALLBACK_H

#include "source_answer.h"

struct callback;
struct callback_ask;

/* Of [auth] callback, callback_timeout, callback_requests, ca_file.  NULL: logged. */
struct callback *callback_open(uv_loop_t *loop, const struct config *c) MUST_CHECK;
void callback_close(struct callback *cb); /* no done runs any more; NULL is fine */
/* NULL: *now is the answer (too many at once).  Else done runs later. */
struct callback_ask *callback_ask(struct callback *cb, const struct credentials *c,
                                  struct source_answer *now, source_done done,
                                  void *arg) MUST_CHECK;
void callback_ask_cancel(struct callback_ask *q);

#endif
