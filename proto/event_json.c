/*
 * event_json.c - the JSON form of an event (DESIGN 2.7), written and read.
 *
 * Writing takes the properties apart and puts each member that is set.  It
 * cannot fail: topic and properties were checked when the event was published.
 * The payload alone may be anything, so its form is chosen by looking at it.
 *
 * Reading goes in three steps: json_check, then `collect` finds each member's
 * raw bytes and refuses what is unknown, doubled or of the wrong kind (one
 * table, `members`, says what is right), then the `read_` functions turn raw
 * bytes into values.  Whatever fails names the member and what is wrong with
 * it, and nothing of the event is to be used.
 */
#include "event_json.h"

#include <assert.h>

#include "json.h"

#define FIELD_SHOWN 64 /* bytes of an unknown member's name that are told */

bool event_json_is_content_type(struct slice type)
{
    const char *semicolon = type.len > 0 ? memchr(type.p, ';', type.len) : NULL;

    if (semicolon != NULL)
        type.len = (size_t)(semicolon - type.p);
    while (type.len > 0 && (type.p[type.len - 1] == ' ' || type.p[type.len - 1] == '\t'))
        type.len--;
    if (slice_eq_nocase(type, SLICE("application/json")))
        return true;
    return type.len > 5 && memchr(type.p, '/', type.len) != NULL &&
           slice_eq_nocase((struct slice){type.p + type.len - 5, 5}, SLICE("+json"));
}

/* --- writing ---------------------------------------------------------------- */

/* Members of one object, commas between them. */
struct object {
    struct buf *b;
    size_t start;
};

static void member_put_name(struct object *o, const char *name)
{
    if (o->b->len > o->start)
        buf_u8(o->b, ',');
    buf_u8(o->b, '"');
    buf_puts(o->b, name);
    buf_put(o->b, "\":", 2);
}

static void member_put_text(struct object *o, const char *name, struct slice text)
{
    if (text.p == NULL)
        return;
    member_put_name(o, name);
    json_put_string(o->b, text);
}

/* IDs are strings: what reads JSON may keep numbers as doubles. */
static void member_put_id(struct object *o, const char *name, uint64_t id)
{
    member_put_name(o, name);
    buf_u8(o->b, '"');
    buf_dec(o->b, id);
    buf_u8(o->b, '"');
}

static void member_put_number(struct object *o, const char *name, uint64_t v)
{
    member_put_name(o, name);
    buf_dec(o->b, v);
}

static void member_put_time(struct object *o, uint64_t ms)
{
    member_put_name(o, "time");
    buf_u8(o->b, '"');
    time_put_rfc3339(o->b, ms);
    buf_u8(o->b, '"');
}

static void member_put_user(struct object *o, struct slice user)
{
    struct slice name, value;
    char separator = '[';

    if (user.len == 0)
        return;
    member_put_name(o, "properties");
    while (event_user_next(&user, &name, &value)) {
        buf_u8(o->b, (uint8_t)separator);
        buf_u8(o->b, '[');
        json_put_string(o->b, name);
        buf_u8(o->b, ',');
        json_put_string(o->b, value);
        buf_u8(o->b, ']');
        separator = ',';
    }
    buf_u8(o->b, ']');
}

static void member_put_producer(struct object *o, const struct producer *p)
{
    struct object inner;

    if (p->id.len == 0)
        return;
    member_put_name(o, "producer");
    buf_u8(o->b, '{');
    inner = (struct object){o->b, o->b->len};
    member_put_text(&inner, "id", p->id);
    member_put_number(&inner, "epoch", p->epoch);
    member_put_number(&inner, "seq", p->seq);
    buf_u8(o->b, '}');
}

static void member_put_payload(struct object *o, struct slice payload, struct slice content_type)
{
    if (event_json_is_content_type(content_type) &&
        json_check_depth(payload, EVENT_JSON_DEPTH_MAX) != JSON_BAD) {
        member_put_name(o, "data");
        json_put_one_line(o->b, payload);
    } else if (utf8_valid(payload.p, payload.len)) {
        member_put_name(o, "data");
        json_put_string(o->b, payload);
    } else {
        member_put_name(o, "data_base64");
        json_put_base64(o->b, payload);
    }
}

