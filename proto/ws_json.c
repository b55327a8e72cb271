/*
 * ws_json.c - the messages of `sluice.json`, read and written.
 *
 * Reading: the message is checked as JSON once; then `op` and `ref` are looked
 * for, so that whatever is wrong with the rest can be answered by its ref; then
 * the members of that operation are taken, by one table.  A publish is read by
 * event_json.h, which passes over `op` and `ref`.
 *
 * What fails: no JSON object, a member that is unknown, doubled, missing or of
 * the wrong kind.  The refusal names it.  Writing cannot fail.
 */
#include "ws_json.h"

#include <assert.h>

#include "event_json.h"
#include "json.h"
#include "mem.h"

#define REF_JSON_MAX (6 * WS_REF_MAX + 2) /* every byte escaped, and the quotes */

/* --- refusals ----------------------------------------------------------------------- */

static bool ws_json_refuse(struct ws_refusal *why, enum sluice_error error, const char *field,
                           const char *text)
{
    *why = (struct ws_refusal){.error = error, .field = field, .text = slice_of(text)};
    return false;
}

/* --- op and ref --------------------------------------------------------------------- */

/* What was appended to r->text, which was reserved once and stays put. */
static struct slice ws_json_appended(const struct ws_request *r, size_t start)
{
    return (struct slice){(const char *)r->text.p + start, r->text.len - start};
}

static struct slice ws_json_read_string(struct ws_request *r, struct slice raw)
{
    size_t start = r->text.len;

    json_string_get(raw, &r->text);
    return ws_json_appended(r, start);
}

/* Whatever escapes it came with, a string is written in one way. */
static bool read_ref(struct ws_request *r, struct slice raw)
{
    struct slice text;
    uint64_t number;
    size_t start;

    if (json_kind_of(raw) == JSON_NUMBER) {
        r->ref = raw;
        return json_u64(raw, &number) && number <= EVENT_ID_MAX;
    }
    if (json_kind_of(raw) != JSON_STRING || !json_is_text(raw))
        return false;
    text = ws_json_read_string(r, raw);
    if (text.len == 0 || text.len > WS_REF_MAX)
        return false;
    start = r->text.len;
    json_put_string(&r->text, text);
    r->ref = ws_json_appended(r, start);
    return true;
}

static bool read_op(struct ws_request *r, struct slice raw)
{
    static const char *const ops[] = {
        [WS_OP_SUBSCRIBE] = "subscribe", [WS_OP_UNSUBSCRIBE] = "unsubscribe",
        [WS_OP_PUBLISH] = "publish",     [WS_OP_PING] = "ping",
        [WS_OP_AUTH] = "auth",
    };

    if (json_kind_of(raw) != JSON_STRING)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (!json_string_is(raw, ops[i]))
            continue;
        r->op = (enum ws_op)i;
        return true;
    }
    return false;
}

/* Finds both, wherever they stand. */
static bool read_head(struct ws_request *r, struct slice message, struct ws_refusal *why)
{
    struct json_iter it = json_iter_of(message);
    struct slice key, raw, op = {NULL, 0}, ref = {NULL, 0};

    while (json_member(&it, &key, &raw)) {
        struct slice *found = json_string_is(key, "op")    ? &op
                              : json_string_is(key, "ref") ? &ref
                                                           : NULL;

        if (found != NULL && found->p != NULL)
            return ws_json_refuse(why, ERR_BAD_REQUEST, found == &op ? "op" : "ref",
                                  "the member comes twice");
        if (found != NULL)
            *found = raw;
    }
    if (ref.p != NULL && !read_ref(r, ref)) {
        r->ref = (struct slice){NULL, 0};
        return ws_json_refuse(why, ERR_BAD_REQUEST, "ref",
                              "ref must be a string of 1 to 64 bytes or an integer below 2^53");
    }
    if (op.p == NULL || !read_op(r, op))
        return ws_json_refuse(why, ERR_BAD_REQUEST, "op",
                              "op must be subscribe, unsubscribe, publish, ping or auth");
    return true;
}

/* --- subscribe, unsubscribe, ping, auth --------------------------------------------- */

#define KIND(kind) (1u << (kind))
#define KIND_DIGITS (KIND(JSON_STRING) | KIND(JSON_NUMBER))
#define TOPICS_WHY "topics must be an array of strings, not empty"
#define NAME_SHOWN 64 /* bytes of an unknown member's name that are told */

