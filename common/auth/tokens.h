/*
 * tokens.h - the source of tokens: keys, rules, and the deny list.
 *
 * Keys are a JWKS (RFC 7517), out of a file or fetched over https and again when a token
 * names a key that is not among them, at most once a minute; or one secret (HS256).  The last
 * good ones stay when fetching fails.  Loop thread.
 */
#ifndef AUTH_TOKENS_H
#define AUTH_TOKENS_H

#include "source_answer.h"

struct tokens;

/* Of [auth] jwks, hmac_key_file, issuer, audience, leeway, revoked.  NULL: logged.  before: of
 * the configuration before this one, or NULL; keys of the same URL stand until others have
 * come.  changed runs when a fetch is over, well or not; it may close the tokens. */
struct tokens *tokens_open(uv_loop_t *loop, const struct config *c, const struct tokens *before,
                           void (*changed)(void *arg), void *arg) MUST_CHECK;
void tokens_close(struct tokens *t); /* changed does not run any more; NULL is fine */
/* There are keys, or will be: a JWT means something here. */
bool tokens_configured(const struct config *c);
/* Has the form of a JWT; says nothing of its worth. */
bool token_looks(struct slice text);

/* Into *answer, which is zero.  False: another key may come (a fetch is under way, whose
 * end is `changed`); ask again then with `last` set, when it is AUTH_WRONG or
 * AUTH_UNAVAILABLE instead. */
bool tokens_verify(struct tokens *t, struct slice token, bool last, struct source_answer *answer);
/* After another tokens_open or `changed`: is the key still there, or none has come yet?  And the
 * token is not denied, from the right issuer, for us? */
bool tokens_stand(const struct tokens *t, const struct findings *f);

#endif
