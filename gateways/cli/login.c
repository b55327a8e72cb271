/*
 * login.c - options and environment to where and who.
 *
 * One way to say who asks: a token, or a name and a password.  What the line says goes before
 * the environment.  A certificate may come beside either.
 */
#include "login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "mem.h"
#include "typed.h"

#define SECRET_MAX 65536

enum { LOGIN_URL, LOGIN_TOKEN, LOGIN_TOKEN_FILE, LOGIN_USER, LOGIN_CERT, LOGIN_KEY, LOGIN_CA };
const struct option_spec login_options[LOGIN_OPTIONS] = {
    [LOGIN_URL] = {"url", '\0', "URL",
                   "the gateway to ask (or $SLUICE_URL), not the configured one"},
    [LOGIN_TOKEN] = {"token", '\0', "TOKEN",
                     "who asks; others may see it in ps: rather in a file, or"},
    [LOGIN_TOKEN_FILE] = {"token-file", '\0', "FILE",
                          "in $SLUICE_TOKEN; -: standard input's first line"},
    [LOGIN_USER] = {"user", '\0', "NAME[:PASSWORD]",
                    "a user; the password rather in $SLUICE_PASSWORD"},
    [LOGIN_CERT] = {"cert", '\0', "FILE", "our certificate, in PEM"},
    [LOGIN_KEY] = {"key", '\0', "FILE", "and its key, where that is in another file"},
    [LOGIN_CA] = {"ca", '\0', "FILE", "what the server's certificate is signed by"},
};

