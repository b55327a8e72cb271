/*
 * roster.c - lines into entries; and files into text.
 */
#include "roster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "whole_file.h"

/* --- names ------------------------------------------------------------------------- */

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.p[i];

        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < s.len && (uint8_t)s.p[i + 1] < 0xa0) /* U+0080 to U+009F */
            return true;
    }
    return false;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

const char *roster_name_wrong(struct slice name)
{
    if (name.len == 0)
        return "the name is empty";
    if (name.len > ROSTER_NAME)
        return "the name is longer than 255 bytes";
    if (!utf8_valid(name.p, name.len))
        return "the name is not UTF-8";
    if (has_control(name))
        return "the name has a control character";
    if (memchr(name.p, ':', name.len) != NULL)
        return "the name has a colon";
    if (name.p[0] == '#')
        return "the name begins with #, as comments do";
    if (is_white(name.p[0]) || is_white(name.p[name.len - 1]))
        return "the name begins or ends with a blank";
    return NULL;
}

/* --- lines ---------------------------------------------------------------------------- */

/* What is parsed, and how far. */
struct roster_lines {
    struct roster *into;
    struct slice rest;
    const struct roster_form *form;
    const struct roles *roles;
    struct roster_error *e;
};

static bool wrong(struct roster_lines *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static bool wrong(struct roster_lines *l, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(l->e->why, sizeof l->e->why, fmt, args);
    va_end(args);
    return false;
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && is_white(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && is_white(s.p[s.len - 1]))
        s.len--;
    return s;
}

/* Up to the separator, which goes too, or all that is left; *there: it was there. */
static struct slice take_until(struct slice *rest, char separator, bool *there)
{
    const char *at = rest->len > 0 ? memchr(rest->p, separator, rest->len) : NULL;
    struct slice taken = {rest->p, at != NULL ? (size_t)(at - rest->p) : rest->len};
    size_t gone = taken.len + (at != NULL);

    *there = at != NULL;
    *rest = gone > 0 ? (struct slice){rest->p + gone, rest->len - gone} : *rest;
    return taken;
}

/* Up to the colon of the roles, which goes too. */
static struct slice take_proof(const struct roster_lines *l, struct slice *rest)
{
    size_t len = l->form->proof_len;
    struct slice proof = {rest->p, len};
    bool there;

    if (len == 0 || rest->len < len || (rest->len > len && rest->p[len] != ':'))
        return take_until(rest, ':', &there);
    *rest = (struct slice){rest->p + len, rest->len - len};
    (void)take_until(rest, ':', &there);
    return proof;
}

static bool take_roles(struct roster_lines *l, struct slice text, struct buf *out)
{
    struct slice one, missing;

    while (config_list_next(&text, &one))
        buf_str16(out, one);
    missing = l->roles != NULL ? roles_missing(l->roles, out) : (struct slice){0};
    if (missing.p == NULL)
        return true;
    buf_clear(out);
    if (!utf8_valid(missing.p, missing.len) || missing.len > 200)
        return wrong(l, "it names a role that the configuration does not have");
    return wrong(l, "the configuration has no role \"%.*s\"", (int)missing.len, missing.p);
}

static void add(struct roster_lines *l, struct slice name, struct slice proof, struct buf roles)
{
    struct roster_entry *made = mem_zalloc(sizeof *made);

    made->name = mem_strndup(name.p, name.len);
    made->proof = mem_strndup(proof.p, proof.len);
    made->roles = roles;
    made->line = l->e->line;
    HASH_ADD_KEYPTR(hh, l->into->by_name, made->name, name.len, made);
}

static bool take_entry(struct roster_lines *l, struct slice line)
{
    bool there;
    struct slice name = take_until(&line, ':', &there);
    struct slice proof = take_proof(l, &line);
    const struct roster_entry *same;
    struct buf roles = {0};
    const char *why = roster_name_wrong(name);

    if (!there)
        return wrong(l, "no name:…:roles");
    if (why == NULL)
        why = l->form->proof_wrong(proof);
    if (why != NULL)
        return wrong(l, "%s", why);
    same = roster_find(l->into, name);
    if (same != NULL)
        return wrong(l, "the name is that of line %zu, too", same->line);
    if (!take_roles(l, line, &roles)) {
        buf_free(&roles);
        return false;
    }
    add(l, name, proof, roles);
    return true;
}

static bool take_line(struct roster_lines *l)
{
    bool there;
    struct slice line = take_until(&l->rest, '\n', &there);

    l->e->line++;
    if (line.len > ROSTER_LINE)
        return wrong(l, "the line is longer than %u bytes", ROSTER_LINE);
    if (memchr(line.p, '\0', line.len) != NULL)
        return wrong(l, "the line has a NUL");
    line = trimmed(line);
    return line.len == 0 || line.p[0] == '#' || take_entry(l, line);
}

bool roster_parse(struct roster *r, struct slice text, const struct roster_form *form,
                  const struct roles *roles, struct roster_error *e)
{
    struct roster_lines l = {r, text, form, roles, e};

    *r = (struct roster){0};
    *e = (struct roster_error){0};
    if (text.len > ROSTER_FILE)
        return wrong(&l, "it is larger than 32 MiB");
    while (l.rest.len > 0)
        if (!take_line(&l)) {
            roster_free(r);
            return false;
        }
    return true;
}

void roster_free(struct roster *r)
{
    struct roster_entry *one, *next;

    HASH_ITER (hh, r->by_name, one, next) {
        HASH_DEL(r->by_name, one);
        free(one->name);
        free(one->proof);
        buf_free(&one->roles);
        free(one);
    }
}

const struct roster_entry *roster_find(const struct roster *r, struct slice name)
{
    struct roster_entry *found;

    HASH_FIND(hh, r->by_name, name.p, name.len, found);
    return found;
}

/* --- files ------------------------------------------------------------------------------ */

bool roster_read(struct roster *r, const char *file, const struct roster_form *form,
                 const struct roles *roles)
{
    struct roster_error e = {0};
    struct buf text = {0};
    const char *why;
    bool fine = whole_file_read(file, ROSTER_FILE, &text, &why);

    whole_file_judge(file, form->secret);
    if (!fine)
        (void)snprintf(e.why, sizeof e.why, "%s", why);
    else
        fine = roster_parse(r, buf_slice(&text), form, roles, &e);
    if (!fine)
        log_error("a file of [auth] cannot be used", LOG_S("file", file), LOG_U("line", e.line),
                  LOG_S("why", e.why));
    buf_free(&text);
    return fine;
}
