/*
 * self_signed.c - makes the folder and the certificate (tls.h), and puts two flags right
 * behind argv[0], before anything that the operator wrote.
 */
#include "self_signed.h"

#include <stdlib.h>
#include <string.h>

#include "certificate.h"
#include "mem.h"
#include "process.h"

static char *join(const char *a, const char *b)
{
    struct buf text = {0};

    buf_printf(&text, "%s%s%c", a, b, '\0');
    return (char *)text.p;
}

static void add_flags(struct self_signed *s, const struct arguments *a)
{
    size_t count = (size_t)a->argc;

    s->flags[0] = join("--tls-certificate=", s->certificate);
    s->flags[1] = join("--tls-key=", s->key);
    s->argv = mem_array(count + 3, sizeof *s->argv);
    s->argv[0] = a->argv[0];
    memcpy(s->argv + 1, s->flags, sizeof s->flags);
    memcpy(s->argv + 3, a->argv + 1, (count - 1) * sizeof *s->argv);
}

static int make_folder(const char *data)
{
    char *folder = join(data, "/tls");
    int rc = process_mkdir(folder, 0750);

    if (rc != 0)
        rc = cli_fail(CLI_FAILED, "cannot make the folder %s: %s", folder, strerror(-rc));
    free(folder);
    return rc;
}

int self_signed_make(struct self_signed *s, const struct invocation *in)
{
    const char *data = config_text(in->config, CFG_DATA);

    if (config_is_set(in->config, CFG_TLS_CERTIFICATE) || config_is_set(in->config, CFG_TLS_KEY))
        return cli_fail(CLI_USAGE,
                        "--tls-self-signed is for a system without [tls] certificate and key");
    if (make_folder(data) != CLI_OK)
        return CLI_FAILED;
    s->certificate = join(data, "/tls/certificate.pem");
    s->key = join(data, "/tls/key.pem");
    if (certificate_self_signed(s->certificate, s->key) != 0)
        return CLI_FAILED;
    add_flags(s, in->args);
    return CLI_OK;
}

void self_signed_free(struct self_signed *s)
{
    free(s->certificate);
    free(s->key);
    free(s->flags[0]);
    free(s->flags[1]);
    free(s->argv);
}
