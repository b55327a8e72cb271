/*
 * child.h - one supervised process: started, watched, started again.
 *
 *   child_start ──▶ starting ──(its byte)──▶ ready ──(it dies)──▶ waiting ─┐
 *                      ▲  └──────────(it dies)──────────────────────▲      │
 *                      └─────────────────(backoff_restart)─────────────────┘
 *
 * Loop thread.  ops run from the loop, never from inside a call into here.
 */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <sys/types.h>
#include <uv.h>

#include "processes.h"

struct child;
struct child_ops {
    void (*ready)(struct child *c);
    /* It is gone; status as from waitpid.  True: start it again. */
    bool (*died)(struct child *c, int status);
};

/* Embedded by its owner; read name, pid and the flags, call the rest. */
struct child {
    const char *name;
    pid_t pid; /* 0: does not run */
    bool ready;
    bool was_ready; /* in any of its lives */
    void *data;     /* the owner's */

    char *path;
    char **argv; /* owned, with its strings */
    const struct child_ops *ops;
    bool hangup_due;   /* SIGHUP came while it was starting */
    uint64_t ready_at; /* loop time, ms */
    unsigned delay_ms; /* waited before this life; 0: none yet */
    int ready_pipe[2]; /* for all its lives: the death of one is told by waitpid */
    uv_poll_t ready_poll;
    uv_timer_t restart;
    unsigned handles;
    void (*closed)(struct child *c);
};

/* flags: up's own command line, argv[0] first; becomes the child's (its own
 * section's flags lose the section's name).  0 or a negative errno.  path is taken. */
int child_init(struct child *c, uv_loop_t *loop, const struct process_spec *spec, char *path,
               char *const flags[], const struct child_ops *ops, void *data);
void child_start(struct child *c);
void child_reap(struct child *c);               /* after a SIGCHLD */
void child_signal(struct child *c, int signum); /* no-op when it does not run */
void child_reload(struct child *c);             /* SIGHUP, once it can take it */
void child_hold(struct child *c);               /* no restart that is due comes any more */
/* It does not run; closed() runs later, once. */
void child_close(struct child *c, void (*closed)(struct child *c));

#endif
