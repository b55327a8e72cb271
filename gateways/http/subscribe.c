/*
 * subscribe.c - reading a subscription, word by word.
 *
 * Every refusal names the parameter.  Two kinds of start in one query are refused, for
 * there is no telling which was meant; Last-Event-ID is not one of them: it is the
 * browser's, or its library's in the query, and newer than the address it reconnects to.
 * Of several IDs the newest wins.
 */
#include "subscribe.h"

#include <assert.h>
#include <stdlib.h>

#include "event_json.h"
#include "mem.h"
#include "topic.h"
#include "url.h"

/* --- words --------------------------------------------------------------------- */

bool subscribe_cursor(struct slice value, const char *field, uint64_t *id, struct problem *p)
{
    if (!slice_u64(value, id) || *id > EVENT_ID_MAX)
        return problem_setf(p, ERR_BAD_CURSOR, field, "%s must be an event ID: a number below 2^53",
                            field);
    return true;
}

bool subscribe_duration(struct slice s, uint64_t max, uint64_t *ms)
{
    static const struct {
        struct slice name;
        uint64_t ms;
    } units[] = {{{"ms", 2}, 1},
                 {{"s", 1}, 1000},
                 {{"m", 1}, 60000},
                 {{"h", 1}, 3600000},
                 {{"d", 1}, 86400000}};
    size_t digits = 0;
    uint64_t n;

    while (digits < s.len && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    if (digits == 0 || !slice_u64((struct slice){s.p, digits}, &n))
        return false;
    s = (struct slice){s.p + digits, s.len - digits};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!slice_eq(s, units[i].name))
            continue;
        *ms = n > max / units[i].ms ? max : n * units[i].ms;
        return true;
    }
    return false;
}

bool subscribe_since(struct slice value, const char *field, uint64_t now_ms, uint64_t *ms,
                     struct problem *p)
{
    uint64_t ago;

    if (time_get_rfc3339(value, ms))
        return true;
    if (!subscribe_duration(value, now_ms, &ago)) /* not before 1970 */
        return problem_setf(p, ERR_BAD_CURSOR, field,
                            "%s must be a time such as 2026-01-31T10:00:00Z, or a duration such "
                            "as 250ms, 10s, 5m, 2h or 7d",
                            field);
    *ms = now_ms - ago;
    return true;
}

static bool last_parse(struct slice value, uint64_t max, uint64_t *n, struct problem *p)
{
    if (!slice_u64(value, n) || *n > max)
        return problem_setf(p, ERR_BAD_CURSOR, "last",
                            "last must be a number of events, %llu at most",
                            (unsigned long long)max);
    return true;
}

/* --- one parameter ---------------------------------------------------------------- */

void subscribe_init(struct subscribe *s, size_t text_max)
{
    s->filter_count = 0;
    s->start = (struct start){START_NOW, 0};
    s->start_field = NULL;
    s->resumes = false;
    s->resumed_after = 0;
    s->on_gap_fail = false;
    s->format = FORMAT_DEFAULT;
    s->text = mem_alloc(text_max);
}

void subscribe_free(struct subscribe *s)
{
    free(s->text);
    s->text = NULL;
}

static char *text_end(const struct subscribe *s)
{
    const struct slice *last;

    if (s->filter_count == 0)
        return s->text;
    last = &s->filters[s->filter_count - 1];
    return s->text + (last->p - s->text) + last->len;
}

bool subscribe_filter(struct subscribe *s, const struct subscribe_limits *l, struct slice filter,
                      struct problem *p)
{
    enum topic_verdict v = filter_check(filter);
    char *at = text_end(s);

    assert(l->max_filters <= SUBSCRIBE_FILTERS_MAX);
    if (v != TOPIC_OK)
        return problem_set(p, ERR_BAD_FILTER, "topic", topic_verdict_text(v));
    if (s->filter_count >= l->max_filters)
        return problem_setf(p, ERR_BAD_FILTER, "topic",
                            "A subscription may have %zu topics and filters at most",
                            l->max_filters);
    memcpy(at, filter.p, filter.len);
    s->filters[s->filter_count++] = (struct slice){at, filter.len};
    return true;
}

static bool set_start(struct subscribe *s, const struct subscribe_limits *l, const char *field,
                      struct slice value, struct problem *p)
{
    uint64_t had = s->start.arg;