enum member { TOPIC, TOPICS, AFTER, SINCE, LAST, ON_GAP, TOKEN, USER, PASSWORD, MEMBER_COUNT };

static const struct {
    const char *name;
    enum ws_op op; /* whose member it is */
    unsigned kinds;
    enum sluice_error error;
    const char *why;
} members[MEMBER_COUNT] = {
    [TOPIC] = {"topic", WS_OP_SUBSCRIBE, KIND(JSON_STRING), ERR_BAD_FILTER,
               "topic must be a string"},
    [TOPICS] = {"topics", WS_OP_SUBSCRIBE, KIND(JSON_ARRAY), ERR_BAD_FILTER, TOPICS_WHY},
    [AFTER] = {"after", WS_OP_SUBSCRIBE, KIND_DIGITS, ERR_BAD_CURSOR, "after must be an event ID"},
    [SINCE] = {"since", WS_OP_SUBSCRIBE, KIND(JSON_STRING), ERR_BAD_CURSOR,
               "since must be a time or a duration, in a string"},
    [LAST] = {"last", WS_OP_SUBSCRIBE, KIND_DIGITS, ERR_BAD_CURSOR,
              "last must be a number of events"},
    [ON_GAP] = {"on_gap", WS_OP_SUBSCRIBE, KIND(JSON_STRING), ERR_BAD_REQUEST,
                "on_gap must be notice or fail"},
    [TOKEN] = {"token", WS_OP_AUTH, KIND(JSON_STRING), ERR_BAD_REQUEST, "token must be a string"},
    [USER] = {"user", WS_OP_AUTH, KIND(JSON_STRING), ERR_BAD_REQUEST, "user must be a string"},
    [PASSWORD] = {"password", WS_OP_AUTH, KIND(JSON_STRING), ERR_BAD_REQUEST,
                  "password must be a string"},
};

/* Tells a name that is not ours, cut short at a character's beginning. */
static bool refuse_name(struct ws_request *r, struct slice key, struct ws_refusal *why)
{
    struct slice name = ws_json_read_string(r, key);

    if (name.len > NAME_SHOWN) {
        name.len = NAME_SHOWN;
        while ((name.p[name.len] & 0xc0) == 0x80)
            name.len--;
    }
    r->text.len = (size_t)((const uint8_t *)name.p - r->text.p) + name.len;
    buf_u8(&r->text, '\0');
    return ws_json_refuse(why, ERR_BAD_REQUEST, name.p, "the member is unknown here");
}

static void add_word(struct ws_request *r, const char *name, struct slice raw)
{
    struct slice value = json_kind_of(raw) == JSON_STRING ? ws_json_read_string(r, raw) : raw;

    assert(r->word_count < ARRAY_LEN(r->words));
    r->words[r->word_count++] = (struct ws_word){name, value};
}

static bool add_topics(struct ws_request *r, struct slice array, struct ws_refusal *why)
{
    struct json_iter it = json_iter_of(array);
    struct slice item;
    size_t count = 0;

    while (json_element(&it, &item)) {
        if (json_kind_of(item) != JSON_STRING)
            return ws_json_refuse(why, ERR_BAD_FILTER, "topics", TOPICS_WHY);
        if (count++ == WS_FILTERS_MAX)
            return ws_json_refuse(why, ERR_BAD_FILTER, "topics",
                                  "too many topics in one subscription");
        add_word(r, members[TOPIC].name, item);
    }
    return count > 0 || ws_json_refuse(why, ERR_BAD_FILTER, "topics", TOPICS_WHY);
}

/* A second time, or topic beside topics. */
static bool comes_again(unsigned seen, enum member m)
{
    return (seen & (m <= TOPICS ? 1u << TOPIC | 1u << TOPICS : 1u << m)) != 0;
}

static void add_credential(struct ws_request *r, enum member m, struct slice raw)
{
    struct slice *const places[MEMBER_COUNT] = {
        [TOKEN] = &r->token, [USER] = &r->user, [PASSWORD] = &r->password};

    *places[m] = ws_json_read_string(r, raw);
}

/* Any but op and ref; `seen` has a bit for each that came. */
static bool take_member(struct ws_request *r, struct slice key, struct slice raw, unsigned *seen,
                        struct ws_refusal *why)
{
    enum member m = 0;

