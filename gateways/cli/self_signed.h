/*
 * self_signed.h - sluice up --tls-self-signed: a certificate in <data>/tls, and the flags
 * that tell the processes of it.
 */
#ifndef CLI_SELF_SIGNED_H
#define CLI_SELF_SIGNED_H

#include "cli.h"

/* Zero-initialised: there is none. */
struct self_signed {
    char *certificate, *key; /* files; NULL: none */
    char *flags[2];
    char **argv; /* of up, with the flags */
};

/* CLI_OK, or the exit code, told. */
int self_signed_make(struct self_signed *s, const struct invocation *in);
void self_signed_free(struct self_signed *s);

#endif
