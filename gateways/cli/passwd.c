/*
 * passwd.c - sluice passwd: a user's line in the file of [auth] users.
 *
 *   password (typed twice, or a line of standard input) ─▶ yescrypt ─▶ name:hash:roles
 *
 * Nothing in the file changes unless all went well.
 */
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "mem.h"
#include "replaced_file.h"
#include "roster.h"
#include "typed.h"
#include "users_text.h"

enum { PASSWD_ROLE, PASSWD_DELETE };
static const struct option_spec options[] = {
    [PASSWD_ROLE] = {"role", '\0', "ROLE", "a role of the user, may repeat; none: they stay"},
    [PASSWD_DELETE] = {"delete", '\0', NULL, "take the user out of the file"},
};

/* --- the password ------------------------------------------------------------------- */

/* NULL, or why it is refused. */
static const char *password_wrong(const char *password)
{
    if (*password == '\0')
        return "an empty password is none";
    if (strlen(password) >= CRYPT_MAX_PASSPHRASE_SIZE)
        return "the password is longer than 511 bytes";
    return utf8_valid(password, strlen(password)) ? NULL : "the password is not UTF-8";
}

static int type_twice(const char *user, char out[TYPED_MAX])
{
    char again[TYPED_MAX] = "";
    bool same;

    if (!typed_secret("New password of", user, out) ||
        !typed_secret("Once more, that of", user, again))
        return cli_fail(CLI_FAILED, "no password came from the terminal");
    same = strcmp(out, again) == 0;
    explicit_bzero(again, sizeof again);
    return same ? CLI_OK : cli_fail(CLI_FAILED, "these were two passwords; nothing has changed");
}

/* All of standard input's first line. */
static int read_line(char out[TYPED_MAX])
{
    size_t len = 0;
    ssize_t n;

    while (len < TYPED_MAX - 1 && (n = read(STDIN_FILENO, out + len, 1)) == 1 && out[len] != '\n')
        if (out[len++] == '\0')
            return cli_fail(CLI_FAILED, "a password has no NUL");
    if (len > 0 && out[len - 1] == '\r')
        len--;
    out[len] = '\0';
    return CLI_OK;
}

static int password_take(const char *user, char out[TYPED_MAX])
{
    int rc = isatty(STDIN_FILENO) == 1 ? type_twice(user, out) : read_line(out);
    const char *why = rc == CLI_OK ? password_wrong(out) : NULL;

    return why != NULL ? cli_fail(CLI_FAILED, "%s", why) : rc;
}

static bool hash_make(const char *password, char hash[CRYPT_OUTPUT_SIZE])
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = mem_zalloc(sizeof *data);
    const char *made = NULL;

    if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting) != NULL)
        made = crypt_rn(password, setting, data, (int)sizeof *data);
    if (made != NULL)
        (void)snprintf(hash, CRYPT_OUTPUT_SIZE, "%s", made);
    explicit_bzero(data, sizeof *data);
    free(data);
    return made != NULL;
}

static int hash_take(const char *user, char hash[CRYPT_OUTPUT_SIZE])
{
    char password[TYPED_MAX] = "";
    int rc = password_take(user, password);

    if (rc == CLI_OK && !hash_make(password, hash))
        rc = cli_fail(CLI_FAILED, "no hash can be made: %s", strerror(errno));
    explicit_bzero(password, sizeof password);
    return rc;
}

/* --- the line ------------------------------------------------------------------------ */

/* The file's reader would stumble over it. */
static bool role_ok(const char *role)
{
    struct slice s = slice_of(role);

    return s.len > 0 && strchr(role, ',') == NULL && roster_name_wrong(s) == NULL;
}

static bool role_is_there(const struct config *c, const char *role)
{
    size_t count;
    const struct role_rule *rules = config_roles(c, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i].name, role) == 0)
            return true;
    return count == 0; /* it may be another machine's configuration */
}

