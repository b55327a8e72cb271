/*
 * members.c - names are unescaped before they are compared: "\u0061lg" is "alg".
 */
#include "members.h"

#include "base64.h"
#include "json.h"
#include "mem.h"

#define DEPTH_MAX 32

static bool is_there(const struct members *m, struct slice name)
{
    for (size_t i = 0; i < m->count; i++)
        if (slice_eq(m->list[i].name, name))
            return true;
    return false;
}

bool members_of(struct members *m, struct slice value)
{
    struct json_iter it;
    struct slice key, raw;

    *m = (struct members){0};
    if (json_kind_of(value) != JSON_OBJECT)
        return false;
    (void)buf_reserve(&m->names, value.len); /* names do not move: unescaped, all fit */
    for (it = json_iter_of(value); json_member(&it, &key, &raw);) {
        struct slice name = {(const char *)m->names.p + m->names.len, m->names.len};

        json_string_get(key, &m->names);
        name.len = m->names.len - name.len;
        if (m->count == MEMBERS_MAX || is_there(m, name)) {
            members_free(m);
            return false;
        }
        m->list[m->count++] = (struct member){name, raw};
    }
    return true;
}

bool members_read(struct members *m, struct slice text)
{
    *m = (struct members){0};
    while (text.len > 0 && strchr(" \t\r\n", text.p[0]) != NULL && text.p[0] != '\0')
        text = (struct slice){text.p + 1, text.len - 1};
    return json_check_depth(text, DEPTH_MAX) == JSON_OBJECT && json_is_text(text) &&
           members_of(m, text);
}

void members_free(struct members *m)
{
    buf_free(&m->names);
    *m = (struct members){0};
}

struct slice members_get(const struct members *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (slice_eq(m->list[i].name, slice_of(name)))
            return m->list[i].value;
    return (struct slice){0};
}

bool members_text(const struct members *m, const char *name, struct buf *out)
{
    struct slice value = members_get(m, name);

    if (value.p == NULL || json_kind_of(value) != JSON_STRING)
        return false;
    json_string_get(value, out);
    return true;
}

char *members_string(const struct members *m, const char *name)
{
    struct buf text = {0};
    char *made = NULL;

    if (members_text(m, name, &text) && (text.len == 0 || memchr(text.p, '\0', text.len) == NULL))
        made = mem_strndup(text.len > 0 ? (const char *)text.p : "", text.len);
    buf_free(&text);
    return made;
}

bool members_bytes(const struct members *m, const char *name, struct buf *out)
{
    struct buf text = {0};
    bool ok = members_text(m, name, &text) && base64_url_get(buf_slice(&text), out);

    if (text.p != NULL)
        explicit_bzero(text.p, text.cap);
    buf_free(&text);
    return ok;
}
