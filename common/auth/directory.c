/*
 * directory.c - principals that stand, found by what was shown; and their end.
 *
 * A principal that nobody acts as is kept for the next one who shows the same credential,
 * the longest unused going first.  One that runs out, is revoked or was believed for a time
 * that is over is found no more; it lives on, without grants, until its last caller is gone.
 */
#include <assert.h>
#include <stdlib.h>

#include "authority_impl.h"
#include "clock.h"
#include "mem.h"

#define SWEEP_MS 200u /* between two looks at what has run out */

static const char *const kind_names[PRINCIPAL_KINDS] = {"anonymous", "user", "token", "cert",
                                                        "key"};

/* --- accounts ----------------------------------------------------------------------- */

static struct account *account_of(struct authority *a, const char *name)
{
    struct account *found;

    HASH_FIND_STR(a->accounts, name, found);
    if (found == NULL) {
        found = mem_zalloc(sizeof *found);
        found->name = mem_strdup(name);
        found->limits = &a->limits;
        HASH_ADD_KEYPTR(hh, a->accounts, found->name, strlen(found->name), found);
    }
    found->references++;
    return found;
}

static void account_unref(struct authority *a, struct account *account)
{
    if (account == NULL || --account->references > 0)
        return;
    HASH_DEL(a->accounts, account);
    free(account->name);
    free(account);
}

/* --- those nobody acts as ------------------------------------------------------------ */

static void unused_remove(struct authority *a, struct principal *p)
{
    *(p->older != NULL ? &p->older->newer : &a->oldest_unused) = p->newer;
    *(p->newer != NULL ? &p->newer->older : &a->newest_unused) = p->older;
    p->older = p->newer = NULL;
    a->unused--;
}

static void unused_add(struct authority *a, struct principal *p)
{
    p->older = a->newest_unused;
    *(p->older != NULL ? &p->older->newer : &a->oldest_unused) = p;
    a->newest_unused = p;
    a->unused++;
}

static void principal_free(struct principal *p)
{
    struct authority *a = p->authority;

    *p->link = p->next;
    if (p->next != NULL)
        p->next->link = p->link;
    account_unref(a, p->account);
    grants_free(&p->grants);
    findings_free(p->findings);
    free(p->findings);
    free(p->name);
    free(p);
    a->living--;
    authority_maybe_free(a);
}

/* Found no more.  Freed at once when nobody acts as it. */
static void directory_forget(struct principal *p)
{
    struct authority *a = p->authority;

    if (!p->found)
        return;
    p->found = false;
    HASH_DEL(a->principals, p);
    if (p->references > 0)
        return;
    unused_remove(a, p);
    principal_free(p);
}

void directory_on_used(struct principal *p)
{
    if (p->found)
        unused_remove(p->authority, p);
}

void directory_on_unused(struct principal *p)
{
    struct authority *a = p->authority;

    if (!p->found) {
        principal_free(p);
        return;
    }
    unused_add(a, p);
    if (a->unused > a->unused_max)
        directory_forget(a->oldest_unused);
}

/* --- grants -------------------------------------------------------------------------- */

static void grants_of(const struct authority *a, const struct findings *f, struct grants *g)
{
    struct slice user = slice_of(f->name);
    struct reader own = reader_of(f->grants.p, f->grants.len);

    roles_grant(a->from.roles, &f->roles, user, g);
    while (own.left > 0) {
        enum auth_verb verb = (enum auth_verb)reader_u8(&own);

        (void)grants_add(g, verb, reader_str16(&own), user); /* its source has checked it */
    }
}

static bool grants_equal(const struct grants *a, const struct grants *b)
{
    if (a->count != b->count || !slice_eq(buf_slice(&a->text), buf_slice(&b->text)))
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->list[i].at != b->list[i].at || a->list[i].verb != b->list[i].verb)
            return false;
    return true;
}

/* --- found and made ---------------------------------------------------------------------- */

struct principal *directory_find(struct authority *a, const uint8_t credential[CREDENTIAL_HASH])
{
    uint64_t now = clock_ms();
    struct principal *p;

    HASH_FIND(hh, a->principals, credential, CREDENTIAL_HASH, p);
    if (p == NULL || (p->expires_ms != 0 && p->expires_ms <= now) ||
        (p->forget_ms != 0 && p->forget_ms <= now))
        return NULL;
    principal_ref(p);
    return p;
}

static char *full_name(enum principal_kind kind, const char *name)
{
    struct buf text = {0};
    char *made;

    buf_puts(&text, kind_names[kind]);
    if (kind != PRINCIPAL_ANONYMOUS) {
        buf_puts(&text, ":");
        buf_puts(&text, name);
    }
    made = mem_strndup((const char *)text.p, text.len);
    buf_free(&text);
    return made;
}

static void arm(struct authority *a, uint64_t due);

struct principal *directory_add(struct authority *a, const uint8_t credential[CREDENTIAL_HASH],
                                struct findings *found)
{
    struct principal *p = mem_zalloc(sizeof *p), *was;

    *p = (struct principal){.name = full_name(found->kind, found->name),
                            .kind = found->kind,
                            .expires_ms = found->expires_ms,
                            .forget_ms = found->external ? clock_ms() + found->keep_ms : 0,
                            .authority = a,
                            .references = 1,
                            .findings = mem_alloc(sizeof *p->findings),
                            .found = !found->external || found->keep_ms > 0,
                            .next = a->all,
                            .link = &a->all};
    *p->findings = *found;
    *found = (struct findings){0};
    memcpy(p->credential, credential, CREDENTIAL_HASH);
    grants_of(a, p->findings, &p->grants);
    if (p->kind != PRINCIPAL_ANONYMOUS)
        p->account = account_of(a, p->name);
    if (p->next != NULL)
        p->next->link = &p->next;
    a->all = p;
    a->living++;
    HASH_FIND(hh, a->principals, credential, CREDENTIAL_HASH, was);
    if (was != NULL)
        directory_forget(was); /* whoever acts as it goes on */
    if (p->found)
        HASH_ADD(hh, a->principals, credential, CREDENTIAL_HASH, p);
    if (p->expires_ms != 0)
        arm(a, p->expires_ms);
    if (p->found && p->forget_ms != 0)
        arm(a, p->forget_ms);
    return p;
}

