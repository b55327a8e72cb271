/*
 * group_name.c - one copy of a name, counted.
 */
#include "group_name.h"

#include <stdlib.h>

#include "mem.h"

struct group_name *group_name_new(struct slice text)
{
    struct group_name *g = mem_alloc(sizeof *g + text.len);

    g->refs = 1;
    g->len = (uint16_t)text.len;
    memcpy(g->text, text.p, text.len);
    return g;
}

struct group_name *group_name_ref(struct group_name *g)
{
    if (g != NULL)
        g->refs++;
    return g;
}

void group_name_unref(struct group_name *g)
{
    if (g != NULL && --g->refs == 0)
        free(g);
}