static void members_put_props(struct object *o, const struct event *e, const struct event_props *p)
{
    member_put_text(o, "type", p->type);
    member_put_text(o, "content_type", p->content_type);
    if ((e->flags & EVENT_RETAIN) != 0) {
        member_put_name(o, "retain");
        buf_puts(o->b, "true");
    }
    if ((e->flags & EVENT_HAS_EXPIRY) != 0)
        member_put_number(o, "expiry", e->expiry);
    member_put_text(o, "response_topic", p->response_topic);
    if (p->correlation.p != NULL) {
        member_put_name(o, "correlation_data");
        json_put_base64(o->b, p->correlation);
    }
    member_put_user(o, p->user);
    member_put_producer(o, &p->producer);
}

void event_json_put_members(struct buf *b, const struct event *e)
{
    struct object o = {b, b->len};
    struct event_props props;

    /* They were checked when the event was published; what a damaged store made
     * of them since is left out, not guessed at. */
    if (event_props_get(e->props, &props) != EVENT_OK)
        props = (struct event_props){.payload_format = -1};
    if (e->id != 0)
        member_put_id(&o, "id", e->id);
    member_put_text(&o, "topic", e->topic);
    if (e->time != 0)
        member_put_time(&o, e->time);
    members_put_props(&o, e, &props);
    member_put_payload(&o, e->payload, props.content_type);
}

void event_json_put_headers(struct buf *b, const struct event *e)
{
    struct object o = {b, b->len + 1};
    struct event_props props;

    if (event_props_get(e->props, &props) != EVENT_OK)
        props = (struct event_props){.payload_format = -1};
    buf_u8(b, '{');
    if (e->time != 0)
        member_put_time(&o, e->time);
    members_put_props(&o, e, &props);
    buf_u8(b, '}');
}

void event_json_put(struct buf *b, const struct event *e)
{
    buf_u8(b, '{');
    event_json_put_members(b, e);
    buf_u8(b, '}');
}

void event_json_put_id(struct buf *b, uint64_t id)
{
    if (id == 0) {
        buf_puts(b, "null");
        return;
    }
    buf_u8(b, '"');
    buf_dec(b, id);
    buf_u8(b, '"');
}

void event_json_put_gap(struct buf *b, const struct gap *g)
{
    struct object o;

    buf_u8(b, '{');
    o = (struct object){b, b->len};
    member_put_id(&o, "requested", g->requested);
    member_put_id(&o, "resumed_from", g->resumed_from);
    member_put_id(&o, "removed_to", g->removed_to);
    member_put_text(&o, "reason", slice_of(event_gap_reason_text(g->reason)));
    buf_u8(b, '}');
}

/* --- reading ---------------------------------------------------------------- */

#define KIND(kind) (1u << (kind))
#define KIND_BOOL (KIND(JSON_TRUE) | KIND(JSON_FALSE))
#define KIND_ANY (~0u)

/* clang-format off */
/* X(NAME, name, kinds of value, what to say when it is another) */
#define MEMBERS(X) \
    X(TOPIC, "topic", KIND(JSON_STRING), "topic must be a string") \
    X(TYPE, "type", KIND(JSON_STRING), "type must be a string") \
    X(CONTENT_TYPE, "content_type", KIND(JSON_STRING), "content_type must be a string") \
    X(RETAIN, "retain", KIND_BOOL, "retain must be true or false") \
    X(EXPIRY, "expiry", KIND(JSON_NUMBER), "expiry must be a number of seconds") \
    X(RESPONSE_TOPIC, "response_topic", KIND(JSON_STRING), "response_topic must be a string") \
    X(CORRELATION, "correlation_data", KIND(JSON_STRING), "correlation_data must be base64") \
    X(PROPERTIES, "properties", KIND(JSON_ARRAY), PROPERTIES_WHY) \
    X(PRODUCER, "producer", KIND(JSON_OBJECT), PRODUCER_WHY) \
    X(PAYLOAD_FORMAT, "payload_format", KIND(JSON_NUMBER), PAYLOAD_FORMAT_WHY) \
    X(DATA, "data", KIND_ANY, "") \
    X(DATA_BASE64, "data_base64", KIND(JSON_STRING), "data_base64 must be base64")
#define PROPERTIES_WHY "properties must be an array of [name, value] pairs of strings"
#define PRODUCER_WHY "producer must hold id (a string), epoch and seq (integers), nothing else"
#define PAYLOAD_FORMAT_WHY "payload_format must be 0 or 1"