static int put_roles(const struct invocation *in, const struct users_line *found, struct buf *out)
{
    const char *role;
    size_t at = 0, before = out->len;

    while ((role = arguments_next(in->args, PASSWD_ROLE, &at)) != NULL) {
        if (!role_ok(role))
            return cli_fail(CLI_USAGE, "'%s' is no name of a role", role);
        if (!role_is_there(in->config, role))
            fprintf(stderr, "sluice: the configuration has no role %s yet\n", role);
        buf_puts(out, out->len > before ? "," : "");
        buf_puts(out, role);
    }
    if (out->len == before)
        buf_put_slice(out, found->roles);
    if (out->len == before)
        fprintf(stderr, "sluice: without a role %s may do nothing\n", in->operands[1]);
    return CLI_OK;
}

static int line_make(const struct invocation *in, const struct users_line *found, const char *hash,
                     struct buf *out)
{
    int rc;

    buf_printf(out, "%s:%s:", in->operands[1], hash);
    rc = put_roles(in, found, out);
    if (rc == CLI_OK && out->len > ROSTER_LINE)
        rc = cli_fail(CLI_USAGE, "these are too many roles for a line");
    return rc;
}

/* --- the file -------------------------------------------------------------------------- */

static int write_file(struct replaced_file *f, struct slice bytes)
{
    int rc = replaced_file_write(f, bytes);

    return rc == 0 ? CLI_OK : cli_fail(CLI_FAILED, "%s: %s", f->path, strerror(rc));
}

static int set_user(const struct invocation *in, struct replaced_file *f,
                    const struct users_line *found, const char *hash)
{
    struct buf line = {0}, bytes = {0};
    int rc = line_make(in, found, hash, &line);

    if (rc == CLI_OK) {
        users_text_set(buf_slice(&f->bytes), found, buf_slice(&line), &bytes);
        rc = write_file(f, buf_slice(&bytes));
    }
    buf_free(&line);
    buf_free(&bytes);
    return rc;
}

static int delete_user(const struct invocation *in, struct replaced_file *f,
                       const struct users_line *found)
{
    struct buf bytes = {0};
    int rc;

    if (found->whole.p == NULL)
        return cli_fail(CLI_FAILED, "%s has no user %s", f->path, in->operands[1]);
    users_text_remove(buf_slice(&f->bytes), found, &bytes);
    rc = write_file(f, buf_slice(&bytes));
    buf_free(&bytes);
    return rc;
}

/* hash NULL: the user goes. */
static int change_file(const struct invocation *in, const char *hash)
{
    struct users_line found;
    struct replaced_file f;
    int rc = replaced_file_open(&f, in->operands[0], ROSTER_FILE);

    if (rc != 0)
        return cli_fail(CLI_FAILED, "%s: %s", in->operands[0], strerror(rc));
    found = users_text_find(buf_slice(&f.bytes), slice_of(in->operands[1]));
    rc = hash == NULL ? delete_user(in, &f, &found) : set_user(in, &f, &found, hash);
    replaced_file_close(&f);
    return rc;
}

static int passwd_run(const struct invocation *in)
{
    const char *why = roster_name_wrong(slice_of(in->operands[1]));
    char hash[CRYPT_OUTPUT_SIZE];
    int rc;

    if (why != NULL)
        return cli_fail(CLI_USAGE, "%s", why);
    if (arguments_get(in->args, PASSWD_DELETE) != NULL)
        return change_file(in, NULL);
    rc = hash_take(in->operands[1], hash);
    return rc == CLI_OK ? change_file(in, hash) : rc;
}

const struct command command_passwd = {
    .name = "passwd",
    .operands = "FILE USER",
    .summary = "add a user to the file of [auth] users, or change the password",
    .details =
        "Asks for the password twice at a terminal; else it is a line of standard input. FILE is\n"
        "made when it is not there; other lines stay as they are. Roles stay when none is given.\n"
        "Gateways that run read the file again on SIGHUP; whoever was known by the old password\n"
        "is known no more then.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .min_operands = 2,
    .max_operands = 2,
    .run = passwd_run,
};
