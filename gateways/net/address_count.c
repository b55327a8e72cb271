/*
 * address_count.c - a table from address to count; an entry lives while its
 * count is not 0.
 */
#include "address_count.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "mem.h"

struct address_count {
    uint8_t key[16];
    size_t count;
    UT_hash_handle hh;
};

/* IPv4 as IPv6 maps it, so that both kinds of listener count alike. */
static void address_count_key(const struct sockaddr *address, uint8_t key[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (address->sa_family == AF_INET6) {
        memcpy(key, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return;
    }
    memcpy(key, mapped, sizeof mapped);
    memcpy(key + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
}

struct address_count *address_count_take(struct address_count **table,
                                         const struct sockaddr *address, size_t max)
{
    struct address_count *a;
    uint8_t key[16];

    address_count_key(address, key);
    HASH_FIND(hh, *table, key, sizeof key, a);
    if (a == NULL) {
        a = mem_zalloc(sizeof *a);
        memcpy(a->key, key, sizeof key);
        HASH_ADD(hh, *table, key, sizeof a->key, a);
    }
    if (a->count >= max)
        return NULL;
    a->count++;
    return a;
}

size_t address_count_get(const struct address_count *a)
{
    return a->count;
}

void address_count_drop(struct address_count **table, struct address_count *a)
{
    if (a == NULL || --a->count > 0)
        return;
    HASH_DEL(*table, a);
    free(a);
}
