/*
 * authority.h - who is believed, in one process: [auth] and [role "…"] of the configuration.
 *
 *   door: credentials ──▶ authority_ask ─┬─▶ at once: cached, or decided without waiting
 *                                        └─▶ later: a password is hashed, keys are fetched,
 *                                            somebody else is asked
 *                            ──▶ a principal, or why not
 *
 * With no [auth] at all everybody may do everything; where that may listen is gateway.h's.
 * What was shown and is wrong is refused, never taken for a stranger.  Loop thread; what
 * takes time runs on libuv's pool.
 */
#ifndef AUTH_AUTHORITY_H
#define AUTH_AUTHORITY_H

#include <uv.h>

#include "caller.h"
#include "config.h"

struct authority;

/* NULL: logged, with the file and line.  Files are read, keys are being fetched. */
struct authority *authority_open(uv_loop_t *loop, const struct config *c) MUST_CHECK;
/* The configuration and its files anew (SIGHUP).  False: logged, and everything stays as it
 * was.  Else whoever may not be there any more has been told (caller.changed) on return. */
bool authority_reload(struct authority *a, const struct config *fresh);
/* No ask is answered any more; the loop has to run until it is empty.  Freed when both
 * that and the last principal is done with.  NULL is fine. */
void authority_close(struct authority *a);
/* Nobody has to say who they are: no [auth], or it has a role for strangers. */
bool authority_admits_strangers(const struct authority *a);

enum auth_outcome {
    AUTH_KNOWN,       /* the answer has a principal */
    AUTH_MISSING,     /* nothing was shown, and strangers may not come */
    AUTH_WRONG,       /* not believed: which of name, password, signature is not said */
    AUTH_EXPIRED,     /* a token that has run out */
    AUTH_NOT_YET,     /* or whose time has not come */
    AUTH_BUSY,        /* too many failures, or too many at once: again after retry_ms */
    AUTH_UNAVAILABLE, /* whoever would know cannot be asked */
};

enum credentials_kind {
    CREDENTIALS_NONE,
    CREDENTIALS_TOKEN,    /* Bearer, access_token, a cookie, MQTT's AUTH */
    CREDENTIALS_PASSWORD, /* a JWT in the password's place is taken for a token */
    CREDENTIALS_KEY,      /* CURVE */
};

/* All borrowed for the call. */
struct credentials {
    enum credentials_kind kind;
    struct slice token;
    struct slice user, password;
    struct slice key;         /* 32 bytes */
    struct slice certificate; /* common name of a verified one; counts when nothing else is shown */
    struct slice client;      /* MQTT's client id */
    struct slice address;     /* where from, without a port; empty: not from the network */
    const char *door;         /* "sse" */
};

struct auth_answer {
    enum auth_outcome outcome;
    struct principal *principal; /* AUTH_KNOWN: a reference; the asker's, for caller_begin */
    uint64_t retry_ms;           /* AUTH_BUSY */
    /* More than the outcome says, for who runs the broker and for who was refused: constant,
     * never what was shown.  NULL: there is no more to say. */
    const char *why;
};

struct auth_ask;
typedef void (*auth_done)(void *arg, const struct auth_answer *answer);
/* a NULL: everybody may do everything, as with no [auth].
 * NULL: *now is the answer.  Else done runs later, never from within this call, unless the
 * ask is cancelled before. */
struct auth_ask *authority_ask(struct authority *a, const struct credentials *c,
                               struct auth_answer *now, auth_done done, void *arg) MUST_CHECK;
void authority_forget(struct auth_ask *q); /* done does not run */

/* For a person, no full stop: never what was shown. */
const char *auth_outcome_text(enum auth_outcome o);
/* For a log: why an answer is not AUTH_KNOWN, as exactly as it is known. */
const char *auth_answer_reason(const struct auth_answer *a);

#endif