    if (s->start_field != NULL && strcmp(s->start_field, "after") == 0 &&
        strcmp(field, "after") == 0) {
        if (!subscribe_cursor(value, field, &s->start.arg, p))
            return false;
        s->start.arg = had > s->start.arg ? had : s->start.arg;
        return true;
    }
    if (s->start_field != NULL)
        return problem_setf(p, ERR_BAD_CURSOR, field, "Give one of after, since and last, once");
    s->start_field = field;
    if (strcmp(field, "since") == 0) {
        s->start.kind = START_SINCE;
        return subscribe_since(value, field, l->now_ms, &s->start.arg, p);
    }
    if (strcmp(field, "after") == 0) {
        s->start.kind = START_AFTER;
        return subscribe_cursor(value, field, &s->start.arg, p);
    }
    if (!last_parse(value, l->max_last, &s->start.arg, p))
        return false;
    s->start.kind = s->start.arg > 0 ? START_LAST : START_NOW;
    return true;
}

static bool set_on_gap(struct subscribe *s, struct slice value, struct problem *p)
{
    s->on_gap_fail = slice_eq(value, SLICE("fail"));
    if (!s->on_gap_fail && !slice_eq(value, SLICE("notice")))
        return problem_set(p, ERR_BAD_REQUEST, "on_gap", "on_gap must be notice or fail");
    return true;
}

static bool set_format(struct subscribe *s, const struct subscribe_limits *l, struct slice value,
                       struct problem *p)
{
    s->format = slice_eq(value, SLICE("raw"))               ? FORMAT_RAW
                : slice_eq(value, SLICE("json"))            ? FORMAT_JSON
                : l->text && slice_eq(value, SLICE("text")) ? FORMAT_TEXT
                                                            : FORMAT_DEFAULT;
    if (s->format == FORMAT_DEFAULT)
        return problem_set(p, ERR_BAD_REQUEST, "format",
                           l->text ? "format must be raw, json or text"
                                   : "format must be raw or json");
    return true;
}

enum subscribe_verdict subscribe_set(struct subscribe *s, const struct subscribe_limits *l,
                                     struct slice name, struct slice value, struct problem *p)
{
    static const char *const starts[] = {"after", "since", "last"};
    bool good;

    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (slice_eq(name, slice_of(starts[i])))
            return set_start(s, l, starts[i], value, p) ? SUBSCRIBE_TAKEN : SUBSCRIBE_BAD;
    if (slice_eq(name, SLICE("topic")))
        good = subscribe_filter(s, l, value, p);
    else if (slice_eq(name, SLICE("on_gap")))
        good = set_on_gap(s, value, p);
    else if (slice_eq(name, SLICE("format")))
        good = set_format(s, l, value, p);
    else
        return SUBSCRIBE_UNKNOWN;
    return good ? SUBSCRIBE_TAKEN : SUBSCRIBE_BAD;
}

/* --- a request ------------------------------------------------------------------------ */

/* The client's own cursor: of the last event it saw, whatever the address says. */
static bool take_cursor(struct subscribe *s, const char *field, struct slice value,
                        struct problem *p)
{
    uint64_t id;

    if (value.len == 0)
        return true;
    if (!subscribe_cursor(value, field, &id, p))
        return false;
    if (!s->resumes || id > s->resumed_after)
        s->resumed_after = id;
    s->resumes = true;
    return true;
}

static bool take_last_event_id(struct subscribe *s, const struct http_request *r, struct problem *p)
{
    bool repeated;
    struct slice id = http_request_header(r, "last-event-id", &repeated);

    if (repeated)
        return problem_set(p, ERR_BAD_CURSOR, "Last-Event-ID", "Last-Event-ID comes twice");
    return take_cursor(s, "Last-Event-ID", id, p);
}

/* It goes before since and last, and before an older after. */
static void settle_start(struct subscribe *s)
{
    if (!s->resumes || (s->start.kind == START_AFTER && s->start.arg >= s->resumed_after))
        return;
    s->start = (struct start){START_AFTER, s->resumed_after};
    s->start_field = "Last-Event-ID";
}

/* Libraries that may not set a header say it in the query. */
static const char *cursor_name(struct slice name)
{
    static const char *const names[] = {"lastEventId", "last-event-id", "Last-Event-ID"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_eq(name, slice_of(names[i])))
            return names[i];
    return NULL;
}

