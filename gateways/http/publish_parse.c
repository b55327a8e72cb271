/*
 * publish_parse.c - headers and lines to records.
 *
 * A header that makes no sense is refused by name, never ignored: a publisher
 * that wrote Sluice-Expiry wanted the event to expire.
 */
#include "publish_parse.h"

#include "event_json.h"
#include "json.h"
#include "mem.h"
#include "publish_trace.h"
#include "topic.h"
#include "url.h"

/* --- one event from headers ---------------------------------------------------- */

/* What is gathered for a record; text holds what had to be decoded. */
struct draft {
    struct event e;
    struct event_props props;
    struct buf topic, correlation, user, encoded, owned;
    bool by_key; /* the producer is an Idempotency-Key */
};

static void draft_free(struct draft *d)
{
    buf_free(&d->topic);
    buf_free(&d->correlation);
    buf_free(&d->user);
    buf_free(&d->encoded);
    buf_free(&d->owned);
}

static bool bad_header(struct problem *p, const char *name, const char *what)
{
    return problem_setf(p, ERR_BAD_EVENT, name, "%s %s", name, what);
}

/* One of ours by its name, but not by any that there is: misspelt, or of another version. */
static bool unknown_header(struct problem *p, struct slice name)
{
    return problem_setf(p, ERR_BAD_EVENT, NULL, "There is no header %.*s", (int)name.len, name.p);
}

static bool is_ours(struct slice name)
{
    return name.len >= 7 && slice_eq_nocase((struct slice){name.p, 7}, SLICE("Sluice-"));
}

static bool take_text(struct slice value, struct slice *out)
{
    if (value.len > 0)
        *out = value;
    return true;
}

/* curl -d says application/x-www-form-urlencoded without being asked. */
static bool take_content_type(struct draft *d, struct slice value, struct problem *p)
{
    (void)p;
    if (slice_eq_nocase(http_media_type(value), SLICE("application/x-www-form-urlencoded")))
        return true;
    return take_text(value, &d->props.content_type);
}

static bool take_type(struct draft *d, struct slice value, struct problem *p)
{
    (void)p;
    return take_text(value, &d->props.type);
}

static bool take_response_topic(struct draft *d, struct slice value, struct problem *p)
{
    (void)p;
    return take_text(value, &d->props.response_topic);
}

static bool take_retain(struct draft *d, struct slice value, struct problem *p)
{
    if (slice_eq_nocase(value, SLICE("true")) || slice_eq(value, SLICE("1")))
        d->e.flags |= EVENT_RETAIN;
    else if (!slice_eq_nocase(value, SLICE("false")) && !slice_eq(value, SLICE("0")))
        return bad_header(p, "Sluice-Retain", "must be true or false");
    return true;
}

static bool take_expiry(struct draft *d, struct slice value, struct problem *p)
{
    uint64_t seconds;

    if (!slice_u64(value, &seconds) || seconds > UINT32_MAX)
        return bad_header(p, "Sluice-Expiry", "must be a number of seconds below 2^32");
    d->e.expiry = (uint32_t)seconds;
    d->e.flags |= EVENT_HAS_EXPIRY;
    return true;
}

static bool take_payload_format(struct draft *d, struct slice value, struct problem *p)
{
    if (value.len != 1 || (value.p[0] != '0' && value.p[0] != '1'))
        return bad_header(p, "Sluice-Payload-Format", "must be 0 or 1");
    d->props.payload_format = value.p[0] - '0';
    return true;
}

/* base64 is read as a JSON string, which is what the value between quotes must be. */
static bool take_correlation(struct draft *d, struct slice value, struct problem *p)
{
    struct buf quoted = {0};
    bool good;

    buf_puts(&quoted, "\"");
    buf_put_slice(&quoted, value);
    buf_puts(&quoted, "\"");
    good = json_check(buf_slice(&quoted)) == JSON_STRING && json_is_text(buf_slice(&quoted)) &&
           json_get_base64(buf_slice(&quoted), &d->correlation);
    buf_free(&quoted);
    if (!good || d->correlation.len > EVENT_PROPS_MAX)
        return bad_header(p, "Sluice-Correlation-Data", "must be base64 with padding");
    d->props.correlation = buf_slice(&d->correlation);
    return true;
}