    while (m < MEMBER_COUNT && !json_string_is(key, members[m].name))
        m++;
    if (m == MEMBER_COUNT || r->op != members[m].op)
        return refuse_name(r, key, why);
    if (comes_again(*seen, m))
        return ws_json_refuse(why, ERR_BAD_REQUEST, members[m].name,
                              (*seen & 1u << m) != 0 ? "the member comes twice"
                                                     : "topic and topics exclude each other");
    *seen |= 1u << m;
    if ((KIND(json_kind_of(raw)) & members[m].kinds) == 0)
        return ws_json_refuse(why, members[m].error, members[m].name, members[m].why);
    if (m == TOPICS)
        return add_topics(r, raw, why);
    if (r->op == WS_OP_AUTH)
        add_credential(r, m, raw);
    else
        add_word(r, members[m].name, raw);
    return true;
}

/* A token, or both of the others. */
static bool credentials_ok(const struct ws_request *r, struct ws_refusal *why)
{
    bool named = r->user.p != NULL || r->password.p != NULL;

    if (r->token.p != NULL && named)
        return ws_json_refuse(why, ERR_BAD_REQUEST, "token",
                              "token, and user with password, exclude each other");
    if (r->token.p != NULL || (r->user.p != NULL && r->password.p != NULL))
        return true;
    return ws_json_refuse(why, ERR_BAD_REQUEST, !named ? "token" : NULL,
                          "a token, or a user with a password, is required");
}

static bool read_members(struct ws_request *r, struct slice message, struct ws_refusal *why)
{
    struct json_iter it = json_iter_of(message);
    struct slice key, raw;
    unsigned seen = 0;

    while (json_member(&it, &key, &raw)) {
        if (json_string_is(key, "op") || json_string_is(key, "ref"))
            continue;
        if (!take_member(r, key, raw, &seen, why))
            return false;
    }
    if (r->op == WS_OP_AUTH)
        return credentials_ok(r, why);
    if (r->op != WS_OP_PING && r->ref.len == 0)
        return ws_json_refuse(why, ERR_BAD_REQUEST, "ref", "ref is required");
    if (r->op == WS_OP_SUBSCRIBE && (seen & (1u << TOPIC | 1u << TOPICS)) == 0)
        return ws_json_refuse(why, ERR_BAD_FILTER, "topic", "topic or topics is required");
    return true;
}

/* --- publish ------------------------------------------------------------------------ */

static bool read_event(struct ws_request *r, struct slice message, struct ws_refusal *why)
{
    static const char *const elsewhere[] = {"op", "ref", NULL};
    const char *field, *text;

    return event_json_get(message, 0, elsewhere, &r->store, &r->event, &field, &text) ||
           ws_json_refuse(why, ERR_BAD_EVENT, field, text);
}

/* --- a message ---------------------------------------------------------------------- */

bool ws_request_parse(struct ws_request *r, struct slice message, struct ws_refusal *why)
{
    r->ref = r->token = r->user = r->password = (struct slice){NULL, 0};
    r->word_count = 0;
    buf_clear(&r->text);
    buf_clear(&r->store);
    if (json_check(message) != JSON_OBJECT)
        return ws_json_refuse(why, ERR_BAD_REQUEST, NULL, "the message is not a valid JSON object");
    /* Unescaped, nothing is longer; the ref is there twice, the second time escaped. */
    (void)buf_reserve(&r->text, message.len + REF_JSON_MAX);
    if (!read_head(r, message, why))
        return false;
    if (r->op != WS_OP_PUBLISH && !json_is_text(message))
        return ws_json_refuse(why, ERR_BAD_REQUEST, NULL, "half a surrogate pair is no text");
    return r->op == WS_OP_PUBLISH ? read_event(r, message, why) : read_members(r, message, why);
}

void ws_request_wipe(struct ws_request *r)
{
    r->token = r->user = r->password = (struct slice){NULL, 0};
    if (r->text.p != NULL)
        explicit_bzero(r->text.p, r->text.cap);
}

void ws_request_free(struct ws_request *r)
{
    buf_free(&r->text);
    buf_free(&r->store);
}

/* --- writing ------------------------------------------------------------------------ */

/* {"op":"…","ref":R */
static void ws_json_begin(struct buf *b, const char *op, struct slice ref)
{
    buf_printf(b, "{\"op\":\"%s\"", op);
    if (ref.len > 0) {
        buf_puts(b, ",\"ref\":");
        buf_put_slice(b, ref);
    }
}

