/*
 * session_owner.c - see session_owner.h.
 */
#include "session_owner.h"

static bool owner_is_cert(struct slice principal)
{
    return slice_starts(principal, SLICE("cert:"));
}

static bool owner_is(struct slice principal, struct slice kind, struct slice name)
{
    return principal.len == kind.len + name.len && slice_starts(principal, kind) &&
           memcmp(principal.p + kind.len, name.p, name.len) == 0;
}

static bool owner_bare_admits(const struct session_owners *o, struct slice name,
                              struct slice principal)
{
    return owner_is(principal, SLICE("user:"), name) || owner_is(principal, SLICE("cert:"), name) ||
           (!o->auth && principal.len == 0);
}

bool session_owner_admits(const struct session_owners *o, const struct session_head *head,
                          struct slice principal)
{
    struct slice owner = head->principal;

    if (head->bare)
        return owner_bare_admits(o, owner, principal);
    if (slice_eq(owner, principal))
        return true;
    if (!o->auth)
        return owner.len > 0 && !owner_is_cert(owner) && principal.len == 0;
    return owner.len == 0 && !o->strangers;
}
