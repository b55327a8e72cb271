/*
 * auth.c - may this principal do that; may this process listen there.
 */
#include <stdlib.h>

#include "auth.h"
#include "log.h"
#include "mem.h"
#include "process.h"

bool auth_may(const struct principal *p, enum auth_verb verb, struct slice filter)
{
    (void)p;
    (void)verb;
    (void)filter;
    return true;
}

/* "tcp://" before the address is ZeroMQ's; its other transports stay on the
 * machine.  What does not parse (an interface's name, "*") may be anywhere. */
static bool stays_here(struct slice listen)
{
    static const char tcp[] = "tcp://";
    struct sockaddr_storage address;
    socklen_t len;
    bool loopback;
    char *text;

    if (slice_starts(listen, SLICE("ipc://")) || slice_starts(listen, SLICE("inproc://")))
        return true;
    if (slice_starts(listen, SLICE(tcp)))
        listen = (struct slice){listen.p + sizeof tcp - 1, listen.len - (sizeof tcp - 1)};
    text = mem_strndup(listen.p, listen.len);
    loopback = address_parse(text, &address, &len) == 0 &&
               address_is_loopback((struct sockaddr *)&address);
    free(text);
    return loopback;
}

bool auth_listen_allowed(const struct config *c, const char *listen)
{
    struct slice rest = slice_of(listen), one;

    if (config_bool(c, CFG_ALLOW_ANONYMOUS))
        return true;
    while (config_list_next(&rest, &one)) {
        if (stays_here(one))
            continue;
        log_error("refusing to listen beyond loopback without authentication; write "
                  "allow_anonymous = true under [sluice], or --allow-anonymous, to do it",
                  LOG_SLICE("listen", one));
        return false;
    }
    return true;
}
