/*
 * played_sources.h - users and tokens without files, hashes or signatures: what is shown says
 * what becomes of it.  The authority above them is the real one.  Included once.
 *
 *   password   "no" wrong, "later" answered by played_sources_answer, all else right
 *   token      ".", a letter that is the name, and what follows: 'n' wrong, 'l' after
 *              played_sources_keys (then what follows that); all else right
 *
 * Somebody may do everything below any topic; who is shrunk, below a/ alone.
 */
#ifndef TESTS_PLAYED_SOURCES_H
#define TESTS_PLAYED_SOURCES_H

#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "passwords.h"
#include "tokens.h"

struct passwords {
    int none;
};

struct tokens {
    int none;
};

struct password_ask {
    source_done done;
    void *arg;
    char *user;
    struct password_ask *next;
};

static struct played_sources {
    bool revoked[256], shrunk[256]; /* by the first letter of a name */
    struct password_ask *asks;
    void (*keys_changed)(void *arg);
    void *keys_arg;
    struct passwords passwords;
    struct tokens tokens;
} played_sources;

static inline unsigned char played_letter(const char *name)
{
    return (unsigned char)name[0];
}

static inline void played_grant(struct findings *f)
{
    struct slice all = SLICE("#"), some = SLICE("a/#");
    bool shrunk = played_sources.shrunk[played_letter(f->name)];

    buf_clear(&f->grants);
    findings_grant(f, AUTH_PUBLISH, shrunk ? some : all);
    findings_grant(f, AUTH_SUBSCRIBE, shrunk ? some : all);
}

static inline void played_known(struct findings *f, enum principal_kind kind, struct slice name)
{
    f->kind = kind;
    f->name = mem_strndup(name.p, name.len);
    played_grant(f);
}

static inline bool played_stands(struct findings *f)
{
    played_grant(f);
    return !played_sources.revoked[played_letter(f->name)];
}

/* --- users ------------------------------------------------------------------------------ */

struct passwords *passwords_open(uv_loop_t *loop, const struct config *c, const struct roles *roles)
{
    (void)loop;
    (void)c;
    (void)roles;
    return &played_sources.passwords;
}

void passwords_close(struct passwords *p)
{
    (void)p;
}

bool passwords_know(const struct passwords *p, struct slice user)
{
    (void)p;
    return user.len > 0;
}

static inline void played_user(struct source_answer *s, struct slice user)
{
    bool known = user.len > 0 && !played_sources.revoked[(unsigned char)user.p[0]];

    s->outcome = known ? AUTH_KNOWN : AUTH_WRONG;
    if (known)
        played_known(&s->found, PRINCIPAL_USER, user);
}

struct password_ask *passwords_ask(struct passwords *p, const struct credentials *c,
                                   struct source_answer *now, source_done done, void *arg)
{
    struct password_ask *q;

    (void)p;
    if (!slice_eq(c->password, SLICE("later"))) {
        now->outcome = AUTH_WRONG;
        if (!slice_eq(c->password, SLICE("no")))
            played_user(now, c->user);
        return NULL;
    }
    q = mem_zalloc(sizeof *q);
    *q = (struct password_ask){done, arg, mem_strndup(c->user.p, c->user.len), played_sources.asks};
    played_sources.asks = q;
    return q;
}

static inline void played_ask_free(struct password_ask *q)
{
    struct password_ask **at = &played_sources.asks;

    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    free(q->user);
    free(q);
}

void password_ask_cancel(struct password_ask *q)
{
    played_ask_free(q);
}

bool passwords_stand(const struct passwords *p, struct findings *f)
{
    (void)p;
    return played_stands(f);
}

/* The latest ask that waits; AUTH_KNOWN is whoever was asked for.  False: none does. */
static inline bool played_sources_answer(enum auth_outcome outcome)
{
    struct password_ask *q = played_sources.asks;
    struct source_answer s = {.outcome = outcome, .retry_ms = 1000};
    source_done done;
    void *arg;

    if (q == NULL)
        return false;
    if (outcome == AUTH_KNOWN)
        played_user(&s, slice_of(q->user));
    done = q->done;
    arg = q->arg;
    played_ask_free(q);
    done(arg, &s);
    return true;
}

/* --- tokens ------------------------------------------------------------------------------- */

struct tokens *tokens_open(uv_loop_t *loop, const struct config *c, const struct tokens *before,
                           void (*changed)(void *arg), void *arg)
{
    (void)loop;
    (void)c;
    (void)before;
    played_sources.keys_changed = changed;
    played_sources.keys_arg = arg;
    return &played_sources.tokens;
}

void tokens_close(struct tokens *t)
{
    (void)t;
}

bool tokens_configured(const struct config *c)
{
    return config_text(c, CFG_AUTH_JWKS)[0] != '\0';
}

bool token_looks(struct slice text)
{
    return text.len > 1 && text.p[0] == '.';
}

bool tokens_verify(struct tokens *t, struct slice token, bool last, struct source_answer *answer)
{
    char how = token.len > 2 ? token.p[2] : '\0';

    (void)t;
    if (how == 'l' && !last)
        return false;
    if (how == 'l')
        how = token.len > 3 ? token.p[3] : '\0';
    answer->outcome = AUTH_WRONG;
    if (how != 'n' && !played_sources.revoked[(unsigned char)token.p[1]]) {
        answer->outcome = AUTH_KNOWN;
        played_known(&answer->found, PRINCIPAL_TOKEN, (struct slice){token.p + 1, 1});
    }
    return true;
}

bool tokens_stand(const struct tokens *t, const struct findings *f)
{
    (void)t;
    return played_stands((struct findings *)(uintptr_t)f);
}

/* The keys that tokens wait for are there. */
static inline void played_sources_keys(void)
{
    if (played_sources.keys_changed != NULL)
        played_sources.keys_changed(played_sources.keys_arg);
}

#endif
