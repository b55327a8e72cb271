/*
 * endpoint.c - see endpoint.h.
 */
#include "endpoint.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "reach.h"

static bool ipc_allowed(struct slice endpoint, struct slice path)
{
    if (path.len > 0 && path.len <= ENDPOINT_IPC_MAX)
        return true;
    log_error("the path of an ipc endpoint must have 1 to 107 bytes: "
              "choose a shorter data folder, or set the endpoint",
              LOG_SLICE("endpoint", endpoint), LOG_U("bytes", path.len));
    return false;
}

static bool tcp_allowed(const struct warden *w, struct slice endpoint)
{
    char *text = mem_strndup(endpoint.p, endpoint.len);
    bool ok = w != NULL || reach_is_loopback(text);

    free(text);
    if (!ok)
        log_error("refusing link and reads beyond loopback without keys: set [broker] "
                  "key_file and gateway_keys, and on the gateway [link] key_file and "
                  "server_key",
                  LOG_SLICE("endpoint", endpoint));
    return ok;
}

static bool is_ipc(struct slice endpoint)
{
    return slice_starts(endpoint, SLICE("ipc://"));
}

static bool endpoint_allowed(const struct warden *w, struct slice endpoint)
{
    size_t ipc = sizeof "ipc://" - 1;

    if (is_ipc(endpoint))
        return ipc_allowed(endpoint, (struct slice){endpoint.p + ipc, endpoint.len - ipc});
    if (slice_starts(endpoint, SLICE("tcp://")))
        return tcp_allowed(w, endpoint);
    log_error("an endpoint must begin ipc:// or tcp://", LOG_SLICE("endpoint", endpoint));
    return false;
}

static bool endpoint_bind(struct zsock *z, struct slice endpoint)
{
    char *text = mem_strndup(endpoint.p, endpoint.len);
    int rc = zsock_bind(z, text);

    free(text);
    if (rc == 0)
        return true;
    log_error("cannot listen", LOG_SLICE("endpoint", endpoint), LOG_S("why", uv_strerror(rc)));
    return false;
}

/* ZeroMQ's settings count for what is bound behind them: ipc, which has no keys, goes first. */
static bool bind_those(struct warden *w, struct zsock *z, const char *list, bool ipc)
{
    struct slice rest = slice_of(list), item;

    while (config_list_next(&rest, &item)) {
        if (is_ipc(item) == ipc && (!endpoint_allowed(w, item) || !endpoint_bind(z, item)))
            return false;
    }
    return true;
}

bool endpoint_bind_all(struct warden *w, struct zsock *z, const char *list)
{
    if (!bind_those(w, z, list, true))
        return false;
    if (w != NULL)
        warden_guard(w, z);
    return bind_those(w, z, list, false);
}
