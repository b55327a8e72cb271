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

static bool endpoint_allowed(const struct config *c, struct slice endpoint)
{
    struct slice ipc = SLICE("ipc://");
    char *text;
    bool ok;

    if (slice_starts(endpoint, ipc))
        return ipc_allowed(endpoint, (struct slice){endpoint.p + ipc.len, endpoint.len - ipc.len});
    if (!slice_starts(endpoint, SLICE("tcp://"))) {
        log_error("an endpoint must begin ipc:// or tcp://", LOG_SLICE("endpoint", endpoint));
        return false;
    }
    text = mem_strndup(endpoint.p, endpoint.len);
    ok = reach_allows(c, text);
    free(text);
    return ok;
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

bool endpoint_bind_all(const struct config *c, struct zsock *z, const char *list)
{
    struct slice rest = slice_of(list), item;

    while (config_list_next(&rest, &item)) {
        if (!endpoint_allowed(c, item) || !endpoint_bind(z, item))
            return false;
    }
    return true;
}
