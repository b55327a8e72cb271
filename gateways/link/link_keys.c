/*
 * link_keys.c - see link_keys.h.
 */
#include "link_keys.h"

#include "key_file.h"
#include "log.h"
#include "mem.h"
#include "reach.h"

static bool is_tcp(const char *endpoint)
{
    return slice_starts(slice_of(endpoint), SLICE("tcp://"));
}

char *link_keys_endpoint(const char *list)
{
    struct slice rest = slice_of(list), first = {0};

    (void)config_list_next(&rest, &first);
    return mem_strndup(first.len > 0 ? first.p : "", first.len);
}

bool link_keys_read(struct link_keys *k, const struct config *c, const char *endpoint)
{
    const char *file = config_text(c, CFG_LINK_OWN_KEY);
    struct slice server = slice_of(config_text(c, CFG_LINK_SERVER_KEY));

    if (*file == '\0' && server.len == 0) {
        if (!is_tcp(endpoint) || reach_is_loopback(endpoint))
            return true;
        log_error("a broker on another machine needs keys: set [link] key_file and server_key, "
                  "and on the broker [broker] key_file and gateway_keys",
                  LOG_S("endpoint", endpoint));
        return false;
    }
    if (*file == '\0' || !z85_get(server, k->curve.server_key)) {
        log_error("[link] key_file and server_key go together: a file with our secret key, and "
                  "the broker's public one");
        return false;
    }
    if (!key_file_secret(file, k->curve.secret))
        return false;
    k->there = zsock_curve_public(&k->curve);
    if (!k->there)
        log_error("this ZeroMQ was built without CURVE");
    return k->there;
}

void link_keys_use(const struct link_keys *k, struct zsock *z, const char *endpoint)
{
    if (k->there && is_tcp(endpoint))
        zsock_secure_client(z, &k->curve);
}
