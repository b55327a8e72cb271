/*
 * spawn.c - fork and exec by hand, for two things that uv_spawn cannot do.
 *
 * PR_SET_PDEATHSIG, set between fork and exec: the kernel kills the child when
 * the supervisor is gone, however it went.  (The other way, a pipe that every
 * child watches for its end, would be a duty of each process, and one that
 * hangs does not watch.)  SIGKILL, for a supervisor that was killed is itself a
 * crash, which every process is made for, and whoever starts the next one should
 * not find the data folder in use.
 *
 * A process group of its own: Ctrl-C in a terminal reaches the supervisor alone,
 * which stops its children in order; two SIGINTs would make them end at once.
 *
 * Between fork and exec only what is safe in a signal handler runs.  Signals are
 * blocked meanwhile: a handler of libuv's would write into the pipe that the
 * child still shares with us.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bytes.h"
#include "mem.h"
#include "spawn.h"

static void reset_signals(void)
{
    static const int used[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE};
    sigset_t none;

    for (size_t i = 0; i < ARRAY_LEN(used); i++)
        (void)signal(used[i], SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nothing to read, and standard output is ours alone: theirs joins the logs.
 * Ours may have started with some of the three closed, so ready_fd moves first. */
static bool set_descriptors(int ready_fd)
{
    int ready = fcntl(ready_fd, F_DUPFD_CLOEXEC, SPAWN_READY_FD + 1);
    int null = open("/dev/null", O_RDONLY);

    if (ready < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return false;
    if (null > STDERR_FILENO)
        (void)close(null);
    return dup2(ready, SPAWN_READY_FD) >= 0;
}

static void complain(const char *path)
{
    const char *why = strerrordesc_np(errno);
    const char *parts[] = {"sluice: cannot run ", path, ": ", why != NULL ? why : "error", "\n"};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
            return;
}

static void run_child(const char *path, char *const argv[], int ready_fd, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        return; /* not ours any more: it went before the kernel was told to watch */
    (void)setpgid(0, 0);
    reset_signals();
    if (set_descriptors(ready_fd))
        (void)execv(path, argv);
    complain(path);
}

pid_t spawn_process(const char *path, char *const argv[], int ready_fd)
{
    sigset_t all, before;
    pid_t parent = getpid(), pid;
    int error;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0) {
        run_child(path, argv, ready_fd, parent);
        _exit(127);
    }
    error = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return pid > 0 ? pid : -error;
}
