/*
 * explain.h - what somebody may do, and by which role or grant: `sluice check --as`.
 */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "config.h"
#include "findings.h"

/* "user:alice", "key:till", "cert:pump-7" or "anonymous": their roles, as the files have them.
 * CLI_OK; else a code, and told on standard error. */
int explain_find(const struct config *c, const char *name, struct findings *who);
/* Prints each grant. */
void explain_list(const struct config *c, const struct findings *who);
/* May they?  Prints by what, or that nothing does. */
bool explain_tell(const struct config *c, const struct findings *who, enum auth_verb verb,
                  struct slice filter, struct slice client);

#endif
