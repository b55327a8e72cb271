/*
 * listener.c - accept, within limits.
 *
 * Happy path: the poll says readable, up to ACCEPT_TURN clients are accepted,
 * each becomes a conn.  TCP_NODELAY is set once, on the listening socket: the
 * accepted ones inherit it.
 *
 * How it fails: out of memory, or of descriptors but for those that the process keeps for
 * itself, accepting pauses for PAUSE_MS.  With too many TLS handshakes under way one that
 * stands still makes room; when none does, accepting pauses for a moment, so that a crowd that
 * comes back at once is served in the order in which it came. Whatever happened to a single client
 * while it waited is no concern of ours.
 */
#include "listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "address_count.h"
#include "claim.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "process.h"
#include "unix_socket.h"

#define BACKLOG 4096
#define ACCEPT_TURN 256
#define PAUSE_MS 200
#define BUSY_MS 100
#define LOG_EVERY_MS 5000
#define IPC "ipc://"

struct listener {
    struct conns *conns;
    struct tls_server *tls; /* NULL: plain */
    struct listener_options options;
    uv_poll_t poll;
    struct wheel_timer pause;
    uint64_t logged_at;
    int fd;
    struct claim claim;
    char *path; /* of a socket in the file system; NULL: it has a port */
};

static void listener_on_poll(uv_poll_t *poll, int status, int events);

static void listener_resume(struct wheel_timer *t)
{
    struct listener *l = CONTAINER_OF(t, struct listener, pause);

    (void)uv_poll_start(&l->poll, UV_READABLE, listener_on_poll);
}

/* At most one line per LOG_EVERY_MS: a flood of clients is no flood of lines. */
static bool may_log(struct listener *l)
{
    uint64_t now = clock_mono_ms();

    if (l->logged_at != 0 && now - l->logged_at < LOG_EVERY_MS)
        return false;
    l->logged_at = now;
    return true;
}

static void listener_pause(struct listener *l, uint64_t ms)
{
    (void)uv_poll_stop(&l->poll);
    wheel_start(l->conns->wheel, &l->pause, ms, listener_resume);
}

static void listener_is_full(struct listener *l, int error)
{
    if (may_log(l))
        log_error("cannot accept clients for the moment", LOG_S("error", strerror(error)),
                  LOG_U("connections", l->conns->count));
    listener_pause(l, PAUSE_MS);
}

static void listener_refuse(struct listener *l, int fd, const char *limit)
{
    struct slice said = l->tls == NULL ? l->options.refusal : tls_server_refusal();
    ssize_t n = 0;

    if (may_log(l))
        log_warn("a client is refused", LOG_S("limit", limit),
                 LOG_U("connections", l->conns->count));
    if (said.len > 0)
        n = send(fd, said.p, said.len, MSG_NOSIGNAL);
    (void)n; /* a courtesy */
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
}

static void listener_welcome(struct listener *l, int fd, const struct sockaddr *peer)
{
    const struct listener_options *o = &l->options;
    struct conns *cs = l->conns;
    struct address_count *address = NULL;
    struct tls *tls;
    struct conn *c;

    if (cs->max > 0 && cs->count >= cs->max) {
        listener_refuse(l, fd, "max_connections");
        return;
    }
    if (cs->max_per_address > 0 && l->path == NULL) {
        address = address_count_take(&cs->addresses, peer, cs->max_per_address);
        if (address == NULL) {
            listener_refuse(l, fd, "max_connections_per_address");
            return;
        }
    }
    tls = l->tls != NULL ? tls_new(l->tls, fd, o->alpn) : NULL;
    c = conn_new(cs, fd, tls, o->conn_size, o->ops, o->data, address);
    if (c == NULL)
        address_count_drop(&cs->addresses, address);
    else if (tls != NULL)
        conn_count_handshake(c, peer);
}

static bool says_no_room(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Accepting would take what the process keeps for itself; last: the one accepted before,
 * or -1. */
static bool listener_is_short(const struct listener *l, int last)
{
    int reserved_from = process_reserved_from();

    return last >= 0 ? last + 1 >= reserved_from : process_is_short(l->fd, reserved_from - 1);
}

/* False: no other handshake can begin.  *still: the one that would make room. */
static bool listener_may_begin(const struct listener *l, struct conn **still)
{
    *still = NULL;
    if (l->tls == NULL || !tls_server_busy(l->tls))
        return true;
    *still = conns_still(l->conns, tls_server_share(l->tls));
    return *still != NULL;
}

/* A descriptor; -1: there is none any more, or accepting pauses. */
static int listener_accept(struct listener *l)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    struct conn *still;
    int fd;

    if (!listener_may_begin(l, &still)) {
        listener_pause(l, BUSY_MS);
        return -1;
    }
    fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (still != NULL)
            conn_make_room(still);
        listener_welcome(l, fd, (struct sockaddr *)&peer);
    } else if (says_no_room(errno)) {
        listener_is_full(l, errno);
    }
    return fd;
}

