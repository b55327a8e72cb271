/*
 * zmtp_curve.c - see zmtp_curve.h.
 *
 * RFC 26 lets a server forget its transient key and find it again in the cookie.  This one
 * remembers its connections in any case, so its cookies are random and only compared.
 */
#include "zmtp_curve.h"

#include <assert.h>

#include "zmtp.h"

enum {
    SHORT_NONCE = 8,
    LONG_NONCE = 16,
    SIGNATURE = 64, /* zeros, boxed in HELLO */
    HELLO_SIZE = 194,
    VOUCH = LONG_NONCE + 2 * ZMTP_KEY + ZMTP_SEAL,
    INITIATE_MIN = ZMTP_COOKIE + SHORT_NONCE + ZMTP_SEAL + ZMTP_KEY + VOUCH,
};
static_assert(ZMTP_CURVE_OVERHEAD == 8 + SHORT_NONCE + ZMTP_SEAL + 1, "MESSAGE, nonce, box, flags");

static void nonce_make(uint8_t nonce[ZMTP_NONCE], const char *prefix, const void *rest)
{
    size_t len = strlen(prefix);

    memcpy(nonce, prefix, len);
    memcpy(nonce + len, rest, ZMTP_NONCE - len);
}

static void count_put(uint8_t out[SHORT_NONCE], uint64_t v)
{
    for (int i = 0; i < SHORT_NONCE; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* The client's short nonce: higher than all before. */
static bool count_get(struct zmtp_curve *c, const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 0; i < SHORT_NONCE; i++)
        v = v << 8 | p[i];
    if (v <= c->received)
        return false;
    c->received = v;
    return true;
}

/* --- the handshake ------------------------------------------------------------------ */

/* version 1.0, 72 zeros, C', short nonce, box */
bool zmtp_curve_hello(struct zmtp_curve *c, struct slice data, struct buf *out)
{
    const struct zmtp_crypto *crypto = c->server->crypto;
    const uint8_t *p = (const uint8_t *)data.p, *short_nonce, *box;
    uint8_t nonce[ZMTP_NONCE], key[ZMTP_KEY], zeros[SIGNATURE], answer[LONG_NONCE + 144];
    uint8_t plain[ZMTP_KEY + ZMTP_COOKIE];

    if (data.len != HELLO_SIZE || p[0] != 1 || p[1] != 0)
        return false;
    memcpy(c->theirs, p + 2 + 72, ZMTP_KEY);
    short_nonce = p + 2 + 72 + ZMTP_KEY;
    box = short_nonce + SHORT_NONCE;
    nonce_make(nonce, "CurveZMQHELLO---", short_nonce);
    if (!count_get(c, short_nonce) || !crypto->agree(key, c->theirs, c->server->secret) ||
        !crypto->open(zeros, box, SIGNATURE + ZMTP_SEAL, nonce, key))
        return false;
    crypto->pair(c->public, c->secret);
    crypto->random(c->cookie, sizeof c->cookie);
    memcpy(plain, c->public, ZMTP_KEY);
    memcpy(plain + ZMTP_KEY, c->cookie, ZMTP_COOKIE);
    crypto->random(answer, LONG_NONCE);
    nonce_make(nonce, "WELCOME-", answer);
    crypto->seal(answer + LONG_NONCE, plain, sizeof plain, nonce, key);
    crypto->wipe(key, sizeof key);
    zmtp_command_put(out, "WELCOME", (struct slice){(char *)answer, sizeof answer});
    return true;
}

/* C vouches for C': nobody else's connection passes on what it boxed. */
static bool vouched(const struct zmtp_curve *c, const uint8_t *vouch,
                    const uint8_t client[ZMTP_KEY])
{
    const struct zmtp_crypto *crypto = c->server->crypto;
    uint8_t nonce[ZMTP_NONCE], key[ZMTP_KEY], said[2 * ZMTP_KEY];
    bool ok;

    nonce_make(nonce, "VOUCH---", vouch);
    ok = crypto->agree(key, client, c->secret) &&
         crypto->open(said, vouch + LONG_NONCE, VOUCH - LONG_NONCE, nonce, key) &&
         memcmp(said, c->theirs, ZMTP_KEY) == 0 &&
         memcmp(said + ZMTP_KEY, c->server->public, ZMTP_KEY) == 0;
    crypto->wipe(key, sizeof key);
    return ok;
}

/* cookie, short nonce, box of C, vouch, metadata */
bool zmtp_curve_initiate(struct zmtp_curve *c, struct slice data, struct buf *plain,
                         uint8_t client[ZMTP_KEY], struct slice *metadata)
{
    const struct zmtp_crypto *crypto = c->server->crypto;
    const uint8_t *p = (const uint8_t *)data.p, *short_nonce;
    size_t box, len;
    uint8_t nonce[ZMTP_NONCE];

    if (data.len < INITIATE_MIN || memcmp(p, c->cookie, ZMTP_COOKIE) != 0)
        return false;
    short_nonce = p + ZMTP_COOKIE;
    box = data.len - ZMTP_COOKIE - SHORT_NONCE;
    len = box - ZMTP_SEAL;
    if (!count_get(c, short_nonce) || !crypto->agree(c->key, c->theirs, c->secret))
        return false;
    nonce_make(nonce, "CurveZMQINITIATE", short_nonce);
    buf_clear(plain);
    if (!crypto->open(buf_reserve(plain, len), short_nonce + SHORT_NONCE, box, nonce, c->key))
        return false;
    plain->len = len;
    memcpy(client, plain->p, ZMTP_KEY);
    *metadata = (struct slice){(char *)plain->p + ZMTP_KEY + VOUCH, len - ZMTP_KEY - VOUCH};
    return vouched(c, plain->p + ZMTP_KEY, client);
}

/* Appends a short nonce and the box of what it was made for. */
static void box_put(struct zmtp_curve *c, const char *prefix, const uint8_t *plain, size_t len,
                    struct buf *out)
{
    uint8_t *p = buf_reserve(out, SHORT_NONCE + len + ZMTP_SEAL), nonce[ZMTP_NONCE];

    count_put(p, ++c->sent);
    nonce_make(nonce, prefix, p);
    c->server->crypto->seal(p + SHORT_NONCE, plain, len, nonce, c->key);
    out->len += SHORT_NONCE + len + ZMTP_SEAL;
}

void zmtp_curve_ready(struct zmtp_curve *c, struct slice metadata, struct buf *out)
{
    struct buf data = {0};

    box_put(c, "CurveZMQREADY---", (const uint8_t *)metadata.p, metadata.len, &data);
    zmtp_command_put(out, "READY", buf_slice(&data));
    buf_free(&data);
}

/* --- frames ------------------------------------------------------------------------- */

static const char message_name[8] = "\7MESSAGE";

/* The flags in the box are a frame's own; those outside are none, as libzmq has it. */
void zmtp_curve_seal(struct zmtp_curve *c, unsigned flags, struct slice body, struct buf *out)
{
    uint8_t head[ZMTP_HEAD_MAX];
    struct buf plain = {0};
    bool command = (flags & ZMTP_IS_COMMAND) != 0;

    buf_reserve(&plain, 1 + body.len);
    buf_u8(&plain, (uint8_t)((flags & ZMTP_MORE) | (command ? 2 : 0)));
    buf_put_slice(&plain, body);
    buf_put(out, head, zmtp_head_put(head, 0, body.len + ZMTP_CURVE_OVERHEAD));
    buf_put(out, message_name, sizeof message_name);
    box_put(c, "CurveZMQMESSAGES", plain.p, plain.len, out);
    buf_free(&plain);
}

bool zmtp_curve_open(struct zmtp_curve *c, struct slice body, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)body.p;
    uint8_t nonce[ZMTP_NONCE], head[ZMTP_HEAD_MAX], flags;
    size_t start, size, len = body.len - ZMTP_CURVE_OVERHEAD;

    if (body.len < ZMTP_CURVE_OVERHEAD || memcmp(p, message_name, sizeof message_name) != 0 ||
        !count_get(c, p + sizeof message_name))
        return false;
    p += sizeof message_name;
    nonce_make(nonce, "CurveZMQMESSAGEC", p);
    size = zmtp_head_put(head, 0, len);
    start = out->len;
    /* The flags come before the body in the box, and take the last byte of the head's place. */
    (void)buf_reserve(out, size + 1 + len);
    if (!c->server->crypto->open(out->p + start + size - 1, p + SHORT_NONCE, 1 + len + ZMTP_SEAL,
                                 nonce, c->key))
        return false;
    flags = out->p[start + size - 1];
    (void)zmtp_head_put(head, (flags & 1 ? ZMTP_MORE : 0) | (flags & 2 ? ZMTP_IS_COMMAND : 0), len);
    memcpy(out->p + start, head, size);
    out->len += size + len;
    return (flags & ~3u) == 0;
}

void zmtp_curve_wipe(struct zmtp_curve *c)
{
    c->server->crypto->wipe(c, sizeof *c);
}
