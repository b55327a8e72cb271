/*
 * process.c - signals and draining, how long turns of the loop take, the ready byte, folders.
 *
 *   SIGTERM or SIGINT ──▶ drain() ──(second signal, or drain_ms)──▶ abandon()
 *
 * Each runs once at most.  A process that ends in time calls process_close,
 * which stops the clock.  Signals within SAME_STOP_MS are one: timeout(1) tells
 * its child and then the whole group, systemd tells us and our supervisor.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "process.h"

#define SAME_STOP_MS 500
#define RESERVED_MAX 16 /* descriptors */

struct process {
    struct process_ops ops;
    void *arg;
    uint64_t drain_ms;
    uint64_t stopped_at; /* of the loop's clock */
    bool draining, abandoned, closing;
    uv_signal_t term, interrupt, hangup;
    uv_timer_t deadline;
    uv_check_t check;
    uint64_t turn_at, idle; /* when the last turn ended, and how long we had slept by then: ns */
    unsigned handles;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- signals ------------------------------------------------------------------- */

static void process_abandon(struct process *p)
{
    if (p->abandoned)
        return;
    p->abandoned = true;
    if (p->ops.abandon != NULL)
        p->ops.abandon(p->arg);
}

static void process_on_deadline(uv_timer_t *h)
{
    log_warn("draining took too long; ending now");
    process_abandon(CONTAINER_OF(h, struct process, deadline));
}

static void process_stop(struct process *p, int signum)
{
    uint64_t now = uv_now(p->deadline.loop);

    if (p->draining) {
        if (now - p->stopped_at >= SAME_STOP_MS)
            process_abandon(p);
        return;
    }
    p->draining = true;
    p->stopped_at = now;
    log_info("stopping", LOG_S("signal", signum == SIGTERM ? "SIGTERM" : "SIGINT"));
    (void)uv_timer_start(&p->deadline, process_on_deadline, p->drain_ms, 0);
    if (p->ops.drain != NULL)
        p->ops.drain(p->arg);
}

static void process_on_signal(uv_signal_t *h, int signum)
{
    struct process *p = h->data;

    if (signum != SIGHUP)
        process_stop(p, signum);
    else if (p->ops.reload != NULL && !p->draining)
        p->ops.reload(p->arg);
}

static void raise_open_files(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0)
        log_warn("the limit of open files stays low", LOG_S("error", strerror(errno)));
}

int process_reserved_from(void)
{
    struct rlimit r;
    rlim_t reserved;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur > INT_MAX)
        return INT_MAX;
    reserved = r.rlim_cur / 4 < RESERVED_MAX ? r.rlim_cur / 4 : RESERVED_MAX;
    return (int)(r.rlim_cur - reserved);
}

bool process_is_short(int any, int number)
{
    int next = fcntl(any, F_DUPFD_CLOEXEC, 0);

    if (next >= 0)
        (void)close(next);
    return next < 0 || next > number;
}

static void start_signal(struct process *p, uv_loop_t *loop, uv_signal_t *h, int signum)
{
    int rc = uv_signal_init(loop, h);

    assert(rc == 0);
    h->data = p;
    rc = uv_signal_start(h, process_on_signal, signum);
    assert(rc == 0);
    (void)rc;
}

/* From one to the next is a turn and a sleep, which libuv measures for us. */
static void process_on_check(uv_check_t *h)
{
    struct process *p = CONTAINER_OF(h, struct process, check);
    uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(h->loop);

    metric_peak_us(M_LOOP_STALL, (now - p->turn_at - (idle - p->idle)) / 1000);
    p->turn_at = now;
    p->idle = idle;
}

static void process_watch_turns(struct process *p, uv_loop_t *loop)
{
    (void)uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    (void)uv_check_init(loop, &p->check);
    (void)uv_check_start(&p->check, process_on_check);
    p->turn_at = uv_hrtime();
}

struct process *process_start(uv_loop_t *loop, uint64_t drain_ms, const struct process_ops *ops,
                              void *arg)
{
    struct process *p = mem_zalloc(sizeof *p);

    p->ops = *ops;
    p->arg = arg;
    p->drain_ms = drain_ms;
    (void)umask(077); /* what is made from here on is its owner's alone */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its size limit is a full disk, no crash */
    raise_open_files();
    start_signal(p, loop, &p->term, SIGTERM);
    start_signal(p, loop, &p->interrupt, SIGINT);
    start_signal(p, loop, &p->hangup, SIGHUP);
    (void)uv_timer_init(loop, &p->deadline);
    process_watch_turns(p, loop);
    p->handles = 5;
    return p;
}

static void process_on_closed(uv_handle_t *h)
{
    struct process *p = h->data;

    if (--p->handles > 0)
        return;
    if (p->closed != NULL)
        p->closed(p->closed_arg);
    free(p);
}

void process_close(struct process *p, void (*closed)(void *arg), void *arg)
{
    assert(!p->closing);
    p->closing = true;
    p->closed = closed;
    p->closed_arg = arg;
    p->deadline.data = p;
    p->check.data = p;
    uv_close((uv_handle_t *)&p->term, process_on_closed);
    uv_close((uv_handle_t *)&p->interrupt, process_on_closed);
    uv_close((uv_handle_t *)&p->hangup, process_on_closed);
    uv_close((uv_handle_t *)&p->deadline, process_on_closed);
    uv_close((uv_handle_t *)&p->check, process_on_closed);
    /* It ends by itself now: a late signal must not turn its exit into a death. */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
}

void process_ready(int ready_fd)
{
    ssize_t n;

    if (ready_fd < 0)
        return;
    do
        n = write(ready_fd, "\n", 1);
    while (n < 0 && errno == EINTR);
    (void)close(ready_fd); /* the reader needs no more, and sees the end if we die */
}

/* --- folders ------------------------------------------------------------------- */

static int make_folder(const char *path, unsigned mode)
{
    struct stat st;

    if (mkdir(path, (mode_t)mode) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &st) != 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int process_mkdir(const char *path, unsigned mode)
{
    char *copy = mem_strdup(path);
    int rc = 0;

    for (char *p = copy + strspn(copy, "/"); rc == 0 && *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        rc = make_folder(copy, mode);
        *p = '/';
    }
    if (rc == 0)
        rc = make_folder(copy, mode);
    free(copy);
    return rc;
}

int process_own_file(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno == ENOENT ? 0 : -errno;
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return 0;
    return chmod(path, S_IRUSR | S_IWUSR) == 0 ? 0 : -errno;
}

bool process_folder_is_open(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & (S_IWGRP | S_IRWXO)) != 0;
}
