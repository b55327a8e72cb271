/*
 * fuzz_ws_json.c - a client's message is an operation or is refused with a text;
 * either way every answer that names its ref is valid JSON; and what subscribers
 * get of a publish is one again.
 */
#include <assert.h>
#include <stdlib.h>

#include "event_json.h"
#include "json.h"
#include "ws_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static void check_is_json(struct buf *b)
{
    assert(json_check(bytes_of(b)) == JSON_OBJECT);
    buf_clear(b);
}

static void check_words(const struct ws_request *r)
{
    size_t topics = 0;

    for (size_t i = 0; i < r->word_count; i++) {
        assert(utf8_valid(r->words[i].value.p, r->words[i].value.len));
        topics += strcmp(r->words[i].name, "topic") == 0;
    }
    assert(topics >= 1 && topics <= WS_FILTERS_MAX && r->ref.len > 0);
}

/* The message that subscribers get, less what is not the event's own, is a publish
 * of the same event. */
static void check_event(struct ws_request *r, struct buf *b)
{
    static const char *const passed_over[] = {"op", "subs", NULL};
    struct buf store = {0};
    struct event back;
    const char *field, *why;

    ws_json_put_event(b, &r->event);
    ws_json_put_subs(b, &r->ref, r->ref.len > 0 ? 1 : 0);
    if (json_check(bytes_of(b)) == JSON_OBJECT) { /* not if the payload was nested to the limit */
        assert(event_json_get(bytes_of(b), 0, passed_over, &store, &back, &field, &why));
        assert(slice_eq(back.topic, r->event.topic));
    }
    buf_clear(b);
    buf_free(&store);
}

/* One or the other was shown, and after a wipe it is nowhere. */
static void check_credentials(struct ws_request *r)
{
    assert((r->token.p != NULL) != (r->user.p != NULL && r->password.p != NULL));
    assert(r->token.p == NULL || utf8_valid(r->token.p, r->token.len));
    assert(r->token.p != NULL || utf8_valid(r->user.p, r->user.len));
    ws_request_wipe(r);
    for (size_t i = 0; i < r->text.cap; i++)
        assert(r->text.p[i] == 0);
    r->ref = SLICE("");
}

static void check_notices(struct slice ref, struct buf *b)
{
    ws_json_put_auth_ok(b, ref, ref, 1);
    check_is_json(b);
    ws_json_put_unsubscribed(b, ref, ERR_FORBIDDEN, SLICE("no"), 5);
    check_is_json(b);
    ws_json_expired_begin(b, "revoked");
    for (int i = 0; i < 2 && ref.len > 0; i++)
        ws_json_expired_put(b, ref, 1);
    ws_json_expired_end(b);
    check_is_json(b);
}

static void check_answers(const struct ws_request *r, struct buf *b)
{
    struct gap gap = {.requested = 1, .reason = GAP_EXPIRED};

    assert(r->ref.len == 0 || json_check(r->ref) == JSON_STRING ||
           json_check(r->ref) == JSON_NUMBER);
    ws_json_put_ack(b, r->ref);
    check_is_json(b);
    ws_json_put_subscribed(b, r->ref, 5);
    check_is_json(b);
    ws_json_put_published(b, r->ref, 0);
    check_is_json(b);
    ws_json_put_gap(b, r->ref, &gap);
    check_is_json(b);
    ws_json_put_pong(b, r->ref);
    check_is_json(b);
    check_notices(r->ref, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    static struct ws_request r; /* one for all, as a gateway has it */
    struct ws_refusal why;
    struct buf b = {0};

    if (!ws_request_parse(&r, (struct slice){(const char *)p, len}, &why)) {
        assert(why.error != ERR_NONE && why.text.len > 0);
        ws_json_put_error(&b, r.ref, &why);
        check_is_json(&b);
    } else if (r.op == WS_OP_SUBSCRIBE) {
        check_words(&r);
    } else if (r.op == WS_OP_PUBLISH) {
        check_event(&r, &b);
    } else if (r.op == WS_OP_AUTH) {
        check_credentials(&r);
    }
    check_answers(&r, &b);
    ws_request_free(&r);
    buf_free(&b);
    return 0;
}
