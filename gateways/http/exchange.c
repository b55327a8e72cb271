/*
 * exchange.c - answers that many handlers give.
 */
#include "exchange.h"

#include <assert.h>

void answer_field(struct answer *a, const char *name, struct slice value)
{
    assert(a->field_count < ANSWER_FIELDS);
    a->fields[a->field_count].name = name;
    a->fields[a->field_count++].value = value;
}

void exchange_problem(struct exchange *x, const struct problem *p)
{
    struct answer a = {.status = error_status(p->error),
                       .content_type = "application/problem+json"};
    struct buf body = {0};

    if (a.status == 503)
        answer_field(&a, "Retry-After", SLICE("1"));
    problem_put(&body, p);
    exchange_answer(x, &a, &body);
}

void exchange_error(struct exchange *x, enum sluice_error error)
{
    struct problem p = {.error = error};

    exchange_problem(x, &p);
}

void exchange_json(struct exchange *x, int status, struct buf *body)
{
    struct answer a = {.status = status, .content_type = "application/json"};

    exchange_answer(x, &a, body);
}

struct slice media_type_of(struct slice s)
{
    const char *end = s.len > 0 ? memchr(s.p, ';', s.len) : NULL;

    if (end != NULL)
        s.len = (size_t)(end - s.p);
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct slice){s.p + 1, s.len - 1};
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool list_names(struct slice list, struct slice media_type)
{
    while (list.len > 0) {
        const char *comma = memchr(list.p, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.p) : list.len;
        size_t used = comma != NULL ? len + 1 : len;

        if (slice_eq_nocase(media_type_of((struct slice){list.p, len}), media_type))
            return true;
        list = (struct slice){list.p + used, list.len - used};
    }
    return false;
}

bool request_accepts(const struct http1_request *r, const char *media_type)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (slice_eq_nocase(r->headers[i].name, SLICE("accept")) &&
            list_names(r->headers[i].value, slice_of(media_type)))
            return true;
    return false;
}
