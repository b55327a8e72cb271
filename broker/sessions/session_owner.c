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

/* A certificate's was its whole subject: "CN=device-7,O=Example". */
static bool owner_subject_is(struct slice subject, struct slice principal)
{
    struct slice rest = subject, cert = SLICE("cert:");

    while (rest.len > 0) {
        const char *comma = memchr(rest.p, ',', rest.len);
        struct slice one = {rest.p, comma != NULL ? (size_t)(comma - rest.p) : rest.len};

        if (slice_starts(one, SLICE("CN=")) &&
            owner_is(principal, cert, (struct slice){one.p + 3, one.len - 3}))
            return true;
        rest = comma != NULL ? (struct slice){comma + 1, rest.len - one.len - 1}
                             : (struct slice){NULL, 0};
    }
    return false;
}

static bool owner_bare_admits(const struct session_owners *o, struct slice name,
                              struct slice principal)
{
    return owner_is(principal, SLICE("user:"), name) || owner_is(principal, SLICE("cert:"), name) ||
           owner_subject_is(name, principal) || (!o->auth && principal.len == 0);
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
