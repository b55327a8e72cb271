/*
 * verdicts.h - what `sluice check` has to say, a line each, and how much of it.
 */
#ifndef CLI_VERDICTS_H
#define CLI_VERDICTS_H

#include "config.h"

struct verdicts {
    const struct config *config;
    unsigned errors, warnings;
};

/* where: "sluice.conf:12", a variable, a flag, a file's line. */
void verdicts_error(struct verdicts *v, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void verdicts_warn(struct verdicts *v, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
