/*
 * zauth.c - see zauth.h.
 *
 * PLAIN's password has 255 bytes at most, and a token may be longer: one that fills the name's
 * 255 bytes goes on in the password.
 */
#include "zauth.h"

#include "audit.h"
#include "curve.h"
#include "log.h"
#include "mem.h"
#include "reach.h"
#include "tokens.h"
#include "z85.h"

#define PLAIN_MAX 255

/* --- configuration ------------------------------------------------------------------ */

static bool clients_read(struct zmqd *d, const char *list)
{
    struct slice rest = slice_of(list), one;

    while (config_list_next(&rest, &one)) {
        d->keys = mem_resize(d->keys, d->key_count + 1, sizeof *d->keys);
        if (!z85_get(one, d->keys[d->key_count++])) {
            log_error("[zmq] curve_clients holds something that is no public key in Z85",
                      LOG_SLICE("key", one));
            return false;
        }
    }
    return true;
}

static bool curve_read(struct zmqd *d, const struct config *c)
{
    const char *file = config_text(c, CFG_ZMQ_CURVE_SECRET_KEY_FILE);

    if (*file == '\0') {
        log_error("[zmq] mechanism = curve needs curve_secret_key_file",
                  LOG_S("where", config_where(c, CFG_ZMQ_MECHANISM)));
        return false;
    }
    if (!curve_server_read(&d->curve, file)) {
        log_error("[zmq] curve_secret_key_file cannot be used",
                  LOG_S("where", config_where(c, CFG_ZMQ_CURVE_SECRET_KEY_FILE)));
        return false;
    }
    return clients_read(d, config_text(c, CFG_ZMQ_CURVE_CLIENTS));
}

static bool mechanisms_list(struct zmqd *d, const char *list, const char *where)
{
    static const struct slice names[ZMTP_MECHANISMS] = {
        [ZMTP_NULL] = {"null", 4}, [ZMTP_PLAIN] = {"plain", 5}, [ZMTP_CURVE] = {"curve", 5}};
    struct slice rest = slice_of(list), one;

    while (config_list_next(&rest, &one)) {
        enum zmtp_mechanism m = 0;

        while (m < ZMTP_MECHANISMS && !slice_eq_nocase(one, names[m]))
            m++;
        if (m == ZMTP_MECHANISMS) {
            log_error("[zmq] mechanism is a list of null, plain, curve",
                      LOG_SLICE("mechanism", one), LOG_S("where", where));
            return false;
        }
        d->served[m] = true;
    }
    return true;
}

/* What nobody has chosen. */
static void mechanisms_default(struct zmqd *d, const struct config *c)
{
    d->served[ZMTP_NULL] = true;
    d->served[ZMTP_CURVE] = *config_text(c, CFG_ZMQ_CURVE_SECRET_KEY_FILE) != '\0';
    d->served[ZMTP_PLAIN] = config_auth(c) && reach_is_loopback(config_address(c, CFG_ZMQ_LISTEN));
}

bool zauth_read(struct zmqd *d, const struct config *c)
{
    const char *list = config_text(c, CFG_ZMQ_MECHANISM);

    if (*list == '\0')
        mechanisms_default(d, c);
    else if (!mechanisms_list(d, list, config_where(c, CFG_ZMQ_MECHANISM)))
        return false;
    d->only_null = !d->served[ZMTP_PLAIN] && !d->served[ZMTP_CURVE];
    return !d->served[ZMTP_CURVE] || curve_read(d, c);
}

bool zauth_choose(const struct zmqd *d, struct slice theirs, enum zmtp_mechanism *greet_as)
{
    bool known = zmtp_mechanism_find(theirs, greet_as);

    if (known && d->served[*greet_as])
        return true;
    if (known && *greet_as == ZMTP_NULL)
        return false; /* it shows nothing, so it may hear why */
    *greet_as = d->served[ZMTP_CURVE] ? ZMTP_CURVE : d->served[ZMTP_PLAIN] ? ZMTP_PLAIN : ZMTP_NULL;
    return false;
}

/* --- what is shown ------------------------------------------------------------------ */

static bool key_is_listed(const struct zmqd *d, const uint8_t key[ZMTP_KEY])
{
    bool listed = d->key_count == 0;

    for (size_t i = 0; i < d->key_count; i++)
        listed |= curve_key_is(d->keys[i], key);
    return listed;
}

static void plain_show(struct credentials *c, const struct zmtp_handshake *h, struct buf *token)
{
    c->kind = CREDENTIALS_PASSWORD;
    c->user = h->user;
    c->password = h->password;
    if (h->user.len < PLAIN_MAX)
        return;
    buf_put_slice(token, h->user);
    buf_put_slice(token, h->password);
    if (!token_looks(buf_slice(token)))
        return;
    c->kind = CREDENTIALS_TOKEN;
    c->token = buf_slice(token);
}

static void token_forget(struct buf *token)
{
    if (token->p != NULL)
        explicit_bzero(token->p, token->cap);
    buf_free(token);
}

struct auth_ask *zauth_ask(struct zmqd *d, const struct conn *c, const struct zmtp_handshake *h,
                           struct auth_answer *now, auth_done done, void *arg)
{
    struct credentials shown = {.door = "zmq"};
    char address[CONN_ADDRESS_MAX];
    struct buf token = {0};
    struct auth_ask *ask;

    shown.address = conn_peer_address(c, address);
    if (h->mechanism == ZMTP_PLAIN) {
        plain_show(&shown, h, &token);
    } else if (h->mechanism == ZMTP_CURVE) {
        shown.kind = CREDENTIALS_KEY;
        shown.key = (struct slice){(const char *)h->key, ZMTP_KEY};
        if (!key_is_listed(d, h->key)) {
            *now = (struct auth_answer){.outcome = AUTH_WRONG};
            return NULL;
        }
    }
    ask = authority_ask(d->gateway->authority, &shown, now, done, arg);
    token_forget(&token);
    return ask;
}

const char *zauth_error(enum auth_outcome o)
{
    return o == AUTH_BUSY || o == AUTH_UNAVAILABLE ? NULL : "400";
}

void zauth_refused(const struct conn *c, const struct caller *who, const char *verb,
                   struct slice filter, const char *reason)
{
    char address[CONN_ADDRESS_MAX];
    const struct audit a = {.door = "zmq",
                            .principal = caller_name(who),
                            .address = conn_peer_address(c, address),
                            .verb = verb,
                            .filter = filter,
                            .reason = reason};

    audit_refused(&a);
}
