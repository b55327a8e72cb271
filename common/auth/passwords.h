/*
 * passwords.h - the source of users with passwords: a file of name:hash:role,role lines
 * (roster.h), the hash being one that crypt(3) knows: yescrypt, as `sluice passwd` makes it.
 *
 * Hashing takes tens of milliseconds and runs on libuv's pool, on a few threads of it, for a
 * bounded number at once; those who ask the same share one.  A name that is not there costs
 * what one costs that is.  Nothing is remembered here: that is the directory's.  Loop thread.
 */
#ifndef AUTH_PASSWORDS_H
#define AUTH_PASSWORDS_H

#include "roles.h"
#include "source_answer.h"

struct passwords;
struct password_ask;

/* Of [auth] users, password_checks.  NULL: logged, with the file and line. */
struct passwords *passwords_open(uv_loop_t *loop, const struct config *c,
                                 const struct roles *roles) MUST_CHECK;
/* No done runs any more, and nobody cancels: hashes under way keep the loop alive until they
 * are made.  NULL is fine. */
void passwords_close(struct passwords *p);
bool passwords_know(const struct passwords *p, struct slice user);

/* NULL: *now is the answer: nothing that could be a password, or too many wait, or half of
 * those that may are of the same address.  Else done runs later.  What c points to is
 * copied. */
struct password_ask *passwords_ask(struct passwords *p, const struct credentials *c,
                                   struct source_answer *now, source_done done,
                                   void *arg) MUST_CHECK;
void password_ask_cancel(struct password_ask *q);
/* After another passwords_open: is the user there with the same hash?  Then the roles in *f
 * are those of the file. */
bool passwords_stand(const struct passwords *p, struct findings *f);

#endif
