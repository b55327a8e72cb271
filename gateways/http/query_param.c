/*
 * query_param.c - a query, looked through for one name.
 */
#include "query_param.h"

#include "url.h"

bool query_param(const struct http_request *r, const char *name, struct buf *out, struct problem *p)
{
    struct slice rest = r->query, key, value;
    struct buf decoded = {0};
    bool found = false;

    while (p->error == ERR_NONE && url_query_next(&rest, &key, &value)) {
        buf_clear(&decoded);
        if (!url_decode(key, &decoded) || !slice_eq(buf_slice(&decoded), slice_of(name)))
            continue;
        if (found || !url_decode(value, out))
            (void)problem_setf(p, ERR_BAD_REQUEST, name, "%s comes twice, or is malformed", name);
        found = true;
    }
    buf_free(&decoded);
    return found && p->error == ERR_NONE;
}

bool query_param_number(const struct http_request *r, const char *name, uint64_t min, uint64_t max,
                        uint64_t *out, struct problem *p)
{
    struct buf text = {0};
    uint64_t n;

    if (query_param(r, name, &text, p)) {
        if (slice_u64(buf_slice(&text), &n) && n >= min && n <= max)
            *out = n;
        else
            (void)problem_setf(p, ERR_BAD_REQUEST, name, "%s must be a number from %llu to %llu",
                               name, (unsigned long long)min, (unsigned long long)max);
    }
    buf_free(&text);
    return p->error == ERR_NONE;
}

bool query_param_flag(const struct http_request *r, const char *name, bool *out, struct problem *p)
{
    uint64_t n = *out;
    bool ok = query_param_number(r, name, 0, 1, &n, p);

    *out = n == 1;
    return ok;
}
