/*
 * callback.h - the source that somebody else is: an HTTP callback, JSON in and out.
 *
 *   POST {"door":"mqtt","kind":"password","user":"alice","password":"…","client":"c1",
 *         "address":"10.0.0.7","certificate":"…"}
 *   200  {"name":"alice","roles":["editor"],"publish":["a/#"],"cache":60}   callback_answer.h
 *   401, 403: not believed.  Anything else, and no answer in time: AUTH_UNAVAILABLE.
 *
 * Asked for what no other source knows, a bounded number of times at once; those who would
 * ask the very same share a request.  Who was refused is refused for a second without another.
 * What cannot be used is logged, at most once a second.  Loop thread.
 */
#ifndef AUTH_CALLBACK_H
#define AUTH_CALLBACK_H

#include "source_answer.h"

struct callback;
struct callback_ask;

/* Of [auth] callback, callback_timeout, callback_requests, ca_file, max_grants.  NULL: logged.
 * Plain http to another machine is complained of. */
struct callback *callback_open(uv_loop_t *loop, const struct config *c) MUST_CHECK;
/* No done runs any more, and nobody cancels; NULL is fine. */
void callback_close(struct callback *cb);
/* NULL: *now is the answer: too many at once, refused a moment ago, or nothing that JSON can
 * say.  Else done runs later.  What c points to is copied. */
struct callback_ask *callback_ask(struct callback *cb, const struct credentials *c,
                                  struct source_answer *now, source_done done,
                                  void *arg) MUST_CHECK;
void callback_ask_cancel(struct callback_ask *q);

#endif
