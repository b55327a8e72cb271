/*
 * inspect.h - a configuration and all the files that it names, as the processes would find
 * them: what is wrong, and what is allowed but unwise.
 */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include "verdicts.h"

/* Certificates, keys and secrets: there, readable, good, nobody else's to read. */
void inspect_files(struct verdicts *v);
/* Where the doors listen, and who may come in there. */
void inspect_doors(struct verdicts *v);
/* The sources of identity, read as the processes read them, and the roles in their files. */
void inspect_auth(struct verdicts *v);
/* How much is kept. */
void inspect_retention(struct verdicts *v);

#endif
