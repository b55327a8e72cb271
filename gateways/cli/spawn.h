/*
 * spawn.h - starting a process that cannot outlive us.
 */
#ifndef CLI_SPAWN_H
#define CLI_SPAWN_H

#include <sys/types.h>

/* Where a child finds its end of the ready pipe. */
#define SPAWN_READY_FD 3

/* Runs path with argv in a process group of its own; ready_fd becomes the
 * child's SPAWN_READY_FD.  The process ID, or a negative errno.  When path
 * cannot be run, the child says so and exits with 127.  Call it from the thread
 * that stays until the end: the child is killed when that thread is gone. */
pid_t spawn_process(const char *path, char *const argv[], int ready_fd);

#endif
