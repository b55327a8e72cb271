/*
 * network.c - out of an address's text.
 */
#include "network.h"

#include <arpa/inet.h>

static bool is_loopback(const uint8_t bytes[16], bool v4)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};

    return v4 ? bytes[12] == 127 : memcmp(bytes, v6_loopback, sizeof v6_loopback) == 0;
}

struct network network_of(struct slice address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const char *zone = address.len > 0 ? memchr(address.p, '%', address.len) : NULL;
    size_t len = zone != NULL ? (size_t)(zone - address.p) : address.len;
    struct network n = {0};
    char text[INET6_ADDRSTRLEN] = "";
    bool v4;

    if (len == 0 || len >= sizeof text)
        return n;
    memcpy(text, address.p, len);
    v4 = inet_pton(AF_INET, text, n.bytes + 12) == 1;
    if (v4)
        memcpy(n.bytes, mapped, sizeof mapped);
    else if (inet_pton(AF_INET6, text, n.bytes) != 1)
        return n;
    v4 = memcmp(n.bytes, mapped, sizeof mapped) == 0;
    n.known = true;
    n.loopback = is_loopback(n.bytes, v4);
    if (!v4)
        memset(n.bytes + 8, 0, 8);
    return n;
}