enum member {
#define X(NAME, name, kinds, why) MEMBER_##NAME,
    MEMBERS(X)
#undef X
    MEMBER_COUNT
};
/* clang-format on */

static const struct {
    const char *name;
    unsigned kinds;
    const char *why;
} members[] = {
#define X(NAME, name, kinds, why) {name, kinds, why},
    MEMBERS(X)
#undef X
};

struct input {
    unsigned flags;
    const char *const *allow;
    uint64_t allowed_seen;          /* one bit for each name in allow */
    struct slice raw[MEMBER_COUNT]; /* p == NULL: absent */
    struct event_props props;       /* slices into text and user */
    struct buf text;                /* unescaped; reserved once, so that it stays put */
    struct buf user;
    struct buf *store;
    const char *field;
    const char *why;
};

static bool event_json_fail(struct input *in, const char *field, const char *why)
{
    in->field = field;
    in->why = why;
    return false;
}

static const char not_text[] = "half a surrogate pair is no text";

static bool event_json_fail_member(struct input *in, enum member m)
{
    return event_json_fail(in, members[m].name, members[m].why);
}

/* Tells a name that is not ours, cut short at a character's beginning. */
static bool event_json_fail_name(struct input *in, struct slice key_raw, const char *why)
{
    struct buf *b = in->store;

    buf_clear(b);
    json_string_get(key_raw, b);
    if (b->len > FIELD_SHOWN) {
        b->len = FIELD_SHOWN;
        while ((b->p[b->len] & 0xc0) == 0x80)
            b->len--;
    }
    buf_u8(b, '\0');
    return event_json_fail(in, (const char *)b->p, why);
}

static bool collect_allowed(struct input *in, struct slice key_raw)
{
    for (size_t i = 0; in->allow != NULL && in->allow[i] != NULL; i++) {
        uint64_t bit = UINT64_C(1) << i;

        assert(i < 64);
        if (!json_string_is(key_raw, in->allow[i]))
            continue;
        if ((in->allowed_seen & bit) != 0)
            return event_json_fail_name(in, key_raw, "the member comes twice");
        in->allowed_seen |= bit;
        return true;
    }
    return event_json_fail_name(in, key_raw, "the member is unknown here");
}

static bool collect_member(struct input *in, struct slice key_raw, struct slice raw)
{
    enum member m = 0;

    while (m < MEMBER_COUNT && !json_string_is(key_raw, members[m].name))
        m++;
    if (m == MEMBER_COUNT)
        return collect_allowed(in, key_raw);
    if (in->raw[m].p != NULL)
        return event_json_fail(in, members[m].name, "the member comes twice");
    if ((KIND(json_kind_of(raw)) & members[m].kinds) == 0)
        return event_json_fail_member(in, m);
    if (m != MEMBER_DATA && !json_is_text(raw))
        return event_json_fail(in, members[m].name, not_text);
    in->raw[m] = raw;
    return true;
}

static bool collect(struct input *in, struct slice json)
{
    struct json_iter it;
    struct slice key_raw, raw;

    if (json_check(json) != JSON_OBJECT)
        return event_json_fail(in, "event", "the event is not a valid JSON object");
    it = json_iter_of(json);
    while (json_member(&it, &key_raw, &raw))
        if (!collect_member(in, key_raw, raw))
            return false;
    return true;
}

static bool check_presence(struct input *in)
{
    const struct slice *raw = in->raw;

    if (raw[MEMBER_TOPIC].p == NULL && (in->flags & EVENT_JSON_TOPIC_OPTIONAL) == 0)
        return event_json_fail(in, "topic", "topic is required");
    if ((in->flags & EVENT_JSON_NO_PAYLOAD) != 0) {
        if (raw[MEMBER_DATA].p != NULL)
            return event_json_fail(in, "data", "the payload travels apart");
        if (raw[MEMBER_DATA_BASE64].p != NULL)
            return event_json_fail(in, "data_base64", "the payload travels apart");
    }
    if (raw[MEMBER_DATA].p != NULL && raw[MEMBER_DATA_BASE64].p != NULL)
        return event_json_fail(in, "data_base64", "data and data_base64 exclude each other");
    return true;
}

/* What was appended to b since `start`.  p is never NULL: the text is set. */
static struct slice event_json_appended(const struct buf *b, size_t start)
{
    assert(b->p != NULL);
    return (struct slice){(const char *)b->p + start, b->len - start};
}

