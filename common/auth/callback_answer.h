/*
 * callback_answer.h - the two documents of the HTTP callback.  Pure.
 *
 * The question has what was shown: "kind" is token, password or key, with "token", "user" and
 * "password", or "key" (Z85); "door", and where there are such, "client", "address",
 * "certificate".
 *
 * The answer is an object; what it has besides these is not looked at:
 *   name        who it is; may be missing for a password: the user
 *   kind        "user", "token", "key"; missing: user for a password, else as asked
 *   roles, publish, subscribe, manage    granted.h
 *   expires_in  seconds until it may nothing more; missing: never
 *   cache       seconds for which the same credentials, from wherever, are believed without
 *               another question; missing or 0: not at all
 */
#ifndef AUTH_CALLBACK_ANSWER_H
#define AUTH_CALLBACK_ANSWER_H

#include "source_answer.h"

/* False: what is shown is no text, which JSON could say. */
bool callback_answer_ask(const struct credentials *c, struct buf *out) MUST_CHECK;
/* Of an answer of status 200.  NULL, or what is wrong with it.  kind, user: of the question. */
const char *callback_answer_read(struct slice body, enum credentials_kind kind, struct slice user,
                                 uint64_t grants_max, uint64_t now_ms,
                                 struct findings *f) MUST_CHECK;

#endif
