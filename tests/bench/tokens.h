/*
 * tokens.h - a file of tokens, a line each, as Authorization fields.
 */
#ifndef BENCH_TOKENS_H
#define BENCH_TOKENS_H

#include <stdio.h>

#include "bench.h"

enum { TOKEN_SIZE = 2048 };

struct tokens {
    char **headers; /* "Authorization: Bearer …\r\n" */
    size_t count;
};

/* NULL: there are none. */
static void tokens_read(struct tokens *t, const char *file)
{
    char line[TOKEN_SIZE], *end;
    FILE *f;

    if (file == NULL)
        return;
    f = fopen(file, "r");
    if (f == NULL)
        die("%s: %s", file, strerror(errno));
    while (fgets(line, sizeof line, f) != NULL) {
        end = strchr(line, '\n');
        if (end == NULL)
            die("a token that is too long");
        *end = '\0';
        t->headers = realloc(t->headers, (t->count + 1) * sizeof *t->headers);
        if (t->headers == NULL ||
            asprintf(&t->headers[t->count++], "Authorization: Bearer %s\r\n", line) < 0)
            die("out of memory");
    }
    fclose(f);
}

/* Of the client of that number. */
static const char *tokens_header(const struct tokens *t, uint64_t number)
{
    return t == NULL || t->count == 0 ? "" : t->headers[number % t->count];
}

#endif
