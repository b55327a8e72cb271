/*
 * main.c - sluice-poll: long-polling over plain HTTP.
 */
#include "poll.h"

static const struct route routes[] = {
    {"GET", "/events/", ROUTE_NO_BODY, poll_open},
    {"GET", "/events", ROUTE_NO_BODY, poll_open},
};

/* Whoever asks now and then, without waiting, finds his topic still warm. */
static const struct gateway_spec poll = {
    .section = "poll",
    .allow_origin = CFG_POLL_ALLOW_ORIGIN,
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .linger_ms = 60000,
    .start = poll_start,
    .stop = poll_stop,
};

int main(int argc, char **argv)
{
    return gateway_main(&poll, argc, argv);
}
