/*
 * fuzz_ws_handshake.c - whatever the lists of a handshake say, the answer is one
 * that a client takes for what it asked.
 *
 * Input: the value of Sec-WebSocket-Extensions, a line feed, that of
 * Sec-WebSocket-Protocol.
 */
#include <assert.h>
#include <stdlib.h>

#include "digest.h"
#include "http1.h"
#include "ws_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static const char *const subprotocols[] = {"sluice.json", "sluice.raw", NULL};

static bool contains(struct slice s, const char *text)
{
    return s.len > 0 && memmem(s.p, s.len, text, strlen(text)) != NULL;
}

static void check_answer(const struct ws_handshake *h, struct slice extensions,
                         struct slice protocols)
{
    char challenge[WS_CHALLENGE_SIZE];
    uint8_t proof[WS_PROOF_SIZE];
    struct ws_acceptance a;

    ws_handshake_challenge(h, challenge);
    digest_sha1((struct slice){challenge, sizeof challenge}, proof);
    ws_handshake_accept(&a, h, proof);
    assert(strcmp(a.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == 0);

    /* Nothing that was not asked for. */
    assert(!h->deflate.on || contains(extensions, "permessage-deflate"));
    assert(!h->deflate.bits_asked || contains(extensions, "server_max_window_bits"));
    assert(!h->deflate.on || (h->deflate.server_bits >= 8 && h->deflate.server_bits <= 15));
    assert(h->subprotocol == NULL || contains(protocols, h->subprotocol));
    assert(a.subprotocol == h->subprotocol);
    assert((a.extensions[0] != '\0') == h->deflate.on);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    static const struct http1_limits limits = {.head_max = 16384, .target_max = 4096};
    const uint8_t *lf = len > 0 ? memchr(p, '\n', len) : NULL;
    struct buf request = {0};
    struct http_request r;
    struct ws_handshake h;
    const char *why = NULL;
    int status;

    if (lf == NULL)
        return 0;
    buf_puts(&request, "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "Sec-WebSocket-Extensions: ");
    buf_put(&request, p, (size_t)(lf - p));
    buf_puts(&request, "\r\nSec-WebSocket-Protocol: ");
    buf_put(&request, lf + 1, len - (size_t)(lf + 1 - p));
    buf_puts(&request, "\r\n\r\n");
    if (http1_request_parse(&r, (char *)request.p, request.len, &limits) == (int)request.len) {
        status = ws_handshake_read(&h, &r, subprotocols, &why);
        assert(status == 0 || (status == 400 && why != NULL) || (status == 426 && why != NULL));
        if (status == 0)
            check_answer(&h, http_request_header(&r, "sec-websocket-extensions", NULL),
                         http_request_header(&r, "sec-websocket-protocol", NULL));
    }
    buf_free(&request);
    return 0;
}
