/*
 * passwords.h - the source of users with passwords: a file of name:hash:role,role lines.
 *
 * Hashing (yescrypt, by libxcrypt) takes tens of milliseconds and runs on libuv's pool, for
 * a bounded number at once; what was right is remembered, keyed by a secret of the process,
 * until the file is read anew.  A name that is not there costs the same.  Loop thread.
 */
#ifndef AUTH_PASSWORDS_H
#define AUTH_PASSWORDS_H

#include "source_answer.h"

struct passwords;
struct password_ask;

/* Of [auth] users, password_checks.  NULL: logged, with the file and line. */
struct passwords *passwords_open(uv_loop_t *loop, const struct config *c) MUST_CHECK;
void passwords_close(struct passwords *p); /* no done runs any more; NULL is fine */
bool passwords_know(const struct passwords *p, struct slice user);

/* NULL: *now is the answer.  Else done runs later.  c->address is for whom failures slow
 * down; what c points to stays until then. */
struct password_ask *passwords_ask(struct passwords *p, const struct credentials *c,
                                   struct source_answer *now, source_done done,
                                   void *arg) MUST_CHECK;
void password_ask_cancel(struct password_ask *q);
/* After another passwords_open: is the user there with the same hash?  Then the roles in *f
 * are those of the file. */
bool passwords_stand(const struct passwords *p, struct findings *f);

#endif
