/*
 * poll_request.c - reading a poll.
 *
 * A number or a duration beyond its maximum is refused, not cut: a client that
 * gets 204 after less than it asked to wait would take it for a fault.
 */
#include "poll_request.h"

#include "query_param.h"

static bool take_wait(struct poll_request *q, const struct poll_limits *l,
                      const struct http_request *r, struct problem *p)
{
    struct buf text = {0};

    q->wait_ms = l->wait_ms;
    if (query_param(r, "wait", &text, p) &&
        (!subscribe_duration(buf_slice(&text), UINT64_MAX, &q->wait_ms) ||
         q->wait_ms > l->wait_max_ms))
        (void)problem_setf(p, ERR_BAD_REQUEST, "wait",
                           "wait must be a duration such as 30s or 0s, %llu s at most",
                           (unsigned long long)l->wait_max_ms / 1000);
    buf_free(&text);
    return p->error == ERR_NONE;
}

static bool take_limit(struct poll_request *q, const struct poll_limits *l,
                       const struct http_request *r, struct problem *p)
{
    bool raw = q->subscribe.format == FORMAT_RAW;

    q->limit = raw ? 1 : l->limit;
    if (!query_param_number(r, "limit", 1, l->limit_max, &q->limit, p))
        return false;
    return !raw || q->limit == 1 ||
           problem_set(p, ERR_BAD_REQUEST, "limit", "format=raw answers with one event at a time");
}

/* "ID", or W/"ID", as our ETag says it. */
static bool etag_parse(struct slice tag, uint64_t *id, struct problem *p)
{
    if (slice_starts(tag, SLICE("W/")))
        tag = (struct slice){tag.p + 2, tag.len - 2};
    if (tag.len < 2 || tag.p[0] != '"' || tag.p[tag.len - 1] != '"')
        return problem_set(p, ERR_BAD_CURSOR, "If-None-Match",
                           "If-None-Match must be * or ETags of answers of ours");
    return subscribe_cursor((struct slice){tag.p + 1, tag.len - 2}, "If-None-Match", id, p);
}

/* Of several the newest: the client has had that.  "*" is whatever there is, so only what
 * comes from now on is new; a list that names nothing (RFC 9110, 5.6.1) asks nothing. */
static bool take_etags(struct poll_request *q, struct slice list, struct problem *p)
{
    struct start *start = &q->subscribe.start;
    struct slice tag;
    uint64_t id;

    while (http_list_next(&list, &tag)) {
        if (tag.len == 0)
            continue;
        q->conditional = true;
        if (slice_eq(tag, SLICE("*")))
            continue;
        if (!etag_parse(tag, &id, p))
            return false;
        if (start->kind != START_AFTER || id > start->arg)
            *start = (struct start){START_AFTER, id};
    }
    return true;
}

/* A cursor that stands elsewhere in the request goes before. */
static bool take_if_none_match(struct poll_request *q, const struct http_request *r,
                               struct problem *p)
{
    q->conditional = false;
    if (q->subscribe.start_field != NULL)
        return true;
    for (size_t i = 0; i < r->header_count; i++)
        if (slice_eq_nocase(r->headers[i].name, SLICE("if-none-match")) &&
            !take_etags(q, r->headers[i].value, p))
            return false;
    if (q->conditional)
        q->subscribe.start_field = "If-None-Match";
    return true;
}

bool poll_request_read(struct poll_request *q, const struct poll_limits *l,
                       const struct http_request *r, struct slice path, struct problem *p)
{
    if (!subscribe_request(&q->subscribe, &l->subscribe, r, path, p))
        return false;
    if (take_wait(q, l, r, p) && take_limit(q, l, r, p) && take_if_none_match(q, r, p))
        return true;
    poll_request_free(q);
    return false;
}

void poll_request_free(struct poll_request *q)
{
    subscribe_free(&q->subscribe);
}
