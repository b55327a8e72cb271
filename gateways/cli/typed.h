/*
 * typed.h - what somebody types at the terminal and nobody shall see.
 */
#ifndef CLI_TYPED_H
#define CLI_TYPED_H

#include "bytes.h"

#define TYPED_MAX 1024 /* with its NUL */

/* Asks at the terminal, whatever standard input is; a line without its end.  False: there is
 * no terminal, nothing came, or more than fits.  Ctrl-C ends the process, with the terminal as
 * it was. */
bool typed_secret(const char *prompt, const char *whose, char out[TYPED_MAX]) MUST_CHECK;

#endif
