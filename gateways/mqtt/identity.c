/*
 * identity.c - see identity.h.
 *
 * Happy path: what CONNECT shows becomes credentials, the authority knows them, and the
 * client's caller acts as that principal until the client goes.  When the principal ends, or
 * its grants become fewer, identity_on_changed ends the client.
 *
 * How it fails: an answer that is no principal is a reason, for CONNACK or DISCONNECT.
 * Packets that wait for an answer are kept up to [limits] publish_queue, in all; then 0x97.
 */
#include "identity.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "authority.h"
#include "mem.h"
#include "session_state.h"
#include "will.h"

static const struct slice identity_method = {"jwt", 3};

struct identity {
    struct client *client;
    struct auth_ask *ask;
    bool known_only;   /* a stranger is not who was asked for */
    struct buf packet; /* CONNECT; empty: AUTH */
    identity_cb cb;
};

/* --- what is asked is over -------------------------------------------------------------- */

static void identity_free(struct identity *i)
{
    i->client->mqtt->asking -= i->packet.len;
    if (i->packet.p != NULL)
        explicit_bzero(i->packet.p, i->packet.cap);
    buf_free(&i->packet);
    free(i);
}

void identity_leave(struct client *c)
{
    struct identity *i = c->identity;

    if (i == NULL)
        return;
    c->identity = NULL;
    authority_forget(i->ask);
    identity_free(i);
}

/* --- who it is no longer ------------------------------------------------------------------ */

static bool identity_covers_subs(const struct client *c)
{
    const struct sub *sub;

    if (c->session == NULL)
        return true;
    DL_FOREACH (c->session->subs, sub)
        if (!caller_may(&c->caller, AUTH_SUBSCRIBE, sub_topic_filter(sub)))
            return false;
    return true;
}

static const char *identity_end_text(const struct client *c)
{
    const struct principal *p = c->caller.principal;

    return p != NULL && p->state == PRINCIPAL_EXPIRED ? "what was shown has expired"
                                                      : "what was shown is no longer valid";
}

void identity_look(struct client *c)
{
    if (!caller_stands(&c->caller))
        client_end(c, MQTT_NOT_AUTHORIZED, identity_end_text(c));
    else if (!identity_covers_subs(c))
        client_end(c, MQTT_NOT_AUTHORIZED, "a subscription is no longer permitted");
    else
        will_look(c);
}

/* Before it is up, connect.c looks when it is to be let in. */
static void identity_on_changed(struct caller *caller)
{
    struct client *c = CONTAINER_OF(caller, struct client, caller);

    if (c->state != CLIENT_UP)
        return;
    identity_look(c);
    gateway_wake(c->mqtt->gateway); /* the turn ends it */
}

static void identity_take(struct client *c, struct principal *p)
{
    c->caller.client = client_id(c);
    c->caller.changed = identity_on_changed;
    caller_begin(&c->caller, p);
}

/* --- CONNECT -------------------------------------------------------------------------------- */

static enum mqtt_reason identity_reason_of(enum auth_outcome o)
{
    switch (o) {
    case AUTH_KNOWN:
        return MQTT_OK;
    case AUTH_MISSING:
        return MQTT_NOT_AUTHORIZED;
    case AUTH_BUSY:
        return MQTT_QUOTA;
    case AUTH_UNAVAILABLE:
        return MQTT_UNAVAILABLE;
    default:
        return MQTT_BAD_CREDENTIALS;
    }
}

/* Who names a user without a word more is not let in as a stranger. */
static bool identity_is_stranger(const struct client *c, const struct principal *p)
{
    return p->kind == PRINCIPAL_ANONYMOUS && config_auth(c->mqtt->gateway->config);
}

static struct identity_answer identity_settle(struct client *c, const struct auth_answer *a,
                                              bool known_only)
{
    struct identity_answer wrong = {MQTT_BAD_CREDENTIALS, auth_outcome_text(AUTH_WRONG)};

    if (a->outcome != AUTH_KNOWN)
        return known_only && a->outcome == AUTH_MISSING
                   ? wrong
                   : (struct identity_answer){identity_reason_of(a->outcome),
                                              auth_answer_reason(a)};
    if (known_only && identity_is_stranger(c, a->principal)) {
        principal_unref(a->principal);
        return wrong;
    }
    identity_take(c, a->principal);
    return (struct identity_answer){MQTT_OK, NULL};
}

static void identity_on_answer(void *arg, const struct auth_answer *a)
{
    struct identity *i = arg;
    struct client *c = i->client;
    struct identity_answer answer;

    c->identity = NULL;
    answer = identity_settle(c, a, i->known_only);
    i->cb(c, &answer, buf_slice(&i->packet));
    identity_free(i);
}

static void identity_read_connect(const struct client *c, const struct mqtt_connect *m,
                                  struct credentials *shown)
{
    if (c->by_auth) {
        shown->kind = CREDENTIALS_TOKEN;
        shown->token = mqtt_prop_text(&m->props, MQTT_PROP_AUTH_DATA);
    } else if (m->password.p != NULL) {
        shown->kind = CREDENTIALS_PASSWORD;
        shown->user = m->user;
        shown->password = m->password;
    }
}

static struct credentials identity_credentials(const struct client *c, char address[])
{
    return (struct credentials){.certificate = conn_peer_subject(c->transport.conn),
                                .client = client_id(c),
                                .address = conn_peer_address(c->transport.conn, address),
                                .door = "mqtt"};
}

