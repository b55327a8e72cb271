/*
 * roles.h - [role "…"] of the configuration: named lists of grants.  Loop thread.
 */
#ifndef AUTH_ROLES_H
#define AUTH_ROLES_H

#include "config.h"
#include "grants.h"

struct roles;

/* A copy: the configuration may go. */
struct roles *roles_open(const struct config *c) MUST_CHECK;
void roles_close(struct roles *r); /* NULL is fine */
bool roles_exist(const struct roles *r, struct slice name);
/* str16 each: the first that there is not, or one without bytes. */
struct slice roles_missing(const struct roles *r, const struct buf *names);
/* Adds what the roles grant; names that there are not grant nothing. */
void roles_grant(const struct roles *r, const struct buf *names, struct slice user,
                 struct grants *g);

#endif
