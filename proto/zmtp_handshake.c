/*
 * zmtp_handshake.c - see zmtp_handshake.h.
 */
#include "zmtp_handshake.h"

#include "mem.h"
#include "zmtp.h"

#define IDENTITY_MAX 255

const char *zmtp_mechanism_name(enum zmtp_mechanism m)
{
    static const char *const names[] = {
        [ZMTP_NULL] = "NULL", [ZMTP_PLAIN] = "PLAIN", [ZMTP_CURVE] = "CURVE"};

    return names[m];
}

/* And what we are to each: a peer looks whether it may talk to that. */
static const struct {
    const char *name, *ours;
} types[ZMTP_TYPES] = {
    [ZMTP_DEALER] = {"DEALER", "ROUTER"}, [ZMTP_REQ] = {"REQ", "ROUTER"},
    [ZMTP_SUB] = {"SUB", "XPUB"},         [ZMTP_XSUB] = {"XSUB", "XPUB"},
    [ZMTP_PUSH] = {"PUSH", "PULL"},       [ZMTP_PUB] = {"PUB", "XSUB"},
};

const char *zmtp_type_name(enum zmtp_type t)
{
    return types[t].name;
}

static bool type_get(struct slice name, enum zmtp_type *out)
{
    for (enum zmtp_type t = 0; t < ZMTP_TYPES; t++) {
        if (!slice_eq(name, slice_of(types[t].name)))
            continue;
        *out = t;
        return true;
    }
    return false;
}

/* Property names are told apart without case (RFC 23, 3); the first one counts.  NULL, or
 * what is wrong. */
static const char *metadata_get(struct slice metadata, enum zmtp_type *type)
{
    struct slice name, value;
    bool known = false, named = false;
    int more;

    while ((more = zmtp_property_next(&metadata, &name, &value)) > 0) {
        if (slice_eq_nocase(name, SLICE("Socket-Type")) && !named) {
            named = true;
            known = type_get(value, type);
        }
        if (slice_eq_nocase(name, SLICE("Identity")) && value.len > IDENTITY_MAX)
            return "The identity is longer than 255 bytes";
    }
    if (more < 0)
        return "The metadata is malformed";
    if (!named)
        return "The metadata names no Socket-Type";
    return known ? NULL
                 : "This socket type is not served here: use DEALER, REQ, SUB, XSUB, PUSH or PUB";
}

static void ready_put(struct zmtp_handshake *h, struct buf *out)
{
    struct buf metadata = {0};

    zmtp_property_put(&metadata, "Socket-Type", slice_of(types[h->type].ours));
    if (h->curve != NULL)
        zmtp_curve_ready(h->curve, buf_slice(&metadata), out);
    else
        zmtp_command_put(out, "READY", buf_slice(&metadata));
    buf_free(&metadata);
}

/* NULL when it is over. */
static const char *finish(struct zmtp_handshake *h, struct slice metadata, struct buf *out)
{
    const char *why = metadata_get(metadata, &h->type);

    if (why == NULL)
        ready_put(h, out);
    return why;
}

/* --- the commands, each NULL or what is wrong --------------------------------------- */

static const char *plain_hello(struct zmtp_handshake *h, struct slice data, struct buf *out)
{
    const struct zmtp_server *s = h->server;
    struct reader r = reader_of(data.p, data.len);
    struct slice user = reader_bytes(&r, reader_u8(&r));
    struct slice password = reader_bytes(&r, reader_u8(&r));

    if (!reader_done(&r))
        return "HELLO is malformed";
    if (s->password == NULL || !s->password(s->arg, user, password))
        return "The name or the password is wrong";
    zmtp_command_put(out, "WELCOME", SLICE(""));
    return NULL;
}

static const char *hello(struct zmtp_handshake *h, struct slice data, struct buf *out)
{
    if (h->curve == NULL)
        return plain_hello(h, data, out);
    return zmtp_curve_hello(h->curve, data, out) ? NULL : "HELLO is malformed, or for another key";
}

static const char *initiate(struct zmtp_handshake *h, struct slice data, struct buf *out)
{
    const struct zmtp_server *s = h->server;
    uint8_t client[ZMTP_KEY];
    struct slice metadata = data;
    struct buf plain = {0};
    const char *why;

    if (h->curve == NULL)
        return finish(h, data, out);
    if (!zmtp_curve_initiate(h->curve, data, &plain, client, &metadata))
        why = "INITIATE is malformed, or forged";
    else if (s->client != NULL && !s->client(s->arg, client))
        why = "This client's key is not permitted";
    else
        why = finish(h, metadata, out);
    buf_free(&plain);
    return why;
}

enum zmtp_verdict zmtp_handshake_take(struct zmtp_handshake *h, struct slice body, struct buf *out,
                                      const char **why)
{
    bool null = h->server->mechanism == ZMTP_NULL, over = false;
    struct zmtp_command c;

    if (!zmtp_command_get(&c, body)) {
        *why = "A command is malformed";
    } else if (null && slice_eq(c.name, SLICE("READY"))) {
        *why = finish(h, c.data, out);
        over = true;
    } else if (!null && !h->greeted && slice_eq(c.name, SLICE("HELLO"))) {
        *why = hello(h, c.data, out);
        h->greeted = true;
    } else if (!null && h->greeted && slice_eq(c.name, SLICE("INITIATE"))) {
        *why = initiate(h, c.data, out);
        over = true;
    } else {
        *why = slice_eq(c.name, SLICE("ERROR")) ? "The peer said ERROR"
                                                : "A command has no place in the handshake here";
    }
    if (*why == NULL)
        return over ? ZMTP_DONE : ZMTP_GO_ON;
    zmtp_error_put(out, *why);
    return ZMTP_REFUSED;
}
