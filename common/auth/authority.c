/*
 * authority.c - [auth] and [role "…"], opened, read anew, closed.
 */
#include "authority_impl.h"

#include <assert.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"

bool authority_admits_strangers(const struct authority *a)
{
    return a->open_to_all || a->from.strangers;
}

/* --- sources ---------------------------------------------------------------------- */

static void sources_close(struct sources *s)
{
    tokens_close(s->tokens);
    passwords_close(s->passwords);
    keys_close(s->keys);
    callback_close(s->callback);
    roles_close(s->roles);
    buf_free(&s->certificate_roles);
    buf_free(&s->stranger_roles);
    *s = (struct sources){0};
}

/* Each must be a role that there is. */
static bool role_list(const struct roles *r, const struct config *c, enum config_key k,
                      struct buf *out)
{
    struct slice rest = slice_of(config_text(c, k)), one, missing;

    while (config_list_next(&rest, &one))
        buf_str16(out, one);
    missing = roles_missing(r, out);
    if (missing.p != NULL)
        log_error("[auth] names a role that there is not", LOG_SLICE("role", missing));
    return missing.p == NULL;
}

static bool set(const struct config *c, enum config_key k)
{
    return config_text(c, k)[0] != '\0';
}

static bool sources_open(struct authority *a, const struct config *c, struct sources *s)
{
    *s = (struct sources){.roles = roles_open(c)};
    s->certificates = set(c, CFG_AUTH_CERTIFICATE_ROLES);
    s->strangers = set(c, CFG_AUTH_ANONYMOUS);
    return role_list(s->roles, c, CFG_AUTH_CERTIFICATE_ROLES, &s->certificate_roles) &&
           role_list(s->roles, c, CFG_AUTH_ANONYMOUS, &s->stranger_roles) &&
           (!tokens_configured(c) ||
            (s->tokens = tokens_open(a->loop, c, a->from.tokens, ask_on_keys, a)) != NULL) &&
           (!set(c, CFG_AUTH_USERS) ||
            (s->passwords = passwords_open(a->loop, c, s->roles)) != NULL) &&
           (!set(c, CFG_AUTH_KEYS) || (s->keys = keys_open(c, s->roles)) != NULL) &&
           (!set(c, CFG_AUTH_CALLBACK) || (s->callback = callback_open(a->loop, c)) != NULL);
}

static void take_limits(struct authority *a, const struct config *c)
{
    a->limits = (struct account_limits){
        .connections = config_num(c, CFG_PRINCIPAL_CONNECTIONS),
        .subscriptions = config_num(c, CFG_PRINCIPAL_SUBSCRIPTIONS),
        .events = config_num(c, CFG_PRINCIPAL_PUBLISH_RATE),
        .bytes = config_num(c, CFG_PRINCIPAL_PUBLISH_BYTES),
    };
    a->unused_max = config_num(c, CFG_AUTH_REMEMBER);
}

/* --- the authority ------------------------------------------------------------------ */

void authority_maybe_free(struct authority *a)
{
    if (!a->timer_closed || a->living > 0)
        return;
    slowness_free(a->slowness);
    free(a);
}

static void authority_on_timer_closed(uv_handle_t *h)
{
    struct authority *a = h->data;

    a->timer_closed = true;
    authority_maybe_free(a);
}

void authority_close(struct authority *a)
{
    if (a == NULL)
        return;
    a->closing = true;
    ask_end(a);
    sources_close(&a->from);
    uv_close((uv_handle_t *)&a->timer, authority_on_timer_closed);
    directory_clear(a);
}

struct authority *authority_open(uv_loop_t *loop, const struct config *c)
{
    struct authority *a = mem_zalloc(sizeof *a);
    int rc = uv_timer_init(loop, &a->timer);

    assert(rc == 0);
    (void)rc;
    a->loop = loop;
    a->slowness = slowness_new();
    a->timer.data = a;
    a->open_to_all = !config_auth(c);
    take_limits(a, c);
    if (sources_open(a, c, &a->from))
        return a;
    authority_close(a);
    return NULL;
}

bool authority_reload(struct authority *a, const struct config *fresh)
{
    struct sources made, old = a->from;

    if (a->open_to_all != !config_auth(fresh)) {
        log_error("to begin or end with [auth] needs a restart");
        return false;
    }
    if (!sources_open(a, fresh, &made)) {
        log_error("the configuration of [auth] stays as it was");
        sources_close(&made);
        return false;
    }
    take_limits(a, fresh);
    ask_stop(a);
    a->from = made;
    sources_close(&old);
    ask_restart(a);
    directory_review(a);
    return true;
}

struct auth_ask *authority_ask(struct authority *a, const struct credentials *c,
                               struct auth_answer *now, auth_done done, void *arg)
{
    return ask_begin(a, c, now, done, arg);
}

void authority_forget(struct auth_ask *q)
{
    ask_cancel(q);
}