static bool take_producer_id(struct draft *d, struct slice value, struct problem *p)
{
    if (value.len == 0)
        return bad_header(p, "Producer-Id", "must not be empty");
    return take_text(value, &d->props.producer.id);
}

static bool take_producer_epoch(struct draft *d, struct slice value, struct problem *p)
{
    return slice_u64(value, &d->props.producer.epoch) ||
           bad_header(p, "Producer-Epoch", "must be a number below 2^64");
}

static bool take_producer_seq(struct draft *d, struct slice value, struct problem *p)
{
    return slice_u64(value, &d->props.producer.seq) ||
           bad_header(p, "Producer-Seq", "must be a number below 2^64");
}

/* Idempotency-Key: K is the producer (K, 0, 0). */
static bool take_idempotency_key(struct draft *d, struct slice value, struct problem *p)
{
    if (value.len == 0)
        return bad_header(p, "Idempotency-Key", "must not be empty");
    d->by_key = true;
    return take_text(value, &d->props.producer.id);
}

static bool take_property(struct draft *d, struct slice value, struct problem *p)
{
    const char *mark = value.len > 0 ? memchr(value.p, '=', value.len) : NULL;
    struct slice name = {value.p, mark != NULL ? (size_t)(mark - value.p) : 0};

    if (name.len == 0)
        return bad_header(p, "Sluice-Property", "must be name=value");
    if (value.len > UINT16_MAX - 2)
        return bad_header(p, "Sluice-Property", "is too long");
    if (!event_user_is_ours(name))
        event_user_put(&d->user, name, (struct slice){mark + 1, value.len - name.len - 1});
    return true;
}

enum { PRODUCER_ID = 1, PRODUCER_EPOCH = 2, PRODUCER_SEQ = 4, IDEMPOTENCY_KEY = 8 };

static const struct header {
    const char *name;
    bool (*take)(struct draft *d, struct slice value, struct problem *p);
    unsigned producer; /* which part of the producer it says */
} headers[] = {
    {"Content-Type", take_content_type, 0},
    {"Sluice-Type", take_type, 0},
    {"Sluice-Retain", take_retain, 0},
    {"Sluice-Expiry", take_expiry, 0},
    {"Sluice-Response-Topic", take_response_topic, 0},
    {"Sluice-Correlation-Data", take_correlation, 0},
    {"Sluice-Payload-Format", take_payload_format, 0},
    {"Producer-Id", take_producer_id, PRODUCER_ID},
    {"Producer-Epoch", take_producer_epoch, PRODUCER_EPOCH},
    {"Producer-Seq", take_producer_seq, PRODUCER_SEQ},
    {"Idempotency-Key", take_idempotency_key, IDEMPOTENCY_KEY},
};

static bool is_property(struct slice name)
{
    return slice_eq_nocase(name, SLICE("Sluice-Property"));
}

/* Its index in headers, or the table's length. */
static size_t header_find(struct slice name)
{
    size_t i = 0;

    while (i < ARRAY_LEN(headers) && !slice_eq_nocase(name, slice_of(headers[i].name)))
        i++;
    return i;
}

static bool check_producer(unsigned said, struct problem *p)
{
    if ((said & IDEMPOTENCY_KEY) != 0 && said != IDEMPOTENCY_KEY)
        return bad_header(p, "Idempotency-Key", "and Producer-… exclude each other");
    if ((said & (PRODUCER_EPOCH | PRODUCER_SEQ)) != 0 && (said & PRODUCER_ID) == 0)
        return bad_header(p, "Producer-Id", "is missing");
    if ((said & PRODUCER_ID) != 0 && (said & PRODUCER_SEQ) == 0)
        return bad_header(p, "Producer-Seq", "is missing");
    return true;
}

static bool take_headers(struct draft *d, const struct http_request *r, struct problem *p)
{
    unsigned seen = 0, producer = 0;

    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        size_t known = header_find(h->name);

        if (known < ARRAY_LEN(headers)) {
            if ((seen & 1u << known) != 0)
                return bad_header(p, headers[known].name, "comes twice");
            if (!headers[known].take(d, h->value, p))
                return false;
            seen |= 1u << known;
            producer |= headers[known].producer;
        } else if (is_property(h->name)) {
            if (!take_property(d, h->value, p))
                return false;
        } else if (is_ours(h->name)) {
            return unknown_header(p, h->name);
        }
    }
    publish_trace_add(&d->user, 0, r);
    d->props.user = buf_slice(&d->user);
    return check_producer(producer, p);
}