static void blot(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* --- where ------------------------------------------------------------------------- */

static int take_url(struct login *l, const char *text)
{
    struct slice url = slice_of(text), host;

    if (text == NULL)
        return 0;
    while (url.len > 0 && url.p[url.len - 1] == '/')
        url.len--;
    host = url;
    if (slice_starts(url, SLICE("http://")))
        host = (struct slice){url.p + 7, url.len - 7};
    else if (slice_starts(url, SLICE("https://")))
        host = (struct slice){url.p + 8, url.len - 8};
    if (host.p == url.p || host.len == 0 || host.p[0] == '/' ||
        strcspn(text, "?#@ ") != strlen(text)) {
        (void)cli_fail(CLI_USAGE,
                       "not the URL of a gateway, such as https://events.example.com:8081: %s",
                       text);
        return -1;
    }
    l->url = mem_strndup(url.p, url.len);
    return 0;
}

/* --- tokens ------------------------------------------------------------------------ */

/* What may stand in a header field: a JWT's characters, and any other token's (RFC 6750, 2.1). */
static bool token_ok(const char *token)
{
    if (*token == '\0')
        return false;
    for (const char *p = token; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return true;
}

static int token_set(struct login *l, const char *text, const char *from)
{
    if (!token_ok(text)) {
        (void)cli_fail(CLI_USAGE, "%s: that is no token", from);
        return -1;
    }
    blot(l->token);
    l->token = mem_strdup(text);
    return 0;
}

/* The first line, without its end.  False: errno says why. */
static bool first_line(const char *name, char *out, size_t cap)
{
    bool own = strcmp(name, "-") != 0;
    FILE *f = own ? fopen(name, "re") : stdin;
    bool read = f != NULL && fgets(out, (int)cap, f) != NULL;

    if (f != NULL && !read && !ferror(f))
        errno = ENODATA;
    if (read)
        out[strcspn(out, "\r\n")] = '\0';
    if (f != NULL && own)
        (void)fclose(f);
    return read;
}

static int token_read(struct login *l)
{
    char *text = mem_zalloc(SECRET_MAX);
    int rc = -1;

    if (first_line(l->token_file, text, SECRET_MAX))
        rc = token_set(l, text, l->token_file);
    else
        (void)cli_fail(CLI_USAGE, "%s: %s", l->token_file, strerror(errno));
    explicit_bzero(text, SECRET_MAX);
    free(text);
    return rc;
}

bool login_renew(struct login *l)
{
    bool file = l->token_file != NULL && strcmp(l->token_file, "-") != 0;

    return !file || token_read(l) == 0;
}

/* --- passwords --------------------------------------------------------------------- */

static int password_take(struct login *l, const char *colon)
{
    const char *variable = getenv("SLUICE_PASSWORD");
    char typed[TYPED_MAX] = "";

    if (colon != NULL) {
        l->password = mem_strdup(colon + 1);
    } else if (variable != NULL) {
        l->password = mem_strdup(variable);
    } else if (typed_secret("Password of", l->user, typed)) {
        l->password = mem_strdup(typed);
    } else {
        (void)cli_fail(CLI_USAGE,
                       "--user %s needs a password: in $SLUICE_PASSWORD, or at a terminal",
                       l->user);
        return -1;
    }
    explicit_bzero(typed, sizeof typed);
    return 0;
}

static int user_take(struct login *l, const char *text)
{
    const char *colon = strchr(text, ':');

    l->user = mem_strndup(text, colon != NULL ? (size_t)(colon - text) : strlen(text));
    if (*l->user != '\0')
        return password_take(l, colon);
    (void)cli_fail(CLI_USAGE, "--user is NAME or NAME:PASSWORD");
    return -1;
}

/* --- all of it ---------------------------------------------------------------------- */

static const char *said(const struct arguments *a, size_t option)
{
    return arguments_get(a, OPTIONS_SHARED + option);
}

/* The rest of ps sees dots from now on; the value itself has been copied. */
static void hide(const char *value)
{
    char *p = (char *)(uintptr_t)value; /* main's argv, which is ours to write */

    if (p != NULL)
        memset(p, '.', strlen(p));
}

static int take_who(struct login *l, const struct arguments *a)
{
    const char *token = said(a, LOGIN_TOKEN), *user = said(a, LOGIN_USER);
    const char *variable = getenv("SLUICE_TOKEN");
    int rc = 0;

    l->token_file = said(a, LOGIN_TOKEN_FILE);
    if ((token != NULL) + (l->token_file != NULL) + (user != NULL) > 1) {
        (void)cli_fail(CLI_USAGE, "--token, --token-file and --user exclude each other");
        return -1;
    }
    if (token != NULL)
        rc = token_set(l, token, "--token");
    else if (l->token_file != NULL)
        rc = token_read(l);
    else if (user != NULL)
        rc = user_take(l, user);
    else if (variable != NULL && *variable != '\0')
        rc = token_set(l, variable, "SLUICE_TOKEN");
    hide(token);
    hide(user != NULL ? strchr(user, ':') : NULL);
    return rc;
}

int login_open(struct login *l, const struct arguments *a)
{
    const char *url = said(a, LOGIN_URL), *variable = getenv("SLUICE_URL");

    *l = (struct login){.ca = said(a, LOGIN_CA), .cert = said(a, LOGIN_CERT)};
    l->key = said(a, LOGIN_KEY);
    if (l->key != NULL && l->cert == NULL) {
        (void)cli_fail(CLI_USAGE, "--key needs --cert, whose key it is");
        return -1;
    }
    if (url == NULL && variable != NULL && *variable != '\0')
        url = variable;
    return take_url(l, url) == 0 ? take_who(l, a) : -1;
}

void login_close(struct login *l)
{
    free(l->url);
    free(l->user);
    blot(l->token);
    blot(l->password);
    *l = (struct login){0};
}

bool login_shows(const struct login *l)
{
    return l->token != NULL || l->user != NULL || l->cert != NULL;
}

bool login_given(const struct login *l)
{
    return l->url != NULL || l->ca != NULL || login_shows(l);
}

void login_tell_waiting(struct login *l, const char *where)
{
    if (!l->waited)
        fprintf(stderr, "sluice: still trying %s …\n", where);
    l->waited = true;
}
