/*
 * denied.h - tokens that are not believed any more: a file, a jti a line.
 *
 * White space at the ends of a line does not count; empty lines and those that begin with '#'
 * say nothing.  Loop thread.
 */
#ifndef AUTH_DENIED_H
#define AUTH_DENIED_H

#include "bytes.h"

struct denied;

/* NULL: it cannot be read; logged. */
struct denied *denied_open(const char *file) MUST_CHECK;
void denied_close(struct denied *d); /* NULL is fine */
/* d NULL: there is no list.  jti NULL: it has no name that could be on it. */
bool denied_has(const struct denied *d, const char *jti);

#endif
