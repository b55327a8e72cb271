/*
 * login.h - where a command goes, and as whom: --url, --token-file, --user, --cert and the
 * others, which every command that asks a server has.
 *
 * Secrets come out of a file, the environment or a terminal; from the command line, too, where
 * ps shows them until login_open has blotted them out.
 */
#ifndef CLI_LOGIN_H
#define CLI_LOGIN_H

#include "arguments.h"

#define LOGIN_OPTIONS 7
extern const struct option_spec login_options[LOGIN_OPTIONS];

/* All strings NULL where nothing was said. */
struct login {
    char *url;                   /* "https://host:8081/prefix", without a slash at its end */
    const char *ca, *cert, *key; /* PEM files */
    const char *token_file;
    char *token;
    char *user, *password; /* both, or neither */
    bool waited;           /* it was told that nobody answers */
};

/* 0, or -1 with the mistake printed. */
int login_open(struct login *l, const struct arguments *a);
void login_close(struct login *l);
/* Something was said: a server, or who asks. */
bool login_given(const struct login *l);
/* Who asks shows something. */
bool login_shows(const struct login *l);
/* The token file again, for it may hold a newer one.  False, printed: it holds none. */
bool login_renew(struct login *l);
/* Once: "still trying …", on standard error. */
void login_tell_waiting(struct login *l, const char *where);

#endif
