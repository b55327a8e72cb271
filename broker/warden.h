/*
 * warden.h - who may connect to `link` and `reads` over tcp: gateways with a key of CURVE that
 * is listed ([broker] gateway_keys).
 *
 *   ZeroMQ: a handshake shows its key ──ZAP──▶ warden ──▶ 200, or 400
 *   SIGHUP: the list anew; ZeroMQ cuts nobody off, so whoever is listed no more is asked about
 *           at each hello and each read (warden_admits), and gets nothing
 *
 * ZAP (RFC 27) is a socket of this process that ZeroMQ asks.  Loop thread.
 */
#ifndef BROKER_WARDEN_H
#define BROKER_WARDEN_H

#include "config.h"
#include "zsock.h"

struct warden;

/* Nothing is listened on before this.  *w NULL and true: no key_file, tcp is for loopback
 * alone.  False: logged. */
bool warden_open(struct warden **w, uv_loop_t *loop, const struct config *c) MUST_CHECK;
void warden_close(struct warden *w, void (*closed)(void *arg), void *arg); /* NULL: at once */
void warden_free(struct warden *w);
/* The list again.  False: logged, and it stays what it was. */
bool warden_reload(struct warden *w, const struct config *c);

/* What z is bound to from now on is for those with a key. */
void warden_guard(struct warden *w, struct zsock *z);
/* key: zmsg_key of what a gateway says; NULL: it came by ipc or loopback, and may. */
bool warden_admits(const struct warden *w, const char *key);

#endif
