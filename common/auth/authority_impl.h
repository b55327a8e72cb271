/*
 * authority_impl.h - what the files of the authority share; nobody else includes it.
 *
 *   authority.c    opened, read anew, closed
 *   ask.c          one question, from credentials to an answer
 *   directory.c    principals that stand, by their credential; accounts; the end of them
 */
#ifndef AUTHORITY_IMPL_H
#define AUTHORITY_IMPL_H

#include "callback.h"
#include "caller.h"
#include "keys.h"
#include "loglimit.h"
#include "passwords.h"
#include "roles.h"
#include "slowness.h"
#include "tokens.h"

/* What is read from files, and again at each reload: NULL where it is not configured. */
struct sources {
    struct tokens *tokens;
    struct passwords *passwords;
    struct keys *keys;
    struct callback *callback;
    struct roles *roles;
    struct buf certificate_roles; /* str16 each */
    struct buf stranger_roles;
    bool certificates, strangers;
};

struct authority {
    uv_loop_t *loop;
    bool open_to_all; /* nothing is configured */
    struct sources from;
    struct slowness *slowness;
    struct log_limit complaints; /* of what the callback says */
    struct account_limits limits;
    uint64_t unused_max; /* principals kept for the next one who shows the same */

    struct principal *principals; /* by credential */
    struct principal *all;        /* and those that are found no more */
    struct account *accounts;     /* by name */
    struct principal *oldest_unused, *newest_unused;
    uint64_t unused, living; /* principals: in that list; not freed */
    uv_timer_t timer;        /* the first end of one: */
    uint64_t due_ms;         /* UTC; 0: none ends */
    struct auth_ask *asks;   /* under way */
    bool closing, timer_closed;
};

/* --- directory.c ------------------------------------------------------------------ */

/* Stands, is cached: a reference.  NULL: there is none. */
struct principal *directory_find(struct authority *a, const uint8_t credential[CREDENTIAL_HASH]);
/* A new one, with a reference; takes *found. */
struct principal *directory_add(struct authority *a, const uint8_t credential[CREDENTIAL_HASH],
                                struct findings *found);
/* A file has that name: it is nobody else's to give. */
bool directory_name_is_taken(const struct authority *a, const struct findings *f);
/* Each one is asked whether it still stands, and told if it is not what it was. */
void directory_review(struct authority *a);
/* Nobody finds them any more; who acts as one is told. */
void directory_clear(struct authority *a);
void directory_on_used(struct principal *p);
void directory_on_unused(struct principal *p);
/* Frees the authority once it is closed and nothing of it is left. */
void authority_maybe_free(struct authority *a);

/* --- ask.c --------------------------------------------------------------------------- */

/* authority.h's, which end here. */
struct auth_ask *ask_begin(struct authority *a, const struct credentials *c,
                           struct auth_answer *now, auth_done done, void *arg) MUST_CHECK;
void ask_cancel(struct auth_ask *q);

void ask_on_keys(void *authority);     /* tokens.h's changed */
void ask_stop(struct authority *a);    /* whoever was asked is not waited for any more */
void ask_restart(struct authority *a); /* all begin anew, with other sources */
void ask_end(struct authority *a);     /* all are forgotten */

#endif
