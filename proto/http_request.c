/*
 * http_request.c - what a request says, looked up.
 */
#include "http_request.h"

#include "hex.h"
#include "http_chars.h"

/* --- lists ------------------------------------------------------------------------ */

struct slice http_trim(struct slice s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct slice){s.p + 1, s.len - 1};
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool http_list_next(struct slice *list, struct slice *item)
{
    const char *comma;
    size_t len, used;

    if (list->len == 0)
        return false;
    comma = memchr(list->p, ',', list->len);
    len = comma != NULL ? (size_t)(comma - list->p) : list->len;
    used = comma != NULL ? len + 1 : len;
    *item = http_trim((struct slice){list->p, len});
    *list = (struct slice){list->p + used, list->len - used};
    return true;
}

/* --- who is asked ----------------------------------------------------------------- */

/* An IPv6 address in brackets, roughly: what it names is nobody's business here. */
static bool is_bracketed(struct slice s)
{
    size_t colons = 0;

    if (s.len < 4 || s.p[0] != '[' || s.p[s.len - 1] != ']')
        return false;
    for (size_t i = 1; i < s.len - 1; i++) {
        colons += s.p[i] == ':';
        if (hex_value(s.p[i]) < 0 && s.p[i] != ':' && s.p[i] != '.')
            return false;
    }
    return colons >= 2;
}

static bool is_reg_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!http_char_is(s.p[i], CHAR_HOST) || strchr(":[]", s.p[i]) != NULL)
            return false;
        if (s.p[i] == '%' &&
            (s.len - i < 3 || hex_value(s.p[i + 1]) < 0 || hex_value(s.p[i + 2]) < 0))
            return false;
    }
    return s.len > 0;
}

static bool is_port(struct slice s)
{
    uint64_t n;

    return s.len == 0 || (slice_u64(s, &n) && n <= UINT16_MAX);
}

bool http_host_split(struct slice host, struct slice *name, struct slice *port)
{
    size_t end = host.len;

    while (end > 0 && host.p[end - 1] != ':' && host.p[end - 1] != ']')
        end--;
    *name = host;
    *port = (struct slice){NULL, 0};
    if (end > 0 && host.p[end - 1] == ':') {
        *name = (struct slice){host.p, end - 1};
        *port = (struct slice){host.p + end, host.len - end};
    }
    return host.len == 0 || ((is_bracketed(*name) || is_reg_name(*name)) && is_port(*port));
}

struct slice http_request_host(const struct http_request *r)
{
    return r->authority.p != NULL ? r->authority : http_request_header(r, "host", NULL);
}

/* --- the target ------------------------------------------------------------------- */

/* Takes scheme and authority off an absolute-form target (RFC 9112, 3.2.2). */
static bool strip_authority(struct slice *target, struct slice *authority)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    struct slice name, port;
    size_t skip = 0, end;

    for (int i = 0; i < 2; i++)
        if (target->len > schemes[i].len &&
            slice_eq_nocase((struct slice){target->p, schemes[i].len}, schemes[i]))
            skip = schemes[i].len;
    end = skip;
    while (end < target->len && http_char_is(target->p[end], CHAR_HOST))
        end++;
    if (skip == 0 || end == skip)
        return false;
    *authority = (struct slice){target->p + skip, end - skip};
    if (!http_host_split(*authority, &name, &port))
        return false;
    *target = (struct slice){target->p + end, target->len - end};
    return target->len == 0 || target->p[0] == '/' || target->p[0] == '?';
}

bool http_request_target_split(struct http_request *r, struct slice target)
{
    const char *mark;

    r->query = (struct slice){NULL, 0};
    r->authority = (struct slice){NULL, 0};
    if (slice_eq(target, SLICE("*"))) {
        r->path = target;
        return slice_eq(r->method, SLICE("OPTIONS"));
    }
    if (target.p[0] != '/' && !strip_authority(&target, &r->authority))
        return false;
    mark = memchr(target.p, '?', target.len);
    r->path = target;
    if (mark != NULL) {
        r->path.len = (size_t)(mark - target.p);
        r->query = (struct slice){mark + 1, target.len - r->path.len - 1};
    }
    if (r->path.len == 0) /* http://host?query */
        r->path = SLICE("/");
    return true;
}

bool http_request_target_set(struct http_request *r, struct slice target)
{
    for (size_t i = 0; i < target.len; i++)
        if (!http_char_is(target.p[i], CHAR_TARGET))
            return false;
    return target.len > 0 && http_request_target_split(r, target);
}

/* --- header fields ---------------------------------------------------------------- */

struct slice http_request_header(const struct http_request *r, const char *name, bool *repeated)
{
    struct slice wanted = slice_of(name), value = {NULL, 0};
    bool again = false;

    for (size_t i = 0; i < r->header_count; i++) {
        if (!slice_eq_nocase(r->headers[i].name, wanted))
            continue;
        if (value.p != NULL)
            again = true;
        else
            value = r->headers[i].value;
    }
    if (repeated != NULL)
        *repeated = again;
    return value;
}

static bool list_has(struct slice list, struct slice token)
{
    struct slice item;

    while (http_list_next(&list, &item))
        if (slice_eq_nocase(item, token))
            return true;
    return false;
}

bool http_request_has_token(const struct http_request *r, const char *name, const char *token)
{
    struct slice wanted = slice_of(name), item = slice_of(token);

    for (size_t i = 0; i < r->header_count; i++)
        if (slice_eq_nocase(r->headers[i].name, wanted) && list_has(r->headers[i].value, item))
            return true;
    return false;
}

struct slice http_media_type(struct slice s)
{
    const char *end = s.len > 0 ? memchr(s.p, ';', s.len) : NULL;

    if (end != NULL)
        s.len = (size_t)(end - s.p);
    return http_trim(s);
}

static bool list_names(struct slice list, struct slice media_type)
{
    struct slice item;

    while (http_list_next(&list, &item))
        if (slice_eq_nocase(http_media_type(item), media_type))
            return true;
    return false;
}

bool http_request_accepts(const struct http_request *r, const char *media_type)
{
    struct slice wanted = slice_of(media_type);

    for (size_t i = 0; i < r->header_count; i++)
        if (slice_eq_nocase(r->headers[i].name, SLICE("accept")) &&
            list_names(r->headers[i].value, wanted))
            return true;
    return false;
}
