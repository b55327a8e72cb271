/*
 * keys.h - the source of ZeroMQ's CURVE keys: a file of name:public-key:role,role lines
 * (roster.h), the key as Z85 (40 characters).  Loop thread.
 */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H

#include "roles.h"
#include "source_answer.h"

struct keys;

/* Of [auth] keys.  NULL: logged, with the file and line. */
struct keys *keys_open(const struct config *c, const struct roles *roles) MUST_CHECK;
void keys_close(struct keys *k); /* NULL is fine */
/* key: 32 bytes.  False: not there. */
bool keys_find(const struct keys *k, struct slice key, struct findings *found);
/* A key has that name. */
bool keys_know(const struct keys *k, struct slice name);
/* After another keys_open: is the key still that name's?  Then the roles in *f are those of
 * the file. */
bool keys_stand(const struct keys *k, struct findings *f);

#endif