static void ws_json_put_text(struct buf *b, const char *name, struct slice text)
{
    buf_printf(b, ",\"%s\":", name);
    json_put_string(b, text);
}

static void put_number(struct buf *b, const char *name, uint64_t v)
{
    buf_printf(b, ",\"%s\":", name);
    buf_dec(b, v);
}

static void put_position(struct buf *b, uint64_t id)
{
    buf_puts(b, ",\"id\":\"");
    buf_dec(b, id);
    buf_puts(b, "\"}");
}

static void put_ack_id(struct buf *b, struct slice ref, uint64_t id)
{
    ws_json_begin(b, "ack", ref);
    put_position(b, id);
}

void ws_json_put_ack(struct buf *b, struct slice ref)
{
    ws_json_begin(b, "ack", ref);
    buf_u8(b, '}');
}

void ws_json_put_subscribed(struct buf *b, struct slice ref, uint64_t start)
{
    put_ack_id(b, ref, start);
}

void ws_json_put_published(struct buf *b, struct slice ref, uint64_t id)
{
    if (id != 0) {
        put_ack_id(b, ref, id);
        return;
    }
    ws_json_begin(b, "ack", ref);
    buf_puts(b, ",\"id\":null}");
}

void ws_json_put_error(struct buf *b, struct slice ref, const struct ws_refusal *why)
{
    struct slice text = why->text.len > 0 ? why->text : slice_of(error_text(why->error));

    ws_json_begin(b, "error", ref);
    ws_json_put_text(b, "code", slice_of(error_code(why->error)));
    ws_json_put_text(b, "text", text);
    if (why->field != NULL)
        ws_json_put_text(b, "field", slice_of(why->field));
    if (why->has_seq) {
        put_number(b, "expected_seq", why->expected_seq);
        put_number(b, "received_seq", why->received_seq);
    }
    if (why->has_epoch)
        put_number(b, "epoch", why->epoch);
    if (why->verb != NULL) {
        ws_json_put_text(b, "verb", slice_of(why->verb));
        ws_json_put_text(b, "filter", why->filter);
    }
    if (why->retry_ms != 0)
        put_number(b, "retry_ms", why->retry_ms);
    buf_u8(b, '}');
}

void ws_json_put_gap(struct buf *b, struct slice ref, const struct gap *g)
{
    size_t brace;

    ws_json_begin(b, "gap", ref);
    brace = b->len;
    event_json_put_gap(b, g);
    b->p[brace] = ','; /* its members become ours */
}

void ws_json_put_pong(struct buf *b, struct slice ref)
{
    ws_json_begin(b, "pong", ref);
    buf_u8(b, '}');
}

void ws_json_put_auth_ok(struct buf *b, struct slice ref, struct slice principal,
                         uint64_t expires_ms)
{
    ws_json_begin(b, "auth-ok", ref);
    ws_json_put_text(b, "principal", principal);
    buf_puts(b, ",\"expires\":");
    if (expires_ms == 0) {
        buf_puts(b, "null}");
        return;
    }
    buf_u8(b, '"');
    time_put_rfc3339(b, expires_ms);
    buf_puts(b, "\"}");
}

void ws_json_put_unsubscribed(struct buf *b, struct slice ref, enum sluice_error error,
                              struct slice text, uint64_t id)
{
    ws_json_begin(b, "unsubscribed", ref);
    ws_json_put_text(b, "code", slice_of(error_code(error)));
    ws_json_put_text(b, "text", text);
    put_position(b, id);
}

void ws_json_expired_begin(struct buf *b, const char *reason)
{
    buf_printf(b, "{\"op\":\"expired\",\"reason\":\"%s\",\"subs\":[", reason);
}

void ws_json_expired_put(struct buf *b, struct slice ref, uint64_t id)
{
    if (b->p[b->len - 1] != '[')
        buf_u8(b, ',');
    buf_puts(b, "{\"ref\":");
    buf_put_slice(b, ref);
    put_position(b, id);
}

void ws_json_expired_end(struct buf *b)
{
    buf_puts(b, "]}");
}

void ws_json_put_event(struct buf *b, const struct event *e)
{
    buf_puts(b, "{\"op\":\"event\",");
    event_json_put_members(b, e);
    buf_puts(b, ",\"subs\":[");
}

void ws_json_put_subs(struct buf *b, const struct slice *refs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_u8(b, ',');
        buf_put_slice(b, refs[i]);
    }
    buf_put(b, "]}", 2);
}
