/*
 * ws_handshake.c - reading the request that opens a WebSocket, and the answer.
 *
 * Happy path: the fixed fields are checked one by one; then the two lists, each
 * over all of its header lines in order, and the first thing in them that we can
 * do is taken.  An offer of permessage-deflate with a parameter that is unknown,
 * doubled or out of range is declined, not an error: the next one may be right.
 *
 * What fails: a list that is not to the letter of the grammar (RFC 6455, 9.1 asks
 * for that), a key that is not 16 bytes, a field that comes twice.
 */
#include "ws_handshake.h"

#include <assert.h>

#include "http_chars.h"
#include "json.h"

#define KEY_LEN 24 /* 16 bytes in base64 */
#define NO_OTHER_PROTOCOL "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_Static_assert(WS_CHALLENGE_SIZE == KEY_LEN + sizeof NO_OTHER_PROTOCOL - 1, "RFC 6455, 4.2.2");

/* --- lists of tokens ---------------------------------------------------------------- */

struct list_cursor {
    const char *p;
    const char *end;
};

static void skip_space(struct list_cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
        c->p++;
}

/* Takes the mark, with the white space around it. */
static bool take_mark(struct list_cursor *c, char mark)
{
    skip_space(c);
    if (c->p == c->end || *c->p != mark)
        return false;
    c->p++;
    skip_space(c);
    return true;
}

static struct slice take_token(struct list_cursor *c)
{
    const char *start = c->p;

    while (c->p < c->end && http_char_is(*c->p, CHAR_TOKEN))
        c->p++;
    return (struct slice){start, (size_t)(c->p - start)};
}

/* To the next item of a list, past empty ones (RFC 9110, 5.6.1.2); false at its end. */
static bool next_item(struct list_cursor *c)
{
    skip_space(c);
    while (take_mark(c, ','))
        ;
    return c->p < c->end;
}

/* An item must be followed by a comma or the end. */
static bool item_ends(struct list_cursor *c)
{
    skip_space(c);
    return c->p == c->end || *c->p == ',';
}

/* --- permessage-deflate --------------------------------------------------------------- */

/* A parameter's value, as far as it can matter: two digits, and one more that shows
 * that it is longer. */
struct value {
    bool given;
    size_t len;
    char text[3];
};

static bool value_add(struct value *v, char c)
{
    if (v->len < sizeof v->text)
        v->text[v->len++] = c;
    return http_char_is(c, CHAR_TOKEN);
}

/* Between quotes, unescaped it must be a token, too. */
static bool take_quoted(struct list_cursor *c, struct value *v)
{
    for (c->p++; c->p < c->end && *c->p != '"'; c->p++) {
        if (*c->p == '\\' && ++c->p == c->end)
            return false;
        if (!value_add(v, *c->p))
            return false;
    }
    if (c->p == c->end)
        return false;
    c->p++;
    return v->len > 0;
}

static bool take_value(struct list_cursor *c, struct value *v)
{
    struct slice token;

    v->given = true;
    if (c->p < c->end && *c->p == '"')
        return take_quoted(c, v);
    token = take_token(c);
    for (size_t i = 0; i < token.len; i++)
        (void)value_add(v, token.p[i]);
    return token.len > 0;
}

/* 8 to 15, or 0 for anything else. */
static uint8_t window_bits(const struct value *v)
{
    uint64_t bits;

    if (v->text[0] == '0' || !slice_u64((struct slice){v->text, v->len}, &bits))
        return 0;
    return bits >= 8 && bits <= WS_WINDOW_BITS_MAX ? (uint8_t)bits : 0;
}

struct offer {
    bool refused;
    unsigned seen; /* a bit for each parameter */
    struct ws_deflate deflate;
};

enum param { SERVER_NO_CONTEXT = 1, CLIENT_NO_CONTEXT = 2, SERVER_BITS = 4, CLIENT_BITS = 8 };

static unsigned param_find(struct slice name)
{
    static const struct {
        const char *name;
        enum param param;
    } params[] = {
        {"server_no_context_takeover", SERVER_NO_CONTEXT},
        {"client_no_context_takeover", CLIENT_NO_CONTEXT},
        {"server_max_window_bits", SERVER_BITS},
        {"client_max_window_bits", CLIENT_BITS},
    };

    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
        if (slice_eq(name, slice_of(params[i].name)))
            return params[i].param;
    return 0;
}

/* Can we do what the parameter asks?  What the client does with its own window is
 * no matter: we inflate any. */
static bool param_ok(struct offer *o, unsigned param, const struct value *v)
{
    if (param == 0 || (o->seen & param) != 0)
        return false;
    o->seen |= param;
    if (param == SERVER_BITS) {
        o->deflate.server_bits = window_bits(v);
        o->deflate.bits_asked = true;
        return o->deflate.server_bits != 0;
    }
    if (param == CLIENT_BITS)
        return !v->given || window_bits(v) != 0;
    return !v->given;
}

/* The parameters of one extension; false when malformed. */
static bool take_params(struct list_cursor *c, struct offer *o)
{
    while (take_mark(c, ';')) {
        struct slice name = take_token(c);
        struct value v = {0};

        if (name.len == 0 || (take_mark(c, '=') && !take_value(c, &v)))
            return false;
        if (!param_ok(o, param_find(name), &v))
            o->refused = true;
    }
    return item_ends(c);
}

