/*
 * upgrade.c - the checks that come before a 101.
 *
 * How it fails: 426 to whom no WebSocket is asked for, 400 to a malformed handshake.
 * Whose pages may connect, the gate has asked already (http_gate.h).
 */
#include "upgrade.h"

#include <string.h>

#include "cors.h"
#include "digest.h"
#include "site.h"

static void require_upgrade(struct exchange *x, const char *why)
{
    struct answer a = {.status = 426, .content_type = "application/problem+json"};
    struct problem p = {0};
    struct buf body = {0};

    answer_field(&a, "Upgrade", SLICE("websocket"));
    answer_field(&a, "Connection", SLICE("Upgrade"));
    answer_field(&a, "Sec-WebSocket-Version", SLICE("13"));
    (void)problem_set(&p, ERR_UPGRADE, NULL, why);
    problem_put(&body, &p);
    exchange_answer(x, &a, &body);
}

bool upgrade_read(struct exchange *x, const char *const *subprotocols, struct ws_handshake *h)
{
    const char *why = NULL;
    struct problem p = {0};
    int status = ws_handshake_read(h, x->request, subprotocols, &why);

    if (status == 426) {
        require_upgrade(x, why);
        return false;
    }
    if (status != 0)
        (void)problem_set(&p, ERR_BAD_REQUEST, NULL, why);
    if (p.error != ERR_NONE)
        exchange_problem(x, &p);
    return p.error == ERR_NONE;
}

void upgrade_accept(struct ws_acceptance *a, const struct ws_handshake *h)
{
    char challenge[WS_CHALLENGE_SIZE];
    uint8_t proof[WS_PROOF_SIZE];
    bool asked = h->key.p != NULL;

    if (asked) {
        ws_handshake_challenge(h, challenge);
        digest_sha1((struct slice){challenge, sizeof challenge}, proof);
    }
    ws_handshake_accept(a, h, asked ? proof : NULL);
}

static void answer_text(struct answer *a, const char *name, const char *text)
{
    if (text != NULL && *text != '\0')
        answer_field(a, name, slice_of(text));
}

void upgrade_tunnel(struct exchange *x, const struct ws_acceptance *accepted, struct channel *c)
{
    struct answer a = {.status = 101};

    answer_field(&a, "Upgrade", SLICE("websocket"));
    answer_field(&a, "Connection", SLICE("Upgrade"));
    answer_text(&a, "Sec-WebSocket-Accept", accepted->accept);
    answer_text(&a, "Sec-WebSocket-Protocol", accepted->subprotocol);
    answer_text(&a, "Sec-WebSocket-Extensions", accepted->extensions);
    exchange_tunnel(x, &a, c);
}