/* The head of its WebSocket has shown something, and CONNECT nothing. */
static bool identity_is_the_heads(const struct client *c, const struct credentials *shown,
                                  const struct mqtt_connect *m)
{
    return shown->kind == CREDENTIALS_NONE && m->user.len == 0 && c->caller.principal != NULL;
}

static struct identity_answer identity_of_head(struct client *c)
{
    struct principal *p = c->caller.principal;

    if (!caller_stands(&c->caller))
        return (struct identity_answer){MQTT_BAD_CREDENTIALS, identity_end_text(c)};
    principal_ref(p);
    identity_take(c, p);
    return (struct identity_answer){MQTT_OK, NULL};
}

static bool identity_has_room(const struct client *c, struct slice packet)
{
    const struct mqttd *m = c->mqtt;

    return m->asking == 0 || m->asking + packet.len <= m->transports.held_max;
}

bool identity_ask(struct client *c, const struct mqtt_connect *m, struct slice packet,
                  struct identity_answer *now, identity_cb cb)
{
    char address[CONN_ADDRESS_MAX];
    struct credentials shown = identity_credentials(c, address);
    struct identity *i = mem_zalloc(sizeof *i);
    struct auth_answer answer;

    identity_read_connect(c, m, &shown);
    *i = (struct identity){.client = c, .cb = cb};
    i->known_only = shown.kind == CREDENTIALS_NONE && m->user.len > 0;
    if (identity_is_the_heads(c, &shown, m)) {
        *now = identity_of_head(c);
        free(i);
        return true;
    }
    i->ask = authority_ask(c->mqtt->gateway->authority, &shown, &answer, identity_on_answer, i);
    if (i->ask != NULL && identity_has_room(c, packet)) {
        buf_put_slice(&i->packet, packet);
        c->mqtt->asking += packet.len;
        c->identity = i;
        return false;
    }
    if (i->ask != NULL)
        authority_forget(i->ask);
    *now = i->ask == NULL ? identity_settle(c, &answer, i->known_only)
                          : (struct identity_answer){MQTT_QUOTA, auth_outcome_text(AUTH_BUSY)};
    free(i);
    return true;
}

/* --- AUTH ------------------------------------------------------------------------------------- */

static void identity_say_renewed(struct client *c)
{
    struct buf *packet = &c->mqtt->packet, *props = &c->mqtt->props;

    buf_clear(packet);
    buf_clear(props);
    mqtt_prop_put_text(props, MQTT_PROP_AUTH_METHOD, identity_method);
    mqtt_auth_put(packet, MQTT_OK, buf_slice(props));
    client_write(c, buf_slice(packet));
}

/* DISCONNECT has no word for credentials that are wrong, nor for whoever cannot be asked. */
static enum mqtt_reason identity_end_reason(enum auth_outcome o)
{
    if (o == AUTH_UNAVAILABLE)
        return MQTT_BUSY;
    return o == AUTH_BUSY ? MQTT_QUOTA : MQTT_NOT_AUTHORIZED;
}

static void identity_refuse_renewal(struct client *c, enum mqtt_reason reason, const char *why)
{
    client_audit(c, NULL, (struct slice){0}, why);
    client_end(c, reason, why);
}

static void identity_renewed(struct client *c, const struct auth_answer *a)
{
    if (a->outcome != AUTH_KNOWN) {
        identity_refuse_renewal(c, identity_end_reason(a->outcome), auth_answer_reason(a));
    } else if (!slice_eq(slice_of(a->principal->name), caller_name(&c->caller))) {
        principal_unref(a->principal);
        identity_refuse_renewal(c, MQTT_NOT_AUTHORIZED, "the token is another's");
    } else {
        identity_take(c, a->principal);
        identity_say_renewed(c);
        identity_look(c);
    }
}

static void identity_on_renewed(void *arg, const struct auth_answer *a)
{
    struct identity *i = arg;
    struct client *c = i->client;

    c->identity = NULL;
    identity_free(i);
    identity_renewed(c, a);
    client_unblock(c);
    gateway_wake(c->mqtt->gateway);
}

static enum mqtt_reason identity_check_auth(const struct client *c, const struct mqtt_reasoned *m)
{
    if (!c->by_auth || m->reason != MQTT_REAUTHENTICATE)
        return MQTT_PROTOCOL_ERROR;
    if (!slice_eq(mqtt_prop_text(&m->props, MQTT_PROP_AUTH_METHOD), identity_method))
        return MQTT_BAD_AUTH_METHOD;
    return MQTT_OK;
}

enum mqtt_reason identity_renew(struct client *c, const struct mqtt_reasoned *m)
{
    enum mqtt_reason reason = identity_check_auth(c, m);
    char address[CONN_ADDRESS_MAX];
    struct credentials shown = identity_credentials(c, address);
    struct auth_answer answer;
    struct identity *i;

    if (reason != MQTT_OK)
        return reason;
    shown.kind = CREDENTIALS_TOKEN;
    shown.token = mqtt_prop_text(&m->props, MQTT_PROP_AUTH_DATA);
    i = mem_zalloc(sizeof *i);
    i->client = c;
    i->ask = authority_ask(c->mqtt->gateway->authority, &shown, &answer, identity_on_renewed, i);
    if (i->ask != NULL) {
        c->identity = i;
        return MQTT_OK;
    }
    free(i);
    identity_renewed(c, &answer);
    return MQTT_OK;
}
