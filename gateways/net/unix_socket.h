/*
 * unix_socket.h - a listening socket with a name in the file system.
 *
 * Its file is its owner's alone (the process's umask).  One that nobody listens at any more,
 * as a killed process leaves it, is taken over; one that is listened at is in use.
 */
#ifndef NET_UNIX_SOCKET_H
#define NET_UNIX_SOCKET_H

#include "bytes.h"

/* 0 and *fd, non-blocking; or an errno: ENAMETOOLONG for more than 107 bytes, or none. */
int unix_socket_listen(const char *path, int backlog, int *fd) MUST_CHECK;
void unix_socket_remove(const char *path);

#endif
