/*
 * failpoint.c - see failpoint.h: one point of the environment's, and how often it has
 * still to be passed.
 */
#include "failpoint.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {[FAILPOINT_none] = "",
#define X(name) [FAILPOINT_##name] = #name,
                                    FAILPOINTS(X)
#undef X
};

static struct {
    bool read;
    enum failpoint point;
    unsigned long left;
} chosen;

static enum failpoint point_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return (enum failpoint)i;
    fprintf(stderr, "there is no failpoint %s\n", name);
    exit(EXIT_FAILURE);
}

static void choose(void)
{
    const char *text = getenv("SLUICE_FAILPOINTS");
    size_t len;

    chosen.read = true;
    if (text == NULL)
        return;
    len = strcspn(text, ":");
    chosen.point = point_of(text, len);
    chosen.left = text[len] == ':' ? strtoul(text + len + 1, NULL, 10) : 1;
}

bool failpoint_due(enum failpoint p)
{
    if (!chosen.read)
        choose();
    return p == chosen.point && chosen.left > 0 && --chosen.left == 0;
}

void failpoint_hit(void)
{
    (void)raise(SIGKILL);
    abort(); /* it does not return */
}
