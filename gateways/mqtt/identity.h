/*
 * identity.h - who a client is: what CONNECT shows, AUTH that shows it anew, and the end of
 * what was believed.
 *
 *   in CONNECT                                          believed is
 *   the method jwt, and its data                        the token
 *   a password, with or without a name                  both; a JWT in its place
 *   a name alone                                        a certificate, if [auth] takes those
 *   nothing                                             what the WebSocket's head showed, else
 *                                                       a certificate, else nobody
 *
 * With no [auth] none of it is looked at, but for a certificate.  To find out may take
 * time: nothing else of the client is read meanwhile, in CONNECT; in AUTH it goes on.
 * Loop thread.
 */
#ifndef MQTT_IDENTITY_H
#define MQTT_IDENTITY_H

#include "client.h"

struct identity_answer {
    enum mqtt_reason reason; /* MQTT_OK: the client's caller is who it is */
    const char *text;        /* for a person; static */
};
/* packet: the CONNECT, again; valid during the call. */
typedef void (*identity_cb)(struct client *c, const struct identity_answer *answer,
                            struct slice packet);

/* True: *now is the answer.  False: cb comes, later, unless identity_leave does; what was
 * shown, and the packet with it, is kept until then. */
MUST_CHECK bool identity_ask(struct client *c, const struct mqtt_connect *m, struct slice packet,
                             struct identity_answer *now, identity_cb cb);
/* AUTH.  What it leads to is said to the client: AUTH, or a DISCONNECT. */
MUST_CHECK enum mqtt_reason identity_renew(struct client *c, const struct mqtt_reasoned *m);
/* Something is being found out: an AUTH has to wait. */
static inline bool identity_is_asked(const struct client *c)
{
    return c->identity != NULL;
}
/* What the client is in the middle of may be no longer permitted: then it is ended.  For a
 * client that is up. */
void identity_look(struct client *c);
void identity_leave(struct client *c); /* the client goes; idempotent */

#endif
