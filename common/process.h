/*
 * process.h - what every process of ours does alike: signals, draining, the
 * ready byte, folders.
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include <uv.h>

#include "bytes.h"

struct process;
struct process_ops {
    void (*reload)(void *arg);  /* SIGHUP */
    void (*drain)(void *arg);   /* first SIGTERM or SIGINT: begin to end */
    void (*abandon)(void *arg); /* drain_ms later, or a second signal (not one told
                                 * twice at once): end now */
};
/* Handles SIGTERM, SIGINT, SIGHUP, ignores SIGPIPE and SIGXFSZ, raises the limit
 * of open files to its hard maximum, sets the umask to 077, and measures the loop's turns
 * (sluice_loop_stall_seconds). */
struct process *process_start(uv_loop_t *loop, uint64_t drain_ms, const struct process_ops *ops,
                              void *arg);
void process_close(struct process *p, void (*closed)(void *arg), void *arg);
/* Writes one byte to the descriptor that --ready-fd named and closes it; once.  -1
 * does nothing. */
void process_ready(int ready_fd);
/* Descriptors from this number on are no client's: the process itself will need them for
 * the link to the broker, files and probes.  (ZeroMQ ends the process when it gets none.)
 * The kernel gives the lowest number that is free. */
int process_reserved_from(void);
/* The next one would be above `number`; any is some descriptor that is open. */
bool process_is_short(int any, int number);
/* mkdir -p with mode; 0 or a negative errno. */
int process_mkdir(const char *path, unsigned mode) MUST_CHECK;
/* Takes a file's rights from all but its owner; one that is not there needs none.  0 or a
 * negative errno. */
int process_own_file(const char *path);
/* More than its owner may write in the folder, or others than its group may look into it. */
bool process_folder_is_open(const char *path);

#endif
