/*
 * process.c - signals and draining, the ready byte, folders, addresses.
 *
 *   SIGTERM or SIGINT ──▶ drain() ──(second signal, or drain_ms)──▶ abandon()
 *
 * Each runs once at most.  A process that ends in time calls process_close,
 * which stops the clock.  Signals within SAME_STOP_MS are one: timeout(1) tells
 * its child and then the whole group, systemd tells us and our supervisor.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "process.h"

#define SAME_STOP_MS 500

struct process {
    struct process_ops ops;
    void *arg;
    uint64_t drain_ms;
    uint64_t stopped_at; /* of the loop's clock */
    bool draining, abandoned, closing;
    uv_signal_t term, interrupt, hangup;
    uv_timer_t deadline;
    unsigned handles;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- signals ------------------------------------------------------------------- */

static void abandon(struct process *p)
{
    if (p->abandoned)
        return;
    p->abandoned = true;
    if (p->ops.abandon != NULL)
        p->ops.abandon(p->arg);
}

static void on_deadline(uv_timer_t *h)
{
    log_warn("draining took too long; ending now");
    abandon(CONTAINER_OF(h, struct process, deadline));
}

static void stop(struct process *p, int signum)
{
    uint64_t now = uv_now(p->deadline.loop);

    if (p->draining) {
        if (now - p->stopped_at >= SAME_STOP_MS)
            abandon(p);
        return;
    }
    p->draining = true;
    p->stopped_at = now;
    log_info("stopping", LOG_S("signal", signum == SIGTERM ? "SIGTERM" : "SIGINT"));
    (void)uv_timer_start(&p->deadline, on_deadline, p->drain_ms, 0);
    if (p->ops.drain != NULL)
        p->ops.drain(p->arg);
}

static void on_signal(uv_signal_t *h, int signum)
{
    struct process *p = h->data;

    if (signum != SIGHUP)
        stop(p, signum);
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

static void start_signal(struct process *p, uv_loop_t *loop, uv_signal_t *h, int signum)
{
    int rc = uv_signal_init(loop, h);

    assert(rc == 0);
    h->data = p;
    rc = uv_signal_start(h, on_signal, signum);
    assert(rc == 0);
    (void)rc;
}

struct process *process_start(uv_loop_t *loop, uint64_t drain_ms, const struct process_ops *ops,
                              void *arg)
{
    struct process *p = mem_zalloc(sizeof *p);

    p->ops = *ops;
    p->arg = arg;
    p->drain_ms = drain_ms;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its size limit is a full disk, no crash */
    raise_open_files();
    start_signal(p, loop, &p->term, SIGTERM);
    start_signal(p, loop, &p->interrupt, SIGINT);
    start_signal(p, loop, &p->hangup, SIGHUP);
    (void)uv_timer_init(loop, &p->deadline);
    p->handles = 4;
    return p;
}

static void on_closed(uv_handle_t *h)
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
    uv_close((uv_handle_t *)&p->term, on_closed);
    uv_close((uv_handle_t *)&p->interrupt, on_closed);
    uv_close((uv_handle_t *)&p->hangup, on_closed);
    uv_close((uv_handle_t *)&p->deadline, on_closed);
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

/* --- addresses ----------------------------------------------------------------- */

/* "[::1]:80" or "host:80" into host and port; a host with a colon needs brackets. */
static bool split_address(const char *text, struct slice *host, struct slice *port)
{
    const char *colon = strrchr(text, ':');

    if (colon == NULL)
        return false;
    *host = (struct slice){text, (size_t)(colon - text)};
    *port = slice_of(colon + 1);
    if (host->len >= 2 && host->p[0] == '[' && host->p[host->len - 1] == ']')
        *host = (struct slice){host->p + 1, host->len - 2};
    else if (memchr(host->p, ':', host->len) != NULL)
        return false;
    return true;
}

/* All addresses: IPv6's any, which takes IPv4 too, where the kernel has IPv6. */
static void any_address(uint16_t port, struct sockaddr_storage *out, socklen_t *len)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (fd >= 0) {
        (void)close(fd);
        memcpy(out, &v6, sizeof v6);
        *len = sizeof v6;
    } else {
        memcpy(out, &v4, sizeof v4);
        *len = sizeof v4;
    }
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
    if (a->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)a)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)a)->sin_port = htons(port);
}

/* A name with addresses of both kinds gives the IPv4 one: the same on every
 * machine, whatever its resolver prefers. */
static int resolve(const char *host, struct sockaddr_storage *out, socklen_t *len)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list, *pick;
    int rc = getaddrinfo(host, NULL, &hints, &list);

    if (rc != 0)
        return rc == EAI_AGAIN ? -EAGAIN : -EADDRNOTAVAIL;
    pick = list;
    while (pick->ai_next != NULL && pick->ai_family != AF_INET)
        pick = pick->ai_next;
    if (pick->ai_family != AF_INET)
        pick = list;
    memcpy(out, pick->ai_addr, pick->ai_addrlen);
    *len = pick->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}

int address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
    struct slice host, port;
    uint64_t number;
    char name[256];
    int rc;

    *out = (struct sockaddr_storage){0};
    if (!split_address(text, &host, &port) || !slice_u64(port, &number) || number > UINT16_MAX)
        return -EINVAL;
    if (host.len == 0) {
        any_address((uint16_t)number, out, len);
        return 0;
    }
    if (host.len >= sizeof name)
        return -EINVAL;
    memcpy(name, host.p, host.len);
    name[host.len] = '\0';
    rc = resolve(name, out, len);
    if (rc == 0)
        set_port(out, (uint16_t)number);
    return rc;
}

/* The IPv4 address, also of one that IPv6 has wrapped ("::ffff:127.0.0.1"). */
static bool as_ipv4(const struct sockaddr *a, struct in_addr *out)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;

    if (a->sa_family == AF_INET) {
        *out = ((const struct sockaddr_in *)(const void *)a)->sin_addr;
        return true;
    }
    if (a->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return false;
    memcpy(out, v6->sin6_addr.s6_addr + 12, sizeof *out);
    return true;
}

bool address_is_loopback(const struct sockaddr *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
    struct in_addr v4;

    if (as_ipv4(a, &v4))
        return ntohl(v4.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

void address_format(const struct sockaddr *a, char *out, size_t cap)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
    char host[INET6_ADDRSTRLEN] = "?";
    struct in_addr v4;

    if (as_ipv4(a, &v4)) {
        /* sin_port and sin6_port lie at the same place */
        (void)inet_ntop(AF_INET, &v4, host, sizeof host);
        (void)snprintf(out, cap, "%s:%u", host, ntohs(v6->sin6_port));
    } else if (a->sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        (void)snprintf(out, cap, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        (void)snprintf(out, cap, "local");
    }
}
