/*
 * errors.c - what errors.h declares, looked up by number.
 *
 * A number that this build does not know (a newer peer's) counts as internal.
 */
#include "errors.h"

#include <stddef.h>

#include "mem.h"

struct error_row {
    int status;
    const char *code;
    const char *text;
};

static const struct error_row rows[] = {
#define X(name, number, status, code, text) [number] = {status, code, text},
    SLUICE_ERRORS(X)
#undef X
};

static const struct error_row *error_row(enum sluice_error e)
{
    size_t n = (size_t)e;

    if (n >= ARRAY_LEN(rows) || rows[n].code == NULL)
        n = ERR_INTERNAL;
    return &rows[n];
}

int error_status(enum sluice_error e)
{
    return error_row(e)->status;
}

const char *error_code(enum sluice_error e)
{
    return error_row(e)->code;
}

const char *error_text(enum sluice_error e)
{
    return error_row(e)->text;
}
