/*
 * whole_file.c - by stdio.
 */
#include "whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "log.h"

#define STEP 4096u

static bool take_all(FILE *f, size_t max, struct buf *out, const char **why)
{
    size_t begin = out->len, n;

    do {
        n = fread(buf_reserve(out, STEP), 1, STEP, f);
        out->len += n;
    } while (n > 0 && out->len - begin <= max);
    if (ferror(f))
        *why = strerror(errno);
    else if (out->len - begin > max)
        *why = "it is too long";
    return *why == NULL;
}

bool whole_file_read(const char *name, size_t max, struct buf *out, const char **why)
{
    FILE *f = fopen(name, "re");
    bool ok;

    *why = NULL;
    if (f == NULL) {
        *why = strerror(errno);
        return false;
    }
    ok = take_all(f, max, out, why);
    (void)fclose(f);
    return ok;
}

void whole_file_judge(const char *file, bool secret)
{
    mode_t wrong = secret ? S_IROTH | S_IWOTH : S_IWOTH;
    struct stat st;

    if (stat(file, &st) == 0 && (st.st_mode & wrong) != 0)
        log_warn("a file of [auth] is open to everybody: chmod o= it", LOG_S("file", file));
}