/* Unescapes a string into `text`; unset stays unset. */
static struct slice event_json_read_string(struct input *in, struct slice raw)
{
    size_t start = in->text.len, room = in->text.cap;

    if (raw.p == NULL)
        return (struct slice){NULL, 0};
    json_string_get(raw, &in->text);
    assert(in->text.cap == room); /* else earlier slices would dangle */
    (void)room;
    return event_json_appended(&in->text, start);
}

static void reserve_text(struct input *in)
{
    size_t size = 1;

    for (enum member m = MEMBER_TYPE; m < MEMBER_DATA; m++)
        size += in->raw[m].len;
    (void)buf_reserve(&in->text, size);
}

static bool read_pair(struct input *in, struct slice pair)
{
    struct json_iter it;
    struct slice raw[2], extra, name, value;

    if (json_kind_of(pair) != JSON_ARRAY)
        return event_json_fail_member(in, MEMBER_PROPERTIES);
    it = json_iter_of(pair);
    for (int i = 0; i < 2; i++)
        if (!json_element(&it, &raw[i]) || json_kind_of(raw[i]) != JSON_STRING)
            return event_json_fail_member(in, MEMBER_PROPERTIES);
    if (json_element(&it, &extra))
        return event_json_fail_member(in, MEMBER_PROPERTIES);
    name = event_json_read_string(in, raw[0]);
    value = event_json_read_string(in, raw[1]);
    if (2 + name.len + value.len > UINT16_MAX)
        return event_json_fail(in, "properties", event_verdict_text(EVENT_PROPS_TOO_LARGE));
    if (!event_user_is_ours(name))
        event_user_put(&in->user, name, value);
    return true;
}

static bool read_properties(struct input *in)
{
    struct json_iter it;
    struct slice pair;

    if (in->raw[MEMBER_PROPERTIES].p == NULL)
        return true;
    it = json_iter_of(in->raw[MEMBER_PROPERTIES]);
    while (json_element(&it, &pair))
        if (!read_pair(in, pair))
            return false;
    if (in->user.len > 0)
        in->props.user = event_json_appended(&in->user, 0);
    return true;
}

/* One member of `producer`; `seen` has a bit for each that came. */
static bool read_producer_member(struct input *in, struct slice key, struct slice raw,
                                 unsigned *seen)
{
    struct producer *p = &in->props.producer;
    unsigned bit = json_string_is(key, "id")      ? 1
                   : json_string_is(key, "epoch") ? 2
                   : json_string_is(key, "seq")   ? 4
                                                  : 0;

    if (bit == 0 || (*seen & bit) != 0)
        return false;
    *seen |= bit;
    if (bit != 1)
        return json_u64(raw, bit == 2 ? &p->epoch : &p->seq);
    if (json_kind_of(raw) != JSON_STRING)
        return false;
    p->id = event_json_read_string(in, raw);
    return p->id.len > 0;
}

static bool read_producer(struct input *in)
{
    struct json_iter it;
    struct slice key, raw;
    unsigned seen = 0;

    if (in->raw[MEMBER_PRODUCER].p == NULL)
        return true;
    it = json_iter_of(in->raw[MEMBER_PRODUCER]);
    while (json_member(&it, &key, &raw))
        if (!read_producer_member(in, key, raw, &seen))
            return event_json_fail_member(in, MEMBER_PRODUCER);
    return seen == 7 || event_json_fail_member(in, MEMBER_PRODUCER);
}

static bool read_correlation(struct input *in)
{
    size_t start = in->text.len;

    if (in->raw[MEMBER_CORRELATION].p == NULL)
        return true;
    if (!json_get_base64(in->raw[MEMBER_CORRELATION], &in->text))
        return event_json_fail_member(in, MEMBER_CORRELATION);
    in->props.correlation = event_json_appended(&in->text, start);
    return true;
}

static bool read_payload_format(struct input *in)
{
    uint64_t v;

    if (in->raw[MEMBER_PAYLOAD_FORMAT].p == NULL)
        return true;
    if (!json_u64(in->raw[MEMBER_PAYLOAD_FORMAT], &v) || v > 1)
        return event_json_fail_member(in, MEMBER_PAYLOAD_FORMAT);
    in->props.payload_format = (int)v;
    return true;
}

