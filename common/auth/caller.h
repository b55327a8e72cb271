/*
 * caller.h - one that acts as a principal, and the question that every door asks.
 *
 *   struct conn_of_mine { struct caller caller; … };
 *   caller_begin ──▶ caller_may, caller_connect … ──▶ changed ──▶ caller_end
 *
 * Loop thread.
 */
#ifndef AUTH_CALLER_H
#define AUTH_CALLER_H

#include "principal.h"

/* One that acts as a principal, embedded in it.  Zero-initialised: nobody, who may
 * nothing. */
struct caller {
    struct principal *principal;
    struct slice client; /* MQTT's client id, for %c; borrowed from the owner */
    /* The principal's state or grants are others now: look again at what is under way.
     * May end this caller and any other.  NULL: it asks whenever it does something. */
    void (*changed)(struct caller *c);
    struct caller *next, **link;
    bool connected; /* counted in the account */
};

/* Takes the reference; ends what the caller was before.  Its changed and client stay, and
 * so does its place among the account's connections if the name is the same. */
void caller_begin(struct caller *c, struct principal *p);
/* The same as another one, whose `changed` and `client` it does not take. */
void caller_copy(struct caller *to, const struct caller *from);
void caller_end(struct caller *c); /* nobody from now on; may be called again */

/* The name with its kind, for logs and sessions; "" for nobody. */
struct slice caller_name(const struct caller *c);
bool caller_is_anonymous(const struct caller *c);
/* A principal that has run out or was revoked may nothing more. */
bool caller_stands(const struct caller *c);

/* May it?  A filter must be wholly inside one grant.  The one place that every door asks. */
bool caller_may(const struct caller *c, enum auth_verb verb, struct slice filter);

/* What is counted by the principal's name, in this process; see account.h.  A connection is
 * counted until caller_end, once a caller. */
bool caller_connect(struct caller *c);

#endif
