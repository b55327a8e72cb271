/*
 * granted.c - lists into findings.
 */
#include "granted.h"

#include "json.h"
#include "topic.h"

#define ROLE_MAX 256u

static bool add_filter(struct findings *f, enum auth_verb verb, struct slice filter)
{
    if (filter_check(filter) != TOPIC_OK)
        return false;
    findings_grant(f, verb, filter);
    return true;
}

static bool add_role(struct findings *f, struct slice role)
{
    if (role.len == 0 || role.len > ROLE_MAX)
        return false;
    findings_role(f, role);
    return true;
}

/* verb AUTH_VERBS: roles. */
static bool list_read(const struct members *m, int verb, struct findings *f, uint64_t *left)
{
    struct slice list = members_get(m, verb < AUTH_VERBS ? auth_verb_names[verb] : "roles"), one;
    struct buf text = {0};
    struct json_iter it;
    bool ok = list.p == NULL || json_kind_of(list) == JSON_ARRAY;

    if (!ok || list.p == NULL)
        return ok;
    for (it = json_iter_of(list); ok && json_element(&it, &one);) {
        ok = (*left)-- > 0 && json_kind_of(one) == JSON_STRING;
        buf_clear(&text);
        if (ok)
            json_string_get(one, &text);
        ok = ok && (verb < AUTH_VERBS ? add_filter(f, (enum auth_verb)verb, buf_slice(&text))
                                      : add_role(f, buf_slice(&text)));
    }
    buf_free(&text);
    return ok;
}

bool granted_read(const struct members *m, uint64_t max, struct findings *f)
{
    uint64_t left = max;
    bool ok = true;

    for (int verb = 0; ok && verb <= AUTH_VERBS; verb++)
        ok = list_read(m, verb, f, &left);
    return ok;
}
