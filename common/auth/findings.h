/*
 * findings.h - what a source found out about who showed a credential.
 *
 * Sources fill it; the authority makes a principal of it, and goes back to the source with
 * it when the configuration was read anew.
 */
#ifndef AUTH_FINDINGS_H
#define AUTH_FINDINGS_H

#include "principal.h"

/* Zero-initialised is empty; all it points to is its own. */
struct findings {
    enum principal_kind kind;
    char *name;          /* without its kind */
    uint64_t expires_ms; /* UTC; 0: never */
    struct buf roles;    /* str16 each */
    struct buf grants;   /* u8 enum auth_verb and str16 filter each: beside the roles' */
    /* Whatever tells the source whether the credential still stands: a key's thumbprint,
     * a password's hash.  And a token's own name, empty when it has none. */
    uint8_t mark[CREDENTIAL_HASH];
    char *jti;
    struct buf parties; /* a token's issuer and audiences: str16 each */
    bool external;      /* the callback's: no file of ours knows it */
    uint64_t keep_ms;   /* external: is believed so long without asking again; 0: not at all */
};

#define FINDINGS_NAME 512 /* bytes of a name */
/* Not empty, not too long, no control characters: it stands in logs and in front of people. */
bool findings_name_ok(const char *name);
void findings_free(struct findings *f);
void findings_role(struct findings *f, struct slice role);
void findings_grant(struct findings *f, enum auth_verb verb, struct slice filter);

#endif