static void listener_on_poll(uv_poll_t *poll, int status, int events)
{
    struct listener *l = CONTAINER_OF(poll, struct listener, poll);
    int fd = -1;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_TURN; i++) {
        if (listener_is_short(l, fd)) {
            listener_is_full(l, EMFILE);
            return;
        }
        fd = listener_accept(l);
        if (fd < 0)
            return;
    }
}

/* A descriptor that is bound, or -1 with errno. */
static int listener_bind(const struct sockaddr *address, socklen_t len, bool share)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, error;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, address, len) == 0)
        return fd;
    error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/* Whatever listens there, on all addresses too, is none of our kind. */
static bool listener_is_alone(const struct sockaddr *address, socklen_t len)
{
    int fd = listener_bind(address, len, false);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* What is spoken there is part of the kind: one gateway may have several doors. */
static int listener_claim(struct listener *l, const struct sockaddr *address)
{
    const char *const *alpn = l->options.alpn;
    char kind[CLAIM_KIND_MAX];

    if (l->conns->claims == NULL)
        return 0;
    (void)snprintf(kind, sizeof kind, "sluice-%s %s%s", l->conns->kind, alpn != NULL ? alpn[0] : "",
                   l->tls != NULL ? " over TLS" : "");
    return claim_take(&l->claim, l->conns->claims, address, kind);
}

/* What stands behind ipc:// is a path; 0 or an errno. */
static int listener_listen_path(struct listener *l, const char *path)
{
    int error = unix_socket_listen(path, BACKLOG, &l->fd);

    if (error != 0)
        l->fd = -1;
    else
        l->path = mem_strndup(path, strlen(path));
    return error;
}

/* 0 or an errno. */
static int listener_listen(struct listener *l, const struct sockaddr *address, socklen_t len)
{
    int error = -listener_claim(l, address);

    if (error != 0)
        return error;
    if (l->claim.first && !listener_is_alone(address, len))
        error = errno;
    else if ((l->fd = listener_bind(address, len, true)) < 0 || listen(l->fd, BACKLOG) != 0)
        error = errno;
    claim_settle(&l->claim);
    return error;
}

static void listener_free(struct listener *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    claim_drop(&l->claim);
    free(l->path);
    free(l);
}

struct listener *listener_open(struct conns *cs, const char *address, struct tls_server *tls,
                               const struct listener_options *o)
{
    struct listener *l = mem_zalloc(sizeof *l);
    struct sockaddr_storage parsed;
    socklen_t len;
    int error;

    *l = (struct listener){.conns = cs, .tls = tls, .options = *o, .fd = -1, .claim = {.fd = -1}};
    if (strncmp(address, IPC, sizeof IPC - 1) == 0)
        error = listener_listen_path(l, address + sizeof IPC - 1);
    else if ((error = -address_parse(address, &parsed, &len)) == 0)
        error = listener_listen(l, (struct sockaddr *)&parsed, len);
    if (error != 0) {
        log_error("cannot listen", LOG_S("address", address), LOG_S("error", strerror(error)),
                  LOG_S("held_by", l->claim.holder));
        listener_free(l);
        return NULL;
    }
    (void)uv_poll_init(cs->loop, &l->poll, l->fd);
    (void)uv_poll_start(&l->poll, UV_READABLE, listener_on_poll);
    log_info("listening", LOG_S("address", address), LOG_S("tls", tls != NULL ? "on" : "off"));
    return l;
}

static void listener_on_closed(uv_handle_t *h)
{
    listener_free(CONTAINER_OF((uv_poll_t *)(void *)h, struct listener, poll));
}

void listener_close(struct listener *l)
{
    if (l == NULL)
        return;
    wheel_stop(&l->pause);
    uv_close((uv_handle_t *)&l->poll, listener_on_closed);
    (void)close(l->fd);
    l->fd = -1;
    if (l->path != NULL)
        unix_socket_remove(l->path);
    claim_drop(&l->claim);
}
