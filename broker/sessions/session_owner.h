/*
 * session_owner.h - whose a session is, and who may have it.  Pure.
 *
 * A session is its principal's: "user:alice", or nobody's.  Beyond that
 *
 *   there is                       then
 *   no [auth]                      only a certificate keeps a session to itself: all others
 *                                  are anybody's, for nobody can show who they are
 *   [auth] without strangers       what was nobody's is anybody's who is known: whose it
 *                                  was cannot come any more
 *   a name without a kind          it was stored before names were verified: it is that
 *                                  user's, or that certificate's, whoever comes first
 *
 * Whoever is let in has it to themselves from then on.
 */
#ifndef SESSIONS_SESSION_OWNER_H
#define SESSIONS_SESSION_OWNER_H

#include "session_rows.h"

struct session_owners {
    bool auth;      /* [auth] is configured */
    bool strangers; /* who shows nothing may come */
};

bool session_owner_admits(const struct session_owners *o, const struct session_head *head,
                          struct slice principal) MUST_CHECK;

#endif
