/*
 * mem.c - allocation that never returns NULL.
 *
 * A failure says which size was wanted and aborts; see mem.h for why that is
 * the right answer here.
 */
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing here may allocate: stderr is unbuffered and %zu needs no heap. */
static void *checked(void *p, size_t n, size_t size)
{
    if (p != NULL)
        return p;
    fprintf(stderr, "out of memory: %zu x %zu bytes\n", n, size);
    abort();
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size != 0 ? size : 1), 1, size);
}

void *mem_zalloc(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t n, size_t size)
{
    if (n == 0 || size == 0)
        n = size = 1;
    return checked(calloc(n, size), n, size); /* calloc refuses an overflow */
}

void *mem_resize(void *p, size_t n, size_t size)
{
    if (n == 0 || size == 0)
        n = size = 1; /* realloc(p, 0) may free p */
    return checked(reallocarray(p, n, size), n, size);
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);

    if (len != 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}
