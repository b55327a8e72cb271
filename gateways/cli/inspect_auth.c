/*
 * inspect_auth.c - who is believed.
 *
 * Each source is opened as a gateway opens it; what it finds wrong it logs itself, to standard
 * error, with the file and line.
 */
#include <stdlib.h>
#include <uv.h>

#include "callback.h"
#include "inspect.h"
#include "keys.h"
#include "mem.h"
#include "passwords.h"
#include "roles.h"
#include "token_look.h"

static bool is_set(const struct verdicts *v, enum config_key k)
{
    return config_text(v->config, k)[0] != '\0';
}

static void failed(struct verdicts *v, enum config_key k, const char *what)
{
    verdicts_error(v, config_where(v->config, k), "%s is no good: see above", what);
}

/* --- sources -------------------------------------------------------------------------- */

static void open_users(struct verdicts *v, uv_loop_t *loop)
{
    struct passwords *p = is_set(v, CFG_AUTH_USERS) ? passwords_open(loop, v->config, NULL) : NULL;

    if (is_set(v, CFG_AUTH_USERS) && p == NULL)
        failed(v, CFG_AUTH_USERS, "the file of users");
    passwords_close(p);
}

static void open_keys(struct verdicts *v)
{
    struct roles *roles = roles_open(v->config);
    struct keys *k = is_set(v, CFG_AUTH_KEYS) ? keys_open(v->config, roles) : NULL;

    if (is_set(v, CFG_AUTH_KEYS) && k == NULL)
        failed(v, CFG_AUTH_KEYS, "the file of keys");
    keys_close(k);
    roles_close(roles);
}

static void open_callback(struct verdicts *v, uv_loop_t *loop)
{
    struct callback *c = is_set(v, CFG_AUTH_CALLBACK) ? callback_open(loop, v->config) : NULL;

    if (is_set(v, CFG_AUTH_CALLBACK) && c == NULL)
        failed(v, CFG_AUTH_CALLBACK, "callback");
    callback_close(c);
}

static void open_tokens(struct verdicts *v)
{
    enum config_key k = is_set(v, CFG_AUTH_JWKS) ? CFG_AUTH_JWKS : CFG_AUTH_HMAC_KEY;

    if (is_set(v, CFG_AUTH_REVOKED) && !tokens_configured(v->config))
        verdicts_warn(v, config_where(v->config, CFG_AUTH_REVOKED), "there are no keys of tokens");
    if (!tokens_configured(v->config))
        return;
    switch (token_look_keys(v->config)) {
    case TOKEN_KEYS_BAD:
        failed(v, k, "what tokens are verified with");
        break;
    case TOKEN_KEYS_AWAY:
        verdicts_error(v, config_where(v->config, CFG_AUTH_JWKS), "no keys can be had: see above");
        break;
    case TOKEN_KEYS_GOOD:
        if (!is_set(v, CFG_AUTH_AUDIENCE) && is_set(v, CFG_AUTH_JWKS))
            verdicts_warn(v, config_where(v->config, CFG_AUTH_JWKS),
                          "no audience is configured: tokens made for other services are believed");
        break;
    }
}

/* --- roles ------------------------------------------------------------------------------ */

static void look_at_roles(struct verdicts *v, const struct roles *roles, enum config_key k)
{
    struct slice list = slice_of(config_text(v->config, k)), one;

    while (config_list_next(&list, &one))
        if (!roles_exist(roles, one))
            verdicts_error(v, config_where(v->config, k), "there is no role \"%.*s\"", (int)one.len,
                           one.p);
}

static void look_at_all_roles(struct verdicts *v)
{
    static const enum config_key lists[] = {CFG_AUTH_CERTIFICATE_ROLES, CFG_AUTH_ANONYMOUS};
    struct roles *roles = roles_open(v->config);

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        look_at_roles(v, roles, lists[i]);
    roles_close(roles);
}

static void look_at_empty_roles(struct verdicts *v)
{
    size_t count;
    const struct role_rule *rules = config_roles(v->config, &count);

    if (count > 0 && !config_auth(v->config))
        verdicts_warn(v, rules[0].where,
                      "roles, but nothing is configured under [auth]: everybody "
                      "may do everything");
    for (size_t i = 0; i < count; i++)
        if (rules[i].filters[0] == NULL && rules[i].filters[1] == NULL &&
            rules[i].filters[2] == NULL)
            verdicts_warn(v, rules[i].where, "role \"%s\" grants nothing", rules[i].name);
}

/* --- what is allowed, but unwise --------------------------------------------------------- */

static void look_at_strangers(struct verdicts *v)
{
    struct slice list = slice_of(config_text(v->config, CFG_AUTH_ANONYMOUS)), one;
    size_t count;
    const struct role_rule *rules = config_roles(v->config, &count);

    while (config_list_next(&list, &one))
        for (size_t i = 0; i < count; i++)
            if (slice_eq(slice_of(rules[i].name), one) && rules[i].filters[AUTH_MANAGE] != NULL)
                verdicts_warn(v, rules[i].where,
                              "strangers have role \"%s\", so they may delete: manage = %s",
                              rules[i].name, rules[i].filters[AUTH_MANAGE]);
}

static void look_at_combinations(struct verdicts *v)
{
    const struct config *c = v->config;

    if (is_set(v, CFG_AUTH_CERTIFICATE_ROLES) && !is_set(v, CFG_TLS_CLIENT_CA))
        verdicts_error(v, config_where(c, CFG_AUTH_CERTIFICATE_ROLES),
                       "[tls] client_ca is empty, so no certificate is verified");
    if (is_set(v, CFG_AUTH_COOKIE) && !tokens_configured(c) && !is_set(v, CFG_AUTH_CALLBACK))
        verdicts_warn(v, config_where(c, CFG_AUTH_COOKIE),
                      "nothing here knows the token in it: set jwks, hmac_key_file or callback");
    if (config_auth(c) && config_bool(c, CFG_ALLOW_ANONYMOUS))
        verdicts_warn(v, config_where(c, CFG_ALLOW_ANONYMOUS),
                      "allow_anonymous has no meaning for clients once [auth] is there; strangers "
                      "come in by [auth] anonymous");
    if (slice_starts(slice_of(config_text(c, CFG_AUTH_CALLBACK)), SLICE("http://")) &&
        memmem(config_text(c, CFG_AUTH_CALLBACK), 10, "//127.", 6) == NULL &&
        !slice_starts(slice_of(config_text(c, CFG_AUTH_CALLBACK)), SLICE("http://localhost")))
        verdicts_warn(v, config_where(c, CFG_AUTH_CALLBACK),
                      "credentials can be read on their way there: https://");
}

void inspect_auth(struct verdicts *v)
{
    uv_loop_t loop;

    if (uv_loop_init(&loop) != 0)
        abort();
    open_users(v, &loop);
    open_keys(v);
    open_callback(v, &loop);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0)
        abort();
    open_tokens(v);
    look_at_all_roles(v);
    look_at_empty_roles(v);
    look_at_strangers(v);
    look_at_combinations(v);
}
