/*
 * roles.c - the configuration's roles, in its order.
 */
#include "roles.h"

#include <stdlib.h>

#include "mem.h"

struct roles {
    struct role_rule *rules;
    size_t count;
};

struct roles *roles_open(const struct config *c)
{
    struct roles *r = mem_zalloc(sizeof *r);
    const struct role_rule *rules = config_roles(c, &r->count);

    r->rules = mem_array(r->count + 1, sizeof *r->rules);
    for (size_t i = 0; i < r->count; i++) {
        r->rules[i].name = mem_strdup(rules[i].name);
        for (int verb = 0; verb < ROLE_VERBS; verb++)
            if (rules[i].filters[verb] != NULL)
                r->rules[i].filters[verb] = mem_strdup(rules[i].filters[verb]);
    }
    return r;
}

void roles_close(struct roles *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++) {
        free(r->rules[i].name);
        for (int verb = 0; verb < ROLE_VERBS; verb++)
            free(r->rules[i].filters[verb]);
    }
    free(r->rules);
    free(r);
}

static const struct role_rule *role_find(const struct roles *r, struct slice name)
{
    for (size_t i = 0; i < r->count; i++)
        if (slice_eq(slice_of(r->rules[i].name), name))
            return &r->rules[i];
    return NULL;
}

bool roles_exist(const struct roles *r, struct slice name)
{
    return role_find(r, name) != NULL;
}

struct slice roles_missing(const struct roles *r, const struct buf *names)
{
    struct reader in = reader_of(names->p, names->len);

    while (in.left > 0) {
        struct slice one = reader_str16(&in);

        if (!roles_exist(r, one))
            return one;
    }
    return (struct slice){0};
}

static void grant_list(struct grants *g, enum auth_verb verb, const char *list, struct slice user)
{
    struct slice rest = slice_of(list), one;

    while (config_list_next(&rest, &one))
        (void)grants_add(g, verb, one, user); /* the configuration was checked when it was read */
}

void roles_grant(const struct roles *r, const struct buf *names, struct slice user,
                 struct grants *g)
{
    struct reader in = reader_of(names->p, names->len);

    while (in.left > 0) {
        const struct role_rule *role = role_find(r, reader_str16(&in));

        for (int verb = 0; role != NULL && verb < AUTH_VERBS; verb++)
            if (role->filters[verb] != NULL)
                grant_list(g, (enum auth_verb)verb, role->filters[verb], user);
    }
}