/* JSON that is not a string says by itself what it is. */
static void default_content_type(struct input *in)
{
    struct slice raw = in->raw[MEMBER_DATA];

    if (raw.p != NULL && json_kind_of(raw) != JSON_STRING && in->props.content_type.p == NULL)
        in->props.content_type = SLICE("application/json");
}

static const char *verdict_field(enum event_verdict v, const struct event_props *p)
{
    struct event_props alone = {.content_type = p->content_type, .payload_format = -1};

    switch (v) {
    case EVENT_BAD_TYPE:
        return "type";
    case EVENT_BAD_RESPONSE_TOPIC:
        return "response_topic";
    case EVENT_BAD_PAYLOAD_FORMAT:
        return "payload_format";
    default: /* several members can be meant */
        break;
    }
    if (event_props_check(&alone) != EVENT_OK)
        return "content_type";
    alone.content_type = (struct slice){NULL, 0};
    alone.producer = p->producer;
    return event_props_check(&alone) != EVENT_OK ? "producer" : "properties";
}

static bool read_props(struct input *in)
{
    enum event_verdict verdict;

    reserve_text(in);
    in->props.type = event_json_read_string(in, in->raw[MEMBER_TYPE]);
    in->props.content_type = event_json_read_string(in, in->raw[MEMBER_CONTENT_TYPE]);
    in->props.response_topic = event_json_read_string(in, in->raw[MEMBER_RESPONSE_TOPIC]);
    default_content_type(in);
    if (!read_correlation(in) || !read_properties(in) || !read_producer(in) ||
        !read_payload_format(in))
        return false;
    verdict = event_props_check(&in->props);
    if (verdict != EVENT_OK)
        return event_json_fail(in, verdict_field(verdict, &in->props), event_verdict_text(verdict));
    return true;
}

static bool read_flags(struct input *in, struct event *e)
{
    struct slice retain = in->raw[MEMBER_RETAIN], expiry = in->raw[MEMBER_EXPIRY];
    uint64_t seconds;

    e->flags = 2 << EVENT_QOS_SHIFT;
    if (retain.p != NULL && json_kind_of(retain) == JSON_TRUE)
        e->flags |= EVENT_RETAIN;
    if (expiry.p == NULL)
        return true;
    if (!json_u64(expiry, &seconds) || seconds > UINT32_MAX)
        return event_json_fail_member(in, MEMBER_EXPIRY);
    e->flags |= EVENT_HAS_EXPIRY;
    e->expiry = (uint32_t)seconds;
    return true;
}

/* Appends the payload's bytes to the store. */
static bool read_payload(struct input *in)
{
    struct slice data = in->raw[MEMBER_DATA], base64 = in->raw[MEMBER_DATA_BASE64];

    if (base64.p != NULL)
        return json_get_base64(base64, in->store) || event_json_fail_member(in, MEMBER_DATA_BASE64);
    if (data.p == NULL)
        return true;
    if (json_kind_of(data) != JSON_STRING || event_json_is_content_type(in->props.content_type)) {
        buf_put_slice(in->store, data);
        return true;
    }
    if (!json_is_text(data))
        return event_json_fail(in, "data", not_text);
    json_string_get(data, in->store);
    return true;
}

/* Copies everything into the store; slices are made last, when it has grown. */
static bool event_json_build(struct input *in, struct event *e)
{
    struct buf *b = in->store;
    size_t props, payload;

    if (in->raw[MEMBER_TOPIC].p != NULL)
        json_string_get(in->raw[MEMBER_TOPIC], b);
    props = b->len;
    event_props_put(b, &in->props);
    payload = b->len;
    if (!read_payload(in))
        return false;
    (void)buf_reserve(b, 1);
    e->payload = event_json_appended(b, payload);
    e->topic = (struct slice){(const char *)b->p, props};
    e->props = (struct slice){(const char *)b->p + props, payload - props};
    return true;
}

bool event_json_get(struct slice json, unsigned flags, const char *const *allow, struct buf *store,
                    struct event *e, const char **field, const char **why)
{
    struct input in = {
        .flags = flags, .allow = allow, .props = {.payload_format = -1}, .store = store};
    bool ok;

    assert(store->len == 0);
    *e = (struct event){0};
    ok = collect(&in, json) && check_presence(&in) && read_props(&in) && read_flags(&in, e) &&
         event_json_build(&in, e);
    buf_free(&in.text);
    buf_free(&in.user);
    if (!ok) {
        *field = in.field;
        *why = in.why;
    }
    return ok;
}