/* --- their end ------------------------------------------------------------------------ */

static void principal_tell(struct principal *p)
{
    for (struct caller *c = p->callers; c != NULL; c = p->next_caller) {
        p->next_caller = c->next;
        if (c->changed != NULL)
            c->changed(c);
    }
    p->next_caller = NULL;
}

static void principal_ends(struct principal *p, enum principal_state state)
{
    p->state = state;
    directory_forget(p);
    principal_tell(p);
}

/* All as of now, each with a reference: callers that are told may end any of them. */
static struct principal **everyone(struct authority *a, size_t *count)
{
    struct principal **list = mem_array(a->living + 1, sizeof(struct principal *));

    *count = 0;
    for (struct principal *p = a->all; p != NULL; p = p->next) {
        principal_ref(p);
        list[(*count)++] = p;
    }
    return list;
}

static void everyone_free(struct principal **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        principal_unref(list[i]);
    free(list);
}

static uint64_t earlier(uint64_t due, uint64_t at)
{
    return at != 0 && (due == 0 || at < due) ? at : due;
}

/* Returns when it has to be looked at again, UTC; 0: never. */
static uint64_t principal_look(struct principal *p, uint64_t now)
{
    if (p->state != PRINCIPAL_STANDS)
        return 0;
    if (p->expires_ms != 0 && p->expires_ms <= now) {
        principal_ends(p, PRINCIPAL_EXPIRED);
        return 0;
    }
    if (p->found && p->forget_ms != 0 && p->forget_ms <= now)
        directory_forget(p);
    return earlier(p->expires_ms, p->found ? p->forget_ms : 0);
}

static void directory_on_timer(uv_timer_t *t)
{
    struct authority *a = t->data;
    uint64_t now = clock_ms(), due = 0;
    struct principal **list;
    size_t count;

    if (a->due_ms > now) {
        arm(a, a->due_ms);
        return;
    }
    a->due_ms = 0;
    list = everyone(a, &count);
    for (size_t i = 0; i < count; i++)
        due = earlier(due, principal_look(list[i], now));
    if (due != 0)
        arm(a, due);
    everyone_free(list, count);
}

/* A clock that is set moves what is due: nobody sleeps longer than this. */
#define SLEEP_MAX_MS 500u

static void arm(struct authority *a, uint64_t due)
{
    uint64_t now = clock_ms(), wait = due > now ? due - now : 0;

    a->due_ms = earlier(a->due_ms, due);
    if (wait < SWEEP_MS)
        wait = SWEEP_MS;
    if (wait > SLEEP_MAX_MS)
        wait = SLEEP_MAX_MS;
    if (!a->closing &&
        (!uv_is_active((uv_handle_t *)&a->timer) || uv_timer_get_due_in(&a->timer) > wait))
        uv_timer_start(&a->timer, directory_on_timer, wait, 0);
}

/* --- read anew ------------------------------------------------------------------------ */

bool directory_name_is_taken(const struct authority *a, const struct findings *f)
{
    struct slice name = slice_of(f->name);

    if (f->kind == PRINCIPAL_USER)
        return a->from.passwords != NULL && passwords_know(a->from.passwords, name);
    return f->kind == PRINCIPAL_KEY && a->from.keys != NULL && keys_know(a->from.keys, name);
}

/* By what is in the files now. */
static bool still_stands(struct authority *a, struct principal *p)
{
    const struct sources *s = &a->from;
    struct findings *f = p->findings;

    if (f->external)
        return s->callback != NULL && !directory_name_is_taken(a, f);
    switch (p->kind) {
    case PRINCIPAL_ANONYMOUS:
        buf_clear(&f->roles);
        buf_put_slice(&f->roles, buf_slice(&s->stranger_roles));
        return s->strangers;
    case PRINCIPAL_USER:
        return s->passwords != NULL && passwords_stand(s->passwords, f);
    case PRINCIPAL_TOKEN:
        return s->tokens != NULL && tokens_stand(s->tokens, f);
    case PRINCIPAL_CERT:
        buf_clear(&f->roles);
        buf_put_slice(&f->roles, buf_slice(&s->certificate_roles));
        return s->certificates;
    case PRINCIPAL_KEY:
        return s->keys != NULL && keys_stand(s->keys, f);
    }
    return false;
}

static void principal_review(struct authority *a, struct principal *p)
{
    struct grants fresh = {0};

    if (p->state != PRINCIPAL_STANDS)
        return;
    if (!still_stands(a, p)) {
        principal_ends(p, PRINCIPAL_REVOKED);
        return;
    }
    grants_of(a, p->findings, &fresh);
    if (grants_equal(&fresh, &p->grants)) {
        grants_free(&fresh);
        return;
    }
    grants_free(&p->grants);
    p->grants = fresh;
    principal_tell(p);
}

void directory_review(struct authority *a)
{
    size_t count;
    struct principal **list = everyone(a, &count);

    for (size_t i = 0; i < count; i++)
        principal_review(a, list[i]);
    everyone_free(list, count);
}

void directory_clear(struct authority *a)
{
    size_t count;
    struct principal **list = everyone(a, &count);

    for (size_t i = 0; i < count; i++)
        directory_forget(list[i]);
    everyone_free(list, count);
}
