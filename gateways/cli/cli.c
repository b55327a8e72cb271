/*
 * cli.c - a failure said in one line.
 */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>

int cli_fail(int code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("sluice: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}
