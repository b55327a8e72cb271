/*
 * inspect_files.c - certificates, keys and secrets.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "certificate.h"
#include "inspect.h"
#include "key_file.h"
#include "mem.h"
#include "reach.h"

#define DAY_S (24 * 3600)
#define SOON_DAYS 14

static const char *where_of(const struct verdicts *v, enum config_key k)
{
    return config_where(v->config, k);
}

/* --- secrets -------------------------------------------------------------------------- */

static void look_at_mode(struct verdicts *v, enum config_key k, const char *file)
{
    struct stat st;

    if (stat(file, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        verdicts_warn(v, where_of(v, k), "others may read %s (mode %o): chmod 600 it", file,
                      (unsigned)st.st_mode & 0777);
}

static void look_at_secret(struct verdicts *v, enum config_key k)
{
    const char *file = config_text(v->config, k);

    if (file[0] == '\0')
        return;
    if (access(file, R_OK) != 0)
        verdicts_error(v, where_of(v, k), "%s: %s", file, strerror(errno));
    else
        look_at_mode(v, k, file);
}

/* --- certificates ---------------------------------------------------------------------- */

static void look_at_dates(struct verdicts *v, enum config_key k, const char *file,
                          const struct certificate_facts *facts)
{
    int64_t now = (int64_t)time(NULL), left = facts->until - now;

    if (facts->from > now)
        verdicts_error(v, where_of(v, k), "%s is not valid yet, but in %" PRId64 " h", file,
                       (facts->from - now) / 3600 + 1);
    else if (left < 0)
        verdicts_error(v, where_of(v, k), "%s has expired, %" PRId64 " days ago", file,
                       -left / DAY_S);
    else if (left < SOON_DAYS * DAY_S)
        verdicts_warn(v, where_of(v, k), "%s expires in %" PRId64 " days", file, left / DAY_S);
}

static void look_at_pair(struct verdicts *v, const char *file, const char *key)
{
    enum config_key own = config_is_set(v->config, CFG_TLS_KEY) ? CFG_TLS_KEY : CFG_TLS_CERTIFICATE;
    struct certificate_facts facts;

    certificate_look(file, key, &facts);
    if (!facts.readable)
        verdicts_error(v, where_of(v, CFG_TLS_CERTIFICATE), "no certificate can be read from %s",
                       file);
    else
        look_at_dates(v, CFG_TLS_CERTIFICATE, file, &facts);
    if (!facts.key_readable)
        verdicts_error(v, where_of(v, own), "no key without a passphrase can be read from %s", key);
    else if (facts.readable && !facts.match)
        verdicts_error(v, where_of(v, own), "%s is not the key of %s", key, file);
    look_at_mode(v, own, key);
}

static void look_at_certificates(struct verdicts *v)
{
    struct slice files = slice_of(config_text(v->config, CFG_TLS_CERTIFICATE)), file, key;
    struct slice keys = slice_of(config_text(v->config, CFG_TLS_KEY));
    bool together = keys.len == 0, enough = true;

    while (enough && config_list_next(&files, &file)) {
        key = file;
        enough = together || config_list_next(&keys, &key);
        if (enough) {
            char *a = mem_strndup(file.p, file.len), *b = mem_strndup(key.p, key.len);

            look_at_pair(v, a, b);
            free(a);
            free(b);
        }
    }
    if (!enough || config_list_next(&keys, &key))
        verdicts_error(v, where_of(v, CFG_TLS_KEY), "as many keys as certificates, in their order");
}

static void look_at_authorities(struct verdicts *v)
{
    const char *file = config_text(v->config, CFG_TLS_CLIENT_CA);
    struct certificate_facts facts;

    if (file[0] == '\0')
        return;
    certificate_look(file, NULL, &facts);
    if (!facts.readable)
        verdicts_error(v, where_of(v, CFG_TLS_CLIENT_CA), "no certificate can be read from %s",
                       file);
    else
        look_at_dates(v, CFG_TLS_CLIENT_CA, file, &facts);
    if (config_text(v->config, CFG_TLS_CERTIFICATE)[0] == '\0')
        verdicts_error(v, where_of(v, CFG_TLS_CLIENT_CA),
                       "[tls] certificate is empty, so nobody can show a certificate");
}

static void look_at_data(struct verdicts *v)
{
    const char *data = config_text(v->config, CFG_DATA);
    struct stat st;

    if (stat(data, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
        verdicts_warn(v, where_of(v, CFG_DATA),
                      "%s is open to everybody on this machine: chmod 750 it", data);
}

/* The way between broker and gateways. */
static void look_at_link(struct verdicts *v)
{
    const struct config *c = v->config;
    const char *gateways = config_text(c, CFG_LINK_GATEWAYS);
    bool broker = *config_text(c, CFG_BROKER_KEY_FILE) != '\0';
    bool gateway = *config_text(c, CFG_LINK_OWN_KEY) != '\0';
    struct key_list list = {0};

    if (!broker && !gateway &&
        !(reach_is_loopback(config_link(c)) && reach_is_loopback(config_reads(c))))
        verdicts_error(v, where_of(v, CFG_LINK),
                       "link and reads beyond loopback need keys: key_file and gateway_keys at "
                       "the broker, [link] key_file and server_key at a gateway");
    if (broker && !key_file_list(gateways, &list))
        verdicts_error(v, where_of(v, CFG_LINK_GATEWAYS), "no list of gateways can be read");
    key_file_free(&list);
}

void inspect_files(struct verdicts *v)
{
    static const enum config_key secrets[] = {CFG_AUTH_USERS, CFG_AUTH_HMAC_KEY,
                                              CFG_ZMQ_CURVE_SECRET_KEY_FILE, CFG_BROKER_KEY_FILE,
                                              CFG_LINK_OWN_KEY};

    look_at_certificates(v);
    look_at_authorities(v);
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        look_at_secret(v, secrets[i]);
    look_at_link(v);
    look_at_data(v);
}
