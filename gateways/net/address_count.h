/*
 * address_count.h - how many connections each client address has open.
 */
#ifndef NET_ADDRESS_COUNT_H
#define NET_ADDRESS_COUNT_H

#include <sys/socket.h>

#include "bytes.h"

struct address_count;

/* One more for the address (its port does not matter); NULL, and none more,
 * when it has `max` already. */
struct address_count *address_count_take(struct address_count **table,
                                         const struct sockaddr *address, size_t max);
size_t address_count_get(const struct address_count *a);
void address_count_drop(struct address_count **table, struct address_count *a); /* NULL: nothing */

#endif
