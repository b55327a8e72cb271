/*
 * handshakes.c - two lists.
 */
#include "handshakes.h"

#include <stdlib.h>
#include <sys/ioctl.h>

#include <utlist.h>

#include "address_count.h"
#include "clock.h"
#include "mem.h"

#define STILL_MS 1000 /* a slow network's round trip, and more */
#define LOOKED_AT 64  /* so many of a list, for each new client */

struct handshake {
    struct handshake *prev, *next;
    struct conn *conn;
    struct address_count *address;
    uint64_t moved_at; /* monotonic ms */
    int fd;
    bool begun;
};

struct handshake *handshakes_add(struct handshakes *hs, struct conn *c, int fd,
                                 const struct sockaddr *peer)
{
    struct handshake *h = mem_zalloc(sizeof *h);

    h->conn = c;
    h->fd = fd;
    h->moved_at = clock_mono_ms();
    h->address = address_count_take(&hs->addresses, peer, SIZE_MAX);
    DL_APPEND(hs->silent, h);
    return h;
}

static void handshake_unlink(struct handshakes *hs, struct handshake *h)
{
    if (h->begun)
        DL_DELETE(hs->begun, h);
    else
        DL_DELETE(hs->silent, h);
}

void handshake_moved(struct handshakes *hs, struct handshake *h)
{
    handshake_unlink(hs, h);
    h->begun = true;
    h->moved_at = clock_mono_ms();
    DL_APPEND(hs->begun, h);
}

void handshake_over(struct handshakes *hs, struct handshake *h)
{
    if (h == NULL)
        return;
    handshake_unlink(hs, h);
    address_count_drop(&hs->addresses, h->address);
    free(h);
}

static bool waits_for_us(const struct handshake *h)
{
    int unread = 0;

    return ioctl(h->fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* The first of the list that has stood still since `before`, of a greedy address if one is
 * near. */
static struct handshake *longest_still(struct handshake *list, uint64_t before, size_t share)
{
    struct handshake *h, *first = NULL;
    unsigned looked_at = 0;

    DL_FOREACH (list, h) {
        if (h->moved_at > before || looked_at++ == LOOKED_AT)
            break;
        if (waits_for_us(h))
            continue;
        if (address_count_get(h->address) > share)
            return h;
        if (first == NULL)
            first = h;
    }
    return first;
}

struct conn *handshakes_victim(const struct handshakes *hs, size_t share)
{
    uint64_t now = clock_mono_ms();
    struct handshake *h = longest_still(hs->silent, now, share);

    if (h == NULL && now >= STILL_MS)
        h = longest_still(hs->begun, now - STILL_MS, share);
    return h == NULL ? NULL : h->conn;
}
