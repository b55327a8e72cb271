/*
 * token_look.h - the keys of tokens, and a token, as a gateway would judge them.  Blocks,
 * while keys are fetched.
 */
#ifndef CLI_TOKEN_LOOK_H
#define CLI_TOKEN_LOOK_H

#include "config.h"
#include "tokens.h"

enum token_keys { TOKEN_KEYS_GOOD, TOKEN_KEYS_BAD, TOKEN_KEYS_AWAY };
/* BAD: logged. */
enum token_keys token_look_keys(const struct config *c);
/* *answer is zero.  False: there are no keys to judge it by. */
bool token_look(const struct config *c, struct slice token, struct source_answer *answer);

#endif
