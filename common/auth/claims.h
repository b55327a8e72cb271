/*
 * claims.h - what a verified token says, and whether that is for us and now.
 *
 *   sub  who: a name, required          jti  its own name, for the deny list
 *   exp  not from then on               iss  who made it   (when the rules name one)
 *   nbf  not before                     aud  for whom      (when the rules name some)
 *   iat  made then: not in the future
 *   {"sluice":{"publish":[…],"subscribe":[…],"manage":[…],"roles":[…]}}
 *
 * A token without exp never ends by itself.  Anything else is not looked at.  Pure.
 */
#ifndef AUTH_CLAIMS_H
#define AUTH_CLAIMS_H

#include "findings.h"

struct claims_rules {
    const char *issuer;   /* "": any */
    const char *audience; /* a list (config.h): one of them; "": any */
    uint64_t leeway_ms;
    uint64_t grants_max; /* filters, and roles too */
};

enum claims_verdict { CLAIMS_GOOD, CLAIMS_WRONG, CLAIMS_EXPIRED, CLAIMS_NOT_YET };
/* now_ms: UTC.  CLAIMS_GOOD: *f has all but its mark, and is the caller's to free.  Else
 * nothing is in it, and *why, which is constant, says more. */
enum claims_verdict claims_read(struct slice payload, const struct claims_rules *r, uint64_t now_ms,
                                struct findings *f, const char **why) MUST_CHECK;
/* By other rules: is it still from the right one, and for us? */
bool claims_stand(const struct findings *f, const struct claims_rules *r);

#endif