/* One name and value; `name` and `value` only lend their room. */
static bool take_pair(struct subscribe *s, const struct subscribe_limits *l, struct slice name_raw,
                      struct slice value_raw, struct buf *name, struct buf *value,
                      struct problem *p)
{
    const char *cursor;
    size_t len;

    buf_clear(name);
    buf_clear(value);
    if (!url_decode(name_raw, name))
        return problem_set(p, ERR_BAD_REQUEST, NULL, "A %-escape in the query is malformed");
    len = name->len;
    buf_u8(name, '\0'); /* a field of the problem is text */
    if (!url_decode(value_raw, value))
        return problem_set(p, ERR_BAD_REQUEST, (char *)name->p,
                           "A %-escape in the query is malformed");
    cursor = cursor_name((struct slice){(char *)name->p, len});
    if (cursor != NULL)
        return take_cursor(s, cursor, buf_slice(value), p);
    return subscribe_set(s, l, (struct slice){(char *)name->p, len}, buf_slice(value), p) !=
           SUBSCRIBE_BAD;
}

static bool take_query(struct subscribe *s, const struct subscribe_limits *l, struct slice query,
                       struct problem *p)
{
    struct buf name_text = {0}, value_text = {0};
    struct slice name, value;
    bool good = true;

    while (good && url_query_next(&query, &name, &value))
        good = take_pair(s, l, name, value, &name_text, &value_text, p);
    buf_free(&name_text);
    buf_free(&value_text);
    return good;
}

static bool take_path(struct subscribe *s, const struct subscribe_limits *l, struct slice path,
                      struct problem *p)
{
    struct buf topic = {0};
    bool good = url_decode(path, &topic);

    if (!good)
        (void)problem_set(p, ERR_BAD_FILTER, "topic", "A %-escape in the path is malformed");
    else
        good = subscribe_filter(s, l, buf_slice(&topic), p);
    buf_free(&topic);
    return good;
}

static bool take_all(struct subscribe *s, const struct subscribe_limits *l,
                     const struct http_request *r, struct slice path, struct problem *p)
{
    if (path.p != NULL && !take_path(s, l, path, p))
        return false;
    if (!take_query(s, l, r->query, p) || !take_last_event_id(s, r, p))
        return false;
    settle_start(s);
    if (s->filter_count == 0)
        return problem_set(p, ERR_BAD_FILTER, "topic", "Name a topic in the path or with ?topic=");
    return true;
}

bool subscribe_request(struct subscribe *s, const struct subscribe_limits *l,
                       const struct http_request *r, struct slice path, struct problem *p)
{
    subscribe_init(s, path.len + r->query.len + 1); /* decoding never makes longer */
    if (take_all(s, l, r, path, p))
        return true;
    subscribe_free(s);
    return false;
}

bool subscribe_fits(const struct subscribe *s, const struct hub *h, const struct quota *q,
                    struct problem *p)
{
    static const struct quota none = {0};

    return quota_allows(h, q != NULL ? q : &none, s->filters, s->filter_count) ||
           problem_set(p, ERR_TOO_MANY, "topic", QUOTA_TEXT);
}

bool subscribe_permitted(const struct subscribe *s, const struct caller *who, struct problem *p)
{
    for (size_t i = 0; i < s->filter_count; i++)
        if (!caller_may(who, AUTH_SUBSCRIBE, s->filters[i]))
            return problem_forbid(p, "topic", auth_verb_names[AUTH_SUBSCRIBE], s->filters[i]);
    return true;
}

static struct account *account_of(const struct caller *who)
{
    return who->principal != NULL ? who->principal->account : NULL;
}

bool subscribe_charge(const struct subscribe *s, const struct caller *who, struct problem *p)
{
    if (account_subscribe(account_of(who), s->filter_count))
        return true;
    p->retry_ms = 1000;
    return problem_set(p, ERR_TOO_MANY, "topic", "A limit on subscriptions is reached");
}

void subscribe_release(const struct caller *who, size_t filters)
{
    account_unsubscribe(account_of(who), filters);
}

bool subscribe_may_go_on(const struct subscription *s, const struct caller *who, struct problem *p)
{
    struct slice filter;

    for (size_t i = 0; subscription_filter(s, i, &filter); i++)
        if (!caller_may(who, AUTH_SUBSCRIBE, filter))
            return problem_forbid(p, "topic", auth_verb_names[AUTH_SUBSCRIBE], filter);
    return true;
}
