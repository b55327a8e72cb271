/*
 * child.c - fork through spawn.h, readiness through a pipe, death through
 * waitpid, the next life through a timer.
 *
 * One pipe serves all lives of a child.  A life that said ready and died at
 * once may have its byte still in the pipe when waitpid tells of it; the pipe is
 * therefore read first, so that no byte is taken for a later life's.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backoff.h"
#include "child.h"
#include "log.h"
#include "mem.h"
#include "spawn.h"

/* --- its command line ----------------------------------------------------- */

/* "--sse-listen" is "--listen" to sluice-sse itself. */
static char *flag_for(const char *name, const char *flag)
{
    struct buf b = {0};
    size_t len = strlen(name);

    if (strncmp(flag, "--", 2) != 0 || strncmp(flag + 2, name, len) != 0 || flag[2 + len] != '-')
        return mem_strdup(flag);
    buf_printf(&b, "--%s%c", flag + 2 + len + 1, '\0');
    return (char *)b.p;
}

static char **argv_make(const char *name, const char *path, char *const flags[])
{
    size_t count = 0, n = 0;
    char **argv;

    while (flags[count] != NULL)
        count++;
    argv = mem_array(count + 3, sizeof *argv);
    argv[n++] = mem_strdup(path);
    argv[n++] = mem_strdup("--ready-fd=3");
    _Static_assert(SPAWN_READY_FD == 3, "said above");
    for (size_t i = 1; i < count; i++)
        argv[n++] = flag_for(name, flags[i]);
    return argv;
}

static void argv_free(char **argv)
{
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    free(argv);
}

/* --- readiness ------------------------------------------------------------ */

/* True when a byte was there. */
static bool ready_take(struct child *c)
{
    char bytes[16];
    ssize_t n = read(c->ready_pipe[0], bytes, sizeof bytes);

    return n > 0;
}

static void become_ready(struct child *c)
{
    c->ready = true;
    c->was_ready = true;
    c->ready_at = uv_now(c->restart.loop);
    if (c->hangup_due)
        child_signal(c, SIGHUP);
    c->hangup_due = false;
}

static void child_on_ready(uv_poll_t *h, int status, int events)
{
    struct child *c = CONTAINER_OF(h, struct child, ready_poll);

    (void)status;
    (void)events;
    if (!ready_take(c) || c->pid == 0)
        return;
    become_ready(c);
    log_info("process is ready", LOG_S("child", c->name), LOG_I("pid", c->pid));
    c->ops->ready(c);
}

/* --- life and death ------------------------------------------------------- */

static void child_on_restart(uv_timer_t *h)
{
    child_start(CONTAINER_OF(h, struct child, restart));
}

static void restart_later(struct child *c)
{
    c->delay_ms = backoff_restart(c->delay_ms, c->ready, uv_now(c->restart.loop) - c->ready_at);
    (void)uv_timer_start(&c->restart, child_on_restart, c->delay_ms, 0);
}

void child_start(struct child *c)
{
    pid_t pid;

    assert(c->pid == 0);
    c->ready = false;
    pid = spawn_process(c->path, c->argv, c->ready_pipe[1]);
    if (pid < 0) {
        log_error("cannot start a process", LOG_S("child", c->name),
                  LOG_S("error", strerror(-pid)));
        restart_later(c);
        return;
    }
    c->pid = pid;
    log_info("process started", LOG_S("child", c->name), LOG_I("pid", pid));
}

static void log_death(const struct child *c, pid_t pid, int status)
{
    if (WIFSIGNALED(status))
        log_warn("process was killed", LOG_S("child", c->name), LOG_I("pid", pid),
                 LOG_S("signal", strsignal(WTERMSIG(status))));
    else if (WEXITSTATUS(status) != 0)
        log_warn("process failed", LOG_S("child", c->name), LOG_I("pid", pid),
                 LOG_I("status", WEXITSTATUS(status)));
    else
        log_info("process ended", LOG_S("child", c->name), LOG_I("pid", pid));
}

void child_reap(struct child *c)
{
    int status;
    pid_t pid = c->pid;

    if (pid == 0 || waitpid(pid, &status, WNOHANG) != pid)
        return;
    if (ready_take(c) && !c->ready)
        become_ready(c);
    c->pid = 0;
    c->hangup_due = false;
    log_death(c, pid, status);
    if (c->ops->died(c, status))
        restart_later(c);
    c->ready = false;
}

void child_signal(struct child *c, int signum)
{
    if (c->pid != 0)
        (void)kill(c->pid, signum);
}

void child_reload(struct child *c)
{
    if (c->ready)
        child_signal(c, SIGHUP);
    else
        c->hangup_due = true; /* before it has a handler, SIGHUP would kill it */
}

void child_hold(struct child *c)
{
    (void)uv_timer_stop(&c->restart);
}

/* --- the owner ------------------------------------------------------------ */

int child_init(struct child *c, uv_loop_t *loop, const struct process_spec *spec, char *path,
               char *const flags[], const struct child_ops *ops, void *data)
{
    int rc;

    *c = (struct child){.name = spec->name, .path = path, .ops = ops, .data = data};
    if (pipe2(c->ready_pipe, O_CLOEXEC) != 0) {
        free(path);
        return -errno;
    }
    c->argv = argv_make(spec->name, path, flags);
    rc = uv_poll_init(loop, &c->ready_poll, c->ready_pipe[0]); /* makes it non-blocking */
    assert(rc == 0);
    rc = uv_poll_start(&c->ready_poll, UV_READABLE, child_on_ready);
    assert(rc == 0);
    (void)rc;
    (void)uv_timer_init(loop, &c->restart);
    c->handles = 2;
    return 0;
}

static void child_on_handle_closed(uv_handle_t *h)
{
    struct child *c = h->data;

    if (--c->handles > 0)
        return;
    (void)close(c->ready_pipe[0]);
    (void)close(c->ready_pipe[1]);
    argv_free(c->argv);
    free(c->path);
    c->closed(c);
}

void child_close(struct child *c, void (*closed)(struct child *c))
{
    assert(c->pid == 0);
    c->closed = closed;
    c->ready_poll.data = c;
    c->restart.data = c;
    uv_close((uv_handle_t *)&c->ready_poll, child_on_handle_closed);
    uv_close((uv_handle_t *)&c->restart, child_on_handle_closed);
}
