/*
 * caller.c - callers in the list of who they act as.
 */
#include "caller.h"

static void unlink_caller(struct caller *c)
{
    struct principal *p = c->principal;

    if (p->next_caller == c)
        p->next_caller = c->next;
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    c->next = NULL;
    c->link = NULL;
}

static void link_caller(struct caller *c, struct principal *p)
{
    c->principal = p;
    c->next = p->callers;
    c->link = &p->callers;
    if (c->next != NULL)
        c->next->link = &c->next;
    p->callers = c;
}

void caller_begin(struct caller *c, struct principal *p)
{
    struct principal *was = c->principal;

    if (was != NULL) {
        if (c->connected && was->account != p->account) {
            account_disconnect(was->account);
            c->connected = false;
        }
        unlink_caller(c);
    }
    link_caller(c, p);
    principal_unref(was);
}

void caller_copy(struct caller *to, const struct caller *from)
{
    if (from->principal == NULL) {
        caller_end(to);
        return;
    }
    principal_ref(from->principal);
    caller_begin(to, from->principal);
}

void caller_end(struct caller *c)
{
    struct principal *was = c->principal;

    if (was == NULL)
        return;
    if (c->connected)
        account_disconnect(was->account);
    c->connected = false;
    unlink_caller(c);
    c->principal = NULL;
    principal_unref(was);
}

struct slice caller_name(const struct caller *c)
{
    return c->principal != NULL ? slice_of(c->principal->name) : (struct slice){0};
}

bool caller_is_anonymous(const struct caller *c)
{
    return c->principal == NULL || c->principal->kind == PRINCIPAL_ANONYMOUS;
}

bool caller_stands(const struct caller *c)
{
    return c->principal != NULL && c->principal->state == PRINCIPAL_STANDS;
}

bool caller_may(const struct caller *c, enum auth_verb verb, struct slice filter)
{
    return caller_stands(c) && grants_cover(&c->principal->grants, verb, filter, c->client);
}

bool caller_connect(struct caller *c)
{
    if (c->connected || c->principal == NULL)
        return c->connected;
    c->connected = account_connect(c->principal->account);
    return c->connected;
}