static bool read_extensions(struct slice list, struct ws_handshake *h)
{
    struct list_cursor c = {list.p, list.p + list.len};

    while (next_item(&c)) {
        struct offer o = {.deflate = {.on = true, .server_bits = WS_WINDOW_BITS_MAX}};
        struct slice name = take_token(&c);

        if (name.len == 0 || !take_params(&c, &o))
            return false;
        if (!h->deflate.on && !o.refused && slice_eq(name, SLICE("permessage-deflate")))
            h->deflate = o.deflate;
    }
    return true;
}

/* --- the subprotocol -------------------------------------------------------------------- */

static const char *known(const char *const *names, struct slice name)
{
    for (; *names != NULL; names++)
        if (slice_eq(name, slice_of(*names)))
            return *names;
    return NULL;
}

static bool read_subprotocols(struct slice list, const char *const *names, struct ws_handshake *h)
{
    struct list_cursor c = {list.p, list.p + list.len};

    while (next_item(&c)) {
        struct slice name = take_token(&c);

        if (name.len == 0 || !item_ends(&c))
            return false;
        h->subprotocol_asked = true;
        if (h->subprotocol == NULL)
            h->subprotocol = known(names, name);
    }
    return true;
}

/* --- the request -------------------------------------------------------------------------- */

/* The last digit's spare bits may be anything: clients exist that leave them set. */
static bool key_ok(struct slice key)
{
    if (key.len != KEY_LEN || key.p[KEY_LEN - 1] != '=' || key.p[KEY_LEN - 2] != '=')
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++) {
        char c = key.p[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
            c != '+' && c != '/')
            return false;
    }
    return true;
}

static int handshake_refuse(const char **why, int status, const char *text)
{
    *why = text;
    return status;
}

static bool is_connect(const struct http_request *r)
{
    return slice_eq(r->method, SLICE("CONNECT"));
}

static int read_fields(struct ws_handshake *h, const struct http_request *r, const char **why)
{
    bool versions, keys, origins, upgrade = !is_connect(r);
    struct slice version = http_request_header(r, "sec-websocket-version", &versions);

    h->key = http_request_header(r, "sec-websocket-key", &keys);
    h->origin = http_request_header(r, "origin", &origins);
    if (upgrade && (!r->upgrade || !http_request_has_token(r, "upgrade", "websocket")))
        return handshake_refuse(why, 426,
                                "This is a WebSocket: the request must ask for an upgrade to it");
    if (upgrade && (r->minor == 0 || !slice_eq(r->method, SLICE("GET"))))
        return handshake_refuse(why, 400, "A WebSocket opens with GET in HTTP/1.1");
    if (versions || keys || origins)
        return handshake_refuse(why, 400, "A field of the handshake comes twice");
    if (!slice_eq(version, SLICE("13")))
        return handshake_refuse(why, 426, "Sec-WebSocket-Version must be 13");
    if (upgrade && !key_ok(h->key))
        return handshake_refuse(why, 400, "Sec-WebSocket-Key must be 16 bytes in base64");
    if (!upgrade)
        h->key = (struct slice){NULL, 0}; /* RFC 8441, 5: it is not looked at */
    return 0;
}

int ws_handshake_read(struct ws_handshake *h, const struct http_request *r,
                      const char *const *subprotocols, const char **why)
{
    int status;

    *h = (struct ws_handshake){0};
    status = read_fields(h, r, why);
    for (size_t i = 0; i < r->header_count && status == 0; i++) {
        const struct http_header *field = &r->headers[i];

        if (slice_eq_nocase(field->name, SLICE("sec-websocket-extensions")) &&
            !read_extensions(field->value, h))
            status = handshake_refuse(why, 400, "Sec-WebSocket-Extensions is malformed");
        else if (slice_eq_nocase(field->name, SLICE("sec-websocket-protocol")) &&
                 !read_subprotocols(field->value, subprotocols, h))
            status = handshake_refuse(why, 400, "Sec-WebSocket-Protocol is malformed");
    }
    return status;
}

/* --- the answer ------------------------------------------------------------------------------ */

void ws_handshake_challenge(const struct ws_handshake *h, char text[WS_CHALLENGE_SIZE])
{
    assert(h->key.len == KEY_LEN);
    memcpy(text, h->key.p, KEY_LEN);
    memcpy(text + KEY_LEN, NO_OTHER_PROTOCOL, WS_CHALLENGE_SIZE - KEY_LEN);
}

static void put_accept(struct buf *b, const uint8_t proof[WS_PROOF_SIZE])
{
    struct buf text = {0};

    json_put_base64(&text, (struct slice){(const char *)proof, WS_PROOF_SIZE});
    buf_put(b, text.p + 1, text.len - 2); /* without JSON's quotes */
    buf_free(&text);
}

static void put_extensions(struct buf *b, const struct ws_deflate *d)
{
    buf_puts(b, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    if (d->bits_asked)
        buf_printf(b, "; server_max_window_bits=%u", d->server_bits);
}

static void copy_text(char *to, size_t size, struct buf *b)
{
    assert(b->len < size);
    memset(to, 0, size);
    if (b->len > 0)
        memcpy(to, b->p, b->len);
    buf_clear(b);
}

void ws_handshake_accept(struct ws_acceptance *a, const struct ws_handshake *h,
                         const uint8_t proof[WS_PROOF_SIZE])
{
    struct buf b = {0};

    assert((proof != NULL) == (h->key.p != NULL));
    if (proof != NULL)
        put_accept(&b, proof);
    copy_text(a->accept, sizeof a->accept, &b);
    if (h->deflate.on)
        put_extensions(&b, &h->deflate);
    copy_text(a->extensions, sizeof a->extensions, &b);
    a->subprotocol = h->subprotocol;
    buf_free(&b);
}
