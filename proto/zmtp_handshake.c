/*
 * zmtp_handshake.c - see zmtp_handshake.h.
 */
#include "zmtp_handshake.h"

#include <assert.h>

#include "zmtp.h"

#define IDENTITY_MAX 255

static const char *const mechanisms[ZMTP_MECHANISMS] = {
    [ZMTP_NULL] = "NULL", [ZMTP_PLAIN] = "PLAIN", [ZMTP_CURVE] = "CURVE"};

const char *zmtp_mechanism_name(enum zmtp_mechanism m)
{
    return mechanisms[m];
}

bool zmtp_mechanism_find(struct slice name, enum zmtp_mechanism *out)
{
    for (enum zmtp_mechanism m = 0; m < ZMTP_MECHANISMS; m++) {
        if (!slice_eq(name, slice_of(mechanisms[m])))
            continue;
        *out = m;
        return true;
    }
    return false;
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
    if (h->mechanism == ZMTP_CURVE)
        zmtp_curve_ready(h->curve, buf_slice(&metadata), out);
    else
        zmtp_command_put(out, "READY", buf_slice(&metadata));
    buf_free(&metadata);
}

/* --- the commands, each NULL or what is wrong --------------------------------------- */

static const char *plain_hello(struct zmtp_handshake *h, struct slice data)
{
    struct reader r = reader_of(data.p, data.len);

    h->user = reader_bytes(&r, reader_u8(&r));
    h->password = reader_bytes(&r, reader_u8(&r));
    return reader_done(&r) ? NULL : "HELLO is malformed";
}

static const char *curve_hello(struct zmtp_handshake *h, struct slice data, struct buf *out)
{
    return zmtp_curve_hello(h->curve, data, out) ? NULL : "HELLO is malformed, or for another key";
}

static const char *plain_initiate(struct zmtp_handshake *h, struct slice data, struct buf *out)
{
    const char *why = metadata_get(data, &h->type);

    if (why == NULL)
        ready_put(h, out);
    return why;
}

static const char *curve_initiate(struct zmtp_handshake *h, struct slice data)
{
    struct slice metadata;
    struct buf plain = {0};
    const char *why = "INITIATE is malformed, or forged";

    if (zmtp_curve_initiate(h->curve, data, &plain, h->key, &metadata))
        why = metadata_get(metadata, &h->type);
    buf_free(&plain);
    return why;
}

static const char *null_ready(struct zmtp_handshake *h, struct slice data)
{
    return metadata_get(data, &h->type);
}

static const char *out_of_place(struct slice name)
{
    return slice_eq(name, SLICE("ERROR")) ? "The peer said ERROR"
                                          : "A command has no place in the handshake here";
}

static const char *first(struct zmtp_handshake *h, const struct zmtp_command *c, struct buf *out)
{
    bool null = h->mechanism == ZMTP_NULL;

    if (!slice_eq(c->name, null ? SLICE("READY") : SLICE("HELLO")))
        return out_of_place(c->name);
    if (null)
        return null_ready(h, c->data);
    return h->mechanism == ZMTP_PLAIN ? plain_hello(h, c->data) : curve_hello(h, c->data, out);
}

static const char *second(struct zmtp_handshake *h, const struct zmtp_command *c, struct buf *out)
{
    if (!slice_eq(c->name, SLICE("INITIATE")))
        return out_of_place(c->name);
    return h->mechanism == ZMTP_PLAIN ? plain_initiate(h, c->data, out)
                                      : curve_initiate(h, c->data);
}

static enum zmtp_step next_step(const struct zmtp_handshake *h)
{
    if (h->step == ZMTP_STEP_FIRST)
        return h->mechanism == ZMTP_CURVE ? ZMTP_STEP_INITIATE : ZMTP_STEP_ASK;
    return h->mechanism == ZMTP_CURVE ? ZMTP_STEP_ASK : ZMTP_STEP_OVER;
}

enum zmtp_verdict zmtp_handshake_take(struct zmtp_handshake *h, struct slice body, struct buf *out,
                                      const char **why)
{
    struct zmtp_command c;

    assert(h->step == ZMTP_STEP_FIRST || h->step == ZMTP_STEP_INITIATE);
    if (!zmtp_command_get(&c, body))
        *why = "A command is malformed";
    else
        *why = h->step == ZMTP_STEP_FIRST ? first(h, &c, out) : second(h, &c, out);
    if (*why != NULL) {
        zmtp_error_put(out, *why);
        return ZMTP_REFUSED;
    }
    h->step = next_step(h);
    return h->step == ZMTP_STEP_ASK ? ZMTP_ASK : h->step == ZMTP_STEP_OVER ? ZMTP_DONE : ZMTP_GO_ON;
}

enum zmtp_verdict zmtp_handshake_admit(struct zmtp_handshake *h, struct buf *out)
{
    assert(h->step == ZMTP_STEP_ASK);
    if (h->mechanism == ZMTP_PLAIN) {
        h->step = ZMTP_STEP_INITIATE;
        zmtp_command_put(out, "WELCOME", SLICE(""));
        return ZMTP_GO_ON;
    }
    h->step = ZMTP_STEP_OVER;
    ready_put(h, out);
    return ZMTP_DONE;
}
