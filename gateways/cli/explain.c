/*
 * explain.c - each grant is asked alone: a filter has to be inside one, so two together never
 * do what one does not.
 */
#include "explain.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "mem.h"
#include "roster.h"
#include "show.h"
#include "z85.h"

/* --- who ------------------------------------------------------------------------------- */

static void take_roles(struct findings *who, struct slice list)
{
    struct slice one;

    while (config_list_next(&list, &one))
        findings_role(who, one);
}

/* What proves a name is not asked here. */
static const char *any_proof(struct slice proof)
{
    (void)proof;
    return NULL;
}

static int find_in_file(const struct config *c, enum config_key k, const struct roster_form *form,
                        struct findings *who)
{
    const char *file = config_text(c, k);
    const struct roster_entry *entry;
    struct roster all = {0};

    if (file[0] == '\0')
        return cli_fail(CLI_FAILED, "the configuration names no such file: [auth] %s",
                        k == CFG_AUTH_USERS ? "users" : "keys");
    if (!roster_read(&all, file, form, NULL))
        return CLI_FAILED; /* logged */
    entry = roster_find(&all, slice_of(who->name));
    if (entry != NULL)
        buf_put_slice(&who->roles, buf_slice(&entry->roles));
    else
        (void)cli_fail(CLI_FAILED, "%s: there is no %s", file, who->name);
    roster_free(&all);
    return entry != NULL ? CLI_OK : CLI_FAILED;
}

static int find_by_key(const struct config *c, enum config_key k, struct findings *who)
{
    if (config_text(c, k)[0] == '\0')
        return cli_fail(CLI_FAILED, "[auth] %s is empty: nobody comes in that way",
                        k == CFG_AUTH_ANONYMOUS ? "anonymous" : "certificate_roles");
    take_roles(who, slice_of(config_text(c, k)));
    return CLI_OK;
}

int explain_find(const struct config *c, const char *name, struct findings *who)
{
    const char *colon = strchr(name, ':');
    static const struct roster_form users = {.secret = true, .proof_wrong = any_proof},
                                    keys = {.proof_len = Z85_TEXT, .proof_wrong = any_proof};
    struct slice kind = {name, colon != NULL ? (size_t)(colon - name) : strlen(name)};

    who->name = mem_strdup(colon != NULL ? colon + 1 : "");
    if (slice_eq(kind, SLICE("anonymous")) && colon == NULL)
        return find_by_key(c, CFG_AUTH_ANONYMOUS, who);
    if (slice_eq(kind, SLICE("cert")) && colon != NULL)
        return find_by_key(c, CFG_AUTH_CERTIFICATE_ROLES, who);
    if (slice_eq(kind, SLICE("user")) && colon != NULL)
        return find_in_file(c, CFG_AUTH_USERS, &users, who);
    if (slice_eq(kind, SLICE("key")) && colon != NULL)
        return find_in_file(c, CFG_AUTH_KEYS, &keys, who);
    if (slice_eq(kind, SLICE("token")))
        return cli_fail(CLI_USAGE, "a token says itself what it grants: --token FILE");
    return cli_fail(CLI_USAGE, "--as is user:NAME, key:NAME, cert:NAME or anonymous, not %s", name);
}

/* --- each grant ------------------------------------------------------------------------- */

/* One of somebody's, and where it comes from. */
struct one_grant {
    enum auth_verb verb;
    struct slice filter;
    const struct role_rule *role; /* NULL: the token's own */
};
/* True: that is enough, no more of them. */
typedef bool (*grant_visit)(const struct one_grant *g, void *arg);

static const struct role_rule *role_find(const struct config *c, struct slice name)
{
    size_t count;
    const struct role_rule *rules = config_roles(c, &count);

    for (size_t i = 0; i < count; i++)
        if (slice_eq(slice_of(rules[i].name), name))
            return &rules[i];
    return NULL;
}

static bool visit_role(const struct role_rule *role, grant_visit visit, void *arg)
{
    for (int verb = 0; verb < AUTH_VERBS; verb++) {
        struct one_grant g = {.verb = (enum auth_verb)verb, .role = role};
        struct slice rest = slice_of(role->filters[verb]);

        while (config_list_next(&rest, &g.filter))
            if (visit(&g, arg))
                return true;
    }
    return false;
}

static bool visit_all(const struct config *c, const struct findings *who, grant_visit visit,
                      void *arg)
{
    struct reader roles = reader_of(who->roles.p, who->roles.len);
    struct reader own = reader_of(who->grants.p, who->grants.len);

    while (roles.left > 0) {
        const struct role_rule *role = role_find(c, reader_str16(&roles));

        if (role != NULL && visit_role(role, visit, arg))
            return true;
    }
    while (own.left > 0) {
        struct one_grant g = {.verb = (enum auth_verb)reader_u8(&own)};

        g.filter = reader_str16(&own);
        if (visit(&g, arg))
            return true;
    }
    return false;
}

static void print_grant(const struct one_grant *g)
{
    printf("%s = ", auth_verb_names[g->verb]);
    show_text(g->filter);
    if (g->role != NULL)
        printf("   (role \"%s\", %s)\n", g->role->name, g->role->where);
    else
        printf("   (the token's own)\n");
}

/* --- the questions ------------------------------------------------------------------------ */

struct question {
    struct slice user, filter, client;
    enum auth_verb verb;
    bool name_left_out;
};

static bool print_one(const struct one_grant *g, void *arg)
{
    struct question *q = arg;
    struct grants alone = {0};

    q->name_left_out =
        q->name_left_out || grants_add(&alone, g->verb, g->filter, q->user) == GRANT_LEFT_OUT;
    grants_free(&alone);
    print_grant(g);
    return false;
}

static bool covers(const struct one_grant *g, void *arg)
{
    struct question *q = arg;
    struct grants alone = {0};
    enum grants_added added = grants_add(&alone, g->verb, g->filter, q->user);
    bool yes = grants_cover(&alone, q->verb, q->filter, q->client);

    q->name_left_out = q->name_left_out || added == GRANT_LEFT_OUT;
    grants_free(&alone);
    if (yes) {
        printf("yes: ");
        print_grant(g);
    }
    return yes;
}

static void tell_left_out(const struct question *q)
{
    if (q->name_left_out)
        printf("the name %.*s may not stand in a topic: grants with %%u do not count\n",
               (int)q->user.len, q->user.p);
}

void explain_list(const struct config *c, const struct findings *who)
{
    struct question q = {.user = slice_of(who->name)};
    struct reader roles = reader_of(who->roles.p, who->roles.len);

    while (roles.left > 0) {
        struct slice role = reader_str16(&roles);

        if (role_find(c, role) == NULL)
            printf("there is no role \"%.*s\"\n", (int)role.len, role.p);
    }
    (void)visit_all(c, who, print_one, &q);
    tell_left_out(&q);
}

bool explain_tell(const struct config *c, const struct findings *who, enum auth_verb verb,
                  struct slice filter, struct slice client)
{
    struct question q = {
        .user = slice_of(who->name), .filter = filter, .client = client, .verb = verb};

    if (visit_all(c, who, covers, &q))
        return true;
    printf("no: nothing grants %s of ", auth_verb_names[verb]);
    show_text(filter);
    putchar('\n');
    tell_left_out(&q);
    return false;
}