bool publish_check(const struct event *e, const struct publish_limits *l, struct problem *p)
{
    enum topic_verdict v = topic_check_publish(e->topic);

    if (v != TOPIC_OK)
        return problem_set(p, ERR_BAD_TOPIC, "topic", topic_verdict_text(v));
    if (!caller_may(l->who, AUTH_PUBLISH, e->topic))
        return problem_forbid(p, "topic", auth_verb_names[AUTH_PUBLISH], e->topic);
    return e->payload.len <= l->max_payload ||
           problem_setf(p, ERR_TOO_LARGE, "payload", "A payload may hold %zu bytes at most",
                        l->max_payload);
}

/* Empty where nobody is anybody. */
static struct slice publisher_of(const struct caller *who)
{
    const struct principal *p = who->principal;

    return p != NULL && !p->grants.all ? caller_name(who) : (struct slice){0};
}

bool publish_own(struct event *e, const struct caller *who, struct buf *store, struct problem *p)
{
    struct slice publisher = publisher_of(who);
    struct event_props props;
    enum event_verdict v;

    if (publisher.len == 0 || e->props.len == 0 || event_props_get(e->props, &props) != EVENT_OK ||
        props.producer.id.len == 0)
        return true; /* what is malformed the broker refuses */
    props.origin = publisher;
    v = event_props_check(&props);
    if (v != EVENT_OK)
        return problem_set(p, ERR_BAD_EVENT, "producer", event_verdict_text(v));
    buf_clear(store);
    event_props_put(store, &props);
    e->props = buf_slice(store);
    return true;
}

static bool text_is_bad(struct event_props only)
{
    return event_props_check(&only) == EVENT_BAD_TEXT;
}

/* Several headers hold text: which of them is it? */
static const char *bad_text_field(const struct event_props *p, bool by_key)
{
    if (text_is_bad((struct event_props){.content_type = p->content_type}))
        return "Content-Type";
    if (text_is_bad((struct event_props){.producer = p->producer}))
        return by_key ? "Idempotency-Key" : "Producer-Id";
    return "Sluice-Property";
}

/* The header that a verdict on all properties together points at. */
static const char *verdict_field(enum event_verdict v, const struct draft *d)
{
    switch (v) {
    case EVENT_BAD_TYPE:
        return "Sluice-Type";
    case EVENT_BAD_RESPONSE_TOPIC:
        return "Sluice-Response-Topic";
    case EVENT_BAD_PAYLOAD_FORMAT:
        return "Sluice-Payload-Format";
    case EVENT_BAD_TEXT:
        return bad_text_field(&d->props, d->by_key);
    default:
        return NULL;
    }
}

static bool check_props(const struct draft *d, struct problem *p)
{
    enum event_verdict v = event_props_check(&d->props);

    return v == EVENT_OK ||
           problem_set(p, ERR_BAD_EVENT, verdict_field(v, d), event_verdict_text(v));
}

/* A compressed body would be stored as if its bytes were the payload. */
static bool check_coding(const struct http_request *r, struct problem *p)
{
    struct slice coding = http_request_header(r, "content-encoding", NULL);

    return coding.p == NULL || slice_eq_nocase(coding, SLICE("identity")) ||
           problem_set(p, ERR_MEDIA_TYPE, "Content-Encoding", "Bodies are taken as they are only");
}

static bool draft_fill(struct draft *d, const struct http_request *r, struct slice topic,
                       const struct publish_limits *l, struct problem *p)
{
    if (!url_decode(topic, &d->topic))
        return problem_set(p, ERR_BAD_TOPIC, "topic", "A %-escape in the path is malformed");
    d->e.topic = buf_slice(&d->topic);
    if (!check_coding(r, p) || !publish_check(&d->e, l, p) || !take_headers(d, r, p) ||
        !check_props(d, p))
        return false;
    event_props_put(&d->encoded, &d->props);
    d->e.props = buf_slice(&d->encoded);
    return publish_own(&d->e, l->who, &d->owned, p);
}

