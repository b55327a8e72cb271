/*
 * findings.c - made and freed.
 */
#include "findings.h"

#include <stdlib.h>

#include "mem.h"

bool findings_name_ok(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return false;
    return len > 0 && len <= FINDINGS_NAME;
}

void findings_free(struct findings *f)
{
    free(f->name);
    free(f->jti);
    buf_free(&f->roles);
    buf_free(&f->grants);
    buf_free(&f->parties);
    *f = (struct findings){0};
}

void findings_role(struct findings *f, struct slice role)
{
    buf_str16(&f->roles, role);
}

void findings_grant(struct findings *f, enum auth_verb verb, struct slice filter)
{
    buf_u8(&f->grants, (uint8_t)verb);
    buf_str16(&f->grants, filter);
}
