/*
 * unix_socket.c - see unix_socket.h.
 */
#include "unix_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_socket_new(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* A socket's file, and nobody answers. */
static bool is_left_behind(const struct sockaddr_un *a)
{
    struct stat st;
    int fd, rc, error;

    if (lstat(a->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = unix_socket_new();
    if (fd < 0)
        return false;
    rc = connect(fd, (const struct sockaddr *)a, sizeof *a);
    error = errno;
    (void)close(fd);
    return rc != 0 && error == ECONNREFUSED;
}

int unix_socket_listen(const char *path, int backlog, int *fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int error = 0;

    if (len == 0 || len >= sizeof a.sun_path)
        return ENAMETOOLONG;
    memcpy(a.sun_path, path, len);
    if (is_left_behind(&a))
        (void)unlink(path);
    *fd = unix_socket_new();
    if (*fd < 0)
        return errno;
    if (bind(*fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(*fd, backlog) != 0)
        error = errno;
    if (error != 0)
        (void)close(*fd);
    return error;
}

void unix_socket_remove(const char *path)
{
    (void)unlink(path);
}
