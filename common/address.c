/*
 * address.c - see address.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "address.h"

/* "[::1]:80" or "host:80" into host and port; a host with a colon needs brackets. */
static bool address_split(struct slice text, struct slice *host, struct slice *port)
{
    const char *colon = text.len > 0 ? memrchr(text.p, ':', text.len) : NULL;

    if (colon == NULL)
        return false;
    *host = (struct slice){text.p, (size_t)(colon - text.p)};
    *port = (struct slice){colon + 1, text.len - host->len - 1};
    if (host->len >= 2 && host->p[0] == '[' && host->p[host->len - 1] == ']')
        *host = (struct slice){host->p + 1, host->len - 2};
    else if (memchr(host->p, ':', host->len) != NULL)
        return false;
    return true;
}

/* All addresses: IPv6's any, which takes IPv4 too, where the kernel has IPv6. */
static void address_any(uint16_t port, struct sockaddr_storage *out, socklen_t *len)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (fd >= 0) {
        (void)close(fd);
        memcpy(out, &v6, sizeof v6);
        *len = sizeof v6;
    } else {
        memcpy(out, &v4, sizeof v4);
        *len = sizeof v4;
    }
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
    if (a->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)a)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)a)->sin_port = htons(port);
}

/* A name with addresses of both kinds gives the IPv4 one: the same on every
 * machine, whatever its resolver prefers. */
static int resolve(const char *host, struct sockaddr_storage *out, socklen_t *len)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list, *pick;
    int rc = getaddrinfo(host, NULL, &hints, &list);

    if (rc != 0)
        return rc == EAI_AGAIN ? -EAGAIN : -EADDRNOTAVAIL;
    pick = list;
    while (pick->ai_next != NULL && pick->ai_family != AF_INET)
        pick = pick->ai_next;
    if (pick->ai_family != AF_INET)
        pick = list;
    memcpy(out, pick->ai_addr, pick->ai_addrlen);
    *len = pick->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}

int address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
    struct slice host, port;
    uint64_t number;
    char name[256];
    int rc;

    *out = (struct sockaddr_storage){0};
    if (!address_split(slice_of(text), &host, &port) || !slice_u64(port, &number) ||
        number > UINT16_MAX)
        return -EINVAL;
    if (host.len == 0) {
        address_any((uint16_t)number, out, len);
        return 0;
    }
    if (host.len >= sizeof name)
        return -EINVAL;
    memcpy(name, host.p, host.len);
    name[host.len] = '\0';
    rc = resolve(name, out, len);
    if (rc == 0)
        set_port(out, (uint16_t)number);
    return rc;
}

bool address_looks(struct slice text)
{
    struct slice host, port;
    uint64_t number;

    return address_split(text, &host, &port) && slice_u64(port, &number) && number <= UINT16_MAX &&
           (host.len == 0 || memchr(host.p, ' ', host.len) == NULL);
}

/* The IPv4 address, also of one that IPv6 has wrapped ("::ffff:127.0.0.1"). */
static bool as_ipv4(const struct sockaddr *a, struct in_addr *out)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;

    if (a->sa_family == AF_INET) {
        *out = ((const struct sockaddr_in *)(const void *)a)->sin_addr;
        return true;
    }
    if (a->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return false;
    memcpy(out, v6->sin6_addr.s6_addr + 12, sizeof *out);
    return true;
}

bool address_is_loopback(const struct sockaddr *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
    struct in_addr v4;

    if (as_ipv4(a, &v4))
        return ntohl(v4.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

void address_format(const struct sockaddr *a, char *out, size_t cap)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
    char host[INET6_ADDRSTRLEN] = "?";
    struct in_addr v4;

    if (as_ipv4(a, &v4)) {
        /* sin_port and sin6_port lie at the same place */
        (void)inet_ntop(AF_INET, &v4, host, sizeof host);
        (void)snprintf(out, cap, "%s:%u", host, ntohs(v6->sin6_port));
    } else if (a->sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        (void)snprintf(out, cap, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        (void)snprintf(out, cap, "local");
    }
}
