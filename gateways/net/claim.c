/*
 * claim.c - flock(2) on a file an address.
 *
 * A network namespace is part of the file's name: containers that share a folder may
 * have one port each.
 */
#include "claim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "process.h"

#define FOLDER_MODE 0750

/* Of this process; 0 where there are none. */
static unsigned long long namespace_id(void)
{
    struct stat st;

    return stat("/proc/self/ns/net", &st) == 0 ? (unsigned long long)st.st_ino : 0;
}

static int claim_open(const char *folder, const struct sockaddr *address)
{
    char text[80];
    struct buf path = {0};
    int fd;

    if (process_mkdir(folder, FOLDER_MODE) != 0)
        return -1;
    address_format(address, text, sizeof text);
    buf_printf(&path, "%s/listen-%s-%llu", folder, text, namespace_id());
    buf_u8(&path, 0);
    fd = open((const char *)path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    buf_free(&path);
    return fd;
}

static bool claim_write(const struct claim *c, const char *kind)
{
    size_t len = strlen(kind);

    return ftruncate(c->fd, 0) == 0 && pwrite(c->fd, kind, len, 0) == (ssize_t)len;
}

/* Nobody holds it: it is ours until claim_settle. */
static int claim_first(struct claim *c, const char *kind)
{
    c->first = true;
    if (!claim_write(c, kind))
        claim_drop(c); /* a full disk is no reason not to serve */
    return 0;
}

static int claim_join(struct claim *c, const char *kind)
{
    ssize_t n = pread(c->fd, c->holder, sizeof c->holder - 1, 0);

    if (n < 0 || strcmp(c->holder, kind) == 0)
        return 0;
    claim_drop(c);
    return -EADDRINUSE;
}

int claim_take(struct claim *c, const char *folder, const struct sockaddr *address,
               const char *kind)
{
    *c = (struct claim){.fd = claim_open(folder, address)};
    if (c->fd < 0)
        return 0;
    if (flock(c->fd, LOCK_EX | LOCK_NB) == 0)
        return claim_first(c, kind);
    while (flock(c->fd, LOCK_SH) != 0)
        if (errno != EINTR) {
            claim_drop(c);
            return 0;
        }
    return claim_join(c, kind);
}

void claim_settle(struct claim *c)
{
    if (c->fd >= 0 && c->first)
        (void)flock(c->fd, LOCK_SH);
}

void claim_drop(struct claim *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
}