bool publish_parse(const struct http_request *r, struct slice topic, struct slice body,
                   const struct publish_limits *l, struct buf *record, struct problem *p)
{
    struct draft d = {.e = {.payload = body, .flags = 2 << EVENT_QOS_SHIFT},
                      .props = {.payload_format = -1}};
    bool good = draft_fill(&d, r, topic, l, p);

    if (good)
        event_record_put(record, &d.e);
    draft_free(&d);
    return good;
}

/* --- a batch ---------------------------------------------------------------------- */

static struct slice next_line(struct slice *body)
{
    const char *end = memchr(body->p, '\n', body->len);
    struct slice line = {body->p, end != NULL ? (size_t)(end - body->p) : body->len};
    size_t used = end != NULL ? line.len + 1 : line.len;

    *body = (struct slice){body->p + used, body->len - used};
    return line;
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}

/* The request's trace is that of each of its events. */
static void put_record(struct buf *records, struct event *e, const struct http_request *r)
{
    struct buf user = {0}, props = {0};
    struct event_props had;

    if (http_request_header(r, "traceparent", NULL).p != NULL &&
        event_props_get(e->props, &had) == EVENT_OK) {
        buf_put_slice(&user, had.user);
        publish_trace_add(&user, e->props.len - had.user.len, r);
        had.user = buf_slice(&user);
        event_props_put(&props, &had);
        e->props = buf_slice(&props);
    }
    event_record_put(records, e);
    buf_free(&user);
    buf_free(&props);
}

static bool take_line(struct slice line, const struct http_request *r,
                      const struct publish_limits *l, struct buf *store, struct buf *records,
                      struct problem *p)
{
    const char *field = NULL, *why = NULL;
    struct buf owned = {0};
    struct event e;
    bool good;

    buf_clear(store);
    if (!event_json_get(line, 0, NULL, store, &e, &field, &why))
        return problem_set(p, ERR_BAD_EVENT, field, why);
    good = publish_check(&e, l, p) && publish_own(&e, l->who, &owned, p);
    if (good)
        put_record(records, &e, r);
    buf_free(&owned);
    return good;
}

static bool batch_type_ok(const struct http_request *r, struct problem *p)
{
    static const char *const known[] = {"application/x-ndjson",
                                        "application/ndjson",
                                        "application/jsonl",
                                        "application/json",
                                        "application/x-www-form-urlencoded",
                                        ""};
    struct slice type = http_media_type(http_request_header(r, "content-type", NULL));

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_eq_nocase(type, slice_of(known[i])))
            return true;
    return problem_set(p, ERR_MEDIA_TYPE, "Content-Type",
                       "A batch is application/x-ndjson: one event in JSON a line");
}

/* What one event's headers say is said line by line here; Content-Type, the first,
 * is the batch's own.  Ignored, a key would promise what is not kept. */
static bool batch_headers_ok(const struct http_request *r, struct problem *p)
{
    for (size_t i = 0; i < r->header_count; i++) {
        struct slice name = r->headers[i].name;
        size_t known = header_find(name);

        if (known > 0 && (known < ARRAY_LEN(headers) || is_property(name)))
            return bad_header(p,
                              known < ARRAY_LEN(headers) ? headers[known].name : "Sluice-Property",
                              "is for one event; in a batch each line has its own members");
        if (is_ours(name))
            return unknown_header(p, name);
    }
    return true;
}

bool publish_parse_batch(const struct http_request *r, struct slice body,
                         const struct publish_limits *l, struct buf *records, uint32_t *count,
                         struct buf *lines, struct problem *p)
{
    struct buf store = {0};
    uint32_t line_number = 0;
    bool good = check_coding(r, p) && batch_type_ok(r, p) && batch_headers_ok(r, p);

    *count = 0;
    while (good && body.len > 0) {
        struct slice line = next_line(&body);

        line_number++;
        if (is_blank(line))
            continue;
        good = *count < l->max_batch
                   ? take_line(line, r, l, &store, records, p)
                   : problem_setf(p, ERR_TOO_LARGE, NULL, "A batch may hold %u events at most",
                                  l->max_batch);
        buf_u32(lines, line_number);
        ++*count;
        p->line = good ? 0 : line_number;
    }
    buf_free(&store);
    if (good && *count == 0)
        good = problem_set(p, ERR_BAD_REQUEST, NULL, "The batch holds no event");
    return good;
}
