/*
 * reach.c - loopback or beyond.
 */
#include <stdlib.h>

#include "address.h"
#include "log.h"
#include "mem.h"
#include "reach.h"

enum reach { REACH_LOOPBACK, REACH_BEYOND, REACH_NONE };

static enum reach reach_of_address(struct slice listen)
{
    struct sockaddr_storage address;
    char *text = mem_strndup(listen.p, listen.len);
    socklen_t len;
    int rc = address_parse(text, &address, &len);

    free(text);
    if (rc != 0)
        return REACH_NONE;
    return address_is_loopback((struct sockaddr *)&address) ? REACH_LOOPBACK : REACH_BEYOND;
}

/* "tcp://" before the address is ZeroMQ's; its other transports stay on the
 * machine.  What does not parse there (an interface's name, "*") may be anywhere. */
static enum reach reach_of(struct slice listen)
{
    static const char tcp[] = "tcp://";

    if (slice_starts(listen, SLICE("ipc://")) || slice_starts(listen, SLICE("inproc://")))
        return REACH_LOOPBACK;
    if (!slice_starts(listen, SLICE(tcp)))
        return reach_of_address(listen);
    listen = (struct slice){listen.p + sizeof tcp - 1, listen.len - (sizeof tcp - 1)};
    return reach_of_address(listen) == REACH_LOOPBACK ? REACH_LOOPBACK : REACH_BEYOND;
}

static bool reach_refuse(struct slice listen, enum reach reach)
{
    if (reach == REACH_NONE)
        log_error("not an address to listen on, such as 127.0.0.1:8081",
                  LOG_SLICE("listen", listen));
    else
        log_error(
            "refusing to listen beyond loopback without authentication; configure [auth], or write "
            "allow_anonymous = true under [sluice], or --allow-anonymous, to do it",
            LOG_SLICE("listen", listen));
    return false;
}

static bool reach_within(const struct config *c, const char *listen, bool allowed)
{
    struct slice rest = slice_of(listen), one;

    if (allowed || config_bool(c, CFG_ALLOW_ANONYMOUS))
        return true;
    while (config_list_next(&rest, &one)) {
        enum reach reach = reach_of(one);

        if (reach != REACH_LOOPBACK)
            return reach_refuse(one, reach);
    }
    return true;
}

bool reach_allows_clients(const struct config *c, const char *listen)
{
    return reach_within(c, listen, config_auth(c));
}

bool reach_allows(const struct config *c, const char *listen)
{
    return reach_within(c, listen, false);
}

bool reach_is_loopback(const char *listen)
{
    struct slice rest = slice_of(listen), one;

    while (config_list_next(&rest, &one))
        if (reach_of(one) != REACH_LOOPBACK)
            return false;
    return true;
}
