/*
 * processes.c - which processes there are, and where.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "mem.h"
#include "processes.h"

const struct process_spec process_specs[PROCESSES_MAX] = {
    [PROCESS_BROKER] = {"broker", "sluice-broker"},
    {"sse", "sluice-sse"},
    {"ws", "sluice-ws"},
    {"poll", "sluice-poll"},
    {"h2", "sluice-h2"},
    {"mqtt", "sluice-mqtt"},
    {"zmq", "sluice-zmq"},
};

char *processes_path(const struct process_spec *spec)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self);
    const char *slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;
    struct buf path = {0};

    if (slash == NULL)
        return NULL;
    buf_put(&path, self, (size_t)(slash - self) + 1);
    buf_put(&path, spec->binary, strlen(spec->binary) + 1);
    if (access((char *)path.p, X_OK) != 0)
        buf_free(&path);
    return (char *)path.p;
}
