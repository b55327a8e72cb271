/*
 * keyring.h - the keys of [auth] jwks: out of a file, or fetched and fetched again.
 *
 *   https://…   fetched at the start, every jwks_refresh, and when a token names a key that is
 *               not there: for that once a minute at most.  After a failure again in 1 s, 2 s, …
 *               up to a minute; the last good keys stay, however old they are
 *   a file      read when the configuration is
 *
 * Loop thread.
 */
#ifndef AUTH_KEYRING_H
#define AUTH_KEYRING_H

#include <uv.h>

#include "config.h"
#include "jwks.h"

struct keyring;

/* before: of the configuration before this one, or NULL.  If it asks the same URL its keys
 * stand until others are there.  changed runs when a fetch is over, well or not, never from
 * inside a call; it may close the keyring.  NULL: logged. */
struct keyring *keyring_open(uv_loop_t *loop, const struct config *c, const struct keyring *before,
                             void (*changed)(void *arg), void *arg) MUST_CHECK;
void keyring_close(struct keyring *k); /* changed does not run any more; NULL is fine */

/* NULL: none have come yet. */
struct jwks *keyring_keys(const struct keyring *k);
/* A token names a key that is not there.  True: one may come, and `changed` will run. */
bool keyring_seek(struct keyring *k);
/* Whoever has the keys cannot be asked: the last fetch has failed, or none is over yet. */
bool keyring_failing(const struct keyring *k);

#endif
