/*
 * keygen.c - sluice keygen: new keys, for tokens or for ZeroMQ's CURVE.
 *
 * A private key goes into a file that its owner alone may read; nothing is overwritten.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "jwk.h"
#include "mem.h"
#include "zsock.h"

enum { KEYGEN_JWT, KEYGEN_CURVE, KEYGEN_ROLE };
static const struct option_spec options[] = {
    [KEYGEN_JWT] = {"jwt", '\0', "FILE", "a key that signs tokens, and FILE.pub.jwks; -: print"},
    [KEYGEN_CURVE] = {"curve", '\0', "NAME", "print a pair of keys for a ZeroMQ peer: key:NAME"},
    [KEYGEN_ROLE] = {"role", '\0', "ROLE", "of that peer, as often as you like"},
};

/* --- tokens ------------------------------------------------------------------------------ */

static bool write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.p, text.len);

        if (n < 0)
            return false;
        text = (struct slice){text.p + n, text.len - (size_t)n};
    }
    return true;
}

static int write_new(const char *name, struct slice text, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool ok;

    if (fd < 0)
        return cli_fail(CLI_FAILED, "%s: %s", name, strerror(errno));
    ok = write_all(fd, text) && fsync(fd) == 0;
    if (close(fd) != 0 || !ok)
        return cli_fail(CLI_FAILED, "%s: %s", name, strerror(errno));
    return CLI_OK;
}

static int write_both(const char *file, struct slice private_key, struct slice set)
{
    struct buf name = {0};
    int code = write_new(file, private_key, 0600);

    buf_printf(&name, "%s.pub.jwks", file);
    buf_u8(&name, '\0');
    if (code == CLI_OK)
        code = write_new((const char *)name.p, set, 0644);
    if (code == CLI_OK)
        printf("%s: signs tokens (sluice token --key %s)\n%s: for [auth] jwks\n", file, file,
               (const char *)name.p);
    buf_free(&name);
    return code;
}

static int keygen_jwt(const char *file)
{
    struct buf private_key = {0}, set = {0};
    const char *why;
    struct jwk k;
    int code = CLI_OK;

    if (!jwk_generate(&k, &why))
        return cli_fail(CLI_FAILED, "%s", why);
    jwk_put(&k, JWK_PRIVATE, &private_key);
    buf_u8(&private_key, '\n');
    buf_puts(&set, "{\"keys\":[");
    jwk_put(&k, JWK_PUBLIC, &set);
    buf_puts(&set, "]}\n");
    if (strcmp(file, "-") == 0)
        printf("%.*s%.*s", (int)private_key.len, (char *)private_key.p, (int)set.len,
               (char *)set.p);
    else
        code = write_both(file, buf_slice(&private_key), buf_slice(&set));
    explicit_bzero(private_key.p, private_key.cap);
    buf_free(&private_key);
    buf_free(&set);
    jwk_free(&k);
    return code;
}

/* --- CURVE --------------------------------------------------------------------------------- */

/* As a file it is what czmq, pyzmq and [zmq] curve_secret_key_file read. */
static int keygen_curve(const struct arguments *a, const char *name)
{
    char public_key[ZSOCK_KEY_TEXT], secret_key[ZSOCK_KEY_TEXT];
    const char *role;
    size_t at = 0, count = 0;

    if (name[0] == '\0' || strpbrk(name, ":# \t\r\n") != NULL)
        return cli_fail(CLI_USAGE, "'%s' is no name of a key", name);
    if (!zsock_keypair(public_key, secret_key))
        return cli_fail(CLI_FAILED, "no keys could be made");
    printf("#   The line for [auth] keys; who has this file is key:%s.\n#   %s:%s:", name, name,
           public_key);
    while ((role = arguments_next(a, KEYGEN_ROLE, &at)) != NULL)
        printf("%s%s", count++ > 0 ? "," : "", role);
    printf("\n\nmetadata\ncurve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n", public_key,
           secret_key);
    explicit_bzero(secret_key, sizeof secret_key);
    return CLI_OK;
}

static int keygen_run(const struct invocation *in)
{
    const char *jwt = arguments_get(in->args, KEYGEN_JWT);
    const char *curve = arguments_get(in->args, KEYGEN_CURVE);

    if ((jwt == NULL) == (curve == NULL))
        return cli_fail(CLI_USAGE, "sluice keygen --jwt FILE, or sluice keygen --curve NAME");
    return jwt != NULL ? keygen_jwt(jwt) : keygen_curve(in->args, curve);
}

const struct command command_keygen = {
    .name = "keygen",
    .operands = "",
    .summary = "make keys, for tokens or for ZeroMQ",
    .details =
        "For tokens it is Ed25519, in a file that its owner alone may read, and a JWKS of its\n"
        "public part for [auth] jwks.  For ZeroMQ both keys are printed, as a file that\n"
        "czmq, pyzmq and [zmq] curve_secret_key_file read, with the line for [auth] keys.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = keygen_run,
};
