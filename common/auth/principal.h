/*
 * principal.h - who somebody is, and everybody who acts as them.
 *
 *   authority_ask ──▶ struct principal (counted) ──▶ caller_begin: a connection, a stream,
 *                                                    a session acts as it
 *                         │ runs out, is revoked, or may do less or more from now on
 *                         └──▶ changed() of each of its callers
 *
 * A principal is one credential that was believed: two tokens of one subject are two, with
 * grants and an end of their own, but one name, and one account for what is counted by name.
 * Loop thread, all of it.
 */
#ifndef AUTH_PRINCIPAL_H
#define AUTH_PRINCIPAL_H

#include <uthash.h>

#include "account.h"
#include "fingerprint.h"
#include "grants.h"

enum principal_kind {
    PRINCIPAL_ANONYMOUS,
    PRINCIPAL_USER,  /* a name and a password */
    PRINCIPAL_TOKEN, /* a JWT's subject */
    PRINCIPAL_CERT,  /* a client certificate's common name */
    PRINCIPAL_KEY,   /* a ZeroMQ CURVE key's name */
};
#define PRINCIPAL_KINDS 5

enum principal_state { PRINCIPAL_STANDS, PRINCIPAL_EXPIRED, PRINCIPAL_REVOKED };

struct caller;
struct authority;

/* Read by everybody, written by the authority alone. */
struct principal {
    char *name; /* "user:alice", "anonymous" */
    enum principal_kind kind;
    enum principal_state state;
    uint64_t expires_ms; /* UTC; 0: never */
    struct grants grants;
    struct account *account;     /* NULL: not counted (strangers) */
    struct authority *authority; /* NULL: of none, never freed */

    uint32_t references;
    struct caller *callers;
    struct caller *next_caller; /* of a walk under way */
    struct findings *findings;  /* what its source knew of it; NULL: nothing */
    uint8_t credential[CREDENTIAL_HASH];
    uint64_t forget_ms; /* UTC; who shows the credential from then on is asked anew; 0: never */
    bool found;         /* by who shows the credential */
    UT_hash_handle hh;
    struct principal *older, *newer; /* of those found that nobody acts as */
    struct principal *next, **link;  /* of all */
};

/* May do everything: who comes when no authentication is configured.  A reference. */
struct principal *principal_everybody(void);

/* The name without its kind; empty for anonymous. */
struct slice principal_own_name(const struct principal *p);

/* Whoever showed the credential may show it again and go on as the principal, without a
 * question: it stands, and is remembered.  Where the HTTP callback allows no remembering this
 * is false from the beginning. */
bool principal_is_believed(const struct principal *p);

void principal_ref(struct principal *p);
void principal_unref(struct principal *p); /* NULL is fine */

#endif
