/*
 * verdicts.c - see verdicts.h.
 */
#include "verdicts.h"

#include <stdarg.h>
#include <stdio.h>

static void put(const char *where, const char *what, const char *fmt, va_list args)
{
    printf("%s: %s", where, what);
    (void)vprintf(fmt, args);
    putchar('\n');
}

void verdicts_error(struct verdicts *v, const char *where, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    put(where, "", fmt, args);
    va_end(args);
    v->errors++;
}

void verdicts_warn(struct verdicts *v, const char *where, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    put(where, "warning: ", fmt, args);
    va_end(args);
    v->warnings++;
}
