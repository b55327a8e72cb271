/*
 * principal.c - who acts as whom, and what they may.
 */
#include "principal.h"

#include "authority_impl.h"
#include "clock.h"

struct principal *principal_everybody(void)
{
    static char name[] = "anonymous";
    static struct principal everybody = {.name = name, .grants = {.all = true}};

    everybody.references++;
    return &everybody;
}

struct slice principal_own_name(const struct principal *p)
{
    const char *colon = strchr(p->name, ':');

    return colon != NULL ? slice_of(colon + 1) : (struct slice){0};
}

bool principal_is_believed(const struct principal *p)
{
    uint64_t now;

    if (p->authority == NULL)
        return true;
    if (p->state != PRINCIPAL_STANDS || !p->found)
        return false;
    now = p->expires_ms != 0 || p->forget_ms != 0 ? clock_ms() : 0;
    return (p->expires_ms == 0 || p->expires_ms > now) && (p->forget_ms == 0 || p->forget_ms > now);
}

void principal_ref(struct principal *p)
{
    p->references++;
    if (p->references == 1 && p->authority != NULL)
        directory_on_used(p);
}

void principal_unref(struct principal *p)
{
    if (p == NULL)
        return;
    p->references--;
    if (p->references == 0 && p->authority != NULL)
        directory_on_unused(p);
}
